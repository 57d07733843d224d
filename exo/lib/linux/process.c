/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is left of a process: one thread, no signals but its own end, identity 1.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <linux/futex.h>
#include <linux/resource.h>
#include <linux/utsname.h>

#include <exo/siphash.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "linux.h"

enum {
	PID = 1,
	SIGNAL_STATUS = 128, /* status of a process that a signal ended, as shells count */
	STACK_LIMIT = 8 << 20,
};

int64_t linux_zero(linux_regs *regs)
{
	return 0;
}

int64_t linux_getpid(linux_regs *regs)
{
	return PID;
}

int64_t linux_set_tid_address(linux_regs *regs)
{
	return PID;
}

int64_t linux_arch_prctl(linux_regs *regs)
{
	uint64_t *base = regs->rdi == ARCH_SET_FS || regs->rdi == ARCH_GET_FS ? &regs->fs_base
	                                                                      : &regs->gs_base;

	switch (regs->rdi) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (regs->rsi >> 47 != 0)
			return -EPERM;
		*base = regs->rsi;
		return 0;
	case ARCH_GET_FS:
	case ARCH_GET_GS:
		if (!vm_prepare(regs->rsi, sizeof(uint64_t), true))
			return -EFAULT;
		*(uint64_t *)regs->rsi = *base;
		return 0;
	default:
		return -EINVAL;
	}
}

/* One thread: nobody else can wake it, so waiting is sleeping, and waking finds nobody. */
int64_t linux_futex(linux_regs *regs)
{
	uint64_t ns = UINT64_MAX;

	if (!vm_prepare(regs->rdi, sizeof(uint32_t), false))
		return -EFAULT;
	switch (regs->rsi & FUTEX_CMD_MASK) {
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		return 0;
	case FUTEX_WAIT:
		if (*(const uint32_t *)regs->rdi != (uint32_t)regs->rdx)
			return -EAGAIN;
		if (regs->r10 != 0 && !clock_read_timespec(regs->r10, &ns))
			return -EINVAL;
		if (ns == UINT64_MAX)
			exo_printf("linux: waits for a futex that no other thread can wake\n");
		clock_sleep(ns);
		return -ETIMEDOUT;
	default:
		return -ENOSYS;
	}
}

int64_t linux_exit(linux_regs *regs)
{
	file_flush();
	exo_exit((int32_t)(regs->rdi & 0xff));
}

static int64_t signal_self(uint64_t target, uint64_t signal)
{
	if (target != PID)
		return -ESRCH;
	if (signal == 0)
		return 0;
	file_flush();
	exo_printf("linux: ended by its own signal %llu\n", (unsigned long long)signal);
	exo_exit(SIGNAL_STATUS + (int32_t)(signal & 0x7f));
}

int64_t linux_kill(linux_regs *regs)
{
	return signal_self(regs->rdi, regs->rsi);
}

int64_t linux_tkill(linux_regs *regs)
{
	return signal_self(regs->rdi, regs->rsi);
}

int64_t linux_tgkill(linux_regs *regs)
{
	return signal_self(regs->rsi, regs->rdx);
}

/* Nothing ever raises a signal, so masks and handlers are accepted and forgotten. */
int64_t linux_rt_sigprocmask(linux_regs *regs)
{
	if (regs->rdx == 0)
		return 0;
	if (regs->r10 > 128 || !vm_prepare(regs->rdx, regs->r10, true))
		return -EFAULT;
	memset((void *)regs->rdx, 0, regs->r10);
	return 0;
}

int64_t linux_rt_sigaction(linux_regs *regs)
{
	enum {
		KERNEL_SIGACTION_BYTES = 32,
	};

	if (regs->rdx == 0)
		return 0;
	if (!vm_prepare(regs->rdx, KERNEL_SIGACTION_BYTES, true))
		return -EFAULT;
	memset((void *)regs->rdx, 0, KERNEL_SIGACTION_BYTES);
	return 0;
}

int64_t linux_sched_yield(linux_regs *regs)
{
	exo_yield(0);
	return 0;
}

int64_t linux_uname(linux_regs *regs)
{
	struct new_utsname *to = (struct new_utsname *)regs->rdi;

	if (!vm_prepare(regs->rdi, sizeof(*to), true))
		return -EFAULT;
	memset(to, 0, sizeof(*to));
	exo_text_copy(to->sysname, sizeof(to->sysname), "Linux");
	exo_text_copy(to->nodename, sizeof(to->nodename), exo_start_page()->name);
	exo_text_copy(to->release, sizeof(to->release), "6.1.0-sluice");
	exo_text_copy(to->version, sizeof(to->version), "Sluice " SLUICE_VERSION);
	exo_text_copy(to->machine, sizeof(to->machine), "x86_64");
	return 0;
}

static int64_t get_limit(uint64_t resource, uint64_t address)
{
	uint64_t *to = (uint64_t *)address;

	if (!vm_prepare(address, 2 * sizeof(*to), true))
		return -EFAULT;
	to[0] = to[1] = resource == RLIMIT_STACK ? STACK_LIMIT : ~0ull;
	return 0;
}

int64_t linux_getrlimit(linux_regs *regs)
{
	return get_limit(regs->rdi, regs->rsi);
}

int64_t linux_prlimit64(linux_regs *regs)
{
	if (regs->rdi != 0 && regs->rdi != PID)
		return -ESRCH;
	if (regs->rdx != 0)
		return -EPERM;
	return regs->r10 == 0 ? 0 : get_limit(regs->rsi, regs->r10);
}

/* A keyed function of a counter; the key is the start page's seed, which no other environment has.
 */
void random_fill(void *to, size_t size)
{
	static uint64_t counter;
	const struct exo_start *start = exo_start_page();
	uint8_t *at = to;

	while (size > 0) {
		uint64_t text[3] = {counter++, start->seed[2], start->seed[3]};
		uint64_t word = exo_siphash(start->seed, text, sizeof(text));
		size_t part = size < sizeof(word) ? size : sizeof(word);

		memcpy(at, &word, part);
		at += part;
		size -= part;
	}
}

int64_t linux_getrandom(linux_regs *regs)
{
	if (!vm_prepare(regs->rdi, regs->rsi, true))
		return -EFAULT;
	random_fill((void *)regs->rdi, regs->rsi);
	return (int64_t)regs->rsi;
}
