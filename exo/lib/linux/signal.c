/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals: raised by calls, faults, the console and other processes of the family (which set bits
 * in its process table); taken on the way back to the program. A handler runs on the program's
 * stack with a frame of Linux's layout (arch/x86/include/uapi/asm/sigcontext.h and ucontext.h),
 * vector state included.
 */
#include <asm/unistd_64.h>
#include <errno.h>
#include <signal.h>

#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/upcall.h>

#include "family.h"

enum {
	RED_ZONE = 128,
	SYSCALL_BYTES = 2,
	SET_BYTES = 8,
	FLAGS_USER = 0xcd5, /* of rflags: carry … overflow, direction, what a program may change */
	XSAVE_HEADER = 512,
	XSAVE_LEGACY_MXCSR = 24,
	MXCSR_BITS = 0xffff,
};
#define UNSTOPPABLE (bit(SIGKILL) | bit(SIGSTOP))

/* As the program gives it (struct kernel_sigaction). */
struct action {
	uint64_t handler, flags, restorer, mask;
};

struct alternate {
	uint64_t base;
	int32_t flags;
	uint32_t reserved;
	uint64_t size;
};

struct frame {
	uint64_t restorer;
	uint64_t uc_flags, uc_link;
	struct alternate uc_stack;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip;
	uint64_t rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, vector, old_mask, address, vector_state, reserved[8];
	uint64_t mask;
	struct {
		int32_t signal, error, code, pad;
		uint64_t address;
		uint8_t rest[104];
	} info;
};

static struct action actions[SIGNALS + 1];
static uint64_t pending; /* of the process as a whole */
static struct alternate alternate = {.flags = SS_DISABLE};
static uint8_t *scratch; /* one vector area */

static uint64_t bit(int signal)
{
	return 1ull << (signal - 1);
}

static bool ignored(int signal)
{
	uint64_t handler = actions[signal].handler;

	return handler == (uint64_t)SIG_IGN ||
	       (handler == (uint64_t)SIG_DFL &&
	        (signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT));
}

void signal_raise(struct task *task, int signal)
{
	if (signal < 1 || signal > SIGNALS || (ignored(signal) && signal != SIGCHLD))
		return;
	if (task != NULL)
		task->pending |= bit(signal);
	else
		pending |= bit(signal);
}

/* What others of the family sent. */
static void collect(void)
{
	pending |= __atomic_exchange_n(&self->pending, 0, __ATOMIC_ACQ_REL);
}

static uint64_t due(const struct task *task)
{
	return (pending | task->pending) & ~(task->blocked & ~UNSTOPPABLE);
}

bool signal_waits(const struct task *task)
{
	uint64_t set;

	collect();
	for (set = due(task); set != 0; set &= set - 1)
		if (!ignored(__builtin_ctzll(set) + 1))
			return true;
	return false;
}

/* With SA_RESTART (signal(7)). */
static bool is_made_again(uint64_t number)
{
	static const uint16_t again[] = {
	        __NR_read,    __NR_write,   __NR_readv,    __NR_writev,   __NR_wait4,
	        __NR_accept,  __NR_accept4, __NR_connect,  __NR_sendto,   __NR_recvfrom,
	        __NR_sendmsg, __NR_recvmsg, __NR_sendmmsg, __NR_recvmmsg,
	};

	for (unsigned i = 0; i < sizeof(again) / sizeof(again[0]); i++)
		if (again[i] == number)
			return true;
	return false;
}

int64_t signal_interrupts(linux_regs *regs)
{
	uint64_t set = due(task_self);

	if (regs->rax == __NR_close) { /* the descriptor goes all the same */
		if (fd_of_call((uint32_t)regs->rdi) != NULL)
			fd_close((uint32_t)regs->rdi);
		return 0;
	}
	if (task_self->done > 0)
		return (int64_t)task_self->done;
	if (task_self->progress > 0)
		return (int64_t)task_self->progress;
	if (set == 0 || !is_made_again(regs->rax) ||
	    (actions[__builtin_ctzll(set) + 1].flags & SA_RESTART) == 0)
		return -EINTR;
	regs->rip -= SYSCALL_BYTES;
	return LINUX_NO_RESULT;
}

void signal_exec(void)
{
	for (int i = 1; i <= SIGNALS; i++)
		if (actions[i].handler != (uint64_t)SIG_IGN)
			actions[i] = (struct action){0};
	alternate = (struct alternate){.flags = SS_DISABLE};
}

/* ---- To the handler and back ---- */

static uint64_t vector_bytes(void)
{
	return (exo_info()->vector_bytes + 63) & ~63ull;
}

static bool on_alternate(uint64_t sp)
{
	return sp - alternate.base < alternate.size;
}

static void describe(struct frame *frame, const struct exo_regs *r, int signal)
{
	*frame = (struct frame){
	        .r8 = r->r8,
	        .r9 = r->r9,
	        .r10 = r->r10,
	        .r11 = r->r11,
	        .r12 = r->r12,
	        .r13 = r->r13,
	        .r14 = r->r14,
	        .r15 = r->r15,
	        .rdi = r->rdi,
	        .rsi = r->rsi,
	        .rbp = r->rbp,
	        .rbx = r->rbx,
	        .rdx = r->rdx,
	        .rax = r->rax,
	        .rcx = r->rcx,
	        .rsp = r->rsp,
	        .rip = r->rip,
	        .rflags = r->rflags,
	        .cs = 0x33,
	        .ss = 0x2b,
	        .uc_flags = 6, /* UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS */
	        .mask = task_self->restores ? task_self->restore : task_self->blocked,
	        .info = {.signal = signal},
	        .uc_stack = alternate,
	};
	task_self->restores = false;
}

/* Builds the frame. false: the stack can't take it. */
static bool enter(struct exo_regs *regs, int signal, int code, uint64_t address)
{
	const struct action *action = &actions[signal];
	uint64_t sp = regs->rsp - RED_ZONE, vector;
	struct frame *frame;

	if ((action->flags & SA_ONSTACK) != 0 && (alternate.flags & SS_DISABLE) == 0 &&
	    !on_alternate(regs->rsp))
		sp = alternate.base + alternate.size;
	vector = (sp - vector_bytes()) & ~63ull;
	/* As after a call: the stack is 8 beside a multiple of 16. */
	frame = (struct frame *)(((vector - sizeof(*frame)) & ~15ull) - 8);
	if (!vm_prepare((uint64_t)frame, sp - (uint64_t)frame, true))
		return false;
	memset((void *)vector, 0, vector_bytes());
	exo_vector_save((void *)vector);
	describe(frame, regs, signal);
	frame->restorer = action->restorer;
	frame->vector_state = vector;
	frame->address = frame->info.address = address;
	frame->info.code = code;
	task_self->blocked |= action->mask | ((action->flags & SA_NODEFER) ? 0 : bit(signal));
	task_self->blocked &= ~UNSTOPPABLE;
	regs->rsp = (uint64_t)frame;
	regs->rip = action->handler;
	regs->rdi = (uint64_t)signal;
	regs->rsi = (uint64_t)&frame->info;
	regs->rdx = (uint64_t)&frame->uc_flags;
	regs->rax = 0;
	regs->rflags &= ~(uint64_t)0x400;
	if ((action->flags & SA_RESETHAND) != 0)
		actions[signal] = (struct action){0};
	return true;
}

/* Puts back vector state that the program may have changed: what xrstor would refuse is made
 * harmless first. */
static void restore_vectors(uint64_t address)
{
	uint32_t low, high;
	uint64_t *header;

	if (address % 64 != 0 || !vm_prepare(address, vector_bytes(), false))
		return;
	if (scratch == NULL) {
		struct exo_pages pages;

		if (exo_pages_alloc(&pages, exo_pages_for(vector_bytes())) < 0)
			return;
		scratch = pages.address;
	}
	memcpy(scratch, (const void *)address, vector_bytes());
	*(uint32_t *)(scratch + XSAVE_LEGACY_MXCSR) &= MXCSR_BITS;
	if (exo_info()->vector_bytes > XSAVE_HEADER) {
		header = (uint64_t *)(scratch + XSAVE_HEADER);
		__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
		header[0] &= low | (uint64_t)high << 32;
		memset(header + 1, 0, 56);
	}
	exo_vector_restore(scratch);
}

int64_t linux_rt_sigreturn(linux_regs *regs)
{
	struct frame frame;

	/* The handler's return took the restorer's address off. */
	if (copy_in(&frame, regs->rsp - 8, sizeof(frame)) < 0)
		process_end(SIGSEGV);
	restore_vectors(frame.vector_state);
	regs->r8 = frame.r8;
	regs->r9 = frame.r9;
	regs->r10 = frame.r10;
	regs->r11 = frame.r11;
	regs->r12 = frame.r12;
	regs->r13 = frame.r13;
	regs->r14 = frame.r14;
	regs->r15 = frame.r15;
	regs->rdi = frame.rdi;
	regs->rsi = frame.rsi;
	regs->rbp = frame.rbp;
	regs->rbx = frame.rbx;
	regs->rdx = frame.rdx;
	regs->rax = frame.rax;
	regs->rcx = frame.rcx;
	regs->rsp = frame.rsp;
	regs->rip = frame.rip;
	regs->rflags = (regs->rflags & ~(uint64_t)FLAGS_USER) | (frame.rflags & FLAGS_USER);
	task_self->blocked = frame.mask & ~UNSTOPPABLE;
	return LINUX_NO_RESULT;
}

int64_t signal_mask(uint64_t address, uint64_t size)
{
	uint64_t set;

	if (task_self->retry || address == 0)
		return 0;
	if (size != SET_BYTES)
		return -EINVAL;
	if (copy_in(&set, address, sizeof(set)) < 0)
		return -EFAULT;
	task_self->restore = task_self->blocked;
	task_self->restores = true;
	task_self->blocked = set & ~UNSTOPPABLE;
	return 0;
}

/* Where nothing was found, a signal that the mask lets through is what ends the call. */
int64_t signal_masked(int64_t result)
{
	if (result == LINUX_WAIT || !task_self->restores)
		return result;
	if (result == 0 && signal_waits(task_self))
		return -EINTR;
	task_self->blocked = task_self->restore;
	task_self->restores = false;
	return result;
}

static void by_default(int signal)
{
	if (signal != SIGPIPE && signal != SIGTERM && signal != SIGINT && signal != SIGKILL)
		exo_printf("linux: process %u is ended by signal %d\n", self->pid, signal);
	process_end((uint32_t)signal);
}

void signal_deliver(struct exo_pe *pe)
{
	uint64_t set;

	collect();
	while ((set = due(task_self)) != 0) {
		int signal = __builtin_ctzll(set) + 1;

		pending &= ~bit(signal);
		task_self->pending &= ~bit(signal);
		if (ignored(signal) || signal == SIGSTOP || signal == SIGTSTP)
			continue;
		if (actions[signal].handler == (uint64_t)SIG_DFL || signal == SIGKILL)
			by_default(signal);
		if (!enter(&pe->saved, signal, SI_USER, 0))
			by_default(SIGSEGV);
	}
	if (task_self->restores) {
		task_self->blocked = task_self->restore;
		task_self->restores = false;
	}
}

bool signal_fault(struct exo_pe *pe, int signal, int code, uint64_t address)
{
	bool handled = actions[signal].handler > (uint64_t)SIG_IGN &&
	               (task_self->blocked & bit(signal)) == 0;

	if (handled && enter(&pe->saved, signal, code, address))
		return true;
	/* Alone, the kernel's own report of the fault says more. */
	if (!family_shared() && self->pid == 1)
		return false;
	exo_printf("linux: process %u: signal %d at %#llx, address %#llx\n", self->pid, signal,
	           (unsigned long long)pe->saved.rip, (unsigned long long)address);
	process_end((uint32_t)signal);
}

bool signal_exception(struct exo_pe *pe, void *arg)
{
	enum { DIVIDE = 0, BREAKPOINT = 3, INVALID = 6, FLOAT = 16, SIMD = 19 };
	uint32_t vector = pe->upcall.vector;
	int signal = vector == DIVIDE || vector == FLOAT || vector == SIMD ? SIGFPE
	             : vector == BREAKPOINT                                ? SIGTRAP
	             : vector == INVALID                                   ? SIGILL
	                                                                   : SIGSEGV;

	return signal_fault(pe, signal, vector == DIVIDE ? FPE_INTDIV : 0, pe->saved.rip);
}

/* ---- Calls ---- */

int64_t linux_rt_sigaction(linux_regs *regs)
{
	uint64_t signal = regs->rdi;
	struct action new;

	if (signal < 1 || signal > SIGNALS || regs->r10 != SET_BYTES)
		return -EINVAL;
	if (regs->rsi != 0 && (signal == SIGKILL || signal == SIGSTOP))
		return -EINVAL;
	if (regs->rsi != 0 && copy_in(&new, regs->rsi, sizeof(new)) < 0)
		return -EFAULT;
	if (regs->rdx != 0 && copy_out(regs->rdx, &actions[signal], sizeof(new)) < 0)
		return -EFAULT;
	if (regs->rsi == 0)
		return 0;
	if (new.handler > (uint64_t)SIG_IGN)
		task_hear();
	actions[signal] = new;
	return 0;
}

int64_t linux_rt_sigprocmask(linux_regs *regs)
{
	uint64_t old = task_self->blocked, set;

	if (regs->r10 != SET_BYTES)
		return -EINVAL;
	if (regs->rsi != 0) {
		if (copy_in(&set, regs->rsi, sizeof(set)) < 0)
			return -EFAULT;
		if (regs->rdi > SIG_SETMASK)
			return -EINVAL;
		task_self->blocked = (regs->rdi == SIG_BLOCK     ? old | set
		                      : regs->rdi == SIG_UNBLOCK ? old & ~set
		                                                 : set) &
		                     ~UNSTOPPABLE;
	}
	return regs->rdx == 0 ? 0 : copy_out(regs->rdx, &old, sizeof(old));
}

int64_t linux_rt_sigpending(linux_regs *regs)
{
	uint64_t set;

	collect();
	set = (pending | task_self->pending) & task_self->blocked;
	return copy_out(regs->rdi, &set, sizeof(set));
}

int64_t linux_pause(linux_regs *regs)
{
	return signal_waits(task_self) ? -EINTR : LINUX_WAIT;
}

int64_t linux_rt_sigsuspend(linux_regs *regs)
{
	int64_t error = regs->rdi == 0 ? -EFAULT : signal_mask(regs->rdi, regs->rsi);

	if (error < 0)
		return error;
	return signal_waits(task_self) ? -EINTR : LINUX_WAIT;
}

int64_t linux_rt_sigtimedwait(linux_regs *regs)
{
	uint64_t set, ns = UINT64_MAX;
	int error = regs->rdx != 0 ? clock_read_timespec(regs->rdx, &ns) : 0;
	int signal;

	if (error < 0 || copy_in(&set, regs->rdi, sizeof(set)) < 0)
		return error < 0 ? error : -EFAULT;
	collect();
	set &= pending | task_self->pending;
	if (set == 0)
		return task_deadline(ns) ? -EAGAIN : LINUX_WAIT;
	signal = __builtin_ctzll(set) + 1;
	pending &= ~bit(signal);
	task_self->pending &= ~bit(signal);
	return signal;
}

int64_t linux_sigaltstack(linux_regs *regs)
{
	struct alternate old = alternate, new;

	if (regs->rdi != 0 && copy_in(&new, regs->rdi, sizeof(new)) < 0)
		return -EFAULT;
	if (regs->rsi != 0 && copy_out(regs->rsi, &old, sizeof(old)) < 0)
		return -EFAULT;
	if (regs->rdi != 0)
		alternate = new;
	return 0;
}

static bool meant(const struct process *process, int64_t target)
{
	if (process->state != PROCESS_LIVE)
		return false;
	if (target == -1)
		return process->pid != 1 && process != self;
	return target > 0    ? process->pid == (uint64_t)target
	       : target == 0 ? process->group == self->group
	                     : process->group == (uint64_t)-target;
}

int64_t linux_kill(linux_regs *regs)
{
	int64_t target = (int32_t)regs->rdi, result = -ESRCH;
	uint64_t signal = regs->rsi;

	if (signal > SIGNALS)
		return -EINVAL;
	for (unsigned i = 0; i < PROCESSES_MAX; i++) {
		struct process *process = &family->processes[i];

		if (process->state == PROCESS_ENDED && process->pid == (uint64_t)target)
			result = 0;
		if (!meant(process, target))
			continue;
		result = 0;
		if (signal != 0 && process == self)
			signal_raise(NULL, (int)signal);
		else if (signal != 0)
			__atomic_fetch_or(&process->pending, bit((int)signal), __ATOMIC_ACQ_REL);
	}
	family_changed();
	return result;
}

static int64_t to_task(uint64_t tid, uint64_t signal)
{
	if (signal > SIGNALS)
		return -EINVAL;
	for (unsigned i = 0; i < 256; i++) {
		struct task *task = task_at(i);

		if (task == NULL || task->tid != (uint32_t)tid)
			continue;
		if (signal != 0)
			signal_raise(task, (int)signal);
		return 0;
	}
	return -ESRCH;
}

int64_t linux_tkill(linux_regs *regs)
{
	return to_task(regs->rdi, regs->rsi);
}

int64_t linux_tgkill(linux_regs *regs)
{
	return to_task(regs->rsi, regs->rdx);
}
