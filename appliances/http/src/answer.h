/* SPDX-License-Identifier: BSD-2-Clause */
/* What answer.c asks of condition.c. */
#ifndef HTTP_SRC_ANSWER_H
#define HTTP_SRC_ANSWER_H

#include <http/answer.h>

#include "internal.h"

/* What the request's conditions make of it: 200, 304 or 412. */
uint16_t http_condition(const struct http_request *request, const struct http_resource *resource);
/* The part that is asked for: 200 (all), 206, 416. */
uint16_t http_range(const struct http_request *request, const struct http_resource *resource,
                    uint32_t *first, uint32_t *size);

#endif
