/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork, wait and the end of processes.
 *
 * fork makes an environment, gives it a start page like its own with capabilities derived for it,
 * a copy of the library OS's writable memory, and maps the program's memory read-only on both sides
 * (vm.c). The child's PE begins in process_forked, on the handler stack, with upcalls masked as in
 * the parent's call, and leaves through the resume range: the program goes on from its fork.
 *
 * A process that ended stays, as an environment that only waits, while others map its frames.
 */
#include <asm/unistd_64.h>
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/wait.h>

#include <libexo/call.h>
#include <libexo/child.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <libexo/upcall.h>

#include "../runtime.h"
#include "../space.h"
#include "family.h"

enum {
	FRAMES_PART = 4,   /* a child gets one part in … of the limit that is left */
	FRAMES_MOST = 2,   /* … where it shows so much of the family's memory */
	FRAMES_LEAST = 96, /* less is no life */
	LEAVING_TURNS = 8, /* given to each process that ended, to be gone before the next fork */
	LOOK_NS = 2000000,
	LAST_LOOKS = 2000, /* how often the first process looks whether all others ended */
};

extern char exo_handler_stack_top[], exo_handler_guard[], exo_first_guard[];

/* Keys to the environments of the processes that this one forked, by place in the table. */
static struct exo_cap keys[PROCESSES_MAX];
static struct exo_child child; /* being made; too large for the handler stack */
static uint8_t vectors[4096] __attribute__((aligned(64)));

/* ---- fork: the parent's side ---- */

static struct process *take_process(void)
{
	for (unsigned i = 0; i < PROCESSES_MAX; i++)
		if (family->processes[i].state == PROCESS_FREE)
			return &family->processes[i];
	return NULL;
}

/* The child's start page is its parent's, with what it may hold itself. */
static void fill_start(void)
{
	const struct exo_start *own = exo_start_page();
	uint64_t seed[4];

	memcpy(seed, child.start->seed, sizeof(seed));
	memcpy(child.start, own, sizeof(*own));
	memcpy(child.start->seed, seed, sizeof(seed));
	child.start->env = child.id;
	child.start->n_caps = 0;
	child.start->mailbox = 0;
	for (uint32_t i = 0; i < own->n_caps && i < EXO_START_CAPS_MAX; i++) {
		const struct exo_cap *cap = &own->caps[i].cap;

		/* What can't be passed on, the child has not. */
		if ((cap->rights & EXO_RIGHT_GRANT) != 0 && cap->kind != EXO_KIND_FLOW)
			exo_child_grant(&child, own->caps[i].use, own->caps[i].name, cap,
			                cap->rights, cap->first, cap->count);
	}
}

static int share_range(uint64_t begin, uint64_t end, unsigned rights)
{
	while (begin < end) {
		uint64_t pages = (end - begin) >> EXO_PAGE_SHIFT;
		struct exo_mapping mapping = {
		        .address = begin,
		        .frame = begin >> EXO_PAGE_SHIFT,
		        .count = pages < 4096 ? (uint32_t)pages : 4096,
		        .rights = (uint16_t)rights,
		        .flags = EXO_MAP_GUARANTEED | EXO_MAP_SHARE,
		};
		int64_t n = exo_map(&child.cap, &mapping, 1);

		if (n != 1)
			return n < 0 ? (int)n : -EXO_ENOMEM;
		begin += (uint64_t)mapping.count << EXO_PAGE_SHIFT;
	}
	return 0;
}

static bool is_guard(uint64_t page)
{
	return page == (uintptr_t)exo_handler_guard || page == (uintptr_t)exo_first_guard;
}

/* A run of the library OS's own pages, copied. */
static int copy_run(uint64_t begin, uint64_t end)
{
	void *view;
	int result = exo_child_memory(&child, begin, (end - begin) >> EXO_PAGE_SHIFT,
	                              EXO_RIGHT_READ | EXO_RIGHT_WRITE, &view);

	if (result < 0)
		return result;
	memcpy(view, (const void *)begin, end - begin);
	exo_child_unview(view, (end - begin) >> EXO_PAGE_SHIFT);
	return 0;
}

static int copy_image(uint64_t begin, uint64_t end)
{
	int result = 0;

	while (begin < end && result == 0) {
		uint64_t stop = begin;

		while (stop < end && !is_guard(stop))
			stop += EXO_PAGE_SIZE;
		if (stop > begin)
			result = copy_run(begin, stop);
		begin = stop + EXO_PAGE_SIZE;
	}
	return result;
}

/* Pages taken at run time: shared with the family, or copied. */
static int copy_pages(uint64_t end)
{
	uint64_t at = SPACE_PAGES_BASE;
	int result = 0;

	while (at < end && result == 0) {
		uint64_t stop = at;
		bool own = exo_space_is_own(at), shared = family_has(at);

		while (stop < end && exo_space_is_own(stop) == own && family_has(stop) == shared)
			stop += EXO_PAGE_SIZE;
		if (own && !shared)
			result = copy_run(at, stop);
		at = stop;
	}
	return result;
}

static int copy_library(uint64_t pages_end)
{
	const struct exo_start *start = exo_start_page();
	uint64_t begin, end;
	unsigned rights;
	int result = 0;

	for (unsigned i = 0; result == 0 && vm_image_segment(i, &begin, &end, &rights); i++)
		result = (rights & EXO_RIGHT_WRITE) != 0 ? copy_image(begin, end)
		                                         : share_range(begin, end, rights);
	for (uint32_t i = 0; result == 0 && i < start->n_files; i++) {
		begin = start->files[i].address;
		end = begin + ((uint64_t)exo_pages_for(start->files[i].size) << EXO_PAGE_SHIFT);
		result = share_range(begin, end, EXO_RIGHT_READ | EXO_RIGHT_EXEC);
		if (result == -EXO_EPERM) /* content that is not for running */
			result = share_range(begin, end, EXO_RIGHT_READ);
	}
	if (result == 0)
		result = copy_pages(pages_end);
	return result == 0 ? family_share(&child) : result;
}

/* One slot of this core: a free one, or one of its own where it has several. */
static int give_slot(void)
{
	const struct exo_cap *authority = exo_start_cap(EXO_USE_SLOTS);
	const struct exo_info *info = exo_info();
	const struct exo_slot_info *slots =
	        (const struct exo_slot_info *)((const char *)info + info->slots_offset);
	uint32_t first = exo_start_page()->core * EXO_SLOTS_PER_CORE, own = 0, mine = 0;

	for (uint32_t i = first; i < first + EXO_SLOTS_PER_CORE; i++) {
		if (slots[i].owner == 0 && authority != NULL &&
		    exo_slot_take(authority, child.id, i, 1) >= 0)
			return 0;
		if (slots[i].owner == exo_start_page()->env) {
			own++;
			mine = i;
		}
	}
	return own > 1 ? exo_slot_take(NULL, child.id, mine, 1) : -EXO_EBUSY;
}

static void process_forked(void) __attribute__((noreturn));

static int start_child(void)
{
	struct exo_pe_setup setup;
	int result;

	exo_runtime_setup(&setup);
	setup.start_ip = (uintptr_t)process_forked;
	setup.start_sp = (uintptr_t)exo_handler_stack_top - 8;
	result = exo_pe_set(&child.cap, &setup);
	if (result < 0)
		return result;
	exo_child_unview(child.start, EXO_START_BYTES / EXO_PAGE_SIZE);
	child.start = NULL;
	return exo_env_start(&child.cap);
}

/* The parent's memory at this moment is what the child begins with: `next` says who it is. */
static uint32_t next;
static uint64_t next_stack, next_tid_address;

/* Whether an environment has gone; gives it the processor where it has not. */
static bool has_gone(uint32_t env)
{
	return env == 0 || exo_yield(env) == -EXO_ENOENT;
}

/* Processes that ended still have their part of the limit until they have run to their end. */
static void let_leave(void)
{
	for (unsigned i = 0; i < LEAVING_MAX; i++)
		for (unsigned n = 0; n < LEAVING_TURNS && family->leaving[i] != 0; n++)
			if (has_gone(family->leaving[i]))
				family->leaving[i] = 0;
}

/* The limit bounds mappings, too, and a child shows about what its parent shows. */
static uint64_t frames_for_child(void)
{
	const struct exo_account *account = exo_account();
	uint64_t left = account->frames_max - account->frames, part = left / FRAMES_PART;

	if (part + EXO_MAPPINGS_SPARE >= account->mappings)
		return part;
	part = account->mappings - EXO_MAPPINGS_SPARE;
	return part < left / FRAMES_MOST ? part : left / FRAMES_MOST;
}

/* What is being done, for who reads that it failed. */
static const char *step;

static int make_child(uint64_t pages_end)
{
	uint64_t frames;
	int result;

	step = "its environment";
	let_leave();
	frames = frames_for_child();
	if (frames < FRAMES_LEAST)
		return -EXO_ENOMEM;
	result = exo_child_create(&child, exo_start_page()->name, frames);
	if (result < 0)
		return result;
	fill_start();
	step = "the program's memory";
	result = vm_fork(&child);
	if (result < 0)
		return result;
	step = "the library's memory";
	result = copy_library(pages_end);
	if (result < 0)
		return result;
	step = "a slot";
	result = give_slot();
	if (result < 0)
		return result;
	step = "its PE";
	return start_child();
}

int64_t process_fork(linux_regs *regs, uint64_t stack)
{
	struct process *process = take_process();
	uint64_t pages_end = exo_space_untouched();
	int result;

	if (exo_start_cap(EXO_USE_ENVS) == NULL)
		return -EPERM;
	if (process == NULL || exo_info()->vector_bytes > sizeof(vectors) || pages_end == 0)
		return -EAGAIN;
	console_flush();
	exo_vector_save(vectors);
	next = (uint32_t)(process - family->processes);
	next_stack = stack;
	next_tid_address =
	        regs->rax == __NR_clone && (regs->rdi & CLONE_CHILD_SETTID) ? regs->r10 : 0;
	*process = (struct process){.state = PROCESS_LIVE,
	                            .pid = family->next_pid++,
	                            .parent = self->pid,
	                            .group = self->group};
	family->live++;
	fd_inherit();
	memset(&child, 0, sizeof(child));
	result = make_child(pages_end);
	if (result < 0) {
		exo_printf("linux: fork: %s: %s\n", step,
		           child.error[0] != '\0' ? child.error : exo_error_text(result));
		exo_child_abandon(&child);
		process->state = PROCESS_FREE;
		family->live--;
		fd_disinherit();
		return result == -EXO_EPERM ? -EPERM : -EAGAIN;
	}
	process->env = child.id;
	keys[next] = child.cap;
	task_hear();
	return process->pid;
}

/* ---- fork: the child's side ---- */

/* The family's lock is the parent's here: nothing of the area is changed. */
static void process_forked(void)
{
	struct exo_pe *pe = exo_upcall_pe();

	family_join(next);
	memset(keys, 0, sizeof(keys));
	pool_forget();
	vm_forked();
	task_forked();
	clock_forked();
	pe->saved.rax = 0;
	if (next_stack != 0)
		pe->saved.rsp = next_stack;
	if (next_tid_address != 0)
		copy_out(next_tid_address, &self->pid, sizeof(self->pid));
	task_hear();
	exo_vector_restore(vectors);
	exo_runtime_resume(pe);
}

/* ---- The end ---- */

static struct process *find_process(uint32_t pid)
{
	for (unsigned i = 0; i < PROCESSES_MAX; i++)
		if (family->processes[i].state != PROCESS_FREE && family->processes[i].pid == pid)
			return &family->processes[i];
	return NULL;
}

static void tell_parent(const struct process *process)
{
	struct process *parent = find_process(process->parent);

	if (parent != NULL && parent->state == PROCESS_LIVE)
		__atomic_fetch_or(&parent->pending, 1ull << (SIGCHLD - 1), __ATOMIC_ACQ_REL);
	family_changed();
}

/* Remembers an environment that still has to go: it needs the first process's frames to its last
 * instruction. */
static void note_leaving(uint32_t env)
{
	unsigned i;

	for (i = 0; i < LEAVING_MAX - 1 && family->leaving[i] != 0; i++)
		if (family->leaving[i] != env && has_gone(family->leaving[i]))
			break;
	family->leaving[i] = env;
}

/* Ended processes whose parent is gone, or never asks, are forgotten. */
static void become_ended(struct process *process, uint32_t status)
{
	struct process *parent = find_process(process->parent);

	for (unsigned i = 0; i < PROCESSES_MAX; i++) {
		struct process *orphan = &family->processes[i];

		if (orphan->state == PROCESS_FREE || orphan->parent != process->pid)
			continue;
		orphan->parent = 1;
		if (orphan->state == PROCESS_ENDED)
			orphan->state = PROCESS_FREE;
	}
	process->status = status;
	process->state = parent == NULL || parent == process ? PROCESS_FREE : PROCESS_ENDED;
	family->live--;
	note_leaving(process->env);
	tell_parent(process);
}

/* The first process's end is everybody's. */
static void end_family(void)
{
	for (unsigned i = 0; i < PROCESSES_MAX; i++)
		if (&family->processes[i] != self && family->processes[i].state == PROCESS_LIVE)
			__atomic_fetch_or(&family->processes[i].pending, 1ull << (SIGKILL - 1),
			                  __ATOMIC_ACQ_REL);
	family_changed();
	for (unsigned n = 0; family_shared() && n < LAST_LOOKS; n++) {
		family_unlock();
		exo_time_sleep_ns(LOOK_NS);
		family_lock();
	}
	for (unsigned i = 0; i < LEAVING_MAX; i++)
		for (unsigned n = 0; !has_gone(family->leaving[i]) && n < LAST_LOOKS; n++)
			exo_time_sleep_ns(LOOK_NS / 16);
}

static int32_t status_of(uint32_t status)
{
	return (status & 0x7f) != 0 ? 128 + (int32_t)(status & 0x7f) : (int32_t)(status >> 8);
}

void process_end(uint32_t status)
{
	console_flush();
	family_lock_again();
	if (self->pid == 1) {
		end_family();
		fd_close_all();
		linux_extension_end();
		exo_exit(status_of(status));
	}
	fd_close_all();
	become_ended(self, status);
	family_unlock();
	task_alone();
	vm_clear(0);
	while (!pool_drain())
		exo_wait(exo_tsc() + exo_time_ticks(LOOK_NS));
	exo_exit(status_of(status));
}

int64_t linux_exit_group(linux_regs *regs)
{
	process_end((uint32_t)(regs->rdi & 0xff) << 8);
}

/* A child whose library OS failed could not say so itself. */
static void check_children(void)
{
	for (unsigned i = 0; i < PROCESSES_MAX; i++) {
		struct process *process = &family->processes[i];
		struct exo_env_status status = {.env = keys[i]};

		if (keys[i].kind == EXO_KIND_NONE || exo_env_status(&status) < 0 ||
		    status.state <= EXO_ENV_RUNNING)
			continue;
		if (process->state == PROCESS_LIVE && process->env == (uint32_t)keys[i].first) {
			exo_printf("linux: process %u ended with its library OS\n", process->pid);
			become_ended(process, SIGSEGV);
		}
		exo_env_end(&keys[i]); /* its status is not needed any more */
		keys[i] = (struct exo_cap){0};
	}
}

void process_events(uint32_t events)
{
	if ((events & EXO_EVENT_CHILD) == 0)
		return;
	family_lock();
	check_children();
	family_unlock();
}

/* ---- Calls ---- */

int64_t linux_fork(linux_regs *regs)
{
	return process_fork(regs, 0);
}

static bool awaited(const struct process *process, int32_t target)
{
	if (process->state == PROCESS_FREE || process->parent != self->pid || process == self)
		return false;
	return target == -1 || (target > 0    ? process->pid == (uint32_t)target
	                        : target == 0 ? process->group == self->group
	                                      : process->group == (uint32_t)-target);
}

int64_t linux_wait4(linux_regs *regs)
{
	bool any = false;

	for (unsigned i = 0; i < PROCESSES_MAX; i++) {
		struct process *process = &family->processes[i];

		if (!awaited(process, (int32_t)regs->rdi))
			continue;
		any = true;
		if (process->state != PROCESS_ENDED)
			continue;
		if (regs->rsi != 0 && copy_out(regs->rsi, &process->status, 4) < 0)
			return -EFAULT;
		process->state = PROCESS_FREE;
		return process->pid;
	}
	if (!any)
		return -ECHILD;
	return (regs->rdx & WNOHANG) != 0 ? 0 : LINUX_WAIT;
}

int64_t linux_getpid(linux_regs *regs)
{
	return self->pid;
}

int64_t linux_getppid(linux_regs *regs)
{
	return self->parent;
}

int64_t linux_getpgrp(linux_regs *regs)
{
	return self->group;
}

int64_t linux_getpgid(linux_regs *regs)
{
	const struct process *process = regs->rdi == 0 ? self : find_process((uint32_t)regs->rdi);

	return process == NULL ? -ESRCH : (int64_t)process->group;
}

int64_t linux_setpgid(linux_regs *regs)
{
	struct process *process = regs->rdi == 0 ? self : find_process((uint32_t)regs->rdi);

	if (process == NULL)
		return -ESRCH;
	process->group = regs->rsi == 0 ? process->pid : (uint32_t)regs->rsi;
	return 0;
}

int64_t linux_setsid(linux_regs *regs)
{
	self->group = self->pid;
	return self->pid;
}
