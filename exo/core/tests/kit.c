/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine that tests of the core share: kit.h. */
#include "kit.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "../core.h"
#include "../ledger.h"
#include "../slots.h"

enum {
	IMAGE_BYTES = 4096 + 64,
	ARCHIVE_MAX = 8192,
	KIT_CHAIN_MAX = 16,
};

static host_program *current_program;

/* ---- init's image and the payload ---- */

static void make_image(uint8_t image[IMAGE_BYTES])
{
	Elf64_Ehdr header = {
	        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
	        .e_type = ET_EXEC,
	        .e_machine = EM_X86_64,
	        .e_version = EV_CURRENT,
	        .e_entry = KIT_CODE,
	        .e_phoff = sizeof(header),
	        .e_ehsize = sizeof(header),
	        .e_phentsize = sizeof(Elf64_Phdr),
	        .e_phnum = 2,
	};
	Elf64_Phdr segments[2] = {
	        {.p_type = PT_LOAD,
	         .p_flags = PF_R | PF_X,
	         .p_vaddr = KIT_CODE,
	         .p_offset = 4096,
	         .p_filesz = 64,
	         .p_memsz = 4096},
	        {.p_type = PT_LOAD,
	         .p_flags = PF_R | PF_W,
	         .p_vaddr = KIT_DATA,
	         .p_memsz = KIT_PAGES * 4096ul},
	};

	memset(image, 0x90, IMAGE_BYTES);
	memcpy(image, &header, sizeof(header));
	memcpy(image + sizeof(header), segments, sizeof(segments));
}

static size_t add_member(char *archive, size_t at, const char *name, const void *data, size_t size)
{
	at += (size_t)sprintf(
	        archive + at, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1,
	        0x81a4, 0, 0, 1, 0, (unsigned)size, 0, 0, 0, 0, (unsigned)strlen(name) + 1, 0);
	memcpy(archive + at, name, strlen(name) + 1);
	at = (at + strlen(name) + 1 + 3) & ~3ul;
	if (size)
		memcpy(archive + at, data, size);
	return (at + size + 3) & ~3ul;
}

void kit_start(uint64_t frames, unsigned cores)
{
	static char archive[ARCHIVE_MAX];
	static uint8_t image[IMAGE_BYTES];
	struct host_config config = {.frames = frames,
	                             .cores = cores,
	                             .payload = archive,
	                             .sectors = KIT_SECTORS,
	                             .screen_width = KIT_WIDTH,
	                             .screen_height = KIT_HEIGHT};

	make_image(image);
	config.payload_size = add_member(archive, 0, "init", image, sizeof(image));
	config.payload_size = add_member(archive, config.payload_size, "TRAILER!!!", NULL, 0);
	host_init(&config, current_program);
	core_start("first second=2");
	host_space_set(kit_env(ENV_INIT)->space);
}

void kit_stop(void)
{
	current_program = NULL;
	host_fini();
}

void kit_program(host_program *program)
{
	current_program = program;
	host_program_change(program);
}

/* ---- Environments and their memory ---- */

struct env *kit_env(uint32_t id)
{
	return env_find(id);
}

struct pe *kit_pe(uint32_t id)
{
	return env_find(id)->pes;
}

void kit_put(uint32_t id, uint64_t address, const void *from, size_t size)
{
	assert_int_equal(host_store(kit_env(id)->space, address, from, size), 0);
}

void kit_get(uint32_t id, void *to, uint64_t address, size_t size)
{
	assert_int_equal(host_load(kit_env(id)->space, to, address, size), 0);
}

struct exo_cap kit_cap(enum exo_start_use use)
{
	struct exo_start start;

	kit_get(ENV_INIT, &start, EXO_START_ADDR, sizeof(start));
	for (uint32_t i = 0; i < start.n_caps; i++) {
		if (start.caps[i].use == use)
			return start.caps[i].cap;
	}
	fail_msg("init has no key for use %d", use);
	return (struct exo_cap){0};
}

/* Who waits for a PE's reply, and for theirs, nearest first; all are entered while it runs. */
static unsigned enter_callers(const struct pe *pe, struct env *callers[KIT_CHAIN_MAX])
{
	unsigned n = 0;

	for (struct machine_pe *m = pe->machine.caller; m && n < KIT_CHAIN_MAX; m = m->caller) {
		callers[n] = pe_of(m)->env;
		assert_true(env_enter(callers[n++]));
	}
	return n;
}

/* What the core's loop does around a call, with the processor given up right behind it. */
int64_t kit_call(uint32_t id, uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct pe *pe = kit_pe(id);
	struct exo_regs *regs = &pe->machine.regs;
	struct env *env = pe->env, *callers[KIT_CHAIN_MAX];
	unsigned n = enter_callers(pe, callers);
	int64_t result;

	assert_true(env_enter(env));
	host_space_set(env->space);
	regs->rax = number;
	regs->rdi = a;
	regs->rsi = b;
	regs->rdx = c;
	regs->r10 = d;
	call_dispatch(pe);
	result = (int64_t)regs->rax;
	if (pe->machine.callee)
		env_leave(pe_of(pe->machine.callee)->env);
	if (n == 0 || pe->machine.caller) /* who replies has been left */
		env_leave(env);
	for (unsigned i = 0; i < n; i++)
		env_leave(callers[i]);
	return result;
}

int64_t kit_call_block(uint32_t id, uint64_t number, void *block, size_t size)
{
	int64_t result;

	kit_put(id, KIT_DATA_PAGE(1), block, size);
	result = kit_call(id, number, KIT_DATA_PAGE(1), 0, 0, 0);
	kit_get(id, block, KIT_DATA_PAGE(1), size);
	return result;
}

int64_t kit_grant(uint32_t from, const struct exo_cap *cap, uint32_t to, unsigned rights,
                  uint64_t first, uint32_t count, struct exo_cap *out)
{
	struct exo_grant grant = {
	        .cap = *cap, .to = to, .rights = (uint16_t)rights, .first = first, .count = count};
	int64_t result = kit_call_block(from, EXO_CALL_GRANT, &grant, sizeof(grant));

	*out = grant.out;
	return result;
}

/* The authority of `id` over frames: init's own, or one that init grants. */
static struct exo_cap frames_authority(uint32_t id)
{
	struct exo_cap root = kit_cap(EXO_USE_FRAMES), cap;

	if (id == ENV_INIT)
		return root;
	assert_int_equal(
	        kit_grant(ENV_INIT, &root, id, EXO_RIGHT_ALLOC, root.first, root.count, &cap), 0);
	return cap;
}

int64_t kit_frames(uint32_t id, uint32_t count, uint64_t *first, struct exo_cap *cap)
{
	struct exo_frame_alloc a = {
	        .authority = frames_authority(id), .count = count, .first = EXO_FRAME_ANY};
	int64_t result = kit_call_block(id, EXO_CALL_FRAME_ALLOC, &a, sizeof(a));

	*first = a.first;
	if (cap)
		*cap = a.out;
	return result;
}

int64_t kit_map(uint32_t id, uint64_t address, uint64_t frame, uint32_t count, unsigned rights,
                const struct exo_cap *cap)
{
	struct exo_mapping m = {
	        .address = address, .frame = frame, .count = count, .rights = (uint16_t)rights};

	if (cap) {
		m.key = KIT_DATA_PAGE(1) + 2048;
		kit_put(id, m.key, cap, sizeof(*cap));
	}
	kit_put(id, KIT_DATA_PAGE(1), &m, sizeof(m));
	return kit_call(id, EXO_CALL_MAP, 0, KIT_DATA_PAGE(1), 1, 0);
}

static void give_memory(uint32_t id)
{
	struct exo_frame_alloc a = {.authority = kit_cap(EXO_USE_FRAMES),
	                            .owner = id,
	                            .count = KIT_PAGES,
	                            .first = EXO_FRAME_ANY};
	struct exo_mapping m = {.address = KIT_DATA,
	                        .count = KIT_PAGES,
	                        .rights = EXO_RIGHT_READ | EXO_RIGHT_WRITE,
	                        .flags = EXO_MAP_GUARANTEED};

	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_FRAME_ALLOC, &a, sizeof(a)), 0);
	m.frame = a.first;
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &m, sizeof(m));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_MAP, KIT_DATA_PAGE(2), KIT_DATA_PAGE(1), 1, 0),
	                 1);
}

static void set_pe(unsigned core, bool upcalls)
{
	struct exo_pe_setup setup = {
	        .core = core,
	        .start_ip = KIT_CODE,
	        .pe_addr = KIT_DATA,
	        .stack_top = KIT_STACK,
	        .resume_begin = KIT_RESUME,
	        .resume_end = KIT_RESUME_END,
	        .libos_fs_base = 0x7000,
	};

	for (uint64_t i = 0; upcalls && i < EXO_UPCALLS; i++)
		setup.entry[i] = KIT_ENTRY + 16 * i;
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &setup, sizeof(setup));
	assert_int_equal(
	        kit_call(ENV_INIT, EXO_CALL_PE_SET, KIT_DATA_PAGE(2), KIT_DATA_PAGE(1), 0, 0), 0);
}

static void give_slots(uint32_t id, unsigned core, unsigned slots)
{
	struct exo_cap cap = kit_cap(EXO_USE_SLOTS);
	const struct exo_slot_info *owners = core_info_slots() + (size_t)core * EXO_SLOTS_PER_CORE;
	unsigned first = 0;

	while (owners[first].owner)
		first++;
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &cap, sizeof(cap));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_SLOT_TAKE, KIT_DATA_PAGE(1), id,
	                          core * EXO_SLOTS_PER_CORE + first, slots),
	                 0);
}

uint32_t kit_child(const char *name, uint64_t frames_max, unsigned core, unsigned slots,
                   bool upcalls, struct exo_cap *cap)
{
	struct exo_env_create create = {.authority = kit_cap(EXO_USE_ENVS),
	                                .frames_max = frames_max + KIT_PAGES};

	snprintf(create.name, sizeof(create.name), "%s", name);
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_CREATE, &create, sizeof(create)), 0);
	kit_put(ENV_INIT, KIT_DATA_PAGE(2), &create.out, sizeof(create.out));
	give_memory(create.id);
	set_pe(core, upcalls);
	if (slots)
		give_slots(create.id, core, slots);
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_ENV_START, KIT_DATA_PAGE(2), 0, 0, 0), 0);
	if (cap)
		*cap = create.out;
	return create.id;
}

void kit_verify(void)
{
	const char *wrong = ledger_verify();

	if (wrong)
		fail_msg("%s", wrong);
}

int kit_teardown(void **state)
{
	kit_verify();
	kit_stop();
	return 0;
}

void kit_turns(int n)
{
	while (n-- > 0)
		slots_turn();
}
