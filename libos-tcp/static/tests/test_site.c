/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers: their texts, their order, and sums of any part of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <static/site.h>
#include <udp/checksum.h>

static uint8_t body[1000];

static void *open_site(struct static_site *site, const struct static_file *files, uint32_t n)
{
	size_t size = static_site_bytes(files, n);
	void *memory = malloc(size);

	assert_true(size > 0);
	assert_int_equal(static_site_open(site, files, n, memory, size), 0);
	return memory;
}

static void test_answers(void **state)
{
	struct static_file files[] = {{"/b", "text/plain", "second", 6},
	                              {"/", "text/html", "first", 5},
	                              {"/empty", "text/plain", NULL, 0}};
	static const char expected[] = "HTTP/1.1 200 OK\r\nServer: Sluice\r\n"
	                               "Content-Type: text/html\r\nContent-Length: 5\r\n\r\nfirst";
	struct static_site site;
	void *memory = open_site(&site, files, 3);
	const struct static_answer *answer = &site.answers[STATIC_ERRORS];

	assert_int_equal(site.n, STATIC_ERRORS + 3);
	assert_string_equal(answer[0].path, "/");
	assert_string_equal(answer[1].path, "/b");
	assert_string_equal(answer[2].path, "/empty");
	assert_int_equal(answer[0].size, sizeof expected - 1);
	assert_memory_equal(answer[0].bytes, expected, sizeof expected - 1);
	assert_int_equal(answer[0].head, sizeof expected - 1 - 5);
	assert_int_equal(answer[2].head, answer[2].size);
	assert_memory_equal(site.answers[STATIC_NOT_ALLOWED].bytes, "HTTP/1.1 405 ", 13);
	assert_true(site.answers[STATIC_BAD_REQUEST].close);
	free(memory);
}

static void test_sums(void **state)
{
	struct static_file file = {"/x", "text/plain", body, sizeof body};
	struct static_site site;
	const struct static_answer *answer;
	void *memory;

	for (unsigned i = 0; i < sizeof body; i++)
		body[i] = (uint8_t)(i * 31 ^ i >> 3);
	memory = open_site(&site, &file, 1);
	answer = &site.answers[STATIC_ERRORS];
	for (uint32_t from = 0; from < answer->size; from += 1 + from % 3)
		for (uint32_t size = 1; size <= answer->size - from; size += 7)
			assert_int_equal(
			        udp_sum_finish(static_answer_sum(answer, from, size) + 1),
			        udp_sum_finish(udp_sum_add(0, answer->bytes + from, size) + 1));
	free(memory);
}

static void test_refused(void **state)
{
	struct static_file twice[] = {{"/a", "t", "1", 1}, {"/a", "t", "2", 1}};
	struct static_file relative = {"a", "t", "1", 1}, query = {"/a?b", "t", "1", 1};
	struct static_site site;
	size_t size = static_site_bytes(twice, 2);
	void *memory = malloc(size);

	assert_int_equal(static_site_open(&site, twice, 2, memory, size), -1);
	assert_int_equal(static_site_open(&site, twice, 1, memory, 100), -1);
	assert_int_equal(static_site_bytes(&relative, 1), 0);
	assert_int_equal(static_site_bytes(&query, 1), 0);
	free(memory);
}

static void test_replaced(void **state)
{
	struct static_file file = {"/x", "text/plain", body, 200};
	struct static_site site;
	void *memory = open_site(&site, &file, 1);
	const struct static_answer *answer = &site.answers[STATIC_ERRORS];
	uint8_t other[200];

	memset(other, 0xa5, sizeof other);
	assert_int_equal(static_site_replace(&site, "/x", other, 199), -1);
	assert_int_equal(static_site_replace(&site, "/y", other, 200), -1);
	assert_int_equal(static_site_replace(&site, "/x", other, 200), 0);
	assert_memory_equal(answer->bytes + answer->head, other, 200);
	assert_int_equal(udp_sum_finish(static_answer_sum(answer, 0, answer->size)),
	                 udp_sum_finish(udp_sum_add(0, answer->bytes, answer->size)));
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_answers),
	        cmocka_unit_test(test_sums),
	        cmocka_unit_test(test_refused),
	        cmocka_unit_test(test_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
