/* SPDX-License-Identifier: BSD-2-Clause */
/* Text in requests and answers: slices of what arrived, which are never NUL-terminated, and answers
 * that are written into a bounded place. */
#ifndef VIDEO_TEXT_H
#define VIDEO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	const char *at;
	size_t size;
};

/* Letters' case does not count. */
bool text_is(struct text text, const char *word);
/* It begins with `word`, whose letters' case does not count; then the rest is *rest. */
bool text_begins(struct text text, const char *word, struct text *rest);
/* What is before the first `separator`; *text becomes what is behind it, empty where there is none.
 */
struct text text_cut(struct text *text, char separator);
/* Without blanks at both ends. */
struct text text_trim(struct text text);
/* A whole decimal number of at most `max`. false: it is none. */
bool text_number(struct text text, uint64_t max, uint64_t *number);
/* A whole number of 1 … 16 hexadecimal digits. */
bool text_hex(struct text text, uint64_t *number);

struct out {
	char *at;
	size_t size, room;
	bool full; /* something did not fit: the answer must not be sent */
};

void out_print(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void out_text(struct out *out, struct text text);

#endif
