/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections: event-driven, without copies.
 *
 * A connection is a handle, got from tcp_connect or tcp_accept, and valid until the application
 * gives it back by tcp_close or tcp_abort, however the connection fares meanwhile. News comes as
 * one call of the connection's event function with a mask of enum tcp_events, at most once for each
 * segment, when the stack has finished with it: any function of this file may be called within,
 * tcp_close and tcp_abort included; what is sent there leaves at the end, together with the
 * acknowledgement. Events are hints of edges: look with tcp_peek, tcp_send_space, tcp_conn_state.
 *
 * Receiving. The stream's unread bytes lie in the frames that brought them. tcp_peek shows them,
 * tcp_consume says that so many were used (and opens the window again), tcp_borrow takes a frame's
 * bytes out of the stream to keep them for longer, tcp_return gives them back.
 *
 *     static void on_event(struct tcp_conn *conn, unsigned events)
 *     {
 *             struct tcp_span span;
 *
 *             while (tcp_peek(conn, &span, 1) == 1) {
 *                     use(span.data, span.size);
 *                     tcp_consume(conn, span.size);
 *             }
 *             if (tcp_at_end(conn))
 *                     tcp_close(conn);
 *     }
 *
 * Sending. tcp_send queues a reference to the application's bytes, which must stay as they are
 * until `release` is called: when all of them were acknowledged, or the connection ended, and no
 * hardware reads them any more. Content that never changes has no release function at all.
 * tcp_send_copy copies into the stack's own blocks and coalesces, for small or short-lived data.
 *
 * Closing. tcp_shutdown ends our stream (FIN, after all that is queued) and keeps receiving.
 * tcp_close gives up the handle: what is queued is still delivered, then FIN, all by itself; where
 * unread data is lost by it, the peer gets a reset (RFC 2525, 2.17). tcp_abort resets.
 */
#ifndef TCP_CONN_H
#define TCP_CONN_H

#include "stack.h"

struct tcp_conn;
struct tcp_listener;

/* RFC 9293, 3.3.2. */
enum tcp_state {
	TCP_STATE_CLOSED = 0,
	TCP_STATE_SYN_SENT,
	TCP_STATE_SYN_RECEIVED,
	TCP_STATE_ESTABLISHED,
	TCP_STATE_FIN_WAIT_1,
	TCP_STATE_FIN_WAIT_2,
	TCP_STATE_CLOSE_WAIT,
	TCP_STATE_CLOSING,
	TCP_STATE_LAST_ACK,
	TCP_STATE_TIME_WAIT,
};

enum tcp_events {
	TCP_EVENT_OPENED = 1 << 0,   /* tcp_connect succeeded */
	TCP_EVENT_READABLE = 1 << 1, /* unread bytes came */
	TCP_EVENT_WRITABLE = 1 << 2, /* space in the send buffer, after there was too little */
	TCP_EVENT_ENDED = 1 << 3,  /* the peer's stream ended (FIN): tcp_at_end once all is read */
	TCP_EVENT_CLOSED = 1 << 4, /* nothing comes or goes any more; tcp_conn_cause says why */
	TCP_EVENT_URGENT = 1 << 5, /* urgent data was announced (RFC 6093): tcp_urgent_offset */
	TCP_EVENT_SENT = 1 << 6,   /* all that was queued has been acknowledged */
	TCP_EVENT_ERROR = 1 << 7,  /* a soft error: tcp_conn_soft_error */
};

/* Why a connection is closed. */
enum tcp_cause {
	TCP_CAUSE_NONE = 0,
	TCP_CAUSE_FINISHED,    /* both streams ended in order */
	TCP_CAUSE_RESET,       /* by the peer */
	TCP_CAUSE_REFUSED,     /* by the peer, instead of opening */
	TCP_CAUSE_TIMEOUT,     /* no answer */
	TCP_CAUSE_UNREACHABLE, /* an ICMP error while opening */
	TCP_CAUSE_ABORTED,     /* by ourselves */
};

typedef void tcp_event_fn(struct tcp_conn *conn, unsigned events);
/* A connection is ready: take it by tcp_accept, now or later. */
typedef void tcp_accept_fn(struct tcp_listener *listener);

enum { TCP_FIN_WAIT_NOT = UINT16_MAX };

/* Acknowledgements wait for answers to go with, or do not, until what happens says otherwise. */
enum tcp_quick_ack { TCP_ACK_AS_IT_IS = 0, TCP_ACK_SOON = 1, TCP_ACK_WITH_ANSWERS = 2 };

/* Options of a connection; a listener's are those of the connections that it makes. */
struct tcp_options {
	uint32_t receive_buffer; /* bytes; 0: begins with the configured size and grows by itself.
	                            Half of it is offered as window (as Linux accounts memory). */
	uint32_t send_buffer;    /* bytes queued at most by tcp_send_copy, and what tcp_send_space
	                            counts from; 0: likewise */
	uint32_t window_clamp;   /* never offer more than that; 0: no bound */
	uint32_t not_sent_low;   /* tcp_send_space is 0 while more unsent bytes wait; 0: no bound */
	uint32_t user_timeout_ms; /* RFC 5482: unacknowledged for so long, the connection ends; 0:
	                             when retransmission gives up */
	uint32_t max_pacing;      /* bytes a second at most, and paced; 0: no bound */
	uint16_t max_segment;     /* MSS at most, in and out; 0: what the path takes */
	uint16_t keepalive_idle, keepalive_interval; /* seconds */
	uint16_t fin_wait_s; /* FIN-WAIT-2 after tcp_close; 0: as configured; TCP_FIN_WAIT_NOT: a
	                        reset instead */
	uint8_t keepalive_count;
	uint8_t congestion;  /* enum tcp_congestion */
	uint8_t ttl, tos;    /* 0: 64; the lower two bits of tos are ignored */
	uint8_t syn_retries; /* of a listener: of SYN/ACK; 0: as configured */
	bool keepalive;
	bool no_delay;        /* no Nagle algorithm (RFC 9293, 3.7.4) */
	bool cork;            /* full segments only, for at most 200 ms */
	bool release;         /* what is held back may leave, up to the next write */
	uint8_t quick_ack;    /* enum tcp_quick_ack: what is to happen once, when options are set */
	uint8_t defer_accept; /* listener: ready when data came, or SYN/ACK had to be repeated so
	                         often; who connects acknowledges late; 0: at once */
	bool peer_first;   /* listener: the peer speaks first. A connection is ready when its data
	                      came, or after two seconds at most: for it is made at one go then. */
	bool only_family;  /* listener on any address: of its own family only */
	bool no_pmtu;      /* let routers fragment (no DF) */
	bool reuse;        /* listener: others may listen to the same endpoint and share arrivals */
	uint8_t fast_open; /* enum tcp_fast_option */
};

/* Of one that connects (RFC 7413; the last of any). */
enum tcp_fast_option {
	TCP_FAST_ASK = 1 << 0, /* uses the cookie of an earlier connection, or asks for one */
	TCP_FAST_COOKIELESS = 1 << 1, /* data goes with SYN, cookie or not; listener: is taken */
	TCP_FAST_WRITER = 1 << 2,     /* data follows at once, and acknowledges SYN/ACK */
};

/* What the configuration says. */
struct tcp_options tcp_options_default(const struct tcp_stack *stack);

/*
 * Listens at `local` (ip.family 0: any address of both families). `backlog`: how many connections
 * may be ready and not taken. *options are copied; NULL: the default. 0, -TCP_EINVAL,
 * -TCP_EINUSE, -TCP_ENOSPC.
 */
int tcp_listen(struct tcp_stack *stack, const struct udp_endpoint *local, uint32_t backlog,
               const struct tcp_options *options, tcp_accept_fn *accept, void *context,
               struct tcp_listener **listener);
/* Somebody wants that port for something else. */
typedef bool tcp_taken_fn(const void *with, const struct udp_endpoint *local);
/* Chooses local->port from [first, last]: one at which nobody listens and that is not `taken`
 * (NULL: none is). 0 or -TCP_ENOSPC. */
int tcp_choose_port(struct tcp_stack *stack, struct udp_endpoint *local, uint16_t first,
                    uint16_t last, tcp_taken_fn *taken, const void *with);
/* Ends listening. Connections not taken are reset, half-open ones forgotten. */
void tcp_listener_close(struct tcp_listener *listener);
void *tcp_listener_context(const struct tcp_listener *listener);
const struct udp_endpoint *tcp_listener_local(const struct tcp_listener *listener);
/* How many may be ready and not taken from now on. */
void tcp_listener_set_backlog(struct tcp_listener *listener, uint32_t backlog);
int tcp_listener_set_options(struct tcp_listener *listener, const struct tcp_options *options);
void tcp_listener_get_options(const struct tcp_listener *listener, struct tcp_options *options);
/* How many connections wait for tcp_accept. */
uint32_t tcp_listener_ready(const struct tcp_listener *listener);
/* Takes the connection that has been ready for longest; NULL: none. What has come by then is told
 * only to who takes it within a tcp_accept_fn: others look. */
struct tcp_conn *tcp_accept(struct tcp_listener *listener, tcp_event_fn *event, void *context);

/*
 * Opens a connection from `local` (NULL, family 0 and port 0: chosen by the stack; RFC 6056) to
 * `remote`. TCP_EVENT_OPENED or TCP_EVENT_CLOSED follows, never within the call. 0, -TCP_EINVAL,
 * -TCP_EINUSE, -TCP_ENOSPC, -TCP_EUNREACHABLE.
 */
int tcp_connect(struct tcp_stack *stack, const struct udp_endpoint *local,
                const struct udp_endpoint *remote, const struct tcp_options *options,
                tcp_event_fn *event, void *context, struct tcp_conn **conn);

/*
 * The same with `size` bytes of `data` to be sent. As much of it goes with SYN as options.fast_open
 * and what is known of the peer allow: *taken bytes (0: none), which are copied; they are sent
 * again if the peer did not take them. The rest is for tcp_send and its like.
 */
int tcp_connect_data(struct tcp_stack *stack, const struct udp_endpoint *local,
                     const struct udp_endpoint *remote, const struct tcp_options *options,
                     tcp_event_fn *event, void *context, const void *data, uint32_t size,
                     uint32_t *taken, struct tcp_conn **conn);
/* Whether data may go with SYN to that peer. */
bool tcp_fast_ready(const struct tcp_stack *stack, const struct tcp_options *options,
                    const struct udp_ip *remote);
/* The key that is used where a listener has none. */
void tcp_stack_fast_key(const struct tcp_stack *stack, uint8_t key[16]);
/* So many connections to a listener may be open by a cookie alone; 0: as the configuration says. */
void tcp_listener_set_fast_queue(struct tcp_listener *listener, uint32_t n);
/* Keys of a listener's own for its cookies, newest first: n of 16 bytes; 0: the configured one.
 * -TCP_EINVAL: too many. */
int tcp_listener_set_fast_keys(struct tcp_listener *listener, const uint8_t (*keys)[16],
                               unsigned n);

/* Changes who hears of events. */
void tcp_conn_set_event(struct tcp_conn *conn, tcp_event_fn *event, void *context);
void *tcp_conn_context(const struct tcp_conn *conn);
struct tcp_stack *tcp_conn_stack(const struct tcp_conn *conn);
enum tcp_state tcp_conn_state(const struct tcp_conn *conn);
enum tcp_cause tcp_conn_cause(const struct tcp_conn *conn);
/* The last ICMP error since something was acknowledged, also after the end; asking clears it. */
enum tcp_failure tcp_conn_soft_error(struct tcp_conn *conn);
struct udp_endpoint tcp_conn_local(const struct tcp_conn *conn);
struct udp_endpoint tcp_conn_remote(const struct tcp_conn *conn);
void tcp_conn_get_options(const struct tcp_conn *conn, struct tcp_options *options);
/* 0 or -TCP_EINVAL. Buffers shrink only as far as what they hold; max_segment counts before opening
 * only. */
int tcp_conn_set_options(struct tcp_conn *conn, const struct tcp_options *options);

/* ---- Receiving ---- */

struct tcp_span {
	const uint8_t *data;
	uint32_t size;
};

/* Unread bytes, all frames together. */
uint32_t tcp_unread(const struct tcp_conn *conn);
/* Shows unread bytes, in order, in up to `max` spans. → how many. They stay where they are until
 * tcp_consume, tcp_borrow, tcp_close or tcp_abort. */
unsigned tcp_peek(const struct tcp_conn *conn, struct tcp_span *spans, unsigned max);
/* So many bytes were used (at most tcp_unread). */
void tcp_consume(struct tcp_conn *conn, uint32_t bytes);
/* Copies and consumes up to `size` bytes. → how many. */
uint32_t tcp_read(struct tcp_conn *conn, void *to, uint32_t size);

/* Bytes taken out of the stream together with the frame that they lie in. */
struct tcp_loan {
	struct tcp_span span;
	void *buffer; /* the stack's affair */
};

/* Takes the first span. They count as consumed. false: nothing is unread. */
bool tcp_borrow(struct tcp_conn *conn, struct tcp_loan *loan);
/* Gives a loan back; the connection may be long gone. */
void tcp_return(struct tcp_stack *stack, const struct tcp_loan *loan);

/* The peer's stream has ended and all of it was read. */
bool tcp_at_end(const struct tcp_conn *conn);
/* Where the byte behind the urgent data is, in bytes from the first unread one (negative: has been
 * read); false: nothing urgent was announced, or it lies in the past. */
bool tcp_urgent_offset(const struct tcp_conn *conn, int32_t *offset);

/* ---- Sending ---- */

enum tcp_send_flags {
	TCP_SEND_MORE = 1 << 0,   /* more follows at once: no partial segment now, no PSH */
	TCP_SEND_URGENT = 1 << 1, /* the last byte is urgent (RFC 6093 advises against it) */
	TCP_SEND_END = 1 << 2,    /* tcp_shutdown behind it, so that FIN goes with the last byte */
	TCP_SEND_RECORD = 1 << 3, /* what follows goes into segments of its own */
};

typedef void tcp_release_fn(void *context, const void *data, uint32_t size);

/*
 * Queues `size` bytes at `data` without copying. `release` NULL: they never change. All or nothing:
 * 0, or -TCP_ENOBUFS (no chunk left: TCP_EVENT_WRITABLE follows), -TCP_EPIPE, -TCP_EINVAL; then
 * release is not called. Bytes may be queued before the connection is open. The send buffer's size
 * is no bound here: the memory is the application's.
 */
int tcp_send(struct tcp_conn *conn, const void *data, uint32_t size, tcp_release_fn *release,
             void *context, unsigned flags);
/* The same of bytes whose sum is known by tcp_content_sum, for content that is sent often: where
 * they leave in one segment, nobody looks at them for its checksum. */
int tcp_send_summed(struct tcp_conn *conn, const void *data, uint32_t size, uint16_t sum,
                    tcp_release_fn *release, void *context, unsigned flags);
uint16_t tcp_content_sum(const void *data, uint32_t size);

/* Content that never changes, with sums of its beginnings (udp_sums_make): nobody looks at any part
 * of it for a checksum. */
struct tcp_content {
	const void *data;
	uint32_t size;
	const uint16_t *sums;  /* [udp_sums_count(size)] */
	struct tcp_cuts *cuts; /* where sums of segments are kept; NULL: they are not */
};

/* Sums of content's segments. It leaves with the same borders most of the time: behind headers of
 * the same length, in segments of the same size. The stack's, but for `max`; zeroed at first. */
struct tcp_cuts {
	uint32_t max;         /* there is room for */
	uint32_t each, first; /* bytes of a segment; where the first whole one begins */
	uint32_t from, to;    /* what is known */
	uint16_t sums[];
};

/* tcp_send of `size` bytes from `from` on; *content stays as long as its bytes. */
int tcp_send_content(struct tcp_conn *conn, const struct tcp_content *content, uint32_t from,
                     uint32_t size, unsigned flags);
/* Copies up to `size` bytes, as many as the send buffer and the stack's blocks take. → how many; 0
 * or too few: TCP_EVENT_WRITABLE follows; negative: -TCP_EPIPE. */
int64_t tcp_send_copy(struct tcp_conn *conn, const void *data, uint32_t size, unsigned flags);
/* Bytes that fit the send buffer now. Where it is 0, TCP_EVENT_WRITABLE follows. */
uint32_t tcp_send_space(struct tcp_conn *conn);
/* At least a third of the buffer is free, so that writing is worth while; otherwise
 * TCP_EVENT_WRITABLE comes when it is. Also true where sending fails at once. */
bool tcp_send_ready(struct tcp_conn *conn);
/* Bytes queued and not acknowledged, and those of them that were never sent. */
uint32_t tcp_unacknowledged(const struct tcp_conn *conn);
uint32_t tcp_unsent(const struct tcp_conn *conn);

/* ---- Closing ---- */

/* Ends our stream. 0 or -TCP_ENOTCONN. */
int tcp_shutdown(struct tcp_conn *conn);
/* Reads no more: what arrives from now on is acknowledged and thrown away. */
void tcp_shutdown_read(struct tcp_conn *conn);
/* What arrives once our stream has ended, too, is answered by a reset; until then it can be read.
 * What shutdown(2) of both ways does. */
void tcp_refuse(struct tcp_conn *conn);
void tcp_close(struct tcp_conn *conn);
void tcp_abort(struct tcp_conn *conn);

/* ---- What is going on ---- */

/* The sender's states, as Linux names them. */
enum tcp_recovery {
	TCP_RECOVERY_OPEN = 0,
	TCP_RECOVERY_DISORDER = 1,
	TCP_RECOVERY_CWR = 2,
	TCP_RECOVERY_RECOVERY = 3,
	TCP_RECOVERY_LOSS = 4,
};

/* What TCP_INFO tells. */
struct tcp_conn_info {
	uint8_t state, recovery, congestion;  /* enum tcp_state, tcp_recovery, tcp_congestion */
	uint8_t retransmits, probes, backoff; /* timeouts in a row */
	bool timestamps, sack, window_scaling, ecn, ecn_seen;
	bool syn_data; /* data came or went with SYN, and was taken */
	uint8_t send_scale, receive_scale;
	uint32_t rto_us, ato_us, rtt_us, rtt_variance_us, rtt_min_us, receive_rtt_us;
	uint32_t send_mss, receive_mss, advertised_mss, path_mtu;
	uint32_t cwnd, ssthresh; /* segments; ssthresh UINT32_MAX: none */
	uint32_t unacked, sacked, lost, retrans, reordering; /* segments */
	uint32_t receive_window, receive_ssthresh, receive_space, receive_clamp, send_window;
	uint32_t unread, unsent, unacknowledged; /* bytes */
	uint32_t total_retrans, duplicates_seen, reorderings_seen, delivered;
	uint32_t delivered_marked; /* with busy_times: by acknowledgements that echo ECN marks */
	uint32_t early_seen;       /* with busy_times: segments that came out of order */
	uint32_t segments_in, segments_out, data_segments_in, data_segments_out;
	uint64_t bytes_acked, bytes_received, bytes_sent, bytes_retrans;
	uint64_t busy_us, window_us, buffer_us; /* with busy_times: had something to send; could not
	                                           for the peer's window, for our buffer */
	uint64_t pacing_rate, delivery_rate;    /* bytes a second; 0: unknown or unbounded */
	uint32_t last_data_sent_ms, last_data_received_ms, last_ack_received_ms; /* ago */
};

void tcp_conn_info(const struct tcp_conn *conn, struct tcp_conn_info *info);
/* Requests and answers take turns: acknowledgements wait for answers to go with. */
bool tcp_answers_at_leisure(const struct tcp_conn *conn);
/* The peer's FIN has arrived: after what is unread there will be no more. */
bool tcp_peer_ended(const struct tcp_conn *conn);
/* What a segment that left now would have as its timestamp. */
uint32_t tcp_conn_timestamp(const struct tcp_conn *conn);

#endif
