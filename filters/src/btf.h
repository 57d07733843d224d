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

/* A type as signatures see it, typedefs and qualifiers taken off. */
enum btf_kind {
	BTF_NUMBER, /* integers and enumerations */
	BTF_POINTER,
	BTF_ARRAY,
	BTF_STRUCT, /* unions, too */
	BTF_FUNCTION,
	BTF_OTHER,
};

struct btf_view {
	uint32_t id;
	uint32_t kind;      /* enum btf_kind */
	uint32_t size;      /* number, structure: bytes; array: elements */
	uint32_t detail;    /* number: its encoding; structure: whether it is a union */
	uint32_t of;        /* pointer, array: of what; function: its result; 0: nothing */
	uint32_t n_members; /* structure: members; function: parameters */
	const char *name;
};

struct btf_field {
	const char *name;
	uint32_t type, offset;
};

/* False: there is no such type. */
bool btf_look(const struct btf *btf, uint32_t id, struct btf_view *view);
struct btf_field btf_field(const struct btf *btf, const struct btf_view *structure, uint32_t i);
/* The function of that name: its prototype. */
bool btf_function(const struct btf *btf, const char *name, struct btf_view *view);
/* The type of a parameter. */
uint32_t btf_parameter(const struct btf *btf, const struct btf_view *function, uint32_t i);
/* Bytes; 0: unknown. Whether `const` is among the type's qualifiers. */
uint32_t btf_size(const struct btf *btf, uint32_t id);
bool btf_is_const(const struct btf *btf, uint32_t id);

/* Finds the source line of an instruction (by byte offset in its section) in a .BTF.ext section. */
struct btf_line {
	const char *file;
	uint32_t line;
	uint32_t column;
};
bool btf_find_line(const struct btf *btf, const uint8_t *ext, size_t size, const char *section,
                   uint32_t offset, struct btf_line *line);

#endif
