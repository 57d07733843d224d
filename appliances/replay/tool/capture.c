/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pcapng: section header, interface description, enhanced packets (sections 4.1, 4.2, 4.3).
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "capture.h"
#include "port_internal.h"

enum {
	SECTION = 0x0a0d0d0a,
	INTERFACE = 1,
	PACKET = 6,
	ORDER = 0x1a2b3c4d,
	ETHERNET = 1, /* link type */

	OPTION_END = 0,
	OPTION_COMMENT = 1,
	OPTION_APPLICATION = 4,
	OPTION_NAME = 2,
	OPTION_RESOLUTION = 9,

	BLOCK_MAX = 512, /* without a frame's bytes */
};

/* A block that is put together. */
struct block {
	uint8_t bytes[BLOCK_MAX];
	uint32_t used;
};

static void put(struct block *block, const void *bytes, uint32_t size)
{
	memcpy(block->bytes + block->used, bytes, size);
	memset(block->bytes + block->used + size, 0, -size & 3u);
	block->used += (size + 3) & ~3u;
}

static void put32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

static void put_option(struct block *block, uint16_t code, const void *value, uint16_t size)
{
	const uint16_t head[2] = {code, size};

	put(block, head, sizeof(head));
	put(block, value, size);
}

static void put_text(struct block *block, uint16_t code, const char *text)
{
	size_t length = strlen(text);

	put_option(block, code, text, (uint16_t)(length < 200 ? length : 200));
}

/* Type and length, what was put together, data, options, the length again. */
static void write_block(FILE *file, uint32_t type, const struct block *fixed, const uint8_t *data,
                        uint32_t data_size, const struct block *options)
{
	const uint8_t zeros[4] = {0};
	uint32_t padded = (data_size + 3) & ~3u;
	uint32_t length = 12 + fixed->used + padded + options->used;

	(void)fwrite(&type, 4, 1, file);
	(void)fwrite(&length, 4, 1, file);
	(void)fwrite(fixed->bytes, 1, fixed->used, file);
	if (data_size)
		(void)fwrite(data, 1, data_size, file);
	(void)fwrite(zeros, 1, padded - data_size, file);
	(void)fwrite(options->bytes, 1, options->used, file);
	(void)fwrite(&length, 4, 1, file);
}

static void write_section(FILE *file)
{
	struct block fixed = {.used = 0}, options = {.used = 0};
	const uint16_t version[2] = {1, 0};
	const int64_t unknown = -1;

	put32(&fixed, ORDER);
	put(&fixed, version, sizeof(version));
	put(&fixed, &unknown, sizeof(unknown));
	put_text(&options, OPTION_APPLICATION, "sluice-replay " SLUICE_VERSION);
	put32(&options, OPTION_END);
	write_block(file, SECTION, &fixed, NULL, 0, &options);
}

static void write_interface(FILE *file, const char *name)
{
	struct block fixed = {.used = 0}, options = {.used = 0};
	const uint8_t nanoseconds = 9;

	put32(&fixed, ETHERNET);
	put32(&fixed, 0); /* no limit of length */
	put_text(&options, OPTION_NAME, name);
	put_option(&options, OPTION_RESOLUTION, &nanoseconds, 1);
	put32(&options, OPTION_END);
	write_block(file, INTERFACE, &fixed, NULL, 0, &options);
}

int capture_open(struct capture *capture, const char *path, const char *interface)
{
	struct timespec now;

	*capture = (struct capture){.file = fopen(path, "wbe")};
	if (!capture->file)
		return -errno;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	capture->to_unix_ns =
	        (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - (int64_t)port_clock_ns();
	write_section(capture->file);
	write_interface(capture->file, interface);
	return 0;
}

void capture_frame(struct capture *capture, uint64_t time_ns, const uint8_t *data, uint32_t length,
                   const char *comment)
{
	struct block fixed = {.used = 0}, options = {.used = 0};
	uint64_t unix_ns = time_ns + (uint64_t)capture->to_unix_ns;

	put32(&fixed, 0); /* the interface */
	put32(&fixed, (uint32_t)(unix_ns >> 32));
	put32(&fixed, (uint32_t)unix_ns);
	put32(&fixed, length);
	put32(&fixed, length);
	if (comment) {
		put_text(&options, OPTION_COMMENT, comment);
		put32(&options, OPTION_END);
	}
	write_block(capture->file, PACKET, &fixed, data, length, &options);
	capture->frames++;
}

int capture_close(struct capture *capture)
{
	bool failed = ferror(capture->file) != 0;

	return fclose(capture->file) || failed ? -EIO : 0;
}
