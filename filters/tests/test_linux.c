/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier beside Linux's, on random programs. What Linux refuses even from root must be
 * refused here; what it takes from someone who may not see pointers should be taken. Runs where
 * bpf(2) can be had.
 *
 * test_filters_linux [SEED [COUNT]] looks for longer and prints each program that differs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "generate.h"
#include "linux_bpf.h"
#include "verify.h"

static struct flt_map *maps[GENERATE_MAPS];
static int map_fds[GENERATE_MAPS];
static uint32_t n_false_accepts, n_false_rejects, n_taken, n_tried;
static bool verbose;

static bool taken_here(const struct flt_insn *insns, uint32_t n, struct flt_error *error)
{
	struct flt_insn copy[GENERATE_INSNS_MAX];
	struct flt_verified verified;
	memcpy(copy, insns, n * sizeof(*insns));
	struct flt_verify_input input = {.insns = copy,
	                                 .n_insns = n,
	                                 .kind = FLT_KIND_XDP,
	                                 .may_write = true,
	                                 .maps = maps,
	                                 .n_maps = GENERATE_MAPS};
	if (flt_verify(&input, &verified, error))
		return false;
	flt_free(verified.notes);
	return true;
}

static bool taken_by_linux(const struct flt_insn *insns, uint32_t n, char *log, size_t size)
{
	struct flt_insn copy[GENERATE_INSNS_MAX];
	memcpy(copy, insns, n * sizeof(*insns));
	for (uint32_t i = 0; i + 1 < n; i++)
		if (insn_is_wide(&copy[i])) {
			bool known = (uint32_t)copy[i].imm < GENERATE_MAPS;
			if (insn_src(&copy[i]))
				copy[i].imm = known ? map_fds[copy[i].imm] : -1;
			i++;
		}
	int fd = linux_bpf_load(copy, n, log, size);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Linux is stricter there without need, or means something else. */
static bool is_policy(const char *log)
{
	static const char *const words[] = {
	        "unreachable insn", /* checked for here, too, but only for whole blocks */
	        "infinite loop",
	        "back-edge",
	        "too large",
	        "too many",
	        "same insn cannot be used",
	};
	for (size_t i = 0; i < FLT_ARRAY_SIZE(words); i++)
		if (strstr(log, words[i]))
			return true;
	return false;
}

/*
 * Linux looks at reserved fields only where the program may come by, and takes the rest of a slot
 * that was written in part as initialised.
 */
static bool is_stricter(const struct flt_error *error)
{
	return error->code == FLT_E_INVALID || strstr(error->reason, "of the stack is read but");
}

static void print_program(const struct flt_insn *insns, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		printf("  %3u: %02x r%u r%u %d %d\n", i, (uint32_t)insns[i].code,
		       insn_dst(&insns[i]), insn_src(&insns[i]), insns[i].offset, insns[i].imm);
}

static void report(const char *what, uint64_t seed, const struct flt_insn *insns, uint32_t n,
                   int32_t at, const char *why)
{
	printf("%s, seed %lu: instruction %d: %s\n", what, (unsigned long)seed, at, why);
	if (verbose)
		print_program(insns, n);
	fflush(stdout);
}

static void compare(uint64_t seed, bool trusted)
{
	struct flt_insn insns[GENERATE_INSNS_MAX];
	struct flt_error error = {0};
	char log[400] = "";
	test_random_seed(seed);
	uint32_t n = generate_program(insns);
	bool here = taken_here(insns, n, &error);
	n_tried++;
	n_taken += here;
	if (here == !trusted)
		return; /* root's verdict judges what is taken here, the other what is refused */
	bool there = taken_by_linux(insns, n, log, sizeof(log));
	if (here && !there && !is_policy(log)) {
		n_false_accepts++;
		report("taken, but Linux refuses", seed, insns, n, -1, log);
	} else if (!here && there && !is_stricter(&error)) {
		n_false_rejects++;
		report("refused, but Linux takes", seed, insns, n, error.instruction, error.reason);
	}
}

static void compare_all(uint64_t seed, uint32_t count, bool trusted)
{
	for (uint32_t i = 0; i < count; i++)
		compare(seed + i, trusted);
}

static void make_maps(void)
{
	for (uint32_t i = 0; i < GENERATE_MAPS; i++) {
		if (flt_map_create(&generate_maps[i], &maps[i], NULL))
			abort();
		map_fds[i] = linux_bpf_map(&generate_maps[i]);
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 200;
	verbose = argc > 1;
	flt_host_init(true);
	if (!linux_bpf_works()) {
		printf("skipped: bpf(2) can't be had\n");
		return 77;
	}
	make_maps();
	compare_all(seed, count, true);
	if (!linux_bpf_drop_trust())
		printf("skipped: capabilities can't be given up\n");
	else
		compare_all(seed, count, false);
	printf("%u programs, %u taken; %u taken that Linux refuses, %u refused that Linux takes\n",
	       n_tried / 2, n_taken / 2, n_false_accepts, n_false_rejects);
	return n_false_accepts || n_false_rejects ? 1 : 0;
}
