/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine's platform on Linux.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <flt/host.h>
#include <flt/map.h>
#include <flt/platform.h>

#include "internal.h"

static void *host_code_alloc(size_t size)
{
	void *code = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return code == MAP_FAILED ? NULL : code;
}

static int host_code_seal(void *code, size_t size)
{
	return mprotect(code, size, PROT_READ | PROT_EXEC);
}

static void host_code_free(void *code, size_t size)
{
	munmap(code, size);
}

enum { LARGE_PAGE = 2 << 20 };

/* Tables that no TLB holds in small pages get large ones where Linux has them. */
static void *host_alloc(size_t size)
{
	size_t align = size < LARGE_PAGE ? 16 : LARGE_PAGE;
	if (size > SIZE_MAX - align)
		return NULL;
	size = (size + align - 1) & ~(align - 1);
	void *memory = aligned_alloc(align, size);
	if (memory && align == LARGE_PAGE)
		(void)madvise(memory, size, MADV_HUGEPAGE);
	return memory;
}

static void host_retire(void *memory, void (*release)(void *memory))
{
	release(memory);
}

static uint64_t host_clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint32_t host_prandom(void)
{
	static _Thread_local uint64_t state;
	if (!state)
		state = host_clock_ns() | 1;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static uint32_t host_cpu(void)
{
	int cpu = sched_getcpu();
	return cpu < 0 ? 0 : (uint32_t)cpu % FLT_CPUS_MAX;
}

static void host_trace(const char *text, size_t length)
{
	fprintf(stderr, "%.*s\n", (int)length, text);
}

void flt_host_platform(struct flt_platform *platform, bool jit)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	*platform = (struct flt_platform){
	        .alloc = host_alloc,
	        .free = free,
	        .code_alloc = jit ? host_code_alloc : NULL,
	        .code_seal = jit ? host_code_seal : NULL,
	        .code_free = jit ? host_code_free : NULL,
	        .retire = host_retire,
	        .clock_ns = host_clock_ns,
	        .prandom = host_prandom,
	        .cpu = host_cpu,
	        .cpus = cpus < 1              ? 1
	                : cpus > FLT_CPUS_MAX ? FLT_CPUS_MAX
	                                      : (uint32_t)cpus,
	        .trace = host_trace,
	};
	if (getrandom(&platform->hash_seed, sizeof(platform->hash_seed), GRND_NONBLOCK) < 0)
		platform->hash_seed = host_clock_ns();
}

void flt_host_init(bool jit)
{
	struct flt_platform platform;
	flt_host_platform(&platform, jit);
	(void)flt_init(&platform);
}

/* malloc'ed; NULL: it can't be read. */
static void *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	long end = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
	void *bytes = end > 0 ? malloc((size_t)end) : NULL;
	*size = end > 0 ? (size_t)end : 0;
	if (bytes && (fseek(file, 0, SEEK_SET) != 0 || fread(bytes, 1, *size, file) != *size)) {
		free(bytes);
		bytes = NULL;
	}
	if (file)
		fclose(file);
	return bytes;
}

int flt_host_object_open(const char *path, struct flt_object **object, struct flt_error *error)
{
	size_t size;
	void *bytes = read_file(path, &size);
	if (!bytes)
		return flt_fail(error, FLT_E_NOT_FOUND, -1, "%s can't be read", path);
	int code = flt_object_open(bytes, size, object, error);
	free(bytes);
	return code;
}

void flt_host_arenas(const struct flt_object *object)
{
	static uint64_t arena[FLT_MAP_FRAMES_MAX * (FLT_MAP_FRAME / sizeof(uint64_t))];
	struct flt_map *map;
	for (uint32_t i = 0; (map = flt_object_map_at(object, i)); i++)
		for (uint32_t k = 0; k < flt_map_spec(map)->max_entries; k++)
			if (flt_map_arena_give(map, k,
			                       (uint8_t *)arena + (size_t)k * FLT_MAP_FRAME))
				break; /* no arena */
}
