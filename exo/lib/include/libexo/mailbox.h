/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mailboxes: messages between an environment and its creator (init), in shared memory.
 *
 * The creator's frames, mapped into both; the environment finds its box at
 * exo_start_page()->mailbox. One queue each way, single producer and consumer, of EXO_MAILBOX_SLOTS
 * messages; types and bodies are those of the host channel (exo/channel.h), since init mostly
 * passes them on. Besides, a count that the environment advances and the creator reads at any time:
 * how much of its work is settled.
 *
 * Neither side trusts the other: each keeps its own index in its own memory (struct
 * exo_mailbox_end), copies a message out before it looks at it, and takes an impossible index or
 * size for a damaged box (-EXO_EINVAL), which stays damaged. Nobody is woken: both sides look when
 * they wake up anyway, at least every EXO_MAILBOX_LOOK_NS while they expect something.
 */
#ifndef LIBEXO_MAILBOX_H
#define LIBEXO_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include <exo/channel.h>

enum {
	EXO_MAILBOX_MAGIC = 0x584f424d, /* "MBOX" */
	EXO_MAILBOX_VERSION = 1,
	EXO_MAILBOX_SLOTS = 8,
	EXO_MAILBOX_BODY_MAX = EXO_CHANNEL_BODY_MAX,
	EXO_MAILBOX_LOOK_NS = 1000000,
};

struct exo_mailbox_slot {
	uint32_t type; /* enum exo_channel_type */
	uint32_t size; /* bytes of body */
	uint8_t body[EXO_MAILBOX_BODY_MAX];
};

struct exo_mailbox_queue {
	uint32_t head; /* the sender's: free-running count of messages written */
	uint8_t pad0[60];
	uint32_t tail; /* the receiver's: free-running count of messages taken */
	uint8_t pad1[60];
	struct exo_mailbox_slot slots[EXO_MAILBOX_SLOTS];
};

struct exo_mailbox {
	uint32_t magic, version; /* the creator writes them */
	uint8_t pad0[56];
	uint64_t progress; /* the environment's count */
	uint8_t pad1[56];
	struct exo_mailbox_queue to_creator, to_environment;
};

/* One side's hold on a box. */
struct exo_mailbox_end {
	struct exo_mailbox *box;
	struct exo_mailbox_queue *out, *in;
	uint32_t head, tail; /* of out, of in: ours */
	bool damaged;
};

/* Prepares a zeroed box and takes the creator's end of it. */
void exo_mailbox_create(struct exo_mailbox_end *end, struct exo_mailbox *box);

/* Takes the environment's end of a box. 0, or -EXO_EINVAL (its magic or version is wrong). */
int exo_mailbox_attach(struct exo_mailbox_end *end, struct exo_mailbox *box);

/* Takes this environment's end of its own box. 0, -EXO_ENOENT (it was given none), -EXO_EINVAL. */
int exo_mailbox_open(struct exo_mailbox_end *end);

/*
 * Sends a message; the body is copied. 0, -EXO_EAGAIN (the queue is full: later), -EXO_E2BIG (more
 * than EXO_MAILBOX_BODY_MAX), -EXO_EINVAL (damaged).
 */
int exo_mailbox_send(struct exo_mailbox_end *end, uint32_t type, const void *body, uint32_t size);

/*
 * Takes a message: type in *type, body copied to `body` (EXO_MAILBOX_BODY_MAX bytes of room).
 * → bytes of body, -EXO_EAGAIN (nothing is there), -EXO_EINVAL (damaged).
 */
int exo_mailbox_receive(struct exo_mailbox_end *end, uint32_t *type, void *body);

/* The environment's side: says how far it is. The creator's side: reads it. */
void exo_mailbox_set_progress(struct exo_mailbox_end *end, uint64_t count);
uint64_t exo_mailbox_progress(const struct exo_mailbox_end *end);

#endif
