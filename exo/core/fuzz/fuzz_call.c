/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random calls from random environments: each input is a program of calls whose arguments are
 * plausible, wild or damaged. After each the ledger must be consistent; in the end, with all
 * environments but init gone and all pins dropped, its counts are those from the beginning.
 */
#include "../tests/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core.h"
#include "../extent.h"
#include "../ledger.h"
#include "../env.h"
#include "../revoke.h"
#include "../slots.h"
#include "../upcall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	CAPS_MAX = 64,
	PINS_MAX = 32,
	HELD_MAX = 8,
	FRAMES = 256,
	OPERATIONS_MAX = 400,
};

static const uint8_t *in;
static size_t left;
static struct exo_cap caps[CAPS_MAX]; /* every key that anybody ever got */
static unsigned n_caps;
static uint64_t pins[PINS_MAX];
static unsigned n_pins;
static struct env *held[HELD_MAX]; /* environments that another core has current */
static unsigned n_held;

/* ---- Choices, out of the input ---- */

static uint8_t byte(void)
{
	if (left == 0)
		return 0;
	left--;
	return *in++;
}

static uint64_t word(void)
{
	uint64_t w = 0;

	for (int i = 0; i < 8; i++)
		w = w << 8 | byte();
	return w;
}

static uint64_t address(void)
{
	static const uint64_t wild[] = {0,
	                                EXO_USER_FIRST,
	                                EXO_USER_END,
	                                EXO_USER_END - 0x1000,
	                                EXO_INFO_ADDR,
	                                EXO_START_ADDR,
	                                0x800000000000,
	                                0xffffffff80000000,
	                                UINT64_MAX};
	uint8_t how = byte();

	if (how < 200)
		return KIT_DATA_PAGE(how % (KIT_PAGES + 8));
	return how < 240 ? wild[how % 9] : word();
}

static uint64_t frame(void)
{
	uint8_t how = byte();

	if (how < 230)
		return HOST_FIRST_FRAME + how + byte() % 64;
	return how < 245 ? EXO_FRAME_ANY : word();
}

static uint32_t number(void)
{
	uint8_t how = byte();

	return how < 250 ? how % 9 : (uint32_t)word();
}

static void remember(const struct exo_cap *cap)
{
	caps[n_caps < CAPS_MAX ? n_caps++ : byte() % CAPS_MAX] = *cap;
}

static struct exo_cap cap_of(enum exo_kind kind)
{
	struct exo_cap cap = caps[byte() % n_caps];

	for (unsigned i = 0; i < 16 && cap.kind != kind; i++)
		cap = caps[byte() % n_caps];
	if (byte() > 245)
		((uint8_t *)&cap)[byte() % sizeof(cap)] ^= (uint8_t)(1 << byte() % 8);
	return cap;
}

/* An environment that can act. */
static struct env *actor(void)
{
	struct env *env = NULL;

	for (unsigned i = byte() % 16 + 1; i > 0; i--) {
		env = env_next(env ? env->id : 0);
		env = env ? env : env_next(0);
	}
	while (!env || env->state > EXO_ENV_RUNNING || !env->pes || env->pes->machine.callee)
		env = env_next(env ? env->id : 0);
	return env;
}

/* ---- Operations ---- */

static struct env *self;

static int64_t call(uint64_t call_number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return kit_call(self->id, call_number, a, b, c, d);
}

/* Puts a block where it may or may not be readable any more. */
static uint64_t put(unsigned page, const void *block, size_t size)
{
	uint64_t at = byte() > 250 ? address() : KIT_DATA_PAGE(page);

	(void)host_store(self->space, at, block, size);
	return at;
}

static void get(void *block, uint64_t at, size_t size)
{
	if (env_find(self->id) && !self->reaped)
		(void)host_load(self->space, block, at, size);
}

static uint64_t put_cap(unsigned page, enum exo_kind kind)
{
	struct exo_cap cap = cap_of(kind);

	return byte() % 4 == 0 ? 0 : put(page, &cap, sizeof(cap));
}

static void create(void)
{
	struct exo_env_create block = {
	        .name = "x", .authority = cap_of(EXO_KIND_ENV), .frames_max = number() * 4};
	uint64_t at = put(1, &block, sizeof(block));

	if (call(EXO_CALL_ENV_CREATE, at, 0, 0, 0) == 0) {
		get(&block, at, sizeof(block));
		remember(&block.out);
	}
}

static void set_pe(void)
{
	struct exo_pe_setup block = {.core = number() % 3,
	                             .pe_addr = address(),
	                             .stack_top = address(),
	                             .start_ip = KIT_CODE,
	                             .entry = {address(), address(), address()},
	                             .resume_begin = KIT_RESUME,
	                             .resume_end = KIT_RESUME_END};
	uint64_t env = put_cap(2, EXO_KIND_ENV);

	call(EXO_CALL_PE_SET, env, put(1, &block, sizeof(block)), 0, 0);
}

static void with_env_cap(uint64_t call_number)
{
	call(call_number, put_cap(1, EXO_KIND_ENV), 0, 0, 0);
}

static void status(void)
{
	struct exo_env_status block = {.env = cap_of(EXO_KIND_ENV)};

	call(EXO_CALL_ENV_STATUS, put(1, &block, sizeof(block)), 0, 0, 0);
}

static void grant(void)
{
	struct exo_cap cap = cap_of((enum exo_kind)(byte() % EXO_KINDS));
	struct exo_grant block = {.cap = cap,
	                          .to = number(),
	                          .rights = (uint16_t)(cap.rights & word()),
	                          .first = cap.first + number() % 3,
	                          .count = byte() % 2 ? cap.count : number()};
	uint64_t at = put(1, &block, sizeof(block));

	if (call(EXO_CALL_GRANT, at, 0, 0, 0) == 0) {
		get(&block, at, sizeof(block));
		remember(&block.out);
	}
}

static void revoke(void)
{
	struct exo_cap cap = cap_of((enum exo_kind)(byte() % EXO_KINDS));
	uint64_t at = put(1, &cap, sizeof(cap));

	if (call(EXO_CALL_REVOKE, at, 0, 0, 0) == 0) {
		get(&cap, at, sizeof(cap));
		remember(&cap);
	}
}

static void alloc(void)
{
	struct exo_frame_alloc block = {.authority = cap_of(EXO_KIND_FRAME),
	                                .owner = byte() % 2 ? number() : 0,
	                                .count = number(),
	                                .first = byte() % 2 ? EXO_FRAME_ANY : frame(),
	                                .align = byte() % 4 ? 0 : word()};
	uint64_t at = put(1, &block, sizeof(block));

	if (call(EXO_CALL_FRAME_ALLOC, at, 0, 0, 0) == 0) {
		get(&block, at, sizeof(block));
		remember(&block.out);
	}
}

static void map(void)
{
	struct exo_cap cap = cap_of(EXO_KIND_FRAME);
	struct exo_mapping block = {.address = address(),
	                            .frame = byte() % 4 ? cap.first : frame(),
	                            .count = number(),
	                            .rights = byte() % 8,
	                            .flags = byte() % 4 ? 0 : byte(),
	                            .key = byte() % 2 ? put(3, &cap, sizeof(cap)) : 0};
	uint64_t env = put_cap(2, EXO_KIND_ENV);

	call(EXO_CALL_MAP, env, put(1, &block, sizeof(block)), byte() % 4, 0);
}

static void unmap(void)
{
	struct exo_range block = {.address = address(), .count = byte() % 8 ? number() : word()};
	uint64_t env = put_cap(2, EXO_KIND_ENV);

	call(EXO_CALL_UNMAP, env, put(1, &block, sizeof(block)), byte() % 3, 0);
}

static void take_slots(void)
{
	uint64_t cap = put_cap(1, EXO_KIND_SLOT);
	uint32_t to = number();

	call(EXO_CALL_SLOT_TAKE, cap, to, byte() % 2 ? byte() : word(), number());
}

static void list(void)
{
	struct exo_listing block = {.machine = cap_of(EXO_KIND_MACHINE),
	                            .kind = number(),
	                            .room = byte() % 8,
	                            .cursor = byte() % 2 ? 0 : word(),
	                            .entries = address()};

	call(EXO_CALL_LEDGER, put(1, &block, sizeof(block)), 0, 0, 0);
}

static void make_extent(void)
{
	struct exo_extent_alloc block = {.authority = cap_of(EXO_KIND_EXTENT),
	                                 .first = number() * 6,
	                                 .count = number(),
	                                 .owner = byte() % 2 ? number() : 0};
	uint64_t at = put(1, &block, sizeof(block));

	if (call(EXO_CALL_EXTENT_ALLOC, at, 0, 0, 0) == 0) {
		get(&block, at, sizeof(block));
		remember(&block.out);
	}
}

static void use_disk(void)
{
	struct exo_disk_request block = {.extent = cap_of(EXO_KIND_EXTENT),
	                                 .frame = frame(),
	                                 .count = byte() % 4 ? byte() % 12 : word(),
	                                 .flags = byte() % 8 ? byte() % 2 : word(),
	                                 .done = frame() << 12 | (byte() & ~7u)};

	block.sector = block.extent.first + number() % 3;
	host_disk_finishes(byte() % 2 ? byte() : UINT32_MAX, byte() % 4 ? 0 : -EXO_EIO);
	call(EXO_CALL_DISK, put(1, &block, sizeof(block)), 0, 0, 0);
	if (byte() % 2)
		call(EXO_CALL_EXTENT_FREE, put_cap(2, EXO_KIND_EXTENT), 0, 0, 0);
	else
		extent_poll();
}

static void make_rect(void)
{
	struct exo_screen_create block = {.from = cap_of(EXO_KIND_SCREEN),
	                                  .rect = {byte() % 48, byte() % 32, byte(), byte()},
	                                  .owner = byte() % 2 ? number() : 0};
	uint64_t at = put(1, &block, sizeof(block));

	if (call(EXO_CALL_SCREEN_CREATE, at, 0, 0, 0) == 0) {
		get(&block, at, sizeof(block));
		remember(&block.out);
	}
	if (byte() % 4 == 0)
		call(EXO_CALL_SCREEN_FREE, put_cap(2, EXO_KIND_SCREEN), 0, 0, 0);
}

static void blit(void)
{
	struct exo_blit block = {.screen = cap_of(EXO_KIND_SCREEN),
	                         .x = (int8_t)byte(),
	                         .y = byte() % 4 ? (int8_t)byte() : (int32_t)word(),
	                         .width = byte(),
	                         .height = byte() % 8 ? byte() % 32 : (uint32_t)word(),
	                         .source = frame() << 12 | (byte() & ~3u),
	                         .pitch = byte() * 4u};

	call(EXO_CALL_SCREEN_BLIT, put(1, &block, sizeof(block)), 0, 0, 0);
}

static void pin(void)
{
	uint64_t f = frame();

	if (n_pins < PINS_MAX && ledger_frame_pin(self->id, f) == 0)
		pins[n_pins++] = f;
	else if (n_pins > 0)
		ledger_frame_unpin(pins[--n_pins]);
	ledger_drain();
}

/* Another core takes an environment up or lets it go, perhaps after its end. */
static void hold(void)
{
	host_core_set(byte() % 2);
	if (byte() % 2 && n_held < HELD_MAX && env_enter(self))
		held[n_held++] = self;
	else if (n_held > 0)
		env_leave(held[--n_held]);
}

static void upcall(void)
{
	struct machine_trap trap = {.kind = MACHINE_TRAP_PAGE, .vector = 14, .address = address()};
	struct pe *pe = self->pes;

	pe->machine.regs.rip = byte() % 2 ? KIT_CODE : KIT_RESUME + byte() % 64;
	env_post(self, byte() % 3, byte());
	if (byte() % 2)
		(void)upcall_fault(pe, &trap);
	else
		upcall_events(pe, 0);
}

/* Control goes to others and comes back, or not; init always has some. */
static void transfer(void)
{
	static const uint64_t numbers[] = {EXO_CALL_INVOKE, EXO_CALL_SEND, EXO_CALL_REPLY,
	                                   EXO_CALL_WAIT};

	if (self->id == ENV_INIT)
		return;
	if (byte() % 2)
		call(EXO_CALL_GATE, put_cap(1, EXO_KIND_ENV), byte() % (EXO_GATES + 1), 0, 0);
	else
		call(numbers[byte() % 4], byte() % (EXO_GATES + 1), 0, word(), word());
}

static void take_back(void)
{
	struct exo_cap cap = cap_of((enum exo_kind)(byte() % EXO_KINDS));
	struct exo_repossess block = {.authority = cap,
	                              .env = number(),
	                              .kind = cap.kind,
	                              .first = byte() % 4 ? frame() : EXO_UNITS_ANY,
	                              .count = number(),
	                              .deadline = byte() % 2 ? 0 : word()};

	call(EXO_CALL_REPOSSESS, put(1, &block, sizeof(block)), 0, 0, 0);
	host_time_add(byte() * 10000);
	revoke_tick(machine_tsc());
}

/* Everything else, with arguments out of thin air. EXIT is left to one path in eight. */
static void anything(void)
{
	uint64_t n = EXO_CALL_BASE + byte() % (EXO_CALL_LAST - EXO_CALL_BASE + 2);

	if (n == EXO_CALL_EXIT && (byte() % 8 || self->id == ENV_INIT))
		n = EXO_CALL_NULL;
	call(n, byte() % 2 ? address() : word(), address(), number(), word());
}

static void operate(void)
{
	static void (*const operations[])(void) = {
	        create,      set_pe,   status,    grant,  revoke,   alloc,      map,
	        unmap,       list,     pin,       upcall, anything, take_slots, hold,
	        make_extent, use_disk, make_rect, blit,   transfer, take_back};
	uint8_t what = byte();

	self = actor();
	if (what >= 240)
		with_env_cap(what % 2 ? EXO_CALL_ENV_START : EXO_CALL_ENV_END);
	else
		operations[what % (sizeof(operations) / sizeof(operations[0]))]();
}

/* ---- A run ---- */

static void check(void)
{
	const char *wrong = ledger_verify();

	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
}

static void end_all(void)
{
	for (struct env *env = env_next(ENV_INIT); env; env = env_next(env->id))
		env_stop(env, EXO_ENV_KILLED, 0, 0, 0);
	while (n_held > 0)
		env_leave(held[--n_held]);
	while (n_pins > 0)
		ledger_frame_unpin(pins[--n_pins]);
	host_disk_finishes(UINT32_MAX, 0);
	extent_poll();
	ledger_drain();
}

static void drop_inits_frames(void)
{
	struct env *init = env_find(ENV_INIT);

	while (init->pes)
		pe_destroy(init->pes);
	ledger_frames_reclaim(init);
}

static void begin(void)
{
	struct exo_cap cap;
	static const enum exo_start_use uses[] = {EXO_USE_CONSOLE, EXO_USE_FRAMES,  EXO_USE_SLOTS,
	                                          EXO_USE_ENVS,    EXO_USE_MACHINE, EXO_USE_PAYLOAD,
	                                          EXO_USE_DISK,    EXO_USE_SCREEN};

	kit_start(FRAMES, 2);
	n_caps = n_pins = n_held = 0;
	for (unsigned i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		cap = kit_cap(uses[i]);
		remember(&cap);
	}
}

static void populate(void)
{
	struct exo_cap cap, root = kit_cap(EXO_USE_FRAMES);

	for (unsigned i = 0; i < 3; i++) {
		uint32_t id = kit_child("child", 12, i % 2, 1, i != 0, &cap);

		remember(&cap);
		kit_grant(ENV_INIT, &root, id, EXO_RIGHT_ALLOC | EXO_RIGHT_GRANT, root.first,
		          root.count, &cap);
		remember(&cap);
	}
}

/* With init's own frames gone too, all but the kernel's are free. */
static void check_balance(const struct ledger_counts *before)
{
	struct ledger_counts now;

	end_all();
	check();
	drop_inits_frames();
	ledger_count(&now);
	if (now.free + now.retired != before->free || now.owned || now.draining || now.mappings ||
	    now.kernel != before->kernel) {
		fprintf(stderr, "free %lu of %lu, owned %lu, draining %lu, mappings %lu\n",
		        (unsigned long)now.free, (unsigned long)before->free,
		        (unsigned long)now.owned, (unsigned long)now.draining,
		        (unsigned long)now.mappings);
		abort();
	}
}

/* What the ledger must come back to: the counts of a machine whose init has just given all back. */
static struct ledger_counts empty_machine(void)
{
	struct ledger_counts counts;

	begin();
	drop_inits_frames();
	ledger_count(&counts);
	kit_stop();
	return counts;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ledger_counts empty = empty_machine();
	jmp_buf back;

	begin();
	populate();
	in = data;
	left = size;
	host_end = &back;
	/* Power-off ends the run early; a panic is a finding. */
	switch (setjmp(back)) {
	case 0:
		for (unsigned i = 0; left > 0 && i < OPERATIONS_MAX; i++) {
			operate();
			check();
		}
		check_balance(&empty);
		break;
	case 1:
		break;
	default:
		abort();
	}
	host_end = NULL;
	kit_stop();
	return 0;
}
