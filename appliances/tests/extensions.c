/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What calls between extensions and events cost, for ci/bench extensions: each between two marks,
 * after one round that is not counted. Each at the begin of a slot: later in it a core lets NICs
 * interrupt, and every way out of the kernel takes some steps more.
 *
 *     0  nothing                             4  an invocation with one handler
 *     1  CALLS plain calls of C              5  with ten handlers whose guards say no
 *     2  an invocation of 0 linked calls     6  with a hundred
 *     3  of CALLS linked calls               7  an invocation without any
 */
#include <libexo/ext.h>
#include <libexo/lib.h>
#include <libexo/printf.h>

#include "primitives.h"

enum { ROUNDS = 16, CALLS = 500, GUARDS_MAX = 100 };

static struct exo_ext callee, caller;
static uint64_t handlers[GUARDS_MAX];

static int failed(const char *what, int result, const char *why)
{
	exo_printf("%s: %s %s\n", what, exo_error_text(result), why);
	return 1;
}

static __attribute__((noinline)) uint64_t twice(uint64_t n)
{
	__asm__ volatile("" : "+r"(n));
	return n * 2;
}

static void plain_calls(uint64_t calls)
{
	uint64_t n = 1;

	for (uint64_t i = 0; i < CALLS && i < calls; i++)
		n = twice(n);
	__asm__ volatile("" : : "r"(n));
}

static void invoke(const char *function, uint64_t argument)
{
	struct exo_ext_invoke block = {.ref = caller.ref, .arguments = {argument}};

	exo_text_copy(block.function, sizeof(block.function), function);
	if (exo_ext_call(EXO_EXT_INVOKE, &block) < 0)
		exo_printf("%s can't be invoked\n", function);
}

static int handle(const char *guard, uint64_t *id)
{
	struct exo_ext_handle block = {.ref = caller.ref,
	                               .event = EXO_EXT_INVOKED,
	                               .target = caller.ref,
	                               .error = (uintptr_t)caller.error,
	                               .error_size = sizeof(caller.error)};
	int result;

	exo_text_copy(block.function, sizeof(block.function), "nothing");
	exo_text_copy(block.guard, sizeof(block.guard), guard);
	result = (int)exo_ext_call(EXO_EXT_HANDLE, &block);
	*id = block.id;
	return result;
}

#define ROUNDS_OF(number, statement)                                                               \
	do {                                                                                       \
		statement;                                                                         \
		for (int round = 0; round < ROUNDS; round++) {                                     \
			(void)exo_yield(0);                                                        \
			MEASURE(number, statement);                                                \
		}                                                                                  \
	} while (0)

static int with_guards(unsigned n)
{
	int result = 0;

	for (unsigned i = 0; i < n && result == 0; i++)
		result = handle("nothing", &handlers[i]);
	if (result < 0)
		return failed("guards", result, caller.error);
	if (n == 10)
		ROUNDS_OF(5, invoke("nothing", 0));
	else
		ROUNDS_OF(6, invoke("nothing", 0));
	for (unsigned i = 0; i < n; i++)
		(void)exo_ext_release(handlers[i]);
	return 0;
}

static int open_both(void)
{
	struct exo_ext_resolve link;
	int result = exo_ext_open(&callee, "link-callee.o", 0);

	if (result < 0)
		return failed("callee", result, callee.error);
	result = exo_ext_open(&caller, "link-chain.o", 0);
	if (result < 0)
		return failed("caller", result, caller.error);
	link = (struct exo_ext_resolve){.importer = caller.ref,
	                                .exporter = callee.ref,
	                                .error = (uintptr_t)caller.error,
	                                .error_size = sizeof(caller.error)};
	result = (int)exo_ext_call(EXO_EXT_RESOLVE, &link);
	return result < 0 ? failed("resolve", result, caller.error) : 0;
}

int exo_main(void)
{
	int result;

	if (open_both() != 0)
		return 1;
	ROUNDS_OF(0, );
	ROUNDS_OF(1, plain_calls(CALLS));
	ROUNDS_OF(2, invoke("call_linked", 0));
	ROUNDS_OF(3, invoke("call_linked", CALLS));
	ROUNDS_OF(7, invoke("nothing", 0));
	result = handle("", &handlers[0]);
	if (result < 0)
		return failed("handler", result, caller.error);
	ROUNDS_OF(4, invoke("nothing", 0));
	(void)exo_ext_release(handlers[0]);
	if (with_guards(10) != 0 || with_guards(GUARDS_MAX) != 0)
		return 1;
	exo_printf("extensions are done\n");
	return 0;
}
