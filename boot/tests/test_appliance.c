/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Units of the payload's builder: the archive's layout, stand-ins that can be told apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <exo/manifest.h>

#include "../appliance/archive.h"
#include "../appliance/symbols.h"

static void archive_layout(void **state)
{
	(void)state;
	struct buffer archive = {0};
	archive_add(&archive, "manifest", "m", 1);
	assert_int_equal(archive.size % 4, 0);
	assert_memory_equal(archive.data + 120, "m", 1);
	/* Names of every length, so that the gap takes every size, small ones included. */
	for (size_t length = 1; length < 60; length++) {
		char name[64] = {0};
		memset(name, 'x', length);
		archive_add(&archive, name, "data", 4);
		assert_int_equal((archive.size - 4) % ARCHIVE_ALIGNMENT, 0);
		assert_memory_equal(archive.data + archive.size - 4, "data", 4);
	}
	archive_close(&archive);
	assert_int_equal(archive.size % 512, 0);
	buffer_free(&archive);
}

static void symbols_filled(void **state)
{
	(void)state;
	struct place place = {.file = "test", .line = 1};
	char *text = symbols_fill(place, "src $addr and $mac($net)", 4, 0);
	assert_string_equal(text, "src 172.27.101.73 and 52:3e:97:b4:c8:a3(172.27.96.0/20)");
	free(text);
	text = symbols_fill(place, "dst $addr or dst $group", 6, 2);
	assert_string_equal(text,
	                    "dst fd15:20a6:3b44:7718:6d93:14ce:2fba:5907 or dst ff02::1:ffba:5907");
	free(text);
	text = symbols_fill(place, "plain", 6, 1);
	assert_string_equal(text, "plain");
	free(text);
}

/* Each aligned piece of each symbol is found again by its values alone. */
static void symbols_found(void **state)
{
	(void)state;
	static const struct {
		uint16_t symbol;
		int family;
		unsigned width, byte;
	} pieces[] = {
	        {EXO_SYMBOL_ADDR, 4, 4, 0}, {EXO_SYMBOL_NET, 4, 4, 0},
	        {EXO_SYMBOL_MAC, 4, 4, 2},  {EXO_SYMBOL_MAC, 4, 2, 0},
	        {EXO_SYMBOL_ADDR, 6, 4, 0}, {EXO_SYMBOL_ADDR, 6, 4, 4},
	        {EXO_SYMBOL_ADDR, 6, 4, 8}, {EXO_SYMBOL_ADDR, 6, 4, 12},
	        {EXO_SYMBOL_MAC, 6, 2, 0},  {EXO_SYMBOL_GROUP, 6, 4, 12},
	};
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct origin wanted = {pieces[i].symbol, (uint16_t)pieces[i].byte,
		                        (uint16_t)pieces[i].width, false};
		uint32_t a = symbols_value(pieces[i].family, &wanted, 0);
		uint32_t b = symbols_value(pieces[i].family, &wanted, 1);
		for (unsigned width = 0; width <= pieces[i].width; width += pieces[i].width) {
			struct origin found;
			assert_true(symbols_find(pieces[i].family, width, a, b, &found));
			assert_memory_equal(&found, &wanted, sizeof(found));
		}
	}
	struct origin found, mask = {EXO_SYMBOL_NET, 0, 4, true};
	assert_true(
	        symbols_find(4, 4, symbols_value(4, &mask, 0), symbols_value(4, &mask, 1), &found));
	assert_true(found.mask);
	assert_false(symbols_find(4, 0, 80, 443, &found));
	assert_false(symbols_find(4, 0, symbols_value(4, &mask, 0) + 1, symbols_value(4, &mask, 1),
	                          &found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(archive_layout),
	        cmocka_unit_test(symbols_filled),
	        cmocka_unit_test(symbols_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
