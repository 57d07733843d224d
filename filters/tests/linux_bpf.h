/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux's own verifier, for comparison: bpf(2). Needs root and a kernel that lets it.
 */
#ifndef TEST_LINUX_BPF_H
#define TEST_LINUX_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <flt/map.h>
#include <flt/program.h>

/* Whether programs can be loaded at all. */
bool linux_bpf_works(void);

/* Gives up CAP_PERFMON and CAP_SYS_ADMIN for good: Linux then refuses programs that leak pointers.
 */
bool linux_bpf_drop_trust(void);

/* Makes a map like the one described; a file descriptor, or negative. */
int linux_bpf_map(const struct flt_map_spec *spec);

/*
 * Loads an xdp program; a file descriptor, or negative with Linux's last words in log. References
 * to maps (kinds 1 and 2) hold file descriptors.
 */
int linux_bpf_load(const struct flt_insn *insns, uint32_t n, char *log, size_t size);

#endif
