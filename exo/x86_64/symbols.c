/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's symbol table: boot/mksymbols.py makes it from a first link; the first link itself,
 * and images for tests, have none. */
#include "panic.h"

#include "kernel.h"

/* Addresses less kernel_start, ascending; names, one after another, each with its NUL. */
extern const uint32_t kernel_symbols_count __attribute__((weak));
extern const uint32_t kernel_symbols[] __attribute__((weak));
extern const char kernel_symbol_names[] __attribute__((weak));

static const char *name_at(uint32_t index)
{
	const char *name = kernel_symbol_names;

	while (index-- > 0) {
		while (*name != '\0')
			name++;
		name++;
	}
	return name;
}

const char *symbols_find(uint64_t address, uint64_t *offset)
{
	uint64_t place = address - (uint64_t)kernel_start;
	uint32_t low = 0, high;

	if (address < (uint64_t)kernel_start || address >= (uint64_t)kernel_text_end ||
	    &kernel_symbols_count == NULL || kernel_symbols_count == 0 || place < kernel_symbols[0])
		return NULL;
	high = kernel_symbols_count;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (kernel_symbols[middle] <= place)
			low = middle;
		else
			high = middle;
	}
	*offset = place - kernel_symbols[low];
	return name_at(low);
}
