/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text manifest after reading: names resolved, defaults filled in, limits checked. config.c
 * makes it, manifest.c writes it out. Nothing of it is ever freed: the builder ends soon after.
 *
 * Everything that can be wrong with a manifest is reported by refuse(), which names file and line
 * and ends the program with status 1.
 */
#ifndef BOOT_MODEL_H
#define BOOT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where in the text something was said. */
struct place {
	const char *file;
	unsigned line;
};

enum {
	MODEL_ENV_NAME_MAX = 31,  /* struct exo_start.name, without its NUL */
	MODEL_FLOW_NAME_MAX = 23, /* struct exo_start_cap.name */
	MODEL_FILE_NAME_MAX = 63, /* struct exo_start_file.name */
	MODEL_ARGS_MAX = 2048,    /* bytes of struct exo_start.args */
	MODEL_NONE = -1,          /* index of a file where there is none */
};

/* A member of the payload. */
struct model_file {
	const char *name; /* in the archive */
	const void *data;
	size_t size;
};

struct model_flow {
	struct place place;
	const char *name;
	const char *receive, *transmit; /* expressions; NULL: none */
	struct place receive_place, transmit_place;
	bool host, tap, sent, count, share, standby, function, unprotected;
	int32_t priority;
	uint32_t address;
	int family; /* 4 or 6 */
	uint32_t ports;
	int program; /* index in files of an eBPF object, or MODEL_NONE */
};

struct model_env {
	struct place place;
	const char *name;
	int image, program; /* indices in files; program may be MODEL_NONE */
	uint32_t flags;     /* enum exo_manifest_env_flags */
	uint32_t frames, slots, core, sender, addresses;
	uint64_t disk_first;
	uint32_t disk_sectors; /* 0: none */
	uint16_t screen[4];    /* x, y, width, height; all 0: none */
	uint32_t argc;
	char *args; /* argc texts, one after another */
	size_t args_size;
	int *content; /* indices in files */
	size_t n_content;
	struct model_flow *flows;
	size_t n_flows;
};

struct model {
	const char *name;
	bool power_off;
	uint32_t control_port; /* ~0: none */
	uint32_t merges;       /* bit set of ports */
	int init;              /* index in files: always 0 */
	struct model_file *files;
	size_t n_files;
	struct model_env *envs;
	size_t n_envs;
};

_Noreturn void refuse(struct place place, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/*
 * The index of the member of that name, read from the file that path leads to: beside the manifest
 * (place.file), or in one of the search folders. The same file under the same name is one member;
 * another file under a name that is taken is refused.
 */
int model_add_file(struct model *model, struct place place, const char *name, const char *path);

/* The same of what `program`, which is looked for likewise, makes of the file when it is called
 * with three arguments: the file, where to write, and the member's name without its ending. */
int model_prepare_file(struct model *model, struct place place, const char *name, const char *path,
                       const char *program);

/* The same with bytes that are at hand; they are kept by reference. */
int model_add_bytes(struct model *model, struct place place, const char *name, const void *data,
                    size_t size);

/* Folders where files are looked for; and the files that were read, for make. */
void model_search(const char *folder);
const char *const *model_dependencies(size_t *n);

/* Reads the text manifest. `with`: a second one, NULL: none, whose environments come first and
 * whose control_port counts where it has one. */
void model_read(struct model *model, const char *path, const char *with);

#endif
