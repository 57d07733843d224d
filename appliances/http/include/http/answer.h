/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What to answer: status, header section and part of a resource, for a request whose head has been
 * taken apart. Conditions and ranges are RFC 9110's (13, 14). Sends nothing: server.h does.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "resource.h"

enum { HTTP_ANSWER_MAX = 1024 }; /* bytes of a header section, with the text of an error */

struct http_answer {
	uint16_t status;
	bool prepared;        /* head: the status line, then resource->fixed */
	bool with_body;       /* the resource's bytes follow */
	bool close;           /* no other request after it */
	uint32_t first, size; /* of the resource's bytes */
	uint32_t head_size;   /* of `head`, where not prepared */
	char head[HTTP_ANSWER_MAX];
};

/* The answer to a request; `resource` NULL: there is none of that name. `date`: text of
 * HTTP_DATE_SIZE bytes for the field Date, NULL: the machine has no clock. */
void http_answer(struct http_answer *answer, const struct http_request *request,
                 const struct http_resource *resource, const char *date);
/* The same for a failure of the server's own: 500, 503, 408. */
void http_answer_status(struct http_answer *answer, uint16_t status, bool with_body, bool close,
                        const char *date);
/* The same with a text of one's own, which ends its line; NULL: the status' name. */
void http_answer_refuse(struct http_answer *answer, uint16_t status, const char *why,
                        bool with_body, bool close, const char *date);
const char *http_status_text(uint16_t status);

#endif
