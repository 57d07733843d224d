/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making environments. All memory of a child belongs to the child, so that its end returns it; the
 * creator sees it through mappings that it drops when it has written what belongs there.
 */
#include <exo/elf.h>
#include <exo/siphash.h>
#include <libexo/call.h>
#include <libexo/child.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "space.h"

enum {
	PIECE_PAGES =
	        256, /* frames asked for at a time; halved where they are not to be had together */
	START_PAGES = EXO_START_BYTES / EXO_PAGE_SIZE,
};

static int failed(struct exo_child *child, int result, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
static int failed(struct exo_child *child, int result, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = exo_vsnprintf(child->error, sizeof(child->error), format, args);
	va_end(args);
	if (n < (int)sizeof(child->error))
		exo_snprintf(child->error + n, sizeof(child->error) - (size_t)n, ": %s",
		             exo_error_text(result));
	return result;
}

/* ---- Memory ---- */

static int map_into(const struct exo_cap *env, uint64_t address, uint64_t frame, uint32_t count,
                    unsigned rights, const struct exo_cap *key)
{
	struct exo_mapping mapping = {
	        .address = address,
	        .frame = frame,
	        .count = count,
	        .rights = (uint16_t)rights,
	        .flags = EXO_MAP_GUARANTEED,
	        .key = (uintptr_t)key,
	};
	int64_t n = exo_map(env, &mapping, 1);

	return n == 1 ? 0 : n < 0 ? (int)n : -EXO_ENOMEM;
}

/* Up to *count contiguous frames for the child: fewer where memory is in pieces. */
static int take_piece(struct exo_child *child, uint32_t *count, struct exo_frame_alloc *block)
{
	const struct exo_cap *authority = exo_start_cap(EXO_USE_FRAMES);
	int result;

	if (authority == NULL)
		return -EXO_EPERM;
	do {
		*block = (struct exo_frame_alloc){.authority = *authority,
		                                  .owner = child->id,
		                                  .count = *count,
		                                  .first = EXO_FRAME_ANY};
		result = exo_frame_alloc(block);
	} while (result == -EXO_ENOMEM && (*count /= 2) > 0);
	return result;
}

int exo_child_memory(struct exo_child *child, uint64_t address, uint64_t pages, unsigned rights,
                     void **view)
{
	uint64_t seen = view == NULL ? 0 : (uintptr_t)exo_space_take(pages);
	int result = view != NULL && seen == 0 ? -EXO_ENOMEM : 0;
	uint64_t done = 0;

	while (result == 0 && done < pages) {
		uint32_t count =
		        (uint32_t)(pages - done < PIECE_PAGES ? pages - done : PIECE_PAGES);
		struct exo_frame_alloc block;

		result = take_piece(child, &count, &block);
		if (result == 0)
			result = map_into(&child->cap, address + (done << EXO_PAGE_SHIFT),
			                  block.first, count, rights, NULL);
		if (result == 0 && view != NULL)
			result = map_into(NULL, seen + (done << EXO_PAGE_SHIFT), block.first, count,
			                  EXO_RIGHT_READ | EXO_RIGHT_WRITE, NULL);
		done += count;
	}
	if (result < 0) {
		if (seen != 0)
			exo_child_unview((void *)seen, pages);
		return failed(child, result, "%llu pages at %#llx", (unsigned long long)pages,
		              (unsigned long long)address);
	}
	if (view != NULL)
		*view = (void *)seen;
	return 0;
}

void exo_child_unview(void *view, uint64_t pages)
{
	struct exo_range range = {(uintptr_t)view, pages};

	exo_unmap(NULL, &range, 1);
	exo_space_give(view, pages);
}

static uint64_t take_content(struct exo_child *child, uint64_t pages)
{
	uint64_t address = child->content;

	child->content += (pages + 1) << EXO_PAGE_SHIFT; /* a hole after each */
	return address;
}

/* ---- Life ---- */

/* Random words for the child: a keyed function of what no other child has. */
static void make_seed(struct exo_child *child)
{
	const struct exo_start *own = exo_start_page();
	uint64_t text[3] = {child->id, exo_tsc(), 0};

	for (unsigned i = 0; i < 4; i++) {
		text[2] = own->seed[2 + i % 2] + i;
		child->start->seed[i] = exo_siphash(own->seed, text, sizeof(text));
	}
}

int exo_child_create(struct exo_child *child, const char *name, uint64_t frames_max)
{
	return exo_child_create_flags(child, name, frames_max, 0);
}

int exo_child_create_flags(struct exo_child *child, const char *name, uint64_t frames_max,
                           uint32_t flags)
{
	const struct exo_cap *authority = exo_start_cap(EXO_USE_ENVS);
	struct exo_env_create block = {.frames_max = frames_max, .flags = flags};
	void *view;
	int result;

	memset(child, 0, sizeof(*child));
	child->content = SPACE_CONTENT_BASE;
	if (authority == NULL)
		return failed(child, -EXO_EPERM, "creating environments was not granted");
	block.authority = *authority;
	exo_text_copy(block.name, sizeof(block.name), name);
	result = exo_env_create(&block);
	if (result < 0)
		return failed(child, result, "creating it");
	child->id = block.id;
	child->cap = block.out;
	result = exo_child_memory(child, EXO_START_ADDR, START_PAGES, EXO_RIGHT_READ, &view);
	if (result < 0)
		return result;
	child->start = view;
	child->start->magic = EXO_START_MAGIC;
	child->start->version = EXO_START_VERSION;
	child->start->env = child->id;
	exo_text_copy(child->start->name, sizeof(child->start->name), name);
	make_seed(child);
	return 0;
}

void exo_child_abandon(struct exo_child *child)
{
	if (child->start != NULL)
		exo_child_unview(child->start, START_PAGES);
	child->start = NULL;
	if (child->id != 0)
		exo_env_end(&child->cap);
	child->id = 0;
}

int exo_child_start(struct exo_child *child, uint32_t core)
{
	struct exo_pe_setup setup = {.core = core, .start_ip = child->entry};
	int result;

	child->start->core = core;
	result = exo_pe_set(&child->cap, &setup);
	if (result < 0)
		return failed(child, result, "its PE on core %u", core);
	exo_child_unview(child->start, START_PAGES);
	child->start = NULL;
	result = exo_env_start(&child->cap);
	return result < 0 ? failed(child, result, "starting it") : 0;
}

/* ---- The image ---- */

static int load_segment(struct exo_child *child, const void *image,
                        const struct exo_elf_segment *segment)
{
	uint64_t begin = segment->address & ~(EXO_PAGE_SIZE - 1);
	uint64_t offset = segment->address - begin;
	uint64_t pages = exo_pages_for(offset + segment->size);
	void *view;
	int result;

	if (segment->size == 0)
		return 0;
	if (segment->file_size == 0)
		return exo_child_memory(child, begin, pages, segment->rights, NULL);
	result = exo_child_memory(child, begin, pages, segment->rights, &view);
	if (result < 0)
		return result;
	memcpy((char *)view + offset, (const char *)image + segment->file_offset,
	       segment->file_size);
	exo_child_unview(view, pages);
	return 0;
}

int exo_child_image(struct exo_child *child, const void *image, size_t size)
{
	struct exo_elf elf;
	const char *wrong = exo_elf_parse(image, size, &elf);

	if (wrong != NULL)
		return failed(child, -EXO_EINVAL, "its image: %s", wrong);
	if (elf.abi_version != EXO_ABI_VERSION)
		return failed(child, -EXO_EINVAL, "its image is for ABI version %u, this is %u",
		              elf.abi_version, (unsigned)EXO_ABI_VERSION);
	for (uint32_t i = 0; i < elf.n_segments; i++) {
		int result = load_segment(child, image, &elf.segments[i]);

		if (result < 0)
			return result;
	}
	child->entry = elf.entry;
	child->start->phdr = elf.phdr;
	child->start->phnum = elf.phnum;
	return 0;
}

/* ---- What else it gets ---- */

int exo_child_table(struct exo_child *child, size_t size, uint64_t *address, void **view)
{
	uint64_t pages = exo_pages_for(size);

	*address = 0;
	*view = NULL;
	if (size == 0)
		return 0;
	*address = take_content(child, pages);
	return exo_child_memory(child, *address, pages, EXO_RIGHT_READ, view);
}

int exo_child_file(struct exo_child *child, const char *name, uint64_t frame, uint64_t size,
                   const struct exo_cap *key)
{
	struct exo_start *start = child->start;
	uint64_t pages = exo_pages_for(size), address = take_content(child, pages), done = 0;
	unsigned rights = EXO_RIGHT_READ | (key != NULL ? key->rights & EXO_RIGHT_EXEC : 0);

	if (start->n_files == EXO_START_FILES_MAX)
		return failed(child, -EXO_E2BIG, "content %s", name);
	while (done < pages) {
		uint32_t count =
		        (uint32_t)(pages - done < PIECE_PAGES ? pages - done : PIECE_PAGES);
		int result = map_into(&child->cap, address + (done << EXO_PAGE_SHIFT), frame + done,
		                      count, rights, key);

		if (result < 0)
			return failed(child, result, "content %s", name);
		done += count;
	}
	exo_text_copy(start->files[start->n_files].name, sizeof(start->files[0].name), name);
	start->files[start->n_files].address = address;
	start->files[start->n_files].size = size;
	start->n_files++;
	return 0;
}

static int share_pages(struct exo_child *child, const struct exo_pages *pages, unsigned rights,
                       uint64_t *address)
{
	int result;

	*address = take_content(child, pages->count);
	result = map_into(&child->cap, *address, pages->frame, pages->count, rights, NULL);
	return result < 0 ? failed(child, result, "shared pages") : 0;
}

int exo_child_share(struct exo_child *child, const struct exo_pages *pages, uint64_t *address)
{
	return share_pages(child, pages, EXO_RIGHT_READ | EXO_RIGHT_WRITE, address);
}

int exo_child_show(struct exo_child *child, const struct exo_pages *pages, uint64_t *address)
{
	return share_pages(child, pages, EXO_RIGHT_READ, address);
}

int exo_child_give(struct exo_child *child, enum exo_start_use use, const char *name,
                   const struct exo_cap *cap)
{
	struct exo_start *start = child->start;
	struct exo_start_cap *entry;

	if (start->n_caps == EXO_START_CAPS_MAX)
		return failed(child, -EXO_E2BIG, "capability %s", name);
	entry = &start->caps[start->n_caps];
	entry->use = use;
	exo_text_copy(entry->name, sizeof(entry->name), name);
	entry->cap = *cap;
	return (int)start->n_caps++;
}

int exo_child_grant(struct exo_child *child, enum exo_start_use use, const char *name,
                    const struct exo_cap *source, unsigned rights, uint64_t first, uint32_t count)
{
	struct exo_grant block = {
	        .cap = *source,
	        .to = child->id,
	        .rights = (uint16_t)rights,
	        .first = first,
	        .count = count,
	};
	int result = exo_grant(&block);

	if (result < 0)
		return failed(child, result, "capability %s", name);
	return exo_child_give(child, use, name, &block.out);
}

int exo_child_extent(struct exo_child *child, uint64_t first, uint32_t sectors)
{
	const struct exo_cap *authority = exo_start_cap(EXO_USE_DISK);
	struct exo_extent_alloc block = {.first = first, .count = sectors, .owner = child->id};
	int result = -EXO_ENOENT;

	if (authority != NULL) {
		block.authority = *authority;
		result = exo_extent_alloc(&block);
	}
	if (result < 0)
		return failed(child, result, "disk sectors %llu+%u (the disks have %llu)",
		              (unsigned long long)first, sectors,
		              (unsigned long long)exo_info()->disk_sectors);
	result =
	        exo_child_grant(child, EXO_USE_DISK, "disk", &block.out,
	                        EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_GRANT | EXO_RIGHT_FREE,
	                        first, sectors);
	return result < 0 ? result : 0;
}

int exo_child_screen(struct exo_child *child, const struct exo_rect *rect)
{
	const struct exo_cap *authority = exo_start_cap(EXO_USE_SCREEN);
	struct exo_screen_create block = {.rect = *rect, .owner = child->id};
	int result = -EXO_ENOENT;

	if (authority != NULL) {
		block.from = *authority;
		result = exo_screen_create(&block);
	}
	if (result < 0)
		return failed(child, result, "screen %ux%u at %u,%u (the screen has %ux%u)",
		              rect->width, rect->height, rect->x, rect->y, exo_info()->screen_width,
		              exo_info()->screen_height);
	result = exo_child_grant(child, EXO_USE_SCREEN, "screen", &block.out,
	                         EXO_RIGHT_WRITE | EXO_RIGHT_GRANT | EXO_RIGHT_FREE,
	                         block.out.first, 1);
	return result < 0 ? result : 0;
}

int exo_child_argument(struct exo_child *child, const char *text)
{
	struct exo_start *start = child->start;
	size_t size = strlen(text) + 1;

	if (size > sizeof(start->args) - start->args_size)
		return failed(child, -EXO_E2BIG, "argument %u", start->argc);
	memcpy(start->args + start->args_size, text, size);
	start->args_size += (uint32_t)size;
	start->argc++;
	return 0;
}
