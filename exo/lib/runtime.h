/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libexo's own sources share.
 */
#ifndef LIB_RUNTIME_H
#define LIB_RUNTIME_H

#include <stdbool.h>
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

/* How the PE is set up now: for a child that is a copy. */
void exo_runtime_setup(struct exo_pe_setup *copy);
/* Leaves a handler, or the start, for pe->saved. */
void exo_runtime_resume(struct exo_pe *pe) __attribute__((noreturn));

/* memory.c: whether a page at or above SPACE_PAGES_BASE came from exo_pages_alloc; where those end
 * (0: there were more than it keeps account of). */
bool exo_space_is_own(uint64_t address);
uint64_t exo_space_untouched(void);

#endif
