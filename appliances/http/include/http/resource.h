/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a server gives out: bytes that lie in memory, and what is said about them.
 *
 * A resource that never changes is prepared once (http_resource_prepare): its header fields are
 * then sent from where they stand, as its bytes are. One that is made for a request has a release
 * function, which is called when its bytes are needed no more, exactly once for each time that it
 * was given out.
 */
#ifndef HTTP_RESOURCE_H
#define HTTP_RESOURCE_H

#include "request.h"

enum {
	HTTP_ETAG_MAX = 24,   /* with its quotes */
	HTTP_FIXED_MAX = 320, /* header fields of a prepared resource */
};

struct tcp_content;

/* As tcp_release_fn. */
typedef void http_release_fn(void *context, const void *data, uint32_t size);

struct http_resource {
	const void *data;
	uint32_t size;
	uint16_t fixed_size;  /* of `fixed`; 0: not prepared */
	uint16_t fixed_keep;  /* what stands in front of this in `fixed` says that the connection
	                         ends */
	const char *type;     /* "text/html; charset=utf-8" */
	const char *location; /* not here but there (301): nothing else counts then; NULL */
	bool shared;          /* pages from elsewhere may read it */
	bool lasting;         /* who asks for it gets it for as long as the server runs */
	const char *caching;  /* value of Cache-Control; NULL: none */
	uint64_t modified;    /* seconds since 1970; 0: not known */
	char etag[HTTP_ETAG_MAX];          /* with its quotes; empty: none */
	const struct tcp_content *content; /* these bytes, with sums (tcp/conn.h); NULL */
	http_release_fn *release;          /* NULL: the bytes stay as they are for ever */
	void *context;
	char fixed[HTTP_FIXED_MAX];
};

/* Makes an entity tag of a digest of the bytes. */
void http_resource_tag(struct http_resource *resource, uint64_t digest);
/* Writes down the fields of the usual answer. false: they are too long, and are put together for
 * each request then. */
bool http_resource_prepare(struct http_resource *resource);
/* The media type that a file's name suggests. */
const char *http_type_of(const char *name, size_t size);

#endif
