/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests, whole and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "request.h"

static struct static_site site;
static struct static_memory known;

enum { ROOT = STATIC_ERRORS, A, AB, B };

static const struct {
	const char *text;
	int answer; /* -1: not ended */
	bool head, close;
} cases[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ROOT, false, false},
        {"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", A, false, false},
        {"GET /ab HTTP/1.1\r\nHost: x\r\n\r\n", AB, false, false},
        {"GET /b?q=1 HTTP/1.1\r\nHOST:x\r\n\r\n", B, false, false},
        {"\r\n\r\nGET /a HTTP/1.1\nHost: x\n\n", A, false, false},
        {"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n", A, true, false},
        {"GET http://x:80/ab HTTP/1.1\r\nHost: x\r\n\r\n", AB, false, false},
        {"GET /a HTTP/1.0\r\n\r\n", A, false, true},
        {"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", A, false, false},
        {"GET /a HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n", A, false, true},
        {"GET /a HTTP/1.1\r\nConnection: TE, close\r\nHost: x\r\n\r\n", A, false, true},
        {"GET /a HTTP/1.1\r\nConnection: closer\r\nHost: x\r\n\r\n", A, false, false},
        {"GET /a HTTP/1.1\r\nContent-Length: 00\r\nHost: x\r\n\r\n", A, false, false},
        {"GET /c HTTP/1.1\r\nHost: x\r\n\r\n", STATIC_NOT_FOUND, false, false},
        {"GET /abc HTTP/1.1\r\nHost: x\r\n\r\n", STATIC_NOT_FOUND, false, false},
        {"GET /a HTTP/1.1\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        {"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        {"GET /a HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        {"GET /a HTTP/1.1\r\nHo st: x\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        {"GET  HTTP/1.1\r\nHost: x\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        {"GET a HTTP/1.1\r\nHost: x\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        {"GET /a HTTP/2.0\r\nHost: x\r\n\r\n", STATIC_BAD_VERSION, false, true},
        {"GET /a XTTP/1.1\r\nHost: x\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        {"POST /a HTTP/1.1\r\nHost: x\r\n\r\n", STATIC_NOT_ALLOWED, false, true},
        {"BREW /a HTTP/1.1\r\nHost: x\r\n\r\n", STATIC_NOT_IMPLEMENTED, false, true},
        {"\x16\x03\x01", STATIC_BAD_REQUEST, false, true},
        {"GET /a HTTP/1.1\r\nContent-Length: 10\r\nHost: x\r\n\r\n", STATIC_TOO_LARGE, false, true},
        {"GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\n", STATIC_TOO_LARGE,
         false, true},
        {"GET /a HTTP/1.1\r\nHost: x\r\n", -1, false, false},
        /* What another one reads as a length is none here, and no other way round. */
        {"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 0\r\n\r\n", A, false, false},
        {"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 1\r\n\r\n", STATIC_TOO_LARGE, false,
         true},
        {"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0xa\r\n\r\n", STATIC_BAD_REQUEST, false,
         true},
        {"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n\r\n", STATIC_BAD_REQUEST, false,
         true},
        {"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n", STATIC_BAD_REQUEST, false,
         true},
        {"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0 0\r\n\r\n", STATIC_BAD_REQUEST, false,
         true},
        {"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        /* A bare CR ends no line. */
        {"GET /a HTTP/1.1\rContent-Length: 5\r\nHost: x\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        {"GET /a HTTP/1.1\r\r\nHost: x\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        {"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        {"GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        {"GET /a HTTP/1.1\r\nHost: \t [::1]:80 \r\n\r\n", A, false, false},
        {"GET /a HTTP/1.1\r\nHost:\r\n\r\n", A, false, false},
        {"GET HTTP://x/a HTTP/1.1\r\nHost: x\r\n\r\n", A, false, false},
        {"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", ROOT, false, false},
        {"GET http://x?/a HTTP/1.1\r\nHost: x\r\n\r\n", ROOT, false, false},
        {"GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n", STATIC_BAD_REQUEST, false, true},
        {"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n", STATIC_BAD_REQUEST, false, true},
};

static void check(unsigned i, size_t piece)
{
	size_t size = strlen(cases[i].text), at = 0;
	struct static_request request;
	struct static_asked asked;
	bool done = false;

	static_request_reset(&request, &site);
	while (at < size && !done) {
		uint32_t n = (uint32_t)(size - at < piece ? size - at : piece);

		at += static_request_recall(&request, &known, &site,
		                            (const uint8_t *)cases[i].text + at, n, &done, &asked);
	}
	if (cases[i].answer < 0) {
		assert_false(done);
		return;
	}
	if (!done || asked.answer != cases[i].answer || asked.close != cases[i].close)
		fail_msg("%s: %d, answer %d, close %d", cases[i].text, done, asked.answer,
		         asked.close);
	if (asked.answer >= STATIC_ERRORS)
		assert_int_equal(asked.head, cases[i].head);
}

static void test_cases(void **state)
{
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		check(i, 4096);
		check(i, 4096); /* known by now, if it is long enough */
		check(i, 1);
		check(i, 7);
	}
}

static void test_pipelined(void **state)
{
	static const char text[] =
	        "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n";
	struct static_request request;
	struct static_asked asked;
	uint32_t used;
	bool done;

	static_request_reset(&request, &site);
	used = static_request_take(&request, &site, (const uint8_t *)text, sizeof text - 1, &done,
	                           &asked);
	assert_true(done && asked.answer == A && used == (sizeof text - 1) / 2);
	static_request_reset(&request, &site);
	used += static_request_take(&request, &site, (const uint8_t *)text + used,
	                            (uint32_t)sizeof text - 1 - used, &done, &asked);
	assert_true(done && asked.answer == B && used == sizeof text - 1);
}

static void test_endless(void **state)
{
	static const uint8_t line[] = "X: 0123456789012345678901234567890123456789\r\n";
	static const uint8_t start[] = "GET /a HTTP/1.1\r\n";
	struct static_request request;
	struct static_asked asked;
	unsigned lines = 0;
	bool done;

	static_request_reset(&request, &site);
	static_request_take(&request, &site, start, sizeof start - 1, &done, &asked);
	while (!done && lines++ < 10000)
		static_request_take(&request, &site, line, sizeof line - 1, &done, &asked);
	assert_true(done && asked.close);
	assert_int_equal(asked.answer, STATIC_HEAD_TOO_LARGE);
}

/* NUL is refused where it comes. */
static void test_nul(void **state)
{
	static const char *const before[] = {"GET",
	                                     "GET /",
	                                     "GET /a?",
	                                     "GET /a HTTP/1.1",
	                                     "GET /a HTTP/1.1\r\nHost",
	                                     "GET /a HTTP/1.1\r\nHost: x",
	                                     "GET /a HTTP/1.1\r\nConnection: close"};

	for (unsigned i = 0; i < sizeof before / sizeof *before; i++) {
		uint32_t size = (uint32_t)strlen(before[i]);
		struct static_request request;
		struct static_asked asked;
		bool done;

		static_request_reset(&request, &site);
		(void)static_request_take(&request, &site, (const uint8_t *)before[i], size, &done,
		                          &asked);
		assert_false(done);
		(void)static_request_take(&request, &site, (const uint8_t *)"", 1, &done, &asked);
		assert_true(done && asked.close);
		assert_int_equal(asked.answer, STATIC_BAD_REQUEST);
	}
}

static int open_site(void **state)
{
	struct static_file files[] = {
	        {"/ab", "t", "x", 1}, {"/b", "t", "x", 1}, {"/", "t", "x", 1}, {"/a", "t", "x", 1}};
	size_t size = static_site_bytes(files, 4);

	*state = malloc(size);
	return static_site_open(&site, files, 4, *state, size);
}

static int close_site(void **state)
{
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_cases),
	        cmocka_unit_test(test_pipelined),
	        cmocka_unit_test(test_endless),
	        cmocka_unit_test(test_nul),
	};

	return cmocka_run_group_tests(tests, open_site, close_site);
}
