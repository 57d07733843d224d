/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this environment was told at its start (exo/start.h), and what the information pages say
 * (exo/info.h). All of it is read-only memory; pointers stay valid for the environment's life.
 */
#ifndef LIBEXO_START_H
#define LIBEXO_START_H

#include <stddef.h>
#include <stdint.h>

#include <exo/info.h>
#include <exo/layout.h>
#include <exo/start.h>

static inline const struct exo_start *exo_start_page(void)
{
	return (const struct exo_start *)EXO_START_ADDR;
}

static inline const struct exo_info *exo_info(void)
{
	return (const struct exo_info *)EXO_INFO_ADDR;
}

static inline const struct exo_account *exo_account(void)
{
	return (const struct exo_account *)EXO_ACCOUNT_ADDR;
}

/* The core that is to send for this environment. */
static inline uint32_t exo_sender_core(void)
{
	const struct exo_start *page = exo_start_page();

	return page->sender != 0 ? page->sender - 1 : page->core;
}

/*
 * The first capability for `use` (enum exo_start_use) whose name is `name` (NULL: any). NULL where
 * the environment was given none.
 */
const struct exo_start_cap *exo_start_find(uint32_t use, const char *name);

/* Likewise, the capability itself. */
const struct exo_cap *exo_start_cap(uint32_t use);

/* The i-th address; NULL beyond the last, or where it is not known yet. */
const struct exo_start_address *exo_start_address(unsigned i);

/* A file of the payload that was given to this environment; NULL: none of that name. */
const struct exo_start_file *exo_start_file(const char *name);

/* The receive flows that the environment is to bind; *n of them. */
const struct exo_start_bind *exo_start_binds(unsigned *n);

/* Argument i; 0 is the program's name. NULL beyond the last. */
const char *exo_start_arg(unsigned i);

/* Port i of the machine; NULL beyond the last. */
const struct exo_port_info *exo_port_info(unsigned i);

#endif
