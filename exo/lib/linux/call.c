/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From call number to function. A number that nothing answers gets -ENOSYS and, once per number, a
 * console line.
 */
#include <asm/unistd_64.h>
#include <errno.h>

#include <libexo/printf.h>

#include "linux.h"

enum {
	NUMBERS = 512,
};

static linux_call *const calls[NUMBERS] = {
        [__NR_read] = linux_read,
        [__NR_write] = linux_write,
        [__NR_open] = linux_open,
        [__NR_close] = linux_close,
        [__NR_stat] = linux_stat,
        [__NR_fstat] = linux_fstat,
        [__NR_lstat] = linux_stat,
        [__NR_poll] = linux_poll,
        [__NR_lseek] = linux_lseek,
        [__NR_mmap] = linux_mmap,
        [__NR_mprotect] = linux_mprotect,
        [__NR_munmap] = linux_munmap,
        [__NR_brk] = linux_brk,
        [__NR_rt_sigaction] = linux_rt_sigaction,
        [__NR_rt_sigprocmask] = linux_rt_sigprocmask,
        [__NR_ioctl] = linux_ioctl,
        [__NR_pread64] = linux_pread64,
        [__NR_readv] = linux_readv,
        [__NR_writev] = linux_writev,
        [__NR_access] = linux_access,
        [__NR_sched_yield] = linux_sched_yield,
        [__NR_mremap] = linux_mremap,
        [__NR_madvise] = linux_madvise,
        [__NR_nanosleep] = linux_nanosleep,
        [__NR_getpid] = linux_getpid,
        [__NR_exit] = linux_exit,
        [__NR_kill] = linux_kill,
        [__NR_uname] = linux_uname,
        [__NR_fcntl] = linux_fcntl,
        [__NR_getcwd] = linux_getcwd,
        [__NR_readlink] = linux_readlink,
        [__NR_gettimeofday] = linux_gettimeofday,
        [__NR_getrlimit] = linux_getrlimit,
        [__NR_getuid] = linux_zero,
        [__NR_getgid] = linux_zero,
        [__NR_geteuid] = linux_zero,
        [__NR_getegid] = linux_zero,
        [__NR_getppid] = linux_zero,
        [__NR_sigaltstack] = linux_zero,
        [__NR_arch_prctl] = linux_arch_prctl,
        [__NR_gettid] = linux_getpid,
        [__NR_time] = linux_time,
        [__NR_tkill] = linux_tkill,
        [__NR_futex] = linux_futex,
        [__NR_set_tid_address] = linux_set_tid_address,
        [__NR_clock_gettime] = linux_clock_gettime,
        [__NR_clock_getres] = linux_clock_getres,
        [__NR_clock_nanosleep] = linux_clock_nanosleep,
        [__NR_exit_group] = linux_exit,
        [__NR_tgkill] = linux_tgkill,
        [__NR_openat] = linux_openat,
        [__NR_newfstatat] = linux_newfstatat,
        [__NR_readlinkat] = linux_readlinkat,
        [__NR_faccessat] = linux_faccessat,
        [__NR_ppoll] = linux_ppoll,
        [__NR_set_robust_list] = linux_zero,
        [__NR_prlimit64] = linux_prlimit64,
        [__NR_getrandom] = linux_getrandom,
};

static uint64_t told[NUMBERS / 64];

/* Says so once for each number; those beyond the table share its last bit. */
static int64_t unknown(uint64_t number, uint64_t ip)
{
	uint64_t i = number < NUMBERS ? number : NUMBERS - 1;

	if ((told[i / 64] >> i % 64 & 1) == 0)
		exo_printf("linux: call %llu at %#llx is not answered (ENOSYS)\n",
		           (unsigned long long)number, (unsigned long long)ip);
	told[i / 64] |= 1ull << i % 64;
	return -ENOSYS;
}

bool linux_own_call(struct exo_pe *pe, void *arg)
{
	linux_regs *regs = &pe->saved;
	uint64_t number = regs->rax;

	if (number < NUMBERS && calls[number] != NULL)
		regs->rax = (uint64_t)calls[number](regs);
	else
		regs->rax = (uint64_t)unknown(number, regs->rip);
	return true;
}
