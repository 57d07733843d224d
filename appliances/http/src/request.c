/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser's states, one function each, in the order in which a request meets them. Each takes
 * bytes from *at up to `end`, and leaves when they run out or the state ends. A line of the head or
 * a trailer ends with CR LF, or with LF alone (RFC 9112, 2.2); a CR anywhere else is refused.
 */
#include "internal.h"

enum state {
	STATE_START,
	STATE_METHOD,
	STATE_PATH,
	STATE_QUERY,
	STATE_VERSION,
	STATE_LINE_END, /* behind the version: LF */
	STATE_NAME_FIRST,
	STATE_NAME,
	STATE_VALUE_FIRST,
	STATE_VALUE,
	STATE_VALUE_END,
	STATE_HEAD_END,
	STATE_BODY,
	STATE_LENGTH,
	STATE_CHUNK_SIZE,
	STATE_CHUNK_EXTENSION,
	STATE_CHUNK_SIZE_END,
	STATE_CHUNK,
	STATE_CHUNK_END,
	STATE_CHUNK_LF,
	STATE_TRAILER_FIRST,
	STATE_TRAILER,
	STATE_TRAILER_LF,
	STATE_TRAILER_END,
	STATE_ENDED,
	STATE_WRONG,
	STATES
};

/* The bytes at hand. */
struct input {
	const uint8_t *at, *end;
};

void http_request_reset(struct http_request *request)
{
	memset(request, 0, offsetof(struct http_request, value_at));
}

static void refuse(struct http_request *request, uint16_t status)
{
	request->status = status;
	request->state = STATE_WRONG;
}

/* Counts bytes of a part that has a limit. */
static bool within(struct http_request *request, uint32_t bytes, uint32_t limit, uint16_t status)
{
	request->line += bytes;
	if (request->line <= limit)
		return true;
	refuse(request, status);
	return false;
}

/* A name of letters, kept in lower case (`keep` true) or as it is. */
static void take_name(struct http_request *request, struct input *in, bool keep)
{
	while (in->at < in->end && is_class(*in->at, CHAR_TOKEN)) {
		uint8_t c = *in->at++;

		if (request->name_size < HTTP_NAME_MAX)
			request->name[request->name_size++] = (char)(keep ? c : lower(c));
		else
			request->name_size = HTTP_NAME_MAX + 1;
	}
}

/* ---- The request line ---- */

static void start(struct http_request *request, struct input *in)
{
	/* Empty lines before it are a habit of old clients (RFC 9112, 2.2). */
	while (in->at < in->end && (*in->at == '\r' || *in->at == '\n')) {
		in->at++;
		if (!within(request, 1, 16, 400))
			return;
	}
	if (in->at == in->end)
		return;
	request->begun = true;
	request->line = 0;
	request->state = STATE_METHOD;
}

static uint16_t judge_method(struct http_request *request)
{
	static const char *const known[] = {"GET",    "HEAD",    "OPTIONS", "POST", "PUT",
	                                    "DELETE", "CONNECT", "TRACE",   "PATCH"};

	for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strlen(known[i]) == request->name_size &&
		    memcmp(known[i], request->name, request->name_size) == 0) {
			request->method = (uint8_t)(i < HTTP_METHOD_OTHER ? i : HTTP_METHOD_OTHER);
			return 0;
		}
	return request->name_size == 0 ? 400 : 501;
}

static void method(struct http_request *request, struct input *in)
{
	const uint8_t *from = in->at;
	uint16_t status;

	take_name(request, in, true);
	if (!within(request, (uint32_t)(in->at - from), HTTP_LINE_MAX, 400) || in->at == in->end)
		return;
	status = *in->at == ' ' ? judge_method(request) : 400;
	in->at++;
	request->name_size = 0;
	/* A method that nobody knows may still be part of a well-formed line, but where its request
	   ends is then a guess. */
	if (status != 0)
		refuse(request, status);
	else
		request->state = STATE_PATH;
}

static void target_ends(struct http_request *request, uint8_t c)
{
	if (c == ' ')
		request->state = STATE_VERSION;
	else if (c == '?' && request->state == STATE_PATH)
		request->state = STATE_QUERY;
	else
		refuse(request, 400);
}

static void path(struct http_request *request, struct input *in)
{
	while (in->at < in->end) {
		uint8_t c = *in->at++;

		if (c == '?' || !is_class(c, CHAR_TARGET)) {
			target_ends(request, c);
			return;
		}
		if (request->path_size == HTTP_PATH_MAX) {
			refuse(request, 414);
			return;
		}
		request->path[request->path_size++] = (char)c;
	}
}

static void query(struct http_request *request, struct input *in)
{
	const uint8_t *from = in->at;

	while (in->at < in->end) {
		uint8_t c = *in->at++;

		if (!is_class(c, CHAR_TARGET)) {
			target_ends(request, c);
			break;
		}
		if (request->query_size < HTTP_QUERY_MAX)
			request->query[request->query_size++] = (char)c;
		else
			request->query_cut = true;
	}
	(void)within(request, (uint32_t)(in->at - from), HTTP_LINE_MAX, 414);
}

/* RFC 9112, 2.3. Minor versions above 1 are answered as 1. */
static uint16_t judge_version(struct http_request *request)
{
	const char *name = request->name;

	if (request->name_size != 8 || memcmp(name, "HTTP/", 5) != 0 || name[6] != '.' ||
	    !is_class((uint8_t)name[5], CHAR_DIGIT) || !is_class((uint8_t)name[7], CHAR_DIGIT))
		return 400;
	if (name[5] != '1')
		return 505;
	request->minor = name[7] == '0' ? 0 : 1;
	return 0;
}

static void version(struct http_request *request, struct input *in)
{
	uint16_t status;
	uint8_t c = 0;

	while (in->at < in->end) {
		c = *in->at++;
		if (c == '\r' || c == '\n')
			break;
		if (request->name_size == HTTP_NAME_MAX) {
			refuse(request, 400);
			return;
		}
		request->name[request->name_size++] = (char)c;
	}
	if (c != '\r' && c != '\n')
		return;
	status = judge_version(request);
	if (status == 0)
		status = http_target_decode(request);
	request->line = 0; /* counts the fields from here on */
	request->name_size = 0;
	request->state = c == '\r' ? STATE_LINE_END : STATE_NAME_FIRST;
	if (status != 0)
		refuse(request, status);
}

/* ---- Fields ---- */

static void expect_lf(struct http_request *request, struct input *in, enum state next)
{
	if (*in->at++ == '\n')
		request->state = (uint8_t)next;
	else
		refuse(request, 400);
}

static void name_first(struct http_request *request, struct input *in)
{
	request->name_size = 0;
	if (*in->at == '\r') {
		in->at++;
		request->state = STATE_HEAD_END;
	} else if (*in->at == '\n') {
		request->state = STATE_HEAD_END;
	} else {
		request->state = STATE_NAME;
	}
}

static void name(struct http_request *request, struct input *in)
{
	const uint8_t *from = in->at;

	take_name(request, in, false);
	if (!within(request, (uint32_t)(in->at - from), HTTP_SECTION_MAX, 431) || in->at == in->end)
		return;
	/* Space before the colon, or a line that continues the last, is refused (RFC 9112, 5). */
	if (*in->at++ != ':' || request->name_size == 0) {
		refuse(request, 400);
		return;
	}
	http_field_begin(request);
	request->state = STATE_VALUE_FIRST;
}

static void value_first(struct http_request *request, struct input *in)
{
	const uint8_t *from = in->at;

	while (in->at < in->end && (*in->at == ' ' || *in->at == '\t'))
		in->at++;
	if (within(request, (uint32_t)(in->at - from), HTTP_SECTION_MAX, 431) && in->at < in->end)
		request->state = STATE_VALUE;
}

static void value_ends(struct http_request *request, uint8_t c)
{
	http_field_end(request);
	if (c == '\n')
		request->state = STATE_NAME_FIRST;
	else if (c == '\r')
		request->state = STATE_VALUE_END;
	else
		refuse(request, 400);
}

static void value(struct http_request *request, struct input *in)
{
	const uint8_t *from = in->at, *at = in->at;

	if (request->field == HTTP_FIELDS) /* nobody wants it: to the end of the line */
		while (at < in->end && is_class(*at, CHAR_VALUE))
			at++;
	else
		for (; at < in->end && is_class(*at, CHAR_VALUE); at++)
			http_field_byte(request, *at);
	in->at = at;
	if (!within(request, (uint32_t)(at - from), HTTP_SECTION_MAX, 431) || at == in->end)
		return;
	value_ends(request, *in->at++);
}

static void head_end(struct http_request *request, struct input *in)
{
	uint16_t status;

	expect_lf(request, in, STATE_BODY);
	if (request->state == STATE_WRONG)
		return;
	status = http_fields_judge(request);
	if (status != 0)
		refuse(request, status);
}

/* ---- The body ---- */

static void begin_body(struct http_request *request)
{
	if (!request->has_body)
		request->state = STATE_ENDED;
	else
		request->state = request->left == UINT64_MAX ? STATE_CHUNK_SIZE : STATE_LENGTH;
	if (request->state == STATE_CHUNK_SIZE)
		request->left = 0;
	request->name_size = 0;
	request->line = 0;
}

/* `left` bytes of anything. */
static void skip(struct http_request *request, struct input *in, enum state next)
{
	uint64_t size = (uint64_t)(in->end - in->at);
	uint64_t bytes = request->left < size ? request->left : size;

	in->at += bytes;
	request->left -= bytes;
	if (request->left == 0)
		request->state = (uint8_t)next;
}

/* What may follow a chunk's size: its end, or extensions. Whatever else does may be part of the
 * number to somebody in between, as in 0x10. */
static bool ends_size(uint8_t c)
{
	return c == '\r' || c == ';' || c == ' ' || c == '\t';
}

/* RFC 9112, 7.1, where LF alone ends no line. `name_size` counts the digits. */
static void chunk_size(struct http_request *request, struct input *in)
{
	while (in->at < in->end) {
		int digit = http_hex_digit(*in->at);

		if (digit < 0) {
			if (request->name_size == 0 || !ends_size(*in->at))
				refuse(request, 400);
			else
				request->state = STATE_CHUNK_EXTENSION;
			return;
		}
		in->at++;
		request->name_size = 1;
		request->left = request->left << 4 | (unsigned)digit;
		if (request->left > HTTP_BODY_MAX - request->skipped) {
			refuse(request, 413);
			return;
		}
	}
}

static void chunk_begins(struct http_request *request)
{
	request->skipped += (uint32_t)request->left;
	request->name_size = 0;
	request->state = request->left > 0 ? STATE_CHUNK : STATE_TRAILER_FIRST;
}

static void chunk_extension(struct http_request *request, struct input *in)
{
	const uint8_t *from = in->at;
	uint8_t c;

	while (in->at < in->end && is_class(*in->at, CHAR_VALUE))
		in->at++;
	if (!within(request, (uint32_t)(in->at - from), HTTP_SECTION_MAX, 431) || in->at == in->end)
		return;
	c = *in->at++;
	if (c == '\r')
		request->state = STATE_CHUNK_SIZE_END;
	else
		refuse(request, 400);
}

static void chunk_size_end(struct http_request *request, struct input *in)
{
	if (*in->at++ == '\n')
		chunk_begins(request);
	else
		refuse(request, 400);
}

static void chunk_end(struct http_request *request, struct input *in)
{
	if (*in->at++ == '\r')
		request->state = STATE_CHUNK_LF;
	else
		refuse(request, 400);
}

static void trailer_first(struct http_request *request, struct input *in)
{
	if (*in->at == '\r') {
		in->at++;
		request->state = STATE_TRAILER_END;
	} else if (*in->at == '\n') {
		in->at++;
		request->state = STATE_ENDED;
	} else {
		request->state = STATE_TRAILER;
	}
}

static void trailer(struct http_request *request, struct input *in)
{
	const uint8_t *from = in->at;

	while (in->at < in->end && is_class(*in->at, CHAR_VALUE))
		in->at++;
	if (!within(request, (uint32_t)(in->at - from), HTTP_SECTION_MAX, 431) || in->at == in->end)
		return;
	if (*in->at == '\r') {
		in->at++;
		request->state = STATE_TRAILER_LF;
	} else {
		expect_lf(request, in, STATE_TRAILER_FIRST);
	}
}

/* ---- All ---- */

static void step(struct http_request *request, struct input *in)
{
	switch ((enum state)request->state) {
	case STATE_START:
		start(request, in);
		break;
	case STATE_METHOD:
		method(request, in);
		break;
	case STATE_PATH:
		path(request, in);
		break;
	case STATE_QUERY:
		query(request, in);
		break;
	case STATE_VERSION:
		version(request, in);
		break;
	case STATE_LINE_END:
		expect_lf(request, in, STATE_NAME_FIRST);
		break;
	case STATE_NAME_FIRST:
		name_first(request, in);
		break;
	case STATE_NAME:
		name(request, in);
		break;
	case STATE_VALUE_FIRST:
		value_first(request, in);
		break;
	case STATE_VALUE:
		value(request, in);
		break;
	case STATE_VALUE_END:
		expect_lf(request, in, STATE_NAME_FIRST);
		break;
	case STATE_HEAD_END:
		head_end(request, in);
		break;
	case STATE_LENGTH:
		skip(request, in, STATE_ENDED);
		break;
	case STATE_CHUNK_SIZE:
		chunk_size(request, in);
		break;
	case STATE_CHUNK_EXTENSION:
		chunk_extension(request, in);
		break;
	case STATE_CHUNK_SIZE_END:
		chunk_size_end(request, in);
		break;
	case STATE_CHUNK:
		skip(request, in, STATE_CHUNK_END);
		break;
	case STATE_CHUNK_END:
		chunk_end(request, in);
		break;
	case STATE_CHUNK_LF:
		expect_lf(request, in, STATE_CHUNK_SIZE);
		break;
	case STATE_TRAILER_FIRST:
		trailer_first(request, in);
		break;
	case STATE_TRAILER:
		trailer(request, in);
		break;
	case STATE_TRAILER_LF:
		expect_lf(request, in, STATE_TRAILER_FIRST);
		break;
	case STATE_TRAILER_END:
		expect_lf(request, in, STATE_ENDED);
		break;
	case STATE_BODY:
	case STATE_ENDED:
	case STATE_WRONG:
	case STATES:
		break;
	}
}

enum http_parsed http_request_parse(struct http_request *request, const uint8_t *data,
                                    uint32_t size, uint32_t *used)
{
	struct input in = {data, data + size};
	enum http_parsed result = HTTP_MORE;

	if (request->state == STATE_BODY)
		begin_body(request);
	while (in.at < in.end && request->state != STATE_BODY && request->state < STATE_ENDED)
		step(request, &in);
	*used = (uint32_t)(in.at - data);
	if (request->state == STATE_BODY)
		result = HTTP_HEAD;
	else if (request->state == STATE_ENDED)
		result = HTTP_END;
	else if (request->state == STATE_WRONG)
		result = HTTP_WRONG;
	return result;
}
