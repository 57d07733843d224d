/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relocations: each symbol in each place, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "relocate.h"

struct sample {
	struct exo_manifest head;
	struct exo_manifest_relocation relocations[1];
};

static const struct exo_start_address IPV4 = {
        .family = 4, .prefix = 20, .address = {192, 0, 2, 129}};
static const struct exo_start_address IPV6 = {
        .family = 6, .prefix = 36, .address = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 1, 2}};
static const uint8_t MAC[6] = {2, 1, 2, 3, 4, 5};

static struct sample sample_of(struct exo_manifest_relocation r)
{
	return (struct sample){
	        .head.relocations = {offsetof(struct sample, relocations), 1},
	        .relocations = {r},
	};
}

static const char *relocate(struct exo_manifest_relocation r, const struct symbols *symbols,
                            uint32_t *mask, uint32_t *value)
{
	struct sample s = sample_of(r);
	struct exo_manifest_flow flow = {.n_receive = 1, .n_relocations = 1};
	struct flt_conjunction c = {.n_terms = 1};
	const char *wrong;

	c.terms[0].mask = 0xffffffff;
	c.terms[0].value = 0xdeadbeef;
	wrong = relocate_conjunctions(&s.head, &flow, EXO_PLACE_RECEIVE, symbols, &c);
	*mask = c.terms[0].mask;
	*value = c.terms[0].value;
	return wrong;
}

static void test_terms(void **state)
{
	struct symbols symbols = {&IPV4, MAC};
	uint32_t mask, value;

	assert_null(relocate((struct exo_manifest_relocation){.symbol = EXO_SYMBOL_ADDR,
	                                                      .place = EXO_PLACE_RECEIVE,
	                                                      .width = 4},
	                     &symbols, &mask, &value));
	assert_int_equal(value, 0xc0000281);
	assert_null(relocate((struct exo_manifest_relocation){.symbol = EXO_SYMBOL_NET,
	                                                      .place = EXO_PLACE_RECEIVE,
	                                                      .width = 4},
	                     &symbols, &mask, &value));
	assert_int_equal(mask, 0xfffff000);
	assert_int_equal(value, 0xc0000000);
	assert_null(relocate((struct exo_manifest_relocation){.symbol = EXO_SYMBOL_MAC,
	                                                      .place = EXO_PLACE_RECEIVE,
	                                                      .byte = 4,
	                                                      .width = 2},
	                     &symbols, &mask, &value));
	assert_int_equal(value, 0x0405);
	symbols.address = &IPV6;
	assert_null(relocate((struct exo_manifest_relocation){.symbol = EXO_SYMBOL_NET,
	                                                      .place = EXO_PLACE_RECEIVE,
	                                                      .byte = 4,
	                                                      .width = 4},
	                     &symbols, &mask, &value));
	assert_int_equal(mask, 0xf0000000);
	assert_int_equal(value, 0xf0000000);
	/* Another place is left alone. */
	assert_null(relocate((struct exo_manifest_relocation){.symbol = EXO_SYMBOL_ADDR,
	                                                      .place = EXO_PLACE_TRANSMIT,
	                                                      .width = 4},
	                     &symbols, &mask, &value));
	assert_int_equal(value, 0xdeadbeef);
}

static void test_refused(void **state)
{
	struct symbols symbols = {&IPV4, NULL};
	struct exo_manifest_relocation r = {
	        .symbol = EXO_SYMBOL_ADDR, .place = EXO_PLACE_RECEIVE, .byte = 4, .width = 4};
	uint32_t mask, value;

	assert_string_equal(relocate(r, &symbols, &mask, &value), "it needs an IPv6 address");
	symbols.address = &IPV6;
	r.byte = 0;
	assert_string_equal(relocate(r, &symbols, &mask, &value), "it needs an IPv4 address");
	symbols.address = NULL;
	assert_string_equal(relocate(r, &symbols, &mask, &value), "its address was not given");
	r.symbol = EXO_SYMBOL_MAC;
	assert_string_equal(relocate(r, &symbols, &mask, &value), "its NIC port does not exist");
}

static void test_program(void **state)
{
	struct {
		uint16_t code;
		uint8_t jt, jf;
		uint32_t k;
	} program[2] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
	struct sample s = sample_of((struct exo_manifest_relocation){.symbol = EXO_SYMBOL_NET,
	                                                             .place = EXO_PLACE_PROGRAM,
	                                                             .index = 1,
	                                                             .width = 4,
	                                                             .mask = 1});
	struct exo_manifest_flow flow = {.n_relocations = 1};
	struct symbols symbols = {&IPV4, MAC};

	assert_null(relocate_program(&s.head, &flow, &symbols, program));
	assert_int_equal(program[0].k, 4);
	assert_int_equal(program[1].k, 0xfffff000);
	s.relocations[0].mask = 0;
	assert_null(relocate_program(&s.head, &flow, &symbols, program));
	assert_int_equal(program[1].k, 0xc0000000);
	assert_int_equal(program[1].code, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_terms),
	        cmocka_unit_test(test_refused),
	        cmocka_unit_test(test_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
