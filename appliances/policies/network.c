/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first role: owns the address and the network extension (filters/programs/tally.c), whose key
 * both applications get. libos-udp answers for the address.
 */
#include <libexo/call.h>
#include <libexo/child.h>
#include <libexo/ext.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <udp/exo.h>

#include "policies.h"

enum { APPLICATION_FRAMES = 512 };

static const char *const file_names[] = {"policies", "pager_fifo.o", "pager_ahead.o",
                                         "slots_share.o", "slots_demand.o"};
enum { FILES = sizeof(file_names) / sizeof(file_names[0]) };

static struct udp_exo driver;
static struct exo_ext tally;
static struct exo_pages pages; /* of the bundle */

static int make_bundle(void)
{
	const struct exo_start_file *files[FILES];
	uint64_t bytes = sizeof(struct bundle);
	struct bundle *bundle;
	int result;

	for (unsigned i = 0; i < FILES; i++) {
		files[i] = exo_start_file(file_names[i]);
		if (files[i] == NULL)
			return policies_failed(file_names[i], -EXO_ENOENT, "");
		bytes += files[i]->size + 16;
	}
	result = exo_pages_alloc(&pages, exo_pages_for(bytes));
	if (result < 0)
		return policies_failed("memory for files", result, "");
	bundle = pages.address;
	bundle->n = FILES;
	bytes = sizeof(*bundle);
	for (unsigned i = 0; i < FILES; i++) {
		struct bundle_file *file = &bundle->files[i];

		exo_text_copy(file->name, sizeof(file->name), file_names[i]);
		file->offset = (uint32_t)bytes;
		file->size = (uint32_t)files[i]->size;
		memcpy((char *)bundle + bytes, (const void *)files[i]->address, files[i]->size);
		bytes = (bytes + files[i]->size + 15) & ~15ull;
	}
	return 0;
}

static int attach(void)
{
	unsigned n;
	const struct exo_start_bind *binds = exo_start_binds(&n), *bind = NULL;
	const struct exo_cap *space;
	char error[EXO_NET_ERROR_MAX] = "";
	struct exo_cap binding;
	uint64_t id;
	int result;

	for (unsigned i = 0; i < n; i++)
		if (strcmp(binds[i].name, "tally") == 0)
			bind = &binds[i];
	if (bind == NULL)
		return policies_failed("flow tally", -EXO_ENOENT, "");
	space = &exo_start_page()->caps[bind->space].cap;
	result = exo_net_bind(bind, space, &driver.rx.cap, 1, 0, &binding, error);
	if (result < 0)
		return policies_failed("flow tally", result, error);
	result = exo_ext_open(&tally, "tally.o", 0);
	if (result == 0)
		result = exo_ext_handle(&tally, "tally", &binding, space, 0, &id);
	return result < 0 ? policies_failed("tally.o", result, tally.error) : 0;
}

/* Free slots of this core for a child. */
static int give_slots(const struct exo_child *child)
{
	const struct exo_info *info = exo_info();
	const struct exo_slot_info *slots =
	        (const struct exo_slot_info *)((const char *)info + info->slots_offset);
	uint32_t first = exo_start_page()->core * EXO_SLOTS_PER_CORE;
	int left = SLOTS_OF_ONE, result = 0;

	for (uint32_t i = first; i < first + EXO_SLOTS_PER_CORE && left && result == 0; i++) {
		if (slots[i].owner != 0)
			continue;
		result = exo_slot_take(exo_start_cap(EXO_USE_SLOTS), child->id, i, 1);
		left--;
	}
	return result;
}

static int grant(struct exo_child *child, enum exo_start_use use, const char *name, unsigned rights)
{
	const struct exo_cap *own = exo_start_cap(use);

	return own == NULL ? -EXO_EPERM
	                   : exo_child_grant(child, use, name, own, rights, own->first, own->count);
}

static int grant_all(struct exo_child *child)
{
	struct exo_cap key;
	int result = exo_ext_key(&tally, &key);

	if (result == 0)
		result = exo_child_grant(child, EXO_USE_EXTENSION, "tally", &key, EXO_RIGHT_CALL,
		                         key.first, 1);
	if (result >= 0)
		result = grant(child, EXO_USE_FRAMES, "frames", EXO_RIGHT_ALLOC | EXO_RIGHT_GRANT);
	if (result >= 0)
		result = grant(child, EXO_USE_ENVS, "envs", EXO_RIGHT_ALLOC | EXO_RIGHT_GRANT);
	if (result >= 0)
		result =
		        grant(child, EXO_USE_CONSOLE, "console", EXO_RIGHT_WRITE | EXO_RIGHT_GRANT);
	return result < 0 ? result : 0;
}

static int argue(struct exo_child *child, uint64_t bundle, unsigned number)
{
	char text[20], digit[2] = {(char)('0' + number), '\0'};
	int result = exo_child_argument(child, "policies");

	exo_snprintf(text, sizeof(text), "%llx", (unsigned long long)bundle);
	if (result == 0)
		result = exo_child_argument(child, "application");
	if (result == 0)
		result = exo_child_argument(child, text);
	return result == 0 ? exo_child_argument(child, digit) : result;
}

static int start_application(unsigned number)
{
	static const char *const names[APPLICATIONS] = {"one", "two"};
	const struct exo_start_file *image = exo_start_file("policies");
	static struct exo_child child;
	uint64_t address;
	int result = exo_child_create(&child, names[number], APPLICATION_FRAMES);

	if (result == 0)
		result = exo_child_image(&child, (const void *)image->address, image->size);
	if (result == 0)
		result = exo_child_show(&child, &pages, &address);
	if (result == 0)
		result = argue(&child, address, number);
	if (result == 0)
		result = grant_all(&child);
	if (result == 0)
		result = give_slots(&child);
	if (result == 0)
		result = exo_child_start(&child, exo_start_page()->core);
	if (result < 0) {
		(void)policies_failed(names[number], result, child.error);
		exo_child_abandon(&child);
	}
	return result;
}

int policies_network(void)
{
	struct udp_exo_options options = udp_exo_options_default();
	int result;

	options.flow = "host";
	result = udp_exo_open(&driver, &options);
	if (result < 0)
		return policies_failed("libos-udp", result, driver.error);
	if (attach() < 0 || make_bundle() < 0)
		return 1;
	for (unsigned i = 0; i < APPLICATIONS; i++)
		if (start_application(i) < 0)
			return 1;
	exo_printf("the network extension is there\n");
	udp_exo_serve(&driver);
}
