/* SPDX-License-Identifier: BSD-2-Clause */
/* The two schedulers of libexo/strand.h. */
#include <libexo/strand.h>

#include <stddef.h>

static void fifo_unblock(struct exo_scheduler *scheduler, struct exo_strand *strand)
{
	struct exo_fifo *fifo = (struct exo_fifo *)scheduler;

	strand->next = NULL;
	*fifo->tail = strand;
	fifo->tail = &strand->next;
}

static struct exo_strand *fifo_next(struct exo_scheduler *scheduler)
{
	struct exo_fifo *fifo = (struct exo_fifo *)scheduler;
	struct exo_strand *strand = fifo->head;

	if (strand == NULL)
		return NULL;
	fifo->head = strand->next;
	if (fifo->head == NULL)
		fifo->tail = &fifo->head;
	return strand;
}

struct exo_scheduler *exo_fifo_init(struct exo_fifo *fifo)
{
	*fifo = (struct exo_fifo){.scheduler = {.unblock = fifo_unblock, .next = fifo_next}};
	fifo->tail = &fifo->head;
	return &fifo->scheduler;
}

static void priority_unblock(struct exo_scheduler *scheduler, struct exo_strand *strand)
{
	struct exo_priority *priority = (struct exo_priority *)scheduler;
	unsigned p = strand->priority < EXO_PRIORITIES ? strand->priority : EXO_PRIORITIES - 1;

	fifo_unblock(&priority->level[p].scheduler, strand);
	priority->some |= 1ull << p;
}

static struct exo_strand *priority_next(struct exo_scheduler *scheduler)
{
	struct exo_priority *priority = (struct exo_priority *)scheduler;
	struct exo_strand *strand;
	unsigned p;

	if (priority->some == 0)
		return NULL;
	p = 63 - (unsigned)__builtin_clzll(priority->some);
	strand = fifo_next(&priority->level[p].scheduler);
	if (priority->level[p].head == NULL)
		priority->some &= ~(1ull << p);
	return strand;
}

struct exo_scheduler *exo_priority_init(struct exo_priority *priority)
{
	priority->scheduler =
	        (struct exo_scheduler){.unblock = priority_unblock, .next = priority_next};
	priority->some = 0;
	for (unsigned p = 0; p < EXO_PRIORITIES; p++)
		exo_fifo_init(&priority->level[p]);
	return &priority->scheduler;
}
