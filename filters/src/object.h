/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF objects from `clang -target bpf`, from inside the engine.
 */
#ifndef FLT_OBJECT_H
#define FLT_OBJECT_H

#include "program_internal.h"

/* A program put together from its function and those it calls, with references to maps by number.
 */
struct flt_linked {
	enum flt_kind kind;
	const char *name; /* the object's */
	struct flt_insn *insns;
	uint32_t n_insns;
	struct flt_map *const *maps;
	uint32_t n_maps;
	/* Functions that it calls and the object has not. */
	uint32_t n_imports;
	const char *imports[FLT_IMPORTS_MAX];
	/* Where each instruction came from, for error messages. */
	struct flt_origin {
		uint32_t section;
		uint32_t index;
	} * origins;
};

int flt_object_link(struct flt_object *object, const char *name, struct flt_linked *linked,
                    struct flt_error *error);
void flt_linked_free(struct flt_linked *linked);

/* Adds file, line and column to an error whose instruction is one of the linked program's. */
void flt_object_place_error(const struct flt_object *object, const struct flt_linked *linked,
                            struct flt_error *error);

struct btf;
int flt_btf_signature(const struct btf *btf, const char *function, struct flt_signature *signature,
                      struct flt_error *error);

struct flt_object *flt_object_hold(struct flt_object *object);

#endif
