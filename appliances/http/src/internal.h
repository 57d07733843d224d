/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the HTTP library call of one another. */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include <string.h>

#include <http/request.h>

/* ---- text.c: characters and small texts ---- */

enum { CHAR_TOKEN = 1 << 0, CHAR_VALUE = 1 << 1, CHAR_TARGET = 1 << 2, CHAR_DIGIT = 1 << 3 };

extern const uint8_t http_char_class[256];

static inline bool is_class(uint8_t c, unsigned class)
{
	return (http_char_class[c] & class) != 0;
}

static inline uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* 0 … 15; negative: no hexadecimal digit. */
int http_hex_digit(uint8_t c);
/* Decimal digits, all of the text. false: something else, or more than fits. */
bool http_parse_decimal(struct http_text text, uint64_t *value);
/* Whether a lower-case word is the text, whatever the case of its letters. */
bool http_same_word(struct http_text text, const char *word);
/* Takes the next member of a comma-separated list, without space around it. false: none. */
bool http_next_member(struct http_text *list, struct http_text *member);
struct http_text http_trim(struct http_text text);

/* A text that is put together in a buffer of bounded size. */
struct http_line {
	char *data;
	uint32_t size, room;
	bool cut; /* something did not fit */
};

void http_line_add(struct http_line *line, const char *data, size_t size);
void http_line_text(struct http_line *line, const char *text);
void http_line_number(struct http_line *line, uint64_t value, unsigned digits);

/* ---- target.c ---- */

/* Makes of the bytes in request->path (the request's target up to `?`) the path that they mean. 0,
 * or the status to answer. */
uint16_t http_target_decode(struct http_request *request);

/* ---- fields.c ---- */

enum http_field http_field_of(const char *name, uint32_t size);
/* A field's line begins, has one more byte, ends. */
void http_field_begin(struct http_request *request);
void http_field_byte(struct http_request *request, uint8_t byte);
void http_field_end(struct http_request *request);
/* All fields have come: what they mean for the connection and the body. 0, or the status. */
uint16_t http_fields_judge(struct http_request *request);

#endif
