/* SPDX-License-Identifier: BSD-2-Clause */
/* Rectangles of the screen: framebuffer.h. */
#include "framebuffer.h"

#include <stdio.h>
#include <string.h>

#include <exo/layout.h>

#include "boot_info.h"
#include "core.h"
#include "cap.h"
#include "env.h"
#include "ledger.h"

enum {
	RECTS_MAX = 1024,
};

struct rect {
	struct rect *next; /* in order of age: parts stand behind the whole */
	struct rect *of;   /* NULL: made from an authority */
	uint32_t id, owner, epoch;
	bool dead; /* while being ended */
	struct exo_rect at;
};

static struct {
	struct rect *rects, **end;
	unsigned n;
	uint32_t last_id;
	struct machine_lock lock; /* held while pixels move, and while a rectangle goes */
} screen;

void framebuffer_init(void)
{
	memset(&screen, 0, sizeof(screen));
	screen.end = &screen.rects;
}

/* ---- Rectangles ---- */

static struct rect *find(uint64_t id)
{
	struct rect *r = screen.rects;

	while (r && r->id != id)
		r = r->next;
	return r;
}

int framebuffer_epoch(uint64_t id, uint32_t count, uint32_t *epoch)
{
	const struct rect *r = count == 1 ? find(id) : NULL;

	if (!r)
		return -EXO_ENOENT;
	*epoch = r->epoch;
	return 0;
}

bool framebuffer_list(uint64_t *cursor, struct exo_ledger_entry *entry)
{
	const struct rect *r = screen.rects;

	while (r && r->id <= *cursor)
		r = r->next;
	if (!r)
		return false;
	*entry = (struct exo_ledger_entry){.first = r->id, .count = 1, .owner = r->owner};
	snprintf(entry->note, sizeof(entry->note), "%ux%u at %u,%u", r->at.width, r->at.height,
	         r->at.x, r->at.y);
	*cursor = r->id;
	return true;
}

/* Ends what is dead, the parts of a rectangle (NULL: of none), what an environment owns (0: none),
 * and the parts of all these: as deep as environments nest them, in one pass. */
static void end_all(const struct rect *whole, uint32_t owner)
{
	struct rect **link = &screen.rects, *r;

	for (r = screen.rects; r; r = r->next)
		r->dead =
		        r->dead || r->owner == owner || (r->of && (r->of == whole || r->of->dead));
	machine_lock(&screen.lock);
	while ((r = *link)) {
		if (!r->dead) {
			link = &r->next;
			continue;
		}
		*link = r->next;
		screen.n--;
		machine_free(r);
	}
	screen.end = link;
	machine_unlock(&screen.lock);
}

void framebuffer_end(uint32_t id)
{
	find(id)->dead = true;
	end_all(NULL, 0);
}

int framebuffer_epoch_end(uint64_t id)
{
	struct rect *r = find(id);

	if (!r || r->epoch == UINT32_MAX)
		return -EXO_EBUSY;
	end_all(r, 0);
	r->epoch++;
	return 0;
}

void framebuffer_env_end(const struct env *env)
{
	end_all(NULL, env->id);
}

/* ---- Making one ---- */

static bool inside(const struct exo_rect *part, const struct exo_rect *whole)
{
	return part->x >= whole->x && part->y >= whole->y &&
	       part->x - whole->x + part->width <= whole->width &&
	       part->y - whole->y + part->height <= whole->height;
}

static bool overlap(const struct exo_rect *a, const struct exo_rect *b)
{
	return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height &&
	       b->y < a->y + a->height;
}

/* Whether `rect` may be made from an authority (of 0), or inside a rectangle. */
static int check_place(const struct exo_rect *rect, const struct rect *of)
{
	const struct boot_framebuffer *all = machine_screen(NULL);
	const struct exo_rect whole = {.width = (uint16_t)all->width,
	                               .height = (uint16_t)all->height};

	if (!rect->width || !rect->height)
		return -EXO_EINVAL;
	if (!inside(rect, of ? &of->at : &whole))
		return -EXO_ENOENT;
	for (const struct rect *r = screen.rects; r && !of; r = r->next) {
		if (!r->of && overlap(rect, &r->at))
			return -EXO_EBUSY;
	}
	return 0;
}

static int add(const struct exo_rect *rect, struct rect *of, const struct env *owner)
{
	int error = check_place(rect, of);
	struct rect *r;

	if (error)
		return error;
	if (screen.n == RECTS_MAX || screen.last_id == UINT32_MAX)
		return -EXO_ENOMEM;
	r = machine_alloc(sizeof(*r));
	if (!r)
		return -EXO_ENOMEM;
	*r = (struct rect){
	        .of = of, .id = ++screen.last_id, .owner = owner->id, .epoch = 1, .at = *rect};
	*screen.end = r;
	screen.end = &r->next;
	screen.n++;
	return 0;
}

int64_t framebuffer_call_create(struct call *call)
{
	struct exo_screen_create *c = call->block;
	bool authority = c->from.rights & EXO_RIGHT_ALLOC;
	struct env *owner;
	int error = cap_check(&c->from, call->env, EXO_KIND_SCREEN,
	                      authority ? EXO_RIGHT_ALLOC : EXO_RIGHT_GRANT);

	if (!error && c->reserved)
		error = -EXO_EINVAL;
	if (!error)
		error = call_owner(call, c->owner, &owner);
	if (!error)
		error = add(&c->rect, authority ? NULL : find(c->from.first), owner);
	if (error)
		return error;
	return cap_make(&c->out, EXO_KIND_SCREEN,
	                EXO_RIGHT_WRITE | EXO_RIGHT_GRANT | EXO_RIGHT_FREE, call->env->id,
	                screen.last_id, 1);
}

int64_t framebuffer_call_free(struct call *call)
{
	const struct exo_cap *cap = call->block;

	if (cap->rights & EXO_RIGHT_ALLOC)
		return -EXO_EINVAL;
	framebuffer_end((uint32_t)cap->first);
	return 0;
}

/* ---- Copying ---- */

/* What of [at, at + size) lies inside [0, room): *skip of it is cut off in front. */
static uint32_t clip(int32_t at, uint32_t size, uint32_t room, uint32_t *skip)
{
	int64_t begin = at > 0 ? at : 0, end = (int64_t)at + size;

	if (end > room)
		end = room;
	*skip = (uint32_t)(begin - at);
	return end > begin ? (uint32_t)(end - begin) : 0;
}

static void put_line(const struct boot_framebuffer *to, uint8_t *line, const uint32_t *from,
                     uint32_t n)
{
	unsigned bytes = to->bits_per_pixel / 8;

	for (uint32_t i = 0; i < n; i++, line += bytes) {
		uint32_t pixel = (from[i] >> 16 & 255) << to->red_shift |
		                 (from[i] >> 8 & 255) << to->green_shift |
		                 (from[i] & 255) << to->blue_shift;

		if (bytes == 4)
			*(volatile uint32_t *)line = pixel;
		else
			memcpy(line, &pixel, bytes);
	}
}

/* The clipped picture, line by line; source frames are pinned, and contiguous for the kernel too.
 */
static uint64_t copy(const struct exo_blit *b, const struct exo_rect *at)
{
	uint8_t *memory;
	const struct boot_framebuffer *to = machine_screen(&memory);
	const uint8_t *from = (const uint8_t *)machine_frame(b->source >> EXO_PAGE_SHIFT) +
	                      b->source % EXO_PAGE_SIZE;
	uint32_t left, top, width = clip(b->x, b->width, at->width, &left),
	                    height = clip(b->y, b->height, at->height, &top);
	uint64_t x = at->x + (uint64_t)(b->x + (int64_t)left);
	uint64_t y = at->y + (uint64_t)(b->y + (int64_t)top);

	for (uint32_t i = 0; i < height && width; i++)
		put_line(to, memory + (y + i) * to->pitch + x * (to->bits_per_pixel / 8),
		         (const uint32_t *)(from + (uint64_t)(top + i) * b->pitch) + left, width);
	return (uint64_t)width * height;
}

static int check_blit(const struct exo_blit *b)
{
	if (b->reserved || !b->width || !b->height || b->source % 4 || b->pitch % 4)
		return -EXO_EINVAL;
	if (b->width > EXO_BLIT_PIXELS_MAX / b->height)
		return -EXO_E2BIG;
	return b->height > 1 && (b->pitch < b->width * 4 || b->pitch > UINT16_MAX) ? -EXO_EINVAL
	                                                                           : 0;
}

/* Frames from the first pixel to the last. */
static uint64_t frames_of(const struct exo_blit *b)
{
	uint64_t bytes = (uint64_t)(b->height - 1) * b->pitch + (uint64_t)b->width * 4;

	return (b->source % EXO_PAGE_SIZE + bytes + EXO_PAGE_SIZE - 1) >> EXO_PAGE_SHIFT;
}

int64_t framebuffer_call_blit(struct call *call)
{
	const struct exo_blit *b = call->block;
	struct exo_rect at = {0};
	int error = check_blit(b);

	if (error)
		return error;
	core_lock();
	error = cap_check(&b->screen, call->env, EXO_KIND_SCREEN, EXO_RIGHT_WRITE);
	if (!error && (b->screen.rights & EXO_RIGHT_ALLOC))
		error = -EXO_EPERM;
	if (!error)
		error = ledger_frames_pin(call->env->id, b->source >> EXO_PAGE_SHIFT, frames_of(b));
	if (!error) {
		at = find(b->screen.first)->at;
		machine_lock(&screen.lock);
	}
	core_unlock();
	if (error)
		return error;
	call->env->account->pixels += copy(b, &at);
	machine_unlock(&screen.lock);
	ledger_frames_unpin(b->source >> EXO_PAGE_SHIFT, frames_of(b));
	return 0;
}
