/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs: static ELF executables, position-independent ones too, shown from the payload page by
 * page and copied where they are written; and the stack that a Linux process begins with (System V
 * ABI, AMD64 supplement, 3.4.1): argument count, argument and environment pointers, auxiliary
 * vector.
 */
#include <elf.h>
#include <errno.h>
#include <sys/mman.h>

#include <exo/elf.h>
#include <exo/layout.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "family.h"

#define STACK_BYTES (8ull << 20)
#define STACK_END   0x00007dfffffff000ull

/* Position-independent programs lie below the mappings, and their heap down here. */
#define RELOCATABLE_HEAP 0x0000000010000000ull

enum {
	WORDS_MAX = 512,        /* arguments and environment strings */
	TEXT_BYTES = 32 * 1024, /* of all of these */
	PREPARED_BYTES = TEXT_BYTES + 32 * 1024,
	RANDOM_BYTES = 16,
	AUXILIARY = 17,
	SCRIPT_BYTES = 128,
};

extern void _start(void) __attribute__((weak));

/* What a program begins with, copied out of the one before. */
static struct {
	char text[TEXT_BYTES];
	uint32_t used;
	uint16_t argc, envc;
	uint16_t at[WORDS_MAX]; /* in text: arguments, then environment */
} words;

/* A program in memory. */
struct program {
	uint64_t entry, phdr, phnum;
};

void linux_give_up(const char *what)
{
	exo_printf("linux: %s\n", what);
	exo_exit(127);
}

/* ---- Words ---- */

static int add_word(const char *text, size_t size)
{
	uint16_t n = (uint16_t)(words.argc + words.envc);

	if (n == WORDS_MAX || size >= TEXT_BYTES - words.used)
		return -E2BIG;
	words.at[n] = (uint16_t)words.used;
	memcpy(words.text + words.used, text, size);
	words.text[words.used + size] = '\0';
	words.used += (uint32_t)size + 1;
	return 0;
}

static int add_argument(const char *text)
{
	int error = add_word(text, strlen(text));

	words.argc += error == 0;
	return error;
}

static int add_variable(const char *text)
{
	int error = add_word(text, strlen(text));

	words.envc += error == 0;
	return error;
}

/* One string of the program's, straight into the text. */
static int copy_word(uint64_t address)
{
	uint16_t n = (uint16_t)(words.argc + words.envc);
	uint32_t begin = words.used;

	if (n == WORDS_MAX)
		return -E2BIG;
	for (uint64_t at = address; words.used < TEXT_BYTES; at++) {
		if ((at == address || at % EXO_PAGE_SIZE == 0) && !vm_prepare(at, 1, false))
			break;
		words.text[words.used] = *(const char *)at;
		if (words.text[words.used++] == '\0') {
			words.at[n] = (uint16_t)begin;
			return 0;
		}
	}
	return words.used == TEXT_BYTES ? -E2BIG : -EFAULT;
}

/* A vector of strings, ended by NULL. */
static int copy_words(uint64_t address, uint16_t *count)
{
	uint64_t word;
	int error;

	for (; address != 0; address += sizeof(word)) {
		if (copy_in(&word, address, sizeof(word)) < 0)
			return -EFAULT;
		if (word == 0)
			return 0;
		error = copy_word(word);
		if (error < 0)
			return error;
		++*count;
	}
	return 0;
}

/* ---- The stack ---- */

struct stack {
	uint64_t at;
};

static uint64_t push_bytes(struct stack *stack, const void *bytes, size_t size)
{
	stack->at -= size;
	memcpy((void *)stack->at, bytes, size);
	return stack->at;
}

static uint64_t *put_auxiliary(uint64_t *at, const struct program *program, uint64_t random,
                               uint64_t name)
{
	const uint64_t vector[AUXILIARY][2] = {
	        {AT_PHDR, program->phdr},
	        {AT_PHENT, sizeof(Elf64_Phdr)},
	        {AT_PHNUM, program->phnum},
	        {AT_PAGESZ, EXO_PAGE_SIZE},
	        {AT_BASE, 0},
	        {AT_FLAGS, 0},
	        {AT_ENTRY, program->entry},
	        {AT_UID, 0},
	        {AT_EUID, 0},
	        {AT_GID, 0},
	        {AT_EGID, 0},
	        {AT_SECURE, 0},
	        {AT_CLKTCK, 100},
	        {AT_RANDOM, random},
	        {AT_EXECFN, name},
	        {AT_HWCAP2, 0},
	        {AT_NULL, 0},
	};

	memcpy(at, vector, sizeof(vector));
	return at + sizeof(vector) / sizeof(*at);
}

/* Writes everything below STACK_END. → the stack pointer to begin with. */
static uint64_t build_stack(const struct program *program)
{
	struct stack stack = {STACK_END - 16};
	uint64_t random, text, *at, *begin;
	uint8_t bytes[RANDOM_BYTES];

	random_fill(bytes, sizeof(bytes));
	random = push_bytes(&stack, bytes, sizeof(bytes));
	text = push_bytes(&stack, words.text, words.used);
	begin = (uint64_t *)((stack.at -
	                      (words.argc + words.envc + 3u + 2u * AUXILIARY) * sizeof(*begin)) &
	                     ~15ull);
	at = begin;
	*at++ = words.argc;
	for (unsigned i = 0; i < words.argc; i++)
		*at++ = text + words.at[i];
	*at++ = 0;
	for (unsigned i = words.argc; i < words.argc + words.envc; i++)
		*at++ = text + words.at[i];
	*at++ = 0;
	put_auxiliary(at, program, random, words.argc > 0 ? text + words.at[0] : 0);
	return (uintptr_t)begin;
}

static bool begin_program(linux_regs *regs, const struct program *program)
{
	uint64_t bottom = vm_reserve(STACK_BYTES, STACK_END);
	linux_regs fresh = {.rip = program->entry, .cs = regs->cs, .ss = regs->ss, .rflags = 0x202};

	if (bottom == 0 || !vm_prepare(STACK_END - PREPARED_BYTES, PREPARED_BYTES, true))
		return false;
	fresh.rsp = build_stack(program);
	*regs = fresh;
	return true;
}

/* ---- Loading ---- */

static unsigned prot_of(uint16_t rights)
{
	return PROT_READ | (rights & EXO_RIGHT_WRITE ? PROT_WRITE : 0) |
	       (rights & EXO_RIGHT_EXEC ? PROT_EXEC : 0);
}

static uint64_t page_up(uint64_t address)
{
	return (address + EXO_PAGE_SIZE - 1) & ~(EXO_PAGE_SIZE - 1);
}

/* Shows a segment from the payload, where it lies at the same place in its page as in memory. */
static bool place_segment(const struct exo_elf_segment *segment, uint64_t content)
{
	uint64_t inside = segment->address % EXO_PAGE_SIZE, source = content + segment->file_offset;

	if (source % EXO_PAGE_SIZE != inside)
		return false;
	return vm_place(segment->address - inside, page_up(segment->address + segment->size),
	                prot_of(segment->rights), source - inside,
	                segment->file_size == 0 ? 0 : segment->file_size + inside);
}

/* Content of a file that can be shown. NULL: it is none. */
static const void *content_of(uint16_t index, uint64_t *size)
{
	const struct node *node = tree_node(index);

	*size = node->size;
	return node->type == NODE_FILE && node->read_only ? (const void *)node->address : NULL;
}

static const char *parse(uint16_t index, struct exo_elf *elf)
{
	uint64_t size;
	const void *content = content_of(index, &size);
	uint64_t base = 0;
	const char *wrong;

	if (content == NULL)
		return "it is no file of the payload";
	wrong = exo_elf_parse_at(content, size, RELOCATABLE_HEAP, elf);
	if (wrong == NULL && elf->relocatable) {
		const struct exo_elf_segment *last = &elf->segments[elf->n_segments - 1];

		base = vm_find(page_up(last->address + last->size - RELOCATABLE_HEAP));
		wrong = base == 0 ? "there is no room for it"
		                  : exo_elf_parse_at(content, size, base, elf);
	}
	return wrong;
}

/* Everything that was there has gone. */
static bool load(uint16_t index, const struct exo_elf *elf, struct program *program)
{
	uint64_t size, end = 0;
	const void *content = content_of(index, &size);

	for (uint32_t i = 0; i < elf->n_segments; i++)
		end = page_up(elf->segments[i].address + elf->segments[i].size);
	vm_clear(elf->relocatable ? RELOCATABLE_HEAP : end);
	for (uint32_t i = 0; i < elf->n_segments; i++)
		if (!place_segment(&elf->segments[i], (uintptr_t)content))
			return false;
	*program = (struct program){elf->entry, elf->phdr, elf->phnum};
	path_program = index;
	return true;
}

/* A script's first line, taken apart: what follows the interpreter is one argument, as on Linux. */
struct script {
	char line[SCRIPT_BYTES];
	char *interpreter, *argument; /* "": none */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char *skip_blanks(char *at)
{
	while (is_blank(*at))
		at++;
	return at;
}

/* Reads the "#!" of a script. → 0, 1: it is none, or errno. */
static int read_script(uint16_t index, struct script *script)
{
	char *line = script->line, *end = line;
	int64_t n = tree_read(tree_node(index), line, SCRIPT_BYTES - 1, 0);

	if (n < 3 || line[0] != '#' || line[1] != '!')
		return 1;
	line[n] = '\0';
	while (*end != '\0' && *end != '\n')
		end++;
	if (*end == '\0' && n == SCRIPT_BYTES - 1)
		return -ENOEXEC;
	while (is_blank(end[-1]))
		end--;
	*end = '\0';
	script->interpreter = skip_blanks(line + 2);
	for (end = script->interpreter; *end != '\0' && !is_blank(*end); end++)
		;
	script->argument = skip_blanks(end);
	*end = '\0';
	return script->interpreter[0] == '\0' ? -ENOEXEC : 0;
}

/* Where the words behind the first one are, if there is one. */
static uint64_t behind_first(uint64_t address)
{
	uint64_t word;

	return address != 0 && copy_in(&word, address, sizeof(word)) == 0 && word != 0
	               ? address + sizeof(word)
	               : address;
}

/* What goes before the words of who calls a script, instead of the first one: interpreter, its
 * argument, and the script's path. */
static int add_script(const struct script *script, const char *path)
{
	int error = add_argument(script->interpreter);

	if (error == 0 && script->argument[0] != '\0')
		error = add_argument(script->argument);
	return error == 0 ? add_argument(path) : error;
}

/* ---- execve ---- */

/* The program of a path, or the interpreter of the script there (*is_script). → its node, or errno.
 */
static int find_program(const char *path, struct exo_elf *elf, struct script *script,
                        bool *is_script)
{
	const char *wrong;
	int node = path_find(path_cwd, path, true), error;

	if (node < 0)
		return node;
	if (tree_node((uint16_t)node)->type != NODE_FILE)
		return -EACCES;
	error = read_script((uint16_t)node, script);
	if (error < 0)
		return error;
	*is_script = error == 0;
	if (*is_script) {
		node = path_find(path_cwd, script->interpreter, true);
		if (node < 0)
			return node;
	}
	wrong = parse((uint16_t)node, elf);
	if (wrong == NULL)
		return node;
	exo_printf("linux: %s: %s\n", path, wrong);
	return -ENOEXEC;
}

int64_t linux_execve(linux_regs *regs)
{
	static char path[PATH_BYTES];
	static struct script script;
	struct exo_elf elf;
	struct program program;
	bool is_script;
	int error = path_copy(regs->rdi, path), node;

	if (error < 0)
		return error;
	if (_start != NULL)
		return -ENOSYS; /* its own program shares the library OS's image */
	node = find_program(path, &elf, &script, &is_script);
	if (node < 0)
		return node;
	words.used = words.argc = words.envc = 0;
	if (is_script)
		error = add_script(&script, path);
	if (error == 0)
		error = copy_words(is_script ? behind_first(regs->rsi) : regs->rsi, &words.argc);
	if (error == 0)
		error = copy_words(regs->rdx, &words.envc);
	if (error < 0)
		return error;
	task_alone();
	fd_close_on_exec();
	signal_exec();
	if (!load((uint16_t)node, &elf, &program) || !begin_program(regs, &program)) {
		exo_printf("linux: %s: no memory for it\n", path);
		process_end(9);
	}
	return LINUX_NO_RESULT;
}

/* ---- The first program ---- */

static void first_words(void)
{
	const struct exo_start *start = exo_start_page();

	for (uint32_t i = 0; i < start->argc && exo_start_arg(i) != NULL; i++)
		if (add_argument(exo_start_arg(i)) < 0)
			linux_give_up("too many arguments");
	add_variable("PATH=/bin:/");
	add_variable("HOME=/");
	add_variable("TERM=dumb");
}

void exec_first(linux_regs *regs)
{
	const struct exo_start *start = exo_start_page();
	struct program program = {(uintptr_t)_start, start->phdr, start->phnum};
	struct exo_elf elf;
	const char *wrong;
	int node;

	first_words();
	if (start->program != 0 && start->program <= start->n_files) {
		const char *name = start->files[start->program - 1].name;

		node = path_find(0, name, true);
		wrong = node < 0 ? "it is not there" : parse((uint16_t)node, &elf);
		if (wrong != NULL) {
			exo_printf("linux: %s: %s\n", name, wrong);
			exo_exit(127);
		}
		if (!load((uint16_t)node, &elf, &program))
			linux_give_up("no memory for the program");
	} else if (_start == NULL) {
		linux_give_up("there is no program");
	}
	if (!begin_program(regs, &program))
		linux_give_up("no memory for the stack");
}
