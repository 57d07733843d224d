/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages for people; see index.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "index.h"

const char *fail_path = "";

static void say(const char *format, va_list args)
{
	fprintf(stderr, "sluice-media: %s: ", fail_path);
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	exit(1);
}

void fail_convert(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	fprintf(stderr,
	        "  this makes one that can be carried:\n"
	        "  ffmpeg -i '%s' -c:v libx264 -pix_fmt yuv420p -g 50 -c:a aac -ac 2 "
	        "-movflags +faststart converted.mp4\n",
	        fail_path);
	exit(1);
}

const char *fail_av(int error)
{
	static char text[AV_ERROR_MAX_STRING_SIZE];

	return av_make_error_string(text, sizeof text, error);
}
