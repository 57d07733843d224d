/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * As much of HTTP as fetching one file takes (RFC 9110, 9112): an address with a number in it, a
 * request of version 1.0, so that the body comes as it is, and the head of the answer. Portable;
 * who carries the bytes is somebody else.
 */
#ifndef REPLAY_ENGINE_HTTP_H
#define REPLAY_ENGINE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_PATH_MAX = 512, HTTP_HEAD_MAX = 8192, HTTP_REQUEST_MAX = 1024 };

/* http://ADDRESS[:PORT]/PATH, the address in digits, an IPv6 one in brackets. */
struct http_url {
	unsigned version; /* of IP: 4 or 6 */
	uint8_t address[16];
	uint16_t port;
	char host[64]; /* as it was written, brackets included */
	char path[HTTP_PATH_MAX];
};

/* NULL, or what is wrong. */
const char *http_url_parse(struct http_url *url, const char *text);

/* Writes the request; its length. */
size_t http_request(char request[HTTP_REQUEST_MAX], const struct http_url *url);

/* An answer's head as it arrives. Begin with all zeros. */
struct http_head {
	size_t have;
	bool whole;
	uint64_t length; /* of the body; UINT64_MAX: until the connection ends */
	char text[HTTP_HEAD_MAX];
	char reason[96];
};

/*
 * Takes bytes until the head is whole; *used of them belong to it. NULL, or why the answer is no
 * good (a status that is not 200, a transfer coding, nonsense): *head keeps the text.
 */
const char *http_head_take(struct http_head *head, const void *bytes, size_t size, size_t *used);

#endif
