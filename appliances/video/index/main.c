/* SPDX-License-Identifier: BSD-2-Clause */
/* sluice-media FILE OBJECT [TITLE]: see index.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index.h"

static const char usage[] =
        "sluice-media FILE OBJECT [TITLE]\n"
        "\n"
        "Makes of a video file (MP4, MPEG-TS, Matroska, FLV; H.264 and AAC) the object that the\n"
        "video appliance serves: `content` of its manifest. TITLE (letters, digits, dots, dashes,\n"
        "underscores; default: of the file's name) is how viewers ask for it.\n";

/* Of the file's name without its ending, what titles may have. */
static void make_title(char *title, const char *from)
{
	const char *name = strrchr(from, '/') != NULL ? strrchr(from, '/') + 1 : from;
	const char *end = strrchr(name, '.');
	size_t n = end != NULL && end > name ? (size_t)(end - name) : strlen(name);

	if (n > MEDIA_TITLE_MAX)
		n = MEDIA_TITLE_MAX;
	for (size_t i = 0; i < n; i++)
		title[i] = name[i];
	if (n == 0)
		title[n++] = '_';
	for (size_t i = 0; i < n; i++)
		if (!media_title_byte(title[i]))
			title[i] = '_';
	title[n] = '\0';
}

static void load(struct bytes *to, const char *path)
{
	static uint8_t block[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t n;

	if (file == NULL)
		fail("it can't be opened: %s", strerror(errno));
	while ((n = fread(block, 1, sizeof block, file)) > 0)
		bytes_add(to, block, n);
	if (ferror(file))
		fail("it can't be read: %s", strerror(errno));
	(void)fclose(file);
}

static char scratch[PATH_MAX];

static void remove_scratch(void)
{
	(void)unlink(scratch);
}

/* The MP4 that is served: the file itself, or one made of it at `scratch`. */
static void prepare(struct source *source, struct draft *draft, const char *path)
{
	source_open(source, path);
	if (!source_is_mp4(source)) {
		source_remux(source, scratch);
		source_close(source);
		path = scratch;
		source_open(source, path);
	}
	load(&draft->mp4, path);
	source_read(source);
}

static void make(struct draft *draft, const char *path, const char *object)
{
	struct source source = {.format = NULL};
	const char *folder = getenv("TMPDIR"); /* environ(7) */
	int file;

	(void)snprintf(scratch, sizeof(scratch), "%s/sluice-media-XXXXXX",
	               folder != NULL && folder[0] ? folder : "/tmp");
	file = mkstemp(scratch);
	if (file < 0)
		fail("no temporary file %s can be made: %s", scratch, strerror(errno));
	(void)close(file);
	(void)atexit(remove_scratch);
	prepare(&source, draft, path);
	draft->duration_ms = (uint32_t)(source.duration_us / 1000);
	if (draft->duration_ms == 0)
		fail_convert("it lasts less than a millisecond");
	if (source.streams[TRACK_VIDEO] != NULL)
		h264_packets(draft, &source);
	if (source.streams[TRACK_AUDIO] != NULL)
		aac_packets(draft, &source);
	packets_order(draft, MEDIA_ELEMENTARY);
	ts_make(draft, &source);
	packets_order(draft, MEDIA_TRANSPORT);
	sdp_describe(draft, &source);
	object_write(draft, object);
	source_close(&source);
}

static void release(struct draft *draft)
{
	free(draft->mp4.data);
	free(draft->extra.data);
	free(draft->ts.data);
	free(draft->segments.data);
	free(draft->playlist.data);
	for (int i = 0; i < MEDIA_STREAMS; i++) {
		free(draft->packets[i].data);
		free(draft->seeks[i].data);
		free(draft->sdp[i].data);
	}
}

int main(int argc, char **argv)
{
	struct draft draft = {.title = ""};

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc < 3 || argc > 4) {
		fputs(usage, stderr);
		return 2;
	}
	av_log_set_level(AV_LOG_ERROR);
	fail_path = argv[1];
	make_title(draft.title, argc == 4 ? argv[3] : argv[1]);
	if (argc == 4 && strcmp(draft.title, argv[3]) != 0)
		fail("'%s' is no title: letters, digits, dots, dashes and underscores, at most %d",
		     argv[3], MEDIA_TITLE_MAX);
	make(&draft, argv[1], argv[2]);
	release(&draft);
	return 0;
}
