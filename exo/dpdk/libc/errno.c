/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * errno and its texts. errno is one variable for the whole kernel, not thread-local: functions that
 * set it (strtoul) are also called where the FS base belongs to an environment. Nothing in the
 * kernel decides by it across a call that could be made on two cores at once.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

int *__errno_location(void)
{
	static int value;

	return &value;
}

static const char *const texts[] = {
        [0] = "Success",
        [EPERM] = "Operation not permitted",
        [ENOENT] = "No such file or directory",
        [EINTR] = "Interrupted",
        [EIO] = "Input/output error",
        [ENXIO] = "No such device or address",
        [E2BIG] = "Too big",
        [EBADF] = "Bad file descriptor",
        [EAGAIN] = "Try again",
        [ENOMEM] = "Cannot allocate memory",
        [EACCES] = "Permission denied",
        [EFAULT] = "Bad address",
        [EBUSY] = "Device or resource busy",
        [EEXIST] = "Exists already",
        [ENODEV] = "No such device",
        [EINVAL] = "Invalid argument",
        [EMFILE] = "Too many open files",
        [ENOSPC] = "No space left",
        [EPIPE] = "Broken pipe",
        [ERANGE] = "Result out of range",
        [ENOSYS] = "Function not implemented",
        [EOPNOTSUPP] = "Operation not supported",
        [ETIMEDOUT] = "Timed out",
        [EALREADY] = "Already in progress",
        [EINPROGRESS] = "In progress",
};

static const char *text_of(int error)
{
	if (error < 0 || (size_t)error >= sizeof(texts) / sizeof(texts[0]))
		return NULL;
	return texts[error];
}

char *strerror(int error)
{
	static char unknown[] = "Unknown error";
	const char *text = text_of(error);

	return text != NULL ? (char *)text : unknown;
}

int __xpg_strerror_r(int error, char *to, size_t size)
{
	const char *text = text_of(error);
	int n = text != NULL ? snprintf(to, size, "%s", text)
	                     : snprintf(to, size, "Unknown error %d", error);

	return n < 0 || (size_t)n >= size ? ERANGE : text == NULL ? EINVAL : 0;
}
