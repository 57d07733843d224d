/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a stack counts: one line each, so that a program can print them all (udp_counter_name).
 * Frames that arrive are counted once in `frames_in` and at most once among the drops.
 */
#ifndef UDP_COUNTERS_H
#define UDP_COUNTERS_H

#include <stdint.h>

#define UDP_COUNTERS(X)                                                                            \
	X(frames_in)       /* all frames given to udp_stack_input */                               \
	X(frames_out)      /* all frames given to the output function */                           \
	X(drop_bad_buffer) /* the driver flagged it as damaged or cut */                           \
	X(drop_short)      /* shorter than a header says or needs */                               \
	X(drop_not_ours)   /* link or network address is somebody else's */                        \
	X(drop_ethertype)  /* a protocol that this stack does not speak */                         \
	X(drop_ip_header)  /* version, header length or total length wrong */                      \
	X(drop_ip_checksum)                                                                        \
	X(drop_source)       /* an address that nothing may come from, or our own */               \
	X(drop_protocol)     /* nobody handles this transport protocol */                          \
	X(drop_source_route) /* asks us to route */                                                \
	X(arp_in)                                                                                  \
	X(arp_bad)                                                                                 \
	X(arp_requests_out)                                                                        \
	X(arp_replies_out)                                                                         \
	X(arp_conflicts)         /* somebody else claims our address */                            \
	X(address_probes)        /* questions whether somebody has our address */                  \
	X(neighbour_full)        /* no entry could be made or freed */                             \
	X(neighbour_failed)      /* did not answer: what waited for it was dropped */              \
	X(neighbour_queue_drops) /* more waited than is kept */                                    \
	X(fragments_in)                                                                            \
	X(fragments_bad)     /* length or offset impossible */                                     \
	X(fragments_overlap) /* datagram dropped: its fragments overlap (RFC 5722) */              \
	X(fragments_duplicate)                                                                     \
	X(reassembled)                                                                             \
	X(reassembly_timeouts)                                                                     \
	X(reassembly_evicted) /* given up for a newer one */                                       \
	X(reassembly_full)    /* no place: all are held by the application */                      \
	X(fragments_out)                                                                           \
	X(icmp_in)                                                                                 \
	X(icmp_bad)                                                                                \
	X(icmp_ignored) /* types that a host need not act on */                                    \
	X(icmp_echo_replies)                                                                       \
	X(icmp_errors_in)                                                                          \
	X(icmp_errors_out)                                                                         \
	X(icmp_errors_limited) /* not sent: the rate was reached */                                \
	X(tcp_resets_out)      /* where no stream stack is */                                      \
	X(udp_in)              /* datagrams given to a socket */                                   \
	X(udp_out)                                                                                 \
	X(udp_bad) /* length impossible */                                                         \
	X(udp_checksum)                                                                            \
	X(udp_no_port)                                                                             \
	X(drop_no_buffer) /* the driver had none */                                                \
	X(drop_no_route)                                                                           \
	X(nd_in)                                                                                   \
	X(nd_bad)                                                                                  \
	X(nd_out)                                                                                  \
	X(ip6_extension_bad) /* chain too long, cut, or in a wrong order */                        \
	X(group_in)          /* IGMP and MLD */                                                    \
	X(group_bad)                                                                               \
	X(group_out)                                                                               \
	X(ra_in) /* router advertisements */                                                       \
	X(ra_bad)                                                                                  \
	X(ra_full)          /* more prefixes or routers than are kept */                           \
	X(path_mtu_learned) /* a path takes less than was thought */                               \
	X(dhcp_in)          /* answers to a question of ours */                                    \
	X(dhcp_out)                                                                                \
	X(dhcp_bad)     /* malformed, or without what it must have */                              \
	X(dhcp_strange) /* to nobody here, or from a server that was not asked */

struct udp_counters {
#define UDP_COUNTER_FIELD(name) uint64_t name;
	UDP_COUNTERS(UDP_COUNTER_FIELD)
#undef UDP_COUNTER_FIELD
};

enum { UDP_COUNTERS_N = sizeof(struct udp_counters) / sizeof(uint64_t) };

/* Name of the i-th counter, in the order of the structure; NULL behind the last. */
const char *udp_counter_name(unsigned i);

#endif
