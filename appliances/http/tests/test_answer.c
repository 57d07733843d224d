/* SPDX-License-Identifier: BSD-2-Clause */
/* What is answered: conditions, ranges, fields, dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <http/answer.h>
#include <http/date.h>

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
enum { DATE_SECONDS = 784111777, SIZE = 1000 };

static struct http_resource resource;

static struct http_answer ask(const char *method, const char *fields)
{
	struct http_request request;
	struct http_answer answer;
	char text[1024];
	uint32_t used;

	(void)snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: x\r\n%s\r\n", method, fields);
	http_request_reset(&request);
	assert_int_equal(
	        http_request_parse(&request, (const uint8_t *)text, (uint32_t)strlen(text), &used),
	        HTTP_HEAD);
	http_answer(&answer, &request, &resource, DATE);
	if (!answer.prepared) {
		assert_in_range(answer.head_size, 20, HTTP_ANSWER_MAX - 1);
		answer.head[answer.head_size] = '\0';
	}
	return answer;
}

static int set_up(void **state)
{
	static const char bytes[SIZE];

	resource = (struct http_resource){
	        .data = bytes, .size = SIZE, .type = "text/plain", .modified = DATE_SECONDS};
	http_resource_tag(&resource, 0x0123456789abcdef);
	return http_resource_prepare(&resource) ? 0 : -1;
}

static void status_is(const char *fields, uint16_t status)
{
	struct http_answer answer = ask("GET", fields);

	if (answer.status != status)
		print_error("%s\n", fields);
	assert_int_equal(answer.status, status);
	assert_int_equal(answer.with_body, status == 200 || status == 206);
}

static void conditions(void **state)
{
	status_is("", 200);
	status_is("If-None-Match: \"0123456789abcdef\"\r\n", 304);
	status_is("If-None-Match: \"x\", W/\"0123456789abcdef\"\r\n", 304);
	status_is("If-None-Match: *\r\n", 304);
	status_is("If-None-Match: \"x\"\r\n", 200);
	status_is("If-None-Match: \"a,\"0123456789abcdef\"\r\n", 200);
	status_is("If-Modified-Since: " DATE "\r\n", 304);
	status_is("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200);
	status_is("If-Modified-Since: yesterday\r\n", 200);
	/* The tag counts, the date does not. */
	status_is("If-None-Match: \"x\"\r\nIf-Modified-Since: " DATE "\r\n", 200);
	status_is("If-Match: \"0123456789abcdef\"\r\n", 200);
	status_is("If-Match: W/\"0123456789abcdef\"\r\n", 412);
	status_is("If-Match: \"x\"\r\n", 412);
	status_is("If-Match: *\r\n", 200);
	status_is("If-Unmodified-Since: " DATE "\r\n", 200);
	status_is("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 412);
}

static void range_is(const char *range, uint16_t status, uint32_t first, uint32_t size)
{
	struct http_answer answer;
	char fields[128];

	(void)snprintf(fields, sizeof fields, "Range: %s\r\n", range);
	answer = ask("GET", fields);
	if (answer.status != status)
		print_error("%s\n", range);
	assert_int_equal(answer.status, status);
	if (status == 416)
		return;
	assert_int_equal(answer.first, first);
	assert_int_equal(answer.size, size);
}

static void ranges(void **state)
{
	range_is("bytes=0-0", 206, 0, 1);
	range_is("bytes=0-999", 206, 0, 1000);
	range_is("bytes=10-", 206, 10, 990);
	range_is("bytes=990-2000", 206, 990, 10);
	range_is("bytes=-1", 206, 999, 1);
	range_is("bytes=-5000", 206, 0, 1000);
	range_is("Bytes= 1-2 ", 206, 1, 2);
	range_is("bytes=1000-", 416, 0, 0);
	range_is("bytes=-0", 416, 0, 0);
	/* Not understood, or several: all of it. */
	range_is("bytes=5-4", 200, 0, 1000);
	range_is("bytes=-", 200, 0, 1000);
	range_is("bytes=x-1", 200, 0, 1000);
	range_is("bytes=1-x", 200, 0, 1000);
	range_is("bytes=0-1,3-4", 200, 0, 1000);
	range_is("bytes=", 200, 0, 1000);
	range_is("lines=0-1", 200, 0, 1000);
	range_is("bytes=99999999999999999999-", 200, 0, 1000);
	status_is("Range: bytes=0-1\r\nIf-Range: \"0123456789abcdef\"\r\n", 206);
	status_is("Range: bytes=0-1\r\nIf-Range: W/\"0123456789abcdef\"\r\n", 200);
	status_is("Range: bytes=0-1\r\nIf-Range: " DATE "\r\n", 206);
	status_is("Range: bytes=0-1\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", 200);
	status_is("Range: bytes=0-1\r\nIf-None-Match: *\r\n", 304);
	resource.modified = 1445412480; /* a day whose name begins as a weak tag does */
	status_is("Range: bytes=0-1\r\nIf-Range: Wed, 21 Oct 2015 07:28:00 GMT\r\n", 206);
	status_is("Range: bytes=0-1\r\nIf-Range: Wed, 21 Oct 2015 07:28:01 GMT\r\n", 200);
	status_is("Range: bytes=0-1\r\nIf-Range: W\r\n", 200);
}

static void says(const struct http_answer *answer, const char *line)
{
	if (strstr(answer->head, line) == NULL)
		print_error("%s", answer->head);
	assert_non_null(strstr(answer->head, line));
}

static void fields(void **state)
{
	struct http_answer answer = ask("GET", "Range: bytes=1-2\r\nConnection: close\r\n");

	says(&answer, "HTTP/1.1 206 Partial Content\r\nDate: " DATE "\r\n");
	says(&answer, "\r\nContent-Range: bytes 1-2/1000\r\n");
	says(&answer, "\r\nContent-Length: 2\r\n");
	says(&answer, "\r\nConnection: close\r\n");
	says(&answer, "\r\nLast-Modified: " DATE "\r\n");
	assert_true(answer.close);
	answer = ask("GET", "Range: bytes=1000-\r\n");
	says(&answer, "\r\nContent-Range: bytes */1000\r\n");
	answer = ask("POST", "");
	assert_int_equal(answer.status, 405);
	says(&answer, "\r\nAllow: GET, HEAD, OPTIONS\r\n");
	assert_int_equal(ask("OPTIONS", "").status, 204);
	answer = ask("HEAD", "");
	assert_int_equal(answer.status, 200);
	assert_false(answer.with_body);
	assert_true(answer.prepared);
	assert_non_null(strstr(resource.fixed + resource.fixed_keep, "Content-Length: 1000\r\n"));
	assert_null(strstr(resource.fixed + resource.fixed_keep, "Connection"));
	assert_int_equal(strncmp(resource.fixed, "Connection: close\r\n", resource.fixed_keep), 0);
	assert_true(ask("GET", "Connection: close\r\n").prepared);
	assert_false(ask("GET", "Range: bytes=0-0\r\n").prepared);
	resource.location = "/there/";
	answer = ask("GET", "");
	assert_int_equal(answer.status, 301);
	says(&answer, "\r\nLocation: /there/\r\n");
	resource.location = NULL;
	resource.fixed_size = 0;
	answer = ask("GET", "");
	assert_null(strstr(answer.head, "Access-Control"));
	resource.shared = true;
	answer = ask("GET", "");
	says(&answer, "\r\nAccess-Control-Allow-Origin: *\r\n");
	http_answer_refuse(&answer, 404, "There is no such film.\n", true, false, DATE);
	assert_false(answer.close);
	says(&answer, "\r\nContent-Length: 23\r\n\r\nThere is no such film.\n");
	http_answer_refuse(&answer, 405, "No.\n", false, true, NULL);
	says(&answer, "\r\nContent-Length: 4\r\n\r\n");
	assert_null(strstr(answer.head, "No."));
}

static void too_long(void **state)
{
	char type[HTTP_ANSWER_MAX];

	memset(type, 'a', sizeof type - 1);
	type[sizeof type - 1] = '\0';
	resource.type = type;
	assert_false(http_resource_prepare(&resource));
	assert_int_equal(ask("GET", "").status, 500);
}

static void date_is(uint64_t seconds, const char *text)
{
	char date[HTTP_DATE_SIZE + 1] = {0};
	uint64_t back = 0;

	http_date_format(seconds, date);
	assert_string_equal(date, text);
	assert_true(http_date_parse((struct http_text){text, HTTP_DATE_SIZE}, &back));
	assert_int_equal(back, seconds);
}

static void old_date_is(const char *text, bool right)
{
	uint64_t seconds = 0;

	assert_int_equal(
	        http_date_parse((struct http_text){text, (uint32_t)strlen(text)}, &seconds), right);
	if (right)
		assert_int_equal(seconds, DATE_SECONDS);
}

/* RFC 9110, 5.6.7: obsolete, and to be understood. */
static void old_dates(void **state)
{
	old_date_is("Sunday, 06-Nov-94 08:49:37 GMT", true);
	old_date_is("Sun Nov  6 08:49:37 1994", true);
	old_date_is("Sun Nov 06 08:49:37 1994", true);
	old_date_is("Sunday, 06-Nov-94 08:49:37 CET", false);
	old_date_is("Sunday, 06-Nov-1994 08:49:37 GMT", false);
	old_date_is(", 06-Nov-94 08:49:37 GMT", false);
	old_date_is("Sunday, 06-Nix-94 08:49:37 GMT", false);
	old_date_is("Sun Nov  x 08:49:37 1994", false);
	old_date_is("Sun Nov  6 08:49:37 19", false);
	old_date_is("Sun Nov  6 25:49:37 1994", false);
	old_date_is("", false);
	resource.modified = DATE_SECONDS;
	status_is("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 304);
	status_is("If-Unmodified-Since: Sun Nov  6 08:49:36 1994\r\n", 412);
}

static void dates(void **state)
{
	static const char *const wrong[] = {
	        "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 32 Jan 1994 08:49:37 GMT",
	        "Sun, 30 Feb 2000 08:49:37 GMT", "Sun, 29 Feb 1900 08:49:37 GMT",
	        "Sun, 06 Nov 1969 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
	        "Sun, 00 Jan 1970 08:49:37 GMT", "Sun, 06 Nix 1994 08:49:37 GMT",
	};
	uint64_t seconds;

	date_is(0, "Thu, 01 Jan 1970 00:00:00 GMT");
	date_is(DATE_SECONDS, DATE);
	date_is(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
	date_is(951868799, "Tue, 29 Feb 2000 23:59:59 GMT");
	date_is(4107542400, "Mon, 01 Mar 2100 00:00:00 GMT");
	date_is(253402300799, "Fri, 31 Dec 9999 23:59:59 GMT");
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_false(
		        http_date_parse((struct http_text){wrong[i], HTTP_DATE_SIZE}, &seconds));
}

static void types(void **state)
{
	assert_string_equal(http_type_of("/a/b.HTML", 9), "text/html; charset=utf-8");
	assert_string_equal(http_type_of("/a.html/b", 9), "application/octet-stream");
	assert_string_equal(http_type_of("x.m3u8", 6), "application/vnd.apple.mpegurl");
	assert_string_equal(http_type_of("", 0), "application/octet-stream");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(conditions, set_up),
	        cmocka_unit_test_setup(ranges, set_up),
	        cmocka_unit_test_setup(fields, set_up),
	        cmocka_unit_test_setup(too_long, set_up),
	        cmocka_unit_test(dates),
	        cmocka_unit_test_setup(old_dates, set_up),
	        cmocka_unit_test(types),
	};

	return cmocka_run_group_tests_name("http answer", tests, NULL, NULL);
}
