/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine as a Linux process, and what a test can do to it: how much memory and how many cores
 * it has, who plays the environments, what time it is, what was said on the console.
 *
 * Nothing is concurrent: one thread acts as whichever core host_core_set says. Time stands still
 * unless host_time_add or an idle core moves it.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine_pe;
struct machine_space;
struct machine_trap;

enum {
	HOST_FIRST_FRAME = 0x100, /* number of the first frame */
	HOST_HOLE = 16,           /* frames missing in the middle of memory */
	HOST_TSC_HZ = 1000000000,
};

/* What the machine has. */
struct host_config {
	uint64_t frames; /* that machine_memory lists, apart from the hole; at least 64 */
	unsigned cores;  /* 1 … */
	unsigned ports;
	const void *payload; /* copied into frames behind the memory */
	size_t payload_size;
	size_t heap_max;  /* bytes that machine_alloc gives at most; 0: no bound */
	uint64_t sectors; /* of its disk; 0: it has none */
	uint16_t screen_width, screen_height; /* 0: it has no screen */
};

/*
 * Plays ring 3: is called by machine_run instead of the CPU. It may change pe->regs, read and write
 * memory with host_load and host_store, move time, and says in *trap why it came back. It is not
 * called where the core's timer has passed: that comes back as an interrupt.
 */
typedef void host_program(struct machine_pe *pe, struct machine_space *space,
                          struct machine_trap *trap);

/* Makes a new machine; what the last one had is freed. */
void host_init(const struct host_config *config, host_program *program);
void host_fini(void);
/* Lets machine_alloc give at most `bytes` more; 0: no bound. */
void host_heap_limit(size_t bytes);
/* Another player from now on. */
void host_program_change(host_program *program);

void host_core_set(unsigned core);
void host_time_add(uint64_t ticks);
/* How often a core was nudged. */
unsigned host_nudges(unsigned core);

/* Accesses of ring 3 to its memory, with the rights of its mappings. 0 or -EXO_EFAULT. */
int host_load(struct machine_space *space, void *to, uint64_t from, size_t size);
int host_store(struct machine_space *space, uint64_t to, const void *from, size_t size);

/* Whether something was removed from `space` or replaced, and not flushed. */
bool host_space_stale(const struct machine_space *space);

/* Makes `space` the one that runs on this core, as machine_run does. */
void host_space_set(struct machine_space *space);

/* Whether several threads are in the core, each a core of its own (host_core_set, host_space_set
 * are each thread's); else a lock that is taken already is an error. */
void host_threads(bool many);

/* The disk: what is on it; how many more requests it finishes (all, at first), and how. */
uint8_t *host_disk(void);
void host_disk_finishes(unsigned requests, int result);
/* The screen's pixels, four bytes each, line by line without gaps. */
const uint32_t *host_screen(void);

/* Everything that was written to the console since the machine was made, NUL-terminated. */
const char *host_console(void);
/* What machine_console_room says. */
extern size_t host_console_room;

/* Where machine_power and machine_panic go (setjmp gives 1 and 2). NULL: the process ends. */
extern jmp_buf *host_end;
/* What was asked of machine_power: enum exo_power << 16 | code; what machine_panic said. */
extern uint32_t host_power;
extern char host_panic[512];

#endif
