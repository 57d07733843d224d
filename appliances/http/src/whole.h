/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole answers: what server.c asks of whole.c. */
#ifndef HTTP_SRC_WHOLE_H
#define HTTP_SRC_WHOLE_H

#include <http/server.h>

/* Queues the answer to a known head, if this second's is there. 1: done; 0: there is none;
 * negative: an error of tcp_send. */
int http_whole_send(struct http_server *server, struct tcp_conn *tcp,
                    const struct http_known *known, const struct http_resource *resource);
/* Puts the answer to a known head together for who asks next: one that is prepared, and with all of
 * its content. */
void http_whole_make(struct http_server *server, struct http_known *known,
                     const struct http_answer *answer, const struct http_resource *resource);
/* The prepared fields that an answer has. */
const char *http_fixed_fields(const struct http_answer *answer,
                              const struct http_resource *resource, uint32_t *size);

#endif
