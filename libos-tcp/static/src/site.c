/* SPDX-License-Identifier: BSD-2-Clause */
/* Making answers: texts, order, checksums. */
#include <string.h>

#include <static/site.h>
#include <udp/checksum.h>

enum { HEAD_MAX = 192, FILE_MAX = 1 << 30, TYPE_MAX = 64 };

static const struct {
	const char *status, *field;
	bool close;
} errors[STATIC_ERRORS] = {
        [STATIC_BAD_REQUEST] = {"400 Bad Request", "", true},
        [STATIC_NOT_FOUND] = {"404 Not Found", "", false},
        [STATIC_NOT_ALLOWED] = {"405 Method Not Allowed", "Allow: GET, HEAD\r\n", true},
        [STATIC_TOO_LARGE] = {"413 Content Too Large", "", true},
        [STATIC_HEAD_TOO_LARGE] = {"431 Request Header Fields Too Large", "", true},
        [STATIC_NOT_IMPLEMENTED] = {"501 Not Implemented", "", true},
        [STATIC_BAD_VERSION] = {"505 HTTP Version Not Supported", "", true},
};

/* ---- Memory: answers, then checksums, then paths, then bytes ---- */

struct arena {
	uint8_t *at, *end;
};

static void *take(struct arena *arena, size_t size)
{
	uint8_t *at = arena->at;

	size = (size + 7) & ~(size_t)7;
	if ((size_t)(arena->end - at) < size)
		return NULL;
	arena->at += size;
	return at;
}

static size_t answer_bytes(size_t body, size_t path)
{
	size_t size = HEAD_MAX + body;

	return sizeof(struct static_answer) + (size + 7) + (path + 8) +
	       udp_sums_count((uint32_t)size) * sizeof(uint16_t) + 8;
}

static bool sound(const struct static_file *file)
{
	size_t length = strlen(file->path);

	if (file->path[0] != '/' || length > STATIC_PATH_MAX || file->size > FILE_MAX ||
	    strlen(file->type) > TYPE_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (file->path[i] <= ' ' || file->path[i] == '?' || file->path[i] == 0x7f)
			return false;
	return true;
}

size_t static_site_bytes(const struct static_file *files, uint32_t n)
{
	size_t bytes = 0;

	if (n > STATIC_FILES_MAX)
		return 0;
	for (unsigned i = 0; i < STATIC_ERRORS; i++)
		bytes += answer_bytes(HEAD_MAX, 0);
	for (uint32_t i = 0; i < n; i++) {
		if (!sound(&files[i]))
			return 0;
		bytes += answer_bytes(files[i].size, strlen(files[i].path));
	}
	return bytes;
}

/* ---- Texts ---- */

static char *put(char *to, const char *text)
{
	while (*text != 0)
		*to++ = *text++;
	return to;
}

static char *put_number(char *to, uint32_t value)
{
	char digits[10];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	while (n > 0)
		*to++ = digits[--n];
	return to;
}

static uint32_t put_head(char *to, const char *status, const char *field, const char *type,
                         uint32_t size)
{
	char *at = put(to, "HTTP/1.1 ");

	at = put(put(at, status), "\r\nServer: Sluice\r\nContent-Type: ");
	at = put(put(at, type), "\r\nContent-Length: ");
	at = put(put(put_number(at, size), "\r\n"), field);
	return (uint32_t)(put(at, "\r\n") - to);
}

/* ---- Answers ---- */

static bool make_sums(struct arena *arena, struct static_answer *answer)
{
	answer->sums = take(arena, udp_sums_count(answer->size) * sizeof *answer->sums);
	if (answer->sums == NULL)
		return false;
	udp_sums_make(answer->sums, answer->bytes, answer->size);
	return true;
}

static bool make(struct arena *arena, struct static_answer *answer, const char *status,
                 const char *field, const struct static_file *file)
{
	char head[HEAD_MAX];
	uint32_t size = put_head(head, status, field, file->type, file->size);
	size_t length = strlen(file->path) + 1;
	uint8_t *bytes = take(arena, (size_t)size + file->size);
	char *path = take(arena, length);

	if (bytes == NULL || path == NULL)
		return false;
	memcpy(bytes, head, size);
	if (file->size > 0)
		memcpy(bytes + size, file->data, file->size);
	memcpy(path, file->path, length);
	*answer = (struct static_answer){
	        .bytes = bytes, .size = size + file->size, .head = size, .path = path};
	return make_sums(arena, answer);
}

static bool make_error(struct arena *arena, struct static_answer *answer, unsigned i)
{
	char text[HEAD_MAX], field[HEAD_MAX];
	struct static_file file = {.path = "", .type = "text/plain", .data = text};

	file.size = (uint32_t)(put(put(text, errors[i].status), "\n") - text);
	*put(put(field, errors[i].field), errors[i].close ? "Connection: close\r\n" : "") = 0;
	if (!make(arena, answer, errors[i].status, field, &file))
		return false;
	answer->close = errors[i].close;
	return true;
}

/* Sorts by path, in place: heapsort needs neither memory nor luck. */
static void sift(struct static_answer *answers, uint32_t root, uint32_t n)
{
	for (;;) {
		uint32_t child = 2 * root + 1;
		struct static_answer swap;

		if (child >= n)
			return;
		if (child + 1 < n && strcmp(answers[child].path, answers[child + 1].path) < 0)
			child++;
		if (strcmp(answers[root].path, answers[child].path) >= 0)
			return;
		swap = answers[root];
		answers[root] = answers[child];
		answers[child] = swap;
		root = child;
	}
}

static void sort(struct static_answer *answers, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		sift(answers, i, n);
	for (uint32_t end = n; end-- > 1;) {
		struct static_answer swap = answers[0];

		answers[0] = answers[end];
		answers[end] = swap;
		sift(answers, 0, end);
	}
}

int static_site_open(struct static_site *site, const struct static_file *files, uint32_t n,
                     void *memory, size_t size)
{
	struct arena arena = {memory, (uint8_t *)memory + size};
	struct static_answer *answers;
	size_t need = static_site_bytes(files, n);

	if (need == 0 || size < need)
		return -1;
	answers = take(&arena, (STATIC_ERRORS + n) * sizeof *answers);
	for (unsigned i = 0; i < STATIC_ERRORS; i++)
		if (!make_error(&arena, &answers[i], i))
			return -1;
	for (uint32_t i = 0; i < n; i++)
		if (!make(&arena, &answers[STATIC_ERRORS + i], "200 OK", "", &files[i]))
			return -1;
	sort(answers + STATIC_ERRORS, n);
	for (uint32_t i = STATIC_ERRORS + 1; i < STATIC_ERRORS + n; i++)
		if (strcmp(answers[i - 1].path, answers[i].path) == 0)
			return -1;
	*site = (struct static_site){answers, STATIC_ERRORS + n};
	return 0;
}

int static_site_replace(struct static_site *site, const char *path, const void *data, uint32_t size)
{
	for (uint32_t i = STATIC_ERRORS; i < site->n; i++) {
		struct static_answer *answer = &site->answers[i];

		if (strcmp(answer->path, path) != 0)
			continue;
		if (answer->size - answer->head != size)
			return -1;
		memcpy(answer->bytes + answer->head, data, size);
		udp_sums_make(answer->sums, answer->bytes, answer->size);
		return 0;
	}
	return -1;
}

/* ---- Sums ---- */

uint64_t static_answer_sum(const struct static_answer *answer, uint32_t from, uint32_t size)
{
	return udp_sums_between(udp_sums_to(answer->sums, answer->bytes, from),
	                        udp_sums_to(answer->sums, answer->bytes, from + size), from);
}
