/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The manifest's checker: a sound manifest passes; each damage is refused with a reason that names
 * the entry. A row per damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <exo/cap.h>
#include <exo/error.h>
#include <exo/flow.h>
#include <libexo/manifest.h>

/* A manifest with two of everything that matters. */
struct sample {
	struct exo_manifest head;
	struct exo_manifest_file files[2];
	struct exo_manifest_env envs[2];
	struct exo_manifest_flow flows[2];
	struct flt_conjunction conjunctions[2];
	struct exo_manifest_relocation relocations[2];
	char strings[64];
} __attribute__((aligned(8)));

#define TABLE(field)                                                                               \
	{                                                                                          \
		offsetof(struct sample, field), sizeof(((struct sample *)0)->field) /              \
		                                        sizeof(((struct sample *)0)->field[0])     \
	}

/* 1 echo, 6 image, 12 code.bin, 21 host, 26 ping, 31 udp */
static const char STRINGS[] = "\0echo\0image\0code.bin\0host\0ping\0udp";

static struct sample good(void)
{
	struct sample s;

	memset(&s, 0, sizeof(s));
	s.head = (struct exo_manifest){
	        .magic = EXO_MANIFEST_MAGIC,
	        .version = EXO_MANIFEST_VERSION,
	        .size = sizeof(s),
	        .name = 1,
	        .files = TABLE(files),
	        .envs = TABLE(envs),
	        .flows = TABLE(flows),
	        .conjunctions = TABLE(conjunctions),
	        .relocations = TABLE(relocations),
	        .strings = TABLE(strings),
	        .control_port = ~0u,
	};
	memcpy(s.strings, STRINGS, sizeof(STRINGS));
	s.files[0] = (struct exo_manifest_file){.name = 6, .size = 100};
	s.files[1] = (struct exo_manifest_file){.name = 12, .size = 80};
	for (int i = 0; i < 2; i++) {
		s.envs[i] = (struct exo_manifest_env){.name = i == 0 ? 21 : 31,
		                                      .image = 0,
		                                      .program = ~0u,
		                                      .args = 6,
		                                      .argc = 2,
		                                      .frames = 10,
		                                      .slots = 1,
		                                      .first_flow = (uint32_t)i,
		                                      .n_flows = 1};
		s.flows[i] = (struct exo_manifest_flow){.name = 26,
		                                        .text = 26,
		                                        .flags = EXO_BIND_HOST |
		                                                 (uint32_t)EXO_RIGHT_HOST << 16,
		                                        .program = 1,
		                                        .program_kind = EXO_PROGRAM_CBPF,
		                                        .first_receive = 0,
		                                        .n_receive = 2,
		                                        .first_transmit = 1,
		                                        .n_transmit = 1,
		                                        .n_relocations = 2};
		s.conjunctions[i].n_terms = 1;
		s.conjunctions[i].terms[0] = (struct flt_term){.width = 4, .offset = 30};
		s.conjunctions[i].terms[0].mask = 0xffffffff;
	}
	s.relocations[0] = (struct exo_manifest_relocation){
	        .symbol = EXO_SYMBOL_ADDR, .place = EXO_PLACE_RECEIVE, .index = 1, .width = 4};
	s.relocations[1] = (struct exo_manifest_relocation){
	        .symbol = EXO_SYMBOL_NET, .place = EXO_PLACE_PROGRAM, .index = 9, .width = 4};
	return s;
}

static void test_good(void **state)
{
	struct sample s = good();
	char error[EXO_MANIFEST_ERROR_MAX];

	assert_int_equal(exo_manifest_check(&s, sizeof(s), error), 0);
	assert_string_equal(error, "");
}

static void test_truncated(void **state)
{
	struct sample s = good();
	char error[EXO_MANIFEST_ERROR_MAX];

	for (size_t size = 0; size < sizeof(s); size++)
		assert_int_equal(exo_manifest_check(&s, size, error), -EXO_EINVAL);
}

static void refused(const struct sample *s, const char *damage, const char *why)
{
	char error[EXO_MANIFEST_ERROR_MAX] = "";
	int result = exo_manifest_check(s, sizeof(*s), error);

	if (result != -EXO_EINVAL || strstr(error, why) == NULL)
		fail_msg("%s: result %d, '%s', expected '%s'", damage, result, error, why);
}

#define DAMAGE(statement, why)                                                                     \
	do {                                                                                       \
		struct sample s = good();                                                          \
		s.statement;                                                                       \
		refused(&s, #statement, why);                                                      \
	} while (0)

static void test_damaged_header_and_tables(void **state)
{
	DAMAGE(head.magic = 0, "magic");
	DAMAGE(head.version = 3, "version 3");
	DAMAGE(head.size += 1, "says");
	DAMAGE(head.size = 8, "says");
	DAMAGE(head.flags = 2, "unknown flags");
	DAMAGE(head.control_port = EXO_PORTS_MAX, "control port");
	DAMAGE(head.merges = 1u << EXO_PORTS_MAX, "ports that merge");
	DAMAGE(head.files.offset = 4, "multiple of 8");
	DAMAGE(head.files.n = 1u << 30, "files");
	DAMAGE(head.envs.offset = 0xfffffff8, "environments");
	DAMAGE(head.strings.n = 0, "NUL");
	DAMAGE(strings[63] = 'x', "NUL");
	DAMAGE(head.name = 64, "name");
	DAMAGE(head.name = 0, "name");
}

static void test_damaged_entries(void **state)
{
	DAMAGE(files[1].name = 99, "file 1: its name");
	DAMAGE(envs[1].name = 21, "same name");
	DAMAGE(envs[0].flags = 1u << 9, "environment 0 (host): unknown flags");
	DAMAGE(envs[0].image = 2, "image 2, but there are 2 files");
	DAMAGE(envs[0].program = 2, "program 2");
	DAMAGE(envs[0].argc = 0, "no arguments");
	DAMAGE(envs[0].argc = 1000, "argument");
	DAMAGE(envs[0].frames = 0, "no frames");
	DAMAGE(envs[0].core = EXO_CORES_MAX, "core");
	DAMAGE(envs[0].slots = 0, "slots");
	DAMAGE(envs[0].slots = 65, "slots");
	DAMAGE(envs[1].first_flow = 2, "flows 2 + 1");
	DAMAGE(envs[1].n_flows = ~0u, "flows");
	DAMAGE(envs[1].first_file = 3, "content");
	DAMAGE(envs[1].addresses = 0x100, "addresses");
}

static void test_damaged_flows(void **state)
{
	DAMAGE(flows[0].name = 0, "flow 0: its name");
	DAMAGE(flows[0].text = 64, "expression");
	DAMAGE(flows[0].flags = 1 << 8, "flow 0 (ping): unknown flags");
	DAMAGE(flows[0].flags = (uint32_t)EXO_RIGHT_GRANT << 16, "unknown flags");
	DAMAGE(flows[0].address = 8, "address 8");
	DAMAGE(flows[0].ports = 1 << 16, "ports");
	DAMAGE(flows[0].program = ~0u, "does not suit");
	DAMAGE(flows[0].program = 2, "program 2");
	DAMAGE(flows[0].program_kind = 3, "unknown kind");
	DAMAGE(flows[0].program_kind = EXO_PROGRAM_EBPF, "classic");
	DAMAGE(flows[0].n_receive = 3, "receive conjunctions");
	DAMAGE(flows[0].first_transmit = 3, "transmit conjunctions");
	DAMAGE(flows[0].n_relocations = 3, "relocations");
	DAMAGE(conjunctions[1].n_terms = 25, "conjunction 1");
	DAMAGE(conjunctions[1].terms[0].base = 3, "term 0");
	DAMAGE(conjunctions[1].terms[0].width = 3, "term 0");
	DAMAGE(conjunctions[1].terms[0].offset = 4096, "term 0");
	DAMAGE(conjunctions[1].terms[0].msh = 14, "term 0");
	DAMAGE(conjunctions[1].terms[0].mask = 0; s.conjunctions[1].terms[0].value = 1, "term 0");
	DAMAGE(conjunctions[1].terms[0].width = 2, "term 0"); /* the mask is too wide then */
	DAMAGE(relocations[0].symbol = 0, "relocation 0: unknown symbol");
	DAMAGE(relocations[0].symbol = 5, "unknown symbol");
	DAMAGE(relocations[0].place = 4, "unknown place");
	DAMAGE(relocations[0].index = 2, "conjunction 2 of 2");
	DAMAGE(relocations[0].term = 1, "term 1 of 1");
	DAMAGE(relocations[0].width = 2, "not masked or not 2");
	DAMAGE(relocations[0].width = 3, "width 3");
	DAMAGE(relocations[0].byte = 13, "bytes 13");
	DAMAGE(relocations[0].symbol = EXO_SYMBOL_MAC; s.relocations[0].byte = 3, "bytes 3");
	DAMAGE(relocations[1].index = 10, "instruction 10");
	DAMAGE(relocations[1].mask = 2, "mask 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_good),
	        cmocka_unit_test(test_truncated),
	        cmocka_unit_test(test_damaged_header_and_tables),
	        cmocka_unit_test(test_damaged_entries),
	        cmocka_unit_test(test_damaged_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
