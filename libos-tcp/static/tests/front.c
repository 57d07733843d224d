/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flt/host.h>
#include <flt/map.h>
#include <flt/program.h>

#include "front.h"

enum { OBJECT_MAX = 1 << 18, BUFFER = 4096, HEADROOM = 256 };

struct front {
	struct flt_object *object;
	struct flt_program *program;
	struct static_front side;
	uint64_t until;
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

static size_t read_object(uint8_t *bytes)
{
	const char *path = getenv("FRONT");
	FILE *file = path == NULL ? NULL : fopen(path, "rb");
	size_t size;

	if (file == NULL)
		die("$FRONT", "not there");
	size = fread(bytes, 1, OBJECT_MAX, file);
	fclose(file);
	return size;
}

struct front *front_open(const struct static_stack *stack, bool compiled)
{
	struct front *front = calloc(1, sizeof *front);
	uint8_t *bytes = malloc(OBJECT_MAX);
	struct flt_error error = {0};
	uint32_t flags = FLT_LOAD_WRITES | (compiled ? 0 : FLT_LOAD_INTERPRET);

	flt_host_init(true);
	if (flt_object_open(bytes, read_object(bytes), &front->object, &error) != 0 ||
	    flt_program_load_object(front->object, "front", flags, &front->program, &error) != 0)
		die("the handler", error.reason);
	free(bytes);
	if (flt_program_is_native(front->program) != compiled)
		die("the handler", "compiled, or not");
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

struct front_counts front_counts(const struct front *front)
{
	static const uint32_t only;
	struct front_counts counts;

	memcpy(&counts, flt_map_lookup(flt_object_map(front->object, ".bss.counts"), &only),
	       sizeof counts);
	return counts;
}
