/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program's memory. Regions say what the program asked for (a sorted array); a sparse table
 * says which frame stands behind which page, if one does yet. Pages get frames when they are first
 * touched (an addressing upcall, a few neighbours with them) or when a call is about to touch them
 * (vm_prepare). A page whose mapping the kernel dropped is simply mapped again.
 *
 * Writable and executable together is refused (-EACCES): the kernel would not map it.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>

#include <asm/mman.h>
#include <linux/mman.h>

#include <exo/layout.h>
#include <libexo/call.h>
#include <libexo/child.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "../space.h"
#include "family.h"
#include "region.h"

enum {
	AROUND = 16, /* pages that one fault brings at most */
};

#define PROGRAM_FIRST EXO_USER_FIRST
#define PROGRAM_END   EXO_LIBOS_BASE
#define MMAP_END      0x00007d0000000000ull /* mappings are placed below, the stack above */
#define PAGE_MASK     (EXO_PAGE_SIZE - 1)

/* A page's word: the frame and what is known of it. */
enum {
	PRESENT = 1 << 0, /* mapped, but where its region allows nothing */
	OWN = 1 << 1,     /* the frame is this process's; others' frames have no number here */
	LENT = 1 << 2,    /* others may show it too: mapped read-only, copied when written */
	FRAME_SHIFT = 8,
};
#define SCRATCH (SPACE_CONTENT_END - EXO_PAGE_SIZE) /* where a page that is being made shows */

static uint64_t heap_begin;
static struct radix frames; /* page number → a page's word */

static uint64_t round_up(uint64_t size)
{
	return (size + PAGE_MASK) & ~PAGE_MASK;
}

uint64_t vm_reserve(uint64_t size, uint64_t end)
{
	uint64_t begin = region_place(size, end);

	return begin != 0 && region_add(begin, begin + size, PROT_READ | PROT_WRITE) ? begin : 0;
}

/* ---- Pages ---- */

static uint16_t rights_of(unsigned prot)
{
	return (uint16_t)((prot & (PROT_READ | PROT_WRITE | PROT_EXEC) ? EXO_RIGHT_READ : 0) |
	                  (prot & PROT_WRITE ? EXO_RIGHT_WRITE : 0) |
	                  (prot & PROT_EXEC ? EXO_RIGHT_EXEC : 0));
}

static bool map_page(uint64_t page, uint64_t frame, unsigned rights)
{
	return exo_map_page(page, frame, rights | EXO_MAP_PAGE_GUARANTEED) == 0;
}

/* Shows at `page` what is mapped at `from`. */
static bool show(const struct exo_cap *space, uint64_t page, uint64_t from, uint64_t count,
                 unsigned rights)
{
	struct exo_mapping mapping = {.address = page,
	                              .frame = from >> EXO_PAGE_SHIFT,
	                              .count = (uint32_t)count,
	                              .rights = (uint16_t)rights,
	                              .flags = EXO_MAP_GUARANTEED | EXO_MAP_SHARE};

	return exo_map(space, &mapping, 1) == 1;
}

static void unmap_page(uint64_t page)
{
	exo_unmap_page(page);
}

static uint64_t word_at(uint64_t page)
{
	return radix_get(&frames, page >> EXO_PAGE_SHIFT);
}

static bool set_word(uint64_t page, uint64_t word)
{
	return radix_set(&frames, page >> EXO_PAGE_SHIFT, word);
}

/* What a page may be mapped with now. */
static unsigned rights_now(unsigned prot, uint64_t word)
{
	return rights_of(prot) & ~((word & LENT) != 0 ? EXO_RIGHT_WRITE : 0u);
}

/* A frame of its own for a page: the first `size` bytes are those at `from`, the rest zeros. */
static bool make_own(uint64_t page, unsigned prot, uint64_t from, uint64_t size)
{
	uint64_t frame;
	bool dirty;

	if (!pool_take(&frame, &dirty))
		return false;
	if (size > 0 || dirty) {
		if (!map_page(SCRATCH, frame, EXO_RIGHT_READ | EXO_RIGHT_WRITE))
			goto failed;
		memcpy((void *)SCRATCH, (const void *)from, size);
		if (dirty)
			memset((void *)(SCRATCH + size), 0, EXO_PAGE_SIZE - size);
		unmap_page(SCRATCH);
	}
	if (!set_word(page, frame << FRAME_SHIFT | PRESENT | OWN))
		goto failed;
	if (rights_of(prot) == 0 || map_page(page, frame, rights_of(prot)))
		return true;
	set_word(page, 0);
failed:
	pool_give(frame);
	return false;
}

/* A page that others may show becomes this process's alone. */
static bool break_sharing(uint64_t page, unsigned prot)
{
	uint64_t word = word_at(page), frame = word >> FRAME_SHIFT;

	if ((word & OWN) != 0 && exo_frame_uses(frame) == 1) {
		set_word(page, word & ~(uint64_t)LENT);
		return map_page(page, frame, rights_of(prot));
	}
	if (!make_own(page, prot, page, EXO_PAGE_SIZE))
		return false;
	if ((word & OWN) != 0)
		pool_give(frame);
	return true;
}

/* Bytes of a region's content that show in a page, and where they are. */
static uint64_t content_at(const struct region *region, uint64_t page, uint64_t *from)
{
	uint64_t inside = page - region->begin, left;

	if (region->source == 0 || inside >= region->source_bytes)
		return 0;
	*from = region->source + inside;
	left = region->source_bytes - inside;
	return left < EXO_PAGE_SIZE ? left : EXO_PAGE_SIZE;
}

/* Makes one page present as its region wants it. */
static bool bring(uint64_t page, const struct region *region, bool write)
{
	uint64_t word = word_at(page), from = 0, size;

	if ((word & LENT) != 0 && write)
		return break_sharing(page, region->prot);
	if ((word & OWN) != 0)
		return map_page(page, word >> FRAME_SHIFT, rights_now(region->prot, word));
	if (word != 0)
		return true;
	size = content_at(region, page, &from);
	if (size == EXO_PAGE_SIZE && !write &&
	    show(NULL, page, from, 1, rights_now(region->prot, LENT)))
		return set_word(page, PRESENT | LENT);
	return make_own(page, region->prot, from, size);
}

/* Takes a page's frame away from it. */
static void drop(uint64_t page)
{
	uint64_t word = word_at(page);

	if (word == 0)
		return;
	unmap_page(page);
	set_word(page, 0);
	if ((word & OWN) != 0)
		pool_give(word >> FRAME_SHIFT);
}

/* The first page in [page, end) that has a frame; `end`: none. */
static uint64_t next_present(uint64_t page, uint64_t end)
{
	return radix_next(&frames, page >> EXO_PAGE_SHIFT, end >> EXO_PAGE_SHIFT) << EXO_PAGE_SHIFT;
}

static void drop_range(uint64_t begin, uint64_t end)
{
	for (uint64_t page = next_present(begin, end); page < end;
	     page = next_present(page + EXO_PAGE_SIZE, end))
		drop(page);
}

static bool allows(const struct region *region, bool write, bool fetch)
{
	unsigned enough = fetch ? PROT_EXEC : PROT_WRITE;

	if (!write && !fetch) /* x86 has no page that can be written or executed but not read */
		enough |= PROT_READ | PROT_EXEC;
	return region != NULL && (region->prot & enough) != 0;
}

/* Page-fault error code: Intel SDM vol. 3A, 4.7. */
enum {
	FAULT_WRITE = 1 << 1,
	FAULT_FETCH = 1 << 4,
};

bool vm_fault(struct exo_pe *pe, void *arg)
{
	uint64_t page = pe->upcall.address & ~PAGE_MASK;
	bool write = (pe->upcall.error & FAULT_WRITE) != 0;
	const struct region *region = region_find(page);

	if (!allows(region, write, (pe->upcall.error & FAULT_FETCH) != 0))
		return signal_fault(pe, SIGSEGV, region == NULL ? SEGV_MAPERR : SEGV_ACCERR,
		                    pe->upcall.address);
	if (!bring(page, region, write)) {
		exo_printf(
		        "linux: no frame for the page at %#llx: %llu of at most %llu are owned\n",
		        (unsigned long long)page, (unsigned long long)exo_account()->frames,
		        (unsigned long long)exo_account()->frames_max);
		return signal_fault(pe, SIGKILL, 0, page);
	}
	/* Neighbours above that were never touched: likely next. */
	for (unsigned i = 1; i < AROUND; i++) {
		uint64_t next = page + i * EXO_PAGE_SIZE;

		if (next >= region->end || word_at(next) != 0 || !bring(next, region, false))
			break;
	}
	return true;
}

/* The library OS has an image of its own, which is nothing to the program. */
static bool is_foreign(void)
{
	return region_image_begin >= EXO_LIBOS_BASE;
}

/* A program that shares its image with the library OS and speaks to Sluice itself may name the
 * image, and what lies in the library OS's area: content, rings and buffers. It is all present; a
 * wild pointer into unused parts of that area costs its owner. */
static bool is_known(uint64_t page)
{
	return !is_foreign() &&
	       ((page >= region_image_begin && page < region_image_end) || page >= EXO_LIBOS_BASE);
}

bool vm_prepare(uint64_t address, uint64_t size, bool write)
{
	uint64_t end = address + size;

	if (end < address || end > EXO_USER_END)
		return false;
	for (uint64_t page = address & ~PAGE_MASK; page < end; page += EXO_PAGE_SIZE) {
		const struct region *region;
		uint64_t word;

		if (is_known(page))
			continue;
		region = region_find(page);
		if (!allows(region, write, false))
			return false;
		word = word_at(page);
		if ((word == 0 || (write && (word & LENT) != 0)) && !bring(page, region, write))
			return false;
	}
	return true;
}

/* ---- Calls ---- */

/* Checks a range that the program names: 0, or -EINVAL. The end is rounded up. */
static int check_range(uint64_t begin, uint64_t size, uint64_t *end)
{
	if ((begin & PAGE_MASK) != 0 || size == 0 || size > PROGRAM_END)
		return -EINVAL;
	*end = begin + round_up(size);
	if (begin < PROGRAM_FIRST || *end > PROGRAM_END)
		return -EINVAL;
	return 0;
}

static int64_t unmap_range(uint64_t begin, uint64_t end)
{
	unsigned i;

	if (!region_split(begin) || !region_split(end))
		return -ENOMEM;
	i = region_at(begin);
	while (i < region_n && region_all[i].begin < end) {
		drop_range(region_all[i].begin, region_all[i].end);
		region_remove(i);
	}
	return 0;
}

int64_t linux_munmap(linux_regs *regs)
{
	uint64_t end;

	if (check_range(regs->rdi, regs->rsi, &end) < 0)
		return -EINVAL;
	return unmap_range(regs->rdi, end);
}

static bool is_forbidden(unsigned prot)
{
	return (prot & PROT_WRITE) != 0 && (prot & PROT_EXEC) != 0;
}

/* Where a mapping of `size` bytes goes. Negative: errno. */
static int64_t place(uint64_t wanted, uint64_t size, uint64_t flags)
{
	uint64_t end, begin;
	bool fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;

	if (wanted != 0 && check_range(wanted, size, &end) == 0) {
		if (region_is_free(wanted, end))
			return (int64_t)wanted;
		if ((flags & MAP_FIXED_NOREPLACE) != 0)
			return -EEXIST;
		if ((flags & MAP_FIXED) != 0 &&
		    (end <= region_image_begin || wanted >= region_image_end))
			return unmap_range(wanted, end) < 0 ? -ENOMEM : (int64_t)wanted;
	}
	if (fixed)
		return -EINVAL;
	begin = region_place(round_up(size), MMAP_END);
	return begin == 0 ? -ENOMEM : (int64_t)begin;
}

/* A private copy of a file that can't be shown: present at once. */
static int64_t fill_from_file(uint64_t begin, uint64_t size, unsigned prot, struct file *file,
                              uint64_t offset)
{
	uint64_t end = begin + round_up(size);
	struct region writable = {.begin = begin, .end = end, .prot = PROT_READ | PROT_WRITE};

	for (uint64_t page = begin; page < end; page += EXO_PAGE_SIZE, offset += EXO_PAGE_SIZE) {
		uint64_t word;

		if (!bring(page, &writable, true))
			return -ENOMEM;
		tree_read(tree_node(file->object), (void *)page, EXO_PAGE_SIZE, offset);
		word = word_at(page);
		if (rights_of(prot) == 0)
			unmap_page(page);
		else if (!map_page(page, word >> FRAME_SHIFT, rights_of(prot)))
			return -ENOMEM;
	}
	return 0;
}

static int64_t check_file(unsigned prot, uint64_t flags, uint64_t fd, uint64_t offset)
{
	const struct file *file = fd_file(fd);

	if ((flags & MAP_ANONYMOUS) != 0)
		return 0;
	if ((offset & PAGE_MASK) != 0)
		return -EINVAL;
	if (file == NULL)
		return -EBADF;
	if (file->type != FILE_NODE)
		return -ENODEV;
	return (flags & MAP_TYPE) != MAP_PRIVATE && (prot & PROT_WRITE) != 0 ? -EACCES : 0;
}

/* Fills a fresh region, the one at `begin`, from a file. */
static int64_t map_file(uint64_t begin, uint64_t size, unsigned prot, uint64_t fd, uint64_t offset)
{
	struct file *file = fd_file(fd);
	const struct node *node = tree_node(file->object);

	if (!node->read_only)
		return fill_from_file(begin, size, prot, file, offset);
	if (offset >= node->size)
		return 0;
	unmap_range(begin, begin + round_up(size));
	return vm_place(begin, begin + round_up(size), prot, node->address + offset,
	                node->size - offset)
	               ? 0
	               : -ENOMEM;
}

int64_t linux_mmap(linux_regs *regs)
{
	uint64_t size = regs->rsi, flags = regs->r10;
	unsigned prot = (unsigned)regs->rdx;
	int64_t begin, result = check_file(prot, flags, (uint32_t)regs->r8, regs->r9);

	if (result < 0)
		return result;
	if (size == 0)
		return -EINVAL;
	if (size > PROGRAM_END)
		return -ENOMEM;
	if (is_forbidden(prot))
		return -EACCES;
	begin = place(regs->rdi & ~PAGE_MASK, size, flags);
	if (begin < 0)
		return begin;
	if (!region_add((uint64_t)begin, (uint64_t)begin + round_up(size), prot))
		return -ENOMEM;
	if ((flags & MAP_ANONYMOUS) == 0)
		result = map_file((uint64_t)begin, size, prot, (uint32_t)regs->r8, regs->r9);
	if (result < 0) {
		unmap_range((uint64_t)begin, (uint64_t)begin + round_up(size));
		return result;
	}
	return begin;
}

/* Maps a present page as its region now wants it. What others own is shown with other rights where
 * that can be, else copied. */
static bool protect_page(uint64_t page, unsigned prot)
{
	uint64_t word = word_at(page);
	unsigned rights = rights_now(prot, word);

	if ((word & OWN) == 0) {
		if (rights != 0 && show(NULL, page, page, 1, rights))
			return true;
		return make_own(page, prot, page, EXO_PAGE_SIZE);
	}
	if (rights != 0)
		return map_page(page, word >> FRAME_SHIFT, rights);
	unmap_page(page);
	return true;
}

static bool protect_pages(const struct region *region)
{
	uint64_t end = region->end;

	for (uint64_t page = next_present(region->begin, end); page < end;
	     page = next_present(page + EXO_PAGE_SIZE, end))
		if (!protect_page(page, region->prot))
			return false;
	return true;
}

/* Every page of [begin, end) lies in a region. */
static bool is_covered(uint64_t begin, uint64_t end)
{
	for (unsigned i = region_at(begin); begin < end; i++) {
		if (i == region_n || region_all[i].begin > begin)
			return false;
		begin = region_all[i].end;
	}
	return true;
}

int64_t linux_mprotect(linux_regs *regs)
{
	uint64_t begin = regs->rdi, end;
	unsigned prot = (unsigned)regs->rdx;

	if (regs->rsi == 0)
		return 0;
	if (check_range(begin, regs->rsi, &end) < 0)
		return -EINVAL;
	if (is_forbidden(prot))
		return -EACCES;
	if (!is_covered(begin, end) || !region_split(begin) || !region_split(end))
		return -ENOMEM;
	for (unsigned i = region_at(begin); i < region_n && region_all[i].begin < end; i++) {
		if (region_all[i].prot == prot)
			continue;
		region_all[i].prot = prot;
		if (!protect_pages(&region_all[i]))
			return -ENOMEM;
	}
	return 0;
}

/* Moves pages to another place. */
static void move_pages(uint64_t from, uint64_t to, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += EXO_PAGE_SIZE) {
		uint64_t word = word_at(from + at);

		if (word == 0)
			continue;
		if ((word & OWN) == 0)
			show(NULL, to + at, from + at, 1, EXO_RIGHT_READ);
		unmap_page(from + at);
		set_word(from + at, 0);
		if (!set_word(to + at, word) && (word & OWN) != 0)
			pool_give(word >> FRAME_SHIFT);
		else if ((word & OWN) != 0)
			map_page(to + at, word >> FRAME_SHIFT,
			         rights_now(PROT_READ | PROT_WRITE, word));
	}
}

static int64_t grow_elsewhere(uint64_t begin, uint64_t old_size, uint64_t new_size, unsigned prot)
{
	uint64_t to = region_place(new_size, MMAP_END);

	if (to == 0 || !region_add(to, to + new_size, prot))
		return -ENOMEM;
	move_pages(begin, to, old_size);
	unmap_range(begin, begin + old_size);
	return (int64_t)to;
}

int64_t linux_mremap(linux_regs *regs)
{
	uint64_t begin = regs->rdi, old_end, new_size = round_up(regs->rdx);
	const struct region *region;
	uint64_t old_size;

	if (check_range(begin, regs->rsi, &old_end) < 0 || new_size == 0 ||
	    new_size > PROGRAM_END || (regs->r10 & ~(uint64_t)MREMAP_MAYMOVE) != 0)
		return -EINVAL;
	region = region_find(begin);
	if (region == NULL || region->end < old_end)
		return -EFAULT;
	if (region->source != 0 && new_size > old_end - begin)
		return -ENOMEM;
	old_size = old_end - begin;
	if (new_size <= old_size) {
		if (new_size < old_size && unmap_range(begin + new_size, old_end) < 0)
			return -ENOMEM;
		return (int64_t)begin;
	}
	if (begin + new_size <= PROGRAM_END && region_is_free(old_end, begin + new_size))
		return region_add(old_end, begin + new_size, region->prot) ? (int64_t)begin
		                                                           : -ENOMEM;
	if ((regs->r10 & MREMAP_MAYMOVE) == 0)
		return -ENOMEM;
	return grow_elsewhere(begin, old_size, new_size, region->prot);
}

int64_t linux_madvise(linux_regs *regs)
{
	uint64_t end;

	if (check_range(regs->rdi, regs->rsi, &end) < 0)
		return -EINVAL;
	/* Private memory reads as zeros afterwards; all other advice may be ignored. */
	if (regs->rdx == MADV_DONTNEED && is_covered(regs->rdi, end))
		drop_range(regs->rdi, end);
	return 0;
}

/* Like Linux, brk does not fail: it returns where the end is. */
int64_t linux_brk(linux_regs *regs)
{
	uint64_t old_end = round_up(region_heap_end), new_end = round_up(regs->rdi);

	if (regs->rdi < heap_begin || new_end > PROGRAM_END)
		return (int64_t)region_heap_end;
	if (new_end > old_end) {
		if (!region_is_free(old_end, new_end) ||
		    !region_add(old_end, new_end, PROT_READ | PROT_WRITE))
			return (int64_t)region_heap_end;
	} else if (new_end < old_end && unmap_range(new_end, old_end) < 0) {
		return (int64_t)region_heap_end;
	}
	region_heap_end = regs->rdi;
	return (int64_t)region_heap_end;
}

bool vm_place(uint64_t begin, uint64_t end, unsigned prot, uint64_t source, uint64_t bytes)
{
	struct region region = {
	        .begin = begin, .end = end, .prot = prot, .source = source, .source_bytes = bytes};

	if (bytes == 0)
		region.source = 0;
	return begin >= PROGRAM_FIRST && end <= PROGRAM_END && begin < end &&
	       region_is_free(begin, end) && region_insert(region_at(begin), region);
}

uint64_t vm_find(uint64_t size)
{
	return region_place(round_up(size), MMAP_END);
}

void vm_clear(uint64_t heap)
{
	for (unsigned i = 0; i < region_n; i++)
		drop_range(region_all[i].begin, region_all[i].end);
	region_n = 0;
	heap_begin = region_heap_end = round_up(heap) + EXO_PAGE_SIZE;
}

/* ---- fork ---- */

/* The end of the run of present pages that begins at `page`; all of them become lent. */
static uint64_t lend_run(uint64_t page, uint64_t end)
{
	uint64_t word;

	while (page < end && (word = word_at(page)) != 0) {
		set_word(page, word | LENT);
		page += EXO_PAGE_SIZE;
	}
	return page;
}

static bool lend_region(const struct exo_cap *space, const struct region *region)
{
	unsigned rights = rights_of(region->prot) & ~(unsigned)EXO_RIGHT_WRITE;
	uint64_t end = region->end, page, stop;

	for (page = next_present(region->begin, end); page < end; page = next_present(stop, end)) {
		uint64_t limit = page + 1024 * EXO_PAGE_SIZE;

		stop = lend_run(page, end < limit ? end : limit);
		if (rights == 0)
			continue; /* nobody can look there; a child that could would find zeros */
		if ((region->prot & PROT_WRITE) != 0 &&
		    !show(NULL, page, page, (stop - page) >> EXO_PAGE_SHIFT, rights))
			return false;
		if (!show(space, page, page, (stop - page) >> EXO_PAGE_SHIFT, rights))
			return false;
	}
	return true;
}

int vm_fork(struct exo_child *child)
{
	for (unsigned i = 0; i < region_n; i++)
		if (!lend_region(&child->cap, &region_all[i]))
			return -EXO_ENOMEM;
	return 0;
}

void vm_forked(void)
{
	for (unsigned i = 0; i < region_n; i++) {
		uint64_t end = region_all[i].end;
		bool shown = rights_of(region_all[i].prot) != 0;

		for (uint64_t page = next_present(region_all[i].begin, end); page < end;
		     page = next_present(page + EXO_PAGE_SIZE, end))
			set_word(page, shown ? PRESENT | LENT : 0);
	}
}

bool vm_image_segment(unsigned i, uint64_t *begin, uint64_t *end, unsigned *rights)
{
	const struct exo_start *start = exo_start_page();
	const Elf64_Phdr *header = (const Elf64_Phdr *)start->phdr;

	for (uint32_t n = 0; n < start->phnum; n++) {
		if (header[n].p_type != PT_LOAD || header[n].p_memsz == 0 || i-- != 0)
			continue;
		*begin = header[n].p_vaddr & ~PAGE_MASK;
		*end = round_up(header[n].p_vaddr + header[n].p_memsz);
		*rights = EXO_RIGHT_READ | (header[n].p_flags & PF_W ? EXO_RIGHT_WRITE : 0) |
		          (header[n].p_flags & PF_X ? EXO_RIGHT_EXEC : 0);
		return true;
	}
	return false;
}

void vm_init(void)
{
	const struct exo_start *start = exo_start_page();
	const Elf64_Phdr *header = (const Elf64_Phdr *)start->phdr;

	region_image_begin = UINT64_MAX;
	for (uint32_t i = 0; i < start->phnum; i++) {
		uint64_t end = round_up(header[i].p_vaddr + header[i].p_memsz);

		if (header[i].p_type != PT_LOAD)
			continue;
		if ((header[i].p_vaddr & ~PAGE_MASK) < region_image_begin)
			region_image_begin = header[i].p_vaddr & ~PAGE_MASK;
		if (end > region_image_end)
			region_image_end = end;
	}
	heap_begin = region_heap_end = is_foreign() ? 0 : region_image_end + EXO_PAGE_SIZE;
}
