/* SPDX-License-Identifier: BSD-2-Clause */
/* What is left: identity, limits, random bytes, copies from and to the program. */
#include <asm/prctl.h>
#include <errno.h>
#include <linux/resource.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include <exo/siphash.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "family.h"

enum {
	STACK_LIMIT = 8 << 20,
	RUSAGE_BYTES = 144,
	RANDOM_MOST = 1 << 20,
};

int copy_in(void *to, uint64_t from, size_t size)
{
	if (!vm_prepare(from, size, false))
		return -EFAULT;
	memcpy(to, (const void *)from, size);
	return 0;
}

int copy_out(uint64_t to, const void *from, size_t size)
{
	if (!vm_prepare(to, size, true))
		return -EFAULT;
	memcpy((void *)to, from, size);
	return 0;
}

int64_t linux_zero(linux_regs *regs)
{
	return 0;
}

/* Calls that C libraries try and can do without. */
int64_t linux_no_call(linux_regs *regs)
{
	return -ENOSYS;
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
		return copy_out(regs->rsi, base, sizeof(*base));
	default:
		return -EINVAL;
	}
}

int64_t linux_uname(linux_regs *regs)
{
	struct new_utsname name;

	memset(&name, 0, sizeof(name));
	exo_text_copy(name.sysname, sizeof(name.sysname), "Linux");
	exo_text_copy(name.nodename, sizeof(name.nodename), exo_start_page()->name);
	exo_text_copy(name.release, sizeof(name.release), "6.1.0-sluice");
	exo_text_copy(name.version, sizeof(name.version), "Sluice " SLUICE_VERSION);
	exo_text_copy(name.machine, sizeof(name.machine), "x86_64");
	return copy_out(regs->rdi, &name, sizeof(name));
}

static int64_t get_limit(uint64_t resource, uint64_t address)
{
	uint64_t most = resource == RLIMIT_STACK    ? STACK_LIMIT
	                : resource == RLIMIT_NOFILE ? FDS_MAX
	                                            : ~0ull;
	uint64_t pair[2] = {most, most};

	return copy_out(address, pair, sizeof(pair));
}

int64_t linux_getrlimit(linux_regs *regs)
{
	return get_limit(regs->rdi, regs->rsi);
}

int64_t linux_prlimit64(linux_regs *regs)
{
	if (regs->rdi != 0 && regs->rdi != self->pid)
		return -ESRCH;
	if (regs->rdx != 0)
		return -EPERM;
	return regs->r10 == 0 ? 0 : get_limit(regs->rsi, regs->r10);
}

/* One core. */
int64_t linux_sched_getaffinity(linux_regs *regs)
{
	uint64_t set = 1;

	if (regs->rsi < sizeof(set))
		return -EINVAL;
	return copy_out(regs->rdx, &set, sizeof(set)) < 0 ? -EFAULT : (int64_t)sizeof(set);
}

int64_t linux_sysinfo(linux_regs *regs)
{
	const struct exo_account *account = exo_account();
	struct sysinfo info;

	memset(&info, 0, sizeof(info));
	info.uptime = (int64_t)(exo_time_now_ns() / SECOND_NS);
	info.totalram = account->frames_max;
	info.freeram = account->frames_max - account->frames;
	info.mem_unit = EXO_PAGE_SIZE;
	info.procs = (uint16_t)family->live;
	return copy_out(regs->rdi, &info, sizeof(info));
}

int64_t linux_getrusage(linux_regs *regs)
{
	uint64_t usage[RUSAGE_BYTES / 8] = {0}, ns = exo_time_ns(exo_account()->ticks_used);

	usage[0] = ns / SECOND_NS;
	usage[1] = ns % SECOND_NS / 1000;
	return copy_out(regs->rsi, usage, sizeof(usage));
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
	uint64_t size = regs->rsi < RANDOM_MOST ? regs->rsi : RANDOM_MOST;

	if (!vm_prepare(regs->rdi, size, true))
		return -EFAULT;
	random_fill((void *)regs->rdi, size);
	return (int64_t)size;
}
