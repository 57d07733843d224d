/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A group is tried by joining it in a mode that af_packet never uses: where it exists the kernel
 * refuses, and else it is gone again with the socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "packet_group.h"

enum { TRIES = 32 };

static volatile sig_atomic_t child;

static bool is_taken(const char *interface)
{
	unsigned index = if_nametoindex(interface);
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
	                              .sll_protocol = htons(ETH_P_ALL),
	                              .sll_ifindex = (int)index};
	int group = (int)(((unsigned)getpid() ^ index) & 0xffff) | PACKET_FANOUT_LB << 16;
	int probe = index ? socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) : -1;

	if (probe < 0)
		return false; /* opening the port will say why */
	bool taken = !bind(probe, (struct sockaddr *)&address, sizeof(address)) &&
	             setsockopt(probe, SOL_PACKET, PACKET_FANOUT, &group, sizeof(group)) != 0 &&
	             errno == EINVAL;
	(void)close(probe);
	return taken;
}

static bool any_taken(const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (names[i] && !strchr(names[i], ':') && is_taken(names[i]))
			return true;
	return false;
}

/* A terminal's Ctrl-C reaches both; what another process sent came to the parent alone. */
static void pass_on(int number, siginfo_t *info, void *context)
{
	if (info->si_code != SI_KERNEL)
		(void)kill(child, number);
}

static _Noreturn void end_as_child(void)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		(void)signal(WTERMSIG(status), SIG_DFL);
		(void)raise(WTERMSIG(status));
	}
	_exit(WEXITSTATUS(status));
}

void packet_group_settle(const char *const *names, unsigned n)
{
	struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO};

	for (int i = 0; i < TRIES && any_taken(names, n); i++) {
		pid_t parent = getpid(), made = fork();
		if (made < 0)
			return;
		if (made > 0) {
			child = made;
			(void)sigaction(SIGINT, &action, NULL);
			(void)sigaction(SIGTERM, &action, NULL);
			end_as_child();
		}
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(1);
	}
}
