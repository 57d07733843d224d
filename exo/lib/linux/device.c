/* SPDX-License-Identifier: BSD-2-Clause */
/* /dev/null, /dev/zero, /dev/random. */
#include <sys/stat.h>

#include <libexo/lib.h>

#include "family.h"

static int64_t null_read(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	return 0;
}

static int64_t null_write(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	return (int64_t)size;
}

static int64_t zero_read(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	memset((void *)address, 0, size);
	return (int64_t)size;
}

static int64_t random_read(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	random_fill((void *)address, size);
	return (int64_t)size;
}

const struct file_type_operations null_operations = {
        .read = null_read, .write = null_write, .mode = S_IFCHR | 0666};
const struct file_type_operations zero_operations = {
        .read = zero_read, .write = null_write, .mode = S_IFCHR | 0666};
const struct file_type_operations random_operations = {
        .read = random_read, .write = null_write, .mode = S_IFCHR | 0666};
