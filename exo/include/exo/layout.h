/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address space of an environment. The lower half belongs to it (the kernel holds the upper
 * half); the kernel itself maps only the read-only information pages. The rest is convention
 * between loader, library OS and program:
 *
 *     0000_0001_0000 … 7dff_ffff_ffff   the program: static ELF images expect 0x400000; heap and
 *                                       mappings lie above
 *     7e00_0000_0000 … 7e3f_ffff_ffff   the library OS: its image (linked at EXO_LIBOS_BASE),
 *                                       stacks, rings, PEs
 *     7e80_0000_0000                    system information (the kernel's, read-only, the same for
 *                                       all; exo/info.h)
 *     7e80_0020_0000                    the environment's account (the kernel's, read-only)
 *     7e80_0040_0000                    the start page (written by whoever created the
 *                                       environment; exo/start.h)
 *     7fff_ffff_f000                    never mapped: the last page below the canonical hole
 */
#ifndef EXO_LAYOUT_H
#define EXO_LAYOUT_H

#define EXO_PAGE_SHIFT 12
#define EXO_PAGE_SIZE  (1ull << EXO_PAGE_SHIFT)

#define EXO_USER_FIRST       0x0000000000010000ull /* nothing is ever mapped below */
#define EXO_USER_END         0x00007ffffffff000ull /* first address that can't be mapped */
#define EXO_LIBOS_BASE       0x00007e0000000000ull
#define EXO_LIBOS_END        0x00007e4000000000ull
#define EXO_INFO_ADDR        0x00007e8000000000ull /* struct exo_info */
#define EXO_ACCOUNT_ADDR     0x00007e8000200000ull /* struct exo_account */
#define EXO_START_ADDR       0x00007e8000400000ull /* struct exo_start */
#define EXO_KERNEL_AREA_BASE EXO_INFO_ADDR         /* [base, end): only the kernel maps here … */
#define EXO_KERNEL_AREA_END  EXO_START_ADDR        /* … and no call accepts an address inside */

#endif
