/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table behind isdigit and its kind in code that was compiled against glibc's <ctype.h>: 384
 * entries from -128 on, in the "C" locale.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>

static bool within(int c, int first, int last)
{
	return c >= first && c <= last;
}

static unsigned short classes_of(int c)
{
	bool upper = within(c, 'A', 'Z'), lower = within(c, 'a', 'z'), digit = within(c, '0', '9');
	bool graph = within(c, '!', '~'), space = c == ' ' || within(c, '\t', '\r');
	unsigned classes = 0;

	classes |= upper ? _ISupper : 0;
	classes |= lower ? _ISlower : 0;
	classes |= upper || lower ? _ISalpha : 0;
	classes |= digit ? _ISdigit : 0;
	classes |= digit || within(c, 'A', 'F') || within(c, 'a', 'f') ? _ISxdigit : 0;
	classes |= space ? _ISspace : 0;
	classes |= graph || c == ' ' ? _ISprint : 0;
	classes |= graph ? _ISgraph : 0;
	classes |= c == ' ' || c == '\t' ? _ISblank : 0;
	classes |= within(c, 0, 31) || c == 127 ? _IScntrl : 0;
	classes |= graph && !upper && !lower && !digit ? _ISpunct : 0;
	classes |= upper || lower || digit ? _ISalnum : 0;
	return (unsigned short)classes;
}

const unsigned short **__ctype_b_loc(void)
{
	static unsigned short table[384];
	static const unsigned short *middle;

	if (middle == NULL) {
		for (int c = -128; c < 256; c++)
			table[c + 128] = c < 128 ? classes_of(c) : 0;
		middle = table + 128;
	}
	return &middle;
}
