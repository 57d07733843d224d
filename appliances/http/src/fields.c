/* SPDX-License-Identifier: BSD-2-Clause */
/* Header fields: which are kept, and what they say of connection and body. Where the length of a
 * body could be understood in two ways the request is refused: the next one would begin where a
 * proxy in between does not expect it (RFC 9112, 11.2). */
#include "internal.h"

/* What may come once, and what is a list that may be spread over several lines. */
static const struct {
	const char *name;
	bool list;
	bool strict; /* unusable: the request is refused */
} fields[] = {
        [HTTP_FIELD_HOST] = {"host", false, true},
        [HTTP_FIELD_CONNECTION] = {"connection", true, true},
        [HTTP_FIELD_CONTENT_LENGTH] = {"content-length", true, true},
        [HTTP_FIELD_TRANSFER_ENCODING] = {"transfer-encoding", true, true},
        [HTTP_FIELD_EXPECT] = {"expect", true, true},
        [HTTP_FIELD_RANGE] = {"range", false, false},
        [HTTP_FIELD_IF_RANGE] = {"if-range", false, false},
        [HTTP_FIELD_IF_MATCH] = {"if-match", true, true},
        [HTTP_FIELD_IF_NONE_MATCH] = {"if-none-match", true, false},
        [HTTP_FIELD_IF_MODIFIED_SINCE] = {"if-modified-since", false, false},
        [HTTP_FIELD_IF_UNMODIFIED_SINCE] = {"if-unmodified-since", false, false},
};

_Static_assert(sizeof fields / sizeof fields[0] == HTTP_FIELDS, "a line for each field");

enum http_field http_field_of(const char *name, uint32_t size)
{
	/* Few fields matter, and most that come do not: the first letter tells. */
	if (size < 4 || (name[0] != 'h' && name[0] != 'c' && name[0] != 't' && name[0] != 'e' &&
	                 name[0] != 'r' && name[0] != 'i'))
		return HTTP_FIELDS;
	for (unsigned i = 0; i < HTTP_FIELDS; i++)
		if (fields[i].name[0] == name[0] && strlen(fields[i].name) == size &&
		    memcmp(fields[i].name, name, size) == 0)
			return (enum http_field)i;
	return HTTP_FIELDS;
}

static void spoil(struct http_request *request)
{
	request->unusable |= (uint16_t)(1u << request->field);
}

void http_field_byte(struct http_request *request, uint8_t byte)
{
	if (request->field == HTTP_FIELDS)
		return;
	if (request->values_used == HTTP_VALUES_MAX) {
		spoil(request);
		return;
	}
	request->values[request->values_used++] = (char)byte;
	request->value_size[request->field]++;
}

/* A list's second line is put behind its first, which then has to be moved to the end. */
static void join(struct http_request *request)
{
	unsigned field = request->field;
	uint16_t size = request->value_size[field];

	if (!fields[field].list || size > HTTP_VALUES_MAX - request->values_used) {
		spoil(request);
		request->field = HTTP_FIELDS;
		return;
	}
	memmove(request->values + request->values_used, request->values + request->value_at[field],
	        size);
	request->value_at[field] = request->values_used;
	request->values_used = (uint16_t)(request->values_used + size);
	http_field_byte(request, ',');
}

void http_field_begin(struct http_request *request)
{
	unsigned bit;

	request->field = (uint8_t)http_field_of(request->name, request->name_size);
	if (request->field == HTTP_FIELDS)
		return;
	bit = 1u << request->field;
	if (request->present & bit) {
		join(request);
		return;
	}
	request->present |= (uint16_t)bit;
	request->value_at[request->field] = request->values_used;
	request->value_size[request->field] = 0;
}

void http_field_end(struct http_request *request)
{
	unsigned field = request->field;

	if (field == HTTP_FIELDS)
		return;
	while (request->value_size[field] > 0) {
		char last = request->values[request->values_used - 1];

		if (last != ' ' && last != '\t')
			break;
		request->values_used--;
		request->value_size[field]--;
	}
}

struct http_text http_request_field(const struct http_request *request, enum http_field field)
{
	if ((request->present & ~request->unusable & 1u << field) == 0)
		return (struct http_text){NULL, 0};
	return (struct http_text){request->values + request->value_at[field],
	                          request->value_size[field]};
}

/* ---- What they mean ---- */

static bool is_in(char c, const char *set)
{
	while (*set != '\0' && *set != c)
		set++;
	return *set != '\0';
}

/* RFC 9112, 3.2: exactly one, and nothing in it that ends a host. */
static uint16_t judge_host(const struct http_request *request)
{
	struct http_text host = http_request_field(request, HTTP_FIELD_HOST);

	if (host.data == NULL)
		return request->minor == 0 ? 0 : 400;
	for (uint32_t i = 0; i < host.size; i++)
		if (is_in(host.data[i], " \t/?#@\\,\"<>") || (host.data[i] & 0x80) != 0)
			return 400;
	return 0;
}

static void judge_connection(struct http_request *request)
{
	struct http_text list = http_request_field(request, HTTP_FIELD_CONNECTION), member;
	bool close = false, keep = false;

	while (http_next_member(&list, &member)) {
		close |= http_same_word(member, "close");
		keep |= http_same_word(member, "keep-alive");
	}
	request->keep_alive = !close && (request->minor >= 1 || keep);
}

/* RFC 9112, 6.1: chunked alone; other codings nobody has asked for. */
static uint16_t judge_coding(struct http_request *request)
{
	struct http_text list = http_request_field(request, HTTP_FIELD_TRANSFER_ENCODING), member;

	if (request->minor == 0 || request->present & 1u << HTTP_FIELD_CONTENT_LENGTH)
		return 400;
	if (!http_next_member(&list, &member) || !http_same_word(member, "chunked"))
		return 501;
	if (http_next_member(&list, &member))
		return 400;
	request->has_body = true;
	request->left = UINT64_MAX; /* chunks say */
	return 0;
}

/* RFC 9112, 6.3: the same length several times is one length. */
static uint16_t judge_length(struct http_request *request)
{
	struct http_text list = http_request_field(request, HTTP_FIELD_CONTENT_LENGTH), member;
	uint64_t length, first = 0;
	bool any = false;

	while (http_next_member(&list, &member)) {
		if (!http_parse_decimal(member, &length) || (any && length != first))
			return 400;
		first = length;
		any = true;
	}
	if (!any)
		return 400;
	if (first > HTTP_BODY_MAX)
		return 413;
	request->has_body = first > 0;
	request->left = first;
	return 0;
}

static uint16_t judge_body(struct http_request *request)
{
	if (request->present & 1u << HTTP_FIELD_TRANSFER_ENCODING)
		return judge_coding(request);
	if (request->present & 1u << HTTP_FIELD_CONTENT_LENGTH)
		return judge_length(request);
	return 0;
}

/* RFC 9110, 10.1.1. The answer comes at once, without 100 before it, and then nobody knows whether
 * the body comes too: the connection ends. */
static uint16_t judge_expect(struct http_request *request)
{
	struct http_text expect = http_request_field(request, HTTP_FIELD_EXPECT);

	if (expect.data == NULL || request->minor == 0)
		return 0;
	if (!http_same_word(expect, "100-continue"))
		return 417;
	if (request->has_body)
		request->keep_alive = false;
	return 0;
}

uint16_t http_fields_judge(struct http_request *request)
{
	uint16_t status = 0;

	for (unsigned i = 0; i < HTTP_FIELDS; i++)
		if (request->unusable & 1u << i && fields[i].strict)
			return i == HTTP_FIELD_HOST || i == HTTP_FIELD_CONTENT_LENGTH ? 400 : 431;
	status = judge_host(request);
	judge_connection(request);
	if (status == 0)
		status = judge_body(request);
	if (status == 0)
		status = judge_expect(request);
	return status;
}
