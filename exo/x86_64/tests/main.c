/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands where the core stands, and runs one self-test. */
#include "selftest.h"

static unsigned failures;

void check(bool good, const char *what)
{
	if (good)
		return;
	failures++;
	x86_print("selftest: FAILED: %s\n", what);
}

void check_equal(uint64_t got, uint64_t expected, const char *what)
{
	if (got == expected)
		return;
	failures++;
	x86_print("selftest: FAILED: %s: %lx instead of %lx\n", what, got, expected);
}

uint64_t take_frame(void)
{
	static uint64_t next;
	struct machine_range range;

	MACHINE_ASSERT(machine_memory(1, &range) && next < range.count);
	return range.first + next++;
}

static bool is_named(const char *line, const char *name)
{
	static const char key[] = "selftest=";
	unsigned i = 0;

	for (; *line != '\0'; line++) {
		for (i = 0; key[i] != '\0' && line[i] == key[i]; i++)
			;
		if (key[i] == '\0')
			break;
	}
	if (*line == '\0')
		return false;
	for (line += i; *name != '\0' && *line == *name; line++, name++)
		;
	return *name == '\0' && (*line == '\0' || *line == ' ');
}

static bool run_from(const struct selftest *tests)
{
	for (; tests->name != NULL; tests++) {
		if (is_named(machine_info()->command_line, tests->name)) {
			x86_print("selftest: %s\n", tests->name);
			tests->run();
			return true;
		}
	}
	return false;
}

/* Adds its arguments; a large first one it declines. */
static int64_t add(struct machine_pe *pe, uint64_t a, uint64_t b, uint64_t c)
{
	return a > 1000 ? MACHINE_NOT_LEAF : (int64_t)(a + b + c);
}

machine_leaf_call *const core_leaf_calls[MACHINE_LEAF_CALLS] = {[3] = add};

void core_main(const struct boot_info *boot)
{
	if (!run_from(acts) && !run_from(rings) && !run_from(many))
		check(false, "there is no such test");
	x86_print("selftest: %s\n", failures == 0 ? "SUCCESS" : "FAILURE");
	machine_power(EXO_POWER_EXIT, failures == 0 ? 0 : 1);
}
