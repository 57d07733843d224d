/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks, queues of them, and copies from and to memory in pieces. */
#include "internal.h"

struct sock_block *queue_block(struct socks *set)
{
	struct sock_block *block = set->free;

	if (block == NULL)
		return NULL;
	set->free = block->next;
	set->blocks_free--;
	block->next = NULL;
	block->begin = block->size = block->total = 0;
	block->rights = block->name = 0;
	return block;
}

uint32_t block_room(const struct sock_block *block)
{
	return BLOCK_ROOM - (uint32_t)block->rights * 2 - block->name;
}

uint16_t block_right(const struct sock_block *block, unsigned i)
{
	uint16_t right;

	memcpy(&right, block->bytes + BLOCK_ROOM - 2 * (size_t)(i + 1), sizeof(right));
	return right;
}

void block_put_right(struct sock_block *block, uint16_t right)
{
	block->rights++;
	memcpy(block->bytes + BLOCK_ROOM - 2 * (size_t)block->rights, &right, sizeof(right));
}

/* Somebody waits for room, in whichever queue. */
static void tell_refused(struct socks *set)
{
	set->refused = false;
	for (uint32_t i = 0; i < set->n; i++)
		if (set->all[i].kind == SOCK_KIND_LOCAL)
			sock_news(&set->all[i]);
}

void queue_block_drop(struct socks *set, struct sock_block *block)
{
	block->next = set->free;
	set->free = block;
	set->blocks_free++;
	if (set->refused)
		tell_refused(set);
}

void queue_add(struct sock_queue *queue, struct sock_block *block)
{
	if (queue->last != NULL)
		queue->last->next = block;
	else
		queue->first = block;
	queue->last = block;
	queue->blocks++;
	queue->bytes += block->size;
}

void queue_drop_first(struct socks *set, struct sock_queue *queue)
{
	struct sock_block *block = queue->first;

	queue->first = block->next;
	if (queue->first == NULL)
		queue->last = NULL;
	queue->blocks--;
	queue->bytes -= block->size;
	for (unsigned i = 0; i < block->rights; i++)
		if (set->drop_right != NULL)
			set->drop_right(block_right(block, i));
	queue_block_drop(set, block);
}

void queue_clear(struct socks *set, struct sock_queue *queue)
{
	while (queue->first != NULL)
		queue_drop_first(set, queue);
}

/* ---- Pieces ---- */

uint64_t sock_data_bytes(const struct sock_data *data)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < data->n; i++)
		bytes += data->pieces[i].iov_len;
	return bytes > data->skip ? bytes - data->skip : 0;
}

struct cursor cursor_of(const struct sock_data *data)
{
	struct cursor at = {data->pieces, data->pieces + data->n, data->skip};

	while (at.piece < at.end && at.inside >= at.piece->iov_len) {
		at.inside -= at.piece->iov_len;
		at.piece++;
	}
	return at;
}

/* The next bytes that lie together, at most `size`; 0: there are no more. */
static uint32_t next_run(struct cursor *at, uint8_t **run, uint32_t size)
{
	uint64_t left;

	while (at->piece < at->end && at->inside == at->piece->iov_len) {
		at->inside = 0;
		at->piece++;
	}
	if (at->piece == at->end)
		return 0;
	*run = (uint8_t *)at->piece->iov_base + at->inside;
	left = at->piece->iov_len - at->inside;
	left = left < size ? left : size;
	at->inside += left;
	return (uint32_t)left;
}

uint32_t cursor_put(struct cursor *at, const void *from, uint32_t size)
{
	uint32_t done = 0, n;
	uint8_t *run;

	while (done < size && (n = next_run(at, &run, size - done)) > 0) {
		memcpy(run, (const uint8_t *)from + done, n);
		done += n;
	}
	return done;
}

uint32_t cursor_get(struct cursor *at, void *to, uint32_t size)
{
	uint32_t done = 0, n;
	uint8_t *run;

	while (done < size && (n = next_run(at, &run, size - done)) > 0) {
		memcpy((uint8_t *)to + done, run, n);
		done += n;
	}
	return done;
}
