/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the stack's files share: its state, the description of a packet on its way up, and one
 * section of prototypes for each file. A packet goes
 *
 *     up:    stack.c → flow.c (the next datagram of a conversation)
 *                    → ethernet.c → arp.c
 *                                 → ip4_input.c (→ reassembly.c) → icmp.c, udp_input.c
 *                                 → ip6_input.c (→ reassembly.c) → icmp6.c (→ nd.c), udp_input.c
 *     down:  udp_output.c → ip_output.c (→ fragment.c) → neighbour.c → ethernet.c → ops.output
 *
 * Every function that takes a struct udp_buffer takes its ownership too, unless its comment says
 * otherwise.
 */
#ifndef UDP_INTERNAL_H
#define UDP_INTERNAL_H

#include <udp/checksum.h>
#include <udp/dhcp.h>
#include <udp/neighbours.h>
#include <udp/socket.h>
#include <udp/stack.h>
#include <udp/transport.h>
#include <udp/wire.h>

#include "autoconf.h"
#include "group.h"

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull

/* ---- State ---- */

enum address_state {
	ADDRESS_USABLE = 0, /* ours; still being probed where it is optimistic */
	ADDRESS_TENTATIVE,  /* nobody has said yet that it is his; not used */
	ADDRESS_DUPLICATE,  /* somebody has; not used, probed again later */
};

/* What the address does next; see own_address.c. */
enum address_step {
	STEP_PROBE = 0, /* the first probe */
	STEP_QUIET,     /* it got no answer: usable from here on (IPv4) */
	STEP_PROBE_2,
	STEP_PROBE_3,
	STEP_ANNOUNCE, /* certain: tell everybody */
	STEP_ANNOUNCE_2,
	STEP_DONE,
};

struct address {
	struct udp_ip ip;
	uint8_t prefix;
	uint8_t state;           /* enum address_state */
	uint8_t step;            /* enum address_step: due at `due` */
	uint64_t due;            /* UINT64_MAX: nothing */
	uint64_t defended_until; /* no second defence before (RFC 5227, 2.4(b)) */
	struct udp_dhcp *lease;  /* whose it is; NULL: nobody's in particular */
	bool probed;             /* somebody was asked at least once */
	bool automatic;          /* formed by autoconf.c */
	bool deprecated;         /* good for what goes on, not for what begins */
};

struct interface {
	uint8_t mac[UDP_MAC_BYTES];
	uint32_t mtu;
	bool loop; /* back to ourselves: loop.c */
	struct udp_offload offload;
	uint32_t n_addresses;
	struct address addresses[UDP_ADDRESSES_MAX];
	struct udp_ip gateway4, gateway6; /* family 0: none */
	struct autoconf autoconf;
	struct groups groups;
	struct udp_neighbours *published;       /* NULL: nobody reads our neighbours */
	const struct udp_neighbours *consulted; /* NULL: nobody else has any */
};

enum neighbour_state {
	NEIGHBOUR_FREE = 0,
	NEIGHBOUR_ASKING,   /* nothing known yet; packets wait */
	NEIGHBOUR_GOOD,     /* answered lately */
	NEIGHBOUR_STALE,    /* known, unconfirmed for a while; used, and checked when used */
	NEIGHBOUR_CHECKING, /* used while it is asked directly */
};

enum { NEIGHBOUR_QUEUE_MAX = 3, NEIGHBOUR_NONE = ~0 };

struct neighbour {
	struct udp_ip ip;
	uint8_t mac[UDP_MAC_BYTES];
	uint8_t interface;
	uint8_t state; /* enum neighbour_state */
	uint8_t tries;
	uint8_t passive; /* learned though nobody here asked */
	uint8_t n_queue;
	uint32_t next;                                 /* in the bucket's chain, or the free list */
	uint64_t deadline;                             /* of the state; UINT64_MAX: none */
	uint64_t used;                                 /* when a packet last went there */
	struct udp_buffer *queue[NEIGHBOUR_QUEUE_MAX]; /* without Ethernet header */
};

struct neighbour_table {
	struct neighbour *entries;
	uint32_t *buckets; /* heads of chains; as many as entries, rounded up to a power of two */
	uint32_t n, mask, free, n_passive;
	uint64_t deadline; /* no entry is due before */
};

struct reassembly; /* reassembly.c */

struct reassembly_table {
	struct reassembly *contexts;
	uint32_t n;
	uint64_t deadline;
};

struct socket_table {
	struct udp_socket **buckets;
	uint32_t mask;
};

/* What is known of the way to a destination. */
struct path {
	struct udp_ip dst;
	uint32_t mtu;   /* 0: nothing */
	uint64_t until; /* when it is forgotten */
};

struct path_table {
	struct path *entries;
	uint32_t n, used;
};

struct token_bucket {
	uint64_t full_at; /* when the bucket will have been refilled */
};

enum { ID_BUCKETS = 64 };

enum { FLOWS = 64 };

/* What the frames of a conversation have led to; see flow.c. */
struct flow {
	uint64_t key[4];           /* what they have in common */
	uint64_t era;              /* in which it was found; 0: never */
	struct udp_socket *socket; /* NULL: another transport's */
	udp_way way;               /* back, for that */
	uint16_t *id;              /* next identification of an answer */
	uint32_t answer_max;       /* bytes of data that fit the path */
	uint8_t interface;         /* where they arrive */
	/* Answers' headers up to UDP's length, but for what differs from one to the next; the sums
	 * of that part of IP's, and of the pseudo header and the ports; and how the socket sent
	 * when they were made. */
	uint8_t answer[38];
	uint32_t manner;
	uint32_t ip_sum; /* folded */
	uint64_t udp_sum;
	uint64_t addresses; /* the sum of both, in the questions' header */
	struct udp_datagram datagram;
};

/* The last answer of udp_transport_path; worth nothing in another era. Where the path's MTU is
 * less than its link's it is not kept: that is forgotten in time. */
struct way_kept {
	uint64_t era; /* 0: none */
	struct udp_ip asked, remote, src;
	uint32_t mtu;
};

/* The headers of what udp_transport_send_brief sent last, which the next packet to the same host
 * has but for length, identification and sum; worth nothing in another era. */
struct brief_kept {
	uint64_t era, way; /* 0: none */
	uint32_t src, dst, manner;
	uint32_t most; /* bytes behind the headers that the link takes */
	uint64_t sum;  /* of IP's header, without length, identification and sum */
	uint16_t *id;  /* the next identification */
	uint8_t header[ETH_SIZE + IP4_SIZE];
	uint8_t interface;
};

/* What was sent to ourselves and has not come in yet. */
enum { LOOP_QUEUE = 64 };

struct loop {
	struct udp_buffer *queue[LOOP_QUEUE];
	uint32_t first, n;
};

struct udp_stack {
	struct udp_ops ops;
	void *context;
	struct udp_config config;
	struct udp_counters count;
	uint64_t secret[2]; /* of the hashes */
	uint32_t n_interfaces;
	struct interface interfaces[UDP_INTERFACES_MAX];
	struct neighbour_table neighbours;
	struct reassembly_table reassembly;
	struct socket_table sockets;
	struct token_bucket errors;
	struct path_table paths;
	struct udp_dhcp *dhcp;                 /* clients, a list */
	struct udp_socket dhcp_socket;         /* theirs all */
	const struct udp_transport *transport; /* who takes TCP; NULL: nobody */
	void *transport_context;
	uint16_t ip4_ids[ID_BUCKETS]; /* next identification, by hash of the destination */
	uint16_t *id_at;              /* the last one that was asked for; NULL: none yet */
	uint8_t id_dst[4];            /* … and its destination */
	struct way_kept way_kept;
	struct brief_kept brief_kept;
	bool stirred;           /* something may be due before `deadline` */
	uint64_t deadline;      /* of all timers, when they were looked at last */
	uint64_t era, era_ends; /* see flow.c; UINT64_MAX: no flow is known */
	struct flow flows[FLOWS];
	struct loop loop;
};

/* A packet on its way up. It borrows the buffer; whoever answers in place sets `buffer` to NULL. */
struct packet {
	struct udp_stack *stack;
	struct udp_buffer *buffer; /* data begins at the Ethernet header or, reassembled, at IP's */
	struct interface *interface;
	const uint8_t *mac; /* the link's source address */
	bool link_group;    /* came by a link broadcast or multicast */
	bool fragmented;    /* came in fragments, or said so */
	bool to_group;      /* the network destination is a broadcast or multicast address */
	struct udp_ip src, dst;
	uint8_t protocol, ttl, tos;
	const uint8_t *header; /* IP header */
	uint32_t header_size;
	uint8_t *payload;
	uint32_t size; /* of the payload, at least as many bytes lie there */
};

/* A packet on its way down: what IP needs to know. */
struct send {
	struct udp_ip src; /* family 0: choose one */
	struct udp_ip dst;
	bool direct; /* the next hop is known: mac, by way of interface */
	uint8_t interface;
	uint8_t mac[UDP_MAC_BYTES];
	uint8_t protocol, ttl, tos;
	bool dont_fragment;
	bool knows_path;   /* who sends has made it for the path: it need only fit the link */
	bool router_alert; /* IPv4: with that option (RFC 2113) */
};

/* Which part of a datagram a fragment is. */
struct fragment {
	uint32_t id, offset; /* offset in bytes */
	bool more;
};

/* Where a destination lies. */
struct route {
	struct interface *interface;
	unsigned index;
	struct udp_ip src, next_hop;
	bool broadcast; /* next_hop is the link's broadcast address */
};

static inline uint64_t stack_now(struct udp_stack *stack)
{
	return stack->ops.now(stack->context);
}

/* When a buffer's time was; what time it is where it has none. */
static inline uint64_t stack_when(struct udp_stack *stack, uint64_t time)
{
	if (time == 0)
		return stack_now(stack);
	return stack->ops.when != NULL ? stack->ops.when(stack->context, time) : time;
}

static inline struct udp_buffer *stack_allocate(struct udp_stack *stack, uint32_t size)
{
	return stack->ops.allocate(stack->context, size);
}

static inline uint32_t ip_header_size(const struct udp_ip *ip)
{
	return ip->family == 6 ? IP6_SIZE : IP4_SIZE;
}

/* Routers may want smaller packets on a link than it takes. */
static inline uint32_t link_mtu(const struct interface *interface, const struct udp_ip *dst)
{
	return dst->family == 6 && interface->autoconf.mtu != 0 ? interface->autoconf.mtu
	                                                        : interface->mtu;
}

static inline uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Something was done that may have brought a deadline forward. */
static inline void stack_stir(struct udp_stack *stack)
{
	stack->stirred = true;
}

/* ---- flow.c ---- */

/* Takes the next frame of a known flow. false: it is none, and is still the caller's. */
bool flow_input(struct udp_stack *stack, struct udp_buffer *buffer);
/* Keeps what the datagram's headers have led to, before its socket gets it. */
void flow_keep(const struct packet *packet, struct udp_socket *socket,
               const struct udp_datagram *datagram);
/* Likewise for packets of another transport from there to here. */
void flow_keep_transport(const struct packet *packet, const struct udp_transport_packet *handed);
/* An address, a socket, a neighbour or a route has changed. */
void flow_forget(struct udp_stack *stack);
/* The path to a host takes less than was thought. */
void flow_forget_path(struct udp_stack *stack, const struct udp_ip *dst);
void flow_run(struct udp_stack *stack, uint64_t now);
/* As udp_socket_reply, for a datagram that came the short way. false: nothing has happened. */
bool flow_answer(struct udp_socket *socket, struct udp_datagram *datagram, uint32_t size);

/* ---- hash.c ---- */

/* A keyed hash of an address and a number. */
uint32_t hash_ip(const struct udp_stack *stack, const struct udp_ip *ip, uint32_t salt);

/* ---- ethernet.c ---- */

extern const uint8_t ethernet_broadcast[UDP_MAC_BYTES];
void ethernet_input(struct udp_stack *stack, struct udp_buffer *buffer);
/* Puts the header in front and sends. */
void ethernet_send(struct udp_stack *stack, unsigned interface, const uint8_t *dst, uint16_t type,
                   struct udp_buffer *buffer);

/* ---- loop.c ---- */

void loop_send(struct udp_stack *stack, struct udp_buffer *buffer);
/* What was sent to ourselves comes in. */
void loop_run(struct udp_stack *stack);
void loop_fini(struct udp_stack *stack);

/* ---- arp.c ---- */

void arp_input(struct udp_stack *stack, struct udp_buffer *buffer);
/* Asks for `ip`; `mac` NULL: everybody, else that neighbour alone. */
void arp_request(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                 const uint8_t *mac);
/* Announces the address (RFC 5227, 2.3). */
void arp_announce(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip);
/* Asks whether somebody has the address already (RFC 5227, 2.1.1). */
void arp_probe(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip);

/* ---- neighbour.c ---- */

size_t neighbour_bytes(const struct udp_config *config);
void neighbour_init(struct udp_stack *stack, void *memory);
void neighbour_fini(struct udp_stack *stack);
/* Sends an IP packet (no Ethernet header yet) to a neighbour, now or when it has answered. */
void neighbour_send(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                    struct udp_buffer *buffer);
/* `ip` is at `mac`. Makes an entry where there is none only if `create`. `confirmed`: it answered
 * our question. */
void neighbour_learn(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                     const uint8_t *mac, bool create, bool confirmed);
/* Whether `ip` is known, or can be asked for. */
bool neighbour_may_reach(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip);
/* Whether others read what we know: it may be they who asked what we are answered. */
bool neighbour_is_published(const struct udp_stack *stack, unsigned interface);
/* An advertisement about `ip`, as RFC 4861, 7.2.5 wants it; `mac` NULL: it names none. */
void neighbour_advert(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                      const uint8_t *mac, bool solicited, bool override);
void neighbour_run(struct udp_stack *stack, uint64_t now);

/* ---- own_address.c ---- */

/* The interface's address, in whatever state. */
/* One that nobody is asked about. */
struct address own_address_sure(const struct udp_ip *ip, unsigned prefix);
struct address *own_address_find(struct interface *interface, const struct udp_ip *ip);
/* The interface's address where it is usable. */
struct address *interface_address(struct interface *interface, const struct udp_ip *ip);
/* The interface's address to speak to `ip` from: of the same network where there is one. NULL: none
 * of that family. */
const struct udp_ip *interface_source(const struct interface *interface, const struct udp_ip *ip);
/* Whether `ip` is a usable address of any interface. */
bool route_is_ours(struct udp_stack *stack, const struct udp_ip *ip);
/* Takes an address off an interface. */
void own_address_drop(struct udp_stack *stack, struct interface *interface,
                      struct address *address);
/* Somebody else, at `mac`, claims one of our addresses, by ARP or ND. While it is being probed it
 * is given up; later the owner is told and the address defended, not too often (RFC 5227, 2.4(b)).
 */
void own_address_conflict(struct udp_stack *stack, unsigned interface, struct address *address,
                          const uint8_t *mac);
void own_address_run(struct udp_stack *stack, uint64_t now);
/* When the next probe or announcement is due. */
uint64_t own_address_deadline(const struct udp_stack *stack);

/* ---- route.c ---- */

/* Whether `ip` is a broadcast address on the interface (limited, or directed at its networks). */
bool route_is_broadcast(const struct interface *interface, const struct udp_ip *ip);
/* The address, interface and next hop for `dst`; *src's family 0: any source, else this one.
 * 0 or -UDP_EUNREACHABLE. */
int route_find(struct udp_stack *stack, const struct udp_ip *src, const struct udp_ip *dst,
               struct route *route);
/* ---- ip4_input.c, reassembly.c ---- */

void ip4_input(struct udp_stack *stack, struct udp_buffer *buffer, const uint8_t *mac,
               bool link_group);

/* Whether it comes from an address of ours by the wire: only who shares it on this machine may. */
bool ip_is_forged(const struct packet *packet);
/* Whether the source is one that packets come from, where it arrived. */
bool ip_may_send(const struct packet *packet);

/* Whoever sends us packets is reached through the neighbour that brought them: UDP_ROLE_LEARN. */
void ip_learn(const struct packet *packet);

size_t reassembly_bytes(const struct udp_config *config);
void reassembly_init(struct udp_stack *stack, void *memory);
/* Takes a fragment's bytes. `offset` in bytes. true: *whole describes the datagram, whose buffer
 * the caller owns. The packet's own buffer stays the caller's. */
bool reassembly_add(const struct packet *packet, uint32_t id, uint32_t offset, bool more,
                    struct packet *whole);
void reassembly_release(struct udp_stack *stack, struct udp_buffer *buffer);
void reassembly_run(struct udp_stack *stack, uint64_t now);

/* ---- ip_output.c, fragment.c ---- */

/* Sends buffer->data as the payload of one IP packet. 0 or -enum udp_error; the buffer is gone. */
int ip_send(struct udp_stack *stack, const struct send *send, struct udp_buffer *buffer);
/* Finds the route and completes send->src. 0 or -UDP_EUNREACHABLE. */
int ip_resolve(struct udp_stack *stack, struct send *send, struct route *route);
/* Payload bytes that one packet takes to that destination, as far as is known. */
uint32_t ip_payload_max(struct udp_stack *stack, const struct send *send,
                        const struct route *route);
/* Whether `size` bytes of payload go out in one packet, straight to a neighbour. */
bool ip_fits(struct udp_stack *stack, const struct send *send, uint32_t size);
/* The link address of a multicast group. */
void ip_multicast_mac(const struct udp_ip *group, uint8_t *mac);
uint16_t *ip4_id(struct udp_stack *stack, const struct udp_ip *dst);
uint16_t ip4_next_id(struct udp_stack *stack, const struct udp_ip *dst);
/* Puts an IP header in front of buffer->data and sends; `fragment` NULL: it is the whole. 0 or
 * -UDP_ENOBUFS (no room in front). */
int ip_transmit(struct udp_stack *stack, const struct send *send, const struct route *route,
                struct udp_buffer *buffer, const struct fragment *fragment);
/* The answer to `packet`: addresses turned round, straight back to the neighbour. */
struct send ip_answer(const struct packet *packet);
/* Makes the packet's own buffer hold just `size` bytes from `payload` on, for an answer in place.
 * NULL: it can't (reassembled, or no room); the packet then keeps it. */
struct udp_buffer *ip_answer_buffer(struct packet *packet, uint8_t *payload, uint32_t size);
/* Sends `head` (transport header) and `data` as one IP packet in as many fragments as it takes. */
int fragment_send(struct udp_stack *stack, const struct send *send, const uint8_t *head,
                  uint32_t head_size, const uint8_t *data, uint32_t size);

/* ---- path.c ---- */

size_t path_bytes(const struct udp_config *config);
void path_init(struct udp_stack *stack, void *memory);
/* The MTU to `dst` by a link of MTU `link`. */
uint32_t path_mtu(struct udp_stack *stack, const struct udp_ip *dst, uint32_t link);
/* What an ICMP error that claims an MTU (0: it names none) may mean at most for the packet it
 * quotes. */
uint32_t path_mtu_claimed(const uint8_t *quote, uint32_t claimed, bool six);
void path_learn(struct udp_stack *stack, const struct udp_ip *dst, uint32_t mtu);

/* ---- ip6_input.c ---- */

void ip6_input(struct udp_stack *stack, struct udp_buffer *buffer, const uint8_t *mac,
               bool link_group);
/* The group to which neighbours of `ip` are asked (RFC 4291, 2.7.1). */
struct udp_ip ip6_solicited_group(const struct udp_ip *ip);

/* ---- nd.c ---- */

/* A neighbour discovery message whose ICMPv6 checksum is right. */
void nd_input(struct packet *packet);
/* As arp_request. */
void nd_solicit(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                const uint8_t *mac);
/* As arp_announce (RFC 4861, 7.2.6). */
void nd_announce(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip);
/* As arp_probe (RFC 4862, 5.4.2). */
void nd_probe(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip);

/* ---- router_advert.c ---- */

/* A router advertisement whose ICMPv6 checksum is right. */
void router_advert_input(struct packet *packet);

/* ---- autoconf.c ---- */

/* What an announcement says; lifetimes in seconds. */
void autoconf_router(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                     uint8_t preference, uint16_t seconds);
void autoconf_prefix(struct udp_stack *stack, unsigned interface, const struct udp_ip *net,
                     bool on_link, uint32_t preferred, uint32_t valid);
void autoconf_dns(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                  uint32_t seconds);
void autoconf_mtu(struct udp_stack *stack, unsigned interface, uint32_t mtu);
/* Somebody has an address that was formed; it has been taken off the interface. */
void autoconf_duplicate(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip);
void autoconf_run(struct udp_stack *stack, uint64_t now);
uint64_t autoconf_deadline(const struct udp_stack *stack, uint64_t now);

/* ---- group.c ---- */

#define ALL_HOSTS 0xe0000001u /* 224.0.0.1 (RFC 1112, 4) */

void group_init(struct interface *interface);
/* Whether the interface wants what `source` sends to the group. */
bool group_hears(struct interface *interface, const struct udp_ip *ip, const struct udp_ip *source);
bool group_has(const struct group *group, const struct udp_ip *source);
/* The version of IGMP or MLD that the link's queriers understand. */
unsigned group_version(struct interface *interface, uint8_t family, uint64_t now);
void group_query(struct udp_stack *stack, unsigned interface, uint8_t family,
                 const struct query *query);
/* Another host has reported the group in an older version: ours is not needed. */
void group_heard_report(struct udp_stack *stack, unsigned interface, const struct udp_ip *group);
void group_run(struct udp_stack *stack, uint64_t now);
uint64_t group_deadline(const struct udp_stack *stack);

/* ---- group_message.c ---- */

void igmp_input(struct packet *packet);
/* An MLD message whose ICMPv6 checksum is right. */
void mld_input(struct packet *packet);
void group_send_record(struct udp_stack *stack, unsigned interface, const struct group *group,
                       enum group_record kind);
/* A report, or that the group is left, in an older version. */
void group_send_old(struct udp_stack *stack, unsigned interface, const struct group *group,
                    unsigned version, bool leave);

/* ---- icmp6.c ---- */

void icmp6_input(struct packet *packet);
/* Fills in the checksum of the ICMPv6 message that begins at buffer->data. */
void icmp6_finish(struct udp_buffer *buffer, const struct udp_ip *src, const struct udp_ip *dst);

/* ---- icmp.c, icmp_error.c ---- */

/* An IP packet of ours, `size` bytes of which are at `at`, did not arrive: tell its socket. */
void ip_fail(struct udp_stack *stack, const uint8_t *at, uint32_t size, enum udp_failure failure,
             uint32_t value);

void icmp_input(struct packet *packet);
enum icmp_cause {
	CAUSE_PORT,       /* nobody listens there */
	CAUSE_PROTOCOL,   /* nobody speaks that transport protocol; rest: IPv6: where it is named */
	CAUSE_REASSEMBLY, /* fragments are missing */
	CAUSE_OPTION,     /* IPv6: an option that we do not know; rest: where */
	CAUSE_HEADER,     /* IPv6: a field that makes no sense; rest: where */
	CAUSE_NEXT, /* IPv6: a header where none of its kind may stand; rest: where it is named */
	CAUSES
};

/* Sends an error about `packet` to its source, where the rules allow (RFC 1122, 3.2.2; RFC 4443,
 * 2.4). `rest` is the second header word. Borrows the packet. */
void icmp_error(const struct packet *packet, enum icmp_cause cause, uint32_t rest);
/* Whether an error about `packet` may be sent now; counts as one that was. */
bool icmp_error_allowed(const struct packet *packet);

/* ---- neighbours.c ---- */

/* Publishes an entry, or that it holds nothing any more. */
void neighbours_write(struct udp_stack *stack, const struct neighbour *entry, bool used);
/* What somebody else published of `ip`. */
bool neighbours_read(const struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                     uint8_t mac[UDP_MAC_BYTES]);

/* ---- reset.c ---- */

/* Refuses a TCP segment that no transport takes. Borrows the packet. */
void tcp_reset(const struct packet *packet);
/* Somebody sent an error: tell the socket whose packet it quotes. */
void icmp_error_input(const struct packet *packet);

/* ---- dhcp.c ---- */

void dhcp_run(struct udp_stack *stack, uint64_t now);
uint64_t dhcp_deadline(const struct udp_stack *stack);
/* What became of the probing of the client's address. */
void dhcp_address_ready(struct udp_dhcp *client);
void dhcp_address_taken(struct udp_dhcp *client, const uint8_t *mac);
/* Whether a client waits on that interface for an answer to an address that is not ours yet. */
bool dhcp_expects(const struct udp_stack *stack, unsigned interface);

/* ---- udp_output.c ---- */

/* Sends buffer->data from port `from` to port `to`; send->src is known. */
int udp_send_raw(struct udp_stack *stack, const struct send *send, uint16_t from, uint16_t to,
                 struct udp_buffer *buffer);

/* ---- transport.c ---- */

/* Only where stack->transport is set. */
void transport_input(struct packet *packet);
uint64_t transport_run(struct udp_stack *stack, uint64_t now);
bool transport_rests(const struct udp_stack *stack);

/* ---- udp_input.c, socket.c ---- */

size_t socket_bytes(const struct udp_config *config);
void socket_init(struct udp_stack *stack, void *memory);
void udp_input(struct packet *packet);
/* The next socket behind `last` (NULL: the first) that takes what `remote` sends to the group
 * `local`; NULL: no more. */
struct udp_socket *socket_next(struct udp_stack *stack, const struct udp_socket *last,
                               const struct udp_endpoint *local, const struct udp_endpoint *remote);
/* The socket that takes what `remote` sends to `local`; NULL: none. */
struct udp_socket *socket_find(struct udp_stack *stack, const struct udp_endpoint *local,
                               const struct udp_endpoint *remote);
/* A datagram that `local` sent to `remote` failed. false: nobody here can have sent it. */
bool socket_fail(struct udp_stack *stack, const struct udp_endpoint *local,
                 const struct udp_endpoint *remote, enum udp_failure failure, uint32_t value);

#endif
