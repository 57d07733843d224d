/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A whole replay against a machine that a thread plays: the same channel, the same sockets, counts
 * made with its own copy of the bindings. It can be told to behave badly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <flt/host.h>
#include <libexo/channel.h>

#include "../link.h"
#include "../report.h"
#include "pcaps.h"

#define KEY "000102030405060708090a0b0c0d0e0f"

enum behaviour { HONEST, LOSES_A_FRAME, MISCOUNTS, LEAVES_EARLY, ODD_RESULT, FALSE_NAME };

enum { FRAMES = 3000 };

static char folder[64], data_path[96], control_path[96], trace_path[96];
static struct bindings bindings;
static struct session_result result;

/* The machine's side. */
struct machine {
	enum behaviour behaviour;
	struct link data, control;
	struct exo_channel channel;
	struct bindings bindings;
	uint64_t received, told;
	bool started, over;
};

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		usleep(1000);
	return fd;
}

static void open_link(struct link *link, const char *path)
{
	*link = (struct link){.listener = -1, .socket = connect_to(path)};
	link->in = malloc((size_t)4 * LINK_FRAME_MAX);
	link->out = malloc(LINK_BACKLOG);
}

static void machine_report(struct machine *machine)
{
	for (size_t i = 0; i < machine->bindings.n; i++) {
		const struct binding *b = &machine->bindings.all[i];
		struct replay_result report = {
		        .magic = REPLAY_RESULT_MAGIC,
		        .version = REPLAY_VERSION,
		        .size = sizeof(report),
		        .binding = 7 + i,
		        .matched_packets = b->matched.packets + (machine->behaviour == MISCOUNTS),
		        .matched_bytes = b->matched.bytes,
		        .delivered_packets = b->delivered.packets,
		        .delivered_bytes = b->delivered.bytes,
		        .read_packets = b->delivered.packets,
		        .read_bytes = b->delivered.bytes,
		        .port = {.unmatched = machine->bindings.unmatched.packets},
		};
		snprintf(report.name, sizeof(report.name), "%s",
		         machine->behaviour == FALSE_NAME ? "nobody" : b->name);
		(void)exo_channel_send(&machine->channel, EXO_CHANNEL_RESULT, &report,
		                       sizeof(report) - (machine->behaviour == ODD_RESULT));
	}
	int32_t status = 0;
	(void)exo_channel_send(&machine->channel, EXO_CHANNEL_DONE, &status, sizeof(status));
}

static void machine_message(struct machine *machine, uint32_t type)
{
	if (type == EXO_CHANNEL_START)
		machine->started = true;
	if (type == EXO_CHANNEL_STOP)
		machine_report(machine);
	if (type == EXO_CHANNEL_POWER)
		machine->over = true;
}

static void machine_take(struct machine *machine)
{
	const uint8_t *frame;
	int length;
	struct exo_channel_message message;
	while ((length = link_next(&machine->control, &frame)) > 0)
		if (exo_channel_input(&machine->channel, frame, (uint32_t)length, &message))
			machine_message(machine, message.type);
	while ((length = link_next(&machine->data, &frame)) > 0) {
		machine->received++;
		if (machine->behaviour == LOSES_A_FRAME && machine->received == 5)
			continue;
		bindings_judge(&machine->bindings, frame, (uint32_t)length);
	}
	struct exo_channel_progress progress = {machine->received, machine->bindings.sent.packets};
	if (machine->started && progress.settled != machine->told &&
	    !exo_channel_send(&machine->channel, EXO_CHANNEL_PROGRESS, &progress, sizeof(progress)))
		machine->told = progress.settled;
}

static uint64_t machine_clock(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *machine_run(void *argument)
{
	struct machine *machine = argument;
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	uint64_t key[2];
	uint8_t frame[EXO_CHANNEL_FRAME_MAX];
	open_link(&machine->data, data_path);
	open_link(&machine->control, control_path);
	(void)exo_channel_key(key, KEY);
	exo_channel_open(&machine->channel, key, mac);
	(void)exo_channel_send(&machine->channel, EXO_CHANNEL_HELLO, "test 1", 6);
	while (!machine->over) {
		struct pollfd polls[2] = {{.fd = machine->data.socket, .events = POLLIN},
		                          {.fd = machine->control.socket, .events = POLLIN}};
		uint32_t length;
		while ((length = exo_channel_output(&machine->channel, machine_clock(), frame)) > 0)
			link_send(&machine->control, frame, length);
		if (link_flush(&machine->control) || poll(polls, 2, 10) < 0)
			break;
		if (polls[0].revents && link_fill(&machine->data))
			break;
		if (polls[1].revents && link_fill(&machine->control))
			break;
		machine_take(machine);
		if (machine->behaviour == LEAVES_EARLY && machine->received)
			break;
	}
	link_close(&machine->data);
	link_close(&machine->control);
	return NULL;
}

static void add_both(struct bindings *to)
{
	static const char *const texts[] = {"web=tcp port 80", "dns=udp port 53", "ip=ip"};
	for (size_t i = 0; i < 3; i++)
		assert_null(bindings_add(to, texts[i]));
}

static void write_trace(void)
{
	static const uint16_t ports[] = {80, 53, 99};
	struct made *made = calloc(1, sizeof(*made));
	uint8_t frame[200];
	assert_non_null(made);
	made_begin(made, 1, 0);
	made_add(made, 0, 0, frame, 5, 5);
	for (int i = 0; i < FRAMES; i++) {
		uint32_t n = made_ipv4(frame, i % 2 ? 6 : 17, 1000, ports[i % 3], (uint32_t)i % 90);
		made_add(made, (uint32_t)i, 0, frame, n, n);
	}
	FILE *file = fopen(trace_path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(made->bytes, 1, made->size, file), made->size);
	assert_int_equal(fclose(file), 0);
	free(made);
}

/* Runs a replay against a machine of that behaviour: session_run's result. */
static int replay(enum behaviour behaviour, char *error)
{
	struct machine *machine = calloc(1, sizeof(*machine));
	struct session_options options = {.data_path = data_path,
	                                  .control_path = control_path,
	                                  .key = KEY,
	                                  .limits = {.longest = 1518},
	                                  .window = 64,
	                                  .patience_ms = 400,
	                                  .quiet = true};
	pthread_t thread;
	assert_non_null(machine);
	machine->behaviour = behaviour;
	add_both(&machine->bindings);
	bindings_free(&bindings);
	memset(&bindings, 0, sizeof(bindings));
	add_both(&bindings);
	(void)unlink(data_path);
	(void)unlink(control_path);
	assert_int_equal(pthread_create(&thread, NULL, machine_run, machine), 0);
	int status = session_run(trace_path, &options, &bindings, &result, error);
	pthread_join(thread, NULL);
	bindings_free(&machine->bindings);
	free(machine);
	if (!status)
		assert_int_equal(session_judge(trace_path, &options, &bindings, error), 0);
	return status;
}

static void honest(void **state)
{
	(void)state;
	char error[TRACE_REASON_MAX];
	assert_int_equal(replay(HONEST, error), 0);
	assert_string_equal(result.machine, "test 1");
	assert_int_equal(result.frames, FRAMES + 1);
	assert_int_equal(result.sent, FRAMES);
	assert_int_equal(result.settled, FRAMES);
	assert_int_equal(result.left_out[TRACE_TOO_SHORT].n, 1);
	assert_int_equal(result.left_out[TRACE_TOO_SHORT].numbers[0], 1);
	assert_true(bindings.all[0].matched.packets > 0);
	assert_int_equal(report_judge(&bindings, &result), VERDICT_AGREE);
	char text[8192] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	report_table(out, "made", &bindings, &result, 0);
	(void)fclose(out);
	assert_non_null(strstr(text, "all counts agree"));
	assert_non_null(strstr(text, "shorter than an Ethernet header: 1 frame, number 1\n"));
	assert_non_null(strstr(text, "not the latency of hardware"));
}

static void loses_a_frame(void **state)
{
	(void)state;
	char error[TRACE_REASON_MAX];
	assert_int_equal(replay(LOSES_A_FRAME, error), 0);
	assert_int_equal(result.settled, FRAMES - 1);
	assert_true(report_judge(&bindings, &result) & VERDICT_LOST);
}

static void miscounts(void **state)
{
	(void)state;
	char error[TRACE_REASON_MAX];
	assert_int_equal(replay(MISCOUNTS, error), 0);
	assert_int_equal(report_judge(&bindings, &result), VERDICT_MATCHED);
}

static void broken_machines(void **state)
{
	(void)state;
	char error[TRACE_REASON_MAX];
	assert_int_equal(replay(LEAVES_EARLY, error), -1);
	assert_string_equal(error, "the machine ended before it had reported");
	assert_int_equal(replay(ODD_RESULT, error), -1);
	assert_non_null(strstr(error, "another size"));
	assert_int_equal(replay(FALSE_NAME, error), -1);
	assert_non_null(strstr(error, "nobody asked for"));
}

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/sluice-replay-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(data_path, sizeof(data_path), "%s/data", folder);
	snprintf(control_path, sizeof(control_path), "%s/control", folder);
	snprintf(trace_path, sizeof(trace_path), "%s/trace", folder);
	flt_host_init(false);
	write_trace();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bindings_free(&bindings);
	(void)unlink(data_path);
	(void)unlink(control_path);
	(void)unlink(trace_path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(honest),
	        cmocka_unit_test(loses_a_frame),
	        cmocka_unit_test(miscounts),
	        cmocka_unit_test(broken_machines),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
