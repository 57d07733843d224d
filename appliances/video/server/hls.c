/* SPDX-License-Identifier: BSD-2-Clause */
/* A title as a live stream that goes round for ever (RFC 8216, 6.2.2): a window of segments that
 * moves with the server's clock. Nothing is kept: what the playlist says follows from the time
 * alone. */
#include "internal.h"

enum { WINDOW = 4 };

/* The segment in which `ms` of the title lies. */
static uint32_t segment_at(const struct media *media, uint32_t ms)
{
	const struct media_segment *segments = media_segments(media);
	uint32_t low = 0, high = media->header->n_segments;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (segments[middle].start_ms <= ms)
			low = middle;
		else
			high = middle;
	}
	return low;
}

void hls_live(const struct video *video, uint8_t title, struct out *out)
{
	const struct media *media = &video->titles[title];
	const struct media_segment *segments = media_segments(media);
	uint64_t ms = (video->now - video->began) / NS_PER_MS, n = media->header->n_segments;
	uint64_t round = ms / media->header->duration_ms;
	/* The newest segment is one that has been "on air" to its end. */
	uint64_t newest =
	        (round + 1) * n + segment_at(media, (uint32_t)(ms % media->header->duration_ms));
	uint64_t oldest = newest - (newest < WINDOW ? newest : WINDOW);

	out_print(out,
	          "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%u\n"
	          "#EXT-X-MEDIA-SEQUENCE:%llu\n#EXT-X-DISCONTINUITY-SEQUENCE:%llu\n",
	          media->header->target_s, (unsigned long long)oldest,
	          (unsigned long long)((oldest + n - 1) / n));
	for (uint64_t i = oldest; i < newest; i++) {
		const struct media_segment *segment = &segments[i % n];

		out_print(out, "%s#EXTINF:%u.%03u,\n%llu.ts\n",
		          i % n == 0 ? "#EXT-X-DISCONTINUITY\n" : "", segment->duration_ms / 1000,
		          segment->duration_ms % 1000, (unsigned long long)(i % n));
	}
}
