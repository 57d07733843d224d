/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Setting PEs up: every address in the setup is the environment's word, and is only checked to be
 * below the kernel's half (what does not run there faults there). The shared page is different: the
 * kernel writes it through its own alias, so the frame must be the environment's, and stays pinned.
 */
#include "env.h"

#include <exo/layout.h>

#include <string.h>

#include "core.h"
#include "slots.h"
#include "space.h"

static struct pe *spare; /* by next_of_env: gates may still point to them */
static uint64_t last_name;

struct pe *env_pe(const struct env *env, uint32_t core)
{
	struct pe *pe = env->pes;

	while (pe && pe->core != core)
		pe = pe->next_of_env;
	return pe;
}

static bool addresses_are_user(const struct exo_pe_setup *setup)
{
	for (int i = 0; i < EXO_UPCALLS; i++) {
		if (!space_is_user(setup->entry[i]))
			return false;
	}
	return space_is_user(setup->pe_addr) && space_is_user(setup->stack_top) &&
	       space_is_user(setup->resume_begin) && space_is_user(setup->resume_end) &&
	       space_is_user(setup->libos_fs_base) && space_is_user(setup->start_ip) &&
	       space_is_user(setup->start_sp);
}

static bool wants_upcalls(const struct exo_pe_setup *setup)
{
	uint64_t any = 0;

	for (int i = 0; i < EXO_UPCALLS; i++)
		any |= setup->entry[i];
	return any != 0;
}

static int check_setup(const struct exo_pe_setup *setup)
{
	if (setup->core >= machine_cores() || setup->flags != 0)
		return -EXO_EINVAL;
	if (!addresses_are_user(setup) || setup->resume_begin > setup->resume_end)
		return -EXO_EINVAL;
	if (setup->stack_top % 16 != 0 || setup->pe_addr % EXO_PAGE_SIZE != 0)
		return -EXO_EINVAL;
	if (wants_upcalls(setup) && (setup->pe_addr == 0 || setup->stack_top == 0))
		return -EXO_EINVAL;
	return 0;
}

/* Finds and pins the frame of the shared page. */
static int pin_page(struct env *env, uint64_t address, uint64_t *number)
{
	const struct frame *frame = space_frame_at(env, address, EXO_RIGHT_WRITE);

	if (!frame)
		return -EXO_EFAULT;
	*number = ledger_frame_number(frame);
	return ledger_frame_pin(env->id, *number);
}

static void set_page(struct pe *pe, uint64_t number)
{
	if (pe->machine.page)
		ledger_frame_unpin(pe->page_frame);
	pe->machine.page = number ? machine_frame(number) : NULL;
	pe->page_frame = number;
}

void pe_init(void)
{
	spare = NULL;
}

void pe_rename(const struct env *env)
{
	for (struct pe *pe = env->pes; pe; pe = pe->next_of_env)
		pe->machine.name = ++last_name;
}

static int create(struct env *env, uint32_t core, struct pe **result)
{
	struct pe *pe = spare ? spare : machine_alloc(sizeof(*pe));

	if (!pe)
		return -EXO_ENOMEM;
	spare = pe->next_of_env;
	memset(pe, 0, sizeof(*pe));
	if (machine_pe_init(&pe->machine) != 0) {
		pe->next_of_env = spare;
		spare = pe;
		return -EXO_ENOMEM;
	}
	pe->env = env;
	pe->core = core;
	pe->timer = UINT64_MAX;
	pe->machine.space = env->space;
	pe->machine.users = &env->cores;
	pe->machine.name = ++last_name;
	pe->machine.id = env->id;
	pe->machine.plain = true;
	pe->selectors[0] = (uint16_t)pe->machine.regs.cs;
	pe->selectors[1] = (uint16_t)pe->machine.regs.ss;
	/* The packet path looks for PEs without a lock: the entry is whole before it is seen. */
	pe->next_of_env = env->pes;
	__atomic_store_n(&env->pes, pe, __ATOMIC_RELEASE);
	*result = pe;
	return 0;
}

void pe_start(struct pe *pe)
{
	pe->machine.regs.rip = pe->machine.setup.start_ip;
	pe->machine.regs.rsp = pe->machine.setup.start_sp;
	pe->machine.regs.rdi = EXO_START_ADDR;
	pe->machine.regs.fs_base = pe->machine.setup.libos_fs_base;
	pe->started = true;
	slots_add(pe);
}

void pe_destroy(struct pe *pe)
{
	struct pe **link = &pe->env->pes;

	if (pe->started)
		slots_remove(pe);
	while (*link != pe)
		link = &(*link)->next_of_env;
	*link = pe->next_of_env;
	set_page(pe, 0);
	pe->machine.name = 0;
	machine_pe_fini(&pe->machine);
	pe->next_of_env = spare;
	spare = pe;
}

int env_pe_set(struct env *env, const struct exo_pe_setup *setup)
{
	struct pe *pe = env_pe(env, setup->core);
	uint64_t number = 0;
	int error = check_setup(setup);

	if (error)
		return error;
	/* A running PE is changed on its own core only, where it can't be in use meanwhile, and not
	 * while its state lies in the page. */
	if (pe && pe->started && (pe->core != machine_core() || pe->machine.parked))
		return -EXO_EBUSY;
	if (setup->pe_addr)
		error = pin_page(env, setup->pe_addr, &number);
	if (!error && !pe)
		error = create(env, setup->core, &pe);
	if (error) {
		if (number)
			ledger_frame_unpin(number);
		return error;
	}
	pe->machine.setup = *setup;
	set_page(pe, number);
	if (env->state == EXO_ENV_RUNNING && !pe->started)
		pe_start(pe);
	return 0;
}

int64_t pe_call_set(struct call *call)
{
	struct exo_pe_setup setup;
	struct env *env;
	int error = env_fetch(call, call->arg[0], &env);

	if (!error)
		error = call_copy_in(&setup, call->arg[1], sizeof(setup));
	return error ? error : env_pe_set(env, &setup);
}
