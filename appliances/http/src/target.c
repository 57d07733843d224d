/* SPDX-License-Identifier: BSD-2-Clause */
/* From the target of a request line to a path (RFC 9112, 3.2; RFC 3986, 5.2.4). All work is done in
 * place: what comes out is never longer than what came in. */
#include "internal.h"

/* Skips `http://authority` of the absolute form. → bytes skipped; negative: no form of a target. */
static int32_t skip_authority(const char *at, uint32_t size)
{
	static const char *const schemes[] = {"http://", "https://"};

	for (unsigned i = 0; i < 2; i++) {
		uint32_t n = (uint32_t)strlen(schemes[i]);

		if (size <= n || !http_same_word((struct http_text){at, n}, schemes[i]))
			continue;
		if (at[n] == '/')
			return -1; /* no host */
		while (n < size && at[n] != '/')
			n++;
		return (int32_t)n;
	}
	return -1;
}

/* %XX. → bytes; negative: a sign that is none, or a NUL. */
static int32_t decode(char *at, uint32_t size)
{
	uint32_t to = 0;

	for (uint32_t from = 0; from < size; from++) {
		if (at[from] == '%') {
			int high = size - from > 2 ? http_hex_digit((uint8_t)at[from + 1]) : -1;
			int low = high < 0 ? -1 : http_hex_digit((uint8_t)at[from + 2]);

			if (low < 0 || (high | low) == 0)
				return -1;
			at[to++] = (char)(high << 4 | low);
			from += 2;
		} else {
			at[to++] = at[from];
		}
	}
	return (int32_t)to;
}

static uint32_t segment_size(const char *at, uint32_t size)
{
	uint32_t n = 0;

	while (n < size && at[n] != '/')
		n++;
	return n;
}

/* The size without the last segment and the slash in front of it. */
static uint32_t parent(const char *at, uint32_t size)
{
	while (size > 0 && at[--size] != '/')
		;
	return size;
}

/* Resolves `.` and `..`, each path segment behind its slash. → bytes. `..` above the root stays
 * there. */
static uint32_t remove_dots(char *at, uint32_t size)
{
	uint32_t to = 0, from = 0;

	while (from < size) {
		uint32_t n = segment_size(at + from + 1, size - from - 1);
		const char *segment = at + from + 1;
		bool one = n == 1 && segment[0] == '.';
		bool two = n == 2 && segment[0] == '.' && segment[1] == '.';

		from += n + 1;
		if (two)
			to = parent(at, to);
		if (!one && !two) {
			memmove(at + to, segment - 1, n + 1);
			to += n + 1;
		} else if (from == size) {
			at[to++] = '/'; /* a folder's name ends so */
		}
	}
	return to;
}

uint16_t http_target_decode(struct http_request *request)
{
	char *at = request->path;
	int32_t skip = 0, size;

	request->everything = request->path_size == 1 && at[0] == '*';
	if (request->everything)
		return request->method == HTTP_METHOD_OPTIONS ? 0 : 400;
	if (request->path_size == 0 || at[0] != '/')
		skip = skip_authority(at, request->path_size);
	if (skip < 0)
		return request->method == HTTP_METHOD_OTHER ? 0 : 400; /* CONNECT's authority */
	request->path_size = (uint16_t)(request->path_size - skip);
	memmove(at, at + skip, request->path_size);
	if (request->path_size == 0) { /* http://host */
		at[0] = '/';
		request->path_size = 1;
	}
	size = decode(at, request->path_size);
	if (size < 0)
		return 400;
	request->path_size = (uint16_t)remove_dots(at, (uint32_t)size);
	return 0;
}
