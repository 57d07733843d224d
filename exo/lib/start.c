/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the start page and the information pages.
 */
#include <exo/error.h>
#include <libexo/lib.h>
#include <libexo/mailbox.h>
#include <libexo/start.h>

const struct exo_start_cap *exo_start_find(uint32_t use, const char *name)
{
	const struct exo_start *start = exo_start_page();

	for (uint32_t i = 0; i < start->n_caps && i < EXO_START_CAPS_MAX; i++)
		if (start->caps[i].use == use &&
		    (name == NULL ||
		     strncmp(start->caps[i].name, name, sizeof(start->caps[i].name)) == 0))
			return &start->caps[i];
	return NULL;
}

const struct exo_cap *exo_start_cap(uint32_t use)
{
	const struct exo_start_cap *entry = exo_start_find(use, NULL);

	return entry == NULL ? NULL : &entry->cap;
}

const struct exo_start_address *exo_start_address(unsigned i)
{
	const struct exo_start *start = exo_start_page();

	if (i >= start->n_addresses || i >= EXO_START_ADDRESSES_MAX ||
	    start->addresses[i].family == 0)
		return NULL;
	return &start->addresses[i];
}

const struct exo_start_file *exo_start_file(const char *name)
{
	const struct exo_start *start = exo_start_page();

	for (uint32_t i = 0; i < start->n_files && i < EXO_START_FILES_MAX; i++)
		if (strncmp(start->files[i].name, name, sizeof(start->files[i].name)) == 0)
			return &start->files[i];
	return NULL;
}

const struct exo_start_bind *exo_start_binds(unsigned *n)
{
	*n = exo_start_page()->n_binds;
	return (const struct exo_start_bind *)exo_start_page()->binds;
}

const char *exo_start_arg(unsigned i)
{
	const struct exo_start *start = exo_start_page();
	const char *at = start->args, *end = start->args + sizeof(start->args);

	if (i >= start->argc)
		return NULL;
	while (i-- > 0) {
		at += strnlen(at, (size_t)(end - at)) + 1;
		if (at >= end)
			return NULL;
	}
	return at;
}

const struct exo_port_info *exo_port_info(unsigned i)
{
	const struct exo_info *info = exo_info();

	if (i >= info->n_ports)
		return NULL;
	return (const struct exo_port_info *)((const char *)info + info->ports_offset) + i;
}

int exo_mailbox_open(struct exo_mailbox_end *end)
{
	uint64_t box = exo_start_page()->mailbox;

	if (box == 0)
		return -EXO_ENOENT;
	return exo_mailbox_attach(end, (struct exo_mailbox *)box);
}
