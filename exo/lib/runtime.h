/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libexo's own sources share.
 */
#ifndef LIB_RUNTIME_H
#define LIB_RUNTIME_H

#include <stdint.h>

#include <exo/pe.h>

/* The library OS's part of struct exo_pe. */
struct pe_libos {
	uint32_t wanted;   /* enum exo_event bits whose delivery a handler awaits */
	uint32_t fsgsbase; /* ring 3 may load FS and GS bases */
};

static inline struct pe_libos *pe_libos(struct exo_pe *pe)
{
	return (struct pe_libos *)pe->libos;
}

/* Sets the PE up, with no upcall wanted. Before everything else; ends the environment where it
 * fails. */
void exo_runtime_init(void);

#endif
