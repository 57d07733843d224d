/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The payload's files as resources: `index.html` is at `/` and at `/index.html`, `docs/index.html`
 * at `/docs/` (`/docs` leads there). They are copied once, into frames of this environment's own: a
 * NIC may read those, and answers leave without another copy.
 */
#ifndef WEB_CONTENT_H
#define WEB_CONTENT_H

#include <http/resource.h>
#include <libexo/memory.h>

/* Takes the files of the start page. `modified`: seconds since 1970 that they count as changed at;
 * 0: not known. → how many, or a negative enum exo_error. */
int content_open(uint64_t modified);
/* The i-th file; NULL: there are no more. */
struct http_resource *content_file(unsigned i);
/* Where files and their header fields lie. */
const struct exo_pages *content_pages(void);
/* A http_find_fn. */
const struct http_resource *content_find(void *context, const struct http_request *request);

#endif
