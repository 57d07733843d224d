/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BTF. See btf.h; the format is in the Linux documentation, "BPF Type Format".
 */
#include "btf.h"

enum {
	BTF_MAGIC = 0xeb9f,
	KIND_INT = 1,
	KIND_PTR = 2,
	KIND_ARRAY = 3,
	KIND_STRUCT = 4,
	KIND_UNION = 5,
	KIND_ENUM = 6,
	KIND_TYPEDEF = 8,
	KIND_VOLATILE = 9,
	KIND_CONST = 10,
	KIND_RESTRICT = 11,
	KIND_FUNC = 12,
	KIND_FUNC_PROTO = 13,
	KIND_VAR = 14,
	KIND_DATASEC = 15,
	KIND_DECL_TAG = 17,
	KIND_TYPE_TAG = 18,
	KIND_ENUM64 = 19,
	TYPES_MAX = 1 << 20,
	NESTING_MAX = 32,
};

struct btf_header {
	uint16_t magic;
	uint8_t version;
	uint8_t flags;
	uint32_t header_size;
	uint32_t type_offset, type_size;
	uint32_t string_offset, string_size;
};

struct btf_type {
	uint32_t name;
	uint32_t info; /* vlen in bits 0-15, kind in 24-28 */
	uint32_t size; /* or the type it refers to */
};

struct btf_array {
	uint32_t element, index, n;
};

struct btf_member {
	uint32_t name, type, offset;
};

static uint32_t kind_of(const struct btf_type *t)
{
	return t->info >> 24 & 0x1f;
}

static uint32_t vlen_of(const struct btf_type *t)
{
	return t->info & 0xffff;
}

/* Bytes behind a type's fixed part; UINT32_MAX: unknown kind. */
static uint32_t tail_size(const struct btf_type *t)
{
	switch (kind_of(t)) {
	case KIND_INT:
	case KIND_VAR:
	case KIND_DECL_TAG:
		return 4;
	case KIND_ARRAY:
		return 12;
	case KIND_STRUCT:
	case KIND_UNION:
	case KIND_DATASEC:
	case KIND_ENUM64:
		return 12 * vlen_of(t);
	case KIND_ENUM:
	case KIND_FUNC_PROTO:
		return 8 * vlen_of(t);
	case 0:
		return UINT32_MAX;
	default:
		return kind_of(t) <= KIND_ENUM64 ? 0 : UINT32_MAX;
	}
}

static const char *text_at(const struct btf *btf, uint32_t offset)
{
	return offset < btf->strings_size ? btf->strings + offset : "";
}

/* The type of that id; false: there is none. */
static bool get_type(const struct btf *btf, uint32_t id, struct btf_type *type)
{
	if (id < 1 || id > btf->n_types)
		return false;
	memcpy(type, btf->types + btf->offsets[id - 1], sizeof(*type));
	return true;
}

/* What stands behind the type's fixed part; it was checked to be there. */
static const uint8_t *tail_of(const struct btf *btf, uint32_t id)
{
	return btf->types + btf->offsets[id - 1] + sizeof(struct btf_type);
}

static int count_types(struct btf *btf, uint32_t *offsets, struct flt_error *error)
{
	uint32_t at = 0, n = 0;
	while (at < btf->types_size) {
		struct btf_type type;
		if (btf->types_size - at < sizeof(type))
			return flt_fail(error, FLT_E_INVALID, -1, "BTF type %u is cut off", n + 1);
		memcpy(&type, btf->types + at, sizeof(type));
		uint32_t tail = tail_size(&type);
		if (tail > btf->types_size - at - sizeof(type))
			return flt_fail(error, FLT_E_INVALID, -1, "BTF type %u is malformed",
			                n + 1);
		if (offsets)
			offsets[n] = at;
		if (++n > TYPES_MAX)
			return flt_fail(error, FLT_E_LIMIT, -1, "too many BTF types");
		at += (uint32_t)sizeof(type) + tail;
	}
	btf->n_types = n;
	return 0;
}

static const char *check_header(const struct btf_header *h, size_t size)
{
	if (h->magic != BTF_MAGIC || h->version != 1)
		return "BTF of an unknown kind";
	if (h->header_size < sizeof(*h) || h->header_size > size)
		return "BTF header is malformed";
	size -= h->header_size;
	if (h->type_offset > size || h->type_size > size - h->type_offset)
		return "BTF types lie outside their section";
	if (h->string_offset > size || h->string_size > size - h->string_offset)
		return "BTF strings lie outside their section";
	return NULL;
}

int btf_open(struct btf *btf, const uint8_t *bytes, size_t size, struct flt_error *error)
{
	struct btf_header header;
	memset(btf, 0, sizeof(*btf));
	if (size < sizeof(header))
		return flt_fail(error, FLT_E_INVALID, -1, "BTF is too short");
	memcpy(&header, bytes, sizeof(header));
	const char *reason = check_header(&header, size);
	if (reason)
		return flt_fail(error, FLT_E_INVALID, -1, "%s", reason);
	btf->types = bytes + header.header_size + header.type_offset;
	btf->types_size = header.type_size;
	btf->strings = (const char *)bytes + header.header_size + header.string_offset;
	btf->strings_size = header.string_size;
	if (btf->strings_size && btf->strings[btf->strings_size - 1])
		return flt_fail(error, FLT_E_INVALID, -1, "BTF strings are not terminated");
	int code = count_types(btf, NULL, error);
	if (code)
		return code;
	btf->offsets = flt_alloc_array(btf->n_types, sizeof(*btf->offsets));
	if (!btf->offsets)
		return flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	return count_types(btf, btf->offsets, error);
}

void btf_free(struct btf *btf)
{
	flt_free(btf->offsets);
	btf->offsets = NULL;
}

/* --- maps --- */

/* Follows typedefs and qualifiers; 0 where they lead nowhere. */
static uint32_t strip(const struct btf *btf, uint32_t id, struct btf_type *type)
{
	for (uint32_t i = 0; i < NESTING_MAX && get_type(btf, id, type); i++) {
		uint32_t kind = kind_of(type);
		if (kind != KIND_TYPEDEF && kind != KIND_VOLATILE && kind != KIND_CONST &&
		    kind != KIND_RESTRICT && kind != KIND_TYPE_TAG)
			return id;
		id = type->size;
	}
	return 0;
}

/* A type's size in bytes; 0: unknown or too large. */
static uint32_t size_of(const struct btf *btf, uint32_t id)
{
	uint64_t factor = 1;
	for (uint32_t i = 0; i < NESTING_MAX; i++) {
		struct btf_type type;
		struct btf_array array;
		id = strip(btf, id, &type);
		if (!id)
			return 0;
		if (kind_of(&type) != KIND_ARRAY) {
			uint64_t size = factor * (kind_of(&type) == KIND_PTR ? 8 : type.size);
			return size <= UINT32_MAX / 2 ? (uint32_t)size : 0;
		}
		memcpy(&array, tail_of(btf, id), sizeof(array));
		factor *= array.n;
		if (factor > UINT32_MAX)
			return 0;
		id = array.element;
	}
	return 0;
}

/* __uint(name, N): a pointer to an array of N elements. */
static bool read_uint(const struct btf *btf, uint32_t id, uint32_t *value)
{
	struct btf_type type;
	struct btf_array array;
	id = strip(btf, id, &type);
	if (!id || kind_of(&type) != KIND_PTR)
		return false;
	id = strip(btf, type.size, &type);
	if (!id || kind_of(&type) != KIND_ARRAY)
		return false;
	memcpy(&array, tail_of(btf, id), sizeof(array));
	*value = array.n;
	return true;
}

/* __type(name, T): a pointer to T; its size. */
static bool read_type_size(const struct btf *btf, uint32_t id, uint32_t *value)
{
	struct btf_type type;
	id = strip(btf, id, &type);
	if (!id || kind_of(&type) != KIND_PTR)
		return false;
	*value = size_of(btf, type.size);
	return *value;
}

/* One member of a map's definition; NULL, or what is wrong with it. */
static const char *read_member(const struct btf *btf, const char *name, uint32_t type,
                               struct flt_map_spec *spec)
{
	uint32_t ignored;
	bool fine = true;
	if (!strcmp(name, "type"))
		fine = read_uint(btf, type, &spec->type);
	else if (!strcmp(name, "key_size"))
		fine = read_uint(btf, type, &spec->key_size);
	else if (!strcmp(name, "value_size"))
		fine = read_uint(btf, type, &spec->value_size);
	else if (!strcmp(name, "max_entries"))
		fine = read_uint(btf, type, &spec->max_entries);
	else if (!strcmp(name, "map_flags"))
		fine = read_uint(btf, type, &spec->flags);
	else if (!strcmp(name, "key"))
		fine = read_type_size(btf, type, &spec->key_size);
	else if (!strcmp(name, "value"))
		fine = read_type_size(btf, type, &spec->value_size);
	else if (!strcmp(name, "pinning") || !strcmp(name, "numa_node"))
		fine = read_uint(btf, type, &ignored);
	else
		return "is not known";
	return fine ? NULL : "is malformed";
}

static int read_definition(const struct btf *btf, uint32_t id, struct flt_map_spec *spec,
                           struct flt_error *error)
{
	struct btf_type type;
	id = strip(btf, id, &type);
	if (!id || kind_of(&type) != KIND_STRUCT)
		return flt_fail(error, FLT_E_INVALID, -1, "map \"%s\" is not a structure",
		                spec->name);
	for (uint32_t i = 0; i < vlen_of(&type); i++) {
		struct btf_member member;
		memcpy(&member, tail_of(btf, id) + i * sizeof(member), sizeof(member));
		const char *name = text_at(btf, member.name);
		const char *reason = read_member(btf, name, member.type, spec);
		if (reason)
			return flt_fail(error, FLT_E_INVALID, -1, "map \"%s\": member \"%s\" %s",
			                spec->name, name, reason);
	}
	return 0;
}

int btf_map(const struct btf *btf, const char *name, struct flt_map_spec *spec,
            struct flt_error *error)
{
	memset(spec, 0, sizeof(*spec));
	flt_copy_name(spec->name, sizeof(spec->name), name);
	for (uint32_t id = 1; id <= btf->n_types; id++) {
		struct btf_type type;
		if (get_type(btf, id, &type) && kind_of(&type) == KIND_VAR &&
		    !strcmp(text_at(btf, type.name), name))
			return read_definition(btf, type.size, spec, error);
	}
	return flt_fail(error, FLT_E_INVALID, -1, "map \"%s\" has no type information", name);
}

/* --- types of functions --- */

static uint32_t view_kind(uint32_t kind)
{
	switch (kind) {
	case KIND_INT:
	case KIND_ENUM:
	case KIND_ENUM64:
		return BTF_NUMBER;
	case KIND_PTR:
		return BTF_POINTER;
	case KIND_ARRAY:
		return BTF_ARRAY;
	case KIND_STRUCT:
	case KIND_UNION:
		return BTF_STRUCT;
	case KIND_FUNC_PROTO:
		return BTF_FUNCTION;
	default:
		return BTF_OTHER;
	}
}

bool btf_look(const struct btf *btf, uint32_t id, struct btf_view *view)
{
	struct btf_type type;
	struct btf_array array;
	id = strip(btf, id, &type);
	if (!id)
		return false;
	*view = (struct btf_view){.id = id,
	                          .kind = view_kind(kind_of(&type)),
	                          .size = type.size,
	                          .name = text_at(btf, type.name)};
	switch (view->kind) {
	case BTF_NUMBER:
		if (kind_of(&type) == KIND_INT)
			memcpy(&view->detail, tail_of(btf, id), sizeof(view->detail));
		return true;
	case BTF_ARRAY:
		memcpy(&array, tail_of(btf, id), sizeof(array));
		view->of = array.element;
		view->size = array.n;
		return true;
	case BTF_POINTER:
	case BTF_FUNCTION:
		view->of = type.size;
		view->size = 8;
		view->n_members = view->kind == BTF_FUNCTION ? vlen_of(&type) : 0;
		return true;
	case BTF_STRUCT:
		view->detail = kind_of(&type) == KIND_UNION;
		view->n_members = vlen_of(&type);
		return true;
	default:
		return true;
	}
}

struct btf_field btf_field(const struct btf *btf, const struct btf_view *structure, uint32_t i)
{
	struct btf_member member;
	memcpy(&member, tail_of(btf, structure->id) + i * sizeof(member), sizeof(member));
	return (struct btf_field){text_at(btf, member.name), member.type, member.offset};
}

bool btf_function(const struct btf *btf, const char *name, struct btf_view *view)
{
	for (uint32_t id = 1; id <= btf->n_types; id++) {
		struct btf_type type;
		if (get_type(btf, id, &type) && kind_of(&type) == KIND_FUNC &&
		    !strcmp(text_at(btf, type.name), name))
			return btf_look(btf, type.size, view) && view->kind == BTF_FUNCTION;
	}
	return false;
}

uint32_t btf_parameter(const struct btf *btf, const struct btf_view *function, uint32_t i)
{
	uint32_t parameter[2]; /* name, type */
	memcpy(parameter, tail_of(btf, function->id) + i * sizeof(parameter), sizeof(parameter));
	return parameter[1];
}

uint32_t btf_size(const struct btf *btf, uint32_t id)
{
	return size_of(btf, id);
}

bool btf_is_const(const struct btf *btf, uint32_t id)
{
	struct btf_type type;
	for (uint32_t i = 0; i < NESTING_MAX && get_type(btf, id, &type); i++) {
		uint32_t kind = kind_of(&type);
		if (kind == KIND_CONST)
			return true;
		if (kind != KIND_TYPEDEF && kind != KIND_VOLATILE && kind != KIND_RESTRICT &&
		    kind != KIND_TYPE_TAG)
			return false;
		id = type.size;
	}
	return false;
}

/* --- lines --- */

struct ext_header {
	uint16_t magic;
	uint8_t version;
	uint8_t flags;
	uint32_t header_size;
	uint32_t func_offset, func_size;
	uint32_t line_offset, line_size;
};

struct line_section {
	uint32_t name;
	uint32_t n;
};

struct line_record {
	uint32_t offset; /* bytes in the section */
	uint32_t file;
	uint32_t text;
	uint32_t place; /* line << 10 | column */
};

/* Looks through the records of one section for the last that is not behind the offset. */
static bool search_records(const struct btf *btf, const uint8_t *records, uint32_t n,
                           uint32_t record_size, uint32_t offset, struct btf_line *line)
{
	bool found = false;
	for (uint32_t i = 0; i < n; i++) {
		struct line_record record;
		memcpy(&record, records + (size_t)i * record_size, sizeof(record));
		if (record.offset > offset)
			break;
		*line = (struct btf_line){text_at(btf, record.file), record.place >> 10,
		                          record.place & 0x3ff};
		found = true;
	}
	return found;
}

bool btf_find_line(const struct btf *btf, const uint8_t *ext, size_t size, const char *section,
                   uint32_t offset, struct btf_line *line)
{
	struct ext_header header;
	uint32_t record_size;
	if (size < sizeof(header))
		return false;
	memcpy(&header, ext, sizeof(header));
	if (header.magic != BTF_MAGIC || header.header_size > size ||
	    header.line_offset > size - header.header_size ||
	    header.line_size > size - header.header_size - header.line_offset ||
	    header.line_size < sizeof(record_size))
		return false;
	const uint8_t *at = ext + header.header_size + header.line_offset;
	size_t left = header.line_size - sizeof(record_size);
	memcpy(&record_size, at, sizeof(record_size));
	at += sizeof(record_size);
	if (record_size < sizeof(struct line_record))
		return false;
	while (left >= sizeof(struct line_section)) {
		struct line_section part;
		memcpy(&part, at, sizeof(part));
		at += sizeof(part);
		left -= sizeof(part);
		if (part.n > left / record_size)
			return false;
		if (!strcmp(text_at(btf, part.name), section))
			return search_records(btf, at, part.n, record_size, offset, line);
		at += (size_t)part.n * record_size;
		left -= (size_t)part.n * record_size;
	}
	return false;
}
