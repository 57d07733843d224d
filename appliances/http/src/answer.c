/* SPDX-License-Identifier: BSD-2-Clause */
/* Status lines, header sections, and the short texts of errors. */
#include <http/date.h>

#include "answer.h"

static const struct {
	uint16_t status;
	const char *text;
} statuses[] = {
        {200, "OK"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
};

const char *http_status_text(uint16_t status)
{
	for (unsigned i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
		if (statuses[i].status == status)
			return statuses[i].text;
	return "Unknown";
}

static void add_field(struct http_line *line, const char *name, const char *value)
{
	http_line_text(line, name);
	http_line_text(line, ": ");
	http_line_text(line, value);
	http_line_text(line, "\r\n");
}

static void add_number(struct http_line *line, const char *name, uint64_t value)
{
	http_line_text(line, name);
	http_line_text(line, ": ");
	http_line_number(line, value, 1);
	http_line_text(line, "\r\n");
}

/* ---- A resource's own fields ---- */

void http_resource_tag(struct http_resource *resource, uint64_t digest)
{
	char *at = resource->etag;

	*at++ = '"';
	for (int shift = 60; shift >= 0; shift -= 4)
		*at++ = "0123456789abcdef"[digest >> shift & 15];
	*at++ = '"';
	*at = '\0';
}

/* What a 304 repeats of a 200 (RFC 9110, 15.4.5). */
static void add_validators(struct http_line *line, const struct http_resource *resource)
{
	char date[HTTP_DATE_SIZE + 1];

	if (resource->etag[0] != '\0')
		add_field(line, "ETag", resource->etag);
	if (resource->modified != 0) {
		http_date_format(resource->modified, date);
		date[HTTP_DATE_SIZE] = '\0';
		add_field(line, "Last-Modified", date);
	}
	if (resource->caching != NULL)
		add_field(line, "Cache-Control", resource->caching);
}

static void add_representation(struct http_line *line, const struct http_resource *resource,
                               uint32_t size)
{
	add_field(line, "Content-Type", resource->type);
	add_number(line, "Content-Length", size);
	add_field(line, "Accept-Ranges", "bytes");
	if (resource->shared)
		add_field(line, "Access-Control-Allow-Origin", "*");
	add_validators(line, resource);
}

bool http_resource_prepare(struct http_resource *resource)
{
	struct http_line line = {.data = resource->fixed, .room = sizeof resource->fixed};

	add_field(&line, "Connection", "close");
	resource->fixed_keep = (uint16_t)line.size;
	add_representation(&line, resource, resource->size);
	http_line_text(&line, "\r\n");
	resource->fixed_size = line.cut ? 0 : (uint16_t)line.size;
	return !line.cut;
}

/* ---- Header sections ---- */

static struct http_line begin(struct http_answer *answer, uint16_t status, const char *date)
{
	struct http_line line = {.data = answer->head, .room = sizeof answer->head};

	answer->status = status;
	http_line_text(&line, "HTTP/1.1 ");
	http_line_number(&line, status, 3);
	http_line_text(&line, " ");
	http_line_text(&line, http_status_text(status));
	http_line_text(&line, "\r\n");
	if (date != NULL) {
		http_line_text(&line, "Date: ");
		http_line_add(&line, date, HTTP_DATE_SIZE);
		http_line_text(&line, "\r\n");
	}
	return line;
}

static void add_connection(struct http_line *line, const struct http_answer *answer, uint8_t minor)
{
	if (answer->close)
		add_field(line, "Connection", "close");
	else if (minor == 0)
		add_field(line, "Connection", "keep-alive");
}

static void end(struct http_answer *answer, struct http_line *line)
{
	http_line_text(line, "\r\n");
	answer->head_size = line->size;
}

/* An error says what it is to people too: in `why`, which ends its line, or by its name. */
static void fail(struct http_answer *answer, struct http_line *line, const char *why,
                 bool with_body, uint8_t minor)
{
	const char *text = why != NULL ? why : http_status_text(answer->status);

	add_connection(line, answer, minor);
	add_field(line, "Content-Type", "text/plain; charset=utf-8");
	add_number(line, "Content-Length", strlen(text) + (why != NULL ? 0 : 5));
	http_line_text(line, "\r\n");
	if (with_body && why != NULL) {
		http_line_text(line, why);
	} else if (with_body) {
		http_line_number(line, answer->status, 3);
		http_line_text(line, " ");
		http_line_text(line, text);
		http_line_text(line, "\n");
	}
	answer->head_size = line->size;
}

void http_answer_refuse(struct http_answer *answer, uint16_t status, const char *why,
                        bool with_body, bool close, const char *date)
{
	struct http_line line = begin(answer, status, date);

	answer->prepared = answer->with_body = false;
	answer->close = close;
	if (status == 405)
		add_field(&line, "Allow", "GET, HEAD, OPTIONS");
	fail(answer, &line, why, with_body, 1);
}

void http_answer_status(struct http_answer *answer, uint16_t status, bool with_body, bool close,
                        const char *date)
{
	http_answer_refuse(answer, status, NULL, with_body, close, date);
}

static void options(struct http_answer *answer, const struct http_request *request,
                    const char *date)
{
	struct http_line line = begin(answer, 204, date);

	add_connection(&line, answer, request->minor);
	add_field(&line, "Allow", "GET, HEAD, OPTIONS");
	end(answer, &line);
}

static void redirect(struct http_answer *answer, const struct http_request *request,
                     const char *location, const char *date)
{
	struct http_line line = begin(answer, 301, date);

	add_field(&line, "Location", location);
	fail(answer, &line, NULL, request->method != HTTP_METHOD_HEAD, request->minor);
}

static void without_content(struct http_answer *answer, const struct http_request *request,
                            const struct http_resource *resource, const char *date, uint16_t status)
{
	struct http_line line = begin(answer, status, date);

	if (status == 304) {
		add_connection(&line, answer, request->minor);
		add_validators(&line, resource);
		end(answer, &line);
		return;
	}
	if (status == 416) {
		http_line_text(&line, "Content-Range: bytes */");
		http_line_number(&line, resource->size, 1);
		http_line_text(&line, "\r\n");
	}
	fail(answer, &line, NULL, request->method != HTTP_METHOD_HEAD, request->minor);
}

static void add_range(struct http_line *line, const struct http_answer *answer, uint32_t size)
{
	http_line_text(line, "Content-Range: bytes ");
	http_line_number(line, answer->first, 1);
	http_line_text(line, "-");
	http_line_number(line, answer->first + answer->size - 1, 1);
	http_line_text(line, "/");
	http_line_number(line, size, 1);
	http_line_text(line, "\r\n");
}

static void with_content(struct http_answer *answer, const struct http_request *request,
                         const struct http_resource *resource, const char *date, uint16_t status)
{
	struct http_line line;

	answer->with_body = request->method != HTTP_METHOD_HEAD;
	answer->status = status;
	if (status == 200 && resource->fixed_size > 0 && (answer->close || request->minor > 0)) {
		answer->prepared = true;
		return;
	}
	line = begin(answer, status, date);
	add_connection(&line, answer, request->minor);
	if (status == 206)
		add_range(&line, answer, resource->size);
	add_representation(&line, resource, answer->size);
	end(answer, &line);
	if (line.cut) /* a type or tag that no header section has room for */
		http_answer_status(answer, 500, true, true, date);
}

void http_answer(struct http_answer *answer, const struct http_request *request,
                 const struct http_resource *resource, const char *date)
{
	bool head = request->method == HTTP_METHOD_HEAD;
	uint16_t status;

	answer->prepared = answer->with_body = false;
	answer->close = !request->keep_alive;
	if (request->method == HTTP_METHOD_OPTIONS) {
		options(answer, request, date);
		return;
	}
	if (request->method == HTTP_METHOD_OTHER || resource == NULL) {
		http_answer_status(answer, request->method == HTTP_METHOD_OTHER ? 405 : 404, !head,
		                   answer->close, date);
		return;
	}
	if (resource->location != NULL) {
		redirect(answer, request, resource->location, date);
		return;
	}
	status = http_condition(request, resource);
	if (status == 200)
		status = http_range(request, resource, &answer->first, &answer->size);
	if (status == 200 || status == 206)
		with_content(answer, request, resource, date, status);
	else
		without_content(answer, request, resource, date, status);
}
