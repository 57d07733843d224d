/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks a newc cpio archive that nobody vouches for. Layout of a member: header of 110 ASCII bytes
 * (magic, then 13 numbers of 8 hexadecimal digits), name with its NUL, padding to a multiple of 4,
 * content, padding to a multiple of 4. A member named TRAILER!!! ends the archive.
 */
#include <exo/cpio.h>

#include <stdbool.h>
#include <string.h>

enum {
	HEADER_BYTES = 110,
	DIGITS = 8,
	NAME_MAX_BYTES = 1024,
};

/* The numbers behind the magic, in order. */
enum field {
	FIELD_MODE = 1,
	FIELD_FILE_SIZE = 6,
	FIELD_NAME_SIZE = 11,
};

const char exo_cpio_end[] = "end of archive";

static bool hex_digit(char c, uint32_t *value)
{
	if (c >= '0' && c <= '9')
		*value = (uint32_t)(c - '0');
	else if (c >= 'a' && c <= 'f')
		*value = (uint32_t)(c - 'a' + 10);
	else if (c >= 'A' && c <= 'F')
		*value = (uint32_t)(c - 'A' + 10);
	else
		return false;
	return true;
}

static bool read_field(const char *header, enum field field, uint32_t *value)
{
	const char *at = header + 6 + (size_t)field * DIGITS;
	uint32_t digit;

	*value = 0;
	for (int i = 0; i < DIGITS; i++) {
		if (!hex_digit(at[i], &digit))
			return false;
		*value = *value << 4 | digit;
	}
	return true;
}

/* Moves *offset up to a multiple of 4. false: that is beyond the archive. */
static bool pad(size_t *offset, size_t size)
{
	size_t padding = -*offset & 3;

	if (size - *offset < padding)
		return false;
	*offset += padding;
	return true;
}

static const char *read_header(const struct exo_cpio *cpio, uint32_t *mode, uint32_t *name_size,
                               uint32_t *file_size)
{
	const char *header = (const char *)cpio->archive + cpio->offset;

	if (cpio->size - cpio->offset < HEADER_BYTES)
		return "archive ends without a trailer";
	if (memcmp(header, "070701", 6) != 0)
		return "member without the newc magic 070701";
	if (!read_field(header, FIELD_MODE, mode) ||
	    !read_field(header, FIELD_FILE_SIZE, file_size) ||
	    !read_field(header, FIELD_NAME_SIZE, name_size))
		return "number in a header is not hexadecimal";
	return NULL;
}

/* *offset: of the name; moves to the content. */
static const char *read_name(const struct exo_cpio *cpio, size_t *offset, uint32_t name_size,
                             const char **name)
{
	const char *at = (const char *)cpio->archive + *offset;

	if (name_size < 2 || name_size > NAME_MAX_BYTES)
		return "name is empty or longer than 1,023 bytes";
	if (cpio->size - *offset < name_size)
		return "name reaches beyond the archive";
	if (strnlen(at, name_size) != name_size - 1)
		return "name is not terminated at its end";
	*name = at;
	*offset += name_size;
	return pad(offset, cpio->size) ? NULL : "padding reaches beyond the archive";
}

const char *exo_cpio_next(struct exo_cpio *cpio, struct exo_cpio_member *member)
{
	uint32_t mode, name_size, file_size;
	const char *wrong, *name;
	size_t offset;

	if (cpio->offset > cpio->size)
		return "offset lies beyond the archive";
	wrong = read_header(cpio, &mode, &name_size, &file_size);
	if (wrong)
		return wrong;
	offset = cpio->offset + HEADER_BYTES;
	wrong = read_name(cpio, &offset, name_size, &name);
	if (wrong)
		return wrong;
	if (strcmp(name, "TRAILER!!!") == 0)
		return exo_cpio_end;
	if (cpio->size - offset < file_size)
		return "content reaches beyond the archive";
	*member = (struct exo_cpio_member){
	        .name = name,
	        .data = (const char *)cpio->archive + offset,
	        .size = file_size,
	        .mode = mode,
	};
	offset += file_size;
	if (!pad(&offset, cpio->size))
		return "padding reaches beyond the archive";
	cpio->offset = offset;
	return NULL;
}

const char *exo_cpio_find(const void *archive, size_t size, const char *name,
                          struct exo_cpio_member *member)
{
	struct exo_cpio cpio = {.archive = archive, .size = size};
	const char *wrong;

	do {
		wrong = exo_cpio_next(&cpio, member);
	} while (!wrong && strcmp(member->name, name) != 0);
	return wrong;
}
