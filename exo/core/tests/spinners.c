/* SPDX-License-Identifier: BSD-2-Clause */
#include "spinners.h"

#include <string.h>

uint64_t ran[8];
int64_t last_result;
void (*extra)(struct machine_pe *pe, struct machine_trap *trap, uint32_t id);

static uint32_t id_of(struct machine_space *space)
{
	struct exo_account account;

	assert_int_equal(host_load(space, &account, EXO_ACCOUNT_ADDR, sizeof(account)), 0);
	return account.env;
}

/* Everybody but init, which sleeps, spins; `extra` may do something else instead. A timer that
 * passes meanwhile interrupts when ring 3 is next entered. */
static void spin(struct machine_pe *pe, struct machine_space *space, struct machine_trap *trap)
{
	uint32_t id = id_of(space);

	last_result = (int64_t)pe->regs.rax;
	trap->kind = MACHINE_TRAP_CALL;
	pe->regs.rax = id == ENV_INIT ? EXO_CALL_WAIT : EXO_CALL_NULL;
	pe->regs.rdi = 0;
	if (id == ENV_INIT)
		return;
	assert_false(kit_pe(id)->machine.waiting);
	host_time_add(STEP);
	ran[id] += STEP;
	if (extra)
		extra(pe, trap, id);
}

int spinners_start(void **state)
{
	memset(ran, 0, sizeof(ran));
	extra = NULL;
	kit_program(spin);
	kit_start(256, 2);
	/* init sleeps for ever. */
	kit_call(ENV_INIT, EXO_CALL_WAIT, 0, 0, 0, 0);
	return 0;
}

int spinners_end(void **state)
{
	kit_verify();
	kit_stop();
	return 0;
}

void turns(int n)
{
	while (n-- > 0)
		slots_turn();
}

void stop_after(struct machine_pe *pe, struct machine_trap *trap, uint32_t id)
{
	if (ran[id] < 10 * SLOT)
		return;
	pe->regs.rax = EXO_CALL_EXIT;
	pe->regs.rdi = 0;
}
