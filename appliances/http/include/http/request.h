/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request of HTTP/1.0 or 1.1 (RFC 9110, RFC 9112), taken apart as its bytes arrive.
 *
 * The parser holds one request, of bounded size, and nothing of the bytes that it has seen but what
 * a server asks for: the path, the query, and the values of the fields in enum http_field. Bytes
 * may come in pieces of any size; the result is the same. Bodies are recognised (length or chunks)
 * and skipped.
 *
 *     http_request_reset(&request);
 *     switch (http_request_parse(&request, data, size, &used)) {
 *     case HTTP_MORE:  all bytes were used: come again with more
 *     case HTTP_HEAD:  what is asked is known: answer; then parse on
 *     case HTTP_END:   the request has ended, body and all: reset for the next
 *     case HTTP_WRONG: answer with request.status and close: where the next request
 *                      would begin is unknown
 *     }
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_LINE_MAX = 8192,     /* bytes of a request line (RFC 9112, 3), beyond: 414 */
	HTTP_SECTION_MAX = 32768, /* bytes of all header fields, beyond: 431 */
	HTTP_PATH_MAX = 256,      /* bytes of a path, still encoded, beyond: 414 */
	HTTP_QUERY_MAX = 128,     /* bytes of a query that are kept */
	HTTP_VALUES_MAX = 512,    /* bytes of field values that are kept, all together */
	HTTP_BODY_MAX = 1 << 20,  /* bytes of a body that are skipped, beyond: 413 */
	HTTP_NAME_MAX = 20, /* bytes of the longest field name that matters, and of a method */
};

enum http_method {
	HTTP_METHOD_GET = 0,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_OPTIONS,
	HTTP_METHOD_OTHER, /* a known one that reads nothing: POST, PUT, DELETE, … */
};

/* Fields whose values are kept. */
enum http_field {
	HTTP_FIELD_HOST = 0,
	HTTP_FIELD_CONNECTION,
	HTTP_FIELD_CONTENT_LENGTH,
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_EXPECT,
	HTTP_FIELD_RANGE,
	HTTP_FIELD_IF_RANGE,
	HTTP_FIELD_IF_MATCH,
	HTTP_FIELD_IF_NONE_MATCH,
	HTTP_FIELD_IF_MODIFIED_SINCE,
	HTTP_FIELD_IF_UNMODIFIED_SINCE,
	HTTP_FIELDS
};

enum http_parsed {
	HTTP_MORE = 0,
	HTTP_HEAD,
	HTTP_END,
	HTTP_WRONG,
};

/* Bytes inside somebody else's memory; data NULL: there is none. */
struct http_text {
	const char *data;
	uint32_t size;
};

struct http_request {
	/* Where the parser is. */
	uint8_t state;
	uint8_t field;     /* enum http_field of the line at hand, HTTP_FIELDS: no matter */
	uint8_t name_size; /* of `name`; HTTP_NAME_MAX + 1: longer */
	bool begun;        /* a byte of it has arrived */
	uint32_t line;     /* bytes of the request line, then of all fields */
	uint16_t present;  /* 1 << enum http_field: has appeared */
	uint16_t unusable; /* likewise: too long, or twice where once is allowed */
	uint16_t values_used;
	uint64_t left;    /* bytes of the body, or of its chunk, to come */
	uint32_t skipped; /* bytes of chunks so far */

	/* What was asked. */
	uint16_t status; /* 0, or why it is wrong */
	uint8_t method;  /* enum http_method */
	uint8_t minor;   /* HTTP/1.minor */
	bool keep_alive; /* the connection may serve another request */
	bool has_body;
	bool everything; /* the target was `*` (OPTIONS) */
	bool query_cut;
	uint16_t path_size, query_size;

	uint16_t value_at[HTTP_FIELDS], value_size[HTTP_FIELDS];
	char name[HTTP_NAME_MAX];   /* lower case */
	char path[HTTP_PATH_MAX];   /* decoded, begins with `/`, without dot segments */
	char query[HTTP_QUERY_MAX]; /* as it came, behind `?` */
	char values[HTTP_VALUES_MAX];
};

void http_request_reset(struct http_request *request);
/* Takes up to `size` bytes; *used says how many. Where HTTP_HEAD or HTTP_END is returned, the rest
 * is for the next call. */
enum http_parsed http_request_parse(struct http_request *request, const uint8_t *data,
                                    uint32_t size, uint32_t *used);
/* The value of a field, without space around it; values of a field that came several times are
 * joined by commas. Absent where it was not sent, or is unusable. */
struct http_text http_request_field(const struct http_request *request, enum http_field field);

#endif
