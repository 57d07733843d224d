/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes extensions from an environment's side: the input is an object, then eight bytes that
 * choose what is done with it. Whatever is taken is bound, run on frames, invoked, linked, and its
 * maps are worked on; then its environment ends, and must have left nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exo/ext.h>

#include "../../core/core.h"
#include "../../core/hooks.h"
#include "../../core/tests/world.h"

enum { ALICE = 2, BOB = 3, TAIL = 8, ARENA = 16 };

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static int64_t ext_call(uint32_t env, enum exo_ext_op op, void *block)
{
	struct call call = {.env = world_env(env), .arg = {op, (uintptr_t)block}};

	return core_hooks->call(&call);
}

static int create(uint32_t env, const uint8_t *bytes, uint32_t size, uint32_t frames)
{
	struct exo_ext_create arg = {
	        .name = "fuzz", .object = (uintptr_t)bytes, .size = size, .arena_count = frames};
	int64_t error;

	arg.arena_first = frames ? world_frames(env, frames, 0) : 0;
	error = ext_call(env, EXO_EXT_CREATE, &arg);
	return error ? (int)error : (int)arg.ref;
}

static void handle(int ref, uint32_t event, const char *function, const struct exo_cap *binding,
                   const struct exo_cap *space)
{
	struct exo_ext_handle arg = {
	        .ref = (uint32_t)ref, .event = event, .budget = EXO_HANDLER_BUDGET_MAX};

	if (event == EXO_EXT_PACKET) {
		arg.target = (uintptr_t)binding;
		arg.space = (uintptr_t)space;
	} else if (event == EXO_EXT_INVOKED) {
		arg.target = (uint32_t)ref;
	}
	snprintf(arg.function, sizeof(arg.function), "%s", function);
	(void)ext_call(ALICE, EXO_EXT_HANDLE, &arg);
}

/* Names of functions are taken from the object's bytes: whatever looks like one. */
static void with_names(int ref, const uint8_t *bytes, size_t size, uint8_t choice,
                       const struct exo_cap *binding, const struct exo_cap *space)
{
	unsigned n = 0;

	for (size_t at = 0; at + EXO_NAME_MAX < size && n < 64; at++) {
		struct exo_ext_invoke invoke = {.ref = (uint32_t)ref, .arguments = {1, 2, 3, 4, 5}};
		size_t length = strnlen((const char *)bytes + at, EXO_NAME_MAX);

		if (length < 3 || length >= EXO_NAME_MAX - 1 || (at && bytes[at - 1]))
			continue;
		memcpy(invoke.function, bytes + at, length);
		handle(ref, choice % EXO_EXT_EVENTS, invoke.function, binding, space);
		handle(ref, EXO_EXT_TIMER, invoke.function, binding, space);
		(void)ext_call(ALICE, EXO_EXT_INVOKE, &invoke);
		n++;
	}
}

static void link_all(int a, int b)
{
	struct exo_ext_resolve link = {.importer = (uint32_t)a, .exporter = (uint32_t)b};
	struct exo_ext_combine both = {.name = "both", .a = (uint32_t)a, .b = (uint32_t)b};

	(void)ext_call(ALICE, EXO_EXT_RESOLVE, &link);
	(void)ext_call(ALICE, EXO_EXT_COMBINE, &both);
}

static void arrive(const uint8_t *choices)
{
	static uint8_t frame[2048], sent[65536];

	for (unsigned i = 0; i < 4; i++) {
		uint32_t length = world_udp(frame, 0x0a000001, (uint16_t)(choices[i] * 7),
		                            0x0a000002, i % 2 ? 7 : 80, choices[i]);

		frame[23] = i == 3 ? 6 : i == 2 ? 1 : 17;
		frame[34 + choices[i] % 20] ^= choices[i + 1];
		world_arrive(0, frame, length, i == 1 ? 64 : 0);
		world_poll();
	}
	while (world_sent(0, sent, sizeof(sent)))
		continue;
}

static void end(uint32_t env)
{
	net_env_end(world_env(env));
	core_hooks->env_end(world_env(env));
	world_frames_free(env);
	world_env_reset(env);
}

/* The object as a module, linked to it and to the kernel's services, and one of them unloaded. */
static void as_module(int ref, const uint8_t *bytes, uint32_t size, uint8_t choice)
{
	static struct pe pe;
	struct exo_ext_create arg = {.name = "module",
	                             .object = (uintptr_t)bytes,
	                             .size = size,
	                             .flags = EXO_EXT_MODULE};
	struct exo_ext_core core = {0};
	struct exo_ext_resolve link = {.importer = (uint32_t)ref};
	struct exo_ext_ref gone;

	world_env(ALICE)->pes = &pe;
	if (ext_call(ALICE, EXO_EXT_CORE, &core) || ext_call(ALICE, EXO_EXT_CREATE, &arg))
		return;
	link.exporter = core.ref;
	(void)ext_call(ALICE, EXO_EXT_RESOLVE, &link);
	link.exporter = arg.ref;
	(void)ext_call(ALICE, EXO_EXT_RESOLVE, &link);
	link = (struct exo_ext_resolve){.importer = arg.ref, .exporter = (uint32_t)ref};
	(void)ext_call(ALICE, EXO_EXT_RESOLVE, &link);
	gone.ref = choice & 1 ? core.ref : choice & 2 ? arg.ref : (uint32_t)ref;
	gone.reserved = 0;
	if (choice & 4)
		CHECK(ext_call(ALICE, EXO_EXT_UNLOAD, &gone) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	world_start();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct flt_conjunction any;
	struct world_ring ring;
	struct exo_bind bound = {0};
	struct exo_cap space;
	const uint8_t *choices = data + size - TAIL;
	int ref;

	if (size < TAIL || size > 1 << 16)
		return 0;
	world_any(&any);
	space = world_grant(ALICE, EXO_RIGHT_BIND | EXO_RIGHT_SEND, &any, &any);
	CHECK(world_ring(ALICE, EXO_RING_RECEIVE, 16, NULL, &ring) == 0);
	world_fill(ALICE, &ring, 8, 2048, 0);
	CHECK(world_bind(ALICE, &space, &any, &ring, &bound) == 0);
	ref = create(ALICE, data, (uint32_t)(size - TAIL), 0);
	for (uint32_t frames = 1; ref < 0 && frames <= ARENA; frames *= 16)
		ref = create(ALICE, data, (uint32_t)(size - TAIL), frames);
	if (ref >= 0) {
		link_all(ref, create(ALICE, data, (uint32_t)(size - TAIL), 0));
		as_module(ref, data, (uint32_t)(size - TAIL), choices[5]);
		with_names(ref, data, size - TAIL, choices[6], &bound.out, &space);
		arrive(choices);
		core_raise(world_env(ALICE), EXO_EXT_TIMER, choices[0], choices[1], choices[2]);
	}
	end(ALICE);
	CHECK(world_pins() == 0);
	CHECK(world_mbufs() == 0);
	return 0;
}
