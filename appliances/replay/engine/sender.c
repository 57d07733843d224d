/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The generator's rounds: collect what is due into the port's buffers, send, listen, forget.
 */
#include <string.h>

#include "identity.h"
#include "sender.h"

/* Signatures and contents are kept apart; within what is remembered 32 bits are unique. */
static uint64_t signature_key(const struct signature *signature)
{
	return ((uint64_t)signature->run << 32 | signature->sequence) * 0xff51afd7ed558ccdu;
}

int sender_open(struct sender *sender, const struct sender_options *options, struct port *port,
                struct port *back, struct source *source, struct sender_tally *tally)
{
	*sender = (struct sender){
	        .options = *options, .port = port, .back = back, .source = source, .tally = tally};
	memset(tally, 0, sizeof(*tally));
	schedule_reset(&sender->options.schedule);
	sender->start_ns = port->now(port);
	return options->listen ? flight_open(&sender->flight, options->flight_bits) : 0;
}

void sender_close(struct sender *sender)
{
	flight_close(&sender->flight);
}

void sender_stop(struct sender *sender)
{
	if (sender->state != SENDER_SENDING)
		return;
	sender->state = SENDER_WAITING;
	sender->waiting_since_ns = sender->port->now(sender->port);
}

static void fail(struct sender *sender, const char *reason)
{
	sender->error = reason;
	sender_stop(sender);
}

/* Begins measuring once the warm-up is over. */
static void consider_measuring(struct sender *sender, uint64_t now)
{
	if (sender->measuring || now - sender->start_ns < sender->options.warmup_ns)
		return;
	sender->measuring = true;
	sender->measured_from = sender->flight.head;
	sender->tally->begin_ns = now;
	if (sender->options.duration_ns)
		sender->deadline_ns = now + sender->options.duration_ns;
}

static void next_pass(struct sender *sender)
{
	sender->pass++;
	if (sender->options.passes && sender->pass >= sender->options.passes) {
		sender_stop(sender);
		return;
	}
	sender->source->rewind(sender->source);
	schedule_again(&sender->options.schedule);
}

static bool port_sends(struct sender *sender, const struct source_frame *frame)
{
	const struct rewrite *rewrite = &sender->options.rewrite;

	sender->length =
	        rewrite->any ? rewrite_size(rewrite, frame->data, frame->length) : frame->length;
	if (sender->length <= sender->port->longest)
		return true;
	if (sender->tally->too_long++ == 0)
		sender->tally->too_long_first = frame->number;
	return false;
}

/* Holds the next frame that can be sent; false where there is none now. */
static bool hold_next(struct sender *sender)
{
	struct source *source = sender->source;

	while (!sender->held && sender->state == SENDER_SENDING) {
		switch (source->next(source, &sender->frame)) {
		case SOURCE_FRAME:
			sender->held = port_sends(sender, &sender->frame);
			break;
		case SOURCE_STARVED:
			sender->tally->starved++;
			return false;
		case SOURCE_END:
			if (sender->options.schedule.pass_frames == 0) {
				fail(sender, "no frame of the trace can be sent");
				return false;
			}
			next_pass(sender);
			break;
		case SOURCE_BROKEN:
			fail(sender, source->reason);
			return false;
		}
		if (sender->held)
			sender->due_ns = sender->start_ns + schedule_next(&sender->options.schedule,
			                                                  sender->frame.time_ns,
			                                                  sender->frame.length);
	}
	return sender->held;
}

/* The key under which the frame will be known; signs it where that is wanted and possible. */
static uint64_t identify(struct sender *sender, uint8_t *frame, uint32_t length, uint64_t now)
{
	struct signature signature = {
	        .run = sender->options.run,
	        .sequence = (uint32_t)(sender->flight.head + sender->pending_n),
	        .time_ns = now,
	};

	if (sender->options.sign && signature_put(frame, length, &signature)) {
		sender->tally->signed_frames += sender->measuring;
		return signature_key(&signature);
	}
	return sender->options.listen ? identity_content(frame, length) : 0;
}

/* Writes the held frame into the port's buffer; false where the port has no room. */
static bool take_held(struct sender *sender, uint64_t now)
{
	const struct sender_options *options = &sender->options;
	const struct source_frame *frame = &sender->frame;
	uint32_t length = sender->length;
	uint8_t *room = sender->port->take(sender->port, length);

	if (!room) {
		sender->tally->full++;
		return false;
	}
	if (options->rewrite.any)
		rewrite_apply(&options->rewrite, sender->pass, room, frame->data, frame->length);
	else
		memcpy(room, frame->data, length);
	struct sender_pending *pending = &sender->pending[sender->pending_n];
	*pending = (struct sender_pending){.number = frame->number, .length = length};
	pending->entry.key = identify(sender, room, length, now);
	pending->entry.due_ns = options->schedule.kind == SCHEDULE_TOP ? now : sender->due_ns;
	if (options->tag)
		pending->entry.tag = options->tag(options->context, room, length) % SENDER_TAGS;
	sender->pending_n++;
	sender->held = false;
	return true;
}

static bool over(const struct sender *sender, uint64_t now)
{
	uint64_t most = sender->options.frames_max;

	return (sender->deadline_ns && now >= sender->deadline_ns) ||
	       (most && sender->tally->sent + sender->pending_n >= most);
}

static void collect(struct sender *sender, uint64_t now)
{
	while (sender->pending_n < PORT_BURST && sender->state == SENDER_SENDING) {
		if (over(sender, now))
			sender_stop(sender);
		else if (!hold_next(sender) || sender->due_ns > now || !take_held(sender, now))
			break;
	}
}

static void count_lost(struct sender *sender, const struct flight_entry *entry)
{
	struct sender_tally *tally = sender->tally;

	if (entry->returned || entry->sent_ns < tally->begin_ns || !sender->measuring)
		return;
	tally->lost++;
	tally->tags[entry->tag].lost++;
	series_at(&tally->series, entry->sent_ns - tally->begin_ns)->lost++;
}

static void count_tag(struct sender_tag *tag, const struct sender_pending *pending)
{
	tag->sent++;
	tag->sent_bytes += pending->length;
}

/* Frames that left together, of which most were due together. */
static void count_sent(struct sender *sender, unsigned n, uint64_t sent_ns)
{
	struct sender_tally *tally = sender->tally;
	struct series_slot *slot = series_at(&tally->series, sent_ns - tally->begin_ns);
	uint64_t bytes = 0, late = 0;
	unsigned alike = 0; /* frames before this one that were as late */

	for (unsigned i = 0; i < n; i++) {
		const struct sender_pending *pending = &sender->pending[i];
		uint64_t due_ns = pending->entry.due_ns;
		uint64_t own_late = sent_ns > due_ns ? sent_ns - due_ns : 0;
		if (own_late != late) {
			histogram_add_many(&tally->late, late, alike);
			late = own_late;
			alike = 0;
		}
		alike++;
		bytes += pending->length;
		if (late > slot->error_max)
			slot->error_max = late;
		count_tag(&tally->tags[pending->entry.tag], pending);
		if (sender->options.departed)
			sender->options.departed(sender->options.context, pending->number, due_ns,
			                         sent_ns);
	}
	histogram_add_many(&tally->late, late, alike);
	tally->sent += n;
	tally->sent_bytes += bytes;
	slot->sent += n;
	slot->sent_bytes += bytes;
	tally->last_sent_ns = sent_ns;
	tally->span_ns = sent_ns - tally->begin_ns;
}

/* The oldest n of those that are pending have left. */
static void depart(struct sender *sender, unsigned n, uint64_t now)
{
	struct flight_entry lost;

	if (sender->measuring && n)
		count_sent(sender, n, now);
	if (!sender->options.listen) {
		sender->flight.head += n;
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		sender->pending[i].entry.sent_ns = now;
		if (flight_add(&sender->flight, &sender->pending[i].entry, &lost))
			count_lost(sender, &lost);
	}
}

/* Frames leave in order, so those that the port did not take are the last ones. */
static void send_pending(struct sender *sender)
{
	if (!sender->pending_n)
		return;
	uint64_t now = sender->port->now(sender->port);
	unsigned sent = sender->port->send(sender->port);
	depart(sender, sent, now);
	sender->pending_n -= sent;
	if (sender->pending_n) {
		sender->tally->full++;
		memmove(sender->pending, sender->pending + sent,
		        sender->pending_n * sizeof(sender->pending[0]));
	}
}

static void count_returned(struct sender *sender, const struct port_arrival *arrival,
                           const struct flight_return *what)
{
	struct sender_tally *tally = sender->tally;
	struct sender_tag *tag = &tally->tags[what->entry.tag];
	uint64_t latency =
	        arrival->time_ns > what->entry.sent_ns ? arrival->time_ns - what->entry.sent_ns : 0;
	uint64_t from =
	        what->entry.due_ns < what->entry.sent_ns ? what->entry.due_ns : what->entry.sent_ns;
	struct series_slot *slot = series_at(&tally->series, what->entry.sent_ns - tally->begin_ns);

	tally->returned++;
	tally->returned_bytes += arrival->length;
	tally->reordered += what->reordered;
	tally->ambiguous += what->ambiguous;
	histogram_add(&tally->latency, latency);
	histogram_add(&tally->corrected, latency + (what->entry.sent_ns - from));
	tag->returned++;
	tag->returned_bytes += arrival->length;
	histogram_add(&tag->latency, latency);
	slot->returned++;
	slot->returned_bytes += arrival->length;
	slot->latency_sum += latency;
	if (latency > slot->latency_max)
		slot->latency_max = latency;
}

static void take_arrival(struct sender *sender, const struct port_arrival *arrival)
{
	struct signature signature = {.run = sender->options.run};
	struct flight_return what;
	bool has =
	        sender->options.sign && signature_get(arrival->data, arrival->length, &signature);
	uint64_t key =
	        has ? signature_key(&signature) : identity_content(arrival->data, arrival->length);
	enum flight_fate fate = flight_return(&sender->flight, key, &what);

	if (sender->options.arrived)
		sender->options.arrived(sender->options.context, arrival, fate);
	if (fate == FLIGHT_FOREIGN)
		sender->tally->foreign += sender->measuring;
	else if (!sender->measuring || what.sequence < sender->measured_from)
		return; /* the warm-up's */
	else if (fate == FLIGHT_DUPLICATE)
		sender->tally->duplicates++;
	else
		count_returned(sender, arrival, &what);
}

static void listen_and_forget(struct sender *sender, uint64_t now)
{
	struct port_arrival arrivals[PORT_BURST];
	struct flight_entry lost;
	unsigned n = sender->back->receive(sender->back, arrivals);

	for (unsigned i = 0; i < n; i++)
		if (arrivals[i].length >= PORT_ETHERNET)
			take_arrival(sender, &arrivals[i]);
	if (now > sender->options.timeout_ns)
		while (flight_expire(&sender->flight, now - sender->options.timeout_ns, &lost))
			count_lost(sender, &lost);
	sender->tally->crowded = sender->flight.crowded;
}

static bool all_returned(const struct sender *sender)
{
	return sender->tally->returned >= sender->tally->sent;
}

/* Sending is over: wait for what is under way, then count the rest as lost. */
static void consider_end(struct sender *sender, uint64_t now)
{
	struct flight_entry lost;

	if (sender->state != SENDER_WAITING)
		return;
	/* Waiting may have begun behind `now`. A port that takes nothing any more ends it, too. */
	bool waits = (sender->pending_n && !sender->error) ||
	             (sender->options.listen && !all_returned(sender));
	if (waits && now < sender->waiting_since_ns + sender->options.timeout_ns)
		return;
	sender->tally->unsent = sender->pending_n;
	while (sender->options.listen && flight_expire(&sender->flight, UINT64_MAX, &lost))
		count_lost(sender, &lost);
	sender->state = SENDER_DONE;
}

static void rest(struct sender *sender)
{
	struct port *port = sender->port;
	bool due = sender->held && sender->state == SENDER_SENDING;

	if (sender->pending_n)
		return;
	if (port->doze && due && (!sender->options.listen || all_returned(sender)))
		port->doze(port, sender->due_ns);
	else if (port->idle && (due || sender->state == SENDER_WAITING))
		port->idle(port, due ? sender->due_ns : UINT64_MAX);
}

enum sender_state sender_step(struct sender *sender)
{
	uint64_t now = sender->port->now(sender->port);
	const char *broken = sender->port->broken ? sender->port->broken(sender->port) : NULL;

	if (broken && !sender->error)
		fail(sender, broken);
	consider_measuring(sender, now);
	if (sender->state == SENDER_SENDING)
		collect(sender, now);
	send_pending(sender);
	if (sender->options.listen)
		listen_and_forget(sender, now);
	consider_end(sender, now);
	if (sender->state != SENDER_DONE)
		rest(sender);
	return sender->state;
}
