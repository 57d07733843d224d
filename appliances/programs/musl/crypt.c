/* SPDX-License-Identifier: BSD-2-Clause */
/* crypt() for programs that are built with Debian's musl, which has none: no password is right. */
#include "crypt.h"

char *crypt(const char *key, const char *setting)
{
	static char never[] = "*0"; /* what crypt(3) says of a setting that it does not know */

	return never;
}
