/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a binary manifest (exo/manifest.h). exo_manifest_check validates everything once; the
 * accessors below then index without further checks. Builds on the host too.
 */
#ifndef LIBEXO_MANIFEST_H
#define LIBEXO_MANIFEST_H

#include <stddef.h>

#include <exo/manifest.h>

enum {
	EXO_MANIFEST_ERROR_MAX = 160, /* bytes of a reason, with its NUL */
};

/*
 * Checks `size` untrusted bytes. `data` is 8-byte aligned and nobody else changes it. 0, or
 * -EXO_EINVAL with the reason in `error`, which names the entry: "environment 2 (echo): image 9,
 * but there are 4 files". What was accepted: every offset, index and range lies inside; strings are
 * NUL-terminated; names have the lengths that the start page has room for; terms and relocations
 * are well-formed, and a relocation's term is as wide as it says.
 */
int exo_manifest_check(const void *data, size_t size, char error[EXO_MANIFEST_ERROR_MAX]);

/* The digest of a member's bytes, as struct exo_manifest_file holds it. */
uint64_t exo_manifest_digest(const void *data, size_t size);

static inline const char *exo_manifest_string(const struct exo_manifest *m, uint32_t string)
{
	return (const char *)m + m->strings.offset + string;
}

static inline const struct exo_manifest_file *exo_manifest_files(const struct exo_manifest *m)
{
	return (const struct exo_manifest_file *)((const char *)m + m->files.offset);
}

static inline const struct exo_manifest_env *exo_manifest_envs(const struct exo_manifest *m)
{
	return (const struct exo_manifest_env *)((const char *)m + m->envs.offset);
}

static inline const struct exo_manifest_flow *exo_manifest_flows(const struct exo_manifest *m)
{
	return (const struct exo_manifest_flow *)((const char *)m + m->flows.offset);
}

static inline const struct flt_conjunction *exo_manifest_conjunctions(const struct exo_manifest *m)
{
	return (const struct flt_conjunction *)((const char *)m + m->conjunctions.offset);
}

static inline const struct exo_manifest_relocation *exo_manifest_relocations(
        const struct exo_manifest *m)
{
	return (const struct exo_manifest_relocation *)((const char *)m + m->relocations.offset);
}

#endif
