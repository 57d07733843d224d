/* SPDX-License-Identifier: BSD-2-Clause */
/* The trials' list, the roles of children, and what trials are made of: trial.h. */
#include "trial.h"

#include <exo/cpio.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

enum {
	END_NS = 20000000000,
};

struct trial {
	const char *name;
	void (*run)(void);
};

static const struct trial trials[] = {
        {"exceptions go to their handlers and resume there", trial_exceptions},
        {"what an exception costs", trial_fault_cost},
        {"a fault in a handler ends the environment and leaves a record", trial_nested_fault},
        {"control goes to a server and comes back", trial_transfers},
        {"what a transfer costs", trial_transfer_cost},
        {"vector state stays with its owner", trial_vectors},
        {"servers that end, spin or are killed", trial_servers_that_fail},
        {"letters arrive on another core", trial_letters},
        {"gates need the right key", trial_forged_gates},
        {"who gives in time loses nothing", trial_giving_in_time},
        {"who is late is told what it lost", trial_being_late},
        {"who refuses loses by force", trial_refusing},
        {"who lies loses as many", trial_lying},
        {"an environment's own program chooses", trial_choosing},
        {"frames are saved where their owner said before", trial_saving},
        {"extents are given back, or taken", trial_extents},
        {"rectangles of the screen are given back, or taken", trial_screens},
        {"rings are given back, or taken", trial_rings},
        {"an environment races itself, and is ended amid calls", trial_races},
};

/* Of a machine that has a NIC function to give: nothing else is tried there. */
static const struct trial function_trials[] = {
        {"a function's packets lie in its environment's frames", trial_function_echo},
        {"a function can't reach what was taken away", trial_function_loser},
        {"a function is free as soon as its environment has ended", trial_function_death},
};

static const struct {
	const char *name;
	int (*play)(void);
} roles[] = {
        {"serve", role_serve}, {"spin", role_spin},       {"nested", role_nested},
        {"racer", role_racer}, {"giver", role_giver},     {"liar", role_liar},
        {"late", role_late},   {"refuser", role_refuser}, {"chooser", role_chooser},
        {"saver", role_saver}, {"keeper", role_keeper},   {"function", role_function},
        {"loser", role_loser},
};

static bool failed;

void trial_fail(int line, const char *what)
{
	exo_printf("line %d: not so: %s\n", line, what);
	failed = true;
}

uint64_t trial_free_frames(void)
{
	return *(volatile const uint64_t *)&exo_info()->frames_free;
}

static bool own_image(struct exo_cpio_member *image)
{
	const struct exo_start_file *payload = exo_start_file("payload");

	return payload != NULL &&
	       exo_cpio_find((const void *)payload->address, payload->size, "init", image) == NULL;
}

bool trial_slots(const struct exo_child *child, unsigned core, unsigned slots)
{
	const struct exo_slot_info *info =
	        (const struct exo_slot_info *)(EXO_INFO_ADDR + exo_info()->slots_offset);
	unsigned first = core * EXO_SLOTS_PER_CORE;

	while (info[first].owner != 0)
		first++;
	return slots == 0 ||
	       exo_slot_take(exo_start_cap(EXO_USE_SLOTS), child->id, first, slots) == 0;
}

uint64_t trial_child_frames;

static bool note_frames(const struct exo_child *child)
{
	static struct exo_env_status status;

	status.env = child->cap;
	if (exo_env_status(&status) < 0)
		return false;
	trial_child_frames = status.account.frames;
	return true;
}

bool trial_child(struct exo_child *child, const char *role, unsigned core, unsigned slots,
                 uint64_t frames)
{
	return trial_child_with(child, role, core, slots, frames, NULL);
}

bool trial_child_with(struct exo_child *child, const char *role, unsigned core, unsigned slots,
                      uint64_t frames, trial_furnish *furnish)
{
	const struct exo_cap *all = exo_start_cap(EXO_USE_FRAMES);
	struct exo_cpio_member image;

	memset(child, 0, sizeof(*child));
	if (!own_image(&image) || exo_child_create(child, role, frames) < 0)
		return false;
	if (exo_child_image(child, image.data, image.size) < 0 ||
	    exo_child_grant(child, EXO_USE_CONSOLE, "console", exo_start_cap(EXO_USE_CONSOLE),
	                    EXO_RIGHT_WRITE, 0, 1) < 0 ||
	    exo_child_grant(child, EXO_USE_FRAMES, "frames", all, EXO_RIGHT_ALLOC, all->first,
	                    all->count) < 0 ||
	    exo_child_argument(child, role) < 0 || exo_child_argument(child, role) < 0 ||
	    (furnish != NULL && !furnish(child)) || !note_frames(child) ||
	    exo_child_start(child, core) < 0 || !trial_slots(child, core, slots)) {
		exo_printf("child %s: %s\n", role, child->error);
		return false;
	}
	return true;
}

int trial_end(struct exo_child *child)
{
	struct exo_env_status status = {.env = child->cap};
	uint64_t limit = exo_tsc() + exo_time_ticks(END_NS);

	do {
		exo_wait(exo_tsc() + exo_time_ticks(1000000));
		if (exo_env_status(&status) < 0)
			return -1;
	} while (status.state <= EXO_ENV_RUNNING && exo_tsc() < limit);
	exo_env_end(&child->cap);
	if (status.state <= EXO_ENV_RUNNING)
		exo_printf("child %u did not end\n", child->id);
	return status.state == EXO_ENV_EXITED ? status.status : -1000 - (int)status.state;
}

static void run_all(const struct trial *list, unsigned n)
{
	uint64_t before;

	for (unsigned i = 0; i < n; i++) {
		failed = false;
		before = trial_free_frames();
		list[i].run();
		/* Frames may drain for a moment. */
		for (int j = 0; j < 100 && trial_free_frames() != before; j++)
			exo_wait(exo_tsc() + exo_time_ticks(1000000));
		if (!failed && trial_free_frames() != before && i > 0)
			trial_fail(__LINE__, "as many frames are free as before");
		exo_printf("%s %s\n", failed ? "FAIL" : "ok", list[i].name);
	}
	exo_printf("trials: done\n");
	exo_power(exo_start_cap(EXO_USE_MACHINE), EXO_POWER_EXIT, 0);
}

int exo_main(void)
{
	const char *role = exo_start_arg(1);

	if (exo_start_page()->env == 1 && trial_function_there())
		run_all(function_trials, sizeof(function_trials) / sizeof(function_trials[0]));
	if (exo_start_page()->env == 1)
		run_all(trials, sizeof(trials) / sizeof(trials[0]));
	for (unsigned i = 0; role != NULL && i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(roles[i].name, role) == 0)
			return roles[i].play();
	}
	return 99;
}
