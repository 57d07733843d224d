/* SPDX-License-Identifier: BSD-2-Clause */
/* The policies appliance: its roles, and the files that the first one hands on to the others. */
#ifndef POLICIES_H
#define POLICIES_H

#include <stdint.h>

enum { BUNDLE_FILES = 8, APPLICATIONS = 2, SLOTS_OF_ONE = 4 };

/* What the network environment shows its children: a table, then the files' bytes. */
struct bundle {
	uint32_t n, reserved;
	struct bundle_file {
		char name[24];
		uint32_t offset, size; /* from the table's begin */
	} files[BUNDLE_FILES];
};

/* NULL: there is none of that name. */
const struct bundle_file *bundle_find(const struct bundle *bundle, const char *name);

/* The roles; each returns the environment's status. */
int policies_network(void);
int policies_application(void);
int policies_strand(void);

/* Says what failed, for people. → result */
int policies_failed(const char *what, int result, const char *why);
/* An argument that is a number in hexadecimal. */
uint64_t policies_number(unsigned argument);

#endif
