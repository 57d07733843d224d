/* SPDX-License-Identifier: BSD-2-Clause */
/* String functions of ISO C, POSIX and (strlcpy, strlcat) BSD that the archives reference. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t strlcpy(char *to, const char *from, size_t size);
size_t strlcat(char *to, const char *from, size_t size);

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end != '\0')
		end++;
	return (size_t)(end - s);
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0')
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	for (; *a != '\0' && *a == *b; a++, b++)
		;
	return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t max)
{
	for (; max > 0; max--, a++, b++)
		if (*a != *b || *a == '\0')
			return (unsigned char)*a - (unsigned char)*b;
	return 0;
}

static int fold(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

int strcasecmp(const char *a, const char *b)
{
	for (; *a != '\0' && fold(*a) == fold(*b); a++, b++)
		;
	return fold(*a) - fold(*b);
}

int strncasecmp(const char *a, const char *b, size_t max)
{
	for (; max > 0; max--, a++, b++)
		if (fold(*a) != fold(*b) || *a == '\0')
			return fold(*a) - fold(*b);
	return 0;
}

char *strcpy(char *restrict to, const char *restrict from)
{
	memcpy(to, from, strlen(from) + 1);
	return to;
}

char *strncpy(char *restrict to, const char *restrict from, size_t size)
{
	size_t n = strnlen(from, size);

	memcpy(to, from, n);
	memset(to + n, 0, size - n);
	return to;
}

char *strcat(char *restrict to, const char *restrict from)
{
	strcpy(to + strlen(to), from);
	return to;
}

char *strncat(char *restrict to, const char *restrict from, size_t max)
{
	size_t n = strnlen(from, max);
	char *end = to + strlen(to);

	memcpy(end, from, n);
	end[n] = '\0';
	return to;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
	size_t n = strlen(from);

	if (size > 0) {
		size_t fit = n < size ? n : size - 1;

		memcpy(to, from, fit);
		to[fit] = '\0';
	}
	return n;
}

size_t strlcat(char *to, const char *from, size_t size)
{
	size_t have = strnlen(to, size);

	return have + strlcpy(to + have, from, size - have);
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (*s == '\0')
			return NULL;
	return (char *)s;
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	do {
		if (*s == (char)c)
			last = s;
	} while (*s++ != '\0');
	return (char *)last;
}

char *strstr(const char *s, const char *what)
{
	size_t n = strlen(what);

	for (; strncmp(s, what, n) != 0; s++)
		if (*s == '\0')
			return NULL;
	return (char *)s;
}

size_t strspn(const char *s, const char *accept)
{
	size_t n = 0;

	while (s[n] != '\0' && strchr(accept, s[n]) != NULL)
		n++;
	return n;
}

size_t strcspn(const char *s, const char *reject)
{
	size_t n = 0;

	while (s[n] != '\0' && strchr(reject, s[n]) == NULL)
		n++;
	return n;
}

char *strtok_r(char *restrict s, const char *restrict separators, char **restrict state)
{
	char *token = s != NULL ? s : *state;

	token += strspn(token, separators);
	if (*token == '\0') {
		*state = token;
		return NULL;
	}
	s = token + strcspn(token, separators);
	if (*s != '\0')
		*s++ = '\0';
	*state = s;
	return token;
}

char *strtok(char *restrict s, const char *restrict separators)
{
	static char *state;

	return strtok_r(s, separators, &state);
}

char *strndup(const char *s, size_t max)
{
	size_t n = strnlen(s, max);
	char *copy = malloc(n + 1);

	if (copy != NULL) {
		memcpy(copy, s, n);
		copy[n] = '\0';
	}
	return copy;
}

char *strdup(const char *s)
{
	return strndup(s, strlen(s));
}

/* POSIX' basename: may cut slashes off the end of `path`. */
char *__xpg_basename(char *path)
{
	static char dot[] = ".";
	size_t n;
	char *slash;

	if (path == NULL || *path == '\0')
		return dot;
	for (n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	slash = strrchr(path, '/');
	return slash == NULL || slash[1] == '\0' ? path : slash + 1;
}
