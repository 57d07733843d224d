/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BTF, the type information of eBPF objects, as far as maps and source lines need it. Untrusted.
 */
#ifndef FLT_BTF_H
#define FLT_BTF_H

#include <flt/map.h>

#include "internal.h"

struct btf {
	const uint8_t *types;
	uint32_t types_size;
	const char *strings; /* its last byte is 0 */
	uint32_t strings_size;
	uint32_t n_types;
	uint32_t *offsets; /* of type id - 1, in types; allocated */
};

/* Parses a .BTF section; to be freed in any case. */
int btf_open(struct btf *btf, const uint8_t *bytes, size_t size, struct flt_error *error);
void btf_free(struct btf *btf);

/* Fills in the map's specification from the variable `name` of section .maps. */
int btf_map(const struct btf *btf, const char *name, struct flt_map_spec *spec,
            struct flt_error *error);

/* Finds the source line of an instruction (by byte offset in its section) in a .BTF.ext section. */
struct btf_line {
	const char *file;
	uint32_t line;
	uint32_t column;
};
bool btf_find_line(const struct btf *btf, const uint8_t *ext, size_t size, const char *section,
                   uint32_t offset, struct btf_line *line);

#endif
