/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Protected control transfer: who may, what each side sees, and every way in which one side fails
 * the other. Each environment's ring 3 is a function that looks at where it runs and makes one
 * call.
 */
#include "kit.h"

#include <string.h>

#include "../core.h"
#include "../slots.h"
#include "../upcall.h"

#define REMOTE (KIT_ENTRY + 16 * EXO_UPCALL_REMOTE)
#define SLOT   ((uint64_t)HOST_TSC_HZ / (uint64_t)SLOTS_PER_SECOND)

typedef void play(struct pe *pe);

static uint32_t client, server;
static struct exo_cap server_key;
static play *client_play, *server_play;
static int64_t answer; /* what the client's last INVOKE gave */
static unsigned answers, served;
static struct exo_regs seen; /* by the server's handler */

static void call(struct pe *pe, uint64_t number, uint64_t a, uint64_t b)
{
	pe->machine.regs.rax = number;
	pe->machine.regs.rdi = a;
	pe->machine.regs.rsi = b;
}

/* Ring 3's resume range in one step. */
static void resume(struct pe *pe)
{
	if (pe->machine.regs.rip != KIT_RESUME)
		return;
	pe->machine.page->masked = 0;
	pe->machine.regs = pe->machine.page->saved;
}

static void ring3(struct machine_pe *machine, struct machine_space *space,
                  struct machine_trap *trap)
{
	struct pe *pe = (struct pe *)((char *)machine - offsetof(struct pe, machine));

	trap->kind = MACHINE_TRAP_CALL;
	host_time_add(10000);
	resume(pe);
	if (pe->env->id == client)
		client_play(pe);
	else if (pe->env->id == server)
		server_play(pe);
	else
		call(pe, EXO_CALL_WAIT, 0, 0);
}

static void waits(struct pe *pe)
{
	call(pe, EXO_CALL_WAIT, 0, 0);
}

/* Invokes, and counts what comes back; then sleeps. */
static void invokes(struct pe *pe)
{
	struct exo_regs *regs = &pe->machine.regs;

	if (regs->rbx == 1) {
		answer = (int64_t)regs->rax;
		answers++;
		regs->rbx = 2;
	}
	if (regs->rbx == 2) {
		waits(pe);
		return;
	}
	regs->rbx = 1;
	call(pe, EXO_CALL_INVOKE, 3, 0);
	regs->rdx = 11;
	regs->r10 = 12;
	regs->r8 = 13;
	regs->r9 = 14;
}

/* Replies with the sum of the arguments and the caller. */
static void serves(struct pe *pe)
{
	struct exo_regs *regs = &pe->machine.regs;

	if (regs->rip != REMOTE) {
		waits(pe);
		return;
	}
	seen = *regs;
	served++;
	call(pe, EXO_CALL_REPLY, regs->rax + regs->rdx + regs->r10 + regs->r8 + regs->r9, 0);
}

static void open_gate(const struct exo_cap *key, uint64_t gate, int64_t result)
{
	if (key)
		kit_put(client, KIT_DATA_PAGE(1), key, sizeof(*key));
	assert_int_equal(kit_call(client, EXO_CALL_GATE, key ? KIT_DATA_PAGE(1) : 0, gate, 0, 0),
	                 result);
}

static struct exo_cap key_for(uint32_t id, unsigned rights)
{
	struct exo_cap key;

	assert_int_equal(kit_grant(ENV_INIT, &server_key, id, rights, server, 1, &key), 0);
	return key;
}

static void start(unsigned client_slots, unsigned server_slots, unsigned server_core)
{
	struct exo_cap key;

	kit_program(ring3);
	kit_start(256, 2);
	client_play = invokes;
	server_play = serves;
	answers = served = 0;
	answer = 0;
	kit_call(ENV_INIT, EXO_CALL_WAIT, 0, 0, 0, 0);
	client = kit_child("client", 0, 0, client_slots, true, NULL);
	server = kit_child("server", 0, server_core, server_slots, true, &server_key);
	key = key_for(client, EXO_RIGHT_CALL);
	open_gate(&key, 3, 0);
	kit_pe(client)->machine.regs.rbx = 0;
}

static int setup(void **state)
{
	start(1, 0, 0);
	return 0;
}

/* A server without a slot serves on its caller's, asleep or not. */
static void a_round_trip(void **state)
{
	kit_turns(3);
	assert_int_equal(served, 1);
	assert_int_equal(answer, client + 11 + 12 + 13 + 14);
	assert_int_equal(seen.rsi, EXO_UPCALL_REMOTE);
	assert_int_equal(seen.rdi, KIT_DATA);
	assert_int_equal(seen.rsp, KIT_STACK - 8);
	assert_int_equal(seen.rbx | seen.r15 | seen.rcx, 0);
	assert_int_equal(kit_pe(server)->machine.page->upcall.caller, client);
	assert_int_equal(kit_env(server)->account->ticks_used, 0);
	assert_int_equal(kit_env(server)->cores | kit_env(client)->cores, 0);
}

static void again_while_parked(void **state)
{
	kit_turns(2);
	assert_true(kit_pe(server)->machine.parked && kit_pe(server)->machine.open);
	for (unsigned i = 2; i < 5; i++) {
		kit_pe(client)->machine.page->saved.rbx = 0;
		pe_post(kit_pe(client), EXO_EVENT_LINK);
		kit_pe(client)->machine.setup.entry[EXO_UPCALL_INTERRUPT] = 0;
		kit_turns(2);
		assert_int_equal(answers, i);
		assert_int_equal(served, i);
	}
}

/* A sleeping server's WAIT returns 0 once its handler has replied and it gets a slot. */
static void a_transfer_ends_the_sleep(void **state)
{
	struct pe *pe = kit_pe(server);

	kit_call(server, EXO_CALL_WAIT, 0, 0, 0, 0);
	assert_true(pe->machine.parked && pe->machine.waiting && pe->machine.open);
	pe->machine.page->saved.rbx = 0x77;
	pe->machine.page->saved.rax = 0x99;
	kit_turns(2);
	assert_int_equal(answers, 1);
	assert_false(pe->machine.waiting);
	assert_true(pe->machine.parked);
	assert_int_equal(pe->machine.page->saved.rbx, 0x77);
}

/* Who controls it can't take the page from under the state that lies there. */
static void a_parked_page_stays(void **state)
{
	struct exo_pe_setup none = {.core = 0};

	kit_call(server, EXO_CALL_WAIT, 0, 0, 0, 0);
	assert_true(kit_pe(server)->machine.parked);
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &none, sizeof(none));
	kit_put(ENV_INIT, KIT_DATA_PAGE(2), &server_key, sizeof(server_key));
	assert_int_equal(
	        kit_call(ENV_INIT, EXO_CALL_PE_SET, KIT_DATA_PAGE(2), KIT_DATA_PAGE(1), 0, 0),
	        -EXO_EBUSY);
	assert_non_null(kit_pe(server)->machine.page);
	kit_turns(2);
	assert_int_equal(answers, 1);
}

static void only_with_a_key(void **state)
{
	struct exo_cap control = key_for(client, EXO_RIGHT_CONTROL);
	struct exo_cap forged = key_for(client, EXO_RIGHT_CALL);

	open_gate(&server_key, 1, -EXO_EPERM); /* init's */
	open_gate(&control, 1, -EXO_EPERM);
	forged.first = ENV_INIT;
	open_gate(&forged, 1, -EXO_EKEY);
	open_gate(NULL, EXO_GATES, -EXO_EINVAL);
	assert_int_equal(kit_call(client, EXO_CALL_INVOKE, 1, 0, 0, 0), -EXO_ENOENT);
	assert_int_equal(kit_call(client, EXO_CALL_INVOKE, EXO_GATES, 0, 0, 0), -EXO_ENOENT);
	assert_int_equal(kit_call(client, EXO_CALL_SEND, UINT64_MAX, 0, 0, 0), -EXO_ENOENT);
	open_gate(NULL, 3, 0);
	kit_turns(2);
	assert_int_equal(answer, -EXO_ENOENT);
}

static void a_revoked_key_closes_its_gates(void **state)
{
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &server_key, sizeof(server_key));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_REVOKE, KIT_DATA_PAGE(1), 0, 0, 0), 0);
	kit_turns(2);
	assert_int_equal(answer, -EXO_ESTALE);
	assert_int_equal(served, 0);
}

static void a_busy_server_is_not_entered(void **state)
{
	kit_pe(server)->machine.page->masked = 1;
	kit_turns(2);
	assert_int_equal(answer, -EXO_EAGAIN);
	assert_int_equal(served, 0);
	kit_pe(server)->machine.setup.entry[EXO_UPCALL_REMOTE] = 0;
	kit_pe(server)->machine.page->masked = 0;
	kit_pe(client)->machine.regs.rbx = 0;
	assert_int_equal(kit_call(client, EXO_CALL_INVOKE, 3, 0, 0, 0), -EXO_EAGAIN);
}

static void replying_to_nobody(void **state)
{
	assert_int_equal(kit_call(server, EXO_CALL_REPLY, 1, 0, 0, 0), -EXO_ENOENT);
}

static void spins(struct pe *pe)
{
	if (pe->machine.regs.rip != REMOTE)
		waits(pe);
	else
		call(pe, EXO_CALL_NULL, 0, 0);
}

/* A server that never replies uses up the client's slots, until the client's timer. */
static void never_replying(void **state)
{
	server_play = spins;
	kit_child("other", 0, 0, 1, true, NULL);
	kit_call(client, EXO_CALL_TIMER, machine_tsc() + 20 * SLOT, 0, 0, 0);
	kit_turns(1);
	assert_ptr_equal(kit_pe(client)->machine.callee, &kit_pe(server)->machine);
	assert_int_equal(answers, 0);
	for (int i = 0; i < 60 && answers == 0; i++)
		slots_turn();
	assert_int_equal(answer, -EXO_EAGAIN);
	assert_null(kit_pe(server)->machine.caller);
	assert_true(machine_tsc() >= 20 * SLOT);
	server_play = serves; /* too late */
	assert_int_equal(kit_call(server, EXO_CALL_REPLY, 1, 0, 0, 0), -EXO_ENOENT);
}

static void sleeps_in_between(struct pe *pe)
{
	pe->machine.page->masked = 0;
	waits(pe);
}

/* A server that sleeps while it serves, as if it were in no handler: the machine by itself would
 * give it to another caller, and its first one would wait for a PE that may become anybody's. */
static void asleep_while_serving(void **state)
{
	server_play = sleeps_in_between;
	kit_turns(1);
	assert_ptr_equal(kit_pe(server)->machine.caller, &kit_pe(client)->machine);
	assert_true(kit_pe(server)->machine.parked && kit_pe(server)->machine.waiting);
	assert_false(kit_pe(server)->machine.open);
}

/* The same where nobody else could run meanwhile, so that the slot would simply go on. */
static void never_replying_alone(void **state)
{
	server_play = spins;
	kit_call(client, EXO_CALL_TIMER, machine_tsc() + 3 * SLOT, 0, 0, 0);
	for (int i = 0; i < 9 && answers == 0; i++)
		kit_turns(1);
	assert_int_equal(answer, -EXO_EAGAIN);
	kit_turns(1);
	assert_int_equal(kit_env(client)->cores | kit_env(server)->cores, 0);
}

/* A server that gives its time to who waits for it goes on by that; the timer counts as ever. */
static void donates(struct pe *pe)
{
	if (pe->machine.regs.rip != REMOTE)
		waits(pe);
	else
		call(pe, EXO_CALL_YIELD, client, 1);
}

static void giving_time_to_its_caller(void **state)
{
	server_play = donates;
	kit_call(client, EXO_CALL_TIMER, machine_tsc() + SLOT / 2, 0, 0, 0);
	for (int i = 0; i < 1000 && answers == 0; i++) {
		kit_turns(1);
		assert_int_equal(kit_env(client)->cores | kit_env(server)->cores, 0);
	}
	assert_int_equal(answer, -EXO_EAGAIN);
}

static void exits(struct pe *pe)
{
	if (pe->machine.regs.rip == REMOTE)
		call(pe, EXO_CALL_EXIT, 7, 0);
	else
		waits(pe);
}

static void a_dying_server_lets_its_caller_go_on(void **state)
{
	server_play = exits;
	kit_turns(3);
	assert_int_equal(answers, 1);
	assert_int_equal(answer, -EXO_ENOENT);
	assert_true(kit_env(server)->reaped);
	kit_pe(client)->machine.regs.rbx = 0;
	assert_int_equal(kit_call(client, EXO_CALL_INVOKE, 3, 0, 0, 0), -EXO_ENOENT);
}

static uint32_t victim;

/* Ends somebody from another core, in the middle of serving. */
static void kills(struct pe *pe)
{
	if (pe->machine.regs.rip != REMOTE) {
		waits(pe);
	} else if (victim) {
		host_core_set(1);
		env_stop(kit_env(victim), EXO_ENV_KILLED, 0, 0, 0);
		host_core_set(0);
		assert_false(kit_env(victim)->reaped);
		victim = 0;
		call(pe, EXO_CALL_NULL, 0, 0);
	} else {
		call(pe, EXO_CALL_REPLY, 5, 0);
	}
}

static void killed_while_serving(void **state)
{
	server_play = kills;
	victim = server;
	kit_turns(3);
	assert_true(kit_env(server)->reaped);
	assert_int_equal(answer, -EXO_ENOENT);
	assert_int_equal(kit_env(client)->cores, 0);
}

static void killed_while_waiting(void **state)
{
	server_play = kills;
	victim = client;
	kit_turns(3);
	assert_true(kit_env(client)->reaped);
	assert_int_equal(answers, 0);
	assert_int_equal(kit_env(server)->state, EXO_ENV_RUNNING);
	assert_int_equal(kit_env(server)->cores, 0);
	assert_null(kit_pe(server)->machine.caller);
}

/* Cut off in the middle, it goes on in whose slot comes first; killed meanwhile, it is forgotten.
 */
static void cut_off_while_serving(void **state)
{
	server_play = spins;
	kit_child("other", 0, 0, 1, true, NULL);
	server_play = spins;
	kit_turns(1);
	assert_int_equal(kit_env(client)->cores, 0);
	env_stop(kit_env(client), EXO_ENV_KILLED, 0, 0, 0);
	assert_true(kit_env(client)->reaped);
	assert_null(kit_pe(server)->machine.caller);
}

static void recycled_names_lead_nowhere(void **state)
{
	struct exo_cap key;
	uint32_t old = server;

	env_stop(kit_env(server), EXO_ENV_KILLED, 0, 0, 0);
	kit_put(ENV_INIT, KIT_DATA_PAGE(2), &server_key, sizeof(server_key));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_ENV_END, KIT_DATA_PAGE(2), 0, 0, 0), 0);
	assert_null(kit_env(old));
	server = kit_child("another", 0, 0, 0, true, &key); /* in the same memory */
	kit_turns(2);
	assert_int_equal(answer, -EXO_ENOENT);
	assert_int_equal(served, 0);
	assert_int_equal(kit_env(server)->cores, 0);
}

/* A letter comes where the handler is left by its resume range. */
static void leaves_handlers(struct pe *pe)
{
	struct exo_regs *regs = &pe->machine.regs;

	if (regs->rip == REMOTE) {
		seen = *regs;
		served++;
		regs->rip = KIT_RESUME_END; /* behind the syscall of its resume range */
		call(pe, EXO_CALL_PENDING, 0, 0);
		return;
	}
	waits(pe);
}

/* ---- Another core ---- */

static void to_another_core(void **state)
{
	kit_teardown(state);
	start(1, 1, 1);
	kit_turns(2);
	assert_int_equal(answer, -EXO_EBUSY);
	for (int i = 0; i < PE_LETTERS; i++)
		assert_int_equal(kit_call(client, EXO_CALL_SEND, 3, 0, (uint64_t)i, 0), 0);
	assert_int_equal(kit_call(client, EXO_CALL_SEND, 3, 0, 9, 0), -EXO_EAGAIN);
	assert_int_equal(host_nudges(1) != 0, 1);
	server_play = leaves_handlers;
	host_core_set(1);
	kit_turns(2);
	host_core_set(0);
	assert_int_equal(served, PE_LETTERS);
	assert_int_equal(seen.rdx, PE_LETTERS - 1);
	assert_int_equal(seen.rax, client);
}

static void letters_come_in_order(void **state)
{
	kit_teardown(state);
	start(1, 1, 0);
	client_play = waits;
	server_play = leaves_handlers;
	for (int i = 0; i < 3; i++)
		assert_int_equal(kit_call(client, EXO_CALL_SEND, 3, 0, 20 + (uint64_t)i, 0), 0);
	kit_turns(4);
	assert_int_equal(served, 3);
	assert_int_equal(seen.rdx, 22);
	assert_int_equal(kit_pe(server)->n_inbox, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, kit_teardown)
	const struct CMUnitTest tests[] = {
	        TEST(a_round_trip),
	        TEST(again_while_parked),
	        TEST(a_transfer_ends_the_sleep),
	        TEST(a_parked_page_stays),
	        TEST(only_with_a_key),
	        TEST(a_revoked_key_closes_its_gates),
	        TEST(a_busy_server_is_not_entered),
	        TEST(replying_to_nobody),
	        TEST(never_replying),
	        TEST(asleep_while_serving),
	        TEST(never_replying_alone),
	        TEST(giving_time_to_its_caller),
	        TEST(a_dying_server_lets_its_caller_go_on),
	        TEST(killed_while_serving),
	        TEST(killed_while_waiting),
	        TEST(cut_off_while_serving),
	        TEST(recycled_names_lead_nowhere),
	        TEST(to_another_core),
	        TEST(letters_come_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
