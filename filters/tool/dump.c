/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flt dump and flt verify.
 */
#include <capstone/capstone.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "flt.h"

/* --- dump --- */

static const char *const alu_names[] = {
        "+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "= -", "%=", "^=", "=", "s>>=", "swap"};
static const char *const jump_names[] = {"goto", "==",   ">",    ">=", "&",  "!=", "s>",
                                         "s>=",  "call", "exit", "<",  "<=", "s<", "s<="};
static const char *const size_names[] = {"u32", "u16", "u8", "u64"};

static void text_alu(char *out, size_t size, const struct flt_insn *i)
{
	const char *reg = (i->code & 7) == 7 ? "r" : "w";
	uint32_t op = i->code >> 4, dst = i->regs & 15, src = i->regs >> 4;
	if (op == 13)
		snprintf(out, size, "%s%u = swap%d %s%u", reg, dst, i->imm, reg, dst);
	else if (op > 13)
		snprintf(out, size, "?");
	else if (op == 8)
		snprintf(out, size, "%s%u = -%s%u", reg, dst, reg, dst);
	else if (i->code & 8)
		snprintf(out, size, "%s%u %s %s%u", reg, dst, alu_names[op], reg, src);
	else
		snprintf(out, size, "%s%u %s %d", reg, dst, alu_names[op], i->imm);
}

static void text_jump(char *out, size_t size, const struct flt_insn *i, uint32_t at)
{
	uint32_t op = i->code >> 4, dst = i->regs & 15, src = i->regs >> 4;
	const char *reg = (i->code & 7) == 5 ? "r" : "w";
	if (op == 0)
		snprintf(out, size, "goto %d",
		         (int)at + 1 + ((i->code & 7) == 6 ? i->imm : i->offset));
	else if (op == 8)
		snprintf(out, size, src ? "call %d" : "call helper %d",
		         src ? (int)at + 1 + i->imm : i->imm);
	else if (op == 9)
		snprintf(out, size, "exit");
	else if (op > 13)
		snprintf(out, size, "?");
	else if (i->code & 8)
		snprintf(out, size, "if %s%u %s %s%u goto %d", reg, dst, jump_names[op], reg, src,
		         (int)at + 1 + i->offset);
	else
		snprintf(out, size, "if %s%u %s %d goto %d", reg, dst, jump_names[op], i->imm,
		         (int)at + 1 + i->offset);
}

static void text_memory(char *out, size_t size, const struct flt_insn *i)
{
	const char *type = size_names[i->code >> 3 & 3];
	uint32_t dst = i->regs & 15, src = i->regs >> 4;
	switch (i->code & 7) {
	case 0:
		if (i->code == 0x18)
			snprintf(out, size, "r%u = 0x%" PRIx64, dst,
			         (uint32_t)i[0].imm | (uint64_t)(uint32_t)i[1].imm << 32);
		else if (i->code & 0x40)
			snprintf(out, size, "r0 = packet %s[r%u + %d]", type, src, i->imm);
		else
			snprintf(out, size, "r0 = packet %s[%d]", type, i->imm);
		return;
	case 1:
		snprintf(out, size, "r%u = *(%s%s *)(r%u %+d)", dst,
		         i->code & 0x80 ? "signed " : "", type, src, i->offset);
		return;
	case 2:
		snprintf(out, size, "*(%s *)(r%u %+d) = %d", type, dst, i->offset, i->imm);
		return;
	default:
		if ((i->code & 0xe0) == 0xc0)
			snprintf(out, size, "atomic 0x%x *(%s *)(r%u %+d) r%u", (unsigned)i->imm,
			         type, dst, i->offset, src);
		else
			snprintf(out, size, "*(%s *)(r%u %+d) = r%u", type, dst, i->offset, src);
	}
}

static void text_insn(char *out, size_t size, const struct flt_insn *i, uint32_t at)
{
	switch (i->code & 7) {
	case 4:
	case 7:
		text_alu(out, size, i);
		return;
	case 5:
	case 6:
		text_jump(out, size, i, at);
		return;
	default:
		text_memory(out, size, i);
	}
}

static void dump_classic(const struct tool *tool, const struct flt_program *program)
{
	uint32_t n;
	const struct flt_classic_insn *insns = flt_program_classic(program, &n);
	if (!insns)
		return;
	if (tool->json)
		printf(", \"classic\": [");
	for (uint32_t i = 0; i < n; i++) {
		const char *text = bpf_image((const struct bpf_insn *)&insns[i], (int)i);
		if (tool->json) {
			fputs(i ? ", " : "", stdout);
			tool_json_string(stdout, text);
		} else {
			printf("%s\n", text);
		}
	}
	fputs(tool->json ? "]" : "\n", stdout);
}

static void dump_insns(const struct tool *tool, const struct flt_program *program)
{
	uint32_t n;
	char text[80];
	const struct flt_insn *insns = flt_program_insns(program, &n);
	if (tool->json)
		printf(", \"bytecode\": [");
	for (uint32_t i = 0; i < n; i++) {
		text_insn(text, sizeof(text), &insns[i], i);
		if (tool->json) {
			fputs(i ? ", " : "", stdout);
			tool_json_string(stdout, text);
		} else {
			printf("%5u  %02x %02x %04x %08x  %s\n", i, insns[i].code, insns[i].regs,
			       (uint16_t)insns[i].offset, (uint32_t)insns[i].imm, text);
		}
		if (insns[i].code == 0x18)
			i++;
	}
	fputs(tool->json ? "]" : "\n", stdout);
}

static void dump_code(const struct tool *tool, const struct flt_program *program)
{
	size_t size;
	const void *code = flt_program_code(program, &size);
	csh handle;
	cs_insn *lines;
	if (tool->json)
		printf(", \"native\": [");
	if (code && cs_open(CS_ARCH_X86, CS_MODE_64, &handle) == CS_ERR_OK) {
		size_t n = cs_disasm(handle, code, size, 0, 0, &lines);
		for (size_t i = 0; i < n; i++) {
			char text[200];
			snprintf(text, sizeof(text), "%s %s", lines[i].mnemonic, lines[i].op_str);
			if (tool->json) {
				fputs(i ? ", " : "", stdout);
				tool_json_string(stdout, text);
			} else {
				printf("%5" PRIx64 "  %s\n", lines[i].address, text);
			}
		}
		if (n)
			cs_free(lines, n);
		cs_close(&handle);
	}
	if (tool->json)
		printf("]");
}

int tool_dump(const struct tool *tool)
{
	struct flt_program *program;
	struct flt_error error;
	if (tool->n_arguments != 1)
		return tool_complain("dump wants a file; see flt dump --help");
	if (tool_load(tool, tool->arguments[0], &program, &error))
		return tool_refuse(tool, tool->arguments[0], &error);
	if (tool->json) {
		printf("{\"program\": ");
		tool_json_string(stdout, flt_program_name(program));
	}
	dump_classic(tool, program);
	dump_insns(tool, program);
	dump_code(tool, program);
	fputs(tool->json ? "}\n" : "", stdout);
	flt_program_free(program);
	return TOOL_FINE;
}
