/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the filter tests share.
 */
#include "common.h"

#include <dirent.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state = 88172645463325252ull;

void test_random_seed(uint64_t seed)
{
	random_state = seed * 2654435761u + 88172645463325252ull;
}

uint32_t test_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static void add_frame(struct test_frames *all, const struct pcap_pkthdr *header,
                      const uint8_t *bytes)
{
	if (!(all->n & (all->n - 1)))
		all->frames =
		        realloc(all->frames, (all->n ? 2 * all->n : 1) * sizeof(*all->frames));
	uint8_t *copy = malloc(header->caplen + 1);
	if (!all->frames || !copy)
		abort();
	memcpy(copy, bytes, header->caplen);
	all->frames[all->n++] =
	        (struct flt_frame){.data = copy, .len = header->caplen, .wire_len = header->len};
}

static void read_capture(struct test_frames *all, const char *path)
{
	char reason[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	pcap_t *pcap = pcap_open_offline(path, reason);
	if (!pcap)
		return;
	while (pcap_datalink(pcap) == DLT_EN10MB && pcap_next_ex(pcap, &header, &bytes) == 1)
		add_frame(all, header, bytes);
	pcap_close(pcap);
}

const struct test_frames *test_captures(void)
{
	static struct test_frames all;
	const char *folder = getenv("SLUICE_TRACES");
	DIR *dir = opendir(folder ? folder : TEST_SOURCE_ROOT "/../shared/pcaps");
	char path[1024];
	if (!dir || all.n)
		return &all;
	for (struct dirent *file; (file = readdir(dir));) {
		snprintf(path, sizeof(path), "%s/%s",
		         folder ? folder : TEST_SOURCE_ROOT "/../shared/pcaps", file->d_name);
		if (strstr(file->d_name, ".pcap"))
			read_capture(&all, path);
	}
	closedir(dir);
	return &all;
}

uint32_t test_libpcap(const struct flt_expression *expression, const struct flt_frame *frame)
{
	return bpf_filter((const struct bpf_insn *)expression->insns, frame->data, frame->wire_len,
	                  frame->len);
}

const char *const test_expressions[] = {
        "",
        "ip",
        "ip6",
        "arp",
        "rarp",
        "tcp",
        "udp",
        "icmp",
        "icmp6",
        "igmp",
        "sctp",
        "tcp port 80",
        "udp port 53",
        "port 53",
        "port 443",
        "not port 443",
        "src port 80",
        "dst port 80",
        "tcp dst port 443",
        "udp dst portrange 1000-2000",
        "portrange 1024-65535",
        "tcp portrange 5000-6000",
        "src portrange 0-1023",
        "host 10.0.0.1",
        "net 192.168.0.0/16",
        "src net 10.0.0.0/8",
        "dst net 172.16.0.0/12",
        "net 10.0.0.0/8 or net 192.168.0.0/16",
        "not net 192.168.0.0/16",
        "host 10.0.0.1 and port 80",
        "src host 192.168.1.1 and dst port 53",
        "ip6 host fe80::1",
        "ip6 net fe80::/10",
        "ip6 and udp port 5353",
        "ip6 multicast",
        "ip multicast",
        "ether broadcast",
        "ether multicast",
        "ether host 00:11:22:33:44:55",
        "ether src 00:11:22:33:44:55",
        "ether proto 0x800",
        "ether[0] & 1 != 0",
        "vlan",
        "vlan and ip",
        "vlan and tcp port 80",
        "vlan 10",
        "mpls",
        "pppoes",
        "tcp[tcpflags] & tcp-syn != 0",
        "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
        "tcp[tcpflags] == tcp-syn",
        "tcp[13] & 2 != 0 and not port 22",
        "tcp[12] >> 4 > 5",
        "tcp[12:1] & 0xf0 > 0x50",
        "ip[0] & 0xf != 5",
        "ip[0] & 0xf > 5",
        "ip[6:2] & 0x1fff != 0",
        "ip[6] & 0x20 != 0",
        "ip[8] < 64",
        "ip[8] >= 64 and ip[8] <= 128",
        "ip[2:2] > 576",
        "ip[2:2] = ip[4:2]",
        "ip[9] + 1 = 18",
        "len > 100",
        "greater 1000",
        "less 64",
        "len = 60",
        "len >= 60 and len <= 1514",
        "tcp port 80 and len > 500",
        "ip proto 50 or ip proto 51",
        "ip proto 47",
        "udp[4:2] > 100",
        "udp[8:4] = 0x12345678",
        "icmp[icmptype] = icmp-echo",
        "icmp[icmptype] = icmp-echo or icmp[icmptype] = icmp-echoreply",
        "icmp6[0] = 135",
        "tcp and not port 80 and not port 443",
        "not (tcp port 80 or tcp port 443 or udp port 53)",
        "not ip",
        "not arp and not ip6",
        "tcp or udp",
        "(tcp or udp) and port 53",
        "(tcp port 80 or tcp port 8080) and net 192.168.0.0/16",
        "port 25 or port 110 or port 143 or port 993",
        "tcp dst port 22 or tcp dst port 23 or tcp dst port 80 or tcp dst port 443",
        "host 192.168.1.1 and host 192.168.1.2",
        "src or dst net 10.1.0.0/16",
        "src and dst net 192.168.0.0/16",
        "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
        "ip[12:4] & 0xffffff00 = 0xc0a80100",
        "ip[16:4] > 0xe0000000",
        "ether[12:2] > 1500",
        "ether[12:2] <= 1500",
        "stp",
        "udp and (dst port 5004 or dst port 5006) and multicast",
        "geneve",
        "tcp src port 443 and tcp[13] & 18 = 18",
        "host 10.0.0.1 or host 10.0.0.2 or host 10.0.0.3 or host 10.0.0.4",
        "port 1 or port 2 or port 3 or port 4 or port 5 or port 6 or port 7 or port 8",
        NULL,
};
