/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the archives reference and a kernel has not: files, environment variables, regular
 * expressions. Each says so in the way that its callers check for.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../core/machine.h"

char *getenv(const char *name)
{
	return NULL;
}

FILE *fopen64(const char *restrict path, const char *restrict mode)
{
	errno = ENOENT;
	return NULL;
}

FILE *fmemopen(void *buffer, size_t size, const char *mode)
{
	errno = ENOSYS;
	return NULL;
}

char *fgets(char *restrict to, int size, FILE *restrict stream)
{
	return NULL;
}

int open64(const char *path, int flags, ...)
{
	errno = ENOENT;
	return -1;
}

ssize_t pread64(int fd, void *to, size_t size, off64_t offset)
{
	errno = EBADF;
	return -1;
}

int unlink(const char *path)
{
	errno = ENOENT;
	return -1;
}

int glob64(const char *restrict pattern, int flags, int (*failed)(const char *, int),
           glob64_t *restrict found)
{
	return GLOB_NOMATCH;
}

int regcomp(regex_t *restrict expression, const char *restrict pattern, int flags)
{
	return REG_ESPACE;
}

int regexec(const regex_t *restrict expression, const char *restrict text, size_t n,
            regmatch_t match[restrict n], int flags)
{
	return REG_NOMATCH;
}

void regfree(regex_t *expression)
{
}

int getpagesize(void)
{
	return 4096;
}

int getentropy(void *to, size_t size)
{
	machine_random(to, size);
	return 0;
}

void abort(void)
{
	machine_panic("abort called from %p", __builtin_return_address(0));
}

void exit(int status)
{
	machine_panic("exit(%d) called from %p", status, __builtin_return_address(0));
}

void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
{
	machine_panic("%s:%u: %s: assertion failed: %s", file, line, function, assertion);
}
