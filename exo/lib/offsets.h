/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the fields of struct exo_pe lie, for assembly; upcall.c proves each against the struct.
 */
#ifndef LIB_OFFSETS_H
#define LIB_OFFSETS_H

#define PE_MASKED  0
#define PE_PENDING 4
#define PE_SAVED   64
#define PE_RAX     (PE_SAVED + 0)
#define PE_RBX     (PE_SAVED + 8)
#define PE_RCX     (PE_SAVED + 16)
#define PE_RDX     (PE_SAVED + 24)
#define PE_RSI     (PE_SAVED + 32)
#define PE_RDI     (PE_SAVED + 40)
#define PE_RBP     (PE_SAVED + 48)
#define PE_R8      (PE_SAVED + 56)
#define PE_R9      (PE_SAVED + 64)
#define PE_R10     (PE_SAVED + 72)
#define PE_R11     (PE_SAVED + 80)
#define PE_R12     (PE_SAVED + 88)
#define PE_R13     (PE_SAVED + 96)
#define PE_R14     (PE_SAVED + 104)
#define PE_R15     (PE_SAVED + 112)
#define PE_FS_BASE (PE_SAVED + 120)
#define PE_GS_BASE (PE_SAVED + 128)
#define PE_RIP     (PE_SAVED + 136)
#define PE_RFLAGS  (PE_SAVED + 152)
#define PE_RSP     (PE_SAVED + 160)
#define PE_LIBOS   328
/* The library OS's part of the page: struct pe_libos in runtime.h. */
#define PE_WANTED   (PE_LIBOS + 0)
#define PE_FSGSBASE (PE_LIBOS + 4)

/* Where struct exo_info says how many bytes vector state has; up to 512: FXSAVE's. */
#define INFO_VECTOR_BYTES 0x7e8000000084
#define LEGACY_BYTES      512

/* Numbers of two kernel calls; upcall.c proves them too. */
#define CALL_PENDING 0x65780007
#define CALL_RESUME  0x65780008
#define CALL_REPLY   0x65780020

/* Bytes of the stack that handlers run on, above a guard page. */
#define HANDLER_STACK_BYTES 32768

/* Bytes of one of exo_upcall_handlers, as a power of two: handler, argument. */
#define HANDLER_SHIFT 4

#endif
