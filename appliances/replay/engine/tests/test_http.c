/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of traces, and servers' answers, good and bad.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../http.h"

static void test_urls(void **state)
{
	struct http_url url;
	char request[HTTP_REQUEST_MAX];

	assert_null(http_url_parse(&url, "http://10.0.2.2:8080/a/trace.pcap?x=1"));
	assert_int_equal(url.version, 4);
	assert_memory_equal(url.address, "\x0a\0\x02\x02", 4);
	assert_int_equal(url.port, 8080);
	assert_string_equal(url.path, "/a/trace.pcap?x=1");
	request[http_request(request, &url)] = 0;
	assert_non_null(
	        strstr(request, "GET /a/trace.pcap?x=1 HTTP/1.0\r\nHost: 10.0.2.2:8080\r\n"));
	assert_null(http_url_parse(&url, "http://[fd00::2]"));
	assert_int_equal(url.version, 6);
	assert_int_equal(url.address[15], 2);
	assert_int_equal(url.port, 80);
	assert_string_equal(url.path, "/");
	static const char *const bad[] = {"",
	                                  "http://",
	                                  "https://10.0.0.1/",
	                                  "http://example.net/x",
	                                  "http://10.0.0.1:0/",
	                                  "http://10.0.0.1:70000/",
	                                  "http://10.0.0.1:8x/",
	                                  "http://10.0.0.1 /",
	                                  "http://[fd00::2",
	                                  "http://[]/",
	                                  "http://10.0.0.1:/",
	                                  "http://10.0.0.1/a b",
	                                  "http://[fd00::2]x/"};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(http_url_parse(&url, bad[i]));
}

/* The head in pieces of that size; *rest: what is behind it. */
static const char *take(struct http_head *head, const char *text, size_t piece, const char **rest)
{
	size_t size = strlen(text), used;

	*head = (struct http_head){0};
	for (size_t at = 0; at < size && !head->whole; at += used) {
		const char *wrong = http_head_take(head, text + at,
		                                   size - at < piece ? size - at : piece, &used);
		*rest = text + at + used;
		if (wrong)
			return wrong;
	}
	return NULL;
}

static void test_good_heads(void **state)
{
	static struct http_head head;
	const char *rest;

	for (size_t piece = 1; piece < 80; piece++) {
		assert_null(take(
		        &head, "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-LENGTH:  1234 \r\n\r\nbody",
		        piece, &rest));
		assert_true(head.whole);
		assert_int_equal(head.length, 1234);
		assert_string_equal(rest, "body");
	}
	assert_null(take(&head, "HTTP/1.0 200 fine\r\n\r\n", 99, &rest));
	assert_true(head.length == UINT64_MAX);
	assert_null(take(&head, "HTTP/1.0 200 fi", 99, &rest));
	assert_false(head.whole);
}

static void test_bad_heads(void **state)
{
	static struct http_head head;
	static char endless[HTTP_HEAD_MAX + 10] = "HTTP/1.0 200 OK\r\n";
	const char *rest;

	assert_string_equal(take(&head, "HTTP/1.1 404 Not Found\r\n\r\n", 99, &rest),
	                    "the server says 404 Not Found");
	assert_non_null(take(&head, "SSH-2.0-x\r\n\r\n", 99, &rest));
	assert_non_null(take(&head, "HTTP/1.1\r\n\r\n", 99, &rest));
	assert_non_null(
	        take(&head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 99, &rest));
	assert_non_null(take(&head, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 99, &rest));
	assert_non_null(take(&head, "HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n", 99, &rest));
	assert_non_null(take(&head,
	                     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
	                     99, &rest));
	memset(endless + strlen(endless), 'x', HTTP_HEAD_MAX);
	endless[sizeof(endless) - 1] = 0;
	assert_non_null(take(&head, endless, 99, &rest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_urls),
	        cmocka_unit_test(test_good_heads),
	        cmocka_unit_test(test_bad_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
