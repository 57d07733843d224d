/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request, taken apart as its bytes arrive, by an automaton that keeps none of them: a path is
 * known by the range of the site's paths that begin as it does, a field name by the set of names
 * that do (RFC 9112).
 */
#ifndef STATIC_REQUEST_H
#define STATIC_REQUEST_H

#include <static/site.h>

struct static_request {
	uint8_t state;
	uint8_t method; /* enum static_method, or the set of those that it may still be */
	uint8_t names;  /* the set of field names that this line may still have; then its own */
	uint8_t words;  /* likewise of the values of Connection */
	uint8_t at;     /* characters of the name or word so far */
	bool host : 1, body : 1, minor : 1;
	bool close : 1, keep : 1; /* said so */
	bool length : 1;          /* a number has come in this line */
	uint16_t path;            /* characters so far */
	uint16_t low, high;       /* answers whose paths begin with them: [low, high) */
	uint16_t size;            /* bytes of the request so far */
};

enum {
	STATIC_REQUEST_MAX = 16384, /* bytes of a request */
	STATIC_KNOWN = 8,           /* a power of two */
	STATIC_KNOWN_BYTES = 512,
};

/* What a request asks for. */
struct static_asked {
	uint16_t answer; /* index in the site */
	bool head;       /* the header section alone */
	bool close;      /* no request follows */
};

/* A request that has come before, and what it asked for: who asks for the same with the same words
 * is understood at once. */
struct static_known {
	uint16_t size; /* 0: none yet */
	struct static_asked asked;
	bool told; /* to who wants to know what is known */
	uint8_t bytes[STATIC_KNOWN_BYTES];
};

struct static_memory {
	uint32_t untold; /* places that have changed since somebody asked */
	struct static_known places[STATIC_KNOWN];
};

void static_request_reset(struct static_request *request, const struct static_site *site);
/* Takes bytes up to the end of the request. → how many; *done: it ended, and *asked says what it
 * wants. Reset before the next one. */
uint32_t static_request_take(struct static_request *request, const struct static_site *site,
                             const uint8_t *bytes, uint32_t size, bool *done,
                             struct static_asked *asked);
/* The same, looking first among those that are known, which belong to the site. */
uint32_t static_request_recall(struct static_request *request, struct static_memory *memory,
                               const struct static_site *site, const uint8_t *bytes, uint32_t size,
                               bool *done, struct static_asked *asked);

#endif
