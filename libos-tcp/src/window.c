/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receive window: what to begin with, what to offer, how it grows. As in Linux the receive
 * buffer counts memory, of which half is offered; the offer rises with what arrives (a slow start
 * of the receiver), and the buffer itself grows when the application reads more than it holds in a
 * round trip (dynamic right-sizing: Fisk and Feng, 2001). The window's right edge never moves back
 * (RFC 9293, 3.8.6), and small steps are not told (3.8.6.2.2).
 *
 * A buffer is a number only: segments lie where they came, each in a place of the stack's pool. So
 * nobody is offered more than half of the places that are left would hold: the other half is for
 * who was offered as much at the same time. What would find no place would be lost though it was
 * asked for, and a peer without SACK would have to wait for its timer.
 */
#include "internal.h"

enum {
	LARGE_SHIFT = 15,
	INITIAL_SEGMENTS = 10,
	LEAST_SEGMENTS = 4, /* offered whoever holds the places: nobody is shut out by others */
};

static uint32_t log2_of(uint32_t value)
{
	return value == 0 ? 0 : 31 - (uint32_t)__builtin_clz(value);
}

/* Bytes that one connection may have of so many free places. */
static uint64_t places_hold(uint32_t places, uint32_t mss)
{
	return (uint64_t)max_u32(places / 2, LEAST_SEGMENTS) * mss;
}

void window_initial(const struct tcp_stack *stack, const struct tcp_options *options, uint32_t mss,
                    uint32_t *window, uint8_t *scale)
{
	const struct tcp_config *config = &stack->config;
	uint32_t buffer =
	        options->receive_buffer != 0 ? options->receive_buffer : config->receive_buffer;
	uint32_t space = buffer / 2, most = space, shift;

	if (options->window_clamp != 0)
		space = min_u32(space, options->window_clamp);
	if (mss > 0)
		space = (uint32_t)min_u64(space, places_hold(config->arrivals, mss));
	if (space > mss && mss > 0)
		space = space / mss * mss;
	*window = min_u32(space, WINDOW_MAX);
	if (options->receive_buffer == 0)
		most = max_u32(space, config->receive_buffer_max);
	if (options->window_clamp != 0)
		most = min_u32(most, options->window_clamp);
	shift = log2_of(most);
	shift = shift > LARGE_SHIFT ? shift - LARGE_SHIFT : 0;
	*scale = (uint8_t)(config->window_scaling ? min_u32(shift, SCALE_MAX) : 0);
}

static uint32_t used_space(const struct tcp_conn *conn)
{
	return conn->rcv_nxt - conn->rcv_read + conn->act->held;
}

/* What it holds, and what is there for it besides. */
static uint32_t full_space(const struct tcp_conn *conn)
{
	const struct pool *places = &conn->stack->arrival_pool;
	uint32_t used = used_space(conn), left = (places->max - places->used) / 2;

	if (used == 0)
		left = max_u32(left, LEAST_SEGMENTS);
	return (uint32_t)min_u64(conn->rcv_buffer / 2, used + (uint64_t)left * conn->rcv_mss);
}

static void set_clamp(struct tcp_conn *conn)
{
	conn->window_clamp = conn->rcv_buffer / 2;
	if (conn->options.window_clamp != 0)
		conn->window_clamp = min_u32(conn->window_clamp, conn->options.window_clamp);
}

/* As in Linux, the last segment of room stays free until the buffer grows. */
static void reserve_segment(struct tcp_conn *conn)
{
	uint32_t mss = conn->advertised_mss, all = conn->rcv_buffer / 2;

	if (conn->timestamps && !conn->passive)
		mss -= H_TIMESTAMPS;
	if (conn->window_clamp > 2 * mss && conn->window_clamp + mss > all)
		conn->window_clamp = max_u32(2 * mss, all - mss);
}

void window_begin(struct tcp_conn *conn)
{
	const struct tcp_options *options = &conn->options;

	conn->rcv_buffer = options->receive_buffer != 0 ? options->receive_buffer
	                                                : conn->stack->config.receive_buffer;
	set_clamp(conn);
	reserve_segment(conn);
	conn->rcv_ssthresh = min_u32(conn->rcv_wnd, conn->window_clamp);
	conn->tune_space = min_u32(conn->rcv_wnd, INITIAL_SEGMENTS * receive_most(conn));
	conn->tune_read = conn->rcv_read;
	conn->tune_us = conn->stack->us;
}

uint32_t window_space(const struct tcp_conn *conn)
{
	uint32_t used = used_space(conn), all = full_space(conn);

	return used < all ? all - used : 0;
}

static uint32_t round_up(uint32_t value, uint8_t scale)
{
	uint32_t step = 1u << scale;

	return (value + step - 1) & ~(step - 1);
}

uint32_t window_next(struct tcp_conn *conn)
{
	uint32_t all = full_space(conn), full = min_u32(conn->window_clamp, all);
	uint32_t space = window_space(conn), mss = min_u32(conn->rcv_mss, full), window;

	if (space < full / 2) {
		space = space >> conn->rcv_scale << conn->rcv_scale;
		if (space < all / 16 || space < mss)
			return 0;
	}
	space = min_u32(space, conn->rcv_ssthresh);
	if (conn->rcv_scale > 0)
		return round_up(space, conn->rcv_scale);
	window = conn->rcv_wnd;
	if (window > space || (space >= mss && window <= space - mss))
		return mss > 0 ? space / mss * mss : space;
	if (mss == full && space > window + full / 2)
		return space;
	return window;
}

uint16_t window_select(struct tcp_conn *conn)
{
	uint32_t window = is_synchronised(conn) ? window_next(conn) : conn->rcv_wnd;
	uint32_t left = offered_window(conn);

	if (window < left)
		window = round_up(left, conn->rcv_scale);
	conn->rcv_wnd = window;
	conn->rcv_wup = conn->rcv_nxt;
	return (uint16_t)min_u32(window >> conn->rcv_scale, WINDOW_MAX);
}

void window_grow(struct tcp_conn *conn, uint32_t size)
{
	uint32_t most = min_u32(conn->window_clamp, window_space(conn));

	if (most > conn->rcv_ssthresh)
		conn->rcv_ssthresh +=
		        min_u32(most - conn->rcv_ssthresh, 2u * max_u32(receive_most(conn), size));
}

/* ---- Right-sizing ---- */

static void note_rtt(struct tcp_conn *conn, uint32_t us)
{
	if (us == 0)
		us = 1;
	if (conn->rcv_rtt_us == 0 || us < conn->rcv_rtt_us)
		conn->rcv_rtt_us = us;
	else
		conn->rcv_rtt_us += (us - conn->rcv_rtt_us) >> 3;
}

/* The receiver's view of the round trip: by echoed timestamps, else how long a window takes. */
void window_measure_rtt(struct tcp_conn *conn, const struct segment *segment)
{
	uint32_t us = conn->stack->us, ms;

	if (conn->stack->seen_echo != 0) {
		if (conn->stack->seen_echo == conn->rcv_rtt_echo || segment->size < conn->rcv_mss)
			return;
		conn->rcv_rtt_echo = conn->stack->seen_echo;
		ms = timestamp_now(conn->stack, conn->ts_offset) - conn->stack->seen_echo;
		if (ms < 1u << 20)
			note_rtt(conn, max_u32(ms, 1) * 1000);
		return;
	}
	if (conn->rcv_rtt_at_us != 0 && seq_lt(conn->rcv_nxt, conn->rcv_rtt_seq))
		return;
	if (conn->rcv_rtt_at_us != 0)
		note_rtt(conn, us - conn->rcv_rtt_at_us);
	conn->rcv_rtt_seq = conn->rcv_nxt + conn->rcv_wnd;
	conn->rcv_rtt_at_us = us | 1;
}

static void enlarge(struct tcp_conn *conn, uint32_t copied)
{
	const struct tcp_config *config = &conn->stack->config;
	uint64_t window = 2ull * copied + 16ull * conn->advertised_mss;
	uint64_t buffer;

	window += 2 * (window * (copied - conn->tune_space) / max_u32(conn->tune_space, 1));
	buffer = min_u64(2 * window, config->receive_buffer_max);
	if (buffer > conn->rcv_buffer) {
		conn->rcv_buffer = (uint32_t)buffer;
		set_clamp(conn);
	}
}

void window_tune(struct tcp_conn *conn)
{
	uint32_t us = conn->stack->us, copied;

	if (conn->rcv_rtt_us == 0 || us - conn->tune_us < conn->rcv_rtt_us)
		return;
	copied = conn->rcv_read - conn->tune_read;
	if (copied > conn->tune_space) {
		if (conn->options.receive_buffer == 0)
			enlarge(conn, copied);
		conn->tune_space = copied;
	}
	conn->tune_read = conn->rcv_read;
	conn->tune_us = us;
}
