/* SPDX-License-Identifier: BSD-2-Clause */
/* Receiving: acknowledgements and their delay, windows, order, duplicates, old timestamps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "script.h"

static void first_segments_are_acknowledged_at_once(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+.1 < P. 1:1001(1000) ack 1 win 1000", "+0 > . 1:1(0) ack 1001",
	       "+.01 < P. 1001:2001(1000) ack 1 win 1000", "+0 > . 1:1(0) ack 2001",
	       "+0 read 2000");
}

/* Quick acknowledgements end; then it is each second segment, or 40 ms. */
#define QUICK(n, at, end) "+.01 < . " at ":" end "(" n ") ack 1 win 1000", "+0 > . 1:1(0) ack " end

static void later_ones_wait(void **state)
{
	SCRIPT_WITH(o->receive_buffer = 20000, PASSIVE_PLAIN,
	            /* Four segments of 1000 are half the window: four quick acknowledgements. */
	            "+.1 < . 1:1001(1000) ack 1 win 1000", "+0 > . 1:1(0) ack 1001", "+0 read 1000",
	            QUICK("1000", "1001", "2001"), "+0 read 1000", QUICK("1000", "2001", "3001"),
	            "+0 read 1000", QUICK("1000", "3001", "4001"), "+0 read 1000",
	            "+.01 < . 4001:5001(1000) ack 1 win 1000", "+.04 > . 1:1(0) ack 5001",
	            "+0 read 1000", "+.01 < . 5001:6001(1000) ack 1 win 1000", "+0 read 1000",
	            "+.01 < . 6001:7001(1000) ack 1 win 1000", "+0 > . 1:1(0) ack 7001",
	            "+0 read 1000");
}

static void answers_carry_the_acknowledgement(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+.1 < P. 1:101(100) ack 1 win 1000", "+0 > . 1:1(0) ack 101",
	       "+0 read 100", "+0 write 200", "+0 > P. 1:201(200) ack 101",
	       "+.01 < P. 101:201(100) ack 201 win 1000", "+0 read 100", "+0 write 100",
	       "+0 > P. 201:301(100) ack 201");
}

static void holes_are_reported(void **state)
{
	SCRIPT(PASSIVE_SACK, "+.1 < . 1001:2001(1000) ack 1 win 257",
	       "+0 > . 1:1(0) ack 1 <nop,nop,sack 1001:2001>",
	       "+0 < . 3001:4001(1000) ack 1 win 257",
	       "+0 > . 1:1(0) ack 1 <nop,nop,sack 3001:4001 1001:2001>",
	       "+0 < . 2001:3001(1000) ack 1 win 257",
	       "+0 > . 1:1(0) ack 1 <nop,nop,sack 1001:4001>", "+0 < . 1:1001(1000) ack 1 win 257",
	       "+0 > . 1:1(0) ack 4001", "+0 peek 4000", "+0 read 4000");
}

static void duplicates_are_reported(void **state)
{
	SCRIPT(PASSIVE_SACK, "+.1 < . 1:1001(1000) ack 1 win 257", "+0 > . 1:1(0) ack 1001",
	       "+.1 < . 1:1001(1000) ack 1 win 257", "+0 > . 1:1(0) ack 1001 <nop,nop,sack 1:1001>",
	       "+0 < . 3001:4001(1000) ack 1 win 257",
	       "+0 > . 1:1(0) ack 1001 <nop,nop,sack 3001:4001>",
	       "+0 < . 3001:4001(1000) ack 1 win 257",
	       "+0 > . 1:1(0) ack 1001 <nop,nop,sack 3001:4001 3001:4001>", "+0 read 1000");
}

static void overlaps_are_cut(void **state)
{
	SCRIPT(PASSIVE_SACK, "+.1 < . 501:1501(1000) ack 1 win 257",
	       "+0 > . 1:1(0) ack 1 <nop,nop,sack 501:1501>",
	       "+0 < . 1001:2001(1000) ack 1 win 257",
	       "+0 > . 1:1(0) ack 1 <nop,nop,sack 1001:1501 501:2001>",
	       "+0 < . 1:1001(1000) ack 1 win 257",
	       "+0 > . 1:1(0) ack 2001 <nop,nop,sack 501:1001>", "+0 peek 2000", "+0 read 2000");
}

static void fin_out_of_order_waits(void **state)
{
	SCRIPT(PASSIVE_SACK, "+.1 < F. 1001:2001(1000) ack 1 win 257",
	       "+0 > . 1:1(0) ack 1 <nop,nop,sack 1001:2002>", "+0 state ESTABLISHED",
	       "+0 < . 1:1001(1000) ack 1 win 257", "+0 > . 1:1(0) ack 2002", "+0 state CLOSE_WAIT",
	       "+0 read 2000", "+0 end");
}

static void window_shuts_and_opens(void **state)
{
	SCRIPT_WITH(o->receive_buffer = 4000, "+0 < S 0:0(0) win 1000 <mss 1000>",
	            "+0 > S. 0:0(0) ack 1 win 1460", "+.1 < . 1:1(0) ack 1 win 1000", "+0 accept",
	            "+.1 < P. 1:1001(1000) ack 1 win 1000", "+0 > . 1:1(0) ack 1001 win 1000",
	            "+.1 < P. 1001:2001(1000) ack 1 win 1000", "+0 > . 1:1(0) ack 2001 win 0",
	            /* Nothing more is taken. */
	            "+.1 < P. 2001:2002(1) ack 1 win 1000", "+0 > . 1:1(0) ack 2001 win 0",
	            "+0 peek 2000",
	            /* A little room is not worth telling; half of it is. */
	            "+.1 read 100", "+.1 nothing", "+0 read 1900",
	            "+0 > . 1:1(0) ack 2001 win 1000");
}

static void old_timestamps_are_refused(void **state)
{
	SCRIPT(PASSIVE_TS, "+.1 < P. 1:101(100) ack 1 win 257 <nop,nop,TS val 1200 ecr 100>",
	       "+0 > . 1:1(0) ack 101 <nop,nop,TS val 300 ecr 1200>", "+0 read 100",
	       "+.1 < P. 101:201(100) ack 1 win 257 <nop,nop,TS val 1000 ecr 100>",
	       "+0 > . 1:1(0) ack 101 <nop,nop,TS val 400 ecr 1200>", "+0 peek 0",
	       "+0 < P. 101:201(100) ack 1 win 257 <nop,nop,TS val 1300 ecr 100>",
	       "+0 > . 1:1(0) ack 201 <nop,nop,TS val 400 ecr 1300>", "+0 peek 100", "+0 read 100");
}

static void outside_the_window_is_answered_not_taken(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+.1 < . 200001:201001(1000) ack 1 win 1000", "+0 > . 1:1(0) ack 1",
	       "+0 peek 0", "+0 state ESTABLISHED",
	       /* No acknowledgement is no segment. */
	       "+0 < P 1:101(100) win 1000", "+0 peek 0");
}

static void urgent_data_is_announced(void **state)
{
	int32_t offset = 0;
	static const char *const lines[] = {PASSIVE_PLAIN,
	                                    "+.1 < PU. 1:101(100) ack 1 win 1000 urg 100",
	                                    "+0 > . 1:1(0) ack 101", NULL};
	struct script script;

	script_begin(&script);
	script_open(&script);
	script_run(&script, lines);
	assert_true(tcp_urgent_offset(script.conn, &offset));
	assert_int_equal(offset, 100);
	tcp_consume(script.conn, 60);
	assert_true(tcp_urgent_offset(script.conn, &offset));
	assert_int_equal(offset, 40);
	script_close(&script);
}

static void congestion_experienced_is_echoed(void **state)
{
	SCRIPT("+0 < SEW 0:0(0) win 1000 <mss 1000>", "+0 > SE. 0:0(0) ack 1",
	       "+.1 < . 1:1(0) ack 1 win 1000", "+0 accept",
	       "+.1 < [ce] P. 1:101(100) ack 1 win 1000", "+0 > E. 1:1(0) ack 101",
	       "+.1 < P. 101:201(100) ack 1 win 1000", "+0 > E. 1:1(0) ack 201",
	       "+.1 < PW. 201:301(100) ack 1 win 1000", "+0 > . 1:1(0) ack 301", "+0 read 300");
}

static void loans_outlive_the_connection(void **state)
{
	static const char *const lines[] = {PASSIVE_PLAIN, "+.1 < P. 1:101(100) ack 1 win 1000",
	                                    "+0 > . 1:1(0) ack 101", NULL};
	static const char *const more[] = {"+0 > R. 1:1(0) ack 101", NULL};
	struct tcp_loan loan;
	struct script script;

	script_begin(&script);
	script_open(&script);
	script_run(&script, lines);
	assert_true(tcp_borrow(script.conn, &loan));
	assert_false(tcp_borrow(script.conn, &(struct tcp_loan){.buffer = NULL}));
	tcp_abort(script.conn);
	script_run(&script, more);
	assert_int_equal(loan.span.size, 100);
	assert_int_equal(loan.span.data[99], (uint8_t)(0x10000001 + 99));
	tcp_return(script.stack, &loan);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(first_segments_are_acknowledged_at_once),
	        cmocka_unit_test(later_ones_wait),
	        cmocka_unit_test(answers_carry_the_acknowledgement),
	        cmocka_unit_test(holes_are_reported),
	        cmocka_unit_test(duplicates_are_reported),
	        cmocka_unit_test(overlaps_are_cut),
	        cmocka_unit_test(fin_out_of_order_waits),
	        cmocka_unit_test(window_shuts_and_opens),
	        cmocka_unit_test(old_timestamps_are_refused),
	        cmocka_unit_test(outside_the_window_is_answered_not_taken),
	        cmocka_unit_test(urgent_data_is_announced),
	        cmocka_unit_test(congestion_experienced_is_echoed),
	        cmocka_unit_test(loans_outlive_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
