/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of RTSP 1.0 (RFC 2326, 6): a line, headers, an empty line, a body of Content-Length
 * bytes. Untrusted: every byte of them. */
#ifndef VIDEO_REQUEST_H
#define VIDEO_REQUEST_H

#include "text.h"

enum {
	REQUEST_MAX = 4096, /* bytes of a request, its body included */
	REQUEST_HEADERS_MAX = 64,
};

struct request {
	struct text method, target, version;
	struct text headers; /* all lines, whole */
	struct text body;
};

enum request_result {
	REQUEST_PARTIAL = 0,    /* more must arrive */
	REQUEST_MALFORMED = -1, /* nothing behind it can be understood: answer 400 and close */
	REQUEST_TOO_LONG = -2,  /* likewise, 413 */
};

/* Looks at what has arrived. → the request's bytes, 1 or more; or enum request_result. Texts of
 * *request point into `data`. */
int request_parse(struct request *request, const char *data, size_t size);
/* The value of the first header of that name; false: there is none. */
bool request_header(const struct request *request, const char *name, struct text *value);
/* The path of a target, from its first slash on, whether it is one already or a URL
 * (rtsp://host:port/path); without its query. Empty where there is none. */
struct text request_path(struct text target);
/* "host:port" of a URL; empty for a path. */
struct text request_authority(struct text target);

#endif
