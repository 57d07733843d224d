/* SPDX-License-Identifier: BSD-2-Clause */
/* What lwIP asks of a compiler and a platform: gcc for x86-64 without a C library. */
#ifndef ARCH_CC_H
#define ARCH_CC_H

#include <stdint.h>

/* lwIP takes SSIZE_MAX, which <limits.h> may define, for a sign that this type is there. */
typedef long ssize_t;
#ifndef SSIZE_MAX
#define SSIZE_MAX INT64_MAX
#endif

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_CTYPE_H    1
#define LWIP_NO_UNISTD_H   1

#define X8_F  "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "zu"

#define BYTE_ORDER LITTLE_ENDIAN

#define PACK_STRUCT_STRUCT __attribute__((packed))

/* system.c */
uint32_t lwip_exo_random(void);
void lwip_exo_diagnose(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void lwip_exo_fail(const char *what, const char *file, int line);

#define LWIP_RAND()             lwip_exo_random()
#define LWIP_PLATFORM_DIAG(x)   lwip_exo_diagnose x
#define LWIP_PLATFORM_ASSERT(x) lwip_exo_fail(x, __FILE__, __LINE__)

#endif
