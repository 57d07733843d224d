/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plugin for QEMU's TCG that counts the instructions a guest executes, whatever guest it is.
 *
 *     -plugin count.so,socket=PATH,start=ADDRESS
 *
 * Counting starts when the instruction at `start` (the kernel's entry, as the CPU sees it there)
 * executes for the first time, so that firmware is not counted. Whoever connects to the UNIX socket
 * gets one line,
 *
 *     TOTAL KERNEL USER REPEATS FIRST_USER EMPTY EMPTY_POLLS
 *
 * KERNEL and USER are the instructions in the upper and the lower half of the address space.
 * REPEATS are those that were iterations of a REP instruction behind its first: TCG executes each
 * as an instruction of its own, a CPU does not; TOTAL - REPEATS is what PEERS call xrep. FIRST_USER
 * is TOTAL when the lower half was entered for the first time from the upper (0: not yet).
 *
 * With `turn=ADDRESS,work=ADDRESS`, EMPTY are the instructions from one time that `turn` was
 * reached to the next with `work` not reached in between: a polling guest that found nothing to do.
 * EMPTY_POLLS is how often.
 *
 * then a line for each mark that the guest has made,
 *
 *     mark ID KERNEL USER REPEATS SWITCHES EXITS
 *
 * A mark is the instruction `nopl 0x5ACE0000 + ID(%rax)`: nothing to the CPU, in whatever guest.
 * SWITCHES are loads of CR3, EXITS returns from the upper half to the lower (IRETQ, SYSRETQ); a
 * mark counts itself.
 *
 * A guest that polls executes much that belongs to no packet. With
 *
 *     poll=START-END,got=ADDRESS[,got=…],sent=ADDRESS[,apart=FILE]
 *
 * a *span* is counted for each packet that is answered: from the entry of the polling function
 * [START, END) in which a `got` executed (something has arrived) to the return of the one in which
 * `sent` has executed since. Behind the marks there is a line for each span,
 *
 *     span TOTAL REPEATS APART SWITCHES
 *
 * APART are instructions inside the ranges that FILE lists, two hexadecimal numbers a line: the
 * driver's, for instance. START is the entry, the returns are the RETs in the range.
 *
 * With `functions=FILE`, a list of ranges as above in ascending order, there is a line at the end
 * for each range in which something was executed,
 *
 *     function START COUNT REPEATS ENTRIES
 *
 * ENTRIES: how often its first instruction was reached. What EMPTY counts is not in it.
 *
 * For one vCPU: the counters are plain. Interface: QEMU 7.2, include/qemu/qemu-plugin.h; with
 * -DCOUNT_QEMU_10 that of QEMU 10, as far as it differs.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <qemu-plugin.h>

#ifdef COUNT_QEMU_10
/* Version 4: an instruction's bytes are copied out, and what is inline has a counter for each vCPU:
 * a call does, for so few. */
QEMU_PLUGIN_EXPORT int qemu_plugin_version = 4;

typedef size_t copy_insn(const struct qemu_plugin_insn *insn, void *to, size_t size);

static const uint8_t *bytes_of(const struct qemu_plugin_insn *insn)
{
	/* The header knows it as it was: a call through another type, which the compiler is not to
	 * see. */
	static copy_insn *const volatile copy = (copy_insn *)(void *)qemu_plugin_insn_data;
	static uint8_t bytes[16];

	copy(insn, bytes, sizeof(bytes));
	return bytes;
}

static void add_now(unsigned cpu, void *to)
{
	(void)cpu;
	++*(uint64_t *)to;
}

static void add_one(struct qemu_plugin_insn *insn, uint64_t *to)
{
	qemu_plugin_register_vcpu_insn_exec_cb(insn, add_now, QEMU_PLUGIN_CB_NO_REGS, to);
}
#else
QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static const uint8_t *bytes_of(const struct qemu_plugin_insn *insn)
{
	return qemu_plugin_insn_data(insn);
}

static void add_one(struct qemu_plugin_insn *insn, uint64_t *to)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, to, 1);
}
#endif

enum { KERNEL, USER, HALVES };

enum {
	MARKS_MAX = 1 << 16,
	MARK_BYTES = 7, /* 0f 1f 80 and 32 bits */
	MARK = 0x5ace,  /* the upper half of those */
	WORK_MAX = 8,
};

static struct mark {
	uint32_t id;
	uint64_t executed[HALVES], repeats, switches, exits;
} marks[MARKS_MAX];
static unsigned n_marks;
static uint64_t switches, exits;

static uint64_t executed[HALVES], repeats;
static uint64_t base[HALVES], base_repeats; /* at the start */
static uint64_t turn_address, work_addresses[WORK_MAX], last_turn, empty, empty_polls;
static unsigned n_work;
static uint64_t start_address, first_user;
static int started, user_seen;
static char socket_path[108];

enum { SPANS_MAX = 1 << 16, RANGES_MAX = 1 << 14 };

struct span {
	uint64_t total, repeats, apart, switches;
};

static struct span spans[SPANS_MAX], begun, entered;
static unsigned n_spans;
static bool got, sent;
static uint64_t apart;
static uint64_t poll_start, poll_end, got_addresses[4], sent_address;
static unsigned n_got;
struct range {
	uint64_t start, end;
};

static struct range ranges[RANGES_MAX], functions[RANGES_MAX];
static unsigned n_ranges, n_functions;
static struct executions {
	uint64_t count, repeats, entries;
} profile[RANGES_MAX], profile_before[RANGES_MAX]; /* the latter: before the last turn */

static uint64_t total(void)
{
	return executed[KERNEL] + executed[USER];
}

static void on_start(unsigned cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (started)
		return;
	started = 1;
	memcpy(base, executed, sizeof(base));
	base_repeats = repeats;
}

static void on_user(unsigned cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (user_seen || !started || executed[KERNEL] == base[KERNEL])
		return;
	user_seen = 1;
	first_user = total() - base[KERNEL] - base[USER];
}

static void on_mark(unsigned cpu, void *id)
{
	struct mark *mark = &marks[n_marks];
	(void)cpu;
	if (n_marks == MARKS_MAX)
		return;
	mark->id = (uint32_t)(uintptr_t)id;
	memcpy(mark->executed, executed, sizeof(executed));
	mark->repeats = repeats;
	mark->switches = switches;
	mark->exits = exits;
	__atomic_store_n(&n_marks, n_marks + 1, __ATOMIC_RELEASE);
}

static void on_turn(unsigned cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (last_turn) {
		empty += total() - last_turn;
		empty_polls++;
		memcpy(profile, profile_before, n_functions * sizeof(profile[0]));
	} else {
		memcpy(profile_before, profile, n_functions * sizeof(profile[0]));
	}
	last_turn = total();
}

static void on_work(unsigned cpu, void *data)
{
	(void)cpu;
	(void)data;
	last_turn = 0;
}

static struct span now(void)
{
	return (struct span){total(), repeats, apart, switches};
}

static void on_poll(unsigned cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (!got)
		entered = now();
}

static void on_got(unsigned cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (!got)
		begun = entered;
	got = true;
}

static void on_sent(unsigned cpu, void *data)
{
	(void)cpu;
	(void)data;
	sent = got;
}

static void on_polled(unsigned cpu, void *data)
{
	struct span end = now();
	(void)cpu;
	(void)data;
	if (!sent)
		return;
	got = sent = false;
	if (n_spans == SPANS_MAX)
		return;
	spans[n_spans] = (struct span){end.total - begun.total, end.repeats - begun.repeats,
	                               end.apart - begun.apart, end.switches - begun.switches};
	__atomic_store_n(&n_spans, n_spans + 1, __ATOMIC_RELEASE);
}

/* What delimits spans, and what counts apart. */
static void look_for_spans(struct qemu_plugin_insn *insn, uint64_t address)
{
	if (address == poll_start)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_poll, QEMU_PLUGIN_CB_NO_REGS, NULL);
	for (unsigned i = 0; i < n_got; i++)
		if (address == got_addresses[i])
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_got, QEMU_PLUGIN_CB_NO_REGS,
			                                       NULL);
	if (address == sent_address)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_sent, QEMU_PLUGIN_CB_NO_REGS, NULL);
	if (address >= poll_start && address < poll_end && qemu_plugin_insn_size(insn) == 1 &&
	    bytes_of(insn)[0] == 0xc3)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_polled, QEMU_PLUGIN_CB_NO_REGS,
		                                       NULL);
	for (unsigned i = 0; i < n_ranges; i++)
		if (address >= ranges[i].start && address < ranges[i].end)
			add_one(insn, &apart);
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *key = a, *range = b;
	return key->start < range->start ? -1 : key->start >= range->end;
}

static struct executions *executions_of(uint64_t address)
{
	const struct range key = {.start = address};
	const struct range *found =
	        bsearch(&key, functions, n_functions, sizeof(key), compare_ranges);
	return found ? &profile[found - functions] : NULL;
}

static void look_for_function(struct qemu_plugin_insn *insn, uint64_t address)
{
	struct executions *function = executions_of(address);
	if (!function)
		return;
	add_one(insn, &function->count);
	if (functions[function - profile].start == address)
		add_one(insn, &function->entries);
}

/* A REP instruction that follows itself with nothing in between is an iteration. */
static void on_rep(unsigned cpu, void *address)
{
	static uint64_t last_total;
	static void *last_address;
	(void)cpu;
	if (address == last_address && total() - last_total <= 1) {
		struct executions *function = executions_of((uintptr_t)address);
		repeats++;
		if (function)
			function->repeats++;
	}
	last_total = total();
	last_address = address;
}

/* Prefixes F2 and F3 before a string instruction (SDM volume 2, REP). */
static int is_rep(const struct qemu_plugin_insn *insn)
{
	const uint8_t *bytes = bytes_of(insn);
	size_t size = qemu_plugin_insn_size(insn), i = 0;
	int rep = 0;
	for (; i < size; i++) {
		if (bytes[i] == 0xf2 || bytes[i] == 0xf3)
			rep = 1;
		else if (bytes[i] != 0x66 && bytes[i] != 0x67 && (bytes[i] & 0xf0) != 0x40)
			break;
	}
	if (!rep || i == size)
		return 0;
	return (bytes[i] >= 0xa4 && bytes[i] <= 0xa7) || (bytes[i] >= 0xaa && bytes[i] <= 0xaf) ||
	       (bytes[i] >= 0x6c && bytes[i] <= 0x6f);
}

/* Instructions that mean more than one more. SDM volume 2: MOV to control registers, IRET, SYSRET.
 */
static void look_closer(struct qemu_plugin_insn *insn)
{
	const uint8_t *bytes = bytes_of(insn);
	size_t size = qemu_plugin_insn_size(insn);
	if (size == MARK_BYTES && !memcmp(bytes, "\x0f\x1f\x80", 3) &&
	    (bytes[5] | bytes[6] << 8) == MARK)
		qemu_plugin_register_vcpu_insn_exec_cb(
		        insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
		        (void *)(uintptr_t)(bytes[3] | bytes[4] << 8));
	if (size >= 3 && bytes[size - 3] == 0x0f && bytes[size - 2] == 0x22 &&
	    (bytes[size - 1] & 0x38) == 0x18)
		add_one(insn, &switches);
	if ((size == 2 && !memcmp(bytes, "\x48\xcf", 2)) ||
	    (size == 3 && !memcmp(bytes, "\x48\x0f\x07", 3)))
		add_one(insn, &exits);
}

static void count_insn(struct qemu_plugin_insn *insn)
{
	uint64_t address = qemu_plugin_insn_vaddr(insn);
	int half = address >> 63 ? KERNEL : USER;
	if (address == start_address)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_start, QEMU_PLUGIN_CB_NO_REGS,
		                                       NULL);
	if (half == USER && !user_seen)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_user, QEMU_PLUGIN_CB_NO_REGS, NULL);
	look_closer(insn);
	if (poll_start)
		look_for_spans(insn, address);
	if (n_functions)
		look_for_function(insn, address);
	if (turn_address && address == turn_address)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_turn, QEMU_PLUGIN_CB_NO_REGS, NULL);
	for (unsigned i = 0; i < n_work; i++)
		if (address == work_addresses[i])
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_work,
			                                       QEMU_PLUGIN_CB_NO_REGS, NULL);
	if (is_rep(insn))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_rep, QEMU_PLUGIN_CB_NO_REGS,
		                                       (void *)(uintptr_t)address);
	add_one(insn, &executed[half]);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
		count_insn(qemu_plugin_tb_get_insn(tb, i));
}

static void answer(int client)
{
	char line[160];
	uint64_t kernel = started ? executed[KERNEL] - base[KERNEL] : 0;
	uint64_t user = started ? executed[USER] - base[USER] : 0;
	uint64_t repeated = started ? repeats - base_repeats : 0;
	int n = snprintf(line, sizeof(line),
	                 "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
	                 " %" PRIu64 "\n",
	                 kernel + user, kernel, user, repeated, first_user, empty, empty_polls);
	if (write(client, line, (size_t)n) < 0)
		perror("count: write");
	for (unsigned i = 0; i < __atomic_load_n(&n_marks, __ATOMIC_ACQUIRE); i++) {
		const struct mark *m = &marks[i];
		n = snprintf(line, sizeof(line),
		             "mark %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		             " %" PRIu64 "\n",
		             m->id, m->executed[KERNEL], m->executed[USER], m->repeats, m->switches,
		             m->exits);
		if (write(client, line, (size_t)n) != n)
			break;
	}
	for (unsigned i = 0; i < __atomic_load_n(&n_spans, __ATOMIC_ACQUIRE); i++) {
		const struct span *s = &spans[i];
		n = snprintf(line, sizeof(line),
		             "span %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", s->total,
		             s->repeats, s->apart, s->switches);
		if (write(client, line, (size_t)n) != n)
			break;
	}
	for (unsigned i = 0; i < n_functions; i++) {
		const struct executions *e = &profile[i];
		n = snprintf(line, sizeof(line),
		             "function %" PRIx64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		             functions[i].start, e->count, e->repeats, e->entries);
		if (e->count && write(client, line, (size_t)n) != n)
			break;
	}
	close(client);
}

static void *serve(void *argument)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)argument;
	memcpy(address.sun_path, socket_path, sizeof(address.sun_path));
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, 4)) {
		perror("count: socket");
		return NULL;
	}
	for (;;) {
		int client = accept(listener, NULL, NULL);
		if (client >= 0)
			answer(client);
	}
}

static int read_ranges(const char *path, struct range to[], unsigned *n)
{
	FILE *file = fopen(path, "r");
	if (!file)
		return -1;
	while (*n < RANGES_MAX &&
	       fscanf(file, "%" SCNx64 " %" SCNx64, &to[*n].start, &to[*n].end) == 2)
		++*n;
	fclose(file);
	return 0;
}

static int read_option(const char *text)
{
	if (!strncmp(text, "socket=", 7) && strlen(text + 7) < sizeof(socket_path))
		strcpy(socket_path, text + 7);
	else if (!strncmp(text, "start=", 6))
		start_address = strtoull(text + 6, NULL, 0);
	else if (!strncmp(text, "poll=", 5))
		return sscanf(text + 5, "%" SCNx64 "-%" SCNx64, &poll_start, &poll_end) == 2 ? 0
		                                                                             : -1;
	else if (!strncmp(text, "got=", 4) && n_got < 4)
		got_addresses[n_got++] = strtoull(text + 4, NULL, 16);
	else if (!strncmp(text, "sent=", 5))
		sent_address = strtoull(text + 5, NULL, 16);
	else if (!strncmp(text, "turn=", 5))
		turn_address = strtoull(text + 5, NULL, 16);
	else if (!strncmp(text, "work=", 5) && n_work < WORK_MAX)
		work_addresses[n_work++] = strtoull(text + 5, NULL, 16);
	else if (!strncmp(text, "apart=", 6))
		return read_ranges(text + 6, ranges, &n_ranges);
	else if (!strncmp(text, "functions=", 10))
		return read_ranges(text + 10, functions, &n_functions);
	else
		return -1;
	return 0;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
	pthread_t thread;
	(void)info;
	for (int i = 0; i < argc; i++)
		if (read_option(argv[i]))
			return -1;
	if (!socket_path[0] || pthread_create(&thread, NULL, serve, NULL))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}
