/* SPDX-License-Identifier: BSD-2-Clause */
/* Signatures out of BTF. Types are untrusted and may lead in circles: everything is bounded. */
#include <flt/signature.h>

#include "btf.h"
#include "object.h"

enum { NESTING_MAX = 16, TYPES_WALKED_MAX = 4096 };
#define DIGEST_BEGIN 2166136261u

struct digest {
	const struct btf *btf;
	uint32_t hash;   /* FNV-1a */
	uint32_t walked; /* types */
};

static void mix(struct digest *d, uint32_t word)
{
	for (int i = 0; i < 32; i += 8)
		d->hash = (d->hash ^ (word >> i & 0xff)) * 16777619u;
}

static void mix_text(struct digest *d, const char *text)
{
	for (; *text; text++)
		d->hash = (d->hash ^ (uint8_t)*text) * 16777619u;
	mix(d, 0);
}

/* What a type is made of; what a pointer inside it leads to counts for nothing. */
static bool digest_type(struct digest *d, uint32_t id, uint32_t depth)
{
	struct btf_view type;
	if (depth > NESTING_MAX || ++d->walked > TYPES_WALKED_MAX)
		return false;
	if (!id) { /* void */
		mix(d, 0);
		return true;
	}
	if (!btf_look(d->btf, id, &type))
		return false;
	mix(d, type.kind);
	mix(d, type.size);
	mix(d, type.detail);
	if (type.kind == BTF_STRUCT)
		mix_text(d, type.name);
	if (type.kind == BTF_ARRAY)
		return digest_type(d, type.of, depth + 1);
	for (uint32_t i = 0; i < type.n_members; i++) {
		struct btf_field field = btf_field(d->btf, &type, i);
		mix_text(d, field.name);
		mix(d, field.offset);
		if (!digest_type(d, field.type, depth + 1))
			return false;
	}
	return true;
}

static bool digest(const struct btf *btf, uint32_t id, uint32_t *hash)
{
	struct digest d = {.btf = btf, .hash = DIGEST_BEGIN};
	if (!digest_type(&d, id, 0))
		return false;
	*hash = d.hash;
	return true;
}

/* NULL, or what is wrong with the argument. */
static const char *read_argument(const struct btf *btf, uint32_t id, struct flt_argument *argument)
{
	struct btf_view type;
	if (!btf_look(btf, id, &type))
		return "has no type";
	if (type.kind == BTF_NUMBER) {
		argument->kind = FLT_ARGUMENT_NUMBER;
		argument->size = (uint16_t)type.size;
		return type.size <= 8 && digest(btf, id, &argument->type)
		               ? NULL
		               : "is larger than a register";
	}
	if (type.kind != BTF_POINTER)
		return "is neither a number nor a pointer";
	uint32_t size = btf_size(btf, type.of);
	if (!size || size > FLT_ARGUMENT_BYTES_MAX)
		return "points to nothing of a known size, or to too much";
	argument->kind = btf_is_const(btf, type.of) ? FLT_ARGUMENT_CONSTANT : FLT_ARGUMENT_MEMORY;
	argument->size = (uint16_t)size;
	return digest(btf, type.of, &argument->type) ? NULL : "points to a type without end";
}

int flt_btf_signature(const struct btf *btf, const char *function, struct flt_signature *signature,
                      struct flt_error *error)
{
	struct btf_view type, result;
	memset(signature, 0, sizeof(*signature));
	if (!btf || !btf_function(btf, function, &type))
		return flt_fail(error, FLT_E_INVALID, -1, "function \"%s\" has no type information",
		                function);
	if (type.n_members > FLT_ARGUMENTS_MAX)
		return flt_fail(error, FLT_E_UNSUPPORTED, -1,
		                "function \"%s\" has more than %u arguments", function,
		                (uint32_t)FLT_ARGUMENTS_MAX);
	signature->n = type.n_members;
	if ((type.of && (!btf_look(btf, type.of, &result) || result.kind != BTF_NUMBER)) ||
	    !digest(btf, type.of, &signature->result))
		return flt_fail(error, FLT_E_UNSUPPORTED, -1, "function \"%s\" gives no number",
		                function);
	for (uint32_t i = 0; i < type.n_members; i++) {
		const char *reason =
		        read_argument(btf, btf_parameter(btf, &type, i), &signature->arguments[i]);
		if (reason)
			return flt_fail(error, FLT_E_UNSUPPORTED, -1,
			                "argument %u of function \"%s\" %s", i + 1, function,
			                reason);
	}
	return 0;
}

/* As digest_type makes it of an integer of eight bytes: its encoding, no offset, 64 bits. */
static uint32_t digest_number(bool is_signed)
{
	struct digest d = {.hash = DIGEST_BEGIN};
	mix(&d, BTF_NUMBER);
	mix(&d, 8);
	mix(&d, (is_signed ? 1u << 24 : 0) | 64);
	return d.hash;
}

void flt_signature_numbers(uint32_t n, struct flt_signature *signature)
{
	*signature = (struct flt_signature){.n = n, .result = digest_number(true)};
	for (uint32_t i = 0; i < n; i++)
		signature->arguments[i] = (struct flt_argument){
		        .kind = FLT_ARGUMENT_NUMBER, .size = 8, .type = digest_number(false)};
}

bool flt_signature_equal(const struct flt_signature *a, const struct flt_signature *b)
{
	if (a->n != b->n || a->result != b->result)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (a->arguments[i].kind != b->arguments[i].kind ||
		    a->arguments[i].size != b->arguments[i].size ||
		    a->arguments[i].type != b->arguments[i].type)
			return false;
	return true;
}

void flt_signature_text(const struct flt_signature *signature, char *text, size_t size)
{
	static const char *const kinds[] = {"number", "memory", "const"};
	struct flt_text out = {text, size, 0};
	if (size)
		text[0] = '\0';
	flt_text_put(&out, "(");
	for (uint32_t i = 0; i < signature->n; i++)
		flt_text_put(&out, "%s%s %u", i ? ", " : "", kinds[signature->arguments[i].kind],
		             (uint32_t)signature->arguments[i].size);
	flt_text_put(&out, ")");
}
