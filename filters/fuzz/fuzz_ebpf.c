/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes verifier, interpreter and JIT: a program that the verifier takes must not touch anything
 * but its packet, context and stack whatever the packet is, must end, and must give the same result
 * as machine code.
 *
 * Input: a byte of options, then five bytes per instruction, chosen so that most are well-formed;
 * the last 64 bytes are the packet.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flt/host.h>
#include <flt/program.h>

#include "bpf.h"
#include "interp.h"

enum { INSNS_MAX = 128, PACKET = 64 };

static const uint8_t codes[] = {
        0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x47, 0x4f, 0x57, 0x5f, 0x67, 0x6f, 0x77,
        0x7f, 0x87, 0x97, 0x9f, 0xa7, 0xaf, 0xb7, 0xbf, 0xc7, 0xcf, 0xd7, 0x04, 0x0c, 0x14, 0x1c,
        0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c,
        0xa4, 0xac, 0xb4, 0xbc, 0xc4, 0xcc, 0xd4, 0xdc, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d,
        0x45, 0x4d, 0x55, 0x5d, 0x65, 0x6d, 0x75, 0x7d, 0xa5, 0xad, 0xb5, 0xbd, 0xc5, 0xcd, 0xd5,
        0xdd, 0x16, 0x1e, 0x26, 0x2e, 0x36, 0x3e, 0x46, 0x4e, 0x56, 0x5e, 0x66, 0x6e, 0x76, 0x7e,
        0xa6, 0xae, 0xb6, 0xbe, 0xc6, 0xce, 0xd6, 0xde, 0x06, 0x61, 0x69, 0x71, 0x79, 0x81, 0x89,
        0x91, 0x62, 0x6a, 0x72, 0x7a, 0x63, 0x6b, 0x73, 0x7b, 0xc3, 0xdb, 0x18, 0x85, 0x95, 0xbf,
        0xb7, 0x07, 0x0f, 0x61, 0x79, 0x7b, 0x2d, 0xbf};
static const int32_t atomics[] = {0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1};
static const int32_t helpers[] = {5, 7, 8, 28, 44, 65, 189, 190, 23, 6};

static int32_t pick_imm(uint8_t code, uint8_t byte)
{
	uint8_t class = code & BPF_CLASS_MASK, op = code & BPF_OP_MASK;
	if (code == 0xc3 || code == 0xdb)
		return atomics[byte % 10];
	if (code == (BPF_JMP | BPF_CALL))
		return byte & 0x80 ? (int8_t)(byte << 2) / 4 : helpers[byte % 10];
	if ((class == BPF_ALU || class == BPF_ALU64) && op == BPF_END)
		return 16 << byte % 3;
	if (byte < 128)
		return byte % 80;
	static const int32_t special[] = {-1, -8, 255, 0x7fff, 0xffff, 0x7fffffff, INT32_MIN, -14};
	return special[byte % 8];
}

/* Whether the second operand is a register. */
static bool uses_source(uint8_t code)
{
	uint8_t class = code & BPF_CLASS_MASK;
	if (class == BPF_LDX || class == BPF_STX)
		return true;
	if (class == BPF_ST || class == BPF_LD)
		return false;
	return code & BPF_SRC_MASK && (code & BPF_OP_MASK) != BPF_END;
}

static struct flt_insn make_insn(const uint8_t b[5])
{
	struct flt_insn insn = {.code = codes[b[0] % sizeof(codes)]};
	uint8_t class = insn.code & BPF_CLASS_MASK, op = insn.code & BPF_OP_MASK;
	bool jump = class == BPF_JMP || class == BPF_JMP32;
	bool memory = class == BPF_LDX || class == BPF_ST || class == BPF_STX;
	bool atomic = insn.code == 0xc3 || insn.code == 0xdb;
	bool source = uses_source(insn.code);
	if (insn.code != 0x95 && insn.code != 0x05 && insn.code != 0x06 && insn.code != 0x85)
		insn.regs = (uint8_t)((source ? b[2] % 11 : 0) << 4 | b[1] % 11);
	if (jump && insn.code != 0x06 && op != BPF_EXIT && op != BPF_CALL)
		insn.offset = (int16_t)((int8_t)b[3] / 8);
	else if (memory)
		insn.offset = b[3] & 1 ? (int8_t)(b[3] & 0xf8) : b[3] % 24;
	if ((!source && !(memory && class != BPF_ST) && op != BPF_NEG) || atomic)
		insn.imm = pick_imm(insn.code, b[4]);
	if (insn.code == 0x95 || insn.code == 0x05)
		insn.imm = 0;
	if (insn.code == 0x06)
		insn.imm = (int8_t)b[4] / 8;
	if (insn.code == 0x85 && b[4] & 0x80)
		insn.regs = BPF_PSEUDO_CALL << 4;
	return insn;
}

static uint32_t make_program(struct flt_insn *insns, const uint8_t *data, size_t size)
{
	uint32_t n = 0;
	for (size_t at = 0; at + 5 <= size && n + 3 < INSNS_MAX; at += 5) {
		insns[n++] = make_insn(data + at);
		if (insns[n - 1].code == 0x18)
			insns[n++] = (struct flt_insn){.imm = data[at + 3]};
	}
	insns[n++] = (struct flt_insn){.code = 0xb7};
	insns[n++] = (struct flt_insn){.code = 0x95};
	return n;
}

/* Helpers that answer differently each time make results incomparable. */
static bool is_deterministic(const struct flt_insn *insns, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (insns[i].code == 0x85 && !(insns[i].regs >> 4) &&
		    (insns[i].imm == 5 || insns[i].imm == 7 || insns[i].imm == 8))
			return false;
	return true;
}

static void set_up(struct flt_xdp_buff *buff, uint8_t *bytes, const uint8_t *packet)
{
	memset(bytes, 0, 3 * PACKET);
	memcpy(bytes + PACKET, packet, PACKET);
	*buff = (struct flt_xdp_buff){.data = bytes + PACKET,
	                              .data_end = bytes + 2 * PACKET,
	                              .hard_start = bytes,
	                              .hard_end = bytes + 3 * PACKET};
}

static void check_xdp(const struct flt_program *program, const uint8_t *packet, bool compare)
{
	static uint8_t bytes[2][3 * PACKET];
	static struct flt_xdp_buff buff[2];
	set_up(&buff[0], bytes[0], packet);
	struct flt_region regions[] = {
	        {(uint64_t)(uintptr_t)bytes[0], sizeof(bytes[0]), true},
	        {(uint64_t)(uintptr_t)&buff[0], sizeof(buff[0]), false},
	};
	struct flt_interp interp = {.checked = true, .regions = regions, .n_regions = 2};
	interp.insns = flt_program_insns(program, &interp.n_insns);
	interp.budget = flt_program_cost(program); /* helpers count for more than they are here */
	uint64_t expected = flt_interp_run(&interp, (uint64_t)(uintptr_t)&buff[0], 0);
	if (interp.fault) {
		fprintf(stderr, "verified program faults (%d) at %u\n", interp.fault,
		        interp.fault_at);
		abort();
	}
	set_up(&buff[1], bytes[1], packet);
	uint32_t native = flt_program_run_xdp(program, &buff[1]);
	if (compare &&
	    (native != (uint32_t)expected || memcmp(bytes[0], bytes[1], sizeof(bytes[0])))) {
		fprintf(stderr, "interpreter 0x%lx, machine code 0x%x\n", (unsigned long)expected,
		        native);
		abort();
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	flt_host_init(true);
	struct flt_platform platform;
	flt_host_platform(&platform, true);
	platform.trace = NULL;
	return flt_init(&platform);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct flt_insn insns[INSNS_MAX];
	struct flt_program *program;
	struct flt_error error;
	if (size < 1 + PACKET)
		return 0;
	uint32_t n = make_program(insns, data + 1, size - 1 - PACKET);
	uint32_t flags = data[0] & 1 ? FLT_LOAD_WRITES : 0;
	if (flt_program_load_ebpf(insns, n, FLT_KIND_XDP, "fuzz", flags, &program, &error))
		return 0;
	bool compare = is_deterministic(insns, n);
	check_xdp(program, data + size - PACKET, compare);
	uint8_t zeroes[PACKET] = {0}, ones[PACKET];
	memset(ones, 0xff, sizeof(ones));
	check_xdp(program, zeroes, compare);
	check_xdp(program, ones, compare);
	flt_program_free(program);
	return 0;
}
