/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Linux personality: what a static C program needs of a kernel, answered by its own library OS.
 *
 * The program's `syscall` instructions come back as own-call upcalls (exo/pe.h); its memory is
 * demand-paged by addressing upcalls. Everything here runs in upcall handlers: with upcalls masked,
 * on the handler stack, with general registers only. A fault in here would end the environment, so
 * memory of the program is touched only after vm_prepare has made it present. Nothing here knows
 * the program's C library, or where the program is linked.
 *
 *     start.c     exo_runtime_start: the process stack, and the jump to the program
 *     call.c      from number to function; unknown numbers
 *     vm.c        regions: mmap, munmap, mprotect, mremap, brk, faults
 *     pool.c      page frames for them
 *     radix.c     sparse tables, from page or frame number to a word
 *     file.c      descriptors: console, and content files of the start page
 *     clock.c     time and sleep
 *     process.c   everything else
 *
 * Source of numbers, flags and structures: Linux's x86-64 user ABI (linux-libc-dev's headers).
 */
#ifndef LINUX_LINUX_H
#define LINUX_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <exo/pe.h>

/* A call's registers; arguments by the names that Linux's ABI gives them. The result goes to rax.
 */
typedef struct exo_regs linux_regs;
typedef int64_t linux_call(linux_regs *regs);

/* ---- call.c ---- */
bool linux_own_call(struct exo_pe *pe, void *arg);

/* ---- vm.c ---- */

/* Learns what of the address space the image occupies. */
void vm_init(void);
bool vm_fault(struct exo_pe *pe, void *arg);
/* Makes [address, address + size) present, writable if `write`. false: it is not all the program's.
 */
bool vm_prepare(uint64_t address, uint64_t size, bool write);
/* A fresh region of `size` bytes, readable and writable, ending at `end` or below. 0: no room. */
uint64_t vm_reserve(uint64_t size, uint64_t end);
linux_call linux_mmap, linux_munmap, linux_mprotect, linux_mremap, linux_brk, linux_madvise;

/* ---- pool.c ---- */

/* A page frame. *dirty: it must be cleared first. false: none to be had. */
bool pool_take(uint64_t *frame, bool *dirty);
/* Gives it back; it is mapped nowhere any more. */
void pool_give(uint64_t frame);

/* ---- radix.c ---- */

struct radix {
	uint64_t *root;
};

/* The word at `key` (below 2^36), 0 where none was set. */
uint64_t radix_get(const struct radix *radix, uint64_t key);
/* The first key in [key, end) whose word is not 0; `end`: there is none. */
uint64_t radix_next(const struct radix *radix, uint64_t key, uint64_t end);
/* Sets it. false: no memory. */
bool radix_set(struct radix *radix, uint64_t key, uint64_t value);

/* ---- file.c ---- */
void file_flush(void);
/* Content that an open descriptor stands for. NULL: it is none. */
const void *file_content(int fd, uint64_t *size);
linux_call linux_read, linux_write, linux_readv, linux_writev, linux_pread64, linux_open,
        linux_openat, linux_close, linux_lseek, linux_fstat, linux_stat, linux_newfstatat,
        linux_access, linux_faccessat, linux_ioctl, linux_fcntl, linux_poll, linux_ppoll,
        linux_readlink, linux_readlinkat, linux_getcwd;

/* ---- clock.c ---- */
linux_call linux_clock_gettime, linux_clock_getres, linux_gettimeofday, linux_time, linux_nanosleep,
        linux_clock_nanosleep;

/* A sleep of `ns`, or for ever (UINT64_MAX); what was printed is shown first. */
void clock_sleep(uint64_t ns);
/* Reads a struct timespec of the program's as nanoseconds. false: it can't be read, or is
 * malformed. */
bool clock_read_timespec(uint64_t address, uint64_t *ns);

/* ---- process.c ---- */
void random_fill(void *to, size_t size);
linux_call linux_arch_prctl, linux_set_tid_address, linux_futex, linux_exit, linux_getpid,
        linux_zero, linux_getrandom, linux_rt_sigprocmask, linux_rt_sigaction, linux_kill,
        linux_tgkill, linux_tkill, linux_uname, linux_sched_yield, linux_prlimit64, linux_getrlimit;

#endif
