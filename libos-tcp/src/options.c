/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP options, read and written: maximum segment size (RFC 9293, 3.7.1), window scale and
 * timestamps (RFC 7323), SACK (RFC 2018). Order and padding of what goes out are those of Linux:
 * on a SYN MSS, SACK permitted, timestamps, NOP, window scale (two NOPs stand for what is missing
 * of the pair SACK permitted and timestamps), else NOP NOP timestamps, NOP NOP SACK.
 */
#include "internal.h"

enum {
	OPTIONS_MAX = 40,
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_SCALE = 3,
	OPT_SACK_OK = 4,
	OPT_SACK = 5,
	OPT_TIMESTAMPS = 8,
	OPT_SIGNATURE = 19, /* RFC 2385 */
	OPT_FAST = 34,
	OPT_EXPERIMENT = 254,
	EXPERIMENT_FAST = 0xf989, /* RFC 7413, appendix */
	OPT_SACK_BLOCK = 8,       /* bytes of a block */
	SYN_USUAL = 20,           /* bytes of all options of a SYN */
};

static void parse_sacks(struct options *options, const uint8_t *at, uint32_t size)
{
	uint32_t n = (size - 2) / OPT_SACK_BLOCK;

	if (size < 2 + OPT_SACK_BLOCK || (size - 2) % OPT_SACK_BLOCK != 0 || n > SACKS_MAX)
		return;
	for (uint32_t i = 0; i < n; i++) {
		options->sacks[i].start = wire_get32(at + 2 + (size_t)i * OPT_SACK_BLOCK);
		options->sacks[i].end = wire_get32(at + 6 + (size_t)i * OPT_SACK_BLOCK);
	}
	options->n_sacks = (uint8_t)n;
	options->seen |= O_SACK;
}

static void parse_fast(struct options *options, const uint8_t *at, uint32_t size, bool experiment)
{
	if (size % 2 != 0 || (size != 0 && (size < FAST_COOKIE_MIN || size > FAST_COOKIE_MAX)))
		return;
	options->seen |= O_FAST;
	options->fast.size = (uint8_t)size;
	options->fast.experimental = experiment;
	memcpy(options->fast.bytes, at, size);
}

/* Options that count in a SYN alone. */
static void parse_syn(struct options *options, uint8_t kind, const uint8_t *at, uint32_t size)
{
	if (kind == OPT_MSS && size == 4 && wire_get16(at + 2) != 0) {
		options->mss = wire_get16(at + 2);
		options->seen |= O_MSS;
	} else if (kind == OPT_SCALE && size == 3) {
		options->scale = at[2] < SCALE_MAX ? at[2] : SCALE_MAX;
		options->seen |= O_SCALE;
	} else if (kind == OPT_SACK_OK && size == 2) {
		options->seen |= O_SACK_OK;
	} else if (kind == OPT_FAST) {
		parse_fast(options, at + 2, size - 2, false);
	} else if (kind == OPT_EXPERIMENT && size >= 4 && wire_get16(at + 2) == EXPERIMENT_FAST) {
		parse_fast(options, at + 4, size - 4, true);
	}
}

static void parse_one(struct options *options, const uint8_t *at, uint32_t size, bool syn)
{
	uint8_t kind = at[0];

	if (kind == OPT_TIMESTAMPS && size == 10) {
		options->ts_value = wire_get32(at + 2);
		options->ts_echo = wire_get32(at + 6);
		options->seen |= O_TIMESTAMPS;
	} else if (kind == OPT_SACK && !syn) {
		parse_sacks(options, at, size);
	} else if (kind == OPT_SIGNATURE && size == 18) {
		options->seen |= O_SIGNED;
	} else if (syn) {
		parse_syn(options, kind, at, size);
	}
}

/* The SYN of Linux, and of whoever does as it does: all options, in the order in which we write
 * them. false: it is another. */
static bool parse_usual_syn(struct options *options, const uint8_t *at)
{
	if (wire_get16(at) != (OPT_MSS << 8 | 4) ||
	    wire_get32(at + 4) != (OPT_SACK_OK << 24 | 2 << 16 | OPT_TIMESTAMPS << 8 | 10) ||
	    wire_get16(at + 16) != (OPT_NOP << 8 | OPT_SCALE) || at[18] != 3)
		return false;
	options->mss = wire_get16(at + 2);
	options->ts_value = wire_get32(at + 8);
	options->ts_echo = wire_get32(at + 12);
	options->scale = at[19] < SCALE_MAX ? at[19] : SCALE_MAX;
	options->seen =
	        (uint8_t)(O_SACK_OK | O_TIMESTAMPS | O_SCALE | (options->mss != 0 ? O_MSS : 0));
	return true;
}

void options_parse(struct options *options, const uint8_t *at, const uint8_t *end, bool syn)
{
	options->seen = 0;
	options->n_sacks = 0;
	/* What nearly all segments have. */
	if (end - at == H_TIMESTAMPS && wire_get32(at) == TIMESTAMP_WORD) {
		parse_one(options, at + 2, 10, false);
		return;
	}
	if (syn && end - at == SYN_USUAL && parse_usual_syn(options, at))
		return;
	while (at < end && *at != OPT_END) {
		uint32_t size;

		if (*at == OPT_NOP) {
			at++;
			continue;
		}
		if (end - at < 2)
			return;
		size = at[1];
		if (size < 2 || size > (uint32_t)(end - at))
			return;
		parse_one(options, at, size, syn);
		at += size;
	}
}

static uint8_t *write_timestamps(uint8_t *at, uint32_t value, uint32_t echo)
{
	wire_put32(at, value);
	wire_put32(at + 4, echo);
	return at + 8;
}

static uint8_t *write_word(uint8_t *at, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	at[0] = a;
	at[1] = b;
	at[2] = c;
	at[3] = d;
	return at + 4;
}

static uint8_t *write_fast(uint8_t *at, const struct fast_cookie *cookie)
{
	uint32_t head = cookie->experimental ? 4 : 2, size = head + cookie->size;

	at[0] = cookie->experimental ? OPT_EXPERIMENT : OPT_FAST;
	at[1] = (uint8_t)size;
	if (cookie->experimental)
		wire_put16(at + 2, EXPERIMENT_FAST);
	memcpy(at + head, cookie->bytes, cookie->size);
	for (; size % 4 != 0; size++)
		at[size] = OPT_NOP;
	return at + size;
}

uint32_t options_write_syn(uint8_t *to, const struct syn_options *options)
{
	uint8_t *at =
	        write_word(to, OPT_MSS, 4, (uint8_t)(options->mss >> 8), (uint8_t)options->mss);

	if (options->timestamps) {
		at = options->sack ? write_word(at, OPT_SACK_OK, 2, OPT_TIMESTAMPS, 10)
		                   : write_word(at, OPT_NOP, OPT_NOP, OPT_TIMESTAMPS, 10);
		at = write_timestamps(at, options->ts_value, options->ts_echo);
	} else if (options->sack) {
		at = write_word(at, OPT_NOP, OPT_NOP, OPT_SACK_OK, 2);
	}
	if (options->scaling)
		at = write_word(at, OPT_NOP, OPT_SCALE, 3, options->scale);
	if (options->fast != NULL && at - to + 4u + options->fast->size <= OPTIONS_MAX)
		at = write_fast(at, options->fast);
	return (uint32_t)(at - to);
}

static uint8_t *write_sack(uint8_t *at, const struct range *range)
{
	wire_put32(at, range->start);
	wire_put32(at + 4, range->end);
	return at + OPT_SACK_BLOCK;
}

uint32_t options_write(struct tcp_conn *conn, uint8_t *to, uint32_t room)
{
	uint8_t *at = to;
	uint32_t n, i = 0;

	if (conn->timestamps) {
		at = write_word(at, OPT_NOP, OPT_NOP, OPT_TIMESTAMPS, 10);
		at = write_timestamps(at, timestamp_now(conn->stack, conn->ts_offset),
		                      conn->ts_recent);
	}
	if (likely(conn->n_sacks + conn->dsack == 0) || !conn->sack)
		return (uint32_t)(at - to);
	room -= (uint32_t)(at - to);
	n = room < 4 + OPT_SACK_BLOCK ? 0 : (room - 4) / OPT_SACK_BLOCK;
	n = min_u32(n, conn->n_sacks + (uint32_t)conn->dsack);
	if (n == 0)
		return (uint32_t)(at - to);
	at = write_word(at, OPT_NOP, OPT_NOP, OPT_SACK, (uint8_t)(2 + n * OPT_SACK_BLOCK));
	if (conn->dsack) {
		at = write_sack(at, &conn->act->dsack_range);
		conn->dsack = 0;
		n--;
	}
	for (; i < n; i++)
		at = write_sack(at, &conn->act->sacks[i]);
	return (uint32_t)(at - to);
}
