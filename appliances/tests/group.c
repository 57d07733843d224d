/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hears a multicast group as any Linux program would: `group ADDRESS PORT N` prints the first N
 * datagrams.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int join(const char *address, const char *port)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	struct ip_mreq group = {.imr_interface.s_addr = htonl(INADDR_ANY)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	any.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (fd < 0 || inet_pton(AF_INET, address, &group.imr_multiaddr) != 1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	int fd = argc == 4 ? join(argv[1], argv[2]) : -1;
	char text[128];

	if (fd < 0) {
		perror("group");
		return 1;
	}
	printf("joined\n");
	for (long n = strtol(argv[3], NULL, 10); n > 0; n--) {
		ssize_t size = recv(fd, text, sizeof(text) - 1, 0);

		if (size < 0) {
			perror("group");
			return 1;
		}
		text[size] = '\0';
		printf("heard %s\n", text);
	}
	return 0;
}
