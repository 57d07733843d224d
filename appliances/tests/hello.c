/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ordinary C program on musl: printf, malloc, clocks, sleep, thread-local data, and an exit
 * status. It knows nothing of Sluice.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static __thread int local = 42;
static __thread char zeroed[64];
static int failures;

static void expect(int truth, const char *what)
{
	if (truth)
		return;
	printf("hello: %s: wrong\n", what);
	failures++;
}

static void try_memory(void)
{
	enum {
		BLOCKS = 200,
	};
	char *blocks[BLOCKS];

	for (size_t i = 0; i < BLOCKS; i++) {
		size_t size = i * i * 7 + 1;

		blocks[i] = malloc(size);
		expect(blocks[i] != NULL, "malloc");
		memset(blocks[i], (int)i, size);
	}
	for (size_t i = 0; i < BLOCKS; i++) {
		expect(blocks[i][i * i * 7] == (char)i, "content of a block");
		blocks[i] = realloc(blocks[i], i * i * 14 + 1);
		expect(blocks[i][i * i * 7] == (char)i, "content after realloc");
		free(blocks[i]);
	}
}

static void try_mappings(void)
{
	size_t size = 1 << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(p != MAP_FAILED, "mmap");
	expect(p[size - 1] == 0, "fresh memory is zero");
	p[0] = 1;
	expect(mprotect(p, 4096, PROT_READ) == 0 && p[0] == 1, "mprotect");
	expect(mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == -1 && errno == EACCES,
	       "writable and executable is refused");
	expect(munmap(p, size) == 0, "munmap");
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(p != MAP_FAILED && p[0] == 0, "memory that was used before is zero again");
	munmap(p, size);
}

static void try_clocks(void)
{
	struct timespec a, b, pause = {0, 20000000};

	clock_gettime(CLOCK_MONOTONIC, &a);
	nanosleep(&pause, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	expect((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec >= pause.tv_nsec,
	       "a sleep is as long as asked for");
}

int main(int argc, char **argv)
{
	volatile double two = 2;

	printf("hello: %d arguments, the first is %s\n", argc, argv[0]);
	expect(local == 42 && zeroed[63] == 0, "thread-local data");
	local = 43;
	expect(local == 43, "thread-local data after a write");
	expect(fabs(sqrt(two) - 1.41421356) < 1e-8, "floating point");
	try_memory();
	try_mappings();
	try_clocks();
	expect(write(1, (void *)16, 1) == -1 && errno == EFAULT, "a wild pointer is refused");
	printf("hello: %s\n", failures == 0 ? "all is well" : "not all is well");
	return failures == 0 ? 0 : 1;
}
