/* SPDX-License-Identifier: BSD-2-Clause */
/* Dates of HTTP (RFC 9110, 5.6.7): seconds since 1970 and their text. */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include "request.h"

enum { HTTP_DATE_SIZE = 29 }; /* of "Sun, 06 Nov 1994 08:49:37 GMT", without NUL */

/* Writes HTTP_DATE_SIZE bytes. `seconds` from 0 to the year 9999. */
void http_date_format(uint64_t seconds, char *to);
/* The preferred form, or an obsolete one, whose years of two digits are 1970 to 2069. false: no
 * date. */
bool http_date_parse(struct http_text text, uint64_t *seconds);

#endif
