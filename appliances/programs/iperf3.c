/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iperf3 as one static program: Debian's libiperf, all of iperf3 but its main function, and the C
 * library that it was compiled for. The same command line.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>

#include <iperf_api.h>

static int complain(void)
{
	return fprintf(stderr, "iperf3: %s\n", iperf_strerror(i_errno)) < 0;
}

/* One test after another. Below -1 nothing more can be served. */
static int serve(struct iperf_test *test)
{
	int status;

	do {
		status = iperf_run_server(test);
		if (status < 0)
			(void)complain();
		iperf_reset_test(test);
	} while (status >= -1 && !iperf_get_test_one_off(test));
	return status < -1;
}

int main(int argc, char **argv)
{
	struct iperf_test *test = iperf_new_test();
	int status;

	if (test == NULL)
		return 1;
	(void)signal(SIGPIPE, SIG_IGN);
	iperf_defaults(test);
	if (iperf_parse_arguments(test, argc, argv) < 0) {
		(void)complain();
		return 1;
	}
	if (iperf_get_test_role(test) == 's')
		return serve(test);
	status = iperf_run_client(test);
	if (status < 0)
		(void)complain();
	iperf_free_test(test);
	return status < 0;
}
