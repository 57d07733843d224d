/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SipHash-2-4: the keyed MAC of capabilities and of the host channel. One source,
 * exo/core/siphash.c, compiled into the kernel and into libexo.
 */
#ifndef EXO_SIPHASH_H
#define EXO_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-2-4 of `size` bytes under a 16-byte key, as two little-endian words. Source: Aumasson and
 * Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012. */
uint64_t exo_siphash(const uint64_t key[2], const void *data, size_t size);

#endif
