/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests as they come, whole and in pieces: what the parser makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <http/request.h>

#define HOST "Host: x\r\n"

/* What became of the first request in `text`. */
struct outcome {
	enum http_parsed result; /* HTTP_END, HTTP_WRONG, or HTTP_MORE */
	bool head;               /* its head was complete */
	uint32_t used;
	struct http_request request;
};

static struct outcome parse(const char *text, uint32_t size, uint32_t piece)
{
	struct outcome out = {.result = HTTP_MORE};
	uint32_t used, n;

	http_request_reset(&out.request);
	while (out.result == HTTP_MORE || out.result == HTTP_HEAD) {
		n = size - out.used < piece ? size - out.used : piece;
		if (n == 0 && out.result == HTTP_MORE)
			break;
		out.result = http_request_parse(&out.request, (const uint8_t *)text + out.used, n,
		                                &used);
		assert_in_range(used, 0, n);
		out.used += used;
		out.head |= out.result == HTTP_HEAD;
	}
	return out;
}

/* The same however it is cut. */
static struct outcome parse_all_ways(const char *text, uint32_t size)
{
	struct outcome whole = parse(text, size, size);

	for (uint32_t piece = 1; piece < 5; piece++) {
		struct outcome out = parse(text, size, piece);

		assert_int_equal(out.result, whole.result);
		assert_int_equal(out.request.status, whole.request.status);
		assert_int_equal(out.request.path_size, whole.request.path_size);
		assert_int_equal(out.request.keep_alive, whole.request.keep_alive);
		assert_memory_equal(out.request.path, whole.request.path, whole.request.path_size);
		if (whole.result == HTTP_END)
			assert_int_equal(out.used, whole.used);
	}
	return whole;
}

static struct outcome good(const char *text)
{
	struct outcome out = parse_all_ways(text, (uint32_t)strlen(text));

	if (out.result != HTTP_END)
		print_error("%s: %d\n", text, out.request.status);
	assert_int_equal(out.result, HTTP_END);
	return out;
}

static void path_is(const char *target, const char *path)
{
	char text[1024];
	struct outcome out;

	(void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
	out = good(text);
	assert_int_equal(out.request.path_size, strlen(path));
	assert_memory_equal(out.request.path, path, strlen(path));
}

static void paths(void **state)
{
	path_is("/", "/");
	path_is("/a/b.html", "/a/b.html");
	path_is("/a?b=c", "/a");
	path_is("/a%20b", "/a b");
	path_is("/%41%2e%7E", "/A.~");
	path_is("http://host/a", "/a");
	path_is("HTTP://host:80", "/");
	path_is("/a/./b", "/a/b");
	path_is("/a/../b", "/b");
	path_is("/a/..", "/");
	path_is("/a/.", "/a/");
	path_is("/../../a", "/a");
	path_is("/%2e%2e/a", "/a");
	path_is("/a/b/c/./../../g", "/a/g");
	path_is("/...", "/...");
	path_is("//a", "//a");
}

static void wrong_paths(void **state)
{
	static const char *const targets[] = {"a",     "/%", "/%4",       "/%zz",     "/%00",
	                                      "*",     "?",  "http:///a", "ftp://h/", "/a b",
	                                      "/a\tb", "",   "/\x80"};

	for (unsigned i = 0; i < sizeof targets / sizeof targets[0]; i++) {
		char text[256];
		struct outcome out;

		(void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", targets[i]);
		out = parse_all_ways(text, (uint32_t)strlen(text));
		if (out.result != HTTP_WRONG)
			print_error("accepted: %s\n", targets[i]);
		assert_int_equal(out.result, HTTP_WRONG);
		assert_int_equal(out.request.status, 400);
	}
}

static void lines(void **state)
{
	struct outcome out = good("\r\n\nGET /x?y=1 HTTP/1.1\nHost: h\n\n");

	assert_int_equal(out.request.query_size, 3);
	assert_memory_equal(out.request.query, "y=1", 3);
	assert_true(out.request.keep_alive);
	out = good("HEAD / HTTP/1.0\r\n\r\n");
	assert_int_equal(out.request.method, HTTP_METHOD_HEAD);
	assert_false(out.request.keep_alive);
	assert_true(good("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").request.keep_alive);
	assert_false(good("GET / HTTP/1.1\r\n" HOST "connection: foo , CLOSE\r\n\r\n")
	                     .request.keep_alive);
	assert_int_equal(good("GET / HTTP/1.9\r\n" HOST "\r\n").request.minor, 1);
	assert_true(good("OPTIONS * HTTP/1.1\r\n" HOST "\r\n").request.everything);
	assert_int_equal(good("DELETE /a HTTP/1.1\r\n" HOST "\r\n").request.method,
	                 HTTP_METHOD_OTHER);
}

struct refusal {
	const char *text;
	uint16_t status;
};

static void refusals(void **state)
{
	static const struct refusal cases[] = {
	        {"GET /\r\n", 400}, /* HTTP/0.9 */
	        {"GET / HTTP/2.0\r\n", 505},
	        {"PRI * HTTP/2.0\r\n", 501},
	        {"GET / HTTP/1.x\r\n", 400},
	        {"GET / HTTP/1.11\r\n", 400},
	        {"GET  / HTTP/1.1\r\n", 400},
	        {"GET / HTTP/1.1 \r\n", 400},
	        {" GET / HTTP/1.1\r\n", 400},
	        {"get / HTTP/1.1\r\n", 501},
	        {"BREW /pot HTTP/1.1\r\n", 501},
	        {"G\x01T / HTTP/1.1\r\n", 400},
	        {"GET / HTTP/1.1\rX", 400},
	        {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
	        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
	        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
	        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
	        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
	        {"GET / HTTP/1.1\r\n : a\r\n\r\n", 400},
	        {"GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n", 400},
	        {"GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n", 400},
	        {"GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n", 400},
	        {"GET / HTTP/1.1\r\n" HOST "nonsense\r\n\r\n", 400},
	        {"GET / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n", 417},
	        {"POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1x\r\n\r\n", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\n", 413},
	        {"POST / HTTP/1.1\r\n" HOST
	         "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
	         400},
	        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
	        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n\r\n", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nabc", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfffffffffffff\r\n",
	         413},
	        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n80000\r\n", 0},
	        /* Others may read another number, or another end of line. */
	        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x5\r\n\r\n", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1_0\r\n\r\n", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\na", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1;\na", 400},
	        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\na\n0", 400},
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct outcome out = parse_all_ways(cases[i].text, (uint32_t)strlen(cases[i].text));

		if (out.request.status != cases[i].status)
			print_error("%s\n", cases[i].text);
		assert_int_equal(out.request.status, cases[i].status);
		assert_int_equal(out.result, cases[i].status != 0 ? HTTP_WRONG : HTTP_MORE);
	}
}

/* A request of `size` equal bytes somewhere in it. */
static uint16_t status_with(const char *before, uint32_t size, const char *after)
{
	char *text = malloc(strlen(before) + size + strlen(after) + 1);
	struct outcome out;

	assert_non_null(text);
	strcpy(text, before);
	memset(text + strlen(before), 'a', size);
	strcpy(text + strlen(before) + size, after);
	out = parse_all_ways(text, (uint32_t)strlen(text));
	free(text);
	return out.request.status;
}

static void limits(void **state)
{
	const char *tail = " HTTP/1.1\r\n" HOST "\r\n";

	assert_int_equal(status_with("GET /", HTTP_PATH_MAX - 1, tail), 0);
	assert_int_equal(status_with("GET /", HTTP_PATH_MAX, tail), 414);
	assert_int_equal(status_with("GET /?", HTTP_LINE_MAX - 16, tail), 0);
	assert_int_equal(status_with("GET /?", HTTP_LINE_MAX + 1, tail), 414);
	assert_int_equal(
	        status_with("GET / HTTP/1.1\r\n" HOST "X: ", HTTP_SECTION_MAX - 64, "\r\n\r\n"), 0);
	assert_int_equal(status_with("GET / HTTP/1.1\r\n" HOST "X: ", HTTP_SECTION_MAX, "\r\n\r\n"),
	                 431);
	assert_int_equal(status_with("GET / HTTP/1.1\r\n" HOST, HTTP_SECTION_MAX, ":\r\n\r\n"),
	                 431);
	assert_int_equal(status_with("GET / HTTP/1.1\r\nHost: ", HTTP_VALUES_MAX, "\r\n\r\n"), 0);
	assert_int_equal(status_with("GET / HTTP/1.1\r\nHost: ", HTTP_VALUES_MAX + 1, "\r\n\r\n"),
	                 400);
	/* A range that can't be kept is none; a connection's options that can't are refused. */
	assert_int_equal(
	        status_with("GET / HTTP/1.1\r\n" HOST "Range: ", HTTP_VALUES_MAX, "\r\n\r\n"), 0);
	assert_int_equal(
	        status_with("GET / HTTP/1.1\r\n" HOST "Connection: ", HTTP_VALUES_MAX, "\r\n\r\n"),
	        431);
	assert_int_equal(status_with("", HTTP_LINE_MAX + 1, ""), 400);
}

static void value_is(const struct http_request *request, enum http_field field, const char *value)
{
	struct http_text text = http_request_field(request, field);

	assert_non_null(text.data);
	assert_int_equal(text.size, strlen(value));
	assert_memory_equal(text.data, value, strlen(value));
}

static void values(void **state)
{
	struct outcome out = good("GET / HTTP/1.1\r\nhOST:\t x:8 \t\r\nIf-None-Match: \"a\"\r\n"
	                          "Range: bytes=0-1\r\nIf-None-Match: \"b\"\r\nX-Y: z\r\n"
	                          "If-Range: \"q\"\r\nIf-Range: \"r\"\r\n\r\n");

	value_is(&out.request, HTTP_FIELD_HOST, "x:8");
	value_is(&out.request, HTTP_FIELD_IF_NONE_MATCH, "\"a\",\"b\"");
	value_is(&out.request, HTTP_FIELD_RANGE, "bytes=0-1");
	assert_null(http_request_field(&out.request, HTTP_FIELD_IF_RANGE).data); /* twice */
	assert_null(http_request_field(&out.request, HTTP_FIELD_EXPECT).data);
}

static void body_ends(const char *fields, const char *body)
{
	char text[512];
	struct outcome out;

	(void)snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" HOST "%s\r\n%sGET", fields, body);
	out = good(text);
	assert_true(out.head);
	assert_int_equal(out.used, strlen(text) - 3);
}

static void bodies(void **state)
{
	body_ends("Content-Length: 0\r\n", "");
	body_ends("Content-Length: 5\r\n", "a\r\n\r\n");
	body_ends("Content-Length: 2, 2\r\n", "ab");
	body_ends("Transfer-Encoding: Chunked\r\n", "0\r\n\r\n");
	body_ends("Transfer-Encoding: chunked\r\n",
	          "3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n");
	body_ends("Transfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\nTrailer: x\r\nOther: y\n\r\n");
	body_ends("Transfer-Encoding: chunked\r\n", "01 ;x\r\na\r\n000\t\r\n\n");
	assert_false(good("POST / HTTP/1.1\r\n" HOST
	                  "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na")
	                     .request.keep_alive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(paths),    cmocka_unit_test(wrong_paths), cmocka_unit_test(lines),
	        cmocka_unit_test(refusals), cmocka_unit_test(limits),      cmocka_unit_test(values),
	        cmocka_unit_test(bodies),
	};

	return cmocka_run_group_tests_name("http request", tests, NULL, NULL);
}
