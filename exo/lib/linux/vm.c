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

#include <asm/mman.h>
#include <linux/mman.h>

#include <exo/layout.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "linux.h"

enum {
	REGIONS_MAX = 512,
	AROUND = 16, /* pages that one fault brings at most */
};

#define PROGRAM_FIRST EXO_USER_FIRST
#define PROGRAM_END   EXO_LIBOS_BASE
#define MMAP_END      0x00007d0000000000ull /* mappings are placed below, the stack above */
#define PAGE_MASK     (EXO_PAGE_SIZE - 1)

struct region {
	uint64_t begin, end;
	unsigned prot; /* PROT_* */
};

static struct region regions[REGIONS_MAX];
static unsigned n_regions;
static uint64_t image_begin, image_end, heap_begin, heap_end;
static struct radix frames; /* page number → frame number + 1 */

static uint64_t round_up(uint64_t size)
{
	return (size + PAGE_MASK) & ~PAGE_MASK;
}

/* ---- Regions ---- */

/* Index of the first region that ends behind `address`. */
static unsigned region_at(uint64_t address)
{
	unsigned low = 0, high = n_regions;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (regions[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct region *find_region(uint64_t address)
{
	unsigned i = region_at(address);

	return i < n_regions && regions[i].begin <= address ? &regions[i] : NULL;
}

static bool is_free(uint64_t begin, uint64_t end)
{
	unsigned i = region_at(begin);

	if (begin < image_end && end > image_begin)
		return false;
	return i == n_regions || regions[i].begin >= end;
}

static bool insert_at(unsigned i, struct region region)
{
	if (n_regions == REGIONS_MAX)
		return false;
	memmove(&regions[i + 1], &regions[i], (n_regions - i) * sizeof(region));
	regions[i] = region;
	n_regions++;
	return true;
}

static void remove_at(unsigned i)
{
	n_regions--;
	memmove(&regions[i], &regions[i + 1], (n_regions - i) * sizeof(regions[0]));
}

/* Makes `address` a border between regions where it lies inside one. */
static bool split_at(uint64_t address)
{
	unsigned i = region_at(address);
	struct region upper;

	if (i == n_regions || regions[i].begin >= address)
		return true;
	upper = (struct region){address, regions[i].end, regions[i].prot};
	if (!insert_at(i + 1, upper))
		return false;
	regions[i].end = address;
	return true;
}

/* Adds a region where nothing is; joins it with neighbours alike. */
static bool add_region(uint64_t begin, uint64_t end, unsigned prot)
{
	unsigned i = region_at(begin);

	if (i > 0 && regions[i - 1].end == begin && regions[i - 1].prot == prot) {
		regions[i - 1].end = end;
		return true;
	}
	if (i < n_regions && regions[i].begin == end && regions[i].prot == prot) {
		regions[i].begin = begin;
		return true;
	}
	return insert_at(i, (struct region){begin, end, prot});
}

/* A place for `size` bytes, as high as possible below `end`. 0: none. */
static uint64_t find_place(uint64_t size, uint64_t end)
{
	unsigned i = region_at(end - 1);

	if (i < n_regions && regions[i].begin < end)
		end = regions[i].begin;
	for (;;) {
		uint64_t below = i == 0 ? heap_end + (1ull << 30) : regions[i - 1].end;

		if (end > below && end - below >= size)
			return end - size;
		if (i == 0)
			return 0;
		end = regions[--i].begin;
	}
}

uint64_t vm_reserve(uint64_t size, uint64_t end)
{
	uint64_t begin = find_place(size, end);

	return begin != 0 && add_region(begin, begin + size, PROT_READ | PROT_WRITE) ? begin : 0;
}

/* ---- Pages ---- */

static uint16_t rights_of(unsigned prot)
{
	return (uint16_t)((prot & (PROT_READ | PROT_WRITE | PROT_EXEC) ? EXO_RIGHT_READ : 0) |
	                  (prot & PROT_WRITE ? EXO_RIGHT_WRITE : 0) |
	                  (prot & PROT_EXEC ? EXO_RIGHT_EXEC : 0));
}

static bool map_page(uint64_t page, uint64_t frame, unsigned prot)
{
	struct exo_mapping mapping = {
	        .address = page, .frame = frame, .count = 1, .rights = rights_of(prot)};

	return exo_map(NULL, &mapping, 1) == 1;
}

static void unmap_page(uint64_t page)
{
	struct exo_range range = {page, 1};

	exo_unmap(NULL, &range, 1);
}

/* A frame for a page that has none, cleared. 0: there is none. */
static uint64_t new_frame(uint64_t page)
{
	uint64_t frame;
	bool dirty;

	if (!pool_take(&frame, &dirty))
		return 0;
	if (!radix_set(&frames, page >> EXO_PAGE_SHIFT, frame + 1)) {
		pool_give(frame);
		return 0;
	}
	if (dirty) {
		if (!map_page(page, frame, PROT_READ | PROT_WRITE)) {
			radix_set(&frames, page >> EXO_PAGE_SHIFT, 0);
			pool_give(frame);
			return 0;
		}
		memset((void *)page, 0, EXO_PAGE_SIZE);
	}
	return frame;
}

/* Makes one page present as its region wants it. */
static bool bring(uint64_t page, unsigned prot)
{
	uint64_t entry = radix_get(&frames, page >> EXO_PAGE_SHIFT);
	uint64_t frame = entry != 0 ? entry - 1 : new_frame(page);

	return frame != 0 && map_page(page, frame, prot);
}

/* Takes a page's frame away from it. */
static void drop(uint64_t page)
{
	uint64_t entry = radix_get(&frames, page >> EXO_PAGE_SHIFT);

	if (entry == 0)
		return;
	unmap_page(page);
	radix_set(&frames, page >> EXO_PAGE_SHIFT, 0);
	pool_give(entry - 1);
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
	const struct region *region = find_region(page);

	if (!allows(region, write, (pe->upcall.error & FAULT_FETCH) != 0))
		return false;
	if (!bring(page, region->prot)) {
		exo_printf(
		        "linux: no frame for the page at %#llx: %llu of at most %llu are owned\n",
		        (unsigned long long)page, (unsigned long long)exo_account()->frames,
		        (unsigned long long)exo_account()->frames_max);
		return false;
	}
	/* Neighbours above that were never touched: likely next. */
	for (unsigned i = 1; i < AROUND; i++) {
		uint64_t next = page + i * EXO_PAGE_SIZE;

		if (next >= region->end || radix_get(&frames, next >> EXO_PAGE_SHIFT) != 0 ||
		    !bring(next, region->prot))
			break;
	}
	return true;
}

/* The image, and what lies in the library OS's area: content, rings and buffers of a program that
 * speaks to Sluice itself. It is all present; a wild pointer into unused parts of that area costs
 * its owner. */
static bool is_known(uint64_t page)
{
	return (page >= image_begin && page < image_end) || page >= EXO_LIBOS_BASE;
}

bool vm_prepare(uint64_t address, uint64_t size, bool write)
{
	uint64_t end = address + size;

	if (end < address || end > EXO_USER_END)
		return false;
	for (uint64_t page = address & ~PAGE_MASK; page < end; page += EXO_PAGE_SIZE) {
		const struct region *region = find_region(page);

		if (is_known(page))
			continue;
		if (!allows(region, write, false))
			return false;
		if (radix_get(&frames, page >> EXO_PAGE_SHIFT) == 0 && !bring(page, region->prot))
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

	if (!split_at(begin) || !split_at(end))
		return -ENOMEM;
	i = region_at(begin);
	while (i < n_regions && regions[i].begin < end) {
		drop_range(regions[i].begin, regions[i].end);
		remove_at(i);
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
		if (is_free(wanted, end))
			return (int64_t)wanted;
		if ((flags & MAP_FIXED_NOREPLACE) != 0)
			return -EEXIST;
		if ((flags & MAP_FIXED) != 0 && (end <= image_begin || wanted >= image_end))
			return unmap_range(wanted, end) < 0 ? -ENOMEM : (int64_t)wanted;
	}
	if (fixed)
		return -EINVAL;
	begin = find_place(round_up(size), MMAP_END);
	return begin == 0 ? -ENOMEM : (int64_t)begin;
}

/* A private copy of content: present at once. */
static int64_t fill_from_file(uint64_t begin, uint64_t size, unsigned prot, int fd, uint64_t offset)
{
	uint64_t content_size, part;
	const char *content = file_content(fd, &content_size);
	uint64_t end = begin + round_up(size);

	for (uint64_t page = begin; page < end; page += EXO_PAGE_SIZE) {
		if (!bring(page, PROT_READ | PROT_WRITE))
			return -ENOMEM;
		part = offset < content_size ? content_size - offset : 0;
		part = part < EXO_PAGE_SIZE ? part : EXO_PAGE_SIZE;
		memcpy((void *)page, content + offset, part);
		offset += EXO_PAGE_SIZE;
		if (!bring(page, prot))
			return -ENOMEM;
	}
	return 0;
}

static int64_t check_file(unsigned prot, uint64_t flags, int fd, uint64_t offset)
{
	uint64_t size;

	if ((flags & MAP_ANONYMOUS) != 0)
		return 0;
	if ((offset & PAGE_MASK) != 0)
		return -EINVAL;
	if (file_content(fd, &size) == NULL)
		return -EBADF;
	return (flags & MAP_TYPE) != MAP_PRIVATE && (prot & PROT_WRITE) != 0 ? -EACCES : 0;
}

int64_t linux_mmap(linux_regs *regs)
{
	uint64_t size = regs->rsi, flags = regs->r10;
	unsigned prot = (unsigned)regs->rdx;
	int64_t begin, result = check_file(prot, flags, (int)regs->r8, regs->r9);

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
	if (!add_region((uint64_t)begin, (uint64_t)begin + round_up(size), prot))
		return -ENOMEM;
	if ((flags & MAP_ANONYMOUS) == 0)
		result = fill_from_file((uint64_t)begin, size, prot, (int)regs->r8, regs->r9);
	if (result < 0) {
		unmap_range((uint64_t)begin, (uint64_t)begin + round_up(size));
		return result;
	}
	return begin;
}

static void protect_pages(const struct region *region)
{
	uint64_t end = region->end;

	for (uint64_t page = next_present(region->begin, end); page < end;
	     page = next_present(page + EXO_PAGE_SIZE, end)) {
		uint64_t entry = radix_get(&frames, page >> EXO_PAGE_SHIFT);

		if (rights_of(region->prot) == 0)
			unmap_page(page);
		else
			map_page(page, entry - 1, region->prot);
	}
}

/* Every page of [begin, end) lies in a region. */
static bool is_covered(uint64_t begin, uint64_t end)
{
	for (unsigned i = region_at(begin); begin < end; i++) {
		if (i == n_regions || regions[i].begin > begin)
			return false;
		begin = regions[i].end;
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
	if (!is_covered(begin, end) || !split_at(begin) || !split_at(end))
		return -ENOMEM;
	for (unsigned i = region_at(begin); i < n_regions && regions[i].begin < end; i++) {
		if (regions[i].prot == prot)
			continue;
		regions[i].prot = prot;
		protect_pages(&regions[i]);
	}
	return 0;
}

/* Moves the frames of pages to another place. */
static void move_pages(uint64_t from, uint64_t to, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += EXO_PAGE_SIZE) {
		uint64_t key = (from + at) >> EXO_PAGE_SHIFT, entry = radix_get(&frames, key);

		if (entry == 0)
			continue;
		unmap_page(from + at);
		radix_set(&frames, key, 0);
		if (!radix_set(&frames, (to + at) >> EXO_PAGE_SHIFT, entry))
			pool_give(entry - 1);
	}
}

static int64_t grow_elsewhere(uint64_t begin, uint64_t old_size, uint64_t new_size, unsigned prot)
{
	uint64_t to = find_place(new_size, MMAP_END);

	if (to == 0 || !add_region(to, to + new_size, prot))
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
	region = find_region(begin);
	if (region == NULL || region->end < old_end)
		return -EFAULT;
	old_size = old_end - begin;
	if (new_size <= old_size) {
		if (new_size < old_size && unmap_range(begin + new_size, old_end) < 0)
			return -ENOMEM;
		return (int64_t)begin;
	}
	if (begin + new_size <= PROGRAM_END && is_free(old_end, begin + new_size))
		return add_region(old_end, begin + new_size, region->prot) ? (int64_t)begin
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
	uint64_t old_end = round_up(heap_end), new_end = round_up(regs->rdi);

	if (regs->rdi < heap_begin || new_end > PROGRAM_END)
		return (int64_t)heap_end;
	if (new_end > old_end) {
		if (!is_free(old_end, new_end) ||
		    !add_region(old_end, new_end, PROT_READ | PROT_WRITE))
			return (int64_t)heap_end;
	} else if (new_end < old_end && unmap_range(new_end, old_end) < 0) {
		return (int64_t)heap_end;
	}
	heap_end = regs->rdi;
	return (int64_t)heap_end;
}

void vm_init(void)
{
	const struct exo_start *start = exo_start_page();
	const Elf64_Phdr *header = (const Elf64_Phdr *)start->phdr;

	image_begin = UINT64_MAX;
	for (uint32_t i = 0; i < start->phnum; i++) {
		uint64_t end = round_up(header[i].p_vaddr + header[i].p_memsz);

		if (header[i].p_type != PT_LOAD)
			continue;
		if ((header[i].p_vaddr & ~PAGE_MASK) < image_begin)
			image_begin = header[i].p_vaddr & ~PAGE_MASK;
		if (end > image_end)
			image_end = end;
	}
	heap_begin = heap_end = image_end + EXO_PAGE_SIZE;
}
