/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flt: files, captures and complaints.
 */
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <flt/flowset.h>
#include <flt/host.h>

#include "flt.h"

enum { FILE_MAX = 64 << 20 }; /* no program is that large */

/* Head of a file of classic instructions; they follow as struct flt_classic_insn. */
static const char classic_magic[8] = "SLFLTv1";

static bool complains_in_json;

void tool_complain_in_json(void)
{
	complains_in_json = true;
}

int tool_complain(const char *format, ...)
{
	char text[400];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	if (complains_in_json) {
		printf("{\"error\": ");
		tool_json_string(stdout, text);
		printf("}\n");
	} else {
		fprintf(stderr, "flt: %s\n", text);
	}
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
		if (room >= FILE_MAX) {
			(void)tool_complain("%s: larger than %d MiB", path, FILE_MAX >> 20);
			free(bytes);
			if (file != stdin)
				fclose(file);
			return NULL;
		}
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

int tool_open(const uint8_t *bytes, size_t size, struct flt_object **object,
              struct flt_error *error)
{
	int code = flt_object_open(bytes, size, object, error);
	if (!code)
		flt_host_arenas(*object);
	return code;
}

static int load_object(const struct tool *tool, const uint8_t *bytes, size_t size,
                       struct flt_program **program, struct flt_error *error)
{
	struct flt_object *object;
	int code = tool_open(bytes, size, &object, error);
	if (code)
		return code;
	code = flt_program_load_object(object, tool->program, FLT_LOAD_WRITES, program, error);
	flt_object_close(object);
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
	int code = tool_is_elf(bytes, size) ? load_object(tool, bytes, size, program, error)
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

enum {
	ETHERNET_HEADER = 14,
	SLL_HEADER = 16,
	SLL2_HEADER = 20,
};

/* Frames without an Ethernet header get one of zeroes and the right type, as the replay does. */
struct tool_capture {
	pcap_t *pcap;
	const char *path;
	int link_type;
	uint8_t *frame; /* where a frame with a header of ours is put together */
	size_t room;
};

static bool link_type_known(int link_type)
{
	return link_type == DLT_EN10MB || link_type == DLT_RAW || link_type == DLT_LINUX_SLL ||
	       link_type == DLT_LINUX_SLL2;
}

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
	capture->link_type = pcap_datalink(capture->pcap);
	if (!link_type_known(capture->link_type)) {
		const char *name = pcap_datalink_val_to_name(capture->link_type);
		(void)tool_complain("%s: link type %s is not known", path, name ? name : "?");
		tool_close_capture(capture);
		return NULL;
	}
	if (capture->link_type != DLT_EN10MB)
		fprintf(stderr, "flt: %s: link type %s; its packets get an Ethernet header\n", path,
		        pcap_datalink_val_to_name(capture->link_type));
	return capture;
}

/* Bytes to take off the front, and where among them the protocol's type stands; -1: by IP's
 * version. */
static void own_header(int link_type, uint32_t *skip, int *type_at)
{
	*skip = link_type == DLT_LINUX_SLL    ? SLL_HEADER
	        : link_type == DLT_LINUX_SLL2 ? SLL2_HEADER
	                                      : 0;
	*type_at = link_type == DLT_LINUX_SLL ? 14 : link_type == DLT_LINUX_SLL2 ? 0 : -1;
}

/* Replaces the frame's own header by an Ethernet header. A frame shorter than its header keeps none
 * of its bytes. */
static bool wrap_frame(struct tool_capture *capture, struct flt_frame *frame)
{
	uint32_t skip;
	int type_at;
	own_header(capture->link_type, &skip, &type_at);
	uint32_t kept = frame->len > skip ? frame->len - skip : 0;
	if (capture->room < kept + (size_t)ETHERNET_HEADER) {
		uint8_t *more = realloc(capture->frame, kept + (size_t)ETHERNET_HEADER);
		if (!more)
			return false;
		capture->frame = more;
		capture->room = kept + (size_t)ETHERNET_HEADER;
	}
	memset(capture->frame, 0, ETHERNET_HEADER);
	if (type_at >= 0 && frame->len >= skip)
		memcpy(capture->frame + 12, frame->data + type_at, 2);
	else if (kept)
		memcpy(capture->frame + 12, frame->data[0] >> 4 == 6 ? "\x86\xdd" : "\x08\x00", 2);
	memcpy(capture->frame + ETHERNET_HEADER, frame->data + skip, kept);
	frame->data = capture->frame;
	frame->len = kept + ETHERNET_HEADER;
	frame->wire_len = (frame->wire_len > skip ? frame->wire_len - skip : 0) + ETHERNET_HEADER;
	return true;
}

int tool_next_frame(struct tool_capture *capture, struct flt_frame *frame)
{
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	int code = pcap_next_ex(capture->pcap, &header, &bytes);
	if (code == 1) {
		*frame = (struct flt_frame){
		        .data = bytes, .len = header->caplen, .wire_len = header->len};
		if (capture->link_type == DLT_EN10MB || wrap_frame(capture, frame))
			return 1;
		(void)tool_complain("%s: no memory", capture->path);
		return -1;
	}
	if (code == PCAP_ERROR_BREAK)
		return 0;
	(void)tool_complain("%s: %s", capture->path, pcap_geterr(capture->pcap));
	return -1;
}

void tool_close_capture(struct tool_capture *capture)
{
	pcap_close(capture->pcap);
	free(capture->frame);
	free(capture);
}
