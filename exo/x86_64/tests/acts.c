/* SPDX-License-Identifier: BSD-2-Clause */
/* Forbidden acts of the kernel itself: each must end in the fault that selftest.py expects. */
#include <exo/cap.h>

#include "../kernel.h"
#include "../space.h"
#include "selftest.h"

#define USER_PAGE 0x400000ull

static const uint8_t code[] = {0xc3}; /* ret */
static uint8_t data[64];

static void touch(volatile uint8_t *at)
{
	*at = 0xcc;
}

static void call(const void *at)
{
	((void (*)(void))at)();
}

static void write_text(void)
{
	touch((volatile uint8_t *)kernel_start);
}

static void write_rodata(void)
{
	touch((volatile uint8_t *)kernel_rodata);
}

/* The direct map must not be a way round: the image has no alias there. */
static void write_text_alias(void)
{
	touch((volatile uint8_t *)X86_DIRECT_BASE + kernel_physical(kernel_start));
}

static void execute_data(void)
{
	data[0] = code[0];
	call(data);
}

static void execute_heap(void)
{
	uint8_t *heap = machine_alloc(64);

	heap[0] = code[0];
	call(heap);
}

static void execute_stack(void)
{
	volatile uint8_t stack[16];

	stack[0] = code[0];
	call((const void *)stack);
}

static void execute_frame(void)
{
	uint8_t *frame = machine_frame(take_frame());

	frame[0] = code[0];
	call(frame);
}

static void execute_unsealed(void)
{
	uint8_t *window = machine_code_alloc(sizeof(code));

	window[0] = code[0];
	call(window);
}

static void write_sealed(void)
{
	uint8_t *window = machine_code_alloc(sizeof(code));

	window[0] = code[0];
	check_equal((uint64_t)machine_code_seal(window, sizeof(code)), 0, "sealing");
	call(window);
	x86_print("selftest: sealed code ran\n");
	touch(window);
}

static uint64_t recurse(uint64_t depth)
{
	volatile uint64_t room[256]; /* few enough frames for a whole backtrace */

	room[depth % 256] = depth;
	return depth == UINT64_MAX ? 0 : recurse(depth + 1) + room[0];
}

static void overflow_stack(void)
{
	recurse(0);
}

/* One page of an environment, readable or executable, in the loaded space. */
static uint8_t *user_page(unsigned rights)
{
	struct machine_space *space;
	uint64_t frame = take_frame();

	*(uint8_t *)machine_frame(frame) = code[0];
	MACHINE_ASSERT(machine_space_create(&space) == 0);
	MACHINE_ASSERT(machine_space_map(space, USER_PAGE, frame, rights, NULL) == 0);
	space_load(cpu_this(), space);
	return (uint8_t *)USER_PAGE;
}

static void read_user(void)
{
	volatile uint8_t *page = user_page(EXO_RIGHT_READ);
	uint8_t byte = 0;

	check_equal((uint64_t)machine_copy_in(&byte, USER_PAGE, 1), 0, "the copier may");
	check_equal(byte, code[0], "what it copied");
	x86_print("selftest: the copier read %x\n", byte);
	byte = *page;
}

static void write_user(void)
{
	touch(user_page(EXO_RIGHT_READ | EXO_RIGHT_WRITE));
}

static void execute_user(void)
{
	call(user_page(EXO_RIGHT_READ | EXO_RIGHT_EXEC));
}

static void *null_pointer(void)
{
	void *volatile pointer = NULL;

	return pointer;
}

static void write_null(void)
{
	touch(null_pointer());
}

static void execute_null(void)
{
	call(null_pointer());
}

static void read_nowhere(void)
{
	touch((volatile uint8_t *)0xffffa00000000000ull);
}

static void divide_by_zero(void)
{
	volatile unsigned zero = 0;

	x86_print("%u\n", 1000 / zero); /* of 1, a compiler may make a comparison */
}

static void free_twice(void)
{
	void *memory = machine_alloc(100000);

	machine_free(memory);
	machine_free(memory);
}

static void panic(void)
{
	machine_panic("asked for: %d", 42);
}

const struct selftest acts[] = {
        {"write-text", write_text},
        {"write-rodata", write_rodata},
        {"write-text-alias", write_text_alias},
        {"execute-data", execute_data},
        {"execute-heap", execute_heap},
        {"execute-stack", execute_stack},
        {"execute-frame", execute_frame},
        {"execute-unsealed", execute_unsealed},
        {"write-sealed", write_sealed},
        {"overflow-stack", overflow_stack},
        {"read-user", read_user},
        {"write-user", write_user},
        {"execute-user", execute_user},
        {"write-null", write_null},
        {"execute-null", execute_null},
        {"read-nowhere", read_nowhere},
        {"divide-by-zero", divide_by_zero},
        {"free-twice", free_twice},
        {"panic", panic},
        {NULL, NULL},
};
