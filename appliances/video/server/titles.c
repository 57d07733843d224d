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

const char *title_name(const struct video *video, const char *name, struct media *media)
{
	size_t size = strlen(name);

	if (video->n_titles == VIDEO_TITLES_MAX)
		return "there are too many titles";
	if (size == 0 || size > MEDIA_TITLE_MAX)
		return "its name is empty or too long";
	for (size_t i = 0; i < size; i++)
		if (!media_title_byte(name[i]))
			return "its name has other than letters, digits, dots, dashes, underscores";
	if (find(video, (struct text){name, size}) >= 0)
		return "another title has the same name";
	memcpy(media->title, name, size + 1);
	return NULL;
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
	if (i >= 0 && relay_of(video, (uint8_t)i) != NULL)
		*stream = MEDIA_TRANSPORT;
	if (i < 0 || media_stream(&video->titles[i], *stream)->n_tracks == 0)
		return false;
	*title = (uint8_t)i;
	return true;
}
