/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening and closing: handshakes, options, states, resets, blind attacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "script.h"

static void passive_open_answers_in_linux_order(void **state)
{
	SCRIPT("+0 < S 0:0(0) win 32792 <mss 1460,sackOK,TS val 5 ecr 0,nop,wscale 7>",
	       "+0 > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val 100 ecr 5,nop,wscale 7>",
	       "+.1 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 105 ecr 100>", "+0 accept",
	       "+0 state ESTABLISHED", "+0 cwnd 10");
	SCRIPT("+0 < S 0:0(0) win 32792 <mss 1460,nop,nop,sackOK>",
	       "+0 > S. 0:0(0) ack 1 win 64240 <mss 1460,nop,nop,sackOK>");
	SCRIPT("+0 < S 0:0(0) win 32792", "+0 > S. 0:0(0) ack 1 win 64240 <mss 1460>");
}

static void active_open_answers_at_once(void **state)
{
	SCRIPT("+0 connect",
	       "+0 > S 0:0(0) win 64240 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>",
	       "+.05 < S. 0:0(0) ack 1 win 5792 <mss 1460,sackOK,TS val 700 ecr 100,nop,wscale 6>",
	       "+0 > . 1:1(0) ack 1 win 502 <nop,nop,TS val 150 ecr 700>", "+0 state ESTABLISHED");
}

static void syn_is_repeated_and_given_up(void **state)
{
	SCRIPT_WITH(c->syn_retries = 3, "+0 connect", "+0 > S 0:0(0)", "+1 > S 0:0(0)",
	            "+2 > S 0:0(0)", "+4 > S 0:0(0)", "+8.01 state CLOSED", "+0 cause TIMEOUT",
	            "+0 close");
}

static void syn_ack_is_repeated(void **state)
{
	SCRIPT("+0 < S 0:0(0) win 1000 <mss 1000>", "+0 > S. 0:0(0) ack 1", "+1 > S. 0:0(0) ack 1",
	       "+2 > S. 0:0(0) ack 1", "+.5 < S 0:0(0) win 1000 <mss 1000>", "+0 > S. 0:0(0) ack 1",
	       "+.1 < . 1:1(0) ack 1 win 1000", "+0 accept");
}

static void simultaneous_open(void **state)
{
	SCRIPT("+0 connect", "+0 > S 0:0(0)",
	       "+.1 < S 0:0(0) win 5792 <mss 1000,sackOK,TS val 9 ecr 0,nop,wscale 7>",
	       "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 200 ecr 9,nop,wscale 7>",
	       "+.1 < S. 0:0(0) ack 1 win 5792 <mss 1000,sackOK,TS val 109 ecr 200,nop,wscale 7>",
	       "+0 > . 1:1(0) ack 1", "+0 state ESTABLISHED");
}

static void refused_and_unacceptable(void **state)
{
	SCRIPT("+0 connect", "+0 > S 0:0(0)", "+.1 < R. 0:0(0) ack 1 win 0", "+0 state CLOSED",
	       "+0 cause REFUSED", "+0 close");
	/* An acknowledgement of what was never sent is answered by a reset, which ends
	   whatever the peer had: SYN is tried again. */
	SCRIPT("+0 connect", "+0 > S 0:0(0)", "+.1 < S. 0:0(0) ack 7 win 100", "+0 > R 7:7(0)",
	       "+0 state SYN_SENT", "+.004 > S 0:0(0)", "+.1 < S. 0:0(0) ack 1 win 100 <mss 500>",
	       "+0 > . 1:1(0) ack 1");
	/* Once, and at its time, however often that is said. */
	SCRIPT("+0 connect", "+0 > S 0:0(0)", "+.1 < . 0:0(0) ack 7 win 100", "+0 > R 7:7(0)",
	       "+.003 < . 0:0(0) ack 7 win 100", "+0 > R 7:7(0)", "+.001 > S 0:0(0)",
	       "+.003 < . 0:0(0) ack 7 win 100", "+0 > R 7:7(0)", "+1.997 > S 0:0(0)");
}

static void scanners_are_answered_as_by_others(void **state)
{
	/* A listener says nothing to flags that make no sense; where nobody is they are refused. */
	SCRIPT("+0 < F 0:0(0) win 1000", "+0 < SF 0:0(0) win 1000", "+.1 < FPU 0:0(0) win 1000");
	SCRIPT("+0 unlisten", "+0 < F 0:0(0) win 1000", "+0 > R. 0:0(0) ack 1",
	       "+.1 < SF 0:0(0) win 1000", "+0 > R. 0:0(0) ack 2");
	SCRIPT(PASSIVE_PLAIN, "+.1 < F 1:1(0) win 1000", "+.1 state ESTABLISHED");
}

static void icmp_errors_count_while_opening(void **state)
{
	SCRIPT("+0 connect", "+0 > S 0:0(0)", "+.1 icmp unreachable 0 0", "+0 state CLOSED",
	       "+0 cause UNREACHABLE", "+0 close");
	SCRIPT("+0 connect", "+0 > S 0:0(0)", "+.1 icmp unreachable 0 77", "+0 state SYN_SENT",
	       "+.9 > S 0:0(0)");
	SCRIPT(PASSIVE_PLAIN, "+0 write 100", "+0 > P. 1:101(100) ack 1", "+.1 icmp refused 0 1",
	       "+0 state ESTABLISHED", "+0 < . 1:1(0) ack 101 win 1000");
}

static void peer_closes_first(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+.1 < F. 1:1(0) ack 1 win 1000", "+.004 > . 1:1(0) ack 2", "+0 end",
	       "+0 state CLOSE_WAIT", "+.1 close", "+0 > F. 1:1(0) ack 2",
	       "+.1 < . 2:2(0) ack 2 win 1000", "+0 < . 2:2(0) ack 2 win 1000", "+0 > R 2:2(0)");
}

static void half_close(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+.1 shutdown", "+0 > F. 1:1(0) ack 1", "+0 state FIN_WAIT_1",
	       "+.1 < . 1:1(0) ack 2 win 1000", "+0 state FIN_WAIT_2",
	       "+.1 < P. 1:501(500) ack 2 win 1000", "+0 > . 2:2(0) ack 501", "+0 peek 500",
	       "+0 read 500", "+.1 < F. 501:501(0) ack 2 win 1000", "+0 > . 2:2(0) ack 502",
	       "+0 end", "+0 cause FINISHED", "+0 close",
	       /* TIME-WAIT answers the FIN that comes again. */
	       "+1 < F. 501:501(0) ack 2 win 1000", "+0 > . 2:2(0) ack 502");
}

static void simultaneous_close(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+.1 shutdown", "+0 > F. 1:1(0) ack 1",
	       "+.1 < F. 1:1(0) ack 1 win 1000", "+0 > . 2:2(0) ack 2", "+0 state CLOSING",
	       "+.1 < . 2:2(0) ack 2 win 1000", "+0 state CLOSED", "+0 cause FINISHED", "+0 close");
}

static void fin_goes_with_the_last_byte(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+0 more 1500", "+0 > . 1:1001(1000) ack 1", "+0 close",
	       "+0 > FP. 1001:1501(500) ack 1", "+.1 < . 1:1(0) ack 1502 win 1000",
	       /* FIN-WAIT-2 without an owner ends by itself. */
	       "+61 < F. 1:1(0) ack 1502 win 1000", "+0 > R 1502:1502(0)");
}

static void data_after_close_is_refused(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+.1 close", "+0 > F. 1:1(0) ack 1",
	       "+.1 < P. 1:101(100) ack 2 win 1000", "+0 > R 2:2(0)");
	/* Closed with unread data: the peer must know that it was lost. */
	SCRIPT(PASSIVE_PLAIN, "+.1 < P. 1:101(100) ack 1 win 1000", "+0 > . 1:1(0) ack 101",
	       "+0 close", "+0 > R. 1:1(0) ack 101");
}

static void time_wait_gives_way(void **state)
{
	SCRIPT(PASSIVE_TS, "+.1 close", "+0 > F. 1:1(0) ack 1",
	       "+.1 < F. 1:1(0) ack 2 win 257 <nop,nop,TS val 1300 ecr 300>", "+0 > . 2:2(0) ack 2",
	       /* An old SYN is acknowledged only, a newer one opens. */
	       "+1 < S 0:0(0) win 257 <mss 1000,sackOK,TS val 1200 ecr 0,nop,wscale 7>",
	       "+0 > . 2:2(0) ack 2",
	       "+1 < S 0:0(0) win 257 <mss 1000,sackOK,TS val 2300 ecr 0,nop,wscale 7>",
	       "+0 > S. 65539:65539(0) ack 1");
}

static void blind_resets_are_challenged(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+.1 < R 100:100(0) win 0", "+0 > . 1:1(0) ack 1",
	       "+0 state ESTABLISHED", "+0 < R 2:2(0) win 0", "+0 < R 1000000:1000000(0) win 0",
	       "+0 state ESTABLISHED", "+0 < R 1:1(0) win 0", "+0 state CLOSED", "+0 cause RESET",
	       "+0 close");
}

static void blind_syns_and_acks_are_challenged(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+.1 < S 50:50(0) win 100", "+0 > . 1:1(0) ack 1",
	       "+0 state ESTABLISHED", "+1 write 10", "+0 > P. 1:11(10) ack 1",
	       /* Acknowledges what was never sent. */
	       "+.1 < . 1:1(0) ack 5000 win 100",
	       /* And what lies further back than any window. */
	       "+0 < . 1:1(0) ack 4294867296 win 100", "+0 > . 11:11(0) ack 1",
	       "+0 < . 1:1(0) ack 11 win 100");
}

static void nobody_listens(void **state)
{
	SCRIPT("+0 unlisten", "+0 < S 100:100(0) win 100", "+0 > R. 0:0(0) ack 101",
	       "+0 < . 1:1(0) ack 55 win 9", "+0 > R 55:55(0)", "+0 < R 9:9(0) win 0");
}

static void abort_resets(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+0 abort", "+0 > R. 1:1(0) ack 1", "+.1 < . 1:1(0) ack 1 win 1000",
	       "+0 > R 1:1(0)");
}

static void cookies_remember_nothing(void **state)
{
	SCRIPT_WITH(c->cookies = TCP_COOKIES_ALWAYS,
	            "+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>",
	            /* No timestamps carry what else might be agreed on: it is not offered. */
	            "+0 > S. 0:0(0) ack 1 <mss 1460>", "+.1 < . 1:1(0) ack 1 win 32792",
	            "+0 accept", "+0 write 1000", /* the SYN's MSS was rounded down */
	            "+0 > . 1:537(536) ack 1", "+0 > P. 537:1001(464) ack 1");
	SCRIPT_WITH(c->cookies = TCP_COOKIES_ALWAYS,
	            "+0 < S 0:0(0) win 32792 <mss 1024,sackOK,TS val 5 ecr 0,nop,wscale 7>",
	            "+0 > S. 0:0(0) ack 1", "+.1 < . 1:1(0) ack 2 win 257", "+0 nothing");
}

static void accept_waits_for_data(void **state)
{
	SCRIPT_WITH(o->defer_accept = 3, "+0 < S 0:0(0) win 1000 <mss 1000>",
	            "+0 > S. 0:0(0) ack 1", "+.1 < . 1:1(0) ack 1 win 1000",
	            "+.1 < P. 1:11(10) ack 1 win 1000", "+0 accept", "+0 > . 1:1(0) ack 11",
	            "+0 peek 10");
}

/* A connection that waits for its data is made with it, at the peer's end, or after a second. */
static void peer_speaks_first(void **state)
{
	SCRIPT_WITH(o->peer_first = true, "+0 < S 0:0(0) win 1000 <mss 1000>",
	            "+0 > S. 0:0(0) ack 1", "+.1 < . 1:1(0) ack 1 win 1000",
	            "+.1 < P. 1:11(10) ack 1 win 1000", "+0 accept", "+0 > . 1:1(0) ack 11",
	            "+0 peek 10");
	SCRIPT_WITH(o->peer_first = true, "+0 < S 0:0(0) win 1000 <mss 1000>",
	            "+0 > S. 0:0(0) ack 1", "+.1 < . 1:1(0) ack 1 win 2000", "+.9 nothing",
	            "+.01 accept",
	            "+0 write 1500", /* in the window that it told of, not the SYN's */
	            "+0 > . 1:1001(1000) ack 1", "+0 > P. 1001:1501(500) ack 1");
	SCRIPT_WITH(o->peer_first = true, "+0 < S 0:0(0) win 1000 <mss 1000>",
	            "+0 > S. 0:0(0) ack 1", "+.1 < . 1:1(0) ack 1 win 1000",
	            "+.1 < F. 1:1(0) ack 1 win 1000", "+0 accept", "+0 close",
	            "+0 > F. 1:1(0) ack 2", "+0 < . 2:2(0) ack 2 win 1000");
	SCRIPT_WITH(o->peer_first = true, "+0 < S 0:0(0) win 1000 <mss 1000>",
	            "+0 > S. 0:0(0) ack 1", "+.1 < . 1:1(0) ack 1 win 1000", "+.1 < R 1:1(0) win 0",
	            "+3 nothing");
}

/* A guess in the window ends no connection that waits for its data (RFC 5961, 4.2). */
static void syn_in_the_window(void **state)
{
	SCRIPT_WITH(o->peer_first = true, "+0 < S 0:0(0) win 1000 <mss 1000>",
	            "+0 > S. 0:0(0) ack 1", "+.1 < . 1:1(0) ack 1 win 1000",
	            "+.1 < S 6:6(0) win 1000", "+0 > . 1:1(0) ack 1",
	            "+.1 < P. 1:11(10) ack 1 win 1000", "+0 accept", "+0 > . 1:1(0) ack 11",
	            "+0 peek 10");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(passive_open_answers_in_linux_order),
	        cmocka_unit_test(active_open_answers_at_once),
	        cmocka_unit_test(syn_is_repeated_and_given_up),
	        cmocka_unit_test(syn_ack_is_repeated),
	        cmocka_unit_test(simultaneous_open),
	        cmocka_unit_test(refused_and_unacceptable),
	        cmocka_unit_test(scanners_are_answered_as_by_others),
	        cmocka_unit_test(icmp_errors_count_while_opening),
	        cmocka_unit_test(peer_closes_first),
	        cmocka_unit_test(half_close),
	        cmocka_unit_test(simultaneous_close),
	        cmocka_unit_test(fin_goes_with_the_last_byte),
	        cmocka_unit_test(data_after_close_is_refused),
	        cmocka_unit_test(time_wait_gives_way),
	        cmocka_unit_test(blind_resets_are_challenged),
	        cmocka_unit_test(blind_syns_and_acks_are_challenged),
	        cmocka_unit_test(nobody_listens),
	        cmocka_unit_test(abort_resets),
	        cmocka_unit_test(cookies_remember_nothing),
	        cmocka_unit_test(accept_waits_for_data),
	        cmocka_unit_test(peer_speaks_first),
	        cmocka_unit_test(syn_in_the_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
