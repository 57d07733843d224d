/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditional requests (RFC 9110, 13) and ranges (14.2): what part of a resource is wanted. */
#include <http/date.h>

#include "answer.h"

/* Weak comparison takes `W/"x"` for `"x"`; strong comparison never. */
static bool tag_is(struct http_text member, const char *etag, bool weak)
{
	if (member.size > 2 && member.data[0] == 'W' && member.data[1] == '/') {
		if (!weak)
			return false;
		member.data += 2;
		member.size -= 2;
	}
	return etag[0] != '\0' && member.size == strlen(etag) &&
	       memcmp(member.data, etag, member.size) == 0;
}

static bool list_has(struct http_text list, const char *etag, bool weak)
{
	struct http_text member;

	if (list.size == 1 && list.data[0] == '*')
		return true; /* there is one */
	while (http_next_member(&list, &member))
		if (tag_is(member, etag, weak))
			return true;
	return false;
}

static bool date_of(const struct http_request *request, enum http_field field, uint64_t *date)
{
	struct http_text text = http_request_field(request, field);

	return text.data != NULL && http_date_parse(text, date);
}

static bool failed_precondition(const struct http_request *request,
                                const struct http_resource *resource)
{
	struct http_text tags = http_request_field(request, HTTP_FIELD_IF_MATCH);
	uint64_t date;

	if (tags.data != NULL)
		return !list_has(tags, resource->etag, false);
	return resource->modified != 0 && date_of(request, HTTP_FIELD_IF_UNMODIFIED_SINCE, &date) &&
	       resource->modified > date;
}

static bool not_modified(const struct http_request *request, const struct http_resource *resource)
{
	struct http_text tags = http_request_field(request, HTTP_FIELD_IF_NONE_MATCH);
	uint64_t date;

	if (tags.data != NULL)
		return list_has(tags, resource->etag, true);
	/* One that was sent and could not be kept whole makes the date count for nothing. */
	if (request->present & 1u << HTTP_FIELD_IF_NONE_MATCH)
		return false;
	return resource->modified != 0 && date_of(request, HTTP_FIELD_IF_MODIFIED_SINCE, &date) &&
	       resource->modified <= date;
}

uint16_t http_condition(const struct http_request *request, const struct http_resource *resource)
{
	if (failed_precondition(request, resource))
		return 412;
	return not_modified(request, resource) ? 304 : 200;
}

/* ---- Ranges ---- */

/* RFC 9110, 13.1.5: the part is of what the client has, or it wants all. */
static bool range_counts(const struct http_request *request, const struct http_resource *resource)
{
	struct http_text value = http_request_field(request, HTTP_FIELD_IF_RANGE);
	uint64_t date;

	if ((request->present & 1u << HTTP_FIELD_IF_RANGE) == 0)
		return true;
	if (value.data == NULL)
		return false;
	if (value.size > 1 && (value.data[0] == '"' || value.data[1] == '/')) /* "x", W/"x" */
		return tag_is(value, resource->etag, false);
	return http_date_parse(value, &date) && resource->modified != 0 &&
	       date == resource->modified;
}

/* first-last, first-, -suffix. false: no range at all. *status: 206 or 416. */
static bool parse_range(struct http_text text, uint32_t size, uint32_t *first, uint32_t *count,
                        uint16_t *status)
{
	uint64_t from = 0, to = UINT64_MAX;
	uint32_t dash = 0;

	while (dash < text.size && text.data[dash] != '-')
		dash++;
	if (dash == text.size || text.size == 1 ||
	    (dash > 0 && !http_parse_decimal((struct http_text){text.data, dash}, &from)) ||
	    (dash + 1 < text.size &&
	     !http_parse_decimal((struct http_text){text.data + dash + 1, text.size - dash - 1},
	                         &to)) ||
	    (dash > 0 && from > to))
		return false;
	if (dash == 0) { /* the last so many bytes */
		from = to < size ? size - to : 0;
		from = to == 0 ? size : from;
		to = UINT64_MAX;
	}
	*status = from < size ? 206 : 416;
	*first = (uint32_t)from;
	*count = (uint32_t)((to < size ? to + 1 : size) - from);
	return true;
}

uint16_t http_range(const struct http_request *request, const struct http_resource *resource,
                    uint32_t *first, uint32_t *size)
{
	struct http_text range = http_request_field(request, HTTP_FIELD_RANGE), member;
	uint16_t status = 200;

	*first = 0;
	*size = resource->size;
	if (range.size <= 6 || request->method != HTTP_METHOD_GET ||
	    !http_same_word((struct http_text){range.data, 6}, "bytes=") ||
	    !range_counts(request, resource))
		return 200;
	range.data += 6;
	range.size -= 6;
	/* Several ranges: a server may send all instead (14.2), which is one part fewer than a
	   multipart body of overlapping ones would be. */
	if (!http_next_member(&range, &member) || range.size != 0 ||
	    !parse_range(member, resource->size, first, size, &status)) {
		*first = 0;
		*size = resource->size;
		return 200;
	}
	return status;
}
