/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One replay, as a loop over two sockets: every turn sends what the window and the socket allow,
 * and takes in what came.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <exo/call.h>
#include <libexo/channel.h>

#include "link.h"
#include "session.h"

/* A machine may need that long to start where several share a computer. */
enum { START_PATIENCE_MS = 90000 };

enum phase {
	PHASE_CONNECT, /* the machine is starting */
	PHASE_SEND,
	PHASE_SETTLE, /* all was sent */
	PHASE_REPORT, /* STOP was sent */
	PHASE_OVER,
};

struct session {
	const struct session_options *options;
	struct bindings *bindings;
	struct session_result *result;
	struct trace *trace;
	struct link data, control;
	struct exo_channel channel;
	enum phase phase;
	uint64_t start_ns, heard_ns; /* of the first frame; of the last sign of progress */
	struct trace_frame waiting;  /* read from the trace, not sent yet */
	bool has_waiting;
	char *error;
};

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int fail(struct session *session, const char *what)
{
	snprintf(session->error, TRACE_REASON_MAX, "%s", what);
	return -1;
}

static struct trace *open_trace(const char *path, struct trace_limits limits, char *error)
{
	char reason[TRACE_REASON_MAX];
	FILE *file = fopen(path, "rb");
	if (!file) {
		snprintf(error, TRACE_REASON_MAX, "%s", strerror(errno));
		return NULL;
	}
	struct trace *trace = trace_open(file, limits, reason);
	if (!trace)
		snprintf(error, TRACE_REASON_MAX, "%s", reason);
	return trace;
}

static void note_left_out(struct session *session, const struct trace_frame *frame)
{
	struct left_out *left_out = &session->result->left_out[frame->fate];
	if (left_out->n < SESSION_LEFT_OUT_MAX)
		left_out->numbers[left_out->n] = frame->number;
	left_out->n++;
}

/* Reads on to the next frame that can be sent. false: there is none. */
static bool next_sendable(struct session *session)
{
	struct session_result *result = session->result;
	while (!session->has_waiting) {
		int got = trace_next(session->trace, &session->waiting, result->note);
		if (got <= 0) {
			result->damaged = got < 0;
			return false;
		}
		result->frames++;
		if (result->frames == 1)
			result->first_ns = session->waiting.time_ns;
		result->last_ns = session->waiting.time_ns;
		if (session->waiting.fate == TRACE_SENDABLE)
			session->has_waiting = true;
		else
			note_left_out(session, &session->waiting);
	}
	return true;
}

static void send_waiting(struct session *session)
{
	struct session_result *result = session->result;
	const struct trace_frame *frame = &session->waiting;
	if (!result->sent)
		session->start_ns = now_ns();
	link_send(&session->data, frame->data, frame->length);
	result->sent++;
	result->sent_bytes += frame->length;
	result->snapped += frame->snapped;
	result->padded += frame->padded;
	session->has_waiting = false;
}

/* Sends frames while window and socket allow it. */
static void feed(struct session *session)
{
	struct session_result *result = session->result;
	while (session->phase == PHASE_SEND) {
		if (!next_sendable(session)) {
			session->phase = PHASE_SETTLE;
			return;
		}
		if (result->sent - result->settled >= session->options->window ||
		    !link_has_room(&session->data, session->waiting.length))
			return;
		send_waiting(session);
	}
}

static void stop(struct session *session)
{
	(void)exo_channel_send(&session->channel, EXO_CHANNEL_STOP, NULL, 0);
	if (session->result->sent)
		session->result->seconds = (double)(now_ns() - session->start_ns) / 1e9;
	session->phase = PHASE_REPORT;
	session->heard_ns = now_ns();
}

static void take_progress(struct session *session, const struct exo_channel_message *message)
{
	struct exo_channel_progress progress;
	struct session_result *result = session->result;
	if (message->size != sizeof(progress))
		return;
	memcpy(&progress, message->body, sizeof(progress));
	/* A machine that claims more than it was sent must not open the window for ever. */
	if (progress.settled > result->sent)
		progress.settled = result->sent;
	if (progress.settled > result->settled) {
		result->settled = progress.settled;
		session->heard_ns = now_ns();
	}
}

static int take_result(struct session *session, const struct exo_channel_message *message)
{
	struct replay_result result;
	if (message->size != sizeof(result))
		return fail(session,
		            "the machine's result has another size: another version of it?");
	memcpy(&result, message->body, sizeof(result));
	result.name[sizeof(result.name) - 1] = 0;
	result.error[sizeof(result.error) - 1] = 0;
	if (result.magic != REPLAY_RESULT_MAGIC || result.version != REPLAY_VERSION ||
	    result.size != sizeof(result))
		return fail(session, "the machine's result is of another version");
	struct binding *binding = bindings_find(session->bindings, result.name);
	if (!binding || binding->reported)
		return fail(session, "the machine reported a binding that nobody asked for");
	binding->result = result;
	binding->reported = true;
	session->heard_ns = now_ns();
	return 0;
}

static void take_hello(struct session *session, const struct exo_channel_message *message)
{
	char *machine = session->result->machine;
	size_t size = message->size < sizeof(session->result->machine)
	                      ? message->size
	                      : sizeof(session->result->machine) - 1;
	if (session->phase != PHASE_CONNECT)
		return;
	memcpy(machine, message->body, size);
	machine[size] = 0;
	(void)exo_channel_send(&session->channel, EXO_CHANNEL_START, NULL, 0);
	session->phase = PHASE_SEND;
	session->heard_ns = now_ns();
}

static void take_done(struct session *session, const struct exo_channel_message *message)
{
	uint32_t power[2] = {EXO_POWER_EXIT, 0};
	if (message->size == sizeof(session->result->status))
		memcpy(&session->result->status, message->body, message->size);
	(void)exo_channel_send(&session->channel, EXO_CHANNEL_POWER, power, sizeof(power));
	session->phase = PHASE_OVER;
}

static int take_message(struct session *session, const struct exo_channel_message *message)
{
	switch (message->type) {
	case EXO_CHANNEL_HELLO:
		take_hello(session, message);
		return 0;
	case EXO_CHANNEL_PROGRESS:
		take_progress(session, message);
		return 0;
	case EXO_CHANNEL_RESULT:
		return take_result(session, message);
	case EXO_CHANNEL_DONE:
		take_done(session, message);
		return 0;
	default:
		return 0;
	}
}

/* What the machine sent: on the control port messages; on the data port nothing that matters
 * (sinks can't send). */
static int take_in(struct session *session)
{
	const uint8_t *frame;
	int length;
	while ((length = link_next(&session->data, &frame)) > 0)
		;
	while ((length = link_next(&session->control, &frame)) > 0) {
		struct exo_channel_message message;
		if (exo_channel_input(&session->channel, frame, (uint32_t)length, &message) &&
		    take_message(session, &message))
			return -1;
	}
	return length < 0 ? fail(session, "QEMU's socket carries something else than frames") : 0;
}

static void send_control(struct session *session)
{
	uint8_t frame[EXO_CHANNEL_FRAME_MAX];
	uint32_t length;
	while (link_has_room(&session->control, sizeof(frame)) &&
	       (length = exo_channel_output(&session->channel, now_ns(), frame)) > 0)
		link_send(&session->control, frame, length);
}

static int connect_links(struct session *session)
{
	int data = link_accept(&session->data), control = link_accept(&session->control);
	if ((data && data != -EAGAIN) || (control && control != -EAGAIN))
		return fail(session, "cannot accept QEMU's connection");
	return 0;
}

static int wait_turn(struct session *session)
{
	struct link *links[2] = {&session->data, &session->control};
	struct pollfd polls[2];
	for (int i = 0; i < 2; i++) {
		bool open = links[i]->socket >= 0;
		polls[i].fd = open ? links[i]->socket : links[i]->listener;
		polls[i].events = POLLIN;
		if (open)
			polls[i].events = link_events(links[i]);
	}
	if (poll(polls, 2, 20) < 0 && errno != EINTR)
		return fail(session, strerror(errno));
	return connect_links(session);
}

/* Bytes between sockets and buffers. */
static int exchange(struct session *session)
{
	struct link *links[2] = {&session->data, &session->control};
	for (int i = 0; i < 2; i++) {
		if (links[i]->socket < 0)
			continue;
		if (link_flush(links[i]) || link_fill(links[i]))
			return fail(session, "the machine ended before it had reported");
	}
	return 0;
}

static void show_progress(const struct session *session)
{
	static uint64_t shown_ns;
	uint64_t now = now_ns();
	if (session->options->quiet || now - shown_ns < 200000000)
		return;
	shown_ns = now;
	fprintf(stderr, "\r%llu frames sent, %llu settled  ",
	        (unsigned long long)session->result->sent,
	        (unsigned long long)session->result->settled);
}

/* Silence for too long: while frames are on their way we go on and report what is missing; else
 * nothing will come any more. */
static int judge_silence(struct session *session)
{
	uint32_t ms =
	        session->phase == PHASE_CONNECT ? START_PATIENCE_MS : session->options->patience_ms;
	uint64_t patience = (uint64_t)ms * 1000000;
	if (now_ns() - session->heard_ns < patience)
		return 0;
	switch (session->phase) {
	case PHASE_CONNECT:
		return fail(session, session->control.socket < 0
		                             ? "no machine has connected"
		                             : "the machine did not say that it is ready");
	case PHASE_SEND:
	case PHASE_SETTLE:
		stop(session);
		return 0;
	default:
		return fail(session, "the machine did not report");
	}
}

static int turn(struct session *session)
{
	struct session_result *result = session->result;
	if (wait_turn(session) || exchange(session) || take_in(session))
		return -1;
	feed(session);
	if (session->phase == PHASE_SETTLE && result->settled == result->sent)
		stop(session);
	send_control(session);
	if (session->phase == PHASE_SEND || session->phase == PHASE_SETTLE)
		show_progress(session);
	return judge_silence(session);
}

/* The order to power off must still get out; whether the machine acknowledges it is its matter. */
static void say_goodbye(struct session *session)
{
	for (int i = 0; i < 25 && !exo_channel_idle(&session->channel); i++)
		if (wait_turn(session) || exchange(session) || take_in(session))
			break;
		else
			send_control(session);
}

static int listen_at(struct session *session, struct link *link, const char *path)
{
	int error = link_listen(link, path);
	if (!error)
		return 0;
	snprintf(session->error, TRACE_REASON_MAX, "cannot listen at %s: %s", path,
	         strerror(-error));
	return -1;
}

static int converse(struct session *session)
{
	static const uint8_t mac[6] = {0x02, 0x53, 0x4c, 0, 0, 1};
	uint64_t key[2];
	if (exo_channel_key(key, session->options->key))
		return fail(session, "the channel's key is not 32 hexadecimal digits");
	if (listen_at(session, &session->data, session->options->data_path) ||
	    listen_at(session, &session->control, session->options->control_path))
		return -1;
	exo_channel_open(&session->channel, key, mac);
	session->heard_ns = now_ns();
	while (session->phase != PHASE_OVER)
		if (turn(session))
			return -1;
	say_goodbye(session);
	return 0;
}

int session_run(const char *path, const struct session_options *options, struct bindings *bindings,
                struct session_result *result, char *error)
{
	struct session *session = calloc(1, sizeof(*session));
	if (!session) {
		snprintf(error, TRACE_REASON_MAX, "out of memory");
		return -1;
	}
	*result = (struct session_result){0};
	session->options = options;
	session->bindings = bindings;
	session->result = result;
	session->error = error;
	session->data.socket = session->data.listener = -1;
	session->control.socket = session->control.listener = -1;
	session->trace = open_trace(path, options->limits, error);
	int status = session->trace ? converse(session) : -1;
	if (session->trace)
		snprintf(result->link_note, sizeof(result->link_note), "%s",
		         trace_note(session->trace));
	if (!options->quiet && result->sent)
		fputs("\r                                                  \r", stderr);
	trace_close(session->trace);
	link_close(&session->data);
	link_close(&session->control);
	free(session);
	return status;
}

int session_judge(const char *path, const struct session_options *options,
                  struct bindings *bindings, char *error)
{
	struct trace_frame frame;
	struct trace *trace = open_trace(path, options->limits, error);
	if (!trace)
		return -1;
	bindings_restart(bindings);
	/* Damage at the end was reported when the trace was sent. */
	while (trace_next(trace, &frame, error) > 0)
		if (frame.fate == TRACE_SENDABLE)
			bindings_judge(bindings, frame.data, frame.length);
	trace_close(trace);
	return 0;
}

int session_scan(const char *path, const struct session_options *options, uint32_t *longest,
                 char *error)
{
	struct trace_frame frame;
	char damage[TRACE_REASON_MAX];
	struct trace *trace = open_trace(path, options->limits, error);
	*longest = 0;
	if (!trace)
		return -1;
	while (trace_next(trace, &frame, damage) > 0)
		if (frame.fate == TRACE_SENDABLE && frame.length > *longest)
			*longest = frame.length;
	trace_close(trace);
	return 0;
}
