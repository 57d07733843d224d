/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser of requests; see request.h. */
#include "request.h"

/* A line without its end, which is CR LF or LF; false: it has not arrived whole. */
static bool take_line(struct text *rest, struct text *line)
{
	for (size_t i = 0; i < rest->size; i++)
		if (rest->at[i] == '\n') {
			*line = (struct text){rest->at,
			                      i > 0 && rest->at[i - 1] == '\r' ? i - 1 : i};
			*rest = (struct text){rest->at + i + 1, rest->size - i - 1};
			return true;
		}
	return false;
}

static bool is_token(struct text text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.at[i] <= ' ' || text.at[i] > '~' || text.at[i] == ':' || text.at[i] == '"')
			return false;
	return text.size > 0;
}

static bool is_visible(struct text text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.at[i] <= ' ' || text.at[i] > '~')
			return false;
	return text.size > 0;
}

static bool parse_first(struct request *request, struct text line)
{
	request->method = text_cut(&line, ' ');
	request->target = text_cut(&line, ' ');
	request->version = line;
	return is_token(request->method) && is_visible(request->target) &&
	       is_visible(request->version);
}

/* A header's line: no folding (RFC 9112, 5.2, lets a server refuse it). */
static bool header_sound(struct text line)
{
	struct text name = text_cut(&line, ':');

	if (!is_token(name) || name.at + name.size == line.at + line.size)
		return false;
	for (size_t i = 0; i < line.size; i++)
		if ((line.at[i] < ' ' && line.at[i] != '\t') || line.at[i] == 0x7f)
			return false;
	return true;
}

static int take_body(struct request *request, struct text rest, size_t head)
{
	struct text value;
	uint64_t size = 0;

	if (request_header(request, "Transfer-Encoding", &value))
		return REQUEST_MALFORMED;
	if (request_header(request, "Content-Length", &value) &&
	    !text_number(value, UINT32_MAX, &size))
		return REQUEST_MALFORMED;
	if (size > REQUEST_MAX - head)
		return REQUEST_TOO_LONG;
	if (rest.size < size)
		return REQUEST_PARTIAL;
	request->body = (struct text){rest.at, size};
	return (int)(head + size);
}

int request_parse(struct request *request, const char *data, size_t size)
{
	struct text rest = {data, size < REQUEST_MAX ? size : REQUEST_MAX}, line;
	const int more = size < REQUEST_MAX ? REQUEST_PARTIAL : REQUEST_TOO_LONG;

	/* Empty lines before a request are allowed (RFC 9112, 2.2). */
	do {
		if (!take_line(&rest, &line))
			return more;
	} while (line.size == 0);
	if (!parse_first(request, line))
		return REQUEST_MALFORMED;
	request->headers = (struct text){rest.at, 0};
	for (int n = 0; n <= REQUEST_HEADERS_MAX; n++) {
		if (!take_line(&rest, &line))
			return more;
		if (line.size == 0)
			return take_body(request, rest, (size_t)(rest.at - data));
		if (!header_sound(line))
			return REQUEST_MALFORMED;
		request->headers.size = (size_t)(rest.at - request->headers.at);
	}
	return REQUEST_TOO_LONG;
}

bool request_header(const struct request *request, const char *name, struct text *value)
{
	struct text rest = request->headers, line;

	while (take_line(&rest, &line)) {
		struct text head = text_cut(&line, ':');

		if (text_is(head, name)) {
			*value = text_trim(line);
			return true;
		}
	}
	return false;
}

/* What follows "scheme://"; false: it is a path. */
static bool behind_scheme(struct text target, struct text *rest)
{
	return text_begins(target, "rtsp://", rest) || text_begins(target, "rtspu://", rest) ||
	       text_begins(target, "http://", rest);
}

struct text request_authority(struct text target)
{
	struct text rest;

	return behind_scheme(target, &rest) ? text_cut(&rest, '/') : (struct text){target.at, 0};
}

struct text request_path(struct text target)
{
	struct text rest = text_cut(&target, '?'), behind;

	if (behind_scheme(rest, &behind)) {
		struct text authority = text_cut(&behind, '/');

		rest = (struct text){authority.at + authority.size,
		                     (size_t)(rest.at + rest.size - authority.at) - authority.size};
	}
	return rest.size > 0 && rest.at[0] == '/' ? rest : (struct text){rest.at, 0};
}
