/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine's platform on Linux: malloc, mmap for code, clock_gettime, retire by keeping a list.
 * Host library only.
 */
#ifndef FLT_HOST_H
#define FLT_HOST_H

#include <stdbool.h>

#include "program.h"

/*
 * flt_init() with Linux behind it. jit: false leaves the code functions out, so that everything is
 * interpreted. Memory that is retired is released at once: for programs with one thread. Threaded
 * ones pass a platform of their own, made from flt_host_platform().
 */
void flt_host_init(bool jit);

struct flt_platform;

/* Fills in the platform that flt_host_init() would pass. */
void flt_host_platform(struct flt_platform *platform, bool jit);

/* flt_object_open of a file's bytes. FLT_E_NOT_FOUND: it can't be read. */
int flt_host_object_open(const char *path, struct flt_object **object, struct flt_error *error);

/* Gives an object's arenas frames, all of them the same: for who has no environment that would. */
void flt_host_arenas(const struct flt_object *object);

#endif
