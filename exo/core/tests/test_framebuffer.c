/* SPDX-License-Identifier: BSD-2-Clause */
/* Rectangles of the screen: making, parts, clipping, refusals, ends. */
#include "kit.h"

#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <exo/screen.h>

#include "../framebuffer.h"
#include "../ledger.h"
#include "../machine.h"

static uint32_t a, b;
static struct exo_cap key_a;
static uint64_t first_a; /* a's frames: 2, its picture */

static int setup(void **state)
{
	kit_start(512, 2);
	a = kit_child("a", 20, 0, 1, true, &key_a);
	b = kit_child("b", 20, 0, 1, true, NULL);
	assert_int_equal(kit_frames(a, 2, &first_a, NULL), 0);
	memset(machine_frame(first_a), 0x11, 8192);
	return 0;
}

static int64_t make(const struct exo_cap *from, uint32_t by, struct exo_rect rect, uint32_t owner,
                    struct exo_cap *out)
{
	struct exo_screen_create block = {.from = *from, .rect = rect, .owner = owner};
	int64_t result = kit_call_block(by, EXO_CALL_SCREEN_CREATE, &block, sizeof(block));

	*out = block.out;
	return result;
}

/* A rectangle of a's with a key in its hands. */
static struct exo_cap rect_of_a(struct exo_rect rect, struct exo_cap *of_init)
{
	struct exo_cap all = kit_cap(EXO_USE_SCREEN), own;

	assert_int_equal(make(&all, ENV_INIT, rect, a, of_init), 0);
	assert_int_equal(kit_grant(ENV_INIT, of_init, a, EXO_RIGHT_WRITE | EXO_RIGHT_GRANT,
	                           of_init->first, 1, &own),
	                 0);
	return own;
}

static int64_t blit(uint32_t env, const struct exo_cap *cap, int32_t x, int32_t y, uint32_t width,
                    uint32_t height)
{
	struct exo_blit block = {.screen = *cap,
	                         .x = x,
	                         .y = y,
	                         .width = width,
	                         .height = height,
	                         .source = first_a << 12,
	                         .pitch = width * 4};

	return kit_call_block(env, EXO_CALL_SCREEN_BLIT, &block, sizeof(block));
}

/* How many pixels were drawn, and whether all lie in the rectangle. */
static unsigned drawn(struct exo_rect in)
{
	const uint32_t *pixels = host_screen();
	unsigned n = 0;

	for (int y = 0; y < KIT_HEIGHT; y++) {
		for (int x = 0; x < KIT_WIDTH; x++) {
			if (!pixels[y * KIT_WIDTH + x])
				continue;
			n++;
			assert_true(x >= in.x && x < in.x + in.width && y >= in.y &&
			            y < in.y + in.height);
		}
	}
	return n;
}

static void clips(void **state)
{
	const struct exo_rect rect = {10, 5, 8, 6};
	static const struct {
		int32_t x, y;
		uint32_t width, height;
		unsigned pixels; /* drawn by now */
	} cases[] = {
	        {0, 0, 1, 1, 1},          {7, 5, 4, 4, 2},
	        {8, 0, 4, 4, 2},          {0, -4, 2, 4, 2},
	        {-3, -3, 4, 4, 2},        {-1, 2, 10, 1, 10},
	        {INT32_MIN, 0, 4, 4, 10}, {INT32_MAX, INT32_MAX, 4, 4, 10},
	        {-5, -5, 40, 40, 48},
	};
	struct exo_cap of_init, cap = rect_of_a(rect, &of_init);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		        blit(a, &cap, cases[i].x, cases[i].y, cases[i].width, cases[i].height), 0);
		assert_int_equal(drawn(rect), cases[i].pixels);
	}
}

static void right_pixels(void **state)
{
	struct exo_cap of_init, cap = rect_of_a((struct exo_rect){4, 3, 8, 6}, &of_init);
	uint32_t *picture = machine_frame(first_a);

	for (uint32_t i = 0; i < 16; i++)
		picture[i] = 0x01020300 + i;
	assert_int_equal(blit(a, &cap, -1, -2, 4, 4), 0);
	/* The picture's third line, second pixel. */
	assert_int_equal(host_screen()[3 * KIT_WIDTH + 4], 0x00020300 + 9);
	assert_int_equal(host_screen()[4 * KIT_WIDTH + 6], 0x00020300 + 15);
	assert_int_equal(host_screen()[5 * KIT_WIDTH + 4], 0);
}

static void refuses(void **state)
{
	struct exo_cap all = kit_cap(EXO_USE_SCREEN), of_init, out;
	struct exo_cap cap = rect_of_a((struct exo_rect){10, 5, 8, 6}, &of_init);
	struct exo_blit odd = {.screen = cap, .width = 2, .height = 2, .source = first_a << 12};

	assert_int_equal(make(&all, ENV_INIT, (struct exo_rect){17, 10, 2, 2}, b, &out),
	                 -EXO_EBUSY);
	assert_int_equal(make(&all, ENV_INIT, (struct exo_rect){18, 5, 2, 2}, b, &out), 0);
	assert_int_equal(make(&all, ENV_INIT, (struct exo_rect){0, 0, 0, 2}, b, &out), -EXO_EINVAL);
	assert_int_equal(make(&all, ENV_INIT, (struct exo_rect){39, 0, 2, 2}, b, &out),
	                 -EXO_ENOENT);
	assert_int_equal(make(&all, ENV_INIT, (struct exo_rect){0, 65535, 2, 65535}, b, &out),
	                 -EXO_ENOENT);
	assert_int_equal(blit(b, &cap, 0, 0, 1, 1), -EXO_EPERM);
	assert_int_equal(blit(ENV_INIT, &all, 0, 0, 1, 1), -EXO_EPERM);
	assert_int_equal(blit(a, &cap, 0, 0, 0, 1), -EXO_EINVAL);
	assert_int_equal(blit(a, &cap, 0, 0, EXO_BLIT_PIXELS_MAX, 2), -EXO_E2BIG);
	assert_int_equal(blit(a, &cap, 0, 0, 1024, 3), -EXO_EPERM); /* a third frame */
	assert_int_equal(kit_call_block(a, EXO_CALL_SCREEN_BLIT, &odd, sizeof(odd)), -EXO_EINVAL);
	assert_int_equal(drawn((struct exo_rect){0}), 0);
	assert_int_equal(ledger_frame(first_a)->pins, 0);
}

static void parts(void **state)
{
	struct exo_cap of_init, cap = rect_of_a((struct exo_rect){10, 5, 8, 6}, &of_init), part,
	                        deep;

	assert_int_equal(make(&cap, a, (struct exo_rect){9, 5, 2, 2}, 0, &part), -EXO_ENOENT);
	assert_int_equal(make(&cap, a, (struct exo_rect){17, 5, 2, 2}, 0, &part), -EXO_ENOENT);
	assert_int_equal(make(&cap, a, (struct exo_rect){12, 7, 4, 3}, 0, &part), 0);
	assert_int_equal(make(&part, a, (struct exo_rect){12, 7, 1, 1}, 0, &deep), 0);
	assert_int_equal(blit(a, &part, 0, 0, 20, 20), 0);
	assert_int_equal(drawn((struct exo_rect){12, 7, 4, 3}), 12);
	/* With the whole, its parts end. */
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_REVOKE, &of_init, sizeof(of_init)), 0);
	assert_int_equal(blit(a, &cap, 0, 0, 1, 1), -EXO_ESTALE);
	assert_int_equal(blit(a, &part, 0, 0, 1, 1), -EXO_ESTALE);
	assert_int_equal(blit(a, &deep, 0, 0, 1, 1), -EXO_ESTALE);
}

static ucontext_t main_context, small_context;
static struct exo_cap outermost;

static void free_outermost(void)
{
	kit_call_block(a, EXO_CALL_SCREEN_FREE, &outermost, sizeof(outermost));
}

/* Each inside the one before, a thousand deep; and the kernel's stack has 32 KiB. */
static void nested_deep(void **state)
{
	enum { DEEP = 1000, STACK = 32768, GUARD = 4096 };
	struct exo_cap all = kit_cap(EXO_USE_SCREEN), of_init, inner;
	struct exo_rect rect = {1, 1, 4, 4};
	struct exo_ledger_entry entry;
	uint64_t cursor = 0;
	char *stack = mmap(NULL, STACK + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                   -1, 0);

	assert_int_equal(make(&all, ENV_INIT, rect, a, &of_init), 0);
	assert_int_equal(kit_grant(ENV_INIT, &of_init, a, EXO_RIGHT_FREE | EXO_RIGHT_GRANT,
	                           of_init.first, 1, &outermost),
	                 0);
	inner = outermost;
	for (unsigned i = 0; i < DEEP; i++)
		assert_int_equal(make(&inner, a, rect, 0, &inner), 0);
	assert_int_equal(mprotect(stack, GUARD, PROT_NONE), 0);
	assert_int_equal(getcontext(&small_context), 0);
	small_context.uc_stack.ss_sp = stack;
	small_context.uc_stack.ss_size = STACK + GUARD;
	small_context.uc_link = &main_context;
	makecontext(&small_context, free_outermost, 0);
	assert_int_equal(swapcontext(&main_context, &small_context), 0);
	assert_false(framebuffer_list(&cursor, &entry));
	munmap(stack, STACK + GUARD);
}

static void ends(void **state)
{
	struct exo_cap of_init, all = kit_cap(EXO_USE_SCREEN), again;
	struct exo_ledger_entry entry;
	uint64_t cursor = 0;

	rect_of_a((struct exo_rect){10, 5, 8, 6}, &of_init);
	assert_true(framebuffer_list(&cursor, &entry));
	assert_string_equal(entry.note, "8x6 at 10,5");
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &key_a, sizeof(key_a));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_ENV_END, KIT_DATA_PAGE(1), 0, 0, 0), 0);
	cursor = 0;
	assert_false(framebuffer_list(&cursor, &entry));
	assert_int_equal(make(&all, ENV_INIT, (struct exo_rect){10, 5, 8, 6}, b, &again), 0);
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &again, sizeof(again));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_SCREEN_FREE, KIT_DATA_PAGE(1), 0, 0, 0), 0);
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_SCREEN_FREE, KIT_DATA_PAGE(1), 0, 0, 0),
	                 -EXO_ESTALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(clips, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(right_pixels, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(refuses, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(parts, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(nested_deep, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(ends, setup, kit_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
