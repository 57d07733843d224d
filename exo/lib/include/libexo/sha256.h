/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SHA-256 (FIPS 180-4): the digests of the payload.
 */
#ifndef LIBEXO_SHA256_H
#define LIBEXO_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* The digest of `size` bytes. */
void exo_sha256(const void *data, size_t size, uint8_t digest[32]);

#endif
