/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The binary manifest: what an appliance consists of, as boot/mkappliance writes it and init reads
 * it. It is the first member, named "manifest", of the payload (a newc cpio archive); the images,
 * programs and content that it names are the other members.
 *
 * Little-endian; tables follow the header at the offsets it gives, each entry of fixed size;
 * strings are offsets into one string table. exo_manifest_check (libexo) validates a whole manifest
 * once; everything else may trust it.
 */
#ifndef EXO_MANIFEST_H
#define EXO_MANIFEST_H

#include <stdint.h>

#include <flt/flow.h>

#include "screen.h"

enum {
	EXO_MANIFEST_MAGIC = 0x464d4c53, /* "SLMF" */
	EXO_MANIFEST_VERSION = 2,
	EXO_MANIFEST_ENVS_MAX = 1024,
};

/* A table: entries of a type that the field's comment names. */
struct exo_manifest_table {
	uint32_t offset; /* from the manifest's start, a multiple of 8 */
	uint32_t n;
};

struct exo_manifest {
	uint32_t magic, version;
	uint32_t size;                          /* of the whole manifest */
	uint32_t name;                          /* string: the appliance's name */
	struct exo_manifest_table files;        /* struct exo_manifest_file */
	struct exo_manifest_table envs;         /* struct exo_manifest_env */
	struct exo_manifest_table flows;        /* struct exo_manifest_flow */
	struct exo_manifest_table conjunctions; /* struct flt_conjunction */
	struct exo_manifest_table relocations;  /* struct exo_manifest_relocation */
	struct exo_manifest_table strings;      /* bytes; the last is NUL */
	uint32_t flags;                         /* enum exo_manifest_flags */
	uint32_t control_port;                  /* NIC port of the host channel; ~0: none */
	uint64_t merges; /* bit set of NIC ports that may merge segments of TCP */
	uint64_t reserved[3];
};

/*
 * The key of the members' digests, as two little-endian words: "Sluice's payload". It is no secret:
 * the digests tell damage on the way (one in 2^64 goes unseen), and cost a cycle or so a byte at
 * boot. Against a boot medium that lies there is Secure Boot.
 */
#define EXO_MANIFEST_DIGEST_KEY_0 0x7327656369756c53ull
#define EXO_MANIFEST_DIGEST_KEY_1 0x64616f6c79617020ull

enum exo_manifest_flags {
	EXO_MANIFEST_POWER_OFF = 1 << 0, /* power off when every environment has ended */
};

/* Every other member of the payload. */
struct exo_manifest_file {
	uint32_t name; /* string: the member's name */
	uint32_t reserved;
	uint64_t size;
	uint64_t digest; /* SipHash-2-4 of its bytes under EXO_MANIFEST_DIGEST_KEY_*, see above */
};

enum exo_manifest_env_flags {
	EXO_MANIFEST_CONSOLE = 1 << 0, /* may write to the console */
	EXO_MANIFEST_POWER = 1 << 1,   /* may power the machine off */
	EXO_MANIFEST_ENVS = 1 << 2,    /* may create environments */
	EXO_MANIFEST_LEDGER = 1 << 3,  /* may read the ledger */
	EXO_MANIFEST_RESTART = 1 << 4, /* is started again when it ends by a fault */
	EXO_MANIFEST_INPUT = 1 << 5,   /* may read what is typed on the console */
	EXO_MANIFEST_CONTROL = 1 << 6, /* may end any environment and revoke any frames */
};

struct exo_manifest_env {
	uint32_t name;    /* string */
	uint32_t image;   /* index into files */
	uint32_t program; /* index into files of a foreign program that `image` carries; ~0: none */
	uint32_t flags;   /* enum exo_manifest_env_flags */
	uint32_t args;    /* string: argc NUL-terminated strings, one after another */
	uint32_t argc;
	uint32_t frames; /* that it may own */
	uint32_t core;
	uint32_t slots;               /* of the core's vector */
	uint32_t first_flow, n_flows; /* in flows */
	uint32_t first_file, n_files; /* in files: content that is mapped read-only; consecutive */
	uint32_t addresses;           /* bit set of `ip=` addresses that it learns of */
	uint32_t disk_sectors;        /* of its extent; 0: it has none */
	uint32_t sender;              /* 1 + the core that is to send for it; 0: its own */
	uint64_t disk_first;          /* sector */
	struct exo_rect screen;       /* width 0: it has none */
	uint64_t reserved2;
};

/* A flow space that the environment gets, and what it binds in it. */
struct exo_manifest_flow {
	uint32_t name;  /* string */
	uint32_t text;  /* string: the receive expression as written */
	uint32_t flags; /* enum exo_bind_flags, EXO_START_* and EXO_MANIFEST_*, and the rights
	                   SHARE, TAP, HOST << 16 by enum exo_rights */
	int32_t priority;
	uint32_t address;                  /* index of the `ip=` address that the symbols mean */
	uint32_t program;                  /* index into files of a downloaded program; ~0: none */
	uint32_t program_kind;             /* enum exo_program_kind */
	uint32_t ports;                    /* bit set of NIC ports; 0: the address's port */
	uint32_t first_receive, n_receive; /* in conjunctions */
	uint32_t first_transmit, n_transmit;      /* in conjunctions */
	uint32_t first_relocation, n_relocations; /* in relocations */
	uint32_t reserved[2];
};

/* Of a flow with EXO_START_FUNCTION, in its flags: it may be given though nothing keeps the
 * function's DMA from any memory. */
enum { EXO_MANIFEST_UNPROTECTED = 1 << 13 };

enum exo_manifest_symbol {
	EXO_SYMBOL_ADDR = 1, /* the address: 4 bytes, or 16 for IPv6 */
	EXO_SYMBOL_NET = 2,  /* the network: address & mask as value, mask as mask */
	EXO_SYMBOL_MAC = 3,  /* the port's MAC address */
	EXO_SYMBOL_GROUP =
	        4, /* the IPv6 address's solicited-node group (RFC 4291, 2.7.1): 16 bytes */
};

enum exo_manifest_place {
	EXO_PLACE_RECEIVE =
	        1, /* value (and, for NET, mask) of a term of receive conjunction `index` */
	EXO_PLACE_TRANSMIT = 2, /* likewise of a transmit conjunction */
	EXO_PLACE_PROGRAM = 3,  /* k of instruction `index` of a classic BPF program */
};

/* Four bytes that init fills in when it knows the address. */
struct exo_manifest_relocation {
	uint16_t symbol; /* enum exo_manifest_symbol */
	uint16_t place;  /* enum exo_manifest_place */
	uint32_t index;  /* conjunction within the flow's, or instruction */
	uint16_t term;   /* term of the conjunction */
	uint16_t byte;   /* first byte of the symbol that is meant */
	uint16_t width;  /* bytes: 1, 2 or 4 */
	uint16_t mask;   /* PROGRAM: 1 where the symbol's mask, not its value, is meant (NET) */
};

_Static_assert(sizeof(struct exo_manifest_relocation) == 16,
               "exo_manifest_relocation is a file format");
_Static_assert(sizeof(struct exo_manifest_flow) == 64, "exo_manifest_flow is a file format");
_Static_assert(sizeof(struct exo_manifest_env) == 88, "exo_manifest_env is a file format");
_Static_assert(sizeof(struct exo_manifest_file) == 24, "exo_manifest_file is a file format");
_Static_assert(sizeof(struct exo_manifest) == 104, "exo_manifest is a file format");

#endif
