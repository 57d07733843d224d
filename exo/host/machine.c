/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.h on Linux: memory, cores, time, console and end. Address spaces and ring 3: space.c.
 */
#include <host/host.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../core/machine.h"
#include "internal.h"

enum {
	CORES_MAX = 64,
	CONSOLE_MAX = 1 << 16,
	VECTOR_BYTES = 576,
};

/* A block of the kernel's heap: a list, so that host_fini finds all. */
struct block {
	struct block *next, **link;
	size_t size;
	uint8_t pad[40];
	uint8_t bytes[];
};

static struct {
	struct host_config config;
	uint8_t *memory; /* all frames, the hole and the payload included */
	uint64_t frames; /* of it */
	struct block *heap;
	size_t heap_used;
	uint64_t now, timer[CORES_MAX];
	unsigned nudges[CORES_MAX], nudged[CORES_MAX];
	uint64_t random;
	char console[CONSOLE_MAX];
	size_t console_size;
} host;

static __thread unsigned core_here;
static bool threaded;
/* Over the heap and the nudges. */
static pthread_mutex_t host_mutex = PTHREAD_MUTEX_INITIALIZER;

static struct machine_info info;

jmp_buf *host_end;
uint32_t host_power;
char host_panic[512];

/* ---- Making and ending a machine ---- */

static size_t bytes_of(uint64_t frames)
{
	return frames * EXO_PAGE_SIZE;
}

void host_fini(void)
{
	while (host.heap)
		machine_free(host.heap->bytes);
	if (host.memory)
		munmap(host.memory, bytes_of(host.frames));
	memset(&host, 0, sizeof(host));
	host_devices_init(&(struct host_config){0});
	host_space_set(NULL);
}

static void place_payload(void)
{
	uint64_t first = host.config.frames + HOST_HOLE;

	if (host.config.payload_size)
		memcpy(host.memory + bytes_of(first), host.config.payload,
		       host.config.payload_size);
	info.payload = bytes_of(HOST_FIRST_FRAME + first);
	info.payload_size = host.config.payload_size;
}

void host_init(const struct host_config *config, host_program *program)
{
	host_fini();
	host.config = *config;
	host.frames = config->frames + HOST_HOLE +
	              (config->payload_size + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
	host.memory = mmap(NULL, bytes_of(host.frames), PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host.memory == MAP_FAILED)
		abort();
	for (unsigned i = 0; i < CORES_MAX; i++)
		host.timer[i] = UINT64_MAX;
	host.now = 1000;
	info = (struct machine_info){
	        .tsc_hz = HOST_TSC_HZ,
	        .tsc_boot = host.now,
	        .vector_bytes = VECTOR_BYTES,
	        .n_ports = config->ports,
	        .command_line = "",
	};
	place_payload();
	host_devices_init(config);
	host_power = 0;
	host_panic[0] = 0;
	host_program_change(program);
}

const struct machine_info *machine_info(void)
{
	return &info;
}

/* ---- Memory ---- */

bool machine_memory(unsigned i, struct machine_range *range)
{
	uint64_t half = host.config.frames / 2;

	*range = (struct machine_range){.first = HOST_FIRST_FRAME, .count = half};
	if (i == 1)
		*range = (struct machine_range){.first = HOST_FIRST_FRAME + half + HOST_HOLE,
		                                .count = host.config.frames - half};
	return i < 2;
}

void machine_receive_frames(struct machine_range *range)
{
	*range = (struct machine_range){0};
}

void *machine_frame(uint64_t frame)
{
	MACHINE_ASSERT(frame >= HOST_FIRST_FRAME && frame - HOST_FIRST_FRAME < host.frames);
	return host.memory + bytes_of(frame - HOST_FIRST_FRAME);
}

uint64_t machine_frame_of(const void *address)
{
	return HOST_FIRST_FRAME +
	       (uint64_t)((const uint8_t *)address - host.memory) / EXO_PAGE_SIZE;
}

void *machine_alloc(size_t size)
{
	struct block *block;

	if (host.config.heap_max && host.config.heap_max - host.heap_used < size)
		return NULL;
	block = aligned_alloc(64, (sizeof(*block) + size + 63) & ~63ull);
	if (!block)
		return NULL;
	memset(block, 0, sizeof(*block) + size);
	block->size = size;
	pthread_mutex_lock(&host_mutex);
	block->next = host.heap;
	block->link = &host.heap;
	if (block->next)
		block->next->link = &block->next;
	host.heap = block;
	host.heap_used += size;
	pthread_mutex_unlock(&host_mutex);
	return block->bytes;
}

void machine_free(void *memory)
{
	struct block *block;

	if (!memory)
		return;
	block = (struct block *)((uint8_t *)memory - offsetof(struct block, bytes));
	pthread_mutex_lock(&host_mutex);
	*block->link = block->next;
	if (block->next)
		block->next->link = block->link;
	host.heap_used -= block->size;
	pthread_mutex_unlock(&host_mutex);
	free(block);
}

size_t machine_memory_left(void)
{
	size_t left = SIZE_MAX;

	pthread_mutex_lock(&host_mutex);
	if (host.config.heap_max)
		left = host.config.heap_max - host.heap_used;
	pthread_mutex_unlock(&host_mutex);
	return left;
}

void host_heap_limit(size_t bytes)
{
	host.config.heap_max = bytes ? host.heap_used + bytes : 0;
}

void *machine_code_alloc(size_t size)
{
	void *code = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return code == MAP_FAILED ? NULL : code;
}

int machine_code_seal(void *code, size_t size)
{
	return mprotect(code, size, PROT_READ | PROT_EXEC) == 0 ? 0 : -EXO_ENOMEM;
}

void machine_code_free(void *code, size_t size)
{
	munmap(code, size);
}

/* ---- Cores, time, randomness ---- */

void host_core_set(unsigned core)
{
	core_here = core;
}

unsigned machine_cores(void)
{
	return host.config.cores;
}

unsigned machine_core(void)
{
	return core_here;
}

void machine_nudge(unsigned core)
{
	pthread_mutex_lock(&host_mutex);
	host.nudges[core]++;
	host.nudged[core] = 1;
	pthread_mutex_unlock(&host_mutex);
}

unsigned host_nudges(unsigned core)
{
	return host.nudges[core];
}

uint64_t machine_tsc(void)
{
	return host.now;
}

void host_time_add(uint64_t ticks)
{
	host.now += ticks;
}

void machine_timer(uint64_t deadline)
{
	host.timer[core_here] = deadline;
}

bool host_timer_fires(void)
{
	if (host.now < host.timer[core_here])
		return false;
	host.timer[core_here] = UINT64_MAX;
	return true;
}

void machine_listen(bool on)
{
}

void machine_idle(uint64_t deadline)
{
	if (!host.nudged[core_here] && deadline > host.now)
		host.now = deadline;
	host.nudged[core_here] = 0;
}

void machine_serve(void)
{
}

/* The same numbers in every run: xorshift64*. */
void machine_random(void *to, size_t size)
{
	uint8_t *at = to;

	while (size-- > 0) {
		host.random = host.random ? host.random : 88172645463325252ull;
		host.random ^= host.random >> 12;
		host.random ^= host.random << 25;
		host.random ^= host.random >> 27;
		*at++ = (uint8_t)(host.random * 2685821657736338717ull >> 56);
	}
}

void machine_vector_begin(void)
{
}

bool machine_leaf_begin(struct machine_pe *pe)
{
	return true;
}

void machine_leaf_end(struct machine_pe *pe)
{
}

void machine_release_cores(void)
{
}

/* ---- Locks: where nothing is concurrent, a lock that is taken is a deadlock ---- */

void host_threads(bool many)
{
	threaded = many;
}

void machine_lock_wait(struct machine_lock *lock, uint32_t ticket)
{
	if (!threaded)
		machine_panic("a lock is taken twice: ticket %u, owner %u", ticket, lock->owner);
	while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket)
		sched_yield();
}

void machine_pause(void)
{
	if (!threaded)
		machine_panic("a bit lock is taken twice");
	sched_yield();
}

/* ---- Console and end ---- */

void machine_console_write(const char *text, size_t size)
{
	size_t room = sizeof(host.console) - 1 - host.console_size;

	if (size > room)
		size = room;
	memcpy(host.console + host.console_size, text, size);
	host.console_size += size;
	host.console[host.console_size] = 0;
}

size_t host_console_room = SIZE_MAX;

size_t machine_console_room(void)
{
	return host_console_room;
}

const char *host_console(void)
{
	return host.console;
}

int64_t machine_fact(enum exo_fact_kind kind, uint64_t index, struct exo_fact *fact)
{
	return -EXO_ENOENT; /* a process knows none */
}

size_t machine_console_read(char *text, size_t size)
{
	return 0; /* nobody types */
}

static void end(int how) __attribute__((noreturn));

static void end(int how)
{
	if (host_end)
		longjmp(*host_end, how);
	fprintf(stderr, "%s", host.console);
	abort();
}

void machine_power(enum exo_power what, uint32_t code)
{
	host_power = (uint32_t)what << 16 | (code & 0xffff);
	end(1);
}

void machine_panic(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(host_panic, sizeof(host_panic), format, list);
	va_end(list);
	fprintf(stderr, "panic: %s\n", host_panic);
	end(2);
}
