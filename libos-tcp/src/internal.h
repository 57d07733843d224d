/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the stack's files share: its state, and one section of prototypes for each file. A segment
 * goes
 *
 *     up:    input.c → lookup.c → (fast path) ack.c, receive.c
 *                               → state.c → ack.c (→ sack.c, rack.c, recovery.c, rate.c,
 *                                                  congestion.c)
 *                                         → receive.c (→ reassembly.c)
 *                               → listen.c (→ cookies.c), timewait.c: what has no connection
 *     down:  send.c → output.c (→ records.c) → transmit.c → ops.output
 *     later: wheel.c → timers.c
 *
 * Whatever happens to a connection happens between conn_enter and conn_leave; the latter tells the
 * application, sends what became possible, and frees the connection if it is over.
 *
 * Units: names that end in _us are microseconds modulo 2^32, in _ms milliseconds modulo 2^32;
 * deadlines are nanoseconds of the stack's clock in 64 bits, 0 where nothing is due.
 */
#ifndef TCP_INTERNAL_H
#define TCP_INTERNAL_H

#include "types.h"

/* ---- stack.c ---- */

void *pool_get(struct pool *pool);
void pool_put(struct pool *pool, void *element);
/* Whether one more event of its kind may happen in this second. */
bool limiter_allows(struct tcp_stack *stack, struct limiter *limiter, uint32_t rate);

/* ---- hash.c ---- */

/* SipHash-2-4 (Aumasson and Bernstein, 2012) of the endpoints and a number. */
uint64_t hash_endpoints(const uint64_t *key, const struct endpoints *at, uint64_t number);
/* The same without ports. */
uint64_t hash_addresses(const uint64_t *key, const struct endpoints *at);
/* Initial sequence number (RFC 6528). */
uint32_t isn_choose(struct tcp_stack *stack, const struct endpoints *at);
/* What our timestamps begin at towards that peer (RFC 7323, 5.4). */
uint32_t timestamp_offset(struct tcp_stack *stack, const struct endpoints *at);

/* ---- lookup.c ---- */

static inline uint64_t lookup_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint32_t lookup_word(const void *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof word);
	return word;
}

/* lookup_hash of IPv4's: addresses as they lie in memory; the remote port above the local one. */
static inline uint32_t lookup_hash4(const struct tcp_stack *stack, uint32_t remote, uint32_t local,
                                    uint32_t ports)
{
	return (uint32_t)lookup_fold(((uint64_t)local << 32 | remote) ^ stack->lookup_secret[0],
	                             ports ^ stack->lookup_secret[1]);
}

uint32_t lookup_hash(const struct tcp_stack *stack, const struct endpoints *at);
struct tcp_conn *lookup_conn(struct tcp_stack *stack, const struct endpoints *at, uint32_t hash);
void lookup_insert(struct tcp_conn *conn, uint32_t hash);
void lookup_remove(struct tcp_conn *conn);
/* The same where something else takes over that we have to do with its ends (edge_hold). */
void lookup_unlink(struct tcp_conn *conn);
struct request *lookup_request(struct tcp_stack *stack, const struct endpoints *at, uint32_t hash);
struct timewait *lookup_timewait(struct tcp_stack *stack, const struct endpoints *at,
                                 uint32_t hash);
/* The listener for what arrives at `at->local`. */
struct tcp_listener *lookup_listener(struct tcp_stack *stack, const struct endpoints *at);
/* Chooses an ephemeral port (RFC 6056, 3.3.4). 0 or -TCP_ENOSPC. */
int lookup_port(struct tcp_stack *stack, struct endpoints *at);
/* Whether these endpoints are somebody's; those in TIME-WAIT that may be recycled are not. */
bool lookup_taken(struct tcp_stack *stack, const struct endpoints *at);

/* ---- wheel.c ---- */

void wheel_init(struct wheel *wheel, uint64_t now);
void wheel_add(struct wheel *wheel, struct timer *timer, uint64_t expires);
void wheel_remove(struct wheel *wheel, struct timer *timer);
/* Takes a timer out that is due; NULL: none. */
struct timer *wheel_due(struct wheel *wheel, uint64_t now);
uint64_t wheel_deadline(const struct wheel *wheel);

/* ---- options.c ---- */

/* Reads the options between `at` and `end`. Untrusted: what makes no sense is ignored. */
void options_parse(struct options *options, const uint8_t *at, const uint8_t *end, bool syn);
/* What a SYN or SYN/ACK offers. */
struct syn_options {
	uint16_t mss;
	bool timestamps, sack, scaling;
	uint8_t scale;
	uint32_t ts_value, ts_echo;
	const struct fast_cookie *fast; /* NULL: none */
};

/* Writes them in Linux's order and padding. → bytes. */
uint32_t options_write_syn(uint8_t *at, const struct syn_options *options);
/* Those of all other segments: timestamps, and SACK blocks as far as `room` goes. → bytes. */
uint32_t options_write(struct tcp_conn *conn, uint8_t *at, uint32_t room);

/* ---- transmit.c ---- */

/* Sends the bytes of a record, for the first time or again; at most `most` of them. */
void transmit_record(struct tcp_conn *conn, struct record *record, uint32_t most);
/* The same of a record that is one chunk, for the first time. */
void transmit_single(struct tcp_conn *conn, const struct record *record, struct tcp_chunk *chunk);
/* A segment without data. */
void transmit_flags(struct tcp_conn *conn, uint32_t seq, uint8_t flags);
void transmit_ack(struct tcp_conn *conn);
void transmit_syn(struct tcp_conn *conn);
void transmit_syn_ack(struct tcp_stack *stack, struct request *request);
/* One byte below the window, or none, that asks for an answer. */
void transmit_probe(struct tcp_conn *conn);
void transmit_reset(struct tcp_conn *conn);
/* The reset that answers `segment`, which belongs to nobody (RFC 9293, 3.10.7.1). */
void transmit_refusal(struct tcp_stack *stack, const struct segment *segment);
/* An acknowledgement of no connection: TIME-WAIT, SYN-RECEIVED. */
struct bare_ack {
	const struct endpoints *at;
	uint32_t seq, ack, window, ts_value, ts_echo;
	bool timestamps;
	uint8_t tos;
	uint64_t route;
};
void transmit_bare(struct tcp_stack *stack, const struct bare_ack *bare);
/* A challenge ACK (RFC 5961, 7), if not too many left lately. */
void transmit_challenge(struct tcp_conn *conn);

/* ---- busy.c ---- */

void busy_begin_kept(const struct tcp_conn *conn, enum busy_with with);
void busy_end_kept(const struct tcp_conn *conn, enum busy_with with);
/* For so long, in all. */
uint64_t busy_us(const struct tcp_conn *conn, enum busy_with with);

/* What is kept beside a connection; only where that is configured. */
static inline struct busy *busy_of(const struct tcp_conn *conn)
{
	return &conn->stack->busies[conn - conn->stack->conn_memory];
}

/* This keeps it from now on; no longer. */
static inline void busy_begin(const struct tcp_conn *conn, enum busy_with with)
{
	if (unlikely(conn->stack->busies != NULL))
		busy_begin_kept(conn, with);
}

static inline void busy_end(const struct tcp_conn *conn, enum busy_with with)
{
	if (unlikely(conn->stack->busies != NULL))
		busy_end_kept(conn, with);
}

/* ---- output.c ---- */

/* Payload bytes of a segment at most: a small window is not filled at once (RFC 9293, 3.8.6.2.1,
 * (3)). */
uint32_t output_limit(const struct tcp_conn *conn);
/* The same where selective acknowledgements take their share, while there are any to tell. */
uint32_t output_whole(const struct tcp_conn *conn);
/* Sends what may be sent of what was never sent; arms timers. */
void output_push(struct tcp_conn *conn);
/* The next segment of new data, whatever the congestion window and Nagle's algorithm say. false:
 * the peer's window or the queue has none. */
bool output_probe_new(struct tcp_conn *conn);
/* Sends what fits a window that is too small for a segment. false: nothing does. */
bool output_wake(struct tcp_conn *conn);
/* MSS by what is known of the path. */
void output_set_mtu(struct tcp_conn *conn, uint32_t mtu);

/* ---- retransmit.c ---- */

/* Sends one record again, because it is lost; or only as a probe, which counts for nothing as long
 * as nobody knows. false: it could not. */
bool retransmit_probe(struct tcp_conn *conn, struct record *record);
bool retransmit_record(struct tcp_conn *conn, struct record *record);
/* Sends again what is marked lost, as far as the congestion window goes. */
void retransmit_lost(struct tcp_conn *conn);

/* ---- records.c ---- */

struct record *record_append(struct tcp_conn *conn, uint32_t end, uint8_t flags);
/* One of one segment that leaves now, where nothing is in flight; timed, too. */
struct record *record_append_single(struct tcp_conn *conn, uint32_t end, uint8_t flags);
void record_remove(struct tcp_conn *conn, struct record *record);
/* The same of the only one in flight. */
void record_remove_single(struct tcp_conn *conn, struct record *record);
/* Cuts a record so that its first part has `size` bytes. false: no record left. */
bool record_split(struct tcp_conn *conn, struct record *record, uint32_t size);
/* Makes it and the next, which are one segment together, one record, about to be sent again. */
void record_join(struct tcp_conn *conn, struct record *record);
void record_time_append(struct tcp_conn *conn, struct record *record);
/* Where its time of transmission belongs. */
void record_time_insert(struct tcp_conn *conn, struct record *record);
void record_time_remove(struct tcp_conn *conn, struct record *record);
void record_mark_lost(struct tcp_conn *conn, struct record *record);
/* Counts its segments anew after its size or the MSS changed. */
void record_recount(struct tcp_conn *conn, struct record *record);
/* Without SACK: segments counted by duplicates can't be more than those not known to be lost. */
void record_limit_duplicates(struct tcp_conn *conn);
void record_drop_all(struct tcp_conn *conn);

/* ---- send.c ---- */

/* The payload [seq, seq + size) in pieces. → how many bytes they cover. */
uint32_t chunks_gather(struct tcp_conn *conn, uint32_t seq, uint32_t size, struct tcp_piece *pieces,
                       uint8_t *n);
/* How many of the `size` bytes from `seq` on fit the pieces of one packet. */
uint32_t chunks_bound(struct tcp_conn *conn, uint32_t seq, uint32_t size);
/* The application announced that more follows: no partial segment now. */
bool chunks_held_back(const struct tcp_conn *conn);
/* Whether a segment that ends at `end` ends what the application pushed. */
bool chunks_pushed(struct tcp_conn *conn, uint32_t end);
/* A pool was empty: the connection hears of it when something comes back. */
void starve(struct tcp_conn *conn);
void starve_forget(struct tcp_conn *conn);
/* Tells those that wait. */
void starve_feed(struct tcp_stack *stack);
/* Lets go of what is acknowledged. */
void chunks_acked(struct tcp_conn *conn);
void chunks_drop_all(struct tcp_conn *conn);

/* ---- ack.c ---- */

/* An acceptable segment's acknowledgement. 0; -1: it acknowledges what was never sent, or is too
 * old. `challenge`: answer the latter. */
int ack_input(struct tcp_conn *conn, const struct segment *segment, bool challenge);
/* Whether a segment that acknowledges nothing new tells of another window. */
bool ack_updates_window(const struct tcp_conn *conn, const struct segment *segment);

/* ---- sack.c ---- */

void sack_input(struct tcp_conn *conn, const struct segment *segment, struct ack *ack);
/* Nothing is in flight: whether the first block tells of a duplicate, which is noted. */
bool sack_late_duplicate(struct tcp_conn *conn, const struct segment *segment, struct ack *ack);
/* Notes that [start, end) was received out of order (RFC 2018, 4). */
void sack_note(struct tcp_conn *conn, uint32_t start, uint32_t end);
/* Forgets what rcv_nxt has passed. */
void sack_forget(struct tcp_conn *conn);
/* Notes that [start, end) was received twice (RFC 2883). */
void sack_note_duplicate(struct tcp_conn *conn, uint32_t start, uint32_t end);
/* More of the same segment is. */
void sack_extend_duplicate(struct tcp_conn *conn, uint32_t start, uint32_t end);
/* Reordering of so many segments was seen. */
void sack_reordering(struct tcp_conn *conn, uint32_t low, struct ack *ack);

/* ---- rack.c (RFC 8985) ---- */

void rack_advance(struct tcp_conn *conn, const struct record *record, uint32_t now_us);
void rack_update_window(struct tcp_conn *conn, const struct ack *ack);
/* Marks what is lost. true: something must still be waited for, and the timer was set. */
bool rack_detect(struct tcp_conn *conn);
/* Microseconds until a record counts as lost; not above 0: it is. */
int32_t rack_remaining(const struct tcp_conn *conn, const struct record *record, uint32_t window);
uint32_t rack_reorder_window(const struct tcp_conn *conn);
void rack_timer(struct tcp_conn *conn);
/* `advancing`: an acknowledgement lets the timeout begin anew, too. */
bool tlp_arm(struct tcp_conn *conn, bool advancing);
void tlp_timer(struct tcp_conn *conn);
void tlp_ack(struct tcp_conn *conn, uint32_t seq_acked, struct ack *ack);

/* ---- recovery.c, undo.c ---- */

/* Without SACK duplicates can't tell of more than is in flight, holes left out: where they do, the
 * network reorders, by as many segments as are in flight or just were. */
void recovery_limit_duplicates(struct tcp_conn *conn, uint32_t acked);
enum recovery_send { SEND_NONE = 0, SEND_LOST = 1, SEND_NEW = 2 };

void recovery_alert(struct tcp_conn *conn, struct ack *ack, enum recovery_send *send);
/* A retransmission timeout: everything is lost. */
void recovery_enter_loss(struct tcp_conn *conn);
void recovery_enter_cwr(struct tcp_conn *conn);
void recovery_enter(struct tcp_conn *conn, bool ece);
/* PRR (RFC 6937). */
void recovery_reduce(struct tcp_conn *conn, uint32_t delivered, uint32_t lost, uint32_t flags);
void recovery_init_reduction(struct tcp_conn *conn);
void recovery_set_state(struct tcp_conn *conn, uint8_t state);
void recovery_end_reduction(struct tcp_conn *conn);
void recovery_keep_open(struct tcp_conn *conn);
/* Loss without congestion: sends again what the path can't take any more (RFC 1191). */
void recovery_simple(struct tcp_conn *conn);
/* The same for all that is in flight. */
void recovery_untaken(struct tcp_conn *conn);
bool undo_loss(struct tcp_conn *conn, bool frto);
bool undo_recovery(struct tcp_conn *conn);
bool undo_partial(struct tcp_conn *conn, struct ack *ack);
bool undo_dsack(struct tcp_conn *conn);
void undo_init(struct tcp_conn *conn);
void undo_check_reneging(struct tcp_conn *conn, uint32_t flags);
bool any_retransmitted(const struct tcp_conn *conn);

/* ---- rtt.c ---- */

/* `least_us`: what the last segment that is acknowledged took, which was delayed least. */
void rtt_sample(struct tcp_conn *conn, uint32_t rtt_us, uint32_t least_us);
void rtt_set_rto(struct tcp_conn *conn);
/* Arms the retransmission timer, or the tail loss probe's. */
void rtx_arm(struct tcp_conn *conn);
/* The peer has thrown away what it had acknowledged selectively: a short timeout, for it may only
 * have told its story out of order. */
void rtx_renege(struct tcp_conn *conn);
void rtx_set(struct tcp_conn *conn, enum retransmit_timer kind, uint64_t at);
void rtx_stop(struct tcp_conn *conn);

/* ---- rate.c ---- */

void rate_sent(struct tcp_conn *conn, struct record *record);
/* The same of the only one in flight. */
void rate_sent_single(struct tcp_conn *conn, struct record *record);
void rate_delivered(struct tcp_conn *conn, const struct record *record, struct sample *sample);
void rate_finish(struct tcp_conn *conn, struct ack *ack);
/* All of it for the only record in flight, which is delivered now. */
void rate_single(struct tcp_conn *conn, const struct record *record);
/* The application has more to send: samples say nothing of the path up to here where all that it
 * had before is on its way. */
void rate_check_limited(struct tcp_conn *conn);

/* ---- congestion.c, newreno.c, cubic.c, bbr.c ---- */

extern const struct congestion congestion_newreno, congestion_cubic, congestion_bbr;
const struct congestion *congestion_of(const struct tcp_conn *conn);
void congestion_init(struct tcp_conn *conn);
/* Ends an acknowledgement: cwnd grows or shrinks. */
void congestion_control(struct tcp_conn *conn, struct ack *ack);
/* Slow start; → what is left of `acked` for congestion avoidance. */
uint32_t congestion_slow_start(struct tcp_conn *conn, uint32_t acked);
/* Grows by one segment for each `per` acknowledged. */
void congestion_additive(struct tcp_conn *conn, uint32_t per, uint32_t acked);
void congestion_validate(struct tcp_conn *conn, bool limited);
bool congestion_limited(const struct tcp_conn *conn);
void congestion_restart(struct tcp_conn *conn);
/* Bytes a second that it paces at, or would; 0: not known yet. */
uint64_t congestion_pacing(const struct tcp_conn *conn);
uint32_t newreno_ssthresh(struct tcp_conn *conn);
uint32_t newreno_undo(struct tcp_conn *conn);

/* ---- window.c, delay.c ---- */

/* Sizes that a new connection begins with: window and scale to offer (as Linux does). */
void window_initial(const struct tcp_stack *stack, const struct tcp_options *options, uint32_t mss,
                    uint32_t *window, uint8_t *scale);
void window_begin(struct tcp_conn *conn);
/* The window to offer now, from which rcv_wnd is set; → header field. */
uint16_t window_select(struct tcp_conn *conn);
uint32_t window_next(struct tcp_conn *conn);
uint32_t window_space(const struct tcp_conn *conn);
void window_grow(struct tcp_conn *conn, uint32_t size);
/* The application has read. */
void window_tune(struct tcp_conn *conn);
void window_measure_rtt(struct tcp_conn *conn, const struct segment *segment);

/* Data came: how soon to acknowledge. */
void delay_received(struct tcp_conn *conn, const struct segment *segment);
/* Data came out of order: to be acknowledged at once, and no sign of a pace. */
void delay_early(struct tcp_conn *conn, const struct segment *segment);
/* SYN/ACK has come: its acknowledgement waits, for 200 ms at most. */
void delay_opening(struct tcp_conn *conn);
/* Decides: now, or the timer. `ordered`: nothing is missing. */
void delay_check(struct tcp_conn *conn);
void delay_quick(struct tcp_conn *conn, uint32_t max);
void delay_enter_quick(struct tcp_conn *conn, uint32_t max);
void delay_sent(struct tcp_conn *conn);
void delay_timer(struct tcp_conn *conn);
/* The application chooses: answers follow what it reads, or not. */
void delay_choose(struct tcp_conn *conn, bool interactive);
void delay_read(struct tcp_conn *conn, uint32_t bytes);

/* ---- receive.c, reassembly.c ---- */

/* The payload and FIN of an acceptable segment. */
void receive_data(struct tcp_conn *conn, struct segment *segment);
/* Payload that is exactly next. false: no place. */
bool receive_append(struct tcp_conn *conn, struct segment *segment, uint32_t skip);
/* All that waits, of a connection that is about to be forgotten. */
void receive_drop_all(struct tcp_conn *conn);
void receive_fin(struct tcp_conn *conn);
void receive_free(struct tcp_stack *stack, struct arrival *arrival);
void early_add(struct tcp_conn *conn, struct segment *segment, uint32_t skip);
void early_advance(struct tcp_conn *conn);

/* ---- state.c ---- */

/* Everything that header prediction does not take (RFC 9293, 3.10.7). */
void state_input(struct tcp_conn *conn, struct segment *segment);
/* The same of the first segment of a connection that a listener made. */
void state_first(struct tcp_conn *conn, struct segment *segment);
/* What the peer's SYN said; which options both have is in the connection already. */
void state_adopt(struct tcp_conn *conn, uint32_t mss, uint8_t scale, uint32_t stamp);
void state_established(struct tcp_conn *conn);
/* What follows if our FIN is acknowledged. true: the connection goes on. */
bool state_acked_fin(struct tcp_conn *conn, const struct segment *segment);

/* ---- listen.c, cookies.c, timewait.c ---- */

void listen_syn(struct tcp_listener *listener, struct segment *segment, const struct endpoints *at,
                uint32_t hash, const uint32_t *iss);
/* A segment for a half-open connection. */
void listen_request(struct request *request, struct segment *segment, uint32_t hash);
void listen_timer(struct request *request);
/* Makes the connection of who has acknowledged and says nothing. false: who has not, or there is no
 * place. */
bool listen_silent(struct request *request);
/* The first timeouts that are due. */
void listen_run(struct tcp_stack *stack);
/* A request of which nothing is known but its ends, and how much a segment may have between them.
 * false: there is no way back to the peer. */
bool listen_begin(struct tcp_listener *listener, struct request *request,
                  const struct endpoints *at);
/* What to believe of an MSS; 0: the peer has said none. */
uint16_t listen_mss(uint16_t said);
/* Puts it into the table; then its answer has to be waited for. */
void listen_insert(struct request *request, uint32_t hash);
void listen_schedule(struct request *request);
/* Whether a connection can be made for this listener. */
bool listen_has_place(const struct tcp_listener *listener);
/* Whether the listener need not hear of it before its data. */
bool listen_may_wait(const struct request *request);
void listen_forget(struct request *request);
/* What the request knows goes into the connection that it becomes. */
void listen_adopt(struct tcp_conn *conn, const struct request *request);
/* Makes a full connection of a request and lets it take the segment. */
void listen_complete(struct request *request, struct segment *segment);
/* A connection of this listener is established. */
void listen_ready(struct tcp_conn *conn);

/* One has gone out. */
void cookies_given(struct tcp_stack *stack);
/* Whether cookies went out that may still come back. */
bool cookies_recent(const struct tcp_stack *stack);
uint32_t cookie_make(struct tcp_stack *stack, struct request *request);
/* false: no cookie of ours. Else *request is what the SYN said. */
bool cookie_check(struct tcp_stack *stack, const struct segment *segment,
                  const struct endpoints *at, struct request *request);

void timewait_enter(struct tcp_conn *conn);
/* true: done; false: a new connection may take over, and *iss says from where. */
bool timewait_input(struct timewait *timewait, struct segment *segment, bool listening,
                    uint32_t *iss);
void timewait_remove(struct tcp_stack *stack, struct timewait *timewait);
uint64_t timewait_run(struct tcp_stack *stack);

/* ---- fastopen.c ---- */

/* A SYN that asks for a cookie or brings one. true: the connection is open; else the answer brings
 * the cookie where one is due. */
bool fastopen_try(struct request *request, struct segment *segment);
/* The cookie that a SYN/ACK brings, the one that a SYN brings or asks for: written to *cookie or
 * kept elsewhere; NULL: none. */
const struct fast_cookie *fastopen_answer(const struct request *request,
                                          struct fast_cookie *cookie);
const struct fast_cookie *fastopen_ask(const struct tcp_conn *conn, struct fast_cookie *cookie);
/* The SYN of a connection that is open by a cookie alone has come again. false: another segment. */
bool fastopen_syn_again(struct tcp_conn *conn, const struct segment *segment);
/* Our SYN/ACK has been acknowledged. */
void fastopen_acked(struct tcp_conn *conn);
/* A connection is about to end. */
void fastopen_ended(struct tcp_conn *conn);
/* Adopts the configured key, or makes one. */
void fastopen_set_key(struct tcp_stack *stack);
/* Before the first SYN: queues what goes with it. */
void fastopen_begin(struct tcp_conn *conn, const void *data, uint32_t size, uint32_t *taken);
/* SYN/ACK came; state_established was called. */
void fastopen_opened(struct tcp_conn *conn, const struct segment *segment);
/* The connection is open, and so much of what went with SYN was taken: the rest goes again. */
void fastopen_taken(struct tcp_conn *conn, uint32_t ack);
/* SYN, with its data, is too big for the way: without them it goes again at once. */
void fastopen_too_big(struct tcp_conn *conn);

/* ---- edge.c ---- */

/* A port as it lies in a frame, and back. */
static inline uint16_t swap16(uint16_t value)
{
	return (uint16_t)(value << 8 | value >> 8);
}
/* One more, or one less, that the stack has to do with at these endpoints: who goes into a table or
 * out of it says so. */
void edge_count(struct tcp_stack *stack, const struct endpoints *at, int by);
static inline void edge_hold(struct tcp_stack *stack, const struct endpoints *at)
{
	if (stack->edge.arena != NULL)
		edge_count(stack, at, 1);
}
static inline void edge_release(struct tcp_stack *stack, const struct endpoints *at)
{
	if (stack->edge.arena != NULL)
		edge_count(stack, at, -1);
}
/* A SYN has come to the stack: the handler may answer others for a second. */
void edge_syn(struct tcp_stack *stack);
/* A segment of no connection and no request. true: it was of one that the handler has begun, and
 * has been taken. */
bool edge_input(struct tcp_stack *stack, struct segment *segment, const struct endpoints *at,
                uint32_t hash);
/* Looks after records, if it is time. */
void edge_run(struct tcp_stack *stack);
/* Nobody listens there any more: nor is there what the handler has begun. */
void edge_forget(struct tcp_stack *stack, uint16_t port);
/* Everything has been said: what is left to hear the handler may hear. */
void edge_offer(struct tcp_conn *conn);
/* Takes the end of it back, with what was heard. false: the connection has ended. */
bool edge_settle(struct tcp_conn *conn);
/* Likewise, where nothing of that counts any more. */
void edge_withdraw(struct tcp_conn *conn);
/* Whether something was heard of it. */
bool edge_has_news(const struct tcp_conn *conn);
/* Settles those that have ended: two of the oldest at most; all. Between events of connections
 * only.
 */
void edge_reap(struct tcp_stack *stack);
void edge_reap_all(struct tcp_stack *stack);

/* ---- doors.c ---- */

/* The first rules. false: they could not be told. */
bool doors_open(struct tcp_stack *stack);
/* Listeners or what they want may have changed. */
void doors_changed(struct tcp_stack *stack);
/* No request is left: where no line is either, the handler is to give cookies, as we do. */
void doors_crowded(struct tcp_stack *stack);
/* Whether the backlog of one has filled up, or is not full any more; and requests. */
void doors_look(struct tcp_stack *stack);
/* A listener at that port was closed. */
void doors_closed(struct tcp_stack *stack, uint16_t port);

/* ---- conn.c ---- */

extern const struct active active_none;
/* Sees to it that the connection has its own. false: there is none left. */
bool active_get(struct tcp_conn *conn);
static inline bool has_active(const struct tcp_conn *conn)
{
	return conn->act != &active_none;
}

/* Whether there is a place for one more; where all are taken, one that is left to itself gives up
 * its own. */
bool conn_has_place(struct tcp_stack *stack);
struct tcp_conn *conn_create(struct tcp_stack *stack, const struct endpoints *at,
                             const struct tcp_options *options);
static inline void conn_enter(struct tcp_conn *conn)
{
	conn->busy = 1;
}
void conn_leave(struct tcp_conn *conn);
/* The same at the end of the burst; then for all that wait for it. */
void conn_gather(struct tcp_conn *conn);
void conn_scatter(struct tcp_stack *stack);
/* Whatever the application did to it: send now, or at the end of what is going on. */
void conn_kick(struct tcp_conn *conn);
/* The connection is over: timers, queues; tells the application. */
void conn_end(struct tcp_conn *conn, enum tcp_cause cause);
/* In FIN-WAIT-2 without an owner: how long it stays. false: it has ended. */
bool conn_orphan(struct tcp_conn *conn);
/* Answers with a reset and ends it. */
void conn_reset(struct tcp_conn *conn, enum tcp_cause cause);

/* ---- timers.c ---- */

void timer_update(struct tcp_conn *conn);
void timer_fire(struct tcp_conn *conn);
/* `gone_ms`: of the time without a sign of the peer that count already. */
void keepalive_arm(struct tcp_conn *conn, uint64_t gone_ms);
uint64_t keepalive_gone_ms(const struct tcp_conn *conn);
/* The peer's window is shut and something waits. */
void persist_check(struct tcp_conn *conn);

/* ---- input.c ---- */

/* Whether the segment may belong to the connection; parses its options. */
bool segment_parse(struct tcp_stack *stack, const struct tcp_arrival *arrival,
                   struct segment *segment);
/* Takes the acknowledgement that waited for others of its burst, if there is one. */
void input_late(struct tcp_stack *stack);

#endif
