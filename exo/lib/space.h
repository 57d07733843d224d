/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How libexo divides the library OS's area [EXO_LIBOS_BASE, EXO_LIBOS_END), 256 GiB:
 *
 *     first  64 GiB   a separately linked library OS's image
 *     next   64 GiB   what the creator maps: content files, tables of the start page
 *     last  128 GiB   pages that the environment takes at run time (libexo/memory.h)
 */
#ifndef LIB_SPACE_H
#define LIB_SPACE_H

#include <exo/layout.h>

#define SPACE_CONTENT_BASE (EXO_LIBOS_BASE + (64ull << 30))
#define SPACE_CONTENT_END  (EXO_LIBOS_BASE + (128ull << 30))
#define SPACE_PAGES_BASE   SPACE_CONTENT_END
#define SPACE_PAGES_END    EXO_LIBOS_END

#endif
