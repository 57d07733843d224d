/* SPDX-License-Identifier: BSD-2-Clause */
/* Characters by class, and small texts. */
#include "internal.h"

#define T (CHAR_TOKEN | CHAR_VALUE | CHAR_TARGET)
#define D (T | CHAR_DIGIT)
#define V (CHAR_VALUE | CHAR_TARGET)

/* Token: RFC 9110, 5.6.2. Value: visible, space, tab, obs-text (5.5). Target: visible ASCII, which
 * is more than RFC 3986 allows and nothing that could end it. */
const uint8_t http_char_class[256] = {
        ['\t'] = CHAR_VALUE, [' '] = CHAR_VALUE, ['!'] = T,         ['"'] = V,
        ['#' ... '\''] = T,  ['(' ... ')'] = V,  ['*' ... '+'] = T, [','] = V,
        ['-' ... '.'] = T,   ['/'] = V,          ['0' ... '9'] = D, [':' ... '@'] = V,
        ['A' ... 'Z'] = T,   ['[' ... ']'] = V,  ['^' ... 'z'] = T, ['{'] = V,
        ['|'] = T,           ['}'] = V,          ['~'] = T,         [0x80 ... 0xff] = CHAR_VALUE,
};

int http_hex_digit(uint8_t c)
{
	if (is_class(c, CHAR_DIGIT))
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_parse_decimal(struct http_text text, uint64_t *value)
{
	*value = 0;
	if (text.size == 0 || text.size > 18)
		return false;
	for (uint32_t i = 0; i < text.size; i++) {
		if (!is_class((uint8_t)text.data[i], CHAR_DIGIT))
			return false;
		*value = *value * 10 + (uint64_t)(text.data[i] - '0');
	}
	return true;
}

bool http_same_word(struct http_text text, const char *word)
{
	if (strlen(word) != text.size)
		return false;
	for (uint32_t i = 0; i < text.size; i++)
		if (lower((uint8_t)text.data[i]) != (uint8_t)word[i])
			return false;
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

struct http_text http_trim(struct http_text text)
{
	while (text.size > 0 && is_space(text.data[0])) {
		text.data++;
		text.size--;
	}
	while (text.size > 0 && is_space(text.data[text.size - 1]))
		text.size--;
	return text;
}

/* A comma inside a quoted string parts nothing. */
static uint32_t member_size(const struct http_text *list)
{
	bool quoted = false;
	uint32_t i = 0;

	while (i < list->size && (quoted || list->data[i] != ',')) {
		if (list->data[i] == '"')
			quoted = !quoted;
		i++;
	}
	return i;
}

bool http_next_member(struct http_text *list, struct http_text *member)
{
	while (list->size > 0) {
		uint32_t size = member_size(list);
		uint32_t step = size < list->size ? size + 1 : size;

		*member = http_trim((struct http_text){list->data, size});
		list->data += step;
		list->size -= step;
		if (member->size > 0) /* empty ones do not count (RFC 9110, 5.6.1) */
			return true;
	}
	return false;
}

void http_line_add(struct http_line *line, const char *data, size_t size)
{
	if (size > line->room - line->size) {
		line->cut = true;
		return;
	}
	memcpy(line->data + line->size, data, size);
	line->size += (uint32_t)size;
}

void http_line_text(struct http_line *line, const char *text)
{
	http_line_add(line, text, strlen(text));
}

void http_line_number(struct http_line *line, uint64_t value, unsigned digits)
{
	char text[20];
	unsigned n = 0;

	do {
		text[sizeof text - ++n] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0 || n < digits);
	http_line_add(line, text + sizeof text - n, n);
}
