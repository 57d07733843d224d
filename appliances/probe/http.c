/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the console has shown so far, as a page: `/` for people, `/probe.txt` for programs. An
 * environment of its own, which starts when there is an address: the report itself needs none.
 */
#include <exo/fact.h>
#include <http/server.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/mailbox.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <tcp/exo.h>

enum {
	HTTP_PORT = 80,
	CONNECTIONS = 16,
	PAGES = 4, /* at once in flight; more askers share the newest */
	PAGE_BYTES =
	        112 << 10, /* the kernel keeps 16 KiB of the console; escaped, six times that */
};

struct page {
	struct http_resource resource;
	unsigned users;
	uint32_t size;
	char text[PAGE_BYTES];
};

static struct tcp_exo net;
static struct http_server server;
static struct page pages[PAGES];
static unsigned newest;

/* ---- Pages ---- */

static void add(struct page *page, const char *text, size_t size)
{
	if (size > sizeof(page->text) - page->size)
		return;
	memcpy(page->text + page->size, text, size);
	page->size += (uint32_t)size;
}

static void add_text(struct page *page, const char *text)
{
	add(page, text, strlen(text));
}

static void add_escaped(struct page *page, char c)
{
	if (c == '&')
		add_text(page, "&amp;");
	else if (c == '<')
		add_text(page, "&lt;");
	else if (c == '\n' || (unsigned char)c >= ' ')
		add(page, &c, 1);
}

static void add_console(struct page *page, bool escaped)
{
	const struct exo_cap *machine = exo_start_cap(EXO_USE_MACHINE);
	static struct exo_fact fact;
	uint64_t from = 0;

	while (machine != NULL && exo_fact(machine, EXO_FACT_CONSOLE, from, &fact) == 0 &&
	       fact.size != 0) {
		for (uint64_t i = 0; i < fact.size; i++)
			if (escaped)
				add_escaped(page, fact.text[i]);
			else
				add(page, &fact.text[i], 1);
		from = fact.base + fact.size;
	}
}

static void fill(struct page *page, bool plain)
{
	page->size = 0;
	if (!plain)
		add_text(page, "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">"
		               "<title>Sluice probe</title></head><body><h1>What this machine "
		               "is</h1><p><a href=\"/probe.txt\">as text</a></p><pre>\n");
	add_console(page, !plain);
	if (!plain)
		add_text(page, "</pre></body></html>\n");
	page->resource.data = page->text;
	page->resource.size = page->size;
	page->resource.type = plain ? "text/plain; charset=utf-8" : "text/html; charset=utf-8";
}

static void release(void *context, const void *data, uint32_t size)
{
	struct page *page = context;

	page->users--;
}

static const struct http_resource *find(void *context, const struct http_request *request)
{
	bool plain = request->path_size == 10 && memcmp(request->path, "/probe.txt", 10) == 0;

	if (!plain && request->path_size != 1)
		return NULL;
	for (unsigned i = 0; i < PAGES; i++)
		if (pages[i].users == 0) {
			newest = i;
			fill(&pages[i], plain);
			break;
		}
	pages[newest].users++;
	pages[newest].resource.release = release;
	pages[newest].resource.context = &pages[newest];
	pages[newest].resource.caching = "no-store";
	return &pages[newest].resource;
}

/* ---- The server ---- */

static int complain(const char *what)
{
	exo_printf("no page by HTTP: %s\n", what);
	return 1;
}

static int open_server(void)
{
	struct http_server_config config = http_server_config_default();
	struct exo_pages memory;
	size_t size;

	config.connections = CONNECTIONS;
	config.find = find;
	size = http_server_bytes(&config);
	if (exo_pages_alloc(&memory, exo_pages_for(size)) < 0 ||
	    http_server_open(&server, &config, memory.address, size) != 0)
		return complain("no memory for connections");
	return 0;
}

static int open_net(void)
{
	struct tcp_exo_options options = tcp_exo_options_default();

	options.udp.ring_size = 64;
	options.tcp.connections = options.tcp.actives = options.tcp.requests = CONNECTIONS;
	options.tcp.time_waits = 4 * CONNECTIONS;
	options.tcp.arrivals = 32;
	if (tcp_exo_open(&net, &options) < 0)
		return complain(net.driver.error);
	if (http_server_listen(&server, net.stack, &(struct udp_endpoint){.port = HTTP_PORT}) != 0)
		return complain("cannot listen");
	return 0;
}

static void say_ready(void)
{
	struct exo_mailbox_end end;

	exo_printf("this report by HTTP: port %u of this machine's address\n", HTTP_PORT);
	if (exo_mailbox_open(&end) == 0)
		exo_mailbox_send(&end, EXO_CHANNEL_HELLO, NULL, 0);
}

int exo_main(void)
{
	if (open_server() != 0 || open_net() != 0)
		return 1;
	say_ready();
	for (;;) {
		uint64_t due = http_server_run(&server, exo_time_now_ns(), 0);

		if (tcp_exo_poll(&net) > 0)
			continue;
		if (net.driver.deadline < due)
			due = net.driver.deadline;
		exo_wait(due == UINT64_MAX ? 0 : exo_info()->tsc_boot + exo_time_ticks(due));
	}
}
