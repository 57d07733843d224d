/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The payload: a cpio archive that the boot loader brought. Nothing of it is used before its digest
 * was compared with the manifest's; the manifest itself is as trusted as the command line.
 */
#include <exo/cpio.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "init.h"

static void find_archive(struct payload *payload, size_t *size)
{
	const struct exo_start_file *file = exo_start_file("payload");
	const struct exo_cap *cap = exo_start_cap(EXO_USE_PAYLOAD);

	if (file == NULL || file->size == 0 || cap == NULL)
		init_give_up(
		        "there is no payload: boot with NAME.cpio from boot/mkappliance as initial "
		        "ramdisk");
	payload->base = (const char *)file->address;
	payload->cap = *cap;
	*size = file->size;
}

static const struct exo_manifest *find_manifest(const char *archive, size_t size)
{
	struct exo_cpio_member member;
	char error[EXO_MANIFEST_ERROR_MAX];
	const char *wrong = exo_cpio_find(archive, size, "manifest", &member);

	if (wrong != NULL)
		init_give_up("payload: no manifest: %s", wrong);
	if ((uintptr_t)member.data % 8 != 0)
		init_give_up("payload: the manifest is not aligned to 8 bytes");
	if (exo_manifest_check(member.data, member.size, error) < 0)
		init_give_up("manifest: %s", error);
	return member.data;
}

/* Notes where a member lies, for every file of its name: content of several environments is listed
 * once for each. */
static void note_member(const struct exo_manifest *m, struct member *members,
                        const struct exo_cpio_member *found)
{
	for (uint32_t i = 0; i < m->files.n; i++) {
		if (strcmp(exo_manifest_string(m, exo_manifest_files(m)[i].name), found->name) != 0)
			continue;
		if (members[i].data != NULL)
			init_give_up("payload: %s is there twice", found->name);
		members[i].data = found->data;
		members[i].size = found->size;
	}
}

/* Walks the archive once and notes where each file of the manifest lies. */
static void find_members(const struct exo_manifest *m, const char *archive, size_t size,
                         struct member *members)
{
	struct exo_cpio cpio = {.archive = archive, .size = size};
	struct exo_cpio_member member;
	const char *wrong;

	while ((wrong = exo_cpio_next(&cpio, &member)) == NULL)
		note_member(m, members, &member);
	if (wrong != exo_cpio_end)
		init_give_up("payload: %s at byte %zu", wrong, cpio.offset);
}

const char *payload_verify(struct payload *payload, uint32_t i)
{
	const struct exo_manifest_file *file = &exo_manifest_files(payload->manifest)[i];
	struct member *member = &payload->members[i];

	if (member->verified)
		return NULL;
	if (member->data == NULL)
		return "it is missing";
	if (member->size != file->size)
		return "its size is not the manifest's";
	if (exo_manifest_digest(member->data, member->size) != file->digest)
		return "its digest is not the manifest's";
	member->verified = true;
	return NULL;
}

void payload_open(struct payload *payload)
{
	struct exo_pages pages;
	struct member *members;
	size_t size;

	find_archive(payload, &size);
	payload->manifest = find_manifest(payload->base, size);
	if (exo_pages_alloc(&pages,
	                    exo_pages_for((payload->manifest->files.n + 1) * sizeof(*members))) < 0)
		init_give_up("no memory for %u files", payload->manifest->files.n);
	members = pages.address;
	find_members(payload->manifest, payload->base, size, members);
	payload->members = members;
}
