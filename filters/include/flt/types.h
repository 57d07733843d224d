/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names of numbers, for headers that handlers share with C programs: clang has no stdint.h of
 * its own for them.
 */
#ifndef FLT_TYPES_H
#define FLT_TYPES_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
#else
#include <stdint.h>
#endif

#endif
