/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Policies as extensions (SPIN's example): an environment that owns a network extension makes two
 * applications, and each brings its own memory manager and its own scheduler into the kernel. The
 * second scheduler asks the network extension, which both may use. One image, three roles.
 */
#include "policies.h"

#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>

const struct bundle_file *bundle_find(const struct bundle *bundle, const char *name)
{
	for (uint32_t i = 0; i < bundle->n; i++)
		if (strcmp(bundle->files[i].name, name) == 0)
			return &bundle->files[i];
	return NULL;
}

int policies_failed(const char *what, int result, const char *why)
{
	exo_printf("%s: %s%s%s\n", what, exo_error_text(result), why[0] ? ": " : "", why);
	return result;
}

static unsigned digit_of(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

uint64_t policies_number(unsigned argument)
{
	const char *text = exo_start_arg(argument);
	uint64_t number = 0;

	for (; text != NULL && *text != '\0'; text++)
		number = number << 4 | digit_of(*text);
	return number;
}

int exo_main(void)
{
	const char *role = exo_start_arg(1);

	if (role != NULL && strcmp(role, "application") == 0)
		return policies_application();
	if (role != NULL && strcmp(role, "strand") == 0)
		return policies_strand();
	return policies_network();
}
