/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests, whole, in parts and malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../server/request.h"

static int parse(struct request *request, const char *text)
{
	return request_parse(request, text, strlen(text));
}

static void whole(void **state)
{
	static const char text[] = "\r\nSETUP rtsp://h:554/a/track1 RTSP/1.0\r\nCSeq: 3\r\n"
	                           "transport:RTP/AVP;unicast \r\n\r\nNEXT";
	struct request request;
	struct text value;

	assert_int_equal(parse(&request, text), sizeof text - 1 - 4);
	assert_true(text_is(request.method, "SETUP"));
	assert_true(text_is(request.target, "rtsp://h:554/a/track1"));
	assert_true(text_is(request.version, "RTSP/1.0"));
	assert_true(request_header(&request, "cseq", &value));
	assert_true(text_is(value, "3"));
	assert_true(request_header(&request, "Transport", &value));
	assert_true(text_is(value, "RTP/AVP;unicast"));
	assert_false(request_header(&request, "Session", &value));
	assert_true(text_is(request_path(request.target), "/a/track1"));
	assert_true(text_is(request_authority(request.target), "h:554"));
}

static void body(void **state)
{
	static const char text[] = "X /y RTSP/1.0\nContent-Length: 3\n\nabcd";
	struct request request;

	assert_int_equal(parse(&request, text), sizeof text - 1 - 1);
	assert_true(text_is(request.body, "abc"));
	assert_int_equal(request_parse(&request, text, sizeof text - 1 - 2), REQUEST_PARTIAL);
}

static void every_beginning_is_partial(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
	struct request request;

	for (size_t i = 0; i < sizeof text - 1; i++)
		assert_int_equal(request_parse(&request, text, i), REQUEST_PARTIAL);
	assert_int_equal(request_parse(&request, text, sizeof text - 1), sizeof text - 1);
}

static void malformed(void **state)
{
	static const char *const cases[] = {
	        "GET\r\n\r\n",
	        "GET / \r\n\r\n",
	        " / HTTP/1.1\r\n\r\n",
	        "GET  / HTTP/1.1\r\n\r\n",
	        "GET / HTTP/1.1 x\r\n\r\n",
	        "G\x01T / HTTP/1.1\r\n\r\n",
	        "GET /\x80 HTTP/1.1\r\n\r\n",
	        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
	        "GET / HTTP/1.1\r\n: x\r\n\r\n",
	        "GET / HTTP/1.1\r\na b: x\r\n\r\n",
	        "GET / HTTP/1.1\r\n folded: x\r\n\r\n",
	        "GET / HTTP/1.1\r\na: x\x01y\r\n\r\n",
	        "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
	        "GET / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n",
	        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
	};
	struct request request;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(parse(&request, cases[i]), REQUEST_MALFORMED);
	assert_int_equal(parse(&request, "GET / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n"),
	                 REQUEST_TOO_LONG);
}

static void long_ones_end(void **state)
{
	static char text[REQUEST_MAX + 64];
	struct request request;

	memset(text, 'a', sizeof text);
	assert_int_equal(request_parse(&request, text, REQUEST_MAX - 1), REQUEST_PARTIAL);
	assert_int_equal(request_parse(&request, text, REQUEST_MAX), REQUEST_TOO_LONG);
	assert_int_equal(request_parse(&request, text, sizeof text), REQUEST_TOO_LONG);
}

static void too_many_headers(void **state)
{
	char text[1024] = "GET / HTTP/1.1\r\n";
	struct request request;

	for (int i = 0; i < REQUEST_HEADERS_MAX; i++)
		strcat(text, "a: b\r\n");
	strcat(text, "\r\n");
	assert_true(parse(&request, text) > 0);
	text[strlen(text) - 2] = '\0';
	strcat(text, "a: b\r\n\r\n");
	assert_int_equal(parse(&request, text), REQUEST_TOO_LONG);
}

static void paths(void **state)
{
	static const struct {
		const char *target, *path;
	} cases[] = {{"/", "/"},          {"/a?b/c", "/a"},      {"*", ""},
	             {"rtsp://host", ""}, {"rtsp://host/", "/"}, {"RTSP://h/x/y?z", "/x/y"},
	             {"http://h/", "/"},  {"ftp://h/x", ""}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct text path =
		        request_path((struct text){cases[i].target, strlen(cases[i].target)});

		assert_true(text_is(path, cases[i].path));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(whole),
	        cmocka_unit_test(body),
	        cmocka_unit_test(every_beginning_is_partial),
	        cmocka_unit_test(malformed),
	        cmocka_unit_test(long_ones_end),
	        cmocka_unit_test(too_many_headers),
	        cmocka_unit_test(paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
