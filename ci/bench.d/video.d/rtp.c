/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A Linux peer of the video server, in its simplest fast form: the same object's transport stream
 * from memory, at the same times, to N viewers by sendmmsg; or, with segmentation offload
 * (UDP_SEGMENT), four packets of a viewer in one message. No RTSP: `rtp OBJECT ADDRESS N mmsg|gso`.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../../appliances/video/media/media.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { VIEWERS_MAX = 512, TOGETHER = 4, HEADER = 12, FIRST_PORT = 20000, WHOLE = 1316 };

static struct mmsghdr messages[VIEWERS_MAX];
static struct iovec vectors[VIEWERS_MAX][2 * TOGETHER];
static unsigned char headers[VIEWERS_MAX][TOGETHER][HEADER];
static struct sockaddr_in viewers[VIEWERS_MAX];
static char control[VIEWERS_MAX][CMSG_SPACE(sizeof(unsigned short))];
static unsigned short sequence;

static void *load(const char *path, struct media *media)
{
	int file = open(path, O_RDONLY);
	struct stat about;
	void *bytes;
	const char *wrong;

	if (file < 0 || fstat(file, &about) != 0)
		exit(1);
	bytes = malloc((size_t)about.st_size);
	if (bytes == NULL || read(file, bytes, (size_t)about.st_size) != about.st_size)
		exit(1);
	wrong = media_open(media, bytes, (uint64_t)about.st_size);
	if (wrong != NULL) {
		fprintf(stderr, "%s\n", wrong);
		exit(1);
	}
	return bytes;
}

static void offer_segments(struct msghdr *message, char *room)
{
	struct cmsghdr *c;

	message->msg_control = room;
	message->msg_controllen = CMSG_SPACE(sizeof(unsigned short));
	c = CMSG_FIRSTHDR(message);
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(unsigned short));
	*(unsigned short *)CMSG_DATA(c) = HEADER + WHOLE;
}

static void prepare(int n, const char *address, bool gso)
{
	for (int i = 0; i < n; i++) {
		struct msghdr *message = &messages[i].msg_hdr;

		viewers[i].sin_family = AF_INET;
		viewers[i].sin_port = htons((unsigned short)(FIRST_PORT + 2 * i));
		viewers[i].sin_addr.s_addr = inet_addr(address);
		message->msg_name = &viewers[i];
		message->msg_namelen = sizeof viewers[i];
		message->msg_iov = vectors[i];
		if (gso)
			offer_segments(message, control[i]);
		for (int k = 0; k < TOGETHER; k++) {
			headers[i][k][0] = 0x80;
			headers[i][k][1] = 33;
			headers[i][k][11] = (unsigned char)i;
			vectors[i][2 * k].iov_base = headers[i][k];
			vectors[i][2 * k].iov_len = HEADER;
		}
	}
}

static void put(int n, int k, const struct media *media, const struct media_packet *packet,
                unsigned timestamp)
{
	unsigned short s = htons(sequence++);
	unsigned t = htonl(packet->timestamp + timestamp);

	for (int i = 0; i < n; i++) {
		memcpy(headers[i][k] + 2, &s, 2);
		memcpy(headers[i][k] + 4, &t, 4);
		vectors[i][2 * k + 1].iov_base = (void *)(media->bytes + packet->offset);
		vectors[i][2 * k + 1].iov_len = packet->size;
	}
}

static void flush(int socket, int n, int k)
{
	int sent = 0;

	for (int i = 0; i < n; i++)
		messages[i].msg_hdr.msg_iovlen = (size_t)(2 * k);
	while (sent < n) {
		int result = sendmmsg(socket, messages + sent, (unsigned)(n - sent), 0);

		if (result < 0) {
			perror("sendmmsg");
			exit(1);
		}
		sent += result;
	}
}

int main(int argc, char **argv)
{
	bool gso = argc > 4 && strcmp(argv[4], "gso") == 0;
	int n = argc > 4 ? atoi(argv[3]) : 0, s = socket(AF_INET, SOCK_DGRAM, 0), k = 0;
	int buffer = 8 << 20;
	const struct media_packet *packets;
	struct media media;
	struct timespec begin;

	if (n < 1 || n > VIEWERS_MAX || s < 0)
		return 1;
	(void)setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
	load(argv[1], &media);
	prepare(n, argv[2], gso);
	packets = media_packets(&media, MEDIA_TRANSPORT);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	puts("rtp: sending");
	fflush(stdout);
	for (unsigned long long round = 0;; round++) {
		unsigned long long from = round * media.header->duration_ms;

		for (unsigned i = 0; i < media_stream(&media, MEDIA_TRANSPORT)->n_packets; i++) {
			unsigned long long ns = (from + packets[i].due_ms) * 1000000ull +
			                        (unsigned long long)begin.tv_nsec;
			struct timespec due = {begin.tv_sec + (long)(ns / 1000000000),
			                       (long)(ns % 1000000000)};

			put(n, k++, &media, &packets[i], (unsigned)from * 90);
			if (gso && k < TOGETHER && packets[i].size == WHOLE)
				continue;
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
			flush(s, n, k);
			k = 0;
		}
	}
}
