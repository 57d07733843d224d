/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The environment: the server on exo rings. Content of the payload, and of a disk (shelf.h), that
 * is a media object is a title; "page.html" is the page. An argument `channel=TITLE@GROUP:PORT`
 * sends a title to a multicast group for ever; `live=NAME@[GROUP]:PORT` makes a title of the
 * transport stream that arrives there.
 */
#include <libexo/lib.h>
#include <libexo/mailbox.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <tcp/exo.h>

#include "express.h"
#include "server/server.h"
#include "server/text.h"
#include "shelf.h"

enum {
	RING_SIZE = 1024,
	VIEWERS = 512,
	CONNS = 512,
	CHUNKS = 10 * CONNS, /* two for each packet that waits in a slow viewer's connection */
	RECORDS = 4096,
	ARRIVALS = 1024,    /* requests are short */
	BLOCKS = 4 * CONNS, /* one for each packet that waits in a slow interleaved viewer, too */
	BLOCK_BYTES = 256,  /* as short as such packets' headers and most answers */
	HALF_OPEN = 128,
	TIME_WAITS = 512,
	CHANNEL_TTL = 8,
	LIVE_BYTES = 8 << 20, /* of a live title: half a minute at 2 Mbit/s */
	EXPRESS_SIZE = 4096,
};

static struct tcp_exo net;
static struct video video;
static struct express express;
static struct shelf shelf;

static uint64_t wall(void *context)
{
	return exo_time_wall_ns();
}

static void rescan(void *context)
{
	(void)context;
	shelf_scan(&shelf);
}

static const struct video_ops ops = {.wall = wall,
                                     .send = express_send,
                                     .burst = express_burst,
                                     .flush = express_flush,
                                     .rescan = rescan};

static int open_net(struct video_config *config)
{
	struct tcp_exo_options options = tcp_exo_options_default();

	options.udp.ring_size = RING_SIZE;
	options.tcp.connections = CONNS;
	options.tcp.actives = CONNS;
	options.tcp.chunks = CHUNKS;
	options.tcp.records = RECORDS;
	options.tcp.arrivals = ARRIVALS;
	options.tcp.blocks = BLOCKS;
	options.tcp.block_bytes = BLOCK_BYTES;
	options.tcp.requests = HALF_OPEN;
	options.tcp.time_waits = TIME_WAITS;
	/* A share of all that TCP has, pools included. */
	config->connection_bytes = (uint32_t)(tcp_stack_bytes(&options.tcp) / CONNS);
	return tcp_exo_open(&net, &options);
}

static bool open_server(struct video_config config)
{
	static struct exo_pages memory;
	const struct exo_start_file *page = exo_start_file("page.html");
	const struct exo_start_address *address = exo_start_address(0);
	struct udp_ip own = udp_ip_none();

	if (page != NULL) {
		config.page = (const char *)(uintptr_t)page->address;
		config.page_size = page->size;
	}
	if (address != NULL) {
		own.family = address->family;
		memcpy(own.bytes, address->address, sizeof own.bytes);
	}
	return exo_pages_alloc(&memory, exo_pages_for(video_bytes(&config))) == 0 &&
	       video_open(&video, &config, &ops, &express, &net.glue, &own, memory.address) == 0;
}

static void add_titles(void)
{
	const struct exo_start *start = exo_start_page();

	for (uint32_t i = 0; i < start->n_files && i < EXO_START_FILES_MAX; i++) {
		const struct exo_start_file *file = &start->files[i];
		const char *wrong;

		if (strcmp(file->name, "page.html") == 0)
			continue;
		wrong = video_add_title(&video,
		                        express_adopt(&express, video.n_titles,
		                                      (const void *)(uintptr_t)file->address,
		                                      file->size),
		                        file->size);
		if (wrong != NULL)
			exo_printf("%s is left out: %s\n", file->name, wrong);
	}
}

/* TITLE@GROUP:PORT */
static bool parse_channel(struct text value, uint8_t *title, struct udp_ip *group, uint16_t *port)
{
	struct text name = text_cut(&value, '@'), address = text_cut(&value, ':');
	char text[UDP_IP_TEXT_MAX];
	uint64_t number;

	if (address.size >= sizeof text || !text_number(value, UINT16_MAX - 1, &number))
		return false;
	memcpy(text, address.at, address.size);
	text[address.size] = '\0';
	*port = (uint16_t)number;
	for (*title = 0; *title < video.n_titles; ++*title)
		if (text_is(name, video.titles[*title].title))
			return udp_ip_parse(text, group);
	return false;
}

static bool start_channel(const char *argument)
{
	struct text text = {argument, strlen(argument)}, value;
	struct udp_ip group;
	uint16_t port;
	uint8_t title;

	return text_begins(text, "channel=", &value) &&
	       parse_channel(value, &title, &group, &port) &&
	       video_channel_start(&video, title, &group, port, CHANNEL_TTL) == 0;
}

/* NAME@[GROUP]:PORT */
static const char *start_live(struct text value)
{
	struct text name = text_cut(&value, '@'), address = text_cut(&value, ':');
	char text[UDP_IP_TEXT_MAX], title[MEDIA_TITLE_MAX + 1];
	struct udp_ip group = udp_ip_none();
	uint64_t port;
	void *memory;

	if (address.size >= sizeof text || name.size >= sizeof title ||
	    !text_number(value, UINT16_MAX, &port) || port == 0)
		return "NAME@[GROUP]:PORT is expected";
	memcpy(text, address.at, address.size);
	text[address.size] = '\0';
	memcpy(title, name.at, name.size);
	title[name.size] = '\0';
	if (address.size > 0 && !udp_ip_parse(text, &group))
		return "its group is no address";
	memory = express_reserve(&express, video.n_titles, LIVE_BYTES);
	if (memory == NULL)
		return "there are too few frames for it";
	return video_live_start(&video, title, &group, (uint16_t)port, memory, LIVE_BYTES);
}

static void take_argument(const char *argument)
{
	struct text text = {argument, strlen(argument)}, value;
	const char *wrong = NULL;

	if (text_begins(text, "live=", &value))
		wrong = start_live(value);
	else if (!start_channel(argument))
		wrong = "channel=TITLE@GROUP:PORT, of a title that is there, or "
		        "live=NAME@[GROUP]:PORT is expected";
	if (wrong != NULL)
		exo_printf("%s: %s\n", argument, wrong);
}

static void say_ready(void)
{
	struct exo_mailbox_end end;

	for (uint32_t i = 0; i < video.n_titles; i++)
		exo_printf("title: %s, %u s%s\n", video.titles[i].title,
		           video.titles[i].header->duration_ms / 1000,
		           i < video.n_titles - video.n_lives ? "" : " (live)");
	exo_printf("ready: %u titles by RTSP (port %d) and HTTP (port %d)\n", video.n_titles,
	           VIDEO_RTSP_PORT, VIDEO_HTTP_PORT);
	if (exo_mailbox_open(&end) == 0)
		exo_mailbox_send(&end, EXO_CHANNEL_HELLO, NULL, 0);
}

static _Noreturn void serve(void)
{
	for (;;) {
		uint32_t taken = tcp_exo_poll(&net);
		uint64_t deadline = video_run(&video, exo_time_now_ns()), now;

		/* What the server sent leaves with the wait, or the next poll. */
		taken += udp_exo_turn(&net.driver) + shelf_step(&shelf);
		now = exo_time_now_ns();
		if (taken == 0 && deadline > now)
			tcp_exo_wait(&net, deadline - now);
	}
}

int exo_main(void)
{
	struct video_config config = {.viewers = VIEWERS, .conns = CONNS};
	const char *argument;

	if (open_net(&config) < 0) {
		exo_printf("%s\n", net.driver.error);
		return 1;
	}
	if (express_open(&express, &net.driver, &video, EXPRESS_SIZE) < 0 || !open_server(config)) {
		exo_printf("there is no memory for the server, or its ports are taken\n");
		return 1;
	}
	add_titles();
	shelf_open(&shelf, &video, &express);
	while (shelf_step(&shelf))
		;
	for (unsigned i = 1; (argument = exo_start_arg(i)) != NULL; i++)
		take_argument(argument);
	say_ready();
	serve();
}
