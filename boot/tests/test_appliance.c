/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Units of the payload's builder: digests against FIPS 180-4's examples, the archive's layout,
 * stand-ins that can be told apart.
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
#include "../appliance/sha256.h"
#include "../appliance/symbols.h"

static void expect_digest(const void *data, size_t size, const char *expected)
{
	uint8_t digest[32];
	char text[65];
	boot_sha256(data, size, digest);
	for (size_t i = 0; i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(text, expected);
}

static void digests(void **state)
{
	(void)state;
	char *million = malloc(1000000);
	assert_non_null(million);
	memset(million, 'a', 1000000);
	expect_digest("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	expect_digest("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	expect_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
	              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	expect_digest(million, 1000000,
	              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	/* Either side of where the length no longer fits into the last block. */
	expect_digest(million, 55,
	              "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
	expect_digest(million, 56,
	              "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
	expect_digest(million, 64,
	              "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
	free(million);
}

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
	        {EXO_SYMBOL_ADDR, 4, 4, 0}, {EXO_SYMBOL_NET, 4, 4, 0},   {EXO_SYMBOL_MAC, 4, 4, 2},
	        {EXO_SYMBOL_MAC, 4, 2, 0},  {EXO_SYMBOL_ADDR, 6, 4, 0},  {EXO_SYMBOL_ADDR, 6, 4, 4},
	        {EXO_SYMBOL_ADDR, 6, 4, 8}, {EXO_SYMBOL_ADDR, 6, 4, 12}, {EXO_SYMBOL_MAC, 6, 2, 0},
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
	        cmocka_unit_test(digests),
	        cmocka_unit_test(archive_layout),
	        cmocka_unit_test(symbols_filled),
	        cmocka_unit_test(symbols_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
