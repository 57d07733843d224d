/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The start page: what whoever created an environment tells it. The kernel writes init's; init
 * writes those of the environments that it starts. It lies at EXO_START_ADDR, read-only,
 * EXO_START_BYTES long. Everything in it is bounded and NUL-terminated; a library OS copies what it
 * needs.
 */
#ifndef EXO_START_H
#define EXO_START_H

#include <stdint.h>

#include "cap.h"

enum {
	EXO_START_MAGIC = 0x54525453, /* "STRT" */
	EXO_START_VERSION = 1,
	EXO_START_BYTES = 16384,
	EXO_START_CAPS_MAX = 64,
	EXO_START_ADDRESSES_MAX = 8,
	EXO_START_FILES_MAX = 16,
	EXO_START_SERVERS_MAX = 4,
};

/* What a capability on the start page is for. */
enum exo_start_use {
	EXO_USE_CONSOLE = 1,
	EXO_USE_FRAMES = 2, /* ALLOC: free frames may be taken */
	EXO_USE_FLOW = 3,   /* `name`: the manifest's name of the flow space */
	EXO_USE_SLOTS = 4,
	EXO_USE_ENVS = 5, /* ALLOC: environments may be created */
	EXO_USE_MACHINE = 6,
	EXO_USE_PAYLOAD = 7, /* frames of the payload; the file "payload" says where it is mapped */
	EXO_USE_PEER = 8,    /* `name`: an environment that may be called */
	EXO_USE_SELF = 9,    /* CONTROL over itself */
	EXO_USE_DISK = 10,   /* an extent; ALLOC: free sectors may be taken */
	EXO_USE_SCREEN = 11, /* a rectangle; ALLOC: free parts of the screen may be taken */
	EXO_USE_EXTENSION = 12, /* `name`: an extension that may be opened */
};

struct exo_start_cap {
	uint32_t use; /* enum exo_start_use */
	uint32_t reserved;
	char name[24];
	struct exo_cap cap;
};

/* An address that the environment may use (it may share it with others: its flow space says which
 * part is its own). */
struct exo_start_address {
	uint8_t family; /* 4 or 6; 0: none yet */
	uint8_t prefix; /* bits of the network */
	uint16_t port;  /* NIC port */
	uint8_t mac[6];
	uint16_t mtu;
	uint16_t vlan;      /* tag of its frames (IEEE 802.1Q), 1 to 4094; 0: they have none */
	uint16_t publishes; /* 1: this environment writes `neighbours`; otherwise it is read-only */
	uint8_t address[16]; /* network order, IPv4 in the first four bytes */
	uint8_t gateway[16]; /* all zero: none */
	uint64_t neighbours; /* where the neighbour table is that those who share the address have
	                        in common, a page (udp/neighbours.h); 0: none */
};

/* Content of the payload, mapped read-only. */
struct exo_start_file {
	char name[64];
	uint64_t address;
	uint64_t size;
};

/* In a bind's `flags`, beside enum exo_bind_flags: granted, but bound only when the environment is
 * told to take it over from who has it (libexo/handover.h). */
enum { EXO_START_STANDBY = 1 << 15 };

/* Likewise: the flow is all that comes to a NIC function, the port of its space. Its ring is one of
 * EXO_RING_QUEUE where the port has slots; else it is bound. */
enum { EXO_START_FUNCTION = 1 << 14 };

/* A receive flow that the environment is to bind: filters that the manifest's author wrote,
 * addresses filled in. */
struct exo_start_bind {
	char name[24];  /* of the flow space among the capabilities */
	uint32_t flags; /* enum exo_bind_flags */
	int32_t priority;
	uint64_t conjunctions; /* address of struct flt_conjunction[] */
	uint32_t n_conjunctions;
	uint32_t program_kind; /* enum exo_program_kind */
	uint64_t program;      /* address */
	uint32_t program_size;
	uint32_t port;  /* with EXO_START_FUNCTION: the function's */
	uint32_t space; /* index of its flow space in `caps`: several may have one name */
	char text[192]; /* the expression, for people */
};

/* A name server (DNS) that whoever gave the addresses told of. */
struct exo_start_server {
	uint8_t family; /* 4 or 6 */
	uint8_t reserved[7];
	uint8_t address[16];
};

struct exo_start {
	uint32_t magic, version;
	uint32_t env;  /* this environment's id */
	uint32_t core; /* where its first PE runs */
	char name[32];
	uint32_t n_caps, n_addresses, n_files, n_binds;
	uint32_t argc;
	uint32_t args_size; /* bytes of `args` used */
	uint64_t binds;     /* address of struct exo_start_bind[n_binds] */
	uint64_t phdr;      /* program headers of the image, for the C library's auxiliary vector */
	uint32_t phnum;
	uint32_t program; /* 1 + index in `files` of the foreign program that the library OS is to
	                     run; 0: none */
	uint32_t sender;  /* 1 + the core that is to send for it; 0: its own */
	uint32_t reserved;
	uint64_t seed[4]; /* random, for the library OS's generators */
	uint64_t mailbox; /* address of a struct exo_mailbox (libexo/mailbox.h) shared with the
	                     creator, writable; 0: none */
	char args[2048];  /* argc NUL-terminated strings, one after another; the first is the
	                     program's name */
	struct exo_start_cap caps[EXO_START_CAPS_MAX];
	struct exo_start_address addresses[EXO_START_ADDRESSES_MAX];
	struct exo_start_file files[EXO_START_FILES_MAX];
	uint32_t n_name_servers;
	uint32_t reserved2;
	struct exo_start_server name_servers[EXO_START_SERVERS_MAX];
};

_Static_assert(sizeof(struct exo_start) <= EXO_START_BYTES, "the start page has room");

#endif
