/* SPDX-License-Identifier: BSD-2-Clause */
/* What a stream stack counts: one line each, so that a program can print them all
 * (tcp_counter_name). */
#ifndef TCP_COUNTERS_H
#define TCP_COUNTERS_H

#include <stdint.h>

#define TCP_COUNTERS(X)                                                                            \
	X(segments_in)                                                                             \
	X(segments_out) /* handed to output; a cut one counts once */                              \
	X(bytes_in)     /* of the streams, in order */                                             \
	X(bytes_out)    /* without what was sent again */                                          \
	X(fast_path)    /* segments that header prediction took */                                 \
	X(drop_short)   /* header cut or impossible */                                             \
	X(drop_checksum)                                                                           \
	X(drop_flags)    /* flags that make no sense together */                                   \
	X(drop_address)  /* a source that nobody may answer, or a port of zero */                  \
	X(drop_sequence) /* outside the window; acknowledged again */                              \
	X(drop_paws)     /* an old timestamp (RFC 7323, 5.3) */                                    \
	X(drop_ack)      /* acknowledges what was never sent, or far in the past */                \
	X(drop_signed)   /* has an MD5 signature (RFC 2385), and nobody here has a key */          \
	X(drop_no_ack)   /* has no ACK flag where one is needed */                                 \
	X(drop_memory)   /* no place to hold it, or the connection's share is used up */           \
	X(drop_closed)   /* data for an application that reads no more */                          \
	X(no_connection) /* for nobody */                                                          \
	X(resets_in)                                                                               \
	X(resets_out)                                                                              \
	X(resets_limited) /* not sent: the rate was reached */                                     \
	X(challenges_out) /* challenge ACKs (RFC 5961) */                                          \
	X(challenges_limited)                                                                      \
	X(opened_active)                                                                           \
	X(opened_passive)                                                                          \
	X(opened_fast) /* by a cookie alone, with data in SYN (RFC 7413) */                        \
	X(open_failed)                                                                             \
	X(requests_full) /* a SYN found no place (cookies aside) */                                \
	X(requests_expired)                                                                        \
	X(backlog_full) /* a connection was ready and nobody took the earlier ones */              \
	X(connections_full)                                                                        \
	X(orphans_dropped) /* reset for lack of connections: closed, and their peers silent */     \
	X(cookies_out)                                                                             \
	X(cookies_good)                                                                            \
	X(cookies_bad)                                                                             \
	X(time_wait_recycled) /* a new connection took over (RFC 6191) */                          \
	X(time_wait_evicted)                                                                       \
	X(retransmits)       /* segments sent again */                                             \
	X(timeouts)          /* RTO */                                                             \
	X(timeouts_spurious) /* found out by F-RTO or timestamps, and undone */                    \
	X(recoveries)        /* fast recoveries begun */                                           \
	X(recoveries_undone)                                                                       \
	X(probes_tail)   /* tail loss probes */                                                    \
	X(probes_window) /* zero-window probes */                                                  \
	X(probes_keepalive)                                                                        \
	X(reordered)  /* segments that arrived before their time, held */                          \
	X(duplicates) /* bytes that had been received before: segments */                          \
	X(dsack_in)                                                                                \
	X(dsack_out)                                                                               \
	X(sack_reneged)                                                                            \
	X(sack_bad)     /* blocks outside what is in flight */                                     \
	X(ecn_marks_in) /* congestion experienced, of received segments */                         \
	X(ecn_echoes_in)                                                                           \
	X(icmp_honoured)                                                                           \
	X(icmp_ignored)                                                                            \
	X(mtu_reduced)                                                                             \
	X(mtu_black_holes) /* segments made smaller because nothing came through */                \
	X(window_shrunk)   /* peers that took back window */                                       \
	X(user_timeouts)                                                                           \
	X(aborted_data) /* closed with data unread or after: reset */

struct tcp_counters {
#define TCP_COUNTER_FIELD(name) uint64_t name;
	TCP_COUNTERS(TCP_COUNTER_FIELD)
#undef TCP_COUNTER_FIELD
};

enum { TCP_COUNTERS_N = sizeof(struct tcp_counters) / sizeof(uint64_t) };

/* Name of the i-th counter, in the order of the structure; NULL behind the last. */
const char *tcp_counter_name(unsigned i);

#endif
