/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The generator: sends the frames of a source through a port when they are due, and knows what
 * comes back. It is a state machine that the caller steps; all time comes from the port, so that it
 * runs in virtual time as well.
 *
 *   sender_open → sender_step until it says SENDER_DONE (sender_stop ends it early, with what was
 *   measured so far) → read `tally` → sender_close
 *
 * Two latencies are kept of each frame that returns: from its departure, and from the time at which
 * it was due. Where the sender itself fell behind, only the second shows what a client would have
 * waited (coordinated omission, Tene).
 */
#ifndef REPLAY_ENGINE_SENDER_H
#define REPLAY_ENGINE_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "flight.h"
#include "histogram.h"
#include "port.h"
#include "rewrite.h"
#include "schedule.h"
#include "series.h"
#include "source.h"

enum { SENDER_TAGS = 64 };

struct sender_options {
	struct schedule schedule;
	struct rewrite rewrite;
	uint64_t passes;      /* over the trace; 0: without end */
	uint64_t frames_max;  /* 0: no limit */
	uint64_t duration_ns; /* of measuring; 0: no limit */
	uint64_t warmup_ns;   /* sent before measuring begins */
	uint64_t timeout_ns;  /* a frame that has not returned by then is lost */
	uint32_t run;         /* of the signature */
	uint32_t flight_bits;
	bool listen; /* for what comes back, through `back` */
	bool sign;   /* payloads may be overwritten */

	/* Which of SENDER_TAGS a frame counts for; NULL: all for 0. */
	unsigned (*tag)(void *context, const uint8_t *frame, uint32_t length);
	/* Told of each measured departure, for a list of all; may be NULL. */
	void (*departed)(void *context, uint64_t number, uint64_t due_ns, uint64_t sent_ns);
	/* Told of each frame that arrives, for a capture; may be NULL. */
	void (*arrived)(void *context, const struct port_arrival *arrival, enum flight_fate fate);
	void *context;
};

/* What one binding or flow got. */
struct sender_tag {
	uint64_t sent, sent_bytes, returned, returned_bytes, lost;
	struct histogram latency;
};

struct sender_tally {
	uint64_t sent, sent_bytes, signed_frames;
	uint64_t returned, returned_bytes, lost, duplicates, reordered, ambiguous;
	uint64_t foreign;        /* arrived, and nothing like it was under way */
	uint64_t too_long;       /* left out: longer than the port sends, once it is rewritten */
	uint64_t too_long_first; /* the first one's number in the trace */
	uint64_t unsent;         /* were due, and the port took them no more */
	uint64_t crowded;        /* given up before their time: too many under way */
	uint64_t starved;        /* times that a frame was due and the trace's reader had none */
	uint64_t full;           /* times that the port had no room */
	uint64_t begin_ns;       /* of measuring */
	uint64_t last_sent_ns, span_ns;            /* span: from the first departure to the last */
	struct histogram latency, corrected, late; /* late: departure less deadline */
	struct series series;
	struct sender_tag tags[SENDER_TAGS];
};

enum sender_state { SENDER_SENDING, SENDER_WAITING, SENDER_DONE };

struct sender_pending {
	struct flight_entry entry;
	uint64_t number;
	uint32_t length;
};

struct sender {
	struct sender_options options;
	struct port *port, *back;
	struct source *source;
	struct flight flight;
	struct sender_tally *tally;
	enum sender_state state;

	uint64_t start_ns, measured_from; /* sequence number of the first frame measured */
	uint64_t pass, deadline_ns, waiting_since_ns;
	struct source_frame frame; /* the next one, if `held` */
	uint32_t length;           /* that it will have, rewritten */
	bool held, measuring;
	uint64_t due_ns; /* of the held frame */
	struct sender_pending pending[PORT_BURST];
	unsigned pending_n;
	const char *error; /* why it ended early, or NULL */
};

/* Measures into *tally, which is cleared. back: where frames return; may be port. 0 or -ENOMEM. */
int sender_open(struct sender *sender, const struct sender_options *options, struct port *port,
                struct port *back, struct source *source, struct sender_tally *tally);
void sender_close(struct sender *sender);

/* One round: send what is due, take what came. */
enum sender_state sender_step(struct sender *sender);

/* No more is sent; what is under way is waited for. */
void sender_stop(struct sender *sender);

#endif
