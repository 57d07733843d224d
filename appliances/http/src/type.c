/* SPDX-License-Identifier: BSD-2-Clause */
/* Media types by the end of a file's name (IANA's registry). */
#include <http/resource.h>

#include "internal.h"

static const struct {
	const char *end, *type;
} types[] = {
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"json", "application/json"},
        {"xml", "application/xml"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"svg", "image/svg+xml"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"avif", "image/avif"},
        {"ico", "image/vnd.microsoft.icon"},
        {"woff", "font/woff"},
        {"woff2", "font/woff2"},
        {"ttf", "font/ttf"},
        {"otf", "font/otf"},
        {"wasm", "application/wasm"},
        {"pdf", "application/pdf"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
        {"mp3", "audio/mpeg"},
        {"ogg", "audio/ogg"},
        {"mp4", "video/mp4"},
        {"webm", "video/webm"},
        {"ts", "video/mp2t"},
        {"m3u8", "application/vnd.apple.mpegurl"},
        {"sdp", "application/sdp"},
};

const char *http_type_of(const char *name, size_t size)
{
	size_t at = size;

	while (at > 0 && name[at - 1] != '.' && name[at - 1] != '/')
		at--;
	if (at > 0 && name[at - 1] == '.')
		for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++)
			if (http_same_word((struct http_text){name + at, (uint32_t)(size - at)},
			                   types[i].end))
				return types[i].type;
	return "application/octet-stream";
}
