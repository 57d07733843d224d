/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file on the host: bytes wait in a ring until the mailbox takes a message of them; init passes
 * it on through the host channel, which repeats what is lost.
 */
#include <exo/error.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/mailbox.h>
#include <libexo/printf.h>
#include <libexo/time.h>

#include "capture.h"

enum {
	WAITING = 1 << 17, /* bytes; a power of two */
	ROOM_MIN = 2 * CAPTURE_BLOCK_MAX,
	NAME_MAX = 64,
};

_Static_assert(WAITING > 2 * CAPTURE_BLOCK_MAX, "a packet fits while others wait");

static struct exo_mailbox_end mailbox;
static struct outlet outlet;
static bool is_open, stop;
static uint8_t waiting[WAITING];
static uint64_t written, sent; /* bytes of the file, ever */
static char file_name[NAME_MAX];

static bool write(struct outlet *to, const void *bytes, uint32_t size)
{
	uint32_t at = written % WAITING, first = WAITING - at < size ? WAITING - at : size;

	if (!is_open || WAITING - (written - sent) < size)
		return false;
	memcpy(waiting + at, bytes, first);
	memcpy(waiting, (const uint8_t *)bytes + first, size - first);
	written += size;
	return true;
}

int file_open(const char *name)
{
	int result = exo_mailbox_open(&mailbox);

	exo_text_copy(file_name, sizeof(file_name), name);
	outlet_open(&outlet, write);
	if (result == 0)
		result = exo_mailbox_send(&mailbox, EXO_CHANNEL_HELLO, NULL, 0);
	is_open = result == 0;
	return result;
}

bool file_is_open(void)
{
	return is_open;
}

struct outlet *file_outlet(void)
{
	return &outlet;
}

bool file_ready(void)
{
	return !is_open || WAITING - (written - sent) >= ROOM_MIN;
}

/* The next piece: offset, name, data that are consecutive in the ring. */
static int send_piece(void)
{
	static uint8_t body[EXO_MAILBOX_BODY_MAX];
	uint32_t head = (uint32_t)(sizeof(sent) + strlen(file_name) + 1), at = sent % WAITING;
	uint32_t size = (uint32_t)sizeof(body) - head;
	int result;

	size = written - sent < size ? (uint32_t)(written - sent) : size;
	size = WAITING - at < size ? WAITING - at : size;
	memcpy(body, &sent, sizeof(sent));
	memcpy(body + sizeof(sent), file_name, head - sizeof(sent));
	memcpy(body + head, waiting + at, size);
	result = exo_mailbox_send(&mailbox, EXO_CHANNEL_FILE, body, head + size);
	if (result == 0)
		sent += size;
	return result;
}

static void listen(void)
{
	static uint8_t body[EXO_MAILBOX_BODY_MAX];
	uint32_t type;

	while (exo_mailbox_receive(&mailbox, &type, body) >= 0)
		stop |= type == EXO_CHANNEL_STOP;
}

bool file_run(void)
{
	int result = 0;

	if (!is_open)
		return false;
	listen();
	while (written != sent && result == 0)
		result = send_piece();
	if (result < 0 && result != -EXO_EAGAIN) {
		exo_printf("capture: the host channel is gone: %s\n", exo_error_text(result));
		is_open = false;
	}
	return written != sent;
}

bool file_stop_wanted(void)
{
	return stop;
}

void file_close(void)
{
	int32_t status = 0;

	while (file_run())
		exo_time_sleep_ns(EXO_MAILBOX_LOOK_NS);
	while (is_open &&
	       exo_mailbox_send(&mailbox, EXO_CHANNEL_DONE, &status, sizeof(status)) == -EXO_EAGAIN)
		exo_time_sleep_ns(EXO_MAILBOX_LOOK_NS);
	is_open = false;
}
