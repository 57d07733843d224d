/* SPDX-License-Identifier: BSD-2-Clause */
/* Trials of protected control transfer. */
#include "trial.h"

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <libexo/upcall.h>

enum {
	OP_SUM = 1,     /* the rest of the arguments and the caller */
	OP_VECTORS = 2, /* the handler's xmm7 as it finds it; then it is b */
	OP_EXIT = 3,
	OP_SPIN = 4,
	OP_COUNT = 5, /* letters so far */
	OP_LETTER = 6,
	OP_SLEEP = 7, /* until somebody ends it */
	ROUNDS = 2000,
	COST_ROUNDS = 64,
};

enum {
	TIMER_NS = 100000000, /* longer than a host stalls between setting it and calling */
	PATIENCE_NS = 5000000000,
};

/* ---- The server ---- */

static volatile uint64_t letters, wakes;

/* Whether the upper halves of the AVX registers exist here (Intel SDM vol. 1, 13.3). */
static bool has_avx(void)
{
	uint32_t a = 1, c = 0, low;

	__asm__ volatile("cpuid" : "+a"(a), "+c"(c)::"ebx", "edx");
	if ((c >> 27 & 3) != 3) /* OSXSAVE, AVX */
		return false;
	__asm__ volatile("xgetbv" : "=a"(low) : "c"(0) : "edx");
	return (low & 6) == 6;
}

/* xmm7, or, where there is one, the upper half of ymm7. */
static uint64_t get_vector(void)
{
	uint64_t value;

	if (has_avx())
		__asm__ volatile("vextractf128 $1, %%ymm7, %%xmm6\n\tmovq %%xmm6, %0"
		                 : "=r"(value));
	else
		__asm__ volatile("movq %%xmm7, %0" : "=r"(value));
	return value;
}

static void set_vector(uint64_t value)
{
	__asm__ volatile("movq %0, %%xmm7" ::"r"(value));
	if (has_avx())
		__asm__ volatile("vinsertf128 $1, %%xmm7, %%ymm7, %%ymm7" ::);
}

static uint64_t serve(uint32_t caller, uint64_t op, uint64_t b, uint64_t c, uint64_t d)
{
	uint64_t before;

	switch (op) {
	case OP_SUM:
		return caller + b + c + d;
	case OP_VECTORS:
		before = get_vector();
		set_vector(b);
		return before;
	case OP_EXIT:
		exo_exit(5);
	case OP_SPIN:
		for (;;)
			__asm__ volatile("pause");
	case OP_COUNT:
		return letters;
	case OP_LETTER:
		letters += b;
		return 0;
	case OP_SLEEP:
		for (;;)
			exo_wait(0);
	default:
		return 0;
	}
}

int role_serve(void)
{
	exo_remote_serve(serve);
	for (;;) {
		exo_wait(0);
		wakes++;
	}
}

int role_spin(void)
{
	for (;;)
		__asm__ volatile("pause");
}

/* Tries again while the server can't be entered. */
static int64_t invoke(uint64_t gate, uint64_t op, uint64_t b, uint64_t c, uint64_t d)
{
	uint64_t deadline = exo_tsc() + exo_time_ticks(PATIENCE_NS);
	int64_t result;

	do {
		result = exo_invoke(gate, op, b, c, d);
		if (result == -EXO_EAGAIN)
			exo_yield(0);
	} while (result == -EXO_EAGAIN && exo_tsc() < deadline);
	return result;
}

static void stop(struct exo_child *child)
{
	exo_env_end(&child->cap);
	trial_end(child);
}

/* ---- Trials ---- */

void trial_transfers(void)
{
	uint32_t self = exo_account()->env;
	uint64_t called = 0;
	struct exo_child child;

	TRIAL(trial_child(&child, "serve", 0, 1, 256));
	TRIAL(exo_gate(&child.cap, 0) == 0);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		TRIAL(invoke(0, OP_SUM, i, 1000, 1ull << 40) ==
		      (int64_t)(self + i + 1000 + (1ull << 40)));
		called++;
	}
	TRIAL(exo_reply(1) == -EXO_ENOENT);
	TRIAL(exo_account()->calls >= called);
	stop(&child);
	TRIAL(exo_invoke(0, OP_SUM, 0, 0, 0) == -EXO_ENOENT);
	TRIAL(exo_gate(NULL, 0) == 0);
}

void trial_transfer_cost(void)
{
	uint64_t start, empty, cost;
	struct exo_child child;

	TRIAL(trial_child(&child, "serve", 0, 1, 256));
	TRIAL(exo_gate(&child.cap, 0) == 0);
	TRIAL(invoke(0, OP_SUM, 0, 0, 0) > 0);
	start = exo_tsc();
	for (int i = 0; i < COST_ROUNDS; i++)
		__asm__ volatile("");
	empty = exo_tsc() - start;
	start = exo_tsc();
	for (int i = 0; i < COST_ROUNDS; i++)
		exo_invoke(0, OP_SUM, 0, 0, 0);
	cost = exo_tsc() - start;
	exo_printf("cost: a transfer and its reply: %llu ticks\n",
	           (unsigned long long)(cost - empty) / COST_ROUNDS);
	start = exo_tsc();
	for (int i = 0; i < COST_ROUNDS; i++)
		exo_null();
	cost = exo_tsc() - start;
	exo_printf("cost: a null call: %llu ticks\n",
	           (unsigned long long)(cost - empty) / COST_ROUNDS);
	stop(&child);
}

/* Each side finds its own registers, across transfers, slots and what the kernel did meanwhile. */
void trial_vectors(void)
{
	struct exo_child child, other;

	TRIAL(trial_child(&child, "serve", 0, 1, 256));
	TRIAL(trial_child(&other, "serve", 0, 1, 256));
	TRIAL(exo_gate(&child.cap, 0) == 0 && exo_gate(&other.cap, 1) == 0);
	TRIAL(invoke(0, OP_VECTORS, 100, 0, 0) == 0 && invoke(1, OP_VECTORS, 200, 0, 0) == 0);
	for (uint64_t i = 1; i < ROUNDS; i++) {
		set_vector(i << 32);
		TRIAL(invoke(0, OP_VECTORS, 100 + i, 0, 0) == (int64_t)(100 + i - 1));
		TRIAL(get_vector() == i << 32);
		TRIAL(invoke(1, OP_VECTORS, 200 + i, 0, 0) == (int64_t)(200 + i - 1));
		TRIAL(get_vector() == i << 32);
		if (i % 100 == 0)
			exo_yield(0);
		TRIAL(get_vector() == i << 32);
	}
	stop(&child);
	stop(&other);
}

static bool begin(struct exo_child *child)
{
	return trial_child(child, "serve", 0, 1, 256) && exo_gate(&child->cap, 0) == 0 &&
	       invoke(0, OP_SUM, 0, 0, 0) > 0;
}

void trial_servers_that_fail(void)
{
	struct exo_child child;
	uint64_t start;

	TRIAL(begin(&child));
	TRIAL(invoke(0, OP_EXIT, 0, 0, 0) == -EXO_ENOENT);
	TRIAL(trial_end(&child) == 5);
	for (uint64_t op = OP_SPIN; op <= OP_SLEEP; op += OP_SLEEP - OP_SPIN) {
		TRIAL(begin(&child));
		start = exo_tsc();
		exo_timer(start + exo_time_ticks(TIMER_NS));
		/* Where the server can't be entered it is refused at once. */
		do {
			TRIAL(exo_invoke(0, op, 0, 0, 0) == -EXO_EAGAIN);
		} while (exo_tsc() - start < exo_time_ticks(TIMER_NS));
		TRIAL(exo_invoke(0, OP_SUM, 0, 0, 0) == -EXO_EAGAIN);
		stop(&child);
		TRIAL(exo_invoke(0, OP_SUM, 0, 0, 0) == -EXO_ENOENT);
	}
	exo_timer(0);
}

void trial_letters(void)
{
	unsigned core = exo_info()->n_cores - 1;
	struct exo_child child;
	int64_t result;

	TRIAL(trial_child(&child, "serve", core, 1, 256));
	TRIAL(exo_gate(&child.cap, 2) == 0);
	if (core != 0)
		TRIAL(exo_invoke(2, OP_SUM, 0, 0, 0) == -EXO_EBUSY);
	for (int i = 0; i < ROUNDS; i++) {
		do {
			result = exo_send(2, OP_LETTER, 1, 0, 0);
			if (result == -EXO_EAGAIN)
				exo_yield(0);
		} while (result == -EXO_EAGAIN);
		TRIAL(result == 0);
	}
	if (core == 0) {
		uint64_t limit = exo_tsc() + exo_time_ticks(PATIENCE_NS);

		do {
			exo_wait(exo_tsc() + exo_time_ticks(5000000));
			result = invoke(2, OP_COUNT, 0, 0, 0);
		} while (result < ROUNDS && exo_tsc() < limit);
		TRIAL(result == ROUNDS);
	}
	do {
		result = exo_send(2, OP_EXIT, 0, 0, 0);
	} while (result == -EXO_EAGAIN);
	TRIAL(result == 0);
	TRIAL(trial_end(&child) == 5);
}

void trial_forged_gates(void)
{
	struct exo_child child;
	struct exo_grant grant;
	struct exo_cap bad;

	TRIAL(trial_child(&child, "serve", 0, 1, 256));
	for (unsigned byte = 0; byte < sizeof(bad); byte++) {
		bad = child.cap;
		((uint8_t *)&bad)[byte] ^= 1;
		TRIAL(exo_gate(&bad, 0) < 0);
	}
	/* A narrower key without CALL, and one for somebody else. */
	grant = (struct exo_grant){.cap = child.cap,
	                           .to = exo_account()->env,
	                           .rights = EXO_RIGHT_CONTROL,
	                           .first = child.id,
	                           .count = 1};
	TRIAL(exo_grant(&grant) == 0 && exo_gate(&grant.out, 0) == -EXO_EPERM);
	grant.rights = EXO_RIGHT_CALL;
	grant.to = child.id;
	TRIAL(exo_grant(&grant) == 0 && exo_gate(&grant.out, 0) == -EXO_EPERM);
	TRIAL(exo_gate(&child.cap, EXO_GATES) == -EXO_EINVAL);
	/* A stale one; and what it opened closes. */
	bad = child.cap;
	TRIAL(exo_gate(&child.cap, 0) == 0 && invoke(0, OP_SUM, 0, 0, 0) > 0);
	TRIAL(exo_revoke(&child.cap) == 0);
	TRIAL(exo_gate(&bad, 1) == -EXO_ESTALE);
	TRIAL(exo_invoke(0, OP_SUM, 0, 0, 0) == -EXO_ESTALE);
	TRIAL(exo_gate(&child.cap, 0) == 0 && invoke(0, OP_SUM, 0, 0, 0) > 0);
	stop(&child);
}
