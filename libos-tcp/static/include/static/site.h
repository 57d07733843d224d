/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A site of fixed content: every answer that will ever be given, made once, with header, body and
 * checksums, in the manner of Cheetah (Kaashoek et al., SOSP 1997, section 7.3). Packets point
 * into it, so that it has to stay where it is, unchanged, for as long as anybody sends from it.
 *
 *     size_t size = static_site_bytes(files, n);
 *     static_site_open(&site, files, n, memory, size);
 */
#ifndef STATIC_SITE_H
#define STATIC_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	STATIC_FILES_MAX = 16384,
	STATIC_PATH_MAX = 255,
};

/* What the site is made of; the caller's, needed only while it is made. */
struct static_file {
	const char
	        *path; /* begins with `/`; a request's target has to be the same, byte for byte */
	const char *type; /* of Content-Type */
	const void *data;
	uint32_t size;
};

/* One answer: header section and body, one behind the other. */
struct static_answer {
	uint8_t *bytes;
	uint32_t size;    /* of both */
	uint32_t head;    /* of the header section */
	uint16_t *sums;   /* [i]: Internet checksum of the first i * UDP_SUM_GRAIN bytes */
	const char *path; /* "" where no request names it: errors */
	bool close;       /* the connection ends behind it */
};

/* Answers that every site has, in front of those of its files. */
enum static_error_answer {
	STATIC_BAD_REQUEST = 0, /* 400 */
	STATIC_NOT_FOUND,       /* 404; the only one after which the connection lives on */
	STATIC_NOT_ALLOWED,     /* 405 */
	STATIC_TOO_LARGE,       /* 413: a request with a body */
	STATIC_HEAD_TOO_LARGE,  /* 431 */
	STATIC_NOT_IMPLEMENTED, /* 501: an unknown method */
	STATIC_BAD_VERSION,     /* 505 */
	STATIC_ERRORS
};

struct static_site {
	struct static_answer *answers; /* [n]: errors, then files by ascending path */
	uint32_t n;
};

/* Bytes of memory that static_site_open needs; 0: too many files, a path that is too long or
 * strange, or a file of more than 1 GiB. */
size_t static_site_bytes(const struct static_file *files, uint32_t n);
/* Makes the site in `memory` (aligned to 8 bytes, the caller's). 0, or -1: what static_site_bytes
 * refuses, too little memory, or two files with one path. */
int static_site_open(struct static_site *site, const struct static_file *files, uint32_t n,
                     void *memory, size_t size);

/* The sum of bytes [from, from + size) of an answer, as udp_sum_add would make it of a packet that
 * begins with them; at most two grains are looked at. */
uint64_t static_answer_sum(const struct static_answer *answer, uint32_t from, uint32_t size);

/* Puts another body of the same size into the answer of `path`, with its sums. What is in flight of
 * the old one may be sent again with the new one's bytes: for small answers that change seldom.
 * 0, or -1: no such path, or another size. */
int static_site_replace(struct static_site *site, const char *path, const void *data,
                        uint32_t size);

#endif
