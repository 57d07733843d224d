/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fetching by HTTP. What arrives is untrusted.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http.h"

enum { PORT_HTTP = 80, PORT_MAX = 65535, STATUS_OK = 200 };

static bool parse_port(const char *text, size_t length, uint16_t *port)
{
	unsigned value = 0;

	if (!length || length > 5)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	*port = (uint16_t)value;
	return value && value <= PORT_MAX;
}

static bool parse_host(struct http_url *url)
{
	char bare[sizeof(url->host)];
	size_t length = strlen(url->host);

	url->version = url->host[0] == '[' ? 6 : 4;
	if (url->version == 4)
		return inet_pton(AF_INET, url->host, url->address) == 1;
	if (length < 3 || url->host[length - 1] != ']')
		return false;
	memcpy(bare, url->host + 1, length - 2);
	bare[length - 2] = 0;
	return inet_pton(AF_INET6, bare, url->address) == 1;
}

const char *http_url_parse(struct http_url *url, const char *text)
{
	static const char scheme[] = "http://";

	*url = (struct http_url){.port = PORT_HTTP};
	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0)
		return "is not http://ADDRESS[:PORT]/PATH";
	text += sizeof(scheme) - 1;
	size_t host = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":/");
	if (host >= sizeof(url->host) || host > strlen(text))
		return "has no address in digits (names are not looked up)";
	memcpy(url->host, text, host);
	if (!parse_host(url))
		return "has no address in digits (names are not looked up)";
	text += host;
	size_t port = text[0] == ':' ? strcspn(text, "/") : 0;
	if (port && !parse_port(text + 1, port - 1, &url->port))
		return "has a port that is none";
	text += port;
	if (*text && *text != '/')
		return "is not http://ADDRESS[:PORT]/PATH";
	if (strlen(text) >= sizeof(url->path) || strpbrk(text, " \t\r\n"))
		return "has a path that is too long, or has a space in it";
	snprintf(url->path, sizeof(url->path), "%s", *text ? text : "/");
	return NULL;
}

size_t http_request(char request[HTTP_REQUEST_MAX], const struct http_url *url)
{
	int length = snprintf(request, HTTP_REQUEST_MAX,
	                      "GET %s HTTP/1.0\r\nHost: %s:%u\r\nUser-Agent: sluice\r\n"
	                      "Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
	                      url->path, url->host, url->port);

	return (size_t)length;
}

static const char *refuse(struct http_head *head, const char *what)
{
	snprintf(head->reason, sizeof(head->reason), "%s", what);
	return head->reason;
}

/* HTTP/1.x NNN … */
static const char *judge_status(struct http_head *head)
{
	const char *text = head->text;

	if (strncmp(text, "HTTP/1.", 7) != 0 || strlen(text) < 12 || text[8] != ' ')
		return refuse(head, "what answers is no web server");
	if (atoi(text + 9) == STATUS_OK)
		return NULL;
	snprintf(head->reason, sizeof(head->reason), "the server says %.60s", text + 9);
	head->reason[strcspn(head->reason, "\r\n")] = 0;
	return head->reason;
}

static bool is_field(const char *line, const char *name)
{
	size_t length = strlen(name);

	return !strncasecmp(line, name, length) && line[length] == ':';
}

static bool parse_length(const char *value, uint64_t *length)
{
	value += strspn(value, " \t");
	size_t digits = strspn(value, "0123456789");
	if (!digits || digits > 18 || value[digits + strspn(value + digits, " \t")] != '\r')
		return false;
	*length = strtoull(value, NULL, 10);
	return true;
}

static const char *judge(struct http_head *head)
{
	const char *wrong = judge_status(head);
	bool given = false;

	head->length = UINT64_MAX;
	for (const char *line = strstr(head->text, "\r\n"); line && !wrong;
	     line = strstr(line, "\r\n")) {
		uint64_t length;
		line += 2;
		if (is_field(line, "transfer-encoding"))
			return refuse(head, "the server sends the file in a transfer coding");
		if (!is_field(line, "content-length"))
			continue;
		if (!parse_length(strchr(line, ':') + 1, &length) ||
		    (given && length != head->length))
			return refuse(head, "the server gives no sensible length");
		head->length = length;
		given = true;
	}
	return wrong;
}

const char *http_head_take(struct http_head *head, const void *bytes, size_t size, size_t *used)
{
	const char *from = bytes;

	for (*used = 0; *used < size && !head->whole; (*used)++) {
		if (head->have == HTTP_HEAD_MAX - 1)
			return refuse(head, "the server's answer has no end of its head");
		if (!from[*used])
			return refuse(head, "what answers is no web server");
		head->text[head->have++] = from[*used];
		head->whole =
		        head->have >= 4 && !memcmp(head->text + head->have - 4, "\r\n\r\n", 4);
	}
	return head->whole ? judge(head) : NULL;
}
