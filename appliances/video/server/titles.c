/* SPDX-License-Identifier: BSD-2-Clause */
/* The titles: added once, found by name. */
#include <string.h>

#include "internal.h"

static int find(const struct video *video, struct text name)
{
	for (uint32_t i = 0; i < video->n_titles; i++)
		if (strlen(video->titles[i].title) == name.size &&
		    memcmp(video->titles[i].title, name.at, name.size) == 0)
			return (int)i;
	return -1;
}

const char *video_add_title(struct video *video, const void *object, uint64_t size)
{
	struct media *media = &video->titles[video->n_titles];
	const char *wrong;

	if (video->n_titles == VIDEO_TITLES_MAX)
		return "there are too many titles";
	wrong = media_open(media, object, size);
	if (wrong != NULL)
		return wrong;
	if (find(video, (struct text){media->title, strlen(media->title)}) >= 0)
		return "another title has the same name";
	video->n_titles++;
	return NULL;
}

bool title_find(const struct video *video, struct text name, uint8_t *title, uint8_t *stream)
{
	int i = find(video, name);

	*stream = MEDIA_ELEMENTARY;
	if (i < 0 && name.size > 3 && memcmp(name.at + name.size - 3, ".ts", 3) == 0) {
		i = find(video, (struct text){name.at, name.size - 3});
		*stream = MEDIA_TRANSPORT;
	}
	if (i < 0 || media_stream(&video->titles[i], *stream)->n_tracks == 0)
		return false;
	*title = (uint8_t)i;
	return true;
}
