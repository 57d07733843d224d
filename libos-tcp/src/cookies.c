/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYN cookies (RFC 4987, 3.6): our initial sequence number tells all that we must know when the
 * peer's acknowledgement returns it.
 *
 *     bits 31…27   time, in units of 64 s, modulo 32
 *     bits 26…24   index of the peer's MSS, rounded down
 *     bits 23…0    SipHash of endpoints, the peer's sequence number, time and index
 *
 * What else a SYN says (window scale, SACK, ECN) stands in the lowest bits of our timestamp where
 * the peer sends timestamps; without them it is forgotten.
 *
 * The handler in front makes them, too (handlers/edge.h), of the MSS alone.
 */
#include <tcp/edge.h>

#include "internal.h"

enum {
	PERIOD_MS = EDGE_COOKIE_PERIOD_MS,
	AGE_MAX = 2,
	TIME_SHIFT = 27,
	INDEX_SHIFT = 24,
	MAC_MASK = 0xffffff
};

static const uint16_t sizes[8] = {MSS_MIN, 536, 1024, 1220, 1300, 1440, 1460, 8960};

static uint32_t mac(const struct tcp_stack *stack, const struct endpoints *at, uint32_t irs,
                    uint32_t period, uint32_t index)
{
	return (uint32_t)hash_endpoints(stack->cookie_secret, at,
	                                (uint64_t)irs << 32 | period << 3 | index) &
	       MAC_MASK;
}

uint32_t cookie_make(struct tcp_stack *stack, struct request *request)
{
	uint32_t period = stack->ms / PERIOD_MS, index = edge_cookie_index(request->mss);

	cookies_given(stack);
	return edge_cookie(period, index, mac(stack, &request->at, request->irs, period, index));
}

static void restore_options(struct tcp_stack *stack, const struct segment *segment,
                            struct request *request)
{
	uint32_t bits;

	if (!(segment->options.seen & O_TIMESTAMPS) || !stack->config.timestamps)
		return;
	bits = segment->options.ts_echo - request->ts_offset;
	request->timestamps = 1;
	request->ts_recent = segment->options.ts_value;
	request->scaling = stack->config.window_scaling && (bits & 15) != 15;
	request->scale = request->scaling ? (uint8_t)min_u32(bits & 15, SCALE_MAX) : 0;
	request->sack = stack->config.sack && (bits & 16);
	request->ecn = stack->config.ecn != TCP_ECN_OFF && (bits & 32);
}

void cookies_given(struct tcp_stack *stack)
{
	stack->cookies_used = true;
	stack->cookie_ms = stack->ms;
}

bool cookies_recent(const struct tcp_stack *stack)
{
	return stack->cookies_used && stack->ms - stack->cookie_ms <= AGE_MAX * PERIOD_MS;
}

bool cookie_check(struct tcp_stack *stack, const struct segment *segment,
                  const struct endpoints *at, struct request *request)
{
	uint32_t cookie = segment->ack - 1, irs = segment->seq - 1;
	uint32_t now = stack->ms / PERIOD_MS, age = (now - (cookie >> TIME_SHIFT)) & 31;
	uint32_t index = cookie >> INDEX_SHIFT & 7, headers;
	struct tcp_listener *listener;
	struct udp_ip local = at->local;
	uint32_t mtu;

	/* Who sent none lately believes none. */
	if (!cookies_recent(stack))
		return false;
	if (age >= AGE_MAX || (cookie & MAC_MASK) != mac(stack, at, irs, now - age, index)) {
		stack->count.cookies_bad++;
		return false;
	}
	mtu = stack->ops.path(stack->context, &at->remote, &local);
	headers = (at->remote.family == 6 ? IP6_SIZE : IP4_SIZE) + H_SIZE;
	listener = lookup_listener(stack, at);
	if (listener == NULL || mtu < headers + MSS_MIN)
		return false;
	*request = (struct request){.at = *at,
	                            .listener = listener,
	                            .iss = cookie,
	                            .irs = irs,
	                            .mss = sizes[index],
	                            .cookie = 1,
	                            .loose = 1,
	                            .path_mtu = (uint16_t)min_u32(mtu, 65535),
	                            .window = segment->window,
	                            .sent_us = stack->us};
	request->ts_offset = timestamp_offset(stack, at);
	request->advertised_mss = (uint16_t)(min_u32(mtu, 65535) - headers);
	restore_options(stack, segment, request);
	window_initial(stack, &listener->options,
	               request->advertised_mss - (request->timestamps ? H_TIMESTAMPS : 0u),
	               &request->rcv_wnd, &request->rcv_scale);
	if (!request->scaling)
		request->rcv_scale = 0;
	return true;
}
