/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting init: init.h. */
#include "core.h"

#include <stdio.h>
#include <string.h>

#include <exo/cpio.h>
#include <exo/elf.h>
#include <exo/layout.h>
#include <exo/start.h>

#include "cap.h"
#include "env.h"
#include "ledger.h"
#include "log.h"
#include "net.h"
#include "slots.h"
#include "space.h"

enum {
	/* Where init finds the payload: between its image and its own area for mappings. */
	PAYLOAD_ADDR_GAP = 1 << 21,
};
#define PAYLOAD_ADDR (EXO_START_ADDR + PAYLOAD_ADDR_GAP)

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + EXO_PAGE_SIZE - 1) >> EXO_PAGE_SHIFT;
}

/* The whole payload through the kernel's alias: contiguous, as it came. */
static const uint8_t *payload(size_t *size)
{
	const struct machine_info *info = machine_info();

	*size = info->payload_size;
	return machine_frame(info->payload >> EXO_PAGE_SHIFT);
}

static const char *find_image(struct exo_cpio_member *member)
{
	const char *wrong;
	size_t size;
	const uint8_t *archive = payload(&size);

	if (size == 0)
		return "there is no payload: boot with NAME.cpio from boot/mkappliance as initial "
		       "ramdisk";
	wrong = exo_cpio_find(archive, size, "init", member);
	return wrong == exo_cpio_end ? "the payload has no member \"init\"" : wrong;
}

/* Takes frames for [address, address + pages) and maps them. *to: the kernel's alias of each page
 * comes through `page_alias`. */
static bool map_new(struct env *init, uint64_t address, uint64_t pages, unsigned rights)
{
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t frame = EXO_FRAME_ANY;
		if (ledger_frames_alloc(init, 0, UINT64_MAX, &frame, 1, 0) != 0 ||
		    space_map_page(init, address + i * EXO_PAGE_SIZE, ledger_frame(frame),
		                   &(struct space_authority){.owner = init->id}, rights,
		                   EXO_MAP_GUARANTEED) != 0)
			return false;
	}
	return true;
}

/* Writes to what map_new mapped, page by page through the kernel's alias. */
static void write_mapped(struct env *init, uint64_t address, const uint8_t *from, uint64_t size)
{
	while (size > 0) {
		uint64_t page = address & ~(EXO_PAGE_SIZE - 1);
		uint64_t inside = address - page;
		uint64_t n = EXO_PAGE_SIZE - inside < size ? EXO_PAGE_SIZE - inside : size;
		const struct frame *frame = space_frame_at(init, page, 0);

		memcpy((uint8_t *)machine_frame(ledger_frame_number(frame)) + inside, from, n);
		address += n;
		from += n;
		size -= n;
	}
}

static const char *load_segment(struct env *init, const struct exo_elf_segment *s,
                                const uint8_t *image)
{
	uint64_t first = s->address & ~(EXO_PAGE_SIZE - 1);

	if (!map_new(init, first, pages_of(s->address - first + s->size), s->rights))
		return "no memory for its image";
	write_mapped(init, s->address, image + s->file_offset, s->file_size);
	return NULL;
}

static const char *load_image(struct env *init, const struct exo_cpio_member *member,
                              struct exo_elf *elf)
{
	const char *wrong = exo_elf_parse(member->data, member->size, elf);

	for (uint32_t i = 0; i < elf->n_segments && !wrong; i++)
		wrong = load_segment(init, &elf->segments[i], member->data);
	return wrong;
}

static const char *map_payload(struct env *init)
{
	const struct machine_info *info = machine_info();
	uint64_t first = info->payload >> EXO_PAGE_SHIFT;

	for (uint64_t i = 0; i < pages_of(info->payload_size); i++) {
		if (space_map_page(init, PAYLOAD_ADDR + i * EXO_PAGE_SIZE, ledger_frame(first + i),
		                   &(struct space_authority){.owner = init->id}, EXO_RIGHT_READ,
		                   0) != 0)
			return "no memory to map the payload: give the machine more";
	}
	/* Nobody could bring back what had to make room. */
	return init->account->mappings_dropped
	               ? "no memory to map all of the payload: give the machine more"
	               : NULL;
}

/* ---- The start page ---- */

static struct exo_start_cap *add_cap(struct exo_start *start, enum exo_start_use use,
                                     const char *name)
{
	struct exo_start_cap *entry = &start->caps[start->n_caps++];

	entry->use = use;
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	return entry;
}

/* An authority over all units of a kind that there are. */
static void add_all(struct exo_start *start, enum exo_start_use use, enum exo_kind kind,
                    unsigned rights)
{
	uint64_t first, count;
	int error;

	ledger_units(kind, &first, &count);
	if (count == 0)
		return;
	error = cap_make(&add_cap(start, use, "all")->cap, kind, rights, start->env, first,
	                 (uint32_t)count);
	MACHINE_ASSERT(error == 0);
}

static bool add_flow(struct exo_start *start)
{
	return net_flow_root(start->env, &add_cap(start, EXO_USE_FLOW, "all")->cap) == 0;
}

static bool add_payload(struct exo_start *start)
{
	const struct machine_info *info = machine_info();
	int error =
	        cap_make(&add_cap(start, EXO_USE_PAYLOAD, "payload")->cap, EXO_KIND_FRAME,
	                 EXO_RIGHT_READ | EXO_RIGHT_EXEC | EXO_RIGHT_GRANT, start->env,
	                 info->payload >> EXO_PAGE_SHIFT, (uint32_t)pages_of(info->payload_size));

	start->n_files = 1;
	snprintf(start->files[0].name, sizeof(start->files[0].name), "payload");
	start->files[0].address = PAYLOAD_ADDR;
	start->files[0].size = info->payload_size;
	return error == 0;
}

static const char *add_caps(struct exo_start *start)
{
	const unsigned authority = EXO_RIGHT_ALLOC | EXO_RIGHT_FREE | EXO_RIGHT_GRANT;

	add_all(start, EXO_USE_CONSOLE, EXO_KIND_CONSOLE,
	        EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_FREE | EXO_RIGHT_GRANT);
	add_all(start, EXO_USE_FRAMES, EXO_KIND_FRAME, authority);
	add_all(start, EXO_USE_SLOTS, EXO_KIND_SLOT, authority);
	add_all(start, EXO_USE_ENVS, EXO_KIND_ENV, authority | EXO_RIGHT_CONTROL | EXO_RIGHT_CALL);
	add_all(start, EXO_USE_MACHINE, EXO_KIND_MACHINE,
	        EXO_RIGHT_READ | EXO_RIGHT_CONTROL | EXO_RIGHT_FREE | EXO_RIGHT_GRANT);
	add_all(start, EXO_USE_DISK, EXO_KIND_EXTENT, authority);
	add_all(start, EXO_USE_SCREEN, EXO_KIND_SCREEN, authority);
	if (cap_make(&add_cap(start, EXO_USE_SELF, "self")->cap, EXO_KIND_ENV, EXO_RIGHT_CONTROL,
	             start->env, start->env, 1) != 0 ||
	    !add_payload(start))
		return "no key to itself or to the payload";
	return add_flow(start) ? NULL : "no memory for its flow space";
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* The command line as arguments behind the program's name; words are separated by blanks. What does
 * not fit is said and left out. */
static void add_args(struct exo_start *start, const char *line)
{
	memcpy(start->args, "init", sizeof("init"));
	start->args_size = sizeof("init");
	start->argc = 1;
	for (;;) {
		size_t size = 0;

		while (is_space(*line))
			line++;
		while (line[size] && !is_space(line[size]))
			size++;
		if (size == 0)
			return;
		if (sizeof(start->args) - start->args_size < size + 1) {
			log_line("core", "command line is too long for init, from here on: %s",
			         line);
			return;
		}
		memcpy(start->args + start->args_size, line, size);
		start->args_size += (uint32_t)size + 1;
		start->argc++;
		line += size;
	}
}

static const char *fill_start(struct exo_start *start, const struct env *init,
                              const struct exo_elf *elf, const char *command_line)
{
	start->magic = EXO_START_MAGIC;
	start->version = EXO_START_VERSION;
	start->env = init->id;
	memcpy(start->name, init->name, sizeof(start->name));
	start->phdr = elf->phdr;
	start->phnum = elf->phnum;
	machine_random(start->seed, sizeof(start->seed));
	add_args(start, command_line);
	return add_caps(start);
}

static const char *make_start(struct env *init, const struct exo_elf *elf, const char *command_line)
{
	struct exo_start *start = machine_alloc(sizeof(*start));
	const char *wrong;

	if (!start)
		return "no memory for its start page";
	wrong = fill_start(start, init, elf, command_line);
	if (!wrong &&
	    !map_new(init, EXO_START_ADDR, EXO_START_BYTES >> EXO_PAGE_SHIFT, EXO_RIGHT_READ))
		wrong = "no memory for its start page";
	if (!wrong)
		write_mapped(init, EXO_START_ADDR, (const uint8_t *)start, sizeof(*start));
	machine_free(start);
	return wrong;
}

static const char *run(struct env *init, const struct exo_elf *elf)
{
	struct exo_pe_setup setup = {.core = 0, .start_ip = elf->entry};

	if (env_pe_set(init, &setup) != 0 || slots_take(0, init, 0, 1) != 0 || env_start(init) != 0)
		return "no memory for its processing environment";
	return NULL;
}

const char *init_start(const char *command_line)
{
	static const char name[EXO_NAME_MAX] = "init";
	struct exo_cpio_member member;
	struct exo_elf elf;
	struct env *init;
	uint64_t free;
	const char *wrong = find_image(&member);

	if (wrong)
		return wrong;
	ledger_total(&free);
	if (env_create(NULL, name, free, &init) != 0)
		return "no memory for its environment";
	ledger_payload_give(init);
	wrong = load_image(init, &member, &elf);
	if (!wrong)
		wrong = map_payload(init);
	if (!wrong)
		wrong = make_start(init, &elf, command_line);
	return wrong ? wrong : run(init, &elf);
}
