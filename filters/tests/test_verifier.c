/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier, class by class: for each the smallest programs on both sides of the line. Where
 * bpf(2) can be had, Linux must say the same (LINUX_DIFFERS: it is known not to, and why).
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"
#include "generate.h"
#include "insns.h"
#include "linux_bpf.h"
#include "verify.h"

enum { CASE_INSNS = 40, LINUX_DIFFERS = 1 };

struct verifier_case {
	const char *name;
	const char *why; /* part of the reason; NULL: taken */
	uint32_t flags;
	struct flt_insn insns[CASE_INSNS];
};

#define DATA                  LOAD(BPF_W, 2, 1, 0), LOAD(BPF_W, 3, 1, 4)
#define META                  LOAD(BPF_W, 2, 1, 8), LOAD(BPF_W, 3, 1, 0)
#define RANDOM                CALL(7)
#define ZERO                  MOV_K(0, 0)
#define MAP(d, n)             INSN(BPF_LD | BPF_IMM | BPF_DW, d, BPF_PSEUDO_MAP, 0, n), INSN(0, 0, 0, 0, 0)
#define JUMP32_X(op, d, s, o) INSN(BPF_JMP32 | (op) | BPF_X, d, s, 0 + (o), 0)
/* r0 = a value of the array (48 bytes) or NULL; the key is not known. */
#define LOOKUP                                                                                     \
	RANDOM, STORE(BPF_W, 10, -4, 0), MOV_X(2, 10), ALU64_K(BPF_ADD, 2, -4), MAP(1, 0), CALL(1)
/* Arguments of xdp_load_bytes: 1 to 8 bytes to the highest slot of the stack. */
#define UNKNOWN_SIZE                                                                               \
	MOV_X(6, 1), CALL(5), ALU64_K(BPF_AND, 0, 7), ALU64_K(BPF_ADD, 0, 1), MOV_X(4, 0),         \
	        MOV_X(1, 6), MOV_K(2, 0), MOV_X(3, 10), ALU64_K(BPF_ADD, 3, -8)
/* r0 = such a value; the jump leaves by the program's second exit, n instructions on. */
#define VALUE(n) LOOKUP, JUMP_K(BPF_JEQ, 0, 0, n)

static const struct verifier_case cases[] = {
        /* packet ranges: all comparisons, both orders */
        {"p > end",
         NULL,
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JGT, 4, 3, 1),
          LOAD(BPF_DW, 0, 2, 0), EXIT}},
        {"p > end, a byte more",
         "of which 8",
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JGT, 4, 3, 1),
          LOAD(BPF_DW, 0, 2, 1), EXIT}},
        {"p >= end",
         NULL,
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JGE, 4, 3, 1),
          LOAD(BPF_B, 0, 2, 8), EXIT}},
        {"p >= end, a byte more",
         "of which 9",
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JGE, 4, 3, 1),
          LOAD(BPF_B, 0, 2, 9), EXIT}},
        {"p < end",
         NULL,
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JLT, 4, 3, 1), EXIT,
          LOAD(BPF_B, 0, 2, 8), EXIT}},
        {"p < end, wrong way",
         "of which 0",
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JLT, 4, 3, 1),
          LOAD(BPF_B, 0, 2, 0), EXIT}},
        {"p <= end",
         NULL,
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JLE, 4, 3, 1), EXIT,
          LOAD(BPF_DW, 0, 2, 0), EXIT}},
        {"p <= end, a byte more",
         "of which 8",
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JLE, 4, 3, 1), EXIT,
          LOAD(BPF_B, 0, 2, 8), EXIT}},
        {"end < p",
         NULL,
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JLT, 3, 4, 1),
          LOAD(BPF_DW, 0, 2, 0), EXIT}},
        {"end <= p",
         NULL,
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JLE, 3, 4, 1),
          LOAD(BPF_B, 0, 2, 8), EXIT}},
        {"end > p",
         NULL,
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JGT, 3, 4, 1), EXIT,
          LOAD(BPF_B, 0, 2, 8), EXIT}},
        {"end >= p",
         NULL,
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JGE, 3, 4, 1), EXIT,
          LOAD(BPF_DW, 0, 2, 0), EXIT}},
        {"end >= p, a byte more",
         "of which 8",
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JGE, 3, 4, 1), EXIT,
          LOAD(BPF_DW, 0, 2, 1), EXIT}},
        {"equality says nothing",
         "of which 0",
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JEQ, 4, 3, 1), EXIT,
          LOAD(BPF_B, 0, 2, 0), EXIT}},
        {"before the packet",
         "offset -1",
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JGT, 4, 3, 1),
          LOAD(BPF_B, 0, 2, -1), EXIT}},
        {"behind the checked pointer",
         NULL,
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JGT, 4, 3, 1),
          LOAD(BPF_DW, 0, 4, -8), EXIT}},
        {"metadata before the packet",
         NULL,
         0,
         {META, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JGT, 4, 3, 1),
          LOAD(BPF_DW, 0, 2, 0), EXIT}},
        {"metadata against the packet's end",
         "of which 0",
         0,
         {META, LOAD(BPF_W, 3, 1, 4), ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8),
          JUMP_X(BPF_JGT, 4, 3, 1), LOAD(BPF_DW, 0, 2, 0), EXIT}},
        {"variable offset",
         NULL,
         0,
         {DATA, MOV_X(6, 2), MOV_X(7, 3), RANDOM, ALU64_K(BPF_AND, 0, 255), ALU64_X(BPF_ADD, 6, 0),
          MOV_X(4, 6), ALU64_K(BPF_ADD, 4, 4), MOV_K(0, 1), JUMP_X(BPF_JGT, 4, 7, 1),
          LOAD(BPF_W, 0, 6, 0), EXIT}},
        {"variable offset that was not checked",
         "of which 0",
         0,
         {DATA, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 300), ZERO, JUMP_X(BPF_JGT, 4, 3, 5), MOV_X(6, 2),
          RANDOM, ALU64_K(BPF_AND, 0, 255), ALU64_X(BPF_ADD, 6, 0), LOAD(BPF_W, 0, 6, 0), EXIT}},
        {"check of another variable offset",
         "of which 0",
         0,
         {DATA, MOV_X(6, 2), MOV_X(7, 3), MOV_X(8, 2), RANDOM, ALU64_K(BPF_AND, 0, 255),
          ALU64_X(BPF_ADD, 6, 0), ALU64_X(BPF_ADD, 8, 0), MOV_X(4, 8), ALU64_K(BPF_ADD, 4, 4),
          MOV_K(0, 1), JUMP_X(BPF_JGT, 4, 7, 1), LOAD(BPF_W, 0, 6, 0), EXIT}},
        {"the same check twice",
         NULL,
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), MOV_K(5, 0), JUMP_X(BPF_JGT, 4, 3, 1),
          MOV_X(5, 2), JUMP_X(BPF_JGT, 4, 3, 1), LOAD(BPF_DW, 0, 5, 0), EXIT}},

        /* numbers: bounds in both widths and signs */
        {"unsigned bound",
         NULL,
         0,
         {VALUE(5), MOV_X(6, 0), RANDOM, JUMP_K(BPF_JGT, 0, 40, 2), ALU64_X(BPF_ADD, 6, 0),
          LOAD(BPF_DW, 0, 6, 0), ZERO, EXIT}},
        {"unsigned bound, one more",
         "of a value of map",
         0,
         {VALUE(5), MOV_X(6, 0), RANDOM, JUMP_K(BPF_JGT, 0, 41, 2), ALU64_X(BPF_ADD, 6, 0),
          LOAD(BPF_DW, 0, 6, 0), ZERO, EXIT}},
        {"signed bound without a lower one",
         "without bounds",
         0,
         {VALUE(5), MOV_X(6, 0), CALL(5), JUMP_K(BPF_JSGT, 0, 40, 2), ALU64_X(BPF_ADD, 6, 0),
          LOAD(BPF_B, 0, 6, 0), ZERO, EXIT}},
        {"signed bounds on both sides",
         NULL,
         0,
         {VALUE(6), MOV_X(6, 0), CALL(5), JUMP_K(BPF_JSGT, 0, 40, 3), JUMP_K(BPF_JSLT, 0, 0, 2),
          ALU64_X(BPF_ADD, 6, 0), LOAD(BPF_DW, 0, 6, 0), ZERO, EXIT}},
        {"32-bit bound of a 32-bit number",
         NULL,
         0,
         {VALUE(6), MOV_X(6, 0), RANDOM, ALU32_X(BPF_MOV, 0, 0), JUMP32_K(BPF_JGT, 0, 40, 2),
          ALU64_X(BPF_ADD, 6, 0), LOAD(BPF_DW, 0, 6, 0), ZERO, EXIT}},
        {"32-bit bound of a 64-bit number",
         "without bounds",
         0,
         {VALUE(5), MOV_X(6, 0), CALL(5), JUMP32_K(BPF_JGT, 0, 40, 2), ALU64_X(BPF_ADD, 6, 0),
          LOAD(BPF_DW, 0, 6, 0), ZERO, EXIT}},
        {"32-bit move cuts",
         NULL,
         0,
         {VALUE(6), MOV_X(6, 0), CALL(5), JUMP32_K(BPF_JGT, 0, 40, 3), ALU32_X(BPF_MOV, 0, 0),
          ALU64_X(BPF_ADD, 6, 0), LOAD(BPF_DW, 0, 6, 0), ZERO, EXIT}},
        {"a copy made before the comparison",
         NULL,
         0,
         {VALUE(6), MOV_X(6, 0), RANDOM, MOV_X(7, 0), JUMP_K(BPF_JGT, 0, 40, 2),
          ALU64_X(BPF_ADD, 6, 7), LOAD(BPF_DW, 0, 6, 0), ZERO, EXIT}},
        {"a copy changed before the comparison",
         "without bounds",
         LINUX_DIFFERS /* follows additions */,
         {VALUE(7), MOV_X(6, 0), CALL(5), MOV_X(7, 0), ALU64_K(BPF_ADD, 7, 1),
          JUMP_K(BPF_JGT, 0, 40, 2), ALU64_X(BPF_ADD, 6, 7), LOAD(BPF_B, 0, 6, 0), ZERO, EXIT}},
        {"bits cleared",
         NULL,
         0,
         {VALUE(5), MOV_X(6, 0), CALL(5), JUMP_K(BPF_JSET, 0, -32, 2), ALU64_X(BPF_ADD, 6, 0),
          LOAD(BPF_DW, 0, 6, 8), ZERO, EXIT}},
        {"bits set say no bound",
         "without bounds",
         0,
         {VALUE(6), MOV_X(6, 0), CALL(5), JUMP_K(BPF_JSET, 0, 31, 1), JUMP(2),
          ALU64_X(BPF_ADD, 6, 0), LOAD(BPF_B, 0, 6, 0), ZERO, EXIT}},
        {"sign extension makes it negative",
         "without bounds",
         LINUX_DIFFERS /* refuses at the load */,
         {VALUE(5), MOV_X(6, 0), CALL(5), INSN(BPF_ALU64 | BPF_MOV | BPF_X, 0, 0, 32, 0),
          ALU64_X(BPF_ADD, 6, 0), LOAD(BPF_B, 0, 6, 0), ZERO, EXIT}},

        /* values of maps */
        {"value without a check", "may be NULL", 0, {LOOKUP, LOAD(BPF_B, 0, 0, 0), EXIT}},
        {"check of a copy",
         NULL,
         0,
         {LOOKUP, MOV_X(6, 0), JUMP_K(BPF_JEQ, 0, 0, 2), LOAD(BPF_B, 0, 6, 0), EXIT, ZERO, EXIT}},
        {"check of another lookup",
         "may be NULL",
         0,
         {LOOKUP, MOV_X(6, 0), LOOKUP, JUMP_K(BPF_JEQ, 0, 0, 2), LOAD(BPF_B, 0, 6, 0), EXIT, ZERO,
          EXIT}},
        {"wrong way of the check",
         "no memory",
         0,
         {LOOKUP, JUMP_K(BPF_JNE, 0, 0, 2), LOAD(BPF_B, 0, 0, 0), EXIT, ZERO, EXIT}},
        {"arithmetic before the check",
         "may be NULL",
         0,
         {LOOKUP, ALU64_K(BPF_ADD, 0, 4), JUMP_K(BPF_JEQ, 0, 0, 1), LOAD(BPF_B, 0, 0, 0), ZERO,
          EXIT}},
        {"last bytes of a value", NULL, 0, {VALUE(2), LOAD(BPF_DW, 0, 0, 40), EXIT, ZERO, EXIT}},
        {"beyond a value", "of a value", 0, {VALUE(2), LOAD(BPF_DW, 0, 0, 41), EXIT, ZERO, EXIT}},
        {"before a value",
         "of a value of map",
         LINUX_DIFFERS /* says it otherwise */,
         {VALUE(2), LOAD(BPF_DW, 0, 0, -8), EXIT, ZERO, EXIT}},
        {"constant key of an array",
         NULL,
         0,
         {STORE_K(BPF_W, 10, -8, 3), MOV_X(2, 10), ALU64_K(BPF_ADD, 2, -8), MAP(1, 0), CALL(1),
          LOAD(BPF_B, 0, 0, 0), EXIT}},
        {"constant key beyond an array",
         "may be NULL",
         0,
         {STORE_K(BPF_W, 10, -8, 4), MOV_X(2, 10), ALU64_K(BPF_ADD, 2, -8), MAP(1, 0), CALL(1),
          LOAD(BPF_B, 0, 0, 0), EXIT}},
        {"constant key of a hash map",
         "may be NULL",
         0,
         {STORE_K(BPF_DW, 10, -8, 0), MOV_X(2, 10), ALU64_K(BPF_ADD, 2, -8), MAP(1, 1), CALL(1),
          LOAD(BPF_B, 0, 0, 0), EXIT}},
        {"key that was not written",
         "never written",
         0,
         {MOV_X(2, 10), ALU64_K(BPF_ADD, 2, -8), MAP(1, 1), CALL(1), ZERO, EXIT}},
        {"key written in part",
         "never written",
         LINUX_DIFFERS /* takes the rest as written */,
         {STORE_K(BPF_W, 10, -8, 1), MOV_X(2, 10), ALU64_K(BPF_ADD, 2, -8), MAP(1, 1), CALL(1),
          ZERO, EXIT}},
        {"a map is not memory", "no memory", 0, {MAP(1, 0), LOAD(BPF_B, 0, 1, 0), EXIT}},

        /* the stack */
        {"saved number comes back",
         NULL,
         0,
         {VALUE(7), MOV_X(6, 0), RANDOM, ALU64_K(BPF_AND, 0, 31), STORE(BPF_DW, 10, -16, 0),
          LOAD(BPF_DW, 1, 10, -16), ALU64_X(BPF_ADD, 6, 1), LOAD(BPF_DW, 0, 6, 8), ZERO, EXIT}},
        {"saved half number comes back",
         NULL,
         0,
         {VALUE(7), MOV_X(6, 0), RANDOM, ALU64_K(BPF_AND, 0, 31), STORE(BPF_W, 10, -16, 0),
          LOAD(BPF_W, 1, 10, -16), ALU64_X(BPF_ADD, 6, 1), LOAD(BPF_DW, 0, 6, 8), ZERO, EXIT}},
        {"saved number is overwritten in part",
         "without bounds",
         LINUX_DIFFERS /* refuses at the load */,
         {VALUE(8), MOV_X(6, 0), RANDOM, ALU64_K(BPF_AND, 0, 31), STORE(BPF_DW, 10, -16, 0),
          STORE(BPF_B, 10, -9, 0), LOAD(BPF_DW, 1, 10, -16), ALU64_X(BPF_ADD, 6, 1),
          LOAD(BPF_B, 0, 6, 0), ZERO, EXIT}},
        {"saved pointer comes back",
         NULL,
         0,
         {STORE(BPF_DW, 10, -8, 1), LOAD(BPF_DW, 6, 10, -8), LOAD(BPF_W, 0, 6, 12), EXIT}},
        {"saved pointer is overwritten in part",
         "of the stack",
         0,
         {STORE(BPF_DW, 10, -8, 1), STORE_K(BPF_B, 10, -4, 0), LOAD(BPF_DW, 0, 10, -8), ZERO,
          EXIT}},
        {"zeroes on one way, a saved 0 on another, anything on a third",
         "without bounds",
         0,
         {STORE_K(BPF_W, 10, -16, 0),
          MOV_X(2, 10),
          ALU64_K(BPF_ADD, 2, -16),
          MAP(1, 0),
          CALL(1),
          MOV_X(6, 0),
          RANDOM,
          MOV_X(7, 0),
          MOV_K(8, 0),
          JUMP_K(BPF_JGT, 0, 100, 3),
          STORE_K(BPF_W, 10, -8, 0),
          STORE_K(BPF_W, 10, -4, 0),
          JUMP(11),
          JUMP_K(BPF_JGT, 0, 200, 14),
          MOV_K(9, 0),
          MOV_K(9, 0),
          MOV_K(9, 0),
          MOV_K(9, 0),
          MOV_K(9, 0),
          MOV_K(9, 0),
          MOV_K(9, 0),
          MOV_K(9, 0),
          MOV_K(9, 0),
          STORE(BPF_DW, 10, -8, 8),
          LOAD(BPF_W, 1, 10, -4),
          ALU64_X(BPF_ADD, 6, 1),
          LOAD(BPF_DW, 0, 6, 40),
          EXIT,
          MOV_X(8, 7),
          JUMP(-7)}},
        {"half of a saved pointer is read",
         "part of a saved pointer",
         0,
         {STORE(BPF_DW, 10, -8, 1), LOAD(BPF_W, 0, 10, -8), EXIT}},
        {"read before it is written", "never written", 0, {LOAD(BPF_DW, 0, 10, -8), EXIT}},
        {"last byte", NULL, 0, {STORE_K(BPF_DW, 10, -512, 0), LOAD(BPF_B, 0, 10, -512), EXIT}},
        {"below", "of the stack", 0, {STORE_K(BPF_B, 10, -513, 0), ZERO, EXIT}},
        {"above", "of the stack", 0, {STORE_K(BPF_B, 10, 0, 0), ZERO, EXIT}},
        {"misaligned", "misaligned", 0, {STORE_K(BPF_W, 10, -6, 0), ZERO, EXIT}},

        /* pointers must not be seen */
        {"pointer returned", "the program returns", 0, {MOV_X(0, 1), EXIT}},
        {"pointer stored in a map",
         "where others could read",
         0,
         {VALUE(1), STORE(BPF_DW, 0, 0, 10), ZERO, EXIT}},
        {"pointer stored in the packet",
         "where others could read",
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), JUMP_X(BPF_JGT, 4, 3, 1),
          STORE(BPF_DW, 2, 0, 10), EXIT}},
        {"pointer multiplied", "other than adding", 0, {ALU64_K(BPF_MUL, 1, 2), ZERO, EXIT}},
        {"pointer cut", "part of", 0, {ALU32_X(BPF_MOV, 0, 1), EXIT}},
        {"pointer inverted",
         "other than adding",
         0,
         {INSN(BPF_ALU64 | BPF_NEG, 1, 0, 0, 0), ZERO, EXIT}},
        {"pointer compared with a number",
         "is compared with",
         0,
         {ZERO, JUMP_K(BPF_JGT, 1, 100, 0), EXIT}},
        {"half of a pointer compared with 0 on one way, with anything on another",
         "half of a pointer",
         LINUX_DIFFERS /* says it otherwise */,
         {MOV_X(6, 1), RANDOM, LOAD(BPF_W, 2, 6, 0), MOV_K(4, 0), JUMP_K(BPF_JEQ, 0, 1, 4),
          JUMP32_X(BPF_JEQ, 2, 4, 2), ZERO, EXIT, JUMP(-3), MOV_X(4, 0), JUMP(-6)}},
        {"values of two maps compared",
         "is compared with",
         0,
         {STORE_K(BPF_DW, 10, -8, 0), MOV_X(2, 10), ALU64_K(BPF_ADD, 2, -8), MAP(1, 1), CALL(1),
          JUMP_K(BPF_JEQ, 0, 0, 12), MOV_X(6, 0), STORE_K(BPF_W, 10, -8, 0), MOV_X(2, 10),
          ALU64_K(BPF_ADD, 2, -8), MAP(1, 0), CALL(1), MOV_X(7, 0), ZERO, JUMP_X(BPF_JGT, 6, 7, 2),
          MOV_K(0, 1), JUMP(0), EXIT}},
        {"pointer exchanged",
         "with a pointer",
         0,
         {STORE_K(BPF_DW, 10, -8, 0), MOV_X(2, 10), ATOMIC(BPF_DW, BPF_XCHG, 10, -8, 2), ZERO,
          EXIT}},
        {"frame pointer written", "read only", 0, {ALU64_K(BPF_ADD, 10, 8), ZERO, EXIT}},
        {"distance within the packet", NULL, 0, {DATA, ALU64_X(BPF_SUB, 3, 2), MOV_X(0, 3), EXIT}},

        /* helpers */
        {"size 0 where it may be",
         NULL,
         0,
         {MOV_K(1, 0), MOV_K(2, 0), MOV_K(3, 0), MOV_K(4, 0), MOV_K(5, 0), CALL(28), ZERO, EXIT}},
        {"NULL with a size",
         "NULL",
         LINUX_DIFFERS /* says it otherwise */,
         {MOV_K(1, 0), MOV_K(2, 8), MOV_K(3, 0), MOV_K(4, 0), MOV_K(5, 0), CALL(28), ZERO, EXIT}},
        {"a number for memory of size 0",
         "wants memory",
         0,
         {MOV_K(1, 1), MOV_K(2, 0), MOV_K(3, 0), MOV_K(4, 0), MOV_K(5, 0), CALL(28), ZERO, EXIT}},
        {"size 0 where it must not be",
         "may be 0",
         0,
         {MOV_K(2, 0), MOV_X(3, 10), ALU64_K(BPF_ADD, 3, -8), MOV_K(4, 0), CALL(189), ZERO, EXIT}},
        {"size beyond the stack",
         "of the stack",
         0,
         {MOV_K(2, 0), MOV_X(3, 10), ALU64_K(BPF_ADD, 3, -8), MOV_K(4, 9), CALL(189), ZERO, EXIT}},
        {"what a helper fills is written",
         NULL,
         0,
         {MOV_K(2, 0), MOV_X(3, 10), ALU64_K(BPF_ADD, 3, -8), MOV_K(4, 8), CALL(189),
          LOAD(BPF_DW, 0, 10, -8), EXIT}},
        {"what is filled to an unknown length must be written before",
         "never written",
         0,
         {UNKNOWN_SIZE, CALL(189), LOAD(BPF_DW, 0, 10, -8), EXIT}},
        {"a pointer under what is filled to an unknown length",
         "saved pointer",
         0,
         {STORE(BPF_DW, 10, -8, 10), UNKNOWN_SIZE, CALL(189), LOAD(BPF_DW, 0, 10, -8), EXIT}},
        {"numbers under what is filled to an unknown length",
         NULL,
         0,
         {STORE_K(BPF_DW, 10, -8, 0), UNKNOWN_SIZE, CALL(189), LOAD(BPF_DW, 0, 10, -8), EXIT}},
        {"size without an upper bound",
         "no upper bound",
         0,
         {MOV_X(6, 1), CALL(5), MOV_X(4, 0), MOV_X(1, 6), MOV_K(2, 0), MOV_X(3, 10),
          ALU64_K(BPF_ADD, 3, -8), CALL(189), ZERO, EXIT}},
        {"another context",
         "wants the context",
         0,
         {MOV_X(1, 10), MOV_K(2, 0), CALL(44), ZERO, EXIT}},
        {"arguments are gone behind a call",
         "never written",
         0,
         {RANDOM, LOAD(BPF_W, 0, 1, 0), EXIT}},
        {"pointers are gone when the packet moves",
         "never written",
         0,
         {LOAD(BPF_W, 6, 1, 0), MOV_K(2, 0), CALL(44), MOV_X(0, 6), ZERO, EXIT}},

        /* functions */
        {"recursion", "active at once", 0, {CALL_LOCAL(-1), EXIT}},
        {"what a function saved is not its caller's",
         "never written",
         0,
         {CALL_LOCAL(2), MOV_X(0, 6), EXIT, MOV_K(6, 1), ZERO, EXIT}},
        {"a caller's register is not the function's",
         "never written",
         0,
         {MOV_K(6, 1), CALL_LOCAL(1), EXIT, MOV_X(0, 6), EXIT}},
        {"function without a result", NULL, 0, {CALL_LOCAL(2), ZERO, EXIT, EXIT}},
        {"its result is used", "never written", 0, {CALL_LOCAL(1), EXIT, EXIT}},
        {"packet and end as arguments",
         NULL,
         0,
         {DATA, MOV_X(1, 2), MOV_X(2, 3), CALL_LOCAL(1), EXIT, ZERO, MOV_X(3, 1),
          ALU64_K(BPF_ADD, 3, 4), JUMP_X(BPF_JGT, 3, 2, 1), LOAD(BPF_W, 0, 1, 0), EXIT}},
        {"stack of two functions",
         NULL,
         0,
         {STORE_K(BPF_DW, 10, -256, 0), CALL_LOCAL(1), EXIT, STORE_K(BPF_DW, 10, -256, 0), ZERO,
          EXIT}},
        {"stack of two functions, more",
         "bytes of stack",
         0,
         {STORE_K(BPF_DW, 10, -256, 0), CALL_LOCAL(1), EXIT, STORE_K(BPF_DW, 10, -264, 0), ZERO,
          EXIT}},
        {"stack used behind the call",
         "bytes of stack",
         0,
         {CALL_LOCAL(2), STORE_K(BPF_DW, 10, -512, 0), EXIT, STORE_K(BPF_DW, 10, -8, 0), ZERO,
          EXIT}},
        {"pointer into its own stack returned",
         "its own stack",
         0,
         {CALL_LOCAL(2), ZERO, EXIT, MOV_X(0, 10), EXIT}},

        /* loops and reach */
        {"bounded loop",
         NULL,
         0,
         {ZERO, ALU64_K(BPF_ADD, 0, 1), JUMP_K(BPF_JLT, 0, 200, -2), EXIT}},
        {"counter that depends on data",
         NULL,
         0,
         {MOV_K(6, 0), MOV_K(7, 0), RANDOM, JUMP_K(BPF_JGT, 0, 100, 1), ALU64_K(BPF_ADD, 7, 1),
          ALU64_K(BPF_ADD, 6, 1), JUMP_K(BPF_JLT, 6, 200, -5), MOV_X(0, 7), EXIT}},
        {"loop that data ends", "endless loop", 0, {RANDOM, JUMP_K(BPF_JNE, 0, 0, -2), EXIT}},
        {"loop that nothing ends",
         "endless loop",
         0,
         {ZERO, MOV_K(1, 1), JUMP_K(BPF_JEQ, 1, 1, -2), EXIT}},
        {"unreachable", "can't be reached", 0, {ZERO, JUMP(1), MOV_K(0, 1), EXIT}},
        {"reachable by no value",
         NULL,
         0,
         {ZERO, JUMP_K(BPF_JEQ, 0, 0, 1), LOAD(BPF_B, 0, 0, 0), EXIT}},
        {"division by a register that is 0",
         NULL,
         0,
         {MOV_K(0, 5), MOV_K(1, 0), ALU64_X(BPF_DIV, 0, 1), EXIT}},
        {"division by the constant 0",
         "division by",
         0,
         {MOV_K(0, 5), ALU64_K(BPF_DIV, 0, 0), EXIT}},
        {"shift by the width",
         "more than the width",
         0,
         {MOV_K(0, 5), ALU32_K(BPF_LSH, 0, 32), EXIT}},

        /* atomic operations */
        {"atomic on a value",
         NULL,
         0,
         {VALUE(2), MOV_K(1, 1), ATOMIC(BPF_DW, BPF_ADD, 0, 8, 1), ZERO, EXIT}},
        {"atomic, misaligned",
         "misaligned",
         0,
         {VALUE(2), MOV_K(1, 1), ATOMIC(BPF_DW, BPF_ADD, 0, 4, 1), ZERO, EXIT}},
        {"atomic at a place that is a multiple of 8",
         NULL,
         0,
         {VALUE(5), LOAD(BPF_W, 5, 0, 0), ALU64_K(BPF_AND, 5, 8), ALU64_X(BPF_ADD, 0, 5),
          MOV_K(1, 1), ATOMIC(BPF_DW, BPF_ADD, 0, 0, 1), ZERO, EXIT}},
        {"atomic at a place that is a multiple of 4",
         "misaligned",
         0,
         {VALUE(5), LOAD(BPF_W, 5, 0, 0), ALU64_K(BPF_AND, 5, 12), ALU64_X(BPF_ADD, 0, 5),
          MOV_K(1, 1), ATOMIC(BPF_DW, BPF_ADD, 0, 0, 1), ZERO, EXIT}},
        {"atomic on the packet",
         "atomic operation on",
         0,
         {DATA, ZERO, MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 8), MOV_K(5, 1), JUMP_X(BPF_JGT, 4, 3, 1),
          ATOMIC(BPF_DW, BPF_ADD, 2, 0, 5), EXIT}},
        {"atomic on the context",
         "atomic operation on",
         0,
         {MOV_K(2, 1), ATOMIC(BPF_W, BPF_ADD, 1, 0, 2), ZERO, EXIT}},
        {"atomic fetch makes a number of any size",
         "without bounds",
         LINUX_DIFFERS /* refuses at the load */,
         {VALUE(5), MOV_X(6, 0), MOV_K(1, 1), ATOMIC(BPF_DW, BPF_ADD | BPF_FETCH, 0, 0, 1),
          ALU64_X(BPF_ADD, 6, 1), LOAD(BPF_B, 0, 6, 0), ZERO, EXIT}},
};

static struct flt_map *maps[GENERATE_MAPS];
static int map_fds[GENERATE_MAPS];

static uint32_t length_of(const struct verifier_case *c)
{
	uint32_t n = CASE_INSNS;
	while (n && !c->insns[n - 1].code)
		n--;
	return n;
}

static int verify(const struct verifier_case *c, struct flt_error *error)
{
	struct flt_insn copy[CASE_INSNS];
	struct flt_verified verified;
	memcpy(copy, c->insns, sizeof(copy));
	struct flt_verify_input input = {.insns = copy,
	                                 .n_insns = length_of(c),
	                                 .kind = FLT_KIND_XDP,
	                                 .may_write = true,
	                                 .maps = maps,
	                                 .n_maps = GENERATE_MAPS};
	int code = flt_verify(&input, &verified, error);
	if (!code)
		flt_free(verified.notes);
	return code;
}

static void each_class_has_its_line(void **state)
{
	for (size_t i = 0; i < FLT_ARRAY_SIZE(cases); i++) {
		const struct verifier_case *c = &cases[i];
		struct flt_error error = {0};
		int code = verify(c, &error);
		if (!c->why && code)
			fail_msg("%s: instruction %d: %s", c->name, error.instruction,
			         error.reason);
		if (c->why && (!code || !strstr(error.reason, c->why)))
			fail_msg("%s: %s", c->name, code ? error.reason : "taken");
	}
}

static bool linux_takes(const struct verifier_case *c, char *log, size_t size)
{
	struct flt_insn copy[CASE_INSNS];
	uint32_t n = length_of(c);
	memcpy(copy, c->insns, sizeof(copy));
	for (uint32_t i = 0; i < n; i++)
		if (insn_is_wide(&copy[i]) && insn_src(&copy[i]))
			copy[i].imm = map_fds[copy[i].imm];
	int fd = linux_bpf_load(copy, n, log, size);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Those that are taken here, or those that are refused. */
static int ask_linux_about(bool taken)
{
	int different = 0;
	for (size_t i = 0; i < FLT_ARRAY_SIZE(cases); i++) {
		char log[300] = "";
		if (!cases[i].why != taken || cases[i].flags & LINUX_DIFFERS ||
		    linux_takes(&cases[i], log, sizeof(log)) == taken)
			continue;
		print_error("%s: Linux %s %s\n", cases[i].name, *log ? "refuses:" : "takes it",
		            log);
		different++;
	}
	return different;
}

/*
 * Runs in a child; its exit status is the number that differ. From someone who may not see pointers
 * Linux does not take loops, because it follows mispredictions.
 */
static int ask_linux(void)
{
	for (uint32_t i = 0; i < GENERATE_MAPS; i++)
		map_fds[i] = linux_bpf_map(&generate_maps[i]);
	int different = ask_linux_about(true);
	return linux_bpf_drop_trust() ? different + ask_linux_about(false) : different;
}

static void linux_draws_the_same_line(void **state)
{
	int status = 0;
	if (!linux_bpf_works()) {
		print_message("bpf(2) can't be had\n");
		skip();
	}
	pid_t child = fork();
	if (!child)
		_exit(ask_linux());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_class_has_its_line),
	        cmocka_unit_test(linux_draws_the_same_line),
	};
	flt_host_init(true);
	for (uint32_t i = 0; i < GENERATE_MAPS; i++)
		if (flt_map_create(&generate_maps[i], &maps[i], NULL))
			return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
