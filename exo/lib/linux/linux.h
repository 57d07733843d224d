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
 * A process is an environment; fork makes a child environment that maps the same frames, copied
 * when somebody writes. The processes that descend from one that init started are a family: they
 * share one area of memory (family.h) with the process table, open files, pipes and the file tree,
 * under one lock that a call holds from beginning to end. A call that must wait gives LINUX_WAIT
 * and is made again when something has happened; so nobody ever sleeps with the lock held.
 *
 *     start.c     exo_runtime_start: the first process
 *     exec.c      programs: loading, the stack that they begin with, execve
 *     call.c      from number to function; unknown numbers
 *     task.c      threads of the program: waiting, switching, clone, futex
 *     signal.c    signals
 *     vm.c, region.c
 *                 regions: mmap, munmap, mprotect, mremap, brk, faults; copy-on-write
 *     pool.c      page frames for them
 *     radix.c     sparse tables, from page or frame number to a word
 *     family.c    the shared area and its lock
 *     process.c   fork, wait, exit, kill
 *     fd.c        descriptors: tables of operations per type of file
 *     tree.c      the file tree: content files, read-only, and what is made in memory
 *     path.c      calls that name files by paths
 *     folder.c    calls that change and list folders
 *     pipe.c, console.c, event.c, device.c
 *                 more types of files
 *     poll.c      poll and select
 *     epoll.c     epoll
 *     clock.c     time and sleep
 *     misc.c      everything else
 *
 * Source of numbers, flags and structures: Linux's x86-64 user ABI (linux-libc-dev's headers).
 */
#ifndef LINUX_LINUX_H
#define LINUX_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <exo/call.h>
#include <exo/layout.h>
#include <exo/pe.h>

/* A call's registers; arguments by the names that Linux's ABI gives them. The result goes to rax.
 */
typedef struct exo_regs linux_regs;
typedef int64_t linux_call(linux_regs *regs);

#define LINUX_WAIT      INT64_MIN       /* not yet: make the call again when something happened */
#define LINUX_NO_RESULT (INT64_MIN + 1) /* the handler has set the registers itself */

#define SECOND_NS 1000000000ull

/* ---- call.c ---- */
bool linux_own_call(struct exo_pe *pe, void *arg);
/* Makes the call that the registers say. */
int64_t linux_dispatch(linux_regs *regs);

/* Answers a number by another function from now on. */
void linux_call_set(unsigned number, linux_call *call);

/*
 * A part of the personality that is linked in and not named here: the sockets of a stack. It is
 * called with the family's lock held.
 */
struct linux_extension {
	/* Does what is due: before waiting calls are made again, and when the kernel told of
	   something. → when to be called again at the latest, in nanoseconds since boot. */
	uint64_t (*run)(void);
	/* The first process ends, and with it everything: what must still be done is done. */
	void (*end)(void);
};
/* Begins the extension, before the first program; NULL: there is none. What is linked in defines
 * this function in place of an empty one. */
const struct linux_extension *linux_extend(void);
void linux_extension_begin(void);
/* Runs it. → as above; UINT64_MAX: nothing waits. */
uint64_t linux_extension_run(void);
void linux_extension_end(void);

/* ---- exec.c ---- */

/* Says so and ends the environment. */
void linux_give_up(const char *what) __attribute__((noreturn));
/* Loads the foreign program of the start page, or finds the one in the library OS's own image, and
 * fills in the registers that it begins with. */
void exec_first(linux_regs *regs);
linux_call linux_execve;

/* ---- vm.c ---- */

/* Learns what of the address space the library OS's image occupies. */
void vm_init(void);
bool vm_fault(struct exo_pe *pe, void *arg);
/* Makes [address, address + size) present, writable if `write`. false: it is not all the program's.
 */
bool vm_prepare(uint64_t address, uint64_t size, bool write);
/* A fresh region of `size` bytes, readable and writable, ending at `end` or below. 0: no room. */
uint64_t vm_reserve(uint64_t size, uint64_t end);
/* A region at [begin, end) with rights `prot`, that shows `bytes` bytes of read-only content at
 * `source`, page-aligned like `begin`, and zeros behind them. false: something is there. */
bool vm_place(uint64_t begin, uint64_t end, unsigned prot, uint64_t source, uint64_t bytes);
/* Everything of the program goes; the heap will begin behind `end`. */
void vm_clear(uint64_t heap);
/* Where a relocatable program of `size` bytes goes. 0: no room. */
uint64_t vm_find(uint64_t size);

struct exo_child;
/* Maps everything of the program's into a child that is being made, both sides copying when they
 * write from now on. 0 or an error of Sluice's. */
int vm_fork(struct exo_child *child);
/* In the child: no frame is its own. */
void vm_forked(void);
/* Address ranges of the library OS's own image: i-th segment. false: there are no more. */
bool vm_image_segment(unsigned i, uint64_t *begin, uint64_t *end, unsigned *rights);
linux_call linux_mmap, linux_munmap, linux_mprotect, linux_mremap, linux_brk, linux_madvise;

/* ---- pool.c ---- */

/* A page frame. *dirty: it must be cleared first. false: none to be had. */
bool pool_take(uint64_t *frame, bool *dirty);
/* Gives it back; this process maps it nowhere any more. It is used again when no other does. */
void pool_give(uint64_t frame);
/* In a forked child: the frames were the parent's. */
void pool_forget(void);
/* Gives back to the kernel all that can go. Whether nothing is left. */
bool pool_drain(void);

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

/* ---- clock.c ---- */
linux_call linux_clock_gettime, linux_clock_getres, linux_gettimeofday, linux_time, linux_nanosleep,
        linux_clock_nanosleep, linux_times, linux_alarm, linux_getitimer, linux_setitimer;

/* Raises SIGALRM where it is due. → when it will be; UINT64_MAX: never. */
uint64_t clock_alarm(void);
/* In a forked child: it has no alarm. */
void clock_forked(void);

/* Reads a struct timespec of the program's as nanoseconds. 0, -EFAULT or -EINVAL. */
int clock_read_timespec(uint64_t address, uint64_t *ns);

/* ---- misc.c ---- */
void random_fill(void *to, size_t size);
linux_call linux_zero, linux_getrandom, linux_uname, linux_arch_prctl, linux_prlimit64,
        linux_getrlimit, linux_sched_getaffinity, linux_sysinfo, linux_getrusage, linux_no_call;

/* Copies from and to the program. 0 or -EFAULT. */
int copy_in(void *to, uint64_t from, size_t size);
int copy_out(uint64_t to, const void *from, size_t size);

#endif
