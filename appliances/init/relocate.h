/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relocations: $addr, $net, $group and $mac of a manifest's flows become this machine's.
 */
#ifndef INIT_RELOCATE_H
#define INIT_RELOCATE_H

#include <exo/manifest.h>
#include <exo/start.h>

/* What the symbols stand for. */
struct symbols {
	const struct exo_start_address *address; /* NULL: none was given */
	const uint8_t *mac;                      /* NULL: there is no such port */
};

/* The family of the address that the flow's $addr and $net mean: 4, 6, or 0: it has neither. */
uint8_t relocate_family(const struct exo_manifest *manifest, const struct exo_manifest_flow *flow);

/*
 * Fills in the relocations of `flow` that belong to `place`, in a copy of its conjunctions (or of
 * its program's instructions). NULL, or what is missing, e.g. "it needs an IPv4 address". The
 * manifest was checked.
 */
const char *relocate_conjunctions(const struct exo_manifest *manifest,
                                  const struct exo_manifest_flow *flow,
                                  enum exo_manifest_place place, const struct symbols *symbols,
                                  struct flt_conjunction *conjunctions);
const char *relocate_program(const struct exo_manifest *manifest,
                             const struct exo_manifest_flow *flow, const struct symbols *symbols,
                             void *program);

#endif
