/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests from anybody: taken apart, and every header with a grammar of its own. */
#include <stdlib.h>

#include "../server/headers.h"
#include "../server/request.h"

static void look_at(const struct request *request)
{
	struct transport transport;
	struct npt_range npt;
	struct text value;

	if (request_header(request, "Transport", &value))
		(void)transport_parse(value, &transport);
	if (request_header(request, "Range", &value)) {
		if (npt_parse(value, &npt) && npt.has_from && npt.has_to &&
		    npt.from_ms >= npt.to_ms)
			abort();
	}
	value = request_path(request->target);
	if (value.size > 0 && value.at[0] != '/')
		abort();
	(void)request_authority(request->target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request request;
	struct text text = {(const char *)data, size};
	struct transport transport;
	struct npt_range npt;
	int n = request_parse(&request, (const char *)data, size);

	if (n > 0) {
		if ((size_t)n > size)
			abort();
		look_at(&request);
	}
	(void)transport_parse(text, &transport);
	(void)npt_parse(text, &npt);
	return 0;
}
