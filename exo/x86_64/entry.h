/* SPDX-License-Identifier: BSD-2-Clause */
/* Offsets and selectors that entry.S shares with C; traps.c holds them to the
 * structs. Included by assembly: only definitions. */
#ifndef X86_ENTRY_H
#define X86_ENTRY_H

/* struct cpu */
#define CPU_SELF       0
#define CPU_USER_RSP   8
#define CPU_RUN_RSP    16
#define CPU_PE_TOP     24
#define CPU_RSP0       40 /* tss.rsp[0] */
#define CPU_SPACE      160
#define CPU_VECTORS_OF 176

/* struct cpu_features, struct machine_space */
#define FEATURES_XCR0 16
#define SPACE_TOP     0

/* struct exo_regs */
#define REGS_RAX    0
#define REGS_RBX    8
#define REGS_RCX    16
#define REGS_RDX    24
#define REGS_RSI    32
#define REGS_RDI    40
#define REGS_RBP    48
#define REGS_R8     56
#define REGS_R9     64
#define REGS_R10    72
#define REGS_R11    80
#define REGS_R12    88
#define REGS_R13    96
#define REGS_R14    104
#define REGS_R15    112
#define REGS_FS     120
#define REGS_GS     128
#define REGS_RIP    136
#define REGS_CS     144
#define REGS_RFLAGS 152
#define REGS_RSP    160
#define REGS_SS     168
#define REGS_BYTES  176

/* struct machine_pe, which begins with the registers */
#define PE_VECTOR    176
#define PE_SPACE     184
#define PE_ENTRY     200 /* of EXO_UPCALL_EXCEPTION; the others follow */
#define PE_ADDRESS   248 /* of the shared page, in its environment */
#define PE_STACK     256
#define PE_RESUME    264 /* begin, end */
#define PE_FS        280
#define PE_PAGE      304 /* the kernel's alias */
#define PE_DELIVERED 312
#define PE_USERS     320
#define PE_NAME      328
#define PE_CALLER    336
#define PE_CALLEE    344
#define PE_EVENTS    352
#define PE_ID        356
#define PE_OPEN      360 /* open, parked, waiting, plain: a byte each */
#define PE_PARKED    361
#define PE_PLAIN     363
#define PE_INVOKED   368
#define PE_GATES     376

/* struct machine_gate */
#define GATE_TO    0
#define GATE_NAME  8
#define GATE_USERS 16
#define GATE_HERE  28
#define GATE_SHIFT 5 /* its size */
#define GATES      16

/* struct exo_pe */
#define SHARED_MASKED  0
#define SHARED_SAVED   64
#define SHARED_KIND    240
#define SHARED_VECTOR  244
#define SHARED_ERROR   248
#define SHARED_ADDRESS 256
#define SHARED_CALLER  268

/* enum exo_upcall_kind, enum exo_call */
#define UPCALL_EXCEPTION  0
#define UPCALL_ADDRESSING 1
#define UPCALL_REMOTE     3
#define CALL_INVOKE       30 /* less CALL_BASE */
#define CALL_REPLY        32

#define USER_DATA 0x1b
#define USER_CODE 0x23

/* What ring 3 may have in RFLAGS: CF PF AF ZF SF TF DF OF AC ID; IF is always set. */
#define FLAGS_USER   0x240dd5
#define FLAGS_ALWAYS 0x202 /* with these alone a handler begins */
/* Cleared by syscall: TF IF DF IOPL NT RF AC. */
#define FLAGS_SYSCALL 0x57700

#define VECTOR_CALL 256 /* x86_enter's answer for the syscall instruction */

/* As core/machine.h and exo/call.h have them. */
#define CALL_BASE  0x65780000
#define LEAF_CALLS 64
#define NOT_LEAF   (-0x40000000)

/* Instructions that depend on a feature (patch.c): PATCH_WITHOUT blanks what follows where the CPU
 * lacks it, PATCH_WITH where the CPU has it. */
#define PATCH_SMAP     0
#define PATCH_FSGSBASE 1
#define PATCH_PLAIN    2 /* XSAVEOPT, and no PCIDs */

#ifdef __ASSEMBLER__
/* clang-format off */
.macro patch feature, blank_if_present, length
	.pushsection .patches, "a", @progbits
	.quad 9999f
	.long \feature | (\blank_if_present << 8)
	.long \length
	.popsection
9999:
.endm

.macro user_access_off
	patch PATCH_SMAP, 0, 3
	clac
.endm

.macro user_access_on
	patch PATCH_SMAP, 0, 3
	stac
.endm
/* clang-format on */
#endif

#endif
