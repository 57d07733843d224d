/* SPDX-License-Identifier: BSD-2-Clause */
/* The automaton of request.h: one step for each byte. */
#include <string.h>

#include "request.h"

enum state {
	METHOD, /* the request line, after any empty lines */
	SCHEME, /* of a target in absolute form: up to its path */
	PATH,
	QUERY,
	VERSION,
	LINE_END, /* behind CR of the request line */
	LINE,     /* the beginning of a line */
	NAME,
	VALUE,
	REST,  /* of a line that matters no more */
	LAST,  /* CR of an empty line */
	WRONG, /* asked.answer says why */
};

/* Sets of up to eight texts: bit i for the i-th. */
static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
static const char *const names[] = {"host", "connection", "content-length", "transfer-encoding"};
static const char *const words[] = {"close", "keep-alive"};
static const char version[] = "HTTP/1.";
static const char scheme[] = "http://";

enum { METHODS = sizeof methods / sizeof *methods, NAMES = sizeof names / sizeof *names };
enum { GET = 1 << 0, HEAD = 1 << 1 };
enum { HOST = 1 << 0, CONNECTION = 1 << 1, CONTENT_LENGTH = 1 << 2, TRANSFER_ENCODING = 1 << 3 };
enum { CLOSE = 1 << 0, KEEP_ALIVE = 1 << 1 };

/* What remains of a set when its texts have to go on with `c`; 0 as `c`: have to end. */
static uint8_t narrow(uint8_t set, const char *const *texts, unsigned n, unsigned at, uint8_t c)
{
	uint8_t left = 0;

	for (unsigned i = 0; i < n; i++)
		if ((set >> i & 1) != 0 && (uint8_t)texts[i][at] == c)
			left |= (uint8_t)(1u << i);
	return left;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

void static_request_reset(struct static_request *request, const struct static_site *site)
{
	*request = (struct static_request){.state = METHOD,
	                                   .method = (1u << METHODS) - 1,
	                                   .low = STATIC_ERRORS,
	                                   .high = (uint16_t)site->n};
}

/* ---- The request line ---- */

/* `low` carries the answer of a request that went wrong. */
static void go_wrong(struct static_request *request, enum static_error_answer why)
{
	request->state = WRONG;
	request->low = why;
}

static void take_method(struct static_request *request, uint8_t c)
{
	if (request->at == 0 && (c == '\r' || c == '\n'))
		return; /* RFC 9112, 2.2: empty lines in front are ignored */
	request->method = narrow(request->method, methods, METHODS, request->at, c == ' ' ? 0 : c);
	if (request->method == 0) {
		go_wrong(request,
		         c > ' ' && c < 0x7f ? STATIC_NOT_IMPLEMENTED : STATIC_BAD_REQUEST);
		return;
	}
	request->at++;
	if (c != ' ')
		return;
	request->at = 0;
	request->state = PATH;
	if ((request->method & (GET | HEAD)) == 0)
		go_wrong(request, STATIC_NOT_ALLOWED);
}

/* Narrows [low, high) to the paths that have `c` at the place where the request has. */
static void narrow_paths(struct static_request *request, const struct static_site *site, uint8_t c)
{
	uint32_t at = request->path;
	uint16_t low = request->low, high = request->high, limit;

	for (limit = high; low < limit;) {
		uint16_t middle = (uint16_t)((low + limit) / 2);

		if ((uint8_t)site->answers[middle].path[at] < c)
			low = (uint16_t)(middle + 1);
		else
			limit = middle;
	}
	for (uint16_t from = low; from < high;) {
		uint16_t middle = (uint16_t)((from + high) / 2);

		if ((uint8_t)site->answers[middle].path[at] <= c)
			from = (uint16_t)(middle + 1);
		else
			high = middle;
	}
	request->low = low;
	request->high = high;
}

/* The target has ended: is it a path of ours? The shortest of a range comes first. */
static void settle_path(struct static_request *request, const struct static_site *site)
{
	if (request->path == 0) {
		go_wrong(request, STATIC_BAD_REQUEST);
		return;
	}
	if (request->low >= request->high || site->answers[request->low].path[request->path] != 0)
		request->low = STATIC_NOT_FOUND;
	request->at = 0;
}

static void take_path(struct static_request *request, const struct static_site *site, uint8_t c)
{
	if (c == ' ' || c == '?') {
		settle_path(request, site);
		if (request->state == PATH)
			request->state = c == ' ' ? VERSION : QUERY;
		return;
	}
	if (request->path == 0 && lower(c) == 'h')
		request->state = SCHEME;
	else if (c < ' ' || c == 0x7f || (request->path == 0 && c != '/'))
		go_wrong(request, STATIC_BAD_REQUEST);
	if (request->state == SCHEME)
		request->at = 1;
	if (request->state != PATH)
		return;
	if (request->low < request->high)
		narrow_paths(request, site, c);
	request->path++;
}

/* RFC 9112, 3.2.2: a server accepts the absolute form, too. There is a host; the path may be empty
 * (RFC 9110, 4.2). */
static void take_scheme(struct static_request *request, const struct static_site *site, uint8_t c)
{
	bool end = c == '/' || c == '?' || c == ' ';

	if (request->at < sizeof scheme - 1) {
		if (lower(c) != (uint8_t)scheme[request->at++])
			go_wrong(request, STATIC_BAD_REQUEST);
	} else if (c < ' ' || c == 0x7f || (end && request->at < sizeof scheme)) {
		go_wrong(request, STATIC_BAD_REQUEST);
	} else if (end) {
		request->state = PATH;
		take_path(request, site, '/');
		if (c != '/')
			take_path(request, site, c);
	} else {
		request->at = sizeof scheme;
	}
}

static void take_query(struct static_request *request, uint8_t c)
{
	if (c == ' ')
		request->state = VERSION;
	else if (c < ' ' || c == 0x7f)
		go_wrong(request, STATIC_BAD_REQUEST);
}

static void take_version(struct static_request *request, uint8_t c)
{
	unsigned at = request->at++;

	if (at < sizeof version - 1) {
		if (c != (uint8_t)version[at])
			go_wrong(request, at < 5 ? STATIC_BAD_REQUEST : STATIC_BAD_VERSION);
	} else if (at == sizeof version - 1 && c >= '0' && c <= '9') {
		request->minor = c != '0';
	} else if (at == sizeof version && c == '\r') {
		request->state = LINE_END;
	} else if (at == sizeof version && c == '\n') {
		request->state = LINE;
	} else {
		go_wrong(request, STATIC_BAD_REQUEST);
	}
}

/* ---- Fields ---- */

static void take_name(struct static_request *request, uint8_t c)
{
	if (c <= ' ' || c >= 0x7f) {
		go_wrong(request, STATIC_BAD_REQUEST);
		return;
	}
	if (c != ':') {
		request->names = narrow(request->names, names, NAMES, request->at, lower(c));
		request->at += request->names != 0;
		return;
	}
	request->names = narrow(request->names, names, NAMES, request->at, 0);
	if ((request->names & HOST) != 0 && request->host) {
		go_wrong(request, STATIC_BAD_REQUEST); /* RFC 9112, 3.2 */
		return;
	}
	request->host |= (request->names & HOST) != 0;
	request->body |= (request->names & TRANSFER_ENCODING) != 0;
	request->state =
	        (request->names & (HOST | CONNECTION | CONTENT_LENGTH)) != 0 ? VALUE : REST;
	request->words = CLOSE | KEEP_ALIVE;
	request->length = false;
	request->at = 0;
}

static void end_word(struct static_request *request)
{
	uint8_t word = request->at == 0 ? 0 : narrow(request->words, words, 2, request->at, 0);

	request->close |= word == CLOSE;
	request->keep |= word == KEEP_ALIVE;
	request->words = CLOSE | KEEP_ALIVE;
	request->at = 0;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void take_option(struct static_request *request, uint8_t c)
{
	if (c == '\n' || c == ',' || is_space(c)) {
		end_word(request);
	} else {
		request->words = narrow(request->words, words, 2, request->at, lower(c));
		request->at = request->words == 0 ? 1 : (uint8_t)(request->at + 1);
	}
}

/* Space may stand around a value, not in it; `at` says how far it is. */
enum { BEFORE = 0, INSIDE, BEHIND };

static bool goes_on(struct static_request *request)
{
	bool inside = request->at != BEHIND;

	request->at = INSIDE;
	return inside;
}

/* RFC 9112, 6.3: numbers, and nothing that another one reads as a number. */
static void take_length(struct static_request *request, uint8_t c)
{
	bool digit = c >= '0' && c <= '9';

	request->body |= digit && c != '0';
	request->length |= digit;
	if (is_space(c))
		request->at = request->at == INSIDE ? BEHIND : request->at;
	else if (c == ',')
		request->at = BEFORE;
	else if (c == '\n' ? !request->length : !digit || !goes_on(request))
		go_wrong(request, STATIC_BAD_REQUEST);
}

static bool ends_host(uint8_t c)
{
	static const char ends[] = "/?#@\\,\"<>";
	unsigned i = 0;

	while (ends[i] != 0 && (uint8_t)ends[i] != c)
		i++;
	return c < ' ' || c >= 0x7f || ends[i] != 0;
}

/* RFC 9112, 3.2. */
static void take_host(struct static_request *request, uint8_t c)
{
	if (is_space(c))
		request->at = request->at == INSIDE ? BEHIND : request->at;
	else if (c != '\n' && (ends_host(c) || !goes_on(request)))
		go_wrong(request, STATIC_BAD_REQUEST);
}

static void take_value(struct static_request *request, uint8_t c)
{
	if ((request->names & CONTENT_LENGTH) != 0)
		take_length(request, c);
	else if ((request->names & HOST) != 0)
		take_host(request, c);
	else
		take_option(request, c);
	if (c == '\n' && request->state == VALUE)
		request->state = LINE;
}

static void take_line(struct static_request *request, uint8_t c)
{
	if (c == '\r') {
		request->state = LAST;
	} else if (c == ' ' || c == '\t' || c == ':') {
		go_wrong(request, STATIC_BAD_REQUEST); /* RFC 9112, 5.2: folded lines */
	} else {
		request->state = NAME;
		request->names = (1u << NAMES) - 1;
		request->at = 0;
		take_name(request, c);
	}
}

/* ---- All together ---- */

static void finish(const struct static_request *request, const struct static_site *site,
                   struct static_asked *asked)
{
	bool stays = !request->close && (request->minor || request->keep); /* RFC 9112, 9.3 */
	uint16_t answer = request->low;

	if (request->state != WRONG && request->minor && !request->host)
		answer = STATIC_BAD_REQUEST;
	else if (request->state != WRONG && request->body)
		answer = STATIC_TOO_LARGE;
	*asked = (struct static_asked){.answer = answer,
	                               .head = request->method == HEAD,
	                               .close = !stays || site->answers[answer].close};
}

/* NUL ends texts here, and stands in none that comes. */
static void step(struct static_request *request, const struct static_site *site, uint8_t c)
{
	if (c == 0) {
		go_wrong(request, STATIC_BAD_REQUEST);
		return;
	}
	switch ((enum state)request->state) {
	case METHOD:
		take_method(request, c);
		break;
	case SCHEME:
		take_scheme(request, site, c);
		break;
	case PATH:
		take_path(request, site, c);
		break;
	case QUERY:
		take_query(request, c);
		break;
	case VERSION:
		take_version(request, c);
		break;
	case LINE_END: /* RFC 9112, 2.2 */
		if (c == '\n')
			request->state = LINE;
		else
			go_wrong(request, STATIC_BAD_REQUEST);
		break;
	case LINE:
		take_line(request, c);
		break;
	case NAME:
		take_name(request, c);
		break;
	case VALUE:
		take_value(request, c);
		break;
	case REST:
		if (c == '\n')
			request->state = LINE;
		break;
	case LAST:
		go_wrong(request, STATIC_BAD_REQUEST);
		break;
	case WRONG:
		break;
	}
}

/* Most bytes belong to fields that do not matter: to the end of the line at once. */
static uint32_t skip_line(const uint8_t *bytes, uint32_t size)
{
	uint32_t n = 0;

	while (n < size && bytes[n] != '\n')
		n++;
	return n;
}

uint32_t static_request_take(struct static_request *request, const struct static_site *site,
                             const uint8_t *bytes, uint32_t size, bool *done,
                             struct static_asked *asked)
{
	uint32_t used = 0;

	*done = false;
	while (used < size && !*done) {
		uint8_t c;

		if (request->state == REST)
			used += skip_line(bytes + used, size - used);
		if (used == size)
			break;
		c = bytes[used++];
		if ((request->state == LINE || request->state == LAST) && c == '\n')
			*done = true;
		else
			step(request, site, c);
		*done |= request->state == WRONG;
	}
	if (!*done && request->size + used > STATIC_REQUEST_MAX) {
		go_wrong(request, STATIC_HEAD_TOO_LARGE);
		*done = true;
	}
	request->size = (uint16_t)(request->size + used);
	if (*done)
		finish(request, site, asked);
	return used;
}

/* Where a request that begins so is kept; NULL: too short to tell. */
static struct static_known *place_of(struct static_memory *memory, const uint8_t *bytes,
                                     uint32_t size)
{
	uint64_t words[4];

	if (size < sizeof words)
		return NULL;
	memcpy(words, bytes, sizeof words);
	words[0] = (words[0] ^ words[1] << 1 ^ words[2] << 2 ^ words[3] << 3) * 0x9e3779b97f4a7c15;
	return &memory->places[words[0] >> 32 & (STATIC_KNOWN - 1)];
}

uint32_t static_request_recall(struct static_request *request, struct static_memory *memory,
                               const struct static_site *site, const uint8_t *bytes, uint32_t size,
                               bool *done, struct static_asked *asked)
{
	struct static_known *place = request->size == 0 ? place_of(memory, bytes, size) : NULL;
	uint32_t used;

	if (place != NULL && place->size != 0 && place->size <= size &&
	    memcmp(place->bytes, bytes, place->size) == 0) {
		*asked = place->asked;
		*done = true;
		return place->size;
	}
	used = static_request_take(request, site, bytes, size, done, asked);
	if (place != NULL && *done && used <= STATIC_KNOWN_BYTES) {
		memcpy(place->bytes, bytes, used);
		place->size = (uint16_t)used;
		place->asked = *asked;
		place->told = false;
		memory->untold++;
	}
	return used;
}
