/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the expressions of a flow to what the binary manifest holds: conjunctions, a classic BPF
 * program where they cannot say it all, and the relocations of both.
 */
#ifndef BOOT_FILTERS_H
#define BOOT_FILTERS_H

#include <exo/manifest.h>
#include <flt/expression.h>

#include "model.h"

struct filter {
	struct flt_expression expression; /* compiled with stand-in set 0 */
	struct exo_manifest_relocation *relocations;
	size_t n_relocations;
};

/* Compiles an expression; one that libpcap refuses, that accepts nothing, or that depends on a
 * symbol in a way that cannot be filled in later is refused. where: EXO_PLACE_RECEIVE or _TRANSMIT.
 */
void filter_compile(struct place place, const char *text, int family, unsigned where,
                    struct filter *filter);

/* Verifies the eBPF object and refuses what the kernel would refuse. */
void filter_check_object(struct place place, const struct model_file *file);

#endif
