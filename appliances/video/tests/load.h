/* SPDX-License-Identifier: BSD-2-Clause */
/* The clip that a test is given as its argument. */
#ifndef VIDEO_TESTS_LOAD_H
#define VIDEO_TESTS_LOAD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A whole file, malloc'ed. Ends the program where there is none. */
static inline uint8_t *load_file(int argc, char **argv, size_t *size)
{
	FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
	uint8_t *data;
	long n;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (n = ftell(file)) <= 0) {
		fprintf(stderr, "a media object is expected as argument\n");
		exit(2);
	}
	rewind(file);
	*size = (size_t)n;
	data = malloc(*size);
	if (data == NULL || fread(data, 1, *size, file) != *size)
		exit(2);
	(void)fclose(file);
	return data;
}

#endif
