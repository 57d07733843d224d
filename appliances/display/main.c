/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The environment: a part of the screen, a port, and what arrives there as uncompressed video over
 * RTP drawn into the part. Arguments are those of the stream's description (RFC 4175, 6):
 *
 *     display port=5004 width=320 height=240 [sampling=YCbCr-4:2:2] [depth=8] [colorimetry=BT601-5]
 *
 * The picture's corner is the part's; what is larger the kernel clips.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/mailbox.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <udp/exo.h>
#include <udp/socket.h>

#include "receiver.h"

enum {
	RING_SIZE = 1024, /* a picture comes in one burst */
	NS_PER_MS = 1000000,
	RTP_PORT = 5004,
};

#define SILENCE_NS ((uint64_t)RECEIVER_SILENCE_MS * NS_PER_MS)

struct options {
	uint32_t port, width, height, depth;
	const char *sampling, *colorimetry;
};

static struct udp_exo driver;
static struct exo_pages memory; /* of the picture */
static struct picture picture;
static const struct exo_cap *screen;

/* As many lines at a time as one call takes. */
static void show(void *context)
{
	uint32_t lines = EXO_BLIT_PIXELS_MAX / picture.width;

	(void)context;
	for (uint32_t y = 0; y < picture.height; y += lines) {
		struct exo_blit block = {
		        .screen = *screen,
		        .y = (int32_t)y,
		        .width = picture.width,
		        .height = picture.height - y < lines ? picture.height - y : lines,
		        .source = exo_pages_physical(&memory,
		                                     picture.pixels + (size_t)y * picture.width),
		        .pitch = picture.width * 4,
		};

		(void)exo_screen_blit(&block);
	}
}

static struct receiver receiver = {.picture = &picture, .show = show};

static uint64_t now_ms(void)
{
	return exo_time_now_ns() / NS_PER_MS;
}

static void on_datagram(struct udp_socket *socket, struct udp_datagram *datagram)
{
	uint64_t before = receiver.count.pictures;

	receiver_input(&receiver, datagram->data, datagram->size, now_ms());
	if (before == 0 && receiver.count.pictures > 0) {
		char text[UDP_IP_TEXT_MAX];

		exo_printf("shows %s\n", udp_ip_format(&datagram->from.ip, text));
	}
	(void)socket;
}

static void say_silent(void)
{
	const struct receiver_counters *count = &receiver.count;

	exo_printf("silent after %llu pictures in %llu packets; %llu lost, %llu late, %llu "
	           "malformed, %llu from other sources\n",
	           (unsigned long long)count->pictures, (unsigned long long)count->packets,
	           (unsigned long long)count->lost, (unsigned long long)count->late,
	           (unsigned long long)count->malformed, (unsigned long long)count->foreign);
	receiver.count = (struct receiver_counters){0};
}

/* ---- Start ---- */

/* The argument's value where it is `name`=…; NULL: it is another. */
static const char *value_of(const char *argument, const char *name)
{
	size_t size = strlen(name);

	return strncmp(argument, name, size) == 0 && argument[size] == '=' ? argument + size + 1
	                                                                   : NULL;
}

static bool take_number(const char *argument, const char *name, uint32_t *number)
{
	const char *at = value_of(argument, name);

	if (at == NULL || *at == '\0')
		return false;
	for (*number = 0; *at >= '0' && *at <= '9' && *number <= UINT16_MAX; at++)
		*number = *number * 10 + (uint32_t)(*at - '0');
	return *at == '\0' && *number <= UINT16_MAX;
}

static bool take_text(const char *argument, const char *name, const char **text)
{
	const char *value = value_of(argument, name);

	if (value != NULL)
		*text = value;
	return value != NULL;
}

static bool read_options(struct options *options)
{
	const char *argument;

	for (unsigned i = 1; (argument = exo_start_arg(i)) != NULL; i++)
		if (!take_number(argument, "port", &options->port) &&
		    !take_number(argument, "width", &options->width) &&
		    !take_number(argument, "height", &options->height) &&
		    !take_number(argument, "depth", &options->depth) &&
		    !take_text(argument, "sampling", &options->sampling) &&
		    !take_text(argument, "colorimetry", &options->colorimetry)) {
			exo_printf("%s: port=, width=, height=, depth= with a number, sampling= or "
			           "colorimetry= is expected\n",
			           argument);
			return false;
		}
	return true;
}

static bool open_picture(const struct options *options)
{
	uint64_t bytes = (uint64_t)options->width * options->height * 4;

	picture.sampling = picture_sampling(options->sampling, options->depth);
	picture.matrix = picture_matrix(options->colorimetry);
	picture.width = options->width;
	picture.height = options->height;
	if (picture.sampling == NULL || picture.matrix == NULL ||
	    !picture_fits(picture.sampling, picture.width, picture.height)) {
		exo_printf("%ux%u of %s, depth %u, %s can't be shown: %ux%u at most, of "
		           "YCbCr-4:2:2 (8, 10), YCbCr-4:2:0, RGB, BGR (8); BT601-5, BT709-2\n",
		           options->width, options->height, options->sampling, options->depth,
		           options->colorimetry, PICTURE_WIDTH_MAX, PICTURE_HEIGHT_MAX);
		return false;
	}
	if (exo_pages_alloc(&memory, exo_pages_for(bytes)) != 0) {
		exo_printf("there are no %u frames in one piece for the picture\n",
		           exo_pages_for(bytes));
		return false;
	}
	picture.pixels = memory.address;
	return true;
}

static bool open_net(struct udp_socket *socket)
{
	struct udp_exo_options options = udp_exo_options_default();

	options.config.roles = UDP_ROLE_LEARN;
	options.ring_size = RING_SIZE;
	if (udp_exo_open(&driver, &options) < 0)
		exo_printf("%s\n", driver.error);
	else if (udp_socket_open(driver.stack, socket) != 0)
		exo_printf("port %u is taken\n", socket->local.port);
	else
		return true;
	return false;
}

static void say_ready(const struct options *options)
{
	struct exo_mailbox_end end;

	exo_printf("ready: %ux%u of %s, depth %u, at UDP port %u\n", options->width,
	           options->height, options->sampling, options->depth, options->port);
	if (exo_mailbox_open(&end) == 0)
		exo_mailbox_send(&end, EXO_CHANNEL_HELLO, NULL, 0);
}

int exo_main(void)
{
	struct options options = {
	        .port = RTP_PORT, .depth = 8, .sampling = "YCbCr-4:2:2", .colorimetry = "BT601-5"};
	static struct udp_socket socket = {.receive = on_datagram};

	screen = exo_start_cap(EXO_USE_SCREEN);
	if (screen == NULL) {
		exo_printf("it has no part of the screen: the manifest's `screen` is missing\n");
		return 1;
	}
	if (!read_options(&options) || !open_picture(&options))
		return 1;
	socket.local.port = (uint16_t)options.port;
	if (!open_net(&socket))
		return 1;
	say_ready(&options);
	for (;;) {
		if (udp_exo_poll(&driver) == 0)
			udp_exo_wait(&driver, receiver.listens ? SILENCE_NS : 0);
		if (receiver_silent(&receiver, now_ms()))
			say_silent();
	}
}
