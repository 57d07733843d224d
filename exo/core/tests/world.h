/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small world around the packet path, for its tests and fuzzer: page frames with owners and pins,
 * environments that are no more than a name and an account, keys, and DPDK ring ports whose other
 * ends the test holds. Everything else is the real thing: the packet path's own code, the filter
 * engine, DPDK's EAL and PMD on Linux.
 */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include <exo/call.h>
#include <exo/ring.h>

#include "../env.h"
#include "../net.h"

enum {
	WORLD_FRAMES = 4096,
	WORLD_FRAME_FIRST = 0x1000,
	WORLD_ENVS = 16, /* ids 1 … 15 */
	WORLD_PORTS = 2,
	WORLD_CORES = 2,
	WORLD_KERNEL = WORLD_ENVS - 1, /* owns the frames that world_arrive_framed uses */
};

/* The machine's cores, at most WORLD_CORES; to be set before the start. */
extern unsigned world_cores;

/* Starts DPDK, the ports and the packet path: once per process. */
void world_start(void);
/* The same with a further port, WORLD_PORTS, on which the frames of a capture (pcap) arrive for
 * ever, each copied into an mbuf of its own; what is sent there is freed. */
void world_start_capture(const char *path);

/* Instead, with ports that somebody else has made in between: DPDK, the packet path. */
void world_start_eal(void);
void world_start_net(unsigned n_ports);

/* Called where a core waits for others; NULL: by nobody. */
extern void (*world_pause)(void);

/* Which core the calling thread is from now on; 0 otherwise. Only core 0 has queues to poll. */
void world_core_set(unsigned core);

struct env *world_env(uint32_t id);
/* A new life for an environment: account and events are zero, it owns nothing. */
void world_env_reset(uint32_t id);

/* ---- Frames ---- */

/* Gives `count` contiguous free frames, filled with `poison`, to an environment. → the first. */
uint64_t world_frames(uint32_t owner, uint32_t count, uint8_t poison);
/* Takes one frame back, unless it is pinned. → whether it is nobody's. */
bool world_frame_drop(uint64_t frame);
/* Takes all frames of an environment back; those that are pinned fail the test. */
void world_frames_free(uint32_t owner);
void *world_memory(uint64_t physical);
unsigned world_pins(void);
/* Pieces of memory that the kernel has of the machine. */
long world_allocations(void);
uint32_t world_frame_owner(uint64_t frame);

/* ---- Ports ---- */

/* Lets a frame arrive. `segment`: bytes of each mbuf of a chain; 0: all in one. */
void world_arrive(unsigned port, const void *bytes, uint32_t length, uint32_t segment);
/* Likewise, in frames of the kernel's, which may be exchanged. */
void world_arrive_framed(unsigned port, const void *bytes, uint32_t length, uint32_t segment);
/* A frame that was sent, or 0 if there is none. → its length. */
uint32_t world_sent(unsigned port, void *bytes, uint32_t size);
/* Frames that were handed to the port and not yet sent: it holds their mbufs. */
unsigned world_waiting(unsigned port);
/* If set before the start, the last port is a NIC function with so many slots, at most 64. */
extern unsigned world_slots;
/* Then it is an ordinary port, with a queue to spare, which world_arrive_dma fills. */
extern bool world_spare;
void world_make_slots(void); /* the start does so */
/* A frame arrives by the function's DMA. false: its driver had no empty buffer. */
bool world_arrive_dma(const void *bytes, uint32_t length, uint32_t segment);
/* Puts mbufs into what a port receives from. → how many. */
struct rte_mbuf;
unsigned world_offer(unsigned port, struct rte_mbuf **mbufs, unsigned n);
unsigned world_offer_dma(unsigned port, struct rte_mbuf **mbufs, unsigned n);
/* How many frames the port takes from now on; the others find it full. */
void world_port_room(unsigned port, unsigned frames);
/* mbufs in use, of all pools. */
unsigned world_mbufs(void);

/* ---- Calls, as an environment would make them ---- */

struct world_ring {
	struct exo_cap cap;
	struct exo_queue *request, *response;
	struct exo_ring_counters *counters;
	uint64_t first_frame;
	uint32_t size, head, tail; /* head of request, tail of response */
};

int world_ring(uint32_t env, enum exo_ring_kind kind, uint32_t size, const struct exo_cap *space,
               struct world_ring *ring);
/* A receive ring in exchange mode. */
int world_exchange_ring(uint32_t env, uint32_t size, uint32_t least, struct world_ring *ring);
void world_put(struct world_ring *ring, struct exo_desc desc);
/* The next descriptor of the response queue. false: there is none. */
bool world_get(struct world_ring *ring, struct exo_desc *desc);
/* Fills `n` buffers of `length` bytes in frames of the environment's own, one frame each. */
void world_fill(uint32_t env, struct world_ring *ring, unsigned n, uint32_t length, uint8_t poison);

/* ---- Flows and frames ---- */

/* A conjunction without terms; then terms, at most FLT_CONJUNCTION_TERMS_MAX. */
void world_any(struct flt_conjunction *flow);
void world_term(struct flt_conjunction *flow, uint16_t offset, uint8_t width, uint32_t mask,
                uint32_t value);
/* UDP over IPv4 to (receive) or from (transmit) a port: EtherType, protocol, no later fragment,
 * port; address 0: any. */
void world_udp_to(struct flt_conjunction *flow, uint32_t address, uint16_t port);
void world_udp_from(struct flt_conjunction *flow, uint32_t address, uint16_t port);

/* A UDP frame, checksums filled in. → its length. */
uint32_t world_udp(uint8_t *frame, uint32_t from, uint16_t from_port, uint32_t to, uint16_t to_port,
                   uint32_t payload);
/* RFC 1071's sum, folded but not complemented. */
uint32_t world_sum(const uint8_t *bytes, uint32_t length, uint32_t sum);

/* The root of flow space for environment 1, made once; a space derived from it for another, with
 * one conjunction each way. */
const struct exo_cap *world_root(void);
struct exo_cap world_grant(uint32_t to, uint16_t rights, const struct flt_conjunction *receive,
                           const struct flt_conjunction *transmit);
/* Likewise on the ports of a bit set; world_grant is for the first alone. */
struct exo_cap world_grant_ports(uint32_t to, uint16_t rights, uint64_t ports,
                                 const struct flt_conjunction *receive,
                                 const struct flt_conjunction *transmit);
/* Binds a conjunction. `arg` may hold more (flags, priority, program); its result is there. */
int64_t world_bind(uint32_t env, const struct exo_cap *space, const struct flt_conjunction *flow,
                   const struct world_ring *ring, struct exo_bind *arg);

/* Lets the clock go on. */
void world_pass(uint64_t seconds);

/* Polls until nothing happens any more. */
void world_poll(void);

/* Events that environments got, and lines about them on the console. */
extern uint32_t world_events[WORLD_ENVS];
extern unsigned world_lines, world_kernel_lines; /* told of environments, and by the kernel */
extern char world_line[512];
extern unsigned world_polls_asked;

#endif
