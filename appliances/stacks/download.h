/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of the stack for fixed content runs in the kernel (filters/programs/front.c): where the
 * kernel takes no downloads, the stack does all of it itself.
 *
 * Interface: download_open; then download_run after each static_stack_run, and at the time that it
 * names, before what the stack has to send is sent.
 */
#ifndef STACKS_DOWNLOAD_H
#define STACKS_DOWNLOAD_H

#include <libexo/net.h>
#include <static/stack.h>

#include "stats.h"

/* Puts the handler before the first binding of `net`; says on the console where there is none,
 * and why. */
void download_open(const struct exo_net *net, struct static_stack *stack);
/* Hands over the period of cookies, and requests that have been understood, and takes what the
 * handler kept for too long. → ns: when to call it again at the latest; UINT64_MAX: there is no
 * handler. */
uint64_t download_run(struct static_stack *stack, uint64_t now);
/* Adds what the handler has carried. */
void download_add(struct stats *stats);

#endif
