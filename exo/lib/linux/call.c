/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From call number to function. A number that nothing answers gets -ENOSYS and, once per number, a
 * console line.
 */
#include <asm/unistd_64.h>
#include <errno.h>

#include <libexo/printf.h>

#include "family.h"

enum {
	NUMBERS = 512,
};

static linux_call *calls[NUMBERS] = {
        [__NR_read] = linux_read,
        [__NR_write] = linux_write,
        [__NR_open] = linux_open,
        [__NR_close] = linux_close,
        [__NR_stat] = linux_stat,
        [__NR_fstat] = linux_fstat,
        [__NR_lstat] = linux_lstat,
        [__NR_poll] = linux_poll,
        [__NR_lseek] = linux_lseek,
        [__NR_mmap] = linux_mmap,
        [__NR_mprotect] = linux_mprotect,
        [__NR_munmap] = linux_munmap,
        [__NR_brk] = linux_brk,
        [__NR_rt_sigaction] = linux_rt_sigaction,
        [__NR_rt_sigprocmask] = linux_rt_sigprocmask,
        [__NR_rt_sigreturn] = linux_rt_sigreturn,
        [__NR_ioctl] = linux_ioctl,
        [__NR_pread64] = linux_pread64,
        [__NR_pwrite64] = linux_pwrite64,
        [__NR_readv] = linux_readv,
        [__NR_writev] = linux_writev,
        [__NR_access] = linux_access,
        [__NR_pipe] = linux_pipe,
        [__NR_select] = linux_select,
        [__NR_sched_yield] = linux_sched_yield,
        [__NR_mremap] = linux_mremap,
        [__NR_madvise] = linux_madvise,
        [__NR_dup] = linux_dup,
        [__NR_dup2] = linux_dup2,
        [__NR_pause] = linux_pause,
        [__NR_nanosleep] = linux_nanosleep,
        [__NR_getpid] = linux_getpid,
        [__NR_sendfile] = linux_sendfile,
        [__NR_clone] = linux_clone,
        [__NR_fork] = linux_fork,
        [__NR_vfork] = linux_fork,
        [__NR_execve] = linux_execve,
        [__NR_exit] = linux_exit,
        [__NR_wait4] = linux_wait4,
        [__NR_kill] = linux_kill,
        [__NR_uname] = linux_uname,
        [__NR_fcntl] = linux_fcntl,
        [__NR_fsync] = linux_fsync,
        [__NR_fdatasync] = linux_fsync,
        [__NR_truncate] = linux_truncate,
        [__NR_ftruncate] = linux_ftruncate,
        [__NR_getdents64] = linux_getdents64,
        [__NR_getcwd] = linux_getcwd,
        [__NR_chdir] = linux_chdir,
        [__NR_fchdir] = linux_fchdir,
        [__NR_rename] = linux_rename,
        [__NR_mkdir] = linux_mkdir,
        [__NR_rmdir] = linux_rmdir,
        [__NR_creat] = linux_creat,
        [__NR_unlink] = linux_unlink,
        [__NR_symlink] = linux_symlink,
        [__NR_readlink] = linux_readlink,
        [__NR_chmod] = linux_chmod,
        [__NR_umask] = linux_umask,
        [__NR_gettimeofday] = linux_gettimeofday,
        [__NR_getrlimit] = linux_getrlimit,
        [__NR_getrusage] = linux_getrusage,
        [__NR_sysinfo] = linux_sysinfo,
        [__NR_times] = linux_times,
        [__NR_getuid] = linux_zero,
        [__NR_getgid] = linux_zero,
        [__NR_setuid] = linux_zero,
        [__NR_setgid] = linux_zero,
        [__NR_geteuid] = linux_zero,
        [__NR_getegid] = linux_zero,
        [__NR_setpgid] = linux_setpgid,
        [__NR_getppid] = linux_getppid,
        [__NR_getpgrp] = linux_getpgrp,
        [__NR_setsid] = linux_setsid,
        [__NR_getgroups] = linux_zero,
        [__NR_setgroups] = linux_zero,
        [__NR_getpgid] = linux_getpgid,
        [__NR_rt_sigpending] = linux_rt_sigpending,
        [__NR_rt_sigtimedwait] = linux_rt_sigtimedwait,
        [__NR_rt_sigsuspend] = linux_rt_sigsuspend,
        [__NR_sigaltstack] = linux_sigaltstack,
        [__NR_statfs] = linux_statfs,
        [__NR_sched_setaffinity] = linux_zero,
        [__NR_sched_getaffinity] = linux_sched_getaffinity,
        [__NR_arch_prctl] = linux_arch_prctl,
        [__NR_gettid] = linux_gettid,
        [__NR_time] = linux_time,
        [__NR_tkill] = linux_tkill,
        [__NR_futex] = linux_futex,
        [__NR_set_tid_address] = linux_set_tid_address,
        [__NR_clock_gettime] = linux_clock_gettime,
        [__NR_clock_getres] = linux_clock_getres,
        [__NR_clock_nanosleep] = linux_clock_nanosleep,
        [__NR_exit_group] = linux_exit_group,
        [__NR_tgkill] = linux_tgkill,
        [__NR_openat] = linux_openat,
        [__NR_mkdirat] = linux_mkdirat,
        [__NR_newfstatat] = linux_newfstatat,
        [__NR_unlinkat] = linux_unlinkat,
        [__NR_renameat] = linux_renameat,
        [__NR_renameat2] = linux_renameat,
        [__NR_symlinkat] = linux_symlinkat,
        [__NR_readlinkat] = linux_readlinkat,
        [__NR_fchmodat] = linux_fchmodat,
        [__NR_faccessat] = linux_faccessat,
        [__NR_faccessat2] = linux_faccessat,
        [__NR_pselect6] = linux_pselect6,
        [__NR_ppoll] = linux_ppoll,
        [__NR_set_robust_list] = linux_zero,
        [__NR_utimensat] = linux_utimensat,
        [__NR_pipe2] = linux_pipe2,
        [__NR_dup3] = linux_dup3,
        [__NR_prlimit64] = linux_prlimit64,
        [__NR_getrandom] = linux_getrandom,
        [__NR_chown] = linux_zero,
        [__NR_fchown] = linux_zero,
        [__NR_lchown] = linux_zero,
        [__NR_fchownat] = linux_zero,
        [__NR_fchmod] = linux_zero,
        [__NR_flock] = linux_zero,
        [__NR_sync] = linux_zero,
        [__NR_membarrier] = linux_zero,
        [__NR_close_range] = linux_close_range,
        [__NR_rseq] = linux_no_call,
        [__NR_clone3] = linux_no_call,
        [__NR_statx] = linux_no_call,
        [__NR_prctl] = linux_zero,
        [__NR_setresuid] = linux_zero,
        [__NR_epoll_create] = linux_epoll_create,
        [__NR_epoll_create1] = linux_epoll_create1,
        [__NR_epoll_ctl] = linux_epoll_ctl,
        [__NR_epoll_wait] = linux_epoll_wait,
        [__NR_epoll_pwait] = linux_epoll_pwait,
        [__NR_epoll_pwait2] = linux_epoll_pwait2,
        [__NR_eventfd] = linux_eventfd,
        [__NR_eventfd2] = linux_eventfd2,
        [__NR_alarm] = linux_alarm,
        [__NR_getitimer] = linux_getitimer,
        [__NR_setitimer] = linux_setitimer,
        [__NR_timerfd_create] = linux_timerfd_create,
        [__NR_timerfd_settime] = linux_timerfd_settime,
        [__NR_timerfd_gettime] = linux_timerfd_gettime,
        [__NR_setresgid] = linux_zero,
};

void linux_call_set(unsigned number, linux_call *call)
{
	if (number < NUMBERS)
		calls[number] = call;
}

/* ---- The extension ---- */

static const struct linux_extension *extension;

/* Where nothing else is linked in. */
__attribute__((weak)) const struct linux_extension *linux_extend(void)
{
	return NULL;
}

void linux_extension_begin(void)
{
	extension = linux_extend();
}

uint64_t linux_extension_run(void)
{
	return extension != NULL ? extension->run() : UINT64_MAX;
}

void linux_extension_end(void)
{
	if (extension != NULL)
		extension->end();
}

/* ---- The call ---- */

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

int64_t linux_dispatch(linux_regs *regs)
{
	uint64_t number = regs->rax;

	return number < NUMBERS && calls[number] != NULL ? calls[number](regs)
	                                                 : unknown(number, regs->rip);
}

bool linux_own_call(struct exo_pe *pe, void *arg)
{
	linux_regs *regs = &pe->saved;
	int64_t result;

	task_self->progress = task_self->done = 0;
	family_lock();
	result = linux_dispatch(regs);
	family_unlock();
	if (result == LINUX_WAIT)
		task_wait(pe);
	else if (result != LINUX_NO_RESULT)
		regs->rax = (uint64_t)result;
	signal_deliver(pe);
	return true;
}
