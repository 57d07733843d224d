/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flt/host.h>
#include <flt/map.h>
#include <flt/program.h>

#include "front.h"

enum { BUFFER = 4096, HEADROOM = 256 };

struct front {
	struct flt_object *object;
	struct flt_program *program, *take, *age;
	struct static_front side;
	uint64_t until, aged;
};

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "front: %s: %s\n", what, why);
	abort();
}

static void update(struct front *front, const char *section, const void *value)
{
	static const uint32_t only;

	if (flt_map_update(flt_object_map(front->object, section), &only, value, FLT_MAP_ANY) != 0)
		die(section, "not updated");
}

static void look_up(struct front *front, const char *section, void *value, size_t size)
{
	static const uint32_t only;

	memcpy(value, flt_map_lookup(flt_object_map(front->object, section), &only), size);
}

static int take(void *context, uint64_t peer, struct front_taken *taken)
{
	struct front *front = context;
	int result = (int)flt_program_call(front->take, (uint64_t[5]){peer});

	if (result == 1)
		look_up(front, ".bss.taken", taken, sizeof *taken);
	return result;
}

static uint64_t age(void *context, uint64_t first, uint64_t *old)
{
	struct front *front = context;
	uint64_t next = flt_program_call(front->age, (uint64_t[5]){first});

	if ((next & FRONT_OLD) != 0)
		look_up(front, ".bss.old", old, sizeof *old);
	return next;
}

static struct flt_program *load(struct front *front, const char *name, bool compiled)
{
	uint32_t flags = FLT_LOAD_WRITES | (compiled ? 0 : FLT_LOAD_INTERPRET);
	struct flt_program *program;
	struct flt_error error = {0};

	if (flt_program_load_object(front->object, name, flags, &program, &error) != 0)
		die(name, error.reason);
	if (flt_program_is_native(program) != compiled)
		die(name, "compiled, or not");
	return program;
}

struct front *front_open(struct static_stack *stack, bool compiled)
{
	struct front *front = calloc(1, sizeof *front);
	const char *path = getenv("FRONT");
	struct flt_error error = {0};

	flt_host_init(true);
	if (path == NULL)
		die("$FRONT", "not set");
	if (flt_host_object_open(path, &front->object, &error) != 0)
		die("the handler", error.reason);
	front->program = load(front, "front", compiled);
	front->take = load(front, "front_take", compiled);
	front->age = load(front, "front_age", compiled);
	front->side.context = front;
	front->side.take = take;
	front->side.age = age;
	static_front_attach(&front->side, stack);
	front->aged = static_front_age_ns(stack);
	front->side.arena = calloc(FRONT_PLACES, FRONT_FRAME);
	for (uint32_t i = 0; i < FRONT_PLACES; i++)
		flt_map_arena_give(flt_object_map(front->object, "answers"), i,
		                   front->side.arena + (size_t)i * FRONT_FRAME);
	front->until = static_front_rules(&front->side, stack);
	update(front, ".data.rules", &front->side.rules);
	return front;
}

void front_close(struct front *front)
{
	flt_program_free(front->program);
	flt_program_free(front->take);
	flt_program_free(front->age);
	flt_object_close(front->object);
	free(front->side.arena);
	free(front);
}

void front_run(struct front *front, struct static_stack *stack, uint64_t now)
{
	if (static_front_learn(&front->side, stack, "/changing"))
		update(front, ".data.known", front->side.known);
	if (now >= front->until) {
		front->until = static_front_rules(&front->side, stack);
		update(front, ".data.rules", &front->side.rules);
	}
	if (now >= front->aged) {
		static_front_age(&front->side, stack);
		front->aged = now + static_front_age_ns(stack);
	}
}

void front_input(struct front *front, struct static_stack *stack, const uint8_t *frame,
                 uint32_t size, front_send_fn *send)
{
	uint8_t buffer[BUFFER];
	struct flt_xdp_buff buff = {.data = buffer + HEADROOM,
	                            .data_end = buffer + HEADROOM + size,
	                            .hard_start = buffer,
	                            .hard_end = buffer + BUFFER};

	memcpy(buff.data, frame, size);
	switch (flt_program_run_xdp(front->program, &buff) & 0xff) {
	case FLT_XDP_PASS:
		if (buff.data_end - buff.data != size || memcmp(buff.data, frame, size) != 0)
			die("a frame that was passed on", "is not as it was");
		static_stack_input(stack, frame, size, false);
		break;
	case FLT_XDP_TX:
		send(buff.data, (uint32_t)(buff.data_end - buff.data));
		break;
	default:
		break;
	}
}

struct front_counts front_counts(struct front *front)
{
	struct front_counts counts;

	look_up(front, ".bss.counts", &counts, sizeof counts);
	return counts;
}
