/* SPDX-License-Identifier: BSD-2-Clause */
/* UDP echo on port 7, the program of the Linux guest. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7)};
	int server = socket(AF_INET, SOCK_DGRAM, 0);
	static char bytes[2048];

	if (server < 0 || bind(server, (struct sockaddr *)&address, sizeof address))
		return 1;
	puts("echo: ready");
	fflush(stdout);
	for (;;) {
		struct sockaddr_in from;
		socklen_t size = sizeof from;
		ssize_t n =
		        recvfrom(server, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);

		if (n >= 0)
			(void)sendto(server, bytes, (size_t)n, 0, (struct sockaddr *)&from, size);
	}
}
