/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel's primitives cost: each is done a number of times between two marks, which
 * ci/plugin sees. ci/bench.d/primitives.d/linux.c does the same on Linux.
 */
#include <stdbool.h>
#include <stdint.h>

#include <libexo/call.h>
#include <libexo/child.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/thread.h>
#include <libexo/upcall.h>

#include "primitives.h"

#define WINDOW 0x10000000ull /* where pages come and go */

static struct exo_pages pool;

/* ---- Exceptions and page faults ---- */

static bool step_over(struct exo_pe *pe, void *arg)
{
	pe->saved.rip += 2; /* divl %ecx */
	return true;
}

static void divide_by_zero(void)
{
	__asm__ volatile("xorl %%ecx, %%ecx; xorl %%edx, %%edx; divl %%ecx"
	                 :
	                 :
	                 : "eax", "ecx", "edx");
}

/* A missing page, or one that may not be written: a writable one stands there afterwards. */
static bool resolve(struct exo_pe *pe, void *arg)
{
	return exo_map_page(pe->upcall.address & ~(EXO_PAGE_SIZE - 1), pool.frame,
	                    EXO_RIGHT_READ | EXO_RIGHT_WRITE) == 0;
}

static void touch(void)
{
	*(volatile char *)WINDOW = 1;
}

static void map_touch_unmap(void)
{
	exo_map_page(WINDOW, pool.frame, EXO_RIGHT_READ | EXO_RIGHT_WRITE);
	touch();
	exo_unmap_page(WINDOW);
}

/* ---- A thread ---- */

static void nothing(void *arg)
{
}

static void fork_join(void)
{
	exo_thread_join(exo_thread_create(nothing, NULL, 0));
}

/* ---- An environment ---- */

static int run_environment(const char *name)
{
	const struct exo_start_file *image = exo_start_file(name);
	static struct exo_child child;
	struct exo_env_status status = {.state = 0};
	int result = exo_child_create(&child, name, 64);

	if (result == 0)
		result = exo_child_image(&child, (const void *)(uintptr_t)image->address,
		                         image->size);
	if (result == 0)
		result = exo_child_start(&child, exo_start_page()->core);
	status.env = child.cap;
	/* It has no slot of its own: it runs in ours. */
	while (result == 0 && status.state <= EXO_ENV_RUNNING) {
		exo_yield(child.id);
		result = exo_env_status(&status);
	}
	if (result == 0)
		result = exo_env_end(&child.cap);
	if (result != 0 || status.state != EXO_ENV_EXITED)
		exo_printf("environment: %s, state %u\n", child.error, status.state);
	return result;
}

/* ---- Transfer ---- */

/* Another environment, which has no slot of its own either, and the gate to it. */
static int start_callee(void)
{
	static struct exo_child child;
	const struct exo_start_file *file = exo_start_file("callee");
	int result = -EXO_ENOENT;

	if (file != NULL)
		result = exo_child_create(&child, "callee", 64);
	if (result == 0)
		result =
		        exo_child_image(&child, (const void *)(uintptr_t)file->address, file->size);
	if (result == 0)
		result = exo_child_start(&child, exo_start_page()->core);
	if (result == 0)
		result = exo_gate(&child.cap, 0);
	/* Until it sleeps, ready to serve. */
	for (int i = 0; result == 0 && i < 100 && exo_invoke(0, 1, 0, 0, 0) != 2; i++)
		exo_yield(child.id);
	return result;
}

/* ---- All of them ---- */

static void measure(void)
{
	for (int i = 0; i < PRIMITIVE_ROUNDS; i++) {
		MEASURE(PRIMITIVE_NOTHING, (void)0);
		MEASURE(PRIMITIVE_NULL, exo_null());
		MEASURE(PRIMITIVE_EXCEPTION, divide_by_zero());
		MEASURE(PRIMITIVE_FAULT, touch());
		exo_unmap_page(WINDOW);
		exo_map_page(WINDOW, pool.frame, EXO_RIGHT_READ);
		MEASURE(PRIMITIVE_PROTECT, touch());
		exo_unmap_page(WINDOW);
		MEASURE(PRIMITIVE_TRANSFER, exo_invoke(0, 1, 0, 0, 0));
		MEASURE(PRIMITIVE_MAP, map_touch_unmap());
		MEASURE(PRIMITIVE_THREAD, fork_join());
		MEASURE(PRIMITIVE_ENV, run_environment("bare"));
		MEASURE(PRIMITIVE_PROGRAM, run_environment("nothing"));
	}
}

int exo_main(void)
{
	if (exo_start_file("nothing") == NULL || exo_start_file("bare") == NULL ||
	    exo_pages_alloc(&pool, 1) != 0 || exo_threads_init(NULL) != 0 ||
	    exo_upcall_handle(EXO_UPCALL_EXCEPTION, step_over, NULL) != 0 ||
	    exo_upcall_handle(EXO_UPCALL_ADDRESSING, resolve, NULL) != 0) {
		exo_printf("primitives can't start\n");
		return 1;
	}
	if (start_callee() != 0 || exo_invoke(0, 41, 0, 0, 0) != 42) {
		exo_printf("there is nobody to call\n");
		return 1;
	}
	measure();
	exo_printf("primitives are done\n");
	return 0;
}
