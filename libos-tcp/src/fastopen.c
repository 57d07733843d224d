/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP Fast Open (RFC 7413): data with SYN, on the word of a cookie that the server gave out before.
 *
 * A server's cookie is a keyed hash of the two addresses, as Linux makes it, so that machines that
 * share a key share cookies. A SYN with a good one makes a connection at once: it stays in
 * SYN-RECEIVED with `fast` set, may be read and written, and repeats nothing but its SYN/ACK until
 * the peer has acknowledged that. So many may be in that state as listeners admit.
 *
 * A client remembers cookie and MSS of its last peers, and in which form a cookie was had in vain.
 * `fast` means in SYN-SENT that the SYN asked for or brought a cookie. What the peer did not take
 * of the data is simply sent: nothing in the stack took it for sent. SYN itself is repeated bare.
 *
 * Open or closed, `fast` tells that data came or went with SYN.
 */
#include "internal.h"

#include <exo/siphash.h>

enum { SYN_OPTIONS_MAX = 40 };

/* ---- The server's side ---- */

static void make_cookie(const uint64_t *key, const struct endpoints *at, uint8_t *to)
{
	uint8_t addresses[32];
	uint32_t each = at->remote.family == 6 ? 16 : 4;
	uint64_t hash;

	memcpy(addresses, at->remote.bytes, each);
	memcpy(addresses + each, at->local.bytes, each);
	hash = exo_siphash(key, addresses, (size_t)2 * each);
	for (unsigned i = 0; i < FAST_COOKIE; i++)
		to[i] = (uint8_t)(hash >> 8 * i);
}

static void give_cookie(const struct tcp_listener *listener, const struct endpoints *at,
                        struct fast_cookie *cookie)
{
	const uint64_t *key =
	        listener->fast_keys_n > 0 ? listener->fast_keys[0] : listener->stack->fast_key;

	cookie->size = FAST_COOKIE;
	make_cookie(key, at, cookie->bytes);
}

static bool matches(const struct fast_cookie *cookie, const uint64_t *key,
                    const struct endpoints *at)
{
	uint8_t wanted[FAST_COOKIE], differ = 0;

	make_cookie(key, at, wanted);
	for (unsigned i = 0; i < FAST_COOKIE; i++)
		differ |= (uint8_t)(wanted[i] ^ cookie->bytes[i]);
	return cookie->size == FAST_COOKIE && differ == 0;
}

enum verdict { COOKIE_BAD, COOKIE_GOOD, COOKIE_OLD };

static enum verdict judge(const struct tcp_listener *listener, const struct fast_cookie *cookie,
                          const struct endpoints *at)
{
	if (listener->fast_keys_n == 0)
		return matches(cookie, listener->stack->fast_key, at) ? COOKIE_GOOD : COOKIE_BAD;
	for (unsigned i = 0; i < listener->fast_keys_n; i++)
		if (matches(cookie, listener->fast_keys[i], at))
			return i == 0 ? COOKIE_GOOD : COOKIE_OLD;
	return COOKIE_BAD;
}

/* How many may be open by a cookie alone. */
static uint32_t queue_of(const struct tcp_listener *listener)
{
	bool all = listener->stack->config.fast_open & TCP_FAST_SERVER_ALL;

	return listener->fast_queue != 0 ? listener->fast_queue : all ? listener->backlog : 0;
}

static bool open_now(struct request *request, struct segment *segment)
{
	struct tcp_listener *listener = request->listener;
	struct tcp_stack *stack = listener->stack;
	struct tcp_conn *conn = conn_create(stack, &request->at, &listener->options);

	if (conn == NULL)
		return false;
	listen_adopt(conn, request);
	conn->fast = 1;
	conn->snd_small = conn->snd_una;
	conn->listener = listener;
	conn->waiting = conn->announce = 1;
	conn->segments_in = 1;
	conn->data_in = segment->size > 0;
	stack->fast_pending++;
	stack->count.opened_fast++;
	stack->count.opened_passive++;
	conn_enter(conn);
	lookup_insert(conn, lookup_hash(stack, &conn->at));
	window_begin(conn);
	congestion_init(conn);
	segment->seq++;
	segment->flags &= (uint8_t)~F_SYN;
	receive_data(conn, segment);
	conn->ack_pending = conn->ack_now = 0; /* SYN/ACK says it */
	conn->rcv_wup = conn->rcv_nxt;
	transmit_syn(conn);
	rtx_set(conn, RTX_TIMEOUT, stack->now + (uint64_t)conn->rto_us * NS_PER_US);
	conn_leave(conn);
	return true;
}

bool fastopen_try(struct request *request, struct segment *segment)
{
	const struct tcp_listener *listener = request->listener;
	const struct tcp_stack *stack = listener->stack;
	const struct options *options = &segment->options;
	bool asked = options->seen & O_FAST;
	enum verdict verdict;

	if (!(stack->config.fast_open & TCP_FAST_SERVER) || !(asked || segment->size > 0) ||
	    stack->fast_pending >= queue_of(listener))
		return false;
	if ((stack->config.fast_open & TCP_FAST_SERVER_COOKIELESS) ||
	    (listener->options.fast_open & TCP_FAST_COOKIELESS))
		return open_now(request, segment);
	if (!asked)
		return false;
	verdict = judge(listener, &options->fast, &request->at);
	request->fast = verdict != COOKIE_GOOD;
	request->fast_experimental = options->fast.experimental;
	return verdict != COOKIE_BAD && open_now(request, segment);
}

const struct fast_cookie *fastopen_answer(const struct request *request, struct fast_cookie *cookie)
{
	if (!request->fast || request->tries > 0 || request->again)
		return NULL;
	cookie->experimental = request->fast_experimental;
	give_cookie(request->listener, &request->at, cookie);
	return cookie;
}

bool fastopen_syn_again(struct tcp_conn *conn, const struct segment *segment)
{
	if ((segment->flags & (F_SYN | F_ACK | F_RST)) != F_SYN || segment->seq != conn->irs)
		return false;
	transmit_syn(conn);
	return true;
}

void fastopen_acked(struct tcp_conn *conn)
{
	conn->stack->fast_pending--;
	conn->fast = conn->bytes_received > 0;
	conn->state = conn->fin_queued ? TCP_STATE_FIN_WAIT_1 : TCP_STATE_ESTABLISHED;
	conn->last_ack_ms = conn->stack->ms;
	if (conn->retransmits > 0)
		rtt_set_rto(conn);
	conn->retransmits = conn->backoff = 0;
	conn->total_retrans = 0;
	rtx_stop(conn);
	rtx_arm(conn);
	keepalive_arm(conn, 0);
}

void fastopen_ended(struct tcp_conn *conn)
{
	if (is_fast_open(conn))
		conn->stack->fast_pending--;
	if (conn->state == TCP_STATE_SYN_SENT)
		conn->fast = 0;
}

static void read_key(const uint8_t bytes[16], uint64_t key[2])
{
	key[0] = key[1] = 0;
	for (unsigned i = 0; i < 16; i++)
		key[i / 8] |= (uint64_t)bytes[i] << 8 * (i % 8);
}

void fastopen_set_key(struct tcp_stack *stack)
{
	static const uint8_t name[] = "fast open";

	read_key(stack->config.fast_key, stack->fast_key);
	if ((stack->fast_key[0] | stack->fast_key[1]) != 0)
		return;
	stack->fast_key[0] = exo_siphash(stack->cookie_secret, name, sizeof(name));
	stack->fast_key[1] = exo_siphash(stack->cookie_secret, name, sizeof(name) - 1);
}

void tcp_listener_set_fast_queue(struct tcp_listener *listener, uint32_t n)
{
	listener->fast_queue = n;
}

int tcp_listener_set_fast_keys(struct tcp_listener *listener, const uint8_t (*keys)[16], unsigned n)
{
	if (n > TCP_FAST_KEYS_MAX)
		return -TCP_EINVAL;
	listener->fast_keys_n = (uint8_t)n;
	for (unsigned i = 0; i < n; i++)
		read_key(keys[i], listener->fast_keys[i]);
	return 0;
}

/* ---- The client's side ---- */

static struct fast_peer *find_peer(const struct tcp_stack *stack, const struct udp_ip *remote)
{
	for (unsigned i = 0; i < FAST_PEERS; i++)
		if (udp_ip_equal(&stack->fast_peers[i].remote, remote))
			return (struct fast_peer *)&stack->fast_peers[i];
	return NULL;
}

/* Its place, or that of the one who has been there for longest. */
static struct fast_peer *place_of(struct tcp_stack *stack, const struct udp_ip *remote)
{
	struct fast_peer *peer = find_peer(stack, remote);

	if (peer != NULL)
		return peer;
	peer = &stack->fast_peers[stack->fast_next++ % FAST_PEERS];
	*peer = (struct fast_peer){.remote = *remote};
	return peer;
}

static bool cookieless(const struct tcp_stack *stack, const struct tcp_options *options)
{
	return (options->fast_open & TCP_FAST_COOKIELESS) ||
	       (stack->config.fast_open & TCP_FAST_CLIENT_COOKIELESS);
}

bool tcp_fast_ready(const struct tcp_stack *stack, const struct tcp_options *options,
                    const struct udp_ip *remote)
{
	const struct fast_peer *peer = find_peer(stack, remote);

	return (stack->config.fast_open & TCP_FAST_CLIENT) &&
	       (cookieless(stack, options) || (peer != NULL && peer->cookie.size > 0));
}

void fastopen_begin(struct tcp_conn *conn, const void *data, uint32_t size, uint32_t *taken)
{
	struct tcp_stack *stack = conn->stack;
	const struct fast_peer *peer = find_peer(stack, &conn->at.remote);
	uint32_t mss = conn->snd_mss_max;
	int64_t n = 0;

	if (!(stack->config.fast_open & TCP_FAST_CLIENT) ||
	    !(conn->options.fast_open & (TCP_FAST_ASK | TCP_FAST_COOKIELESS)))
		return;
	conn->fast = 1;
	if (!tcp_fast_ready(stack, &conn->options, &conn->at.remote) || size == 0)
		return;
	if (peer != NULL && peer->mss > SYN_OPTIONS_MAX)
		mss = min_u32(mss, peer->mss);
	/* Room for options that the way may add (RFC 7413, 4.2.1, says why so much). */
	size = min_u32(size, mss - min_u32(mss, SYN_OPTIONS_MAX));
	conn->busy = 1;
	n = tcp_send_copy(conn, data, size, 0);
	conn->busy = 0;
	*taken = n > 0 ? (uint32_t)n : 0;
	conn->snd_nxt += chunks_bound(conn, conn->snd_nxt, *taken);
}

const struct fast_cookie *fastopen_ask(const struct tcp_conn *conn, struct fast_cookie *cookie)
{
	const struct fast_peer *peer = find_peer(conn->stack, &conn->at.remote);

	if (!conn->fast || conn->state != TCP_STATE_SYN_SENT || conn->retransmits > 0 ||
	    cookieless(conn->stack, &conn->options))
		return NULL;
	if (peer != NULL && peer->cookie.size > 0)
		return &peer->cookie;
	cookie->size = 0;
	cookie->experimental = peer != NULL && peer->form == FORM_EXPERIMENTAL;
	return cookie;
}

/* What the SYN/ACK tells for the next time. */
static void remember(struct tcp_conn *conn, const struct segment *segment)
{
	const struct options *options = &segment->options;
	struct fast_peer *peer = place_of(conn->stack, &conn->at.remote);
	bool sent = conn->snd_nxt != conn->iss + 1;

	peer->mss = options->seen & O_MSS ? options->mss : MSS_DEFAULT;
	if ((options->seen & O_FAST) && options->fast.size > 0) {
		peer->cookie = options->fast;
		peer->form = FORM_STANDARD;
	} else if (conn->total_retrans == 0 && !sent && peer->cookie.size == 0) {
		peer->form = peer->form == FORM_EXPERIMENTAL ? FORM_NEITHER : FORM_EXPERIMENTAL;
	}
}

/* What went with SYN and was not taken has been sent, and is lost, though not by congestion. Where
 * there is no room to note it, it is new. */
static void resend(struct tcp_conn *conn, uint32_t end)
{
	while (conn->snd_nxt != end) {
		uint32_t upto = conn->snd_nxt + min_u32(end - conn->snd_nxt, conn->mss);
		uint8_t flags = chunks_pushed(conn, upto) ? R_PUSH : 0;
		struct record *record = record_append(conn, upto, flags);

		if (record == NULL)
			break;
		record->sent_us = conn->syn_us;
		rate_sent(conn, record);
		record_time_append(conn, record);
		conn->snd_nxt = upto;
	}
	if (conn->act != NULL && conn->act->records != NULL)
		recovery_untaken(conn);
}

void fastopen_taken(struct tcp_conn *conn, uint32_t ack)
{
	uint32_t acked = ack - conn->iss - 1, end = conn->snd_nxt;

	conn->snd_una = conn->snd_nxt = ack;
	conn->bytes_acked += acked;
	conn->data_out += acked > 0;
	conn->chunk_next = conn->chunks;
	if (acked > 0)
		chunks_acked(conn);
	resend(conn, end);
}

void fastopen_opened(struct tcp_conn *conn, const struct segment *segment)
{
	if (!conn->fast)
		return;
	remember(conn, segment);
	conn->fast = conn->snd_nxt == segment->ack && segment->ack != conn->iss + 1;
	fastopen_taken(conn, segment->ack);
}

void fastopen_too_big(struct tcp_conn *conn)
{
	if (conn->snd_nxt == conn->iss + 1 || conn->retransmits > 0)
		return;
	conn->retransmits++;
	conn->total_retrans++;
	conn->stack->count.retransmits++;
	transmit_syn(conn);
	rtx_set(conn, RTX_TIMEOUT, conn->stack->now + (uint64_t)conn->rto_us * NS_PER_US);
}

void tcp_stack_fast_key(const struct tcp_stack *stack, uint8_t key[16])
{
	for (unsigned i = 0; i < 16; i++)
		key[i] = (uint8_t)(stack->fast_key[i / 8] >> 8 * (i % 8));
}
