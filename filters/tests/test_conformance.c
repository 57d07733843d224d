/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every instruction of RFC 9669, by interpreter and machine code: runs the programs that
 * make_vectors.py wrote, `NAME | MEMORY | RESULT | PROGRAM` a line, and compares what they return.
 *
 * test_filters_conformance VECTORS
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flt/exec.h>
#include <flt/host.h>

enum { FIELDS = 4, WRONG_SHOWN = 20 };

static uint32_t n_vectors, n_wrong;

static uint8_t nibble(char c)
{
	return (uint8_t)(isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10);
}

/* Decodes in place; returns the number of bytes. */
static uint32_t decode(char *text)
{
	uint32_t n = 0;
	char *out = text;
	for (const char *at = text; *at; at++) {
		if (isspace((unsigned char)*at))
			continue;
		uint8_t value = nibble(*at);
		if (n % 2 == 0)
			out[n / 2] = (char)(value << 4);
		else
			out[n / 2] = (char)((uint8_t)out[n / 2] | value);
		n++;
	}
	return n / 2;
}

static void complain(const char *name, bool native, const char *expected, const char *found)
{
	if (n_wrong++ < WRONG_SHOWN)
		printf("%s (%s): %s instead of %s\n", name, native ? "machine code" : "interpreter",
		       found, expected);
}

static void run(const char *name, const uint8_t *memory, uint32_t length, const char *expected,
                const uint8_t *program, uint32_t size, bool native)
{
	/* Exactly as large as said, so that a sanitizer sees what goes beyond. */
	uint8_t *copy = malloc(length ? length : 1);
	struct flt_insn *insns = malloc(size ? size : 1);
	struct flt_error error = {0};
	uint64_t result;
	char found[200];
	if (!copy || !insns)
		abort();
	memcpy(copy, memory, length);
	memcpy(insns, program, size);
	int code = flt_exec(insns, size / 8, length ? copy : NULL, length, native, &result, &error);
	snprintf(found, sizeof(found), "%lx", (unsigned long)result);
	if (code)
		snprintf(found, sizeof(found), "error");
	if (strcmp(found, expected) != 0) {
		if (code)
			snprintf(found, sizeof(found), "error (%s)", error.reason);
		complain(name, native, expected, found);
	}
	free(copy);
	free(insns);
}

/* Cuts " | " out and trims. */
static bool split(char *line, char *fields[FIELDS])
{
	for (uint32_t i = 0; i < FIELDS; i++) {
		fields[i] = line;
		line = strstr(line, " | ");
		if (!line)
			return i == FIELDS - 1;
		*line = '\0';
		line += 3;
	}
	return false;
}

int main(int argc, char **argv)
{
	FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
	char *line = NULL;
	size_t room = 0;
	if (!file) {
		fprintf(stderr, "usage: test_filters_conformance VECTORS\n");
		return 2;
	}
	flt_host_init(true);
	while (getline(&line, &room, file) > 0) {
		char *fields[FIELDS];
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		if (!split(line, fields)) {
			printf("not a vector: %s\n", line);
			n_wrong++;
			continue;
		}
		uint32_t length = decode(fields[1]), size = decode(fields[3]);
		for (int native = 0; native < 2; native++)
			run(fields[0], (uint8_t *)fields[1], length, fields[2],
			    (uint8_t *)fields[3], size, native);
		n_vectors++;
	}
	free(line);
	(void)fclose(file);
	printf("%u programs, %u wrong\n", n_vectors, n_wrong);
	return n_wrong || !n_vectors ? 1 : 0;
}
