/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces as hash tables, and ring 3 as a C function. A space whose mappings were taken away
 * must be flushed before it runs again: machine_run insists on it.
 */
#include <host/host.h>

#include <pthread.h>
#include <string.h>

#include "../core/machine.h"
#include "internal.h"

enum {
	BUCKETS = 256,
	LARGE_PAGES = 512,
};

struct page {
	struct page *next;
	uint64_t address, frame;
	unsigned rights;
};

struct machine_space {
	struct page *buckets[BUCKETS];
	bool dirty; /* something was removed or replaced since the last flush */
};

/* Over all tables: ring 3 looks at them without its space's lock, as an MMU does. */
static pthread_mutex_t tables = PTHREAD_MUTEX_INITIALIZER;
static __thread struct machine_space *current;
static host_program *program;

void host_program_change(host_program *new_program)
{
	program = new_program;
}

void host_space_set(struct machine_space *space)
{
	current = space;
}

/* ---- Spaces ---- */

int machine_space_create(struct machine_space **space)
{
	*space = machine_alloc(sizeof(**space));
	return *space ? 0 : -EXO_ENOMEM;
}

void machine_space_destroy(struct machine_space *space)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		while (space->buckets[i]) {
			struct page *page = space->buckets[i];

			space->buckets[i] = page->next;
			machine_free(page);
		}
	}
	if (current == space)
		current = NULL;
	machine_free(space);
}

/* The link that leads to a page, or to where it would be. */
static struct page **find(struct machine_space *space, uint64_t address)
{
	uint64_t page = address / EXO_PAGE_SIZE;
	struct page **link = &space->buckets[(page ^ page >> 8) % BUCKETS];

	while (*link && (*link)->address != address)
		link = &(*link)->next;
	return link;
}

static int map_small(struct machine_space *space, uint64_t address, uint64_t frame, unsigned rights,
                     uint64_t *old)
{
	struct page **link = find(space, address);

	space->dirty |= *link != NULL;
	if (old)
		*old = *link ? (*link)->frame : MACHINE_SPACE_NONE;
	if (*link && (*link)->rights & MACHINE_SPACE_LARGE && !(rights & MACHINE_SPACE_LARGE))
		return -EXO_EBUSY;
	if (!*link)
		*link = machine_alloc(sizeof(**link));
	if (!*link)
		return -EXO_ENOMEM;
	(*link)->address = address;
	(*link)->frame = frame;
	(*link)->rights = rights;
	return 0;
}

int machine_space_map(struct machine_space *space, uint64_t address, uint64_t frame,
                      unsigned rights, uint64_t *old)
{
	unsigned pages = rights & MACHINE_SPACE_LARGE ? LARGE_PAGES : 1;
	int error = 0;

	MACHINE_ASSERT(address % (pages * EXO_PAGE_SIZE) == 0 && frame % pages == 0 && rights != 0);
	MACHINE_ASSERT(!((rights & EXO_RIGHT_WRITE) && (rights & EXO_RIGHT_EXEC)));
	pthread_mutex_lock(&tables);
	for (unsigned i = pages; i-- > 0 && !error;)
		error = map_small(space, address + i * EXO_PAGE_SIZE, frame + i, rights, old);
	pthread_mutex_unlock(&tables);
	return error;
}

static void remove_page(struct machine_space *space, uint64_t address)
{
	struct page **link = find(space, address);
	struct page *page = *link;

	*link = page->next;
	machine_free(page);
}

static int unmap(struct machine_space *space, uint64_t address, uint64_t *frame)
{
	const struct page *page = *find(space, address);
	uint64_t base = address & ~(LARGE_PAGES * EXO_PAGE_SIZE - 1);

	if (!page)
		return -EXO_ENOENT;
	*frame = page->frame;
	space->dirty = true;
	if (!(page->rights & MACHINE_SPACE_LARGE)) {
		remove_page(space, address);
		return 0;
	}
	for (unsigned i = 0; i < LARGE_PAGES; i++)
		remove_page(space, base + i * EXO_PAGE_SIZE);
	return MACHINE_SPACE_LARGE;
}

int machine_space_unmap(struct machine_space *space, uint64_t address, uint64_t *frame)
{
	int result;

	pthread_mutex_lock(&tables);
	result = unmap(space, address, frame);
	pthread_mutex_unlock(&tables);
	return result;
}

int machine_space_query(struct machine_space *space, uint64_t address, uint64_t *frame,
                        unsigned *rights)
{
	const struct page *page;
	int result = -EXO_ENOENT;

	pthread_mutex_lock(&tables);
	page = *find(space, address);
	if (page) {
		*frame = page->frame;
		*rights = page->rights & ~MACHINE_SPACE_LARGE;
		result = (int)(page->rights & MACHINE_SPACE_LARGE);
	}
	pthread_mutex_unlock(&tables);
	return result;
}

void machine_space_flush(struct machine_space *space, uint64_t address, uint64_t pages)
{
	space->dirty = false;
}

bool host_space_stale(const struct machine_space *space)
{
	return space->dirty;
}

/* ---- Memory of ring 3 ---- */

/* The alias of one byte's page, or NULL where the rights do not suffice. */
static uint8_t *reach(struct machine_space *space, uint64_t address, unsigned rights)
{
	uint64_t inside = address % EXO_PAGE_SIZE;
	const struct page *page = space ? *find(space, address - inside) : NULL;

	if (!page || (page->rights & rights) != rights)
		return NULL;
	return (uint8_t *)machine_frame(page->frame) + inside;
}

static int copy(struct machine_space *space, uint64_t address, uint8_t *buffer, size_t size,
                bool out)
{
	while (size > 0) {
		size_t n = EXO_PAGE_SIZE - address % EXO_PAGE_SIZE;
		uint8_t *at;

		n = n < size ? n : size;
		pthread_mutex_lock(&tables);
		at = reach(space, address, out ? EXO_RIGHT_WRITE : EXO_RIGHT_READ);
		if (at)
			memcpy(out ? at : buffer, out ? buffer : at, n);
		pthread_mutex_unlock(&tables);
		if (!at)
			return -EXO_EFAULT;
		address += n;
		buffer += n;
		size -= n;
	}
	return 0;
}

int host_load(struct machine_space *space, void *to, uint64_t from, size_t size)
{
	return copy(space, from, to, size, false);
}

int host_store(struct machine_space *space, uint64_t to, const void *from, size_t size)
{
	return copy(space, to, (uint8_t *)from, size, true);
}

int machine_copy_in(void *to, uint64_t from, size_t size)
{
	return host_load(current, to, from, size);
}

int machine_copy_out(uint64_t to, const void *from, size_t size)
{
	return host_store(current, to, from, size);
}

/* ---- Running ---- */

int machine_pe_init(struct machine_pe *pe)
{
	memset(pe, 0, sizeof(*pe));
	pe->vector = machine_alloc(machine_info()->vector_bytes);
	pe->regs.cs = 0x33;
	pe->regs.ss = 0x2b;
	pe->regs.rflags = 0x202;
	return pe->vector ? 0 : -EXO_ENOMEM;
}

void machine_pe_fini(struct machine_pe *pe)
{
	machine_free(pe->vector);
}

void machine_run(struct machine_pe *pe, struct machine_trap *trap)
{
	MACHINE_ASSERT(!pe->space->dirty);
	current = pe->space;
	memset(trap, 0, sizeof(*trap));
	trap->pe = pe;
	trap->kind = MACHINE_TRAP_INTERRUPT;
	if (!host_timer_fires())
		program(pe, pe->space, trap);
}
