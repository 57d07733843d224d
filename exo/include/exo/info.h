/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Information pages: what an environment may know without a call. The kernel maps them read-only
 * into every environment and writes them; readers take single aligned words, which are always
 * whole. struct exo_info lies at EXO_INFO_ADDR and names, as byte offsets from itself, the tables
 * that follow it; struct exo_account lies at EXO_ACCOUNT_ADDR.
 */
#ifndef EXO_INFO_H
#define EXO_INFO_H

#include <stdint.h>

#include "flow.h"

enum {
	EXO_ABI_VERSION = 1,
	EXO_SLOTS_PER_CORE = 64,
	EXO_NAME_MAX = 32, /* bytes of a name, with its NUL */
};

/* Why frames were lost before any binding was asked; per port in exo_port_info, machine-wide in
 * exo_info. */
struct exo_drops {
	uint64_t nic;        /* the NIC had no room (imissed) */
	uint64_t nic_errors; /* damaged on the wire (ierrors) */
	uint64_t unmatched;  /* nobody bound it */
	uint64_t malformed;  /* shorter than an Ethernet header, or segments beyond the limit */
	uint64_t tap_lost;   /* copies for taps that found no room */
	uint64_t fragments_expired; /* the datagram's first fragment did not come in time */
	uint64_t fragments_crowded; /* too many waited for their first fragments */
	uint64_t pool;              /* no empty buffer was left for the NIC (rx_nombuf) */
};

struct exo_port_info {
	char driver[EXO_NAME_MAX]; /* DPDK's name of the driver, e.g. net_virtio */
	char bus[EXO_NAME_MAX];    /* e.g. 0000:00:03.0 */
	uint8_t mac[6];
	uint16_t mtu;                      /* payload bytes of an Ethernet frame */
	uint32_t link_mbps;                /* 0: down */
	uint64_t rx_offloads, tx_offloads; /* RTE_ETH_RX_OFFLOAD_*, RTE_ETH_TX_OFFLOAD_* in use */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	struct exo_drops drops;
	uint16_t rx_queues, tx_queues; /* core c polls receive queue c, and so on modulo n_cores */
	uint32_t slots;      /* buffers of its EXO_RING_QUEUE: of a function behind an IOMMU, or (no
	                        EXO_PORT_FUNCTION) of a queue to spare; 0: it has none */
	uint64_t rx_busiest; /* of rx_packets, those that came by the busiest of 16 queues */
	uint64_t flags;      /* enum exo_port_flags */
	uint64_t reserved;
};

enum { EXO_PORT_MERGES = 1 << 4 }; /* in rx_offloads: it merges segments of TCP (LRO) */

enum exo_port_flags {
	EXO_PORT_FUNCTION = 1 << 0, /* a virtual function: the NIC gives it what is for its MAC
	                               address alone. With no slots, nothing keeps its DMA from any
	                               memory */
};

/* One time slot of a core's vector. */
struct exo_slot_info {
	uint32_t owner; /* environment id; 0: free */
	uint32_t reserved;
};

struct exo_info {
	uint32_t abi_version;       /* EXO_ABI_VERSION */
	uint32_t size;              /* bytes of the whole area, tables included */
	char version[EXO_NAME_MAX]; /* of Sluice, as text */
	uint64_t tsc_hz;
	uint64_t tsc_boot;     /* TSC at kernel entry */
	uint64_t wall_boot_ns; /* nanoseconds since 1970 at tsc_boot; 0: no clock */
	uint64_t slot_ticks;   /* TSC ticks of one time slot */
	uint64_t save_ticks;   /* TSC ticks to save in at a slot's end */
	uint32_t n_cores;
	uint32_t n_ports;
	uint64_t frames_total; /* frames that environments can own */
	uint64_t frames_free;
	uint64_t frame_first; /* frame numbers of the free map: [frame_first, frame_end) */
	uint64_t frame_end;
	uint32_t ports_offset;       /* struct exo_port_info[n_ports] */
	uint32_t slots_offset;       /* struct exo_slot_info[n_cores][EXO_SLOTS_PER_CORE] */
	uint32_t free_map_offset;    /* uint64_t[]: bit n set: frame frame_first + n is free */
	uint32_t vector_bytes;       /* room that XSAVE needs for the enabled vector state */
	uint64_t features;           /* enum exo_features */
	uint64_t polls, polls_empty; /* network polls of all cores, and those that found nothing */
	struct exo_drops drops;
	uint64_t disk_sectors;                /* of all disks; sectors 0 … n - 1 */
	uint16_t screen_width, screen_height; /* pixels; 0: no screen */
	uint32_t reserved2;
	uint64_t dma_faults; /* accesses of devices to memory that an IOMMU stopped */
	uint64_t reserved[13];
};

/* What the kernel uses on this machine, and what ring 3 may use. */
enum exo_features {
	EXO_FEATURE_FSGSBASE = 1 << 0,
	EXO_FEATURE_PCID = 1 << 1,
	EXO_FEATURE_X2APIC = 1 << 2,
	EXO_FEATURE_TSC_DEADLINE = 1 << 3,
	EXO_FEATURE_SMEP = 1 << 4,
	EXO_FEATURE_SMAP = 1 << 5,
	EXO_FEATURE_UMIP = 1 << 6,
	EXO_FEATURE_RDRAND = 1 << 7,
	EXO_FEATURE_HYPERVISOR = 1 << 8,
};

enum {
	EXO_LOSSES = 64, /* losses that an account remembers */
};

/* What somebody takes back from the environment, and until when it may choose how. */
struct exo_repossession {
	uint32_t by;       /* environment; 0: nothing is being taken */
	uint32_t kind;     /* enum exo_kind */
	uint64_t first;    /* EXO_UNITS_ANY: of its own choice */
	uint64_t count;    /* units still to be given back, as last counted */
	uint64_t deadline; /* TSC */
};

/* Units that were taken by force. */
struct exo_loss {
	uint32_t kind;
	uint32_t saved; /* 1: the frame's content is being written to `sector` on */
	uint64_t first;
	uint64_t sector;
};

/* An environment's own account. */
struct exo_account {
	uint32_t env;    /* its id */
	uint32_t parent; /* who created it */
	char name[EXO_NAME_MAX];
	uint64_t frames, frames_max; /* owned, and the limit */
	uint64_t mappings;
	uint64_t rings, bindings, flows;
	uint64_t slots;
	uint64_t ticks_used; /* TSC ticks run */
	uint64_t ticks_over; /* taken beyond slot ends */
	uint64_t calls, upcalls, faults;
	uint64_t rx_packets, rx_bytes, rx_dropped;
	uint64_t tx_packets, tx_bytes, tx_refused;
	uint64_t programs_refused;        /* by EXO_CALL_BIND, EXO_EVERIFY */
	uint64_t sectors;                 /* of its extents */
	uint64_t disk_read, disk_written; /* sectors moved */
	uint64_t disk_failed;             /* requests that the device failed */
	uint64_t pixels;                  /* copied to the screen */
	uint64_t mappings_dropped;        /* to make room; they came back as faults, or did not */
	/* Its part in what was lost on the way of packets; rx_dropped is the sum of the first two,
	 * tx_refused what the guard refused. */
	uint64_t rx_no_buffer, rx_ring_full;
	uint64_t bad_descriptors; /* and indices out of range */
	uint64_t tx_waited;       /* attempts that found the NIC, or the pool, without room */
	uint64_t completions_lost;
	uint64_t reserved[4];
	struct exo_repossession repossession;
	uint64_t n_losses; /* ever; the n-th lies at losses[n % EXO_LOSSES] */
	struct exo_loss losses[EXO_LOSSES];
};

_Static_assert(sizeof(struct exo_info) <= 4096 && sizeof(struct exo_account) <= 4096,
               "one page each");

#endif
