/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a stream of requests: whole, and cut where the first bytes say, must be understood
 * alike; what is answered stays inside its bounds. */
#include <stdlib.h>
#include <string.h>

#include <http/answer.h>

enum { REQUESTS_MAX = 64 };

/* What was understood of one request. */
struct seen {
	uint8_t result, method;
	uint16_t status, answer, path_size;
	uint32_t at, first, size, head_size;
};

static struct http_resource resource = {
        .data = "", .size = 1000, .type = "text/plain", .modified = 784111777};

static void check(const struct http_answer *answer)
{
	if (!answer->prepared && (answer->head_size < 19 || answer->head_size > HTTP_ANSWER_MAX))
		abort();
	if (answer->with_body && (answer->first > 1000 || answer->size > 1000 - answer->first))
		abort();
}

static void note(struct seen *seen, const struct http_request *request)
{
	static struct http_answer answer;

	memset(&answer, 0, sizeof answer);
	if (request->path_size > HTTP_PATH_MAX || request->query_size > HTTP_QUERY_MAX ||
	    (request->path_size > 0 && request->method < HTTP_METHOD_OTHER &&
	     !request->everything && request->path[0] != '/'))
		abort();
	http_answer(&answer, request, request->path_size % 2 == 0 ? NULL : &resource, NULL);
	check(&answer);
	seen->method = request->method;
	seen->path_size = request->path_size;
	seen->answer = answer.status;
	seen->first = answer.first;
	seen->size = answer.size;
	seen->head_size = answer.head_size;
}

static unsigned run(const uint8_t *data, uint32_t size, uint32_t piece, struct seen *seen)
{
	static struct http_request request;
	enum http_parsed result = HTTP_MORE;
	uint32_t at = 0, used, n;
	unsigned count = 0;

	http_request_reset(&request);
	while (count < REQUESTS_MAX && result != HTTP_WRONG && (at < size || result == HTTP_HEAD)) {
		n = size - at < piece ? size - at : piece;
		result = http_request_parse(&request, data + at, n, &used);
		if (used > n || (result == HTTP_MORE && used < n))
			abort();
		at += used;
		if (result == HTTP_HEAD)
			note(&seen[count], &request);
		if (result == HTTP_WRONG || result == HTTP_END) {
			seen[count].result = (uint8_t)result;
			seen[count].status = request.status;
			seen[count++].at = result == HTTP_END ? at : 0;
			http_request_reset(&request);
		}
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen whole[REQUESTS_MAX], parts[REQUESTS_MAX];
	uint32_t piece;
	unsigned n;

	if (size < 1)
		return 0;
	if (resource.fixed_size == 0) {
		http_resource_tag(&resource, 0x0123456789abcdef);
		(void)http_resource_prepare(&resource);
	}
	piece = data[0] % 16 + 1u;
	memset(whole, 0, sizeof whole);
	memset(parts, 0, sizeof parts);
	n = run(data + 1, (uint32_t)size - 1, (uint32_t)size, whole);
	if (run(data + 1, (uint32_t)size - 1, piece, parts) != n ||
	    memcmp(whole, parts, sizeof whole) != 0)
		abort();
	return 0;
}
