/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's options for an environment of Sluice: no threads, no sockets (the raw interface), IPv4
 * with ARP, ICMP, UDP and TCP, memory in fixed pools. lwIP's opt.h describes each.
 */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET          0
#define LWIP_NETCONN         0
#define LWIP_TIMERS          1

#define LWIP_IPV4     1
#define LWIP_IPV6     0
#define LWIP_ARP      1
#define LWIP_ICMP     1
#define LWIP_UDP      1
#define LWIP_TCP      1
#define LWIP_RAW      0
#define LWIP_DHCP     0
#define LWIP_DNS      0
#define LWIP_IGMP     0
#define IP_REASSEMBLY 1
#define IP_FRAG       1
#define IP_FORWARD    0

/* A flood of fragments holds at most half of the pool. */
#define IP_REASS_MAX_PBUFS            32
#define MEMP_NUM_REASSDATA            8
#define MEM_ALIGNMENT                 16
#define MEM_SIZE                      (512 * 1024)
#define PBUF_POOL_SIZE                512
#define PBUF_POOL_BUFSIZE             1536
#define ARP_TABLE_SIZE                64
#define ARP_QUEUEING                  0
#define ETHARP_SUPPORT_STATIC_ENTRIES 1

/* As good as lwIP can: scaled windows, full segments, selective acknowledgements, room for what
 * Ethernet's MTU carries. */
#define TCP_MSS                 1460
#define LWIP_WND_SCALE          1
#define TCP_RCV_SCALE           2
#define TCP_WND                 (128 * 1024)
#define TCP_SND_BUF             (128 * 1024)
#define TCP_SND_QUEUELEN        (4 * TCP_SND_BUF / TCP_MSS)
#define TCP_SNDLOWAT            (32 * 1024)
#define TCP_QUEUE_OOSEQ         1
#define LWIP_TCP_SACK_OUT       1
#define LWIP_TCP_TIMESTAMPS     0
#define TCP_LISTEN_BACKLOG      1
#define TCP_OVERSIZE            TCP_MSS
#define MEMP_NUM_TCP_PCB        256
#define MEMP_NUM_TCP_PCB_LISTEN 8
#define MEMP_NUM_TCP_SEG        4096
#define MEMP_NUM_PBUF           4096

/* Whether a received checksum is looked at depends on the frame (netif.c). */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1

#define LWIP_NETIF_STATUS_CALLBACK 0
#define LWIP_NETIF_HOSTNAME        0
#define LWIP_STATS                 1
#define LWIP_STATS_DISPLAY         0
#define LWIP_NOASSERT              0

#endif
