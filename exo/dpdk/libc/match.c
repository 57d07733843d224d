/* SPDX-License-Identifier: BSD-2-Clause */
/* fnmatch with * and ?, which is what names of log types are matched with. */
#include <fnmatch.h>
#include <stddef.h>

int fnmatch(const char *pattern, const char *name, int flags)
{
	const char *star = NULL, *resume = NULL;

	while (*name != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			resume = name;
		} else if (*pattern == '?' || *pattern == *name) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star; /* let the last star take one byte more */
			name = ++resume;
		} else {
			return FNM_NOMATCH;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0' ? 0 : FNM_NOMATCH;
}
