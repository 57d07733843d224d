/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes environments of its own image, one after another, and waits for the end of each: what that
 * costs, in ticks of the TSC (under -icount shift=0: instructions), and that nothing is left. Its
 * image is the content file "children"; with the argument "end" it is such a child.
 */
#include <stdint.h>

#include <libexo/call.h>
#include <libexo/child.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

enum {
	CHILDREN = 50,
	CHILD_FRAMES = 64,
};

static struct exo_child child;

/* A free slot of this core for the child. */
static int give_slot(void)
{
	const struct exo_info *info = exo_info();
	const struct exo_slot_info *slots =
	        (const struct exo_slot_info *)((const char *)info + info->slots_offset);
	uint32_t first = exo_start_page()->core * EXO_SLOTS_PER_CORE;

	for (uint32_t i = first; i < first + EXO_SLOTS_PER_CORE; i++)
		if (slots[i].owner == 0)
			return exo_slot_take(exo_start_cap(EXO_USE_SLOTS), child.id, i, 1);
	return -EXO_EBUSY;
}

static int start(const struct exo_start_file *image)
{
	int result = exo_child_create(&child, "child", CHILD_FRAMES);

	if (result == 0)
		result = exo_child_image(&child, (const void *)image->address, image->size);
	if (result == 0)
		result = exo_child_argument(&child, "child");
	if (result == 0)
		result = exo_child_argument(&child, "end");
	if (result == 0)
		result = give_slot();
	return result == 0 ? exo_child_start(&child, exo_start_page()->core) : result;
}

/* Runs one to its end. → its status, or an error. */
static int run(const struct exo_start_file *image)
{
	struct exo_env_status status;
	int result = start(image);

	if (result < 0) {
		exo_printf("%s\n", child.error);
		exo_child_abandon(&child);
		return result;
	}
	status.env = child.cap;
	while ((result = exo_env_status(&status)) == 0 && status.state <= EXO_ENV_RUNNING)
		exo_wait(0);
	exo_env_end(&child.cap);
	return result < 0 ? result : status.status;
}

int exo_main(void)
{
	const struct exo_start_file *image = exo_start_file("children");
	uint64_t begin, frames = exo_account()->frames_max;
	int failures = 0;

	if (exo_start_arg(1) != NULL && strcmp(exo_start_arg(1), "end") == 0)
		return 7;
	if (image == NULL)
		return 1;
	failures += run(image) != 7;
	begin = exo_tsc();
	for (unsigned i = 0; i < CHILDREN; i++)
		failures += run(image) != 7;
	exo_printf("create, run, end: %llu ticks\n",
	           (unsigned long long)((exo_tsc() - begin) / CHILDREN));
	failures += exo_account()->frames_max != frames;
	exo_printf("children: %s\n", failures == 0 ? "all is well" : "not all is well");
	return failures != 0;
}
