/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What C libraries' resolvers read: /etc/resolv.conf with the name servers that the environment was
 * told, hosts with its own name, services, protocols and users with the few that programs ask for.
 * A file
 * of the same name in the payload stands instead.
 */
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "net.h"

enum { TEXT_MOST = 1024 };

static const char services[] = "ftp 21/tcp\nssh 22/tcp\ntelnet 23/tcp\nsmtp 25/tcp\n"
                               "domain 53/tcp\ndomain 53/udp\nbootps 67/udp\nbootpc 68/udp\n"
                               "tftp 69/udp\nhttp 80/tcp\npop3 110/tcp\nntp 123/udp\n"
                               "imap2 143/tcp\nhttps 443/tcp\n";
static const char protocols[] = "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6-icmp 58\n";

static void make_file(uint16_t folder, const char *name, const char *text)
{
	int made;

	if (tree_find(folder, name, strlen(name)) != NONE)
		return;
	made = tree_make(folder, name, strlen(name), NODE_FILE, 0644);
	if (made >= 0)
		tree_write(tree_node((uint16_t)made), text, strlen(text), 0);
}

static int etc_folder(void)
{
	uint16_t found = tree_find(0, "etc", 3);

	return found != NONE ? found : tree_make(0, "etc", 3, NODE_FOLDER, 0755);
}

static void make_resolv(uint16_t folder)
{
	const struct exo_start *start = exo_start_page();
	char text[TEXT_MOST], name[UDP_IP_TEXT_MAX];
	size_t n = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < start->n_name_servers && i < EXO_START_SERVERS_MAX; i++) {
		const struct exo_start_server *server = &start->name_servers[i];
		struct udp_ip ip = {.family = server->family};

		memcpy(ip.bytes, server->address, server->family == 6 ? 16 : 4);
		n += (size_t)exo_snprintf(text + n, sizeof(text) - n, "nameserver %s\n",
		                          udp_ip_format(&ip, name));
	}
	make_file(folder, "resolv.conf", text);
}

static void make_hosts(uint16_t folder)
{
	const struct exo_start_address *address = exo_start_address(0);
	char text[TEXT_MOST], name[UDP_IP_TEXT_MAX];
	struct udp_ip ip = {.family = 0};
	int n = exo_snprintf(text, sizeof(text), "127.0.0.1 localhost\n::1 localhost\n");

	if (address != NULL) {
		ip.family = address->family;
		memcpy(ip.bytes, address->address, address->family == 6 ? 16 : 4);
		exo_snprintf(text + n, sizeof(text) - (size_t)n, "%s %s\n",
		             udp_ip_format(&ip, name), exo_start_page()->name);
	}
	make_file(folder, "hosts", text);
}

void etc_init(void)
{
	int folder = etc_folder();

	if (folder < 0)
		return;
	make_resolv((uint16_t)folder);
	make_hosts((uint16_t)folder);
	make_file((uint16_t)folder, "services", services);
	make_file((uint16_t)folder, "protocols", protocols);
	make_file((uint16_t)folder, "passwd",
	          "root:x:0:0:root:/:/\nnobody:x:65534:65534:nobody:/:/\n");
	make_file((uint16_t)folder, "group", "root:x:0:\nnogroup:x:65534:\n");
}
