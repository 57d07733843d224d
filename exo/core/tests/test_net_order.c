/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The total order of exo/flow.h: random bindings of every kind and random frames go through the
 * packet path, and each frame must end exactly where a plain model of the order says. The model
 * walks all bindings; it shares nothing with the engine but the shape of a term.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_test.h"

enum { BINDINGS = 40, ENVS = 10, FRAMES = 300, ROUNDS = 12, FRAME_BYTES = 64 };

/* A classic instruction as libpcap lays it out. */
struct insn {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};

/* A binding as the model knows it. */
struct modelled {
	uint32_t env, flags;
	int32_t priority;
	uint64_t id;
	uint32_t n_conjunctions;
	struct flt_conjunction flow[3];
	int program_byte; /* the program accepts odd values of this byte; -1: no program */
	struct world_ring ring;
	struct exo_bind arg;
	struct exo_binding_counters *counters;
	uint64_t matched, declined; /* what the model expects so far */
};

static struct modelled bindings[BINDINGS];
static unsigned n_bindings;
static struct exo_cap spaces[ENVS + 2];
static uint8_t frame[FRAME_BYTES];

/* ---- Randomness: few values, so that much overlaps ---- */

static uint32_t below(uint32_t n)
{
	return (uint32_t)rand() % n;
}

static void random_frame(void)
{
	for (unsigned i = 0; i < FRAME_BYTES; i++)
		frame[i] = (uint8_t)below(4);
}

/* Fields that do not touch each other: bytes 10, 14-15, 20-23, 30, 34-35. */
static const struct {
	uint16_t offset;
	uint8_t width;
} fields[] = {{10, 1}, {14, 2}, {20, 4}, {30, 1}, {34, 2}};

static uint32_t random_value(unsigned width)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < width; i++)
		value = value << 8 | below(4);
	return value;
}

static void random_term(struct flt_term *term, unsigned field)
{
	unsigned width = fields[field].width;
	uint32_t all = 0xffffffffu >> (32 - 8 * width), a = random_value(width),
	         b = random_value(width);
	/* Masks that leave a short prefix or one byte, or exact. */
	static const uint32_t masks[] = {0x01010101, 0x02020202, 0xffffffff, 0x03000000,
	                                 0x00000003};

	*term = (struct flt_term){
	        .width = (uint8_t)width, .offset = fields[field].offset, .negate = below(6) == 0};
	if (below(3) == 0) {
		term->test = FLT_TEST_RANGE;
		term->low = a < b ? a : b;
		term->high = a < b ? b : a;
	} else {
		term->mask = masks[below(5)] & all;
		term->value = a & term->mask;
	}
}

static void random_flow(struct modelled *binding)
{
	binding->n_conjunctions = 1 + below(3);
	for (unsigned i = 0; i < binding->n_conjunctions; i++) {
		world_any(&binding->flow[i]);
		for (unsigned field = 0; field < 5; field++)
			if (below(3) == 0)
				random_term(&binding->flow[i].terms[binding->flow[i].n_terms++],
				            field);
	}
}

static void random_binding(struct modelled *binding, unsigned i)
{
	static const uint32_t kinds[] = {
	        0, 0, 0, EXO_BIND_TAP, EXO_BIND_TAP | EXO_BIND_COUNT, EXO_BIND_HOST};

	memset(binding, 0, sizeof(*binding));
	binding->env = 2 + i % ENVS;
	binding->flags = kinds[below(6)];
	binding->priority = (int32_t)below(3) - 1;
	binding->program_byte = below(3) ? -1 : 40 + (int)below(3);
	random_flow(binding);
}

/* ---- The model ---- */

static bool term_holds(const struct flt_term *term)
{
	uint32_t field = 0;
	bool holds;

	for (unsigned i = 0; i < term->width; i++)
		field = field << 8 | frame[term->offset + i];
	if (term->test == FLT_TEST_RANGE)
		holds = term->low <= field && field <= term->high;
	else
		holds = (field & term->mask) == term->value;
	return holds != term->negate;
}

static int term_bits(const struct flt_term *term)
{
	int exponent = 0;

	if (term->negate)
		return 0;
	if (term->test == FLT_TEST_MASKED)
		return __builtin_popcount(term->mask);
	while (((uint64_t)1 << exponent) < (uint64_t)term->high - term->low + 1)
		exponent++;
	return term->width * 8 - exponent;
}

/* The bits of the largest conjunction that holds; -1: none. */
static int flow_bits(const struct modelled *binding)
{
	int best = -1;

	for (unsigned i = 0; i < binding->n_conjunctions; i++) {
		const struct flt_conjunction *flow = &binding->flow[i];
		int bits = 0;

		for (unsigned t = 0; t < flow->n_terms && bits >= 0; t++)
			bits = term_holds(&flow->terms[t]) ? bits + term_bits(&flow->terms[t]) : -1;
		best = bits > best ? bits : best;
	}
	return best;
}

static bool accepts(const struct modelled *binding)
{
	return flow_bits(binding) >= 0 &&
	       (binding->program_byte < 0 || (frame[binding->program_byte] & 1));
}

static bool goes_before(const struct modelled *a, const struct modelled *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (flow_bits(a) != flow_bits(b))
		return flow_bits(a) > flow_bits(b);
	return a->id < b->id;
}

static struct modelled *winner(uint32_t kind)
{
	struct modelled *best = NULL;

	for (unsigned i = 0; i < n_bindings; i++)
		if (bindings[i].id && bindings[i].flags == kind && accepts(&bindings[i]) &&
		    (!best || goes_before(&bindings[i], best)))
			best = &bindings[i];
	return best;
}

/* Whether a binding is asked for a frame that `best` gets, and says no. */
static bool declines(const struct modelled *binding, const struct modelled *best)
{
	if (!binding->id || flow_bits(binding) < 0 || accepts(binding))
		return false;
	if (binding->flags & EXO_BIND_TAP)
		return true;
	if (best && best->flags == binding->flags)
		return goes_before(binding, best);
	return !best || best->flags == EXO_BIND_HOST;
}

/* ---- The real thing ---- */

static void bind(struct modelled *binding)
{
	const struct insn program[] = {
	        {0x30, 0, 0, (uint32_t)binding->program_byte}, /* ldb [k] */
	        {0x45, 0, 1, 1},                               /* jset #1 */
	        {0x06, 0, 0, 65535},                           /* ret #65535 */
	        {0x06, 0, 0, 0},                               /* ret #0 */
	};
	bool rings = !(binding->flags & EXO_BIND_COUNT);
	char error[200] = "";

	binding->arg = (struct exo_bind){
	        .flags = binding->flags,
	        .priority = binding->priority,
	        .space = spaces[binding->env],
	        .n_conjunctions = binding->n_conjunctions,
	        .conjunctions = (uintptr_t)binding->flow,
	        .n_rings = rings,
	        .rings = (uintptr_t)&binding->ring.cap,
	        .counters = world_frames(binding->env, 1, 0) * 4096,
	        .error = (uintptr_t)error,
	        .error_size = sizeof(error),
	};
	if (binding->program_byte >= 0) {
		binding->arg.program_kind = EXO_PROGRAM_CBPF;
		binding->arg.program = (uintptr_t)program;
		binding->arg.program_size = sizeof(program);
	}
	binding->counters = world_memory(binding->arg.counters);
	if (rings)
		assert_int_equal(
		        world_ring(binding->env, EXO_RING_RECEIVE, 8, NULL, &binding->ring), 0);
	if (net_call_bind(world_env(binding->env), &binding->arg))
		fail_msg("bind: %s", error);
	binding->id = binding->arg.out.first;
	if (rings)
		world_fill(binding->env, &binding->ring, 1, 2048, 0);
}

/* Whether the ring got this frame; its buffer goes back. */
static bool received(struct modelled *binding, uint16_t *flags)
{
	struct exo_desc desc;

	if (!binding->id || (binding->flags & EXO_BIND_COUNT) || !world_get(&binding->ring, &desc))
		return false;
	*flags = desc.flags;
	assert_int_equal(desc.length, FRAME_BYTES);
	assert_int_equal(desc.binding, (uint32_t)binding->id);
	assert_memory_equal(world_memory(desc.address), frame, FRAME_BYTES);
	world_put(&binding->ring, (struct exo_desc){.address = desc.address, .length = 2048});
	assert_false(world_get(&binding->ring, &desc));
	return true;
}

static void one_frame(void)
{
	struct modelled *best;

	random_frame();
	best = winner(0);
	if (!best)
		best = winner(EXO_BIND_HOST);
	world_arrive(0, frame, FRAME_BYTES, below(3) ? 0 : 24);
	world_poll();
	for (unsigned i = 0; i < n_bindings; i++) {
		struct modelled *binding = &bindings[i];
		bool tap = binding->flags & EXO_BIND_TAP;
		bool due = binding->id && (tap ? accepts(binding) : binding == best);
		uint16_t flags = 0;

		if (received(binding, &flags) != (due && !(binding->flags & EXO_BIND_COUNT)))
			fail_msg("binding %u (flags %u, priority %d, bits %d, id %u): %s", i,
			         binding->flags, binding->priority, flow_bits(binding),
			         (unsigned)binding->id, due ? "missing" : "not its frame");
		binding->matched += due;
		binding->declined += declines(binding, best);
		if (!binding->id)
			continue;
		assert_int_equal((flags & EXO_DESC_TAP) != 0,
		                 due && tap && !(binding->flags & EXO_BIND_COUNT));
		assert_int_equal(binding->counters->matched_packets, binding->matched);
		assert_int_equal(binding->counters->declined_packets, binding->declined);
	}
}

static void unbind_some(void)
{
	for (unsigned i = 0; i < n_bindings; i++) {
		if (below(4))
			continue;
		assert_int_equal(net_call_unbind(world_env(bindings[i].env), &bindings[i].arg.out),
		                 0);
		bindings[i].id = 0;
	}
}

static void everything_ends(void)
{
	for (uint32_t id = 2; id < 2 + ENVS; id++) {
		net_env_end(world_env(id));
		world_frames_free(id);
		assert_int_equal(world_env(id)->account->bindings, 0);
		world_env_reset(id);
	}
	assert_int_equal(world_pins(), 0);
	assert_int_equal(world_mbufs(), 0);
}

static void frames_go_where_the_order_says(void **state)
{
	struct flt_conjunction any;

	world_any(&any);
	for (unsigned round = 0; round < ROUNDS; round++) {
		srand(round + 1);
		n_bindings = 1 + below(BINDINGS);
		for (uint32_t id = 2; id < 2 + ENVS; id++)
			spaces[id] = world_grant(id,
			                         EXO_RIGHT_BIND | EXO_RIGHT_SHARE | EXO_RIGHT_TAP |
			                                 EXO_RIGHT_HOST,
			                         &any, NULL);
		for (unsigned i = 0; i < n_bindings; i++) {
			random_binding(&bindings[i], i);
			bind(&bindings[i]);
		}
		for (unsigned i = 0; i < FRAMES; i++)
			one_frame();
		unbind_some();
		for (unsigned i = 0; i < FRAMES; i++)
			one_frame();
		everything_ends();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(frames_go_where_the_order_says),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
