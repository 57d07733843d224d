/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes classic BPF: interpreter, machine code and libpcap must agree, and the extracted flow must
 * contain what the program accepts, and be equal to it where it says so.
 *
 * Input: eight bytes per instruction, then 64 bytes of packet.
 */
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flt/extract.h>
#include <flt/flowset.h>
#include <flt/host.h>

enum { INSNS_MAX = 96, PACKET = 64, WORDS = 16 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	flt_host_init(true);
	return 0;
}

/* libpcap leaves scratch memory uninitialised and long shifts undefined; loads of ancillary data
 * and from headers are ours alone. */
static uint32_t make_program(struct flt_classic_insn *insns, const uint8_t *data, size_t size)
{
	uint32_t n = 0;
	for (; n < WORDS; n++)
		insns[n] = (struct flt_classic_insn){.code = 0x02, .k = n};
	for (size_t at = 0; at + 8 <= size && n < INSNS_MAX - 1; at += 8) {
		struct flt_classic_insn insn;
		memcpy(&insn, data + at, sizeof(insn));
		insn.code &= 0xff;
		if (insn.code == 0x64 || insn.code == 0x74)
			insn.k %= 32;
		if ((insn.code & 0xe7) == 0x20 && insn.k >= 0xffe00000u)
			insn.k &= 0xff;
		insns[n++] = insn;
	}
	insns[n++] = (struct flt_classic_insn){.code = 0x06, .k = 1};
	return n;
}

static void check_flow(const struct flt_program *program, const struct flt_frame *frame,
                       uint32_t verdict)
{
	static struct flt_conjunction out[FLT_FLOW_CONJUNCTIONS_MAX];
	struct flt_extraction extraction;
	if (flt_extract(program, out, &extraction, NULL))
		abort();
	struct flt_flow flow = {out, extraction.n};
	if (flt_flow_validate(flow, NULL))
		abort();
	bool member = flt_flow_match(flow, frame);
	if ((verdict && !member) ||
	    (extraction.exact &&
	     (member != (verdict != 0) || (verdict && verdict != extraction.accept))))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct flt_classic_insn insns[INSNS_MAX];
	struct flt_program *program;
	if (size < PACKET + 1)
		return 0;
	uint32_t n = make_program(insns, data + 1, size - PACKET - 1);
	if (flt_program_load_classic(insns, n, "fuzz", 0, &program, NULL))
		return 0;
	struct flt_frame frame = {
	        .data = data + size - PACKET, .len = data[0] % (PACKET + 1), .wire_len = 100};
	uint32_t expected =
	        bpf_filter((const struct bpf_insn *)insns, frame.data, frame.wire_len, frame.len);
	if (flt_program_interpret(program, &frame) != expected ||
	    flt_program_run(program, &frame) != expected) {
		fprintf(stderr, "libpcap %u, interpreter %u, machine code %u\n", expected,
		        flt_program_interpret(program, &frame), flt_program_run(program, &frame));
		abort();
	}
	check_flow(program, &frame, expected);
	flt_program_free(program);
	return 0;
}
