/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SHA-256 (FIPS 180-4, section 6.2) of bytes in memory.
 */
#ifndef BOOT_SHA256_H
#define BOOT_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* Writes the digest of size bytes at data. */
void boot_sha256(const void *data, size_t size, uint8_t digest[32]);

#endif
