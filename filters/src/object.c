/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF objects from `clang -target bpf` (untrusted): maps, programs, and what ties them together.
 *
 * Maps come from the BTF of section .maps; .rodata, .data and .bss become arrays of one value each,
 * .bss.arena an arena.
 * A program is a global function in an executable section other than .text (or in .text, where
 * there is nothing else). Linking copies it and every function it calls, one behind the other, and
 * turns relocations into references to maps by number.
 */
#include "object.h"

#include "btf.h"
#include "elf.h"
#include "map_internal.h"

enum {
	MAPS_MAX = 256,
	PROGRAMS_MAX = 1024,
	FUNCTIONS_MAX = 256, /* of one linked program */
	REL_64_64 = 1,       /* 64-bit immediate */
	REL_64_32 = 10,      /* call */
	SYMBOL_GLOBAL = 1,
	SYMBOL_WEAK = 2,
};

struct flt_object {
	uint32_t references;
	uint8_t *bytes;
	struct elf elf;
	struct btf btf;
	bool has_btf;
	uint32_t ext; /* section .BTF.ext, or 0 */
	uint32_t n_maps;
	struct flt_map *maps[MAPS_MAX];
	uint32_t map_symbol[MAPS_MAX];  /* of maps from .maps; 0 otherwise */
	uint32_t map_section[MAPS_MAX]; /* of data sections; 0 otherwise */
	uint32_t n_programs;
	uint32_t programs[PROGRAMS_MAX]; /* symbols */
};

/* --- maps --- */

static int add_map(struct flt_object *o, const struct flt_map_spec *spec, uint32_t symbol,
                   uint32_t section, struct flt_error *error)
{
	if (o->n_maps == MAPS_MAX)
		return flt_fail(error, FLT_E_LIMIT, -1, "more than %u maps", (uint32_t)MAPS_MAX);
	int code = flt_map_create(spec, &o->maps[o->n_maps], error);
	if (code)
		return code;
	o->map_symbol[o->n_maps] = symbol;
	o->map_section[o->n_maps] = section;
	o->n_maps++;
	return 0;
}

static bool starts_with(const char *text, const char *start)
{
	return !memcmp(text, start,
	               flt_min_u32((uint32_t)strlen(text) + 1, (uint32_t)strlen(start)));
}

static bool is_data(const char *name)
{
	return starts_with(name, ".rodata") || starts_with(name, ".data") ||
	       starts_with(name, ".bss");
}

/* Variables that lie in frames of somebody else's: what these contain is theirs. */
static int add_arena(struct flt_object *o, uint32_t i, struct flt_error *error)
{
	struct elf_section section = elf_section(&o->elf, i);
	const char *name = elf_section_name(&o->elf, i);
	struct flt_map_spec spec = {.type = FLT_MAP_ARENA};
	if (section.size > (uint64_t)FLT_MAP_FRAMES_MAX * FLT_MAP_FRAME)
		return flt_fail(error, FLT_E_LIMIT, -1, "section %s is larger than %u frames", name,
		                (uint32_t)FLT_MAP_FRAMES_MAX);
	if (section.type != ELF_SHT_NOBITS)
		return flt_fail(error, FLT_E_INVALID, -1, "section %s has contents", name);
	spec.max_entries = (uint32_t)((section.size + FLT_MAP_FRAME - 1) / FLT_MAP_FRAME);
	flt_copy_name(spec.name, sizeof(spec.name), name);
	return add_map(o, &spec, 0, i, error);
}

static int add_data_map(struct flt_object *o, uint32_t i, struct flt_error *error)
{
	struct elf_section section = elf_section(&o->elf, i);
	const char *name = elf_section_name(&o->elf, i);
	struct flt_map_spec spec = {.type = FLT_MAP_ARRAY,
	                            .key_size = 4,
	                            .value_size = (uint32_t)section.size,
	                            .max_entries = 1};
	if (!(section.flags & ELF_SHF_ALLOC) || !section.size)
		return 0;
	if (starts_with(name, ".bss.arena"))
		return add_arena(o, i, error);
	if (section.size > FLT_MAP_VALUE_MAX)
		return flt_fail(error, FLT_E_LIMIT, -1, "section %s is larger than %u bytes", name,
		                (uint32_t)FLT_MAP_VALUE_MAX);
	flt_copy_name(spec.name, sizeof(spec.name), name);
	int code = add_map(o, &spec, 0, i, error);
	if (code)
		return code;
	struct flt_map *map = o->maps[o->n_maps - 1];
	const uint8_t *data = elf_data(&o->elf, i);
	if (data)
		memcpy(flt_map_array_base(map), data, section.size);
	if (starts_with(name, ".rodata"))
		flt_map_freeze(map);
	return 0;
}

/* The old way of defining maps: struct bpf_map_def in section "maps". */
static int legacy_map(const struct flt_object *o, const struct elf_symbol *symbol, const char *name,
                      struct flt_map_spec *spec, struct flt_error *error)
{
	struct elf_section section = elf_section(&o->elf, symbol->section);
	const uint8_t *data = elf_data(&o->elf, symbol->section);
	uint32_t fields[5];
	if (!data || symbol->value > section.size || section.size - symbol->value < sizeof(fields))
		return flt_fail(error, FLT_E_INVALID, -1, "map \"%s\" lies outside its section",
		                name);
	memcpy(fields, data + symbol->value, sizeof(fields));
	*spec = (struct flt_map_spec){.type = fields[0],
	                              .key_size = fields[1],
	                              .value_size = fields[2],
	                              .max_entries = fields[3],
	                              .flags = fields[4]};
	flt_copy_name(spec->name, sizeof(spec->name), name);
	return 0;
}

static int add_symbol_map(struct flt_object *o, uint32_t i, const char *section_name,
                          struct flt_error *error)
{
	struct elf_symbol symbol = elf_symbol(&o->elf, i);
	const char *name = elf_symbol_name(&o->elf, i);
	struct flt_map_spec spec;
	uint32_t type = elf_symbol_type(&symbol);
	int code;
	if (type != ELF_STT_OBJECT && type != ELF_STT_NOTYPE)
		return 0;
	if (!strcmp(section_name, ".maps") && !o->has_btf)
		return flt_fail(error, FLT_E_INVALID, -1, "map \"%s\" needs BTF: compile with -g",
		                name);
	if (!strcmp(section_name, ".maps"))
		code = btf_map(&o->btf, name, &spec, error);
	else if (!strcmp(section_name, "maps"))
		code = legacy_map(o, &symbol, name, &spec, error);
	else
		return 0;
	return code ? code : add_map(o, &spec, i, 0, error);
}

static int make_maps(struct flt_object *o, struct flt_error *error)
{
	int code = 0;
	for (uint32_t i = 1; i < o->elf.n_symbols && !code; i++) {
		struct elf_symbol symbol = elf_symbol(&o->elf, i);
		if (symbol.section && symbol.section < o->elf.n_sections)
			code = add_symbol_map(o, i, elf_section_name(&o->elf, symbol.section),
			                      error);
	}
	for (uint32_t i = 1; i < o->elf.n_sections && !code; i++)
		if (is_data(elf_section_name(&o->elf, i)))
			code = add_data_map(o, i, error);
	return code;
}

/* --- programs --- */

static bool is_function(const struct flt_object *o, const struct elf_symbol *symbol)
{
	if (elf_symbol_type(symbol) != ELF_STT_FUNC || !symbol->section ||
	    symbol->section >= o->elf.n_sections)
		return false;
	struct elf_section section = elf_section(&o->elf, symbol->section);
	return section.flags & ELF_SHF_EXECINSTR && section.type == ELF_SHT_PROGBITS;
}

static void find_programs(struct flt_object *o, bool in_text)
{
	for (uint32_t i = 1; i < o->elf.n_symbols && o->n_programs < PROGRAMS_MAX; i++) {
		struct elf_symbol symbol = elf_symbol(&o->elf, i);
		uint32_t binding = symbol.info >> 4;
		if (!is_function(o, &symbol) ||
		    (binding != SYMBOL_GLOBAL && binding != SYMBOL_WEAK))
			continue;
		if (in_text == !strcmp(elf_section_name(&o->elf, symbol.section), ".text"))
			o->programs[o->n_programs++] = i;
	}
}

static int open_btf(struct flt_object *o, struct flt_error *error)
{
	uint32_t section = elf_find(&o->elf, ".BTF");
	const uint8_t *data = section ? elf_data(&o->elf, section) : NULL;
	if (!data)
		return 0;
	o->has_btf = true;
	o->ext = elf_find(&o->elf, ".BTF.ext");
	return btf_open(&o->btf, data, elf_section(&o->elf, section).size, error);
}

static int open_parts(struct flt_object *o, size_t size, struct flt_error *error)
{
	int code = elf_open(&o->elf, o->bytes, size, error);
	if (!code)
		code = open_btf(o, error);
	if (!code && !o->elf.symtab)
		code = flt_fail(error, FLT_E_INVALID, -1, "the object has no symbols");
	if (!code)
		code = make_maps(o, error);
	if (code)
		return code;
	find_programs(o, false);
	if (!o->n_programs)
		find_programs(o, true);
	return 0;
}

int flt_object_open(const void *bytes, size_t size, struct flt_object **object,
                    struct flt_error *error)
{
	*object = NULL;
	struct flt_object *o = flt_alloc_array(1, sizeof(*o));
	uint8_t *copy = flt_alloc_array(size, 1);
	if (!o || !copy) {
		flt_free(o);
		flt_free(copy);
		return flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	}
	memcpy(copy, bytes, size);
	o->bytes = copy;
	o->references = 1;
	int code = open_parts(o, size, error);
	if (code) {
		flt_object_close(o);
		return code;
	}
	*object = o;
	return 0;
}

struct flt_object *flt_object_hold(struct flt_object *object)
{
	__atomic_add_fetch(&object->references, 1, __ATOMIC_RELAXED);
	return object;
}

void flt_object_close(struct flt_object *object)
{
	if (!object || __atomic_sub_fetch(&object->references, 1, __ATOMIC_ACQ_REL))
		return;
	for (uint32_t i = 0; i < object->n_maps; i++)
		flt_map_destroy(object->maps[i]);
	btf_free(&object->btf);
	flt_free(object->bytes);
	flt_free(object);
}

const char *flt_object_program_name(const struct flt_object *object, uint32_t i)
{
	return i < object->n_programs ? elf_symbol_name(&object->elf, object->programs[i]) : NULL;
}

const char *flt_object_program_section(const struct flt_object *object, uint32_t i)
{
	if (i >= object->n_programs)
		return NULL;
	return elf_section_name(&object->elf,
	                        elf_symbol(&object->elf, object->programs[i]).section);
}

struct flt_map *flt_object_map_at(const struct flt_object *object, uint32_t i)
{
	return i < object->n_maps ? object->maps[i] : NULL;
}

struct flt_map *flt_object_map(const struct flt_object *object, const char *name)
{
	for (uint32_t i = 0; i < object->n_maps; i++)
		if (!strcmp(flt_map_spec(object->maps[i])->name, name))
			return object->maps[i];
	return NULL;
}

int flt_object_signature(const struct flt_object *o, const char *function,
                         struct flt_signature *signature, struct flt_error *error)
{
	return flt_btf_signature(o->has_btf ? &o->btf : NULL, function, signature, error);
}

/* Undefined names: functions of other programs. */
const char *flt_object_import_name(const struct flt_object *o, uint32_t i)
{
	for (uint32_t s = 1; s < o->elf.n_symbols; s++) {
		struct elf_symbol symbol = elf_symbol(&o->elf, s);
		const char *name = elf_symbol_name(&o->elf, s);
		if (!symbol.section && symbol.info >> 4 == SYMBOL_GLOBAL && name[0] && !i--)
			return name;
	}
	return NULL;
}

int flt_object_import_signature(const struct flt_object *o, const char *name,
                                struct flt_signature *signature, struct flt_error *error)
{
	return flt_object_signature(o, name, signature, error);
}

/* --- linking --- */

struct link {
	struct flt_object *o;
	struct flt_linked *out;
	uint32_t n_functions;
	struct {
		uint32_t symbol;
		uint32_t base; /* in out */
	} functions[FUNCTIONS_MAX];
	struct flt_error *error;
};

static int append_function(struct link *l, uint32_t i)
{
	struct elf_symbol symbol = elf_symbol(&l->o->elf, i);
	struct elf_section section = elf_section(&l->o->elf, symbol.section);
	struct flt_linked *out = l->out;
	const char *name = elf_symbol_name(&l->o->elf, i);
	if (symbol.value % 8 || symbol.size % 8 || !symbol.size || symbol.value > section.size ||
	    symbol.size > section.size - symbol.value)
		return flt_fail(l->error, FLT_E_INVALID, -1, "function \"%s\" is malformed", name);
	uint64_t n = symbol.size / 8;
	if (l->n_functions == FUNCTIONS_MAX || n > FLT_PROGRAM_INSNS_MAX - out->n_insns)
		return flt_fail(l->error, FLT_E_LIMIT, -1,
		                "the program and its functions are too large");
	const uint8_t *code = elf_data(&l->o->elf, symbol.section) + symbol.value;
	memcpy(out->insns + out->n_insns, code, symbol.size);
	for (uint32_t k = 0; k < n; k++)
		out->origins[out->n_insns + k] =
		        (struct flt_origin){symbol.section, (uint32_t)(symbol.value / 8) + k};
	l->functions[l->n_functions].symbol = i;
	l->functions[l->n_functions++].base = out->n_insns;
	out->n_insns += (uint32_t)n;
	return 0;
}

/* The section of relocations for a section; 0: none. */
static uint32_t relocations_of(const struct flt_object *o, uint32_t section)
{
	for (uint32_t i = 1; i < o->elf.n_sections; i++) {
		struct elf_section s = elf_section(&o->elf, i);
		if (s.type == ELF_SHT_REL && s.info == section)
			return i;
	}
	return 0;
}

static struct elf_rel relocation_at(const struct flt_object *o, uint32_t section, uint64_t i)
{
	struct elf_rel rel;
	memcpy(&rel, elf_data(&o->elf, section) + i * sizeof(rel), sizeof(rel));
	return rel;
}

/* The relocation of the instruction at `origin`; clang writes them in order. False: none. */
static bool find_relocation(const struct flt_object *o, const struct flt_origin *origin,
                            struct elf_rel *rel)
{
	uint32_t section = relocations_of(o, origin->section);
	if (!section)
		return false;
	uint64_t low = 0, high = elf_section(&o->elf, section).size / sizeof(*rel);
	uint64_t n = high, wanted = 8ull * origin->index;
	while (low < high) {
		uint64_t middle = (low + high) / 2;
		if (relocation_at(o, section, middle).offset < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == n)
		return false;
	*rel = relocation_at(o, section, low);
	return rel->offset == wanted;
}

static int relocate_map(struct link *l, struct flt_insn *insn, uint32_t i,
                        const struct elf_rel *rel)
{
	uint32_t symbol_index = (uint32_t)(rel->info >> 32);
	struct flt_object *o = l->o;
	if (symbol_index >= o->elf.n_symbols || (uint32_t)rel->info != REL_64_64)
		return flt_fail(l->error, FLT_E_INVALID, (int32_t)i,
		                "relocation of an unknown kind");
	struct elf_symbol symbol = elf_symbol(&o->elf, symbol_index);
	for (uint32_t m = 0; m < o->n_maps; m++) {
		if (o->map_symbol[m] == symbol_index) {
			insn->regs = (uint8_t)(insn_dst(insn) | BPF_PSEUDO_MAP << 4);
			insn[0].imm = (int32_t)m;
			insn[1].imm = 0;
			return 0;
		}
		if (o->map_section[m] && o->map_section[m] == symbol.section) {
			insn->regs = (uint8_t)(insn_dst(insn) | BPF_PSEUDO_MAP_VALUE << 4);
			insn[1].imm = (int32_t)((uint32_t)insn->imm + (uint32_t)symbol.value);
			insn[0].imm = (int32_t)m;
			return 0;
		}
	}
	return flt_fail(l->error, FLT_E_UNSUPPORTED, (int32_t)i,
	                "reference to \"%s\", which is no map and no data",
	                elf_symbol_name(&o->elf, symbol_index));
}

/* Where a function that starts at a place of a section stands in the program; appended if need be.
 */
static int place_function(struct link *l, uint32_t section, uint64_t value, uint32_t i,
                          uint32_t *base)
{
	const struct elf *elf = &l->o->elf;
	for (uint32_t f = 0; f < l->n_functions; f++) {
		struct elf_symbol symbol = elf_symbol(elf, l->functions[f].symbol);
		if (symbol.section == section && symbol.value == value) {
			*base = l->functions[f].base;
			return 0;
		}
	}
	for (uint32_t s = 1; s < elf->n_symbols; s++) {
		struct elf_symbol symbol = elf_symbol(elf, s);
		if (is_function(l->o, &symbol) && symbol.section == section &&
		    symbol.value == value) {
			*base = l->out->n_insns;
			return append_function(l, s);
		}
	}
	return flt_fail(l->error, FLT_E_INVALID, (int32_t)i,
	                "call of something that is no function");
}

/* A call of something that another program has. */
static int relocate_import(struct link *l, uint32_t i, const char *name)
{
	struct flt_linked *out = l->out;
	uint32_t n = 0;
	while (n < out->n_imports && strcmp(out->imports[n], name) != 0)
		n++;
	if (n == FLT_IMPORTS_MAX)
		return flt_fail(l->error, FLT_E_LIMIT, (int32_t)i,
		                "calls of more than %u functions of other programs",
		                (uint32_t)FLT_IMPORTS_MAX);
	if (n == out->n_imports)
		out->imports[out->n_imports++] = name;
	out->insns[i].regs = BPF_PSEUDO_IMPORT << 4;
	out->insns[i].imm = (int32_t)n;
	return 0;
}

static int relocate_call(struct link *l, uint32_t i)
{
	struct flt_insn *insn = &l->out->insns[i];
	struct flt_origin origin = l->out->origins[i];
	uint32_t section = origin.section, base = 0;
	int64_t value = 8 * ((int64_t)origin.index + 1 + insn->imm);
	struct elf_rel rel;
	if (find_relocation(l->o, &origin, &rel)) {
		uint32_t index = (uint32_t)(rel.info >> 32);
		if (index >= l->o->elf.n_symbols)
			return flt_fail(l->error, FLT_E_INVALID, (int32_t)i,
			                "relocation of an unknown kind");
		struct elf_symbol symbol = elf_symbol(&l->o->elf, index);
		if (!symbol.section)
			return relocate_import(l, i, elf_symbol_name(&l->o->elf, index));
		if (symbol.section >= l->o->elf.n_sections)
			return flt_fail(l->error, FLT_E_UNSUPPORTED, (int32_t)i,
			                "call of \"%s\", which is no function",
			                elf_symbol_name(&l->o->elf, index));
		section = symbol.section;
		value = (int64_t)symbol.value;
		if (elf_symbol_type(&symbol) == ELF_STT_SECTION)
			value = 8 * ((int64_t)insn->imm + 1);
	}
	int code = place_function(l, section, (uint64_t)value, i, &base);
	if (!code)
		l->out->insns[i].imm = (int32_t)base - (int32_t)i - 1;
	return code;
}

static int relocate_insn(struct link *l, uint32_t i)
{
	struct flt_insn *insn = &l->out->insns[i];
	struct elf_rel rel;
	if (insn->code == (BPF_JMP | BPF_CALL)) {
		bool local = insn_src(insn) == BPF_PSEUDO_CALL;
		bool marked = find_relocation(l->o, &l->out->origins[i], &rel);
		if (insn_src(insn) > BPF_PSEUDO_CALL) /* numbers of imports are ours to give */
			return flt_fail(l->error, FLT_E_INVALID, (int32_t)i,
			                "unknown kind of call");
		if (marked && !local) /* an external function, by its symbol */
			insn->regs = BPF_PSEUDO_CALL << 4;
		return marked || local ? relocate_call(l, i) : 0;
	}
	if (!insn_is_wide(insn) || i + 1 >= l->out->n_insns)
		return 0;
	return find_relocation(l->o, &l->out->origins[i], &rel) ? relocate_map(l, insn, i, &rel)
	                                                        : 0;
}

static int link_all(struct link *l, uint32_t symbol)
{
	int code = append_function(l, symbol);
	/* Functions that are called are appended on the way, so the end moves. */
	for (uint32_t i = 0; i < l->out->n_insns && !code; i++) {
		code = relocate_insn(l, i);
		if (insn_is_wide(&l->out->insns[i]))
			i++;
	}
	return code;
}

static int choose_program(struct flt_object *o, const char *name, uint32_t *symbol,
                          struct flt_error *error)
{
	if (!o->n_programs)
		return flt_fail(error, FLT_E_NOT_FOUND, -1, "the object has no program");
	if (!name && o->n_programs > 1)
		return flt_fail(error, FLT_E_NOT_FOUND, -1,
		                "the object has %u programs: say which (the first is \"%s\")",
		                o->n_programs, flt_object_program_name(o, 0));
	for (uint32_t i = 0; i < o->n_programs; i++) {
		*symbol = o->programs[i];
		if (!name || !strcmp(name, elf_symbol_name(&o->elf, *symbol)))
			return 0;
	}
	return flt_fail(error, FLT_E_NOT_FOUND, -1, "the object has no program \"%s\"", name);
}

int flt_object_link(struct flt_object *object, const char *name, struct flt_linked *linked,
                    struct flt_error *error)
{
	uint32_t symbol = 0;
	memset(linked, 0, sizeof(*linked));
	int code = choose_program(object, name, &symbol, error);
	if (code)
		return code;
	struct link *l = flt_alloc_array(1, sizeof(*l));
	linked->insns = flt_alloc_array(FLT_PROGRAM_INSNS_MAX, sizeof(*linked->insns));
	linked->origins = flt_alloc_array(FLT_PROGRAM_INSNS_MAX, sizeof(*linked->origins));
	linked->name = elf_symbol_name(&object->elf, symbol);
	linked->maps = object->maps;
	linked->n_maps = object->n_maps;
	uint32_t section = elf_symbol(&object->elf, symbol).section;
	const char *section_name = elf_section_name(&object->elf, section);
	linked->kind = starts_with(section_name, "raw")    ? FLT_KIND_RAW
	               : starts_with(section_name, "call") ? FLT_KIND_CALL
	                                                   : FLT_KIND_XDP;
	if (!l || !linked->insns || !linked->origins) {
		code = flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	} else {
		l->o = object;
		l->out = linked;
		l->error = error;
		code = link_all(l, symbol);
	}
	flt_free(l);
	if (code) {
		flt_object_place_error(object, linked, error);
		if (error)
			flt_copy_name(error->program, sizeof(error->program), linked->name);
		flt_linked_free(linked);
	}
	return code;
}

void flt_linked_free(struct flt_linked *linked)
{
	flt_free(linked->insns);
	flt_free(linked->origins);
	linked->insns = NULL;
	linked->origins = NULL;
}

void flt_object_place_error(const struct flt_object *o, const struct flt_linked *linked,
                            struct flt_error *error)
{
	struct btf_line line;
	if (!error || error->instruction < 0 || (uint32_t)error->instruction >= linked->n_insns ||
	    !o->ext || !elf_data(&o->elf, o->ext))
		return;
	const struct flt_origin *origin = &linked->origins[error->instruction];
	if (!btf_find_line(&o->btf, elf_data(&o->elf, o->ext), elf_section(&o->elf, o->ext).size,
	                   elf_section_name(&o->elf, origin->section), 8 * origin->index, &line))
		return;
	error->line = line.line;
	error->column = line.column;
	flt_copy_name(error->file, sizeof(error->file), line.file);
}
