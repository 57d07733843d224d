/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flt: files, captures and complaints.
 */
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <flt/flowset.h>

#include "flt.h"

/* Head of a file of classic instructions; they follow as struct flt_classic_insn. */
static const char classic_magic[8] = "SLFLTv1";

int tool_complain(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	fputs("flt: ", stderr);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	return TOOL_USAGE;
}

void tool_json_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			fprintf(out, "\\u%04x", (unsigned)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void refuse_json(const char *subject, const struct flt_error *error)
{
	printf("{\"subject\": ");
	tool_json_string(stdout, subject);
	printf(", \"refused\": true, \"code\": \"%s\", \"program\": ", flt_code_name(error->code));
	tool_json_string(stdout, error->program);
	printf(", \"instruction\": %d, \"file\": ", error->instruction);
	tool_json_string(stdout, error->file);
	printf(", \"line\": %u, \"column\": %u, \"reason\": ", error->line, error->column);
	tool_json_string(stdout, error->reason);
	printf("}\n");
}

int tool_refuse(const struct tool *tool, const char *subject, const struct flt_error *error)
{
	char text[400];
	if (tool->json) {
		refuse_json(subject, error);
		return TOOL_REFUSED;
	}
	flt_error_text(error, text, sizeof(text));
	fprintf(stderr, "flt: %s: %s\n", subject, text);
	return TOOL_REFUSED;
}

int tool_refuse_expression(const struct tool *tool, const char *text, const struct flt_error *error)
{
	if (tool->json) {
		refuse_json(text, error);
		return TOOL_REFUSED;
	}
	fprintf(stderr, "flt: %s\n  %s\n", error->reason, text);
	if (error->column)
		fprintf(stderr, "  %*s^\n", (int)error->column - 1, "");
	return TOOL_REFUSED;
}

uint8_t *tool_read_file(const char *path, size_t *size)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "rb") : stdin;
	size_t room = 1 << 16, n = 0;
	uint8_t *bytes = file ? malloc(room + 1) : NULL;
	while (bytes) {
		n += fread(bytes + n, 1, room - n, file);
		if (n < room)
			break;
		room *= 2;
		uint8_t *more = realloc(bytes, room + 1);
		if (!more)
			free(bytes);
		bytes = more;
	}
	if (!bytes)
		(void)tool_complain("%s: can't be read", path);
	else
		bytes[n] = 0;
	if (file && file != stdin)
		fclose(file);
	*size = n;
	return bytes;
}

bool tool_is_elf(const uint8_t *bytes, size_t size)
{
	return size >= 4 && !memcmp(bytes, "\177ELF", 4);
}

static int load_classic(const uint8_t *bytes, size_t size, const char *path,
                        struct flt_program **program, struct flt_error *error)
{
	size_t n = size < sizeof(classic_magic) ? 0 : size - sizeof(classic_magic);
	if (!n || n % sizeof(struct flt_classic_insn) ||
	    memcmp(bytes, classic_magic, sizeof(classic_magic)) != 0) {
		memset(error, 0, sizeof(*error));
		error->code = FLT_E_INVALID;
		error->instruction = -1;
		snprintf(error->reason, sizeof(error->reason),
		         "neither an ELF object nor a file that flt compile wrote");
		return FLT_E_INVALID;
	}
	struct flt_classic_insn *insns = malloc(n);
	if (!insns)
		return FLT_E_NO_MEMORY;
	memcpy(insns, bytes + sizeof(classic_magic), n);
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	int code = flt_program_load_classic(insns, (uint32_t)(n / sizeof(*insns)), name, 0, program,
	                                    error);
	free(insns);
	return code;
}

int tool_load(const struct tool *tool, const char *path, struct flt_program **program,
              struct flt_error *error)
{
	size_t size;
	uint8_t *bytes = tool_read_file(path, &size);
	*program = NULL;
	if (!bytes)
		exit(TOOL_USAGE);
	int code = tool_is_elf(bytes, size) ? flt_program_load_elf(bytes, size, tool->program,
	                                                           FLT_LOAD_WRITES, program, error)
	                                    : load_classic(bytes, size, path, program, error);
	free(bytes);
	return code;
}

int tool_compile(const struct tool *tool)
{
	struct flt_expression e;
	struct flt_error error;
	char flow[4096];
	if (tool->n_arguments != 1 || !tool->output)
		return tool_complain(
		        "compile wants an expression and -o FILE; see flt compile --help");
	if (flt_compile_expression(tool->arguments[0], &e, &error))
		return tool_refuse_expression(tool, tool->arguments[0], &error);
	FILE *out = fopen(tool->output, "wb");
	bool fine = out && fwrite(classic_magic, sizeof(classic_magic), 1, out) == 1 &&
	            fwrite(e.insns, sizeof(*e.insns), e.n_insns, out) == e.n_insns;
	if (!out || fclose(out) || !fine)
		return tool_complain("%s: can't be written", tool->output);
	flt_flow_text((struct flt_flow){e.conjunctions, e.extraction.n}, flow, sizeof(flow));
	if (tool->json) {
		printf("{\"instructions\": %u, \"conjunctions\": %u, \"exact\": %s, \"flow\": ",
		       e.n_insns, e.extraction.n, e.extraction.exact ? "true" : "false");
		tool_json_string(stdout, flow);
		printf("}\n");
	} else {
		printf("%u instructions; flow (%s): %s\n", e.n_insns,
		       e.extraction.exact ? "exact" : "superset", flow);
	}
	flt_expression_free(&e);
	return TOOL_FINE;
}

/* --- captures --- */

struct tool_capture {
	pcap_t *pcap;
	const char *path;
};

struct tool_capture *tool_open_capture(const char *path)
{
	char reason[PCAP_ERRBUF_SIZE];
	struct tool_capture *capture = calloc(1, sizeof(*capture));
	if (!capture)
		return NULL;
	capture->path = path;
	capture->pcap = pcap_open_offline(path, reason);
	if (!capture->pcap) {
		(void)tool_complain("%s: %s", path, reason);
		free(capture);
		return NULL;
	}
	if (pcap_datalink(capture->pcap) != DLT_EN10MB) {
		(void)tool_complain("%s: link type %s; only Ethernet is taken", path,
		                    pcap_datalink_val_to_name(pcap_datalink(capture->pcap)));
		tool_close_capture(capture);
		return NULL;
	}
	return capture;
}

int tool_next_frame(struct tool_capture *capture, struct flt_frame *frame)
{
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	int code = pcap_next_ex(capture->pcap, &header, &bytes);
	if (code == 1) {
		*frame = (struct flt_frame){
		        .data = bytes, .len = header->caplen, .wire_len = header->len};
		return 1;
	}
	if (code == PCAP_ERROR_BREAK)
		return 0;
	(void)tool_complain("%s: %s", capture->path, pcap_geterr(capture->pcap));
	return -1;
}

void tool_close_capture(struct tool_capture *capture)
{
	pcap_close(capture->pcap);
	free(capture);
}
