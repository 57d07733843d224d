/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mailboxes. Both sides' shared words may be changed by the other at any time: each is read once.
 */
#include <exo/error.h>
#include <libexo/lib.h>
#include <libexo/mailbox.h>

void exo_mailbox_create(struct exo_mailbox_end *end, struct exo_mailbox *box)
{
	box->magic = EXO_MAILBOX_MAGIC;
	box->version = EXO_MAILBOX_VERSION;
	*end = (struct exo_mailbox_end){
	        .box = box, .out = &box->to_environment, .in = &box->to_creator};
}

int exo_mailbox_attach(struct exo_mailbox_end *end, struct exo_mailbox *box)
{
	*end = (struct exo_mailbox_end){
	        .box = box, .out = &box->to_creator, .in = &box->to_environment};
	if (box->magic == EXO_MAILBOX_MAGIC && box->version == EXO_MAILBOX_VERSION)
		return 0;
	end->damaged = true;
	return -EXO_EINVAL;
}

int exo_mailbox_send(struct exo_mailbox_end *end, uint32_t type, const void *body, uint32_t size)
{
	struct exo_mailbox_slot *slot;
	uint32_t waiting;

	if (end->damaged)
		return -EXO_EINVAL;
	if (size > EXO_MAILBOX_BODY_MAX)
		return -EXO_E2BIG;
	/* Acquire: the receiver has copied what lay in the slot before it says so. */
	waiting = end->head - __atomic_load_n(&end->out->tail, __ATOMIC_ACQUIRE);
	if (waiting > EXO_MAILBOX_SLOTS) {
		end->damaged = true;
		return -EXO_EINVAL;
	}
	if (waiting == EXO_MAILBOX_SLOTS)
		return -EXO_EAGAIN;
	slot = &end->out->slots[end->head % EXO_MAILBOX_SLOTS];
	slot->type = type;
	slot->size = size;
	if (size > 0)
		memcpy(slot->body, body, size);
	/* Release: the message is complete before it is announced. */
	__atomic_store_n(&end->out->head, ++end->head, __ATOMIC_RELEASE);
	return 0;
}

int exo_mailbox_receive(struct exo_mailbox_end *end, uint32_t *type, void *body)
{
	const struct exo_mailbox_slot *slot;
	uint32_t waiting, size;

	if (end->damaged)
		return -EXO_EINVAL;
	/* Acquire: the message is read after the head that announces it. */
	waiting = __atomic_load_n(&end->in->head, __ATOMIC_ACQUIRE) - end->tail;
	if (waiting == 0)
		return -EXO_EAGAIN;
	slot = &end->in->slots[end->tail % EXO_MAILBOX_SLOTS];
	size = __atomic_load_n(&slot->size, __ATOMIC_RELAXED);
	if (waiting > EXO_MAILBOX_SLOTS || size > EXO_MAILBOX_BODY_MAX) {
		end->damaged = true;
		return -EXO_EINVAL;
	}
	*type = __atomic_load_n(&slot->type, __ATOMIC_RELAXED);
	memcpy(body, slot->body, size);
	/* Release: the copy was made before the slot is given back. */
	__atomic_store_n(&end->in->tail, ++end->tail, __ATOMIC_RELEASE);
	return (int)size;
}

void exo_mailbox_set_progress(struct exo_mailbox_end *end, uint64_t count)
{
	__atomic_store_n(&end->box->progress, count, __ATOMIC_RELEASE);
}

uint64_t exo_mailbox_progress(const struct exo_mailbox_end *end)
{
	return __atomic_load_n(&end->box->progress, __ATOMIC_ACQUIRE);
}
