/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a trace. Link types: https://www.tcpdump.org/linktypes.html.
 */
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>
#include <pcap/sll.h>

#include "trace.h"

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_FIRST = 0x0600, /* smaller values are lengths (IEEE 802.3, 3.2.6) */
};

struct trace {
	pcap_t *pcap;
	struct trace_limits limits;
	int link;
	uint64_t number;
	uint8_t buffer[TRACE_HEADER_ROOM + TRACE_FRAME_MAX];
};

static bool known_link(int link)
{
	return link == DLT_EN10MB || link == DLT_RAW || link == DLT_IPV4 || link == DLT_IPV6 ||
	       link == DLT_LINUX_SLL || link == DLT_LINUX_SLL2;
}

struct trace *trace_open(FILE *file, struct trace_limits limits, char *error)
{
	char reason[PCAP_ERRBUF_SIZE] = "";
	pcap_t *pcap =
	        pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, reason);
	if (!pcap) {
		snprintf(error, TRACE_REASON_MAX, "%s", reason);
		(void)fclose(file);
		return NULL;
	}
	int link = pcap_datalink(pcap);
	struct trace *trace = known_link(link) ? malloc(sizeof(*trace)) : NULL;
	if (!trace) {
		const char *name = pcap_datalink_val_to_name(link);
		snprintf(error, TRACE_REASON_MAX,
		         "its link type %s (%d) can't be sent as Ethernet frames",
		         name ? name : "without a name", link);
		pcap_close(pcap);
		return NULL;
	}
	*trace = (struct trace){.pcap = pcap, .limits = limits, .link = link};
	return trace;
}

void trace_close(struct trace *trace)
{
	if (trace)
		pcap_close(trace->pcap);
	free(trace);
}

const char *trace_note(const struct trace *trace)
{
	switch (trace->link) {
	case DLT_EN10MB:
		return "Ethernet frames, sent as they are";
	case DLT_LINUX_SLL:
	case DLT_LINUX_SLL2:
		return "Linux-cooked packets: each got an Ethernet header in place of its own";
	default:
		return "raw IP packets: each got an Ethernet header";
	}
}

const char *trace_fate_text(enum trace_fate fate)
{
	static const char *const texts[TRACE_FATES] = {
	        [TRACE_SENDABLE] = "sent",
	        [TRACE_TOO_SHORT] = "shorter than an Ethernet header",
	        [TRACE_TOO_LONG] = "longer than the port can receive",
	        [TRACE_UNUSABLE] = "no Ethernet frame can be made of it",
	};
	return texts[fate];
}

static uint16_t be16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* Writes the frame: a header made up here, then the packet. Locally administered addresses; the
 * last byte tells receiver from sender. */
static void put_header(struct trace *trace, struct trace_frame *frame, uint16_t type,
                       const uint8_t *sender, const uint8_t *packet, uint32_t length)
{
	static const uint8_t receiver[6] = {0x02, 0, 0, 0, 0, 1};
	static const uint8_t unknown[6] = {0x02, 0, 0, 0, 0, 2};
	memcpy(trace->buffer, receiver, 6);
	memcpy(trace->buffer + 6, sender ? sender : unknown, 6);
	trace->buffer[12] = (uint8_t)(type >> 8);
	trace->buffer[13] = (uint8_t)type;
	memcpy(trace->buffer + TRACE_HEADER_ROOM, packet, length);
	frame->length = TRACE_HEADER_ROOM + length;
	frame->fate = TRACE_SENDABLE;
}

static void from_raw(struct trace *trace, struct trace_frame *frame, const uint8_t *packet,
                     uint32_t length)
{
	uint8_t version = length ? packet[0] >> 4 : 0;
	if (version == 4 || version == 6)
		put_header(trace, frame, version == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6, NULL,
		           packet, length);
	else
		frame->fate = TRACE_UNUSABLE;
}

/* Linux-cooked: the protocol's number, the sender's address where it has six bytes. */
static void from_cooked(struct trace *trace, struct trace_frame *frame, const uint8_t *packet,
                        uint32_t length)
{
	bool second = trace->link == DLT_LINUX_SLL2;
	uint32_t header = second ? SLL2_HDR_LEN : SLL_HDR_LEN;
	frame->fate = TRACE_UNUSABLE;
	if (length < header)
		return;
	uint16_t type = be16(packet + (second ? 0 : 14));
	bool six = second ? packet[11] == 6 : be16(packet + 4) == 6;
	if (type >= ETHERTYPE_FIRST)
		put_header(trace, frame, type, six ? packet + (second ? 12 : 6) : NULL,
		           packet + header, length - header);
}

static void from_ethernet(struct trace *trace, struct trace_frame *frame, const uint8_t *packet,
                          uint32_t length)
{
	memcpy(trace->buffer, packet, length);
	frame->length = length;
	frame->fate = TRACE_SENDABLE;
}

static void judge_length(struct trace *trace, struct trace_frame *frame)
{
	if (frame->fate != TRACE_SENDABLE)
		return;
	if (frame->length < TRACE_FRAME_MIN) {
		frame->fate = TRACE_TOO_SHORT;
	} else if (frame->length > trace->limits.longest) {
		frame->fate = TRACE_TOO_LONG;
	} else if (frame->length < trace->limits.padded) {
		memset(trace->buffer + frame->length, 0, trace->limits.padded - frame->length);
		frame->length = trace->limits.padded;
		frame->padded = true;
	}
}

int trace_next(struct trace *trace, struct trace_frame *frame, char *error)
{
	struct pcap_pkthdr *header;
	const uint8_t *packet;
	int got = pcap_next_ex(trace->pcap, &header, &packet);
	if (got == PCAP_ERROR_BREAK)
		return 0;
	if (got != 1) {
		snprintf(error, TRACE_REASON_MAX, "behind frame %llu: %s",
		         (unsigned long long)trace->number, pcap_geterr(trace->pcap));
		return -1;
	}
	*frame = (struct trace_frame){
	        .number = ++trace->number,
	        .data = trace->buffer,
	        .length = header->caplen,
	        .time_ns = (uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec,
	        .snapped = header->caplen < header->len,
	};
	if (header->caplen > TRACE_FRAME_MAX)
		frame->fate = TRACE_TOO_LONG;
	else if (trace->link == DLT_EN10MB)
		from_ethernet(trace, frame, packet, header->caplen);
	else if (trace->link == DLT_LINUX_SLL || trace->link == DLT_LINUX_SLL2)
		from_cooked(trace, frame, packet, header->caplen);
	else
		from_raw(trace, frame, packet, header->caplen);
	judge_length(trace, frame);
	return 1;
}
