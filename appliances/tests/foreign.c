/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program for Linux, built with the computer's own C library (static glibc): it knows nothing of
 * Sluice. Each line that it prints begins with "foreign:"; those that a test awaits say what works.
 */
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	THREADS = 4,
	ADDITIONS = 20000,
	TURNS = 100,
	LOOKS_MAX = 400, /* of 50 ms */
	STATUS = 7,
	ANSWERS = 200,
};

static int failures;
static volatile int *volatile nowhere = (volatile int *)8;

static void expect(int truth, const char *what)
{
	printf("foreign: %s: %s\n", what, truth ? "works" : "WRONG");
	failures += !truth;
}

/* ---- Threads ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long count;
static int turn;
static __thread int local = 5;
static volatile long spun[2];
static volatile int stop;

static void *add(void *arg)
{
	for (int i = 0; i < ADDITIONS; i++) {
		pthread_mutex_lock(&lock);
		count++;
		pthread_mutex_unlock(&lock);
	}
	local++;
	return (void *)(local + (long)arg);
}

static void *take_turns(void *arg)
{
	for (int i = 0; i < TURNS; i++) {
		pthread_mutex_lock(&lock);
		while (turn != (int)(long)arg)
			pthread_cond_wait(&changed, &lock);
		turn ^= 1;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void *spin(void *arg)
{
	while (!stop)
		spun[(long)arg]++;
	return NULL;
}

static long run_threads(unsigned n, void *(*body)(void *))
{
	pthread_t threads[THREADS];
	long sum = 0;

	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, body, (void *)i) != 0)
			return -1;
	for (int looks = 0; body == spin && !stop; looks++) {
		struct timespec pause = {0, 50000000};

		nanosleep(&pause, NULL);
		stop = (spun[0] > 0 && spun[1] > 0) || looks == LOOKS_MAX;
	}
	for (unsigned i = 0; i < n; i++) {
		void *result;

		pthread_join(threads[i], &result);
		sum += (long)result;
	}
	return sum;
}

static void try_threads(void)
{
	expect(run_threads(THREADS, add) == 6L * THREADS + 6 &&
	               count == (long)THREADS * ADDITIONS && local == 5,
	       "threads, mutexes, thread-local data");
	run_threads(2, take_turns);
	expect(turn == 0, "condition variables");
	run_threads(2, spin);
	expect(spun[0] > 0 && spun[1] > 0, "threads that never wait get their turns");
}

/* ---- Signals ---- */

static volatile sig_atomic_t got;
static sigjmp_buf before;

static void note(int signal)
{
	got = signal;
}

static void go_back(int signal)
{
	siglongjmp(before, signal);
}

static void handle(int signal, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	sigaction(signal, &action, NULL);
}

static void try_signals(void)
{
	volatile double sum = 0;

	handle(SIGUSR1, note);
	for (int i = 0; i < 1000; i++) {
		sum += i * 0.5;
		raise(SIGUSR1);
	}
	expect(got == SIGUSR1 && sum == 249750.0, "a handler, and vector registers behind it");
	handle(SIGSEGV, go_back);
	if (sigsetjmp(before, 1) == 0)
		*nowhere = 1;
	else
		expect(1, "a fault's handler");
}

/* ---- Processes ---- */

static void answer(int in, int out)
{
	char byte;

	while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1)
		;
	_exit(0);
}

/* Two processes wait for each other in turns. */
static void try_turns(void)
{
	struct timespec begin, end;
	int to[2], from[2], n = 0;
	char byte = 0;

	if (pipe(to) != 0 || pipe(from) != 0)
		return expect(0, "turns of two processes");
	if (fork() == 0) {
		close(to[1]);
		answer(to[0], from[1]);
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (n < ANSWERS && write(to[1], &byte, 1) == 1 && read(from[0], &byte, 1) == 1)
		n++;
	clock_gettime(CLOCK_MONOTONIC, &end);
	close(to[1]);
	expect(wait(NULL) > 0 && n == ANSWERS, "turns of two processes");
	printf("foreign: a turn took %ld us\n",
	       ((end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000) /
	               ANSWERS);
}

static void try_processes(void)
{
	char text[32] = {0}, *shared = malloc(100000);
	int ends[2], status = 0;
	pid_t child;

	memset(shared, 1, 100000);
	handle(SIGCHLD, note);
	if (pipe(ends) != 0)
		return expect(0, "pipe");
	child = fork();
	if (child == 0) {
		memset(shared, 2, 100000);
		_exit(write(ends[1], "child", 5) == 5 && shared[99999] == 2 ? STATUS : 1);
	}
	expect(read(ends[0], text, sizeof(text)) == 5 && strcmp(text, "child") == 0, "a pipe");
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	expect(WIFEXITED(status) && WEXITSTATUS(status) == STATUS && got == SIGCHLD,
	       "fork, wait, SIGCHLD");
	expect(shared[0] == 1 && shared[99999] == 1, "memory is copied when it is written");
	child = fork();
	if (child == 0) {
		handle(SIGSEGV, SIG_DFL);
		*nowhere = 1;
	}
	waitpid(child, &status, 0);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "a child's fault");
}

/* ---- Calls with nonsense in them ---- */

static void try_wild(void)
{
	static const unsigned long wild[] = {
	        0, 8, 0x7e0000001000, 0x7e8000000000, 0x7ffffffffff8, 1ul << 63, ~7ul, ~0ul};
	enum { N = sizeof(wild) / sizeof(wild[0]) };
	unsigned refused = 0, calls = 0;
	int ends[2];

	if (pipe(ends) != 0 || write(ends[1], "some text", 9) != 9)
		return;
	for (unsigned i = 0; i < N; i++) {
		refused += write(ends[1], (void *)wild[i], 64) == -1 && errno == EFAULT;
		refused += read(ends[0], (void *)wild[i], 64) == -1 && errno == EFAULT;
		calls += 2;
	}
	expect(refused == calls, "wild pointers are refused");
	/* Every call, with wild arguments: what must not come back is left out (exit, fork, …). */
	for (long number = 0; number < 450; number++) {
		if (number == 15 || number == 34 || (number >= 56 && number <= 62) ||
		    number == 130 || number == 231 || number == 128 || number == 200 ||
		    number == 234 || number == 3 || number == 33 || number == 11 || number == 10 ||
		    number == 25 || number == 9 || number == 28 || number == 12 || number == 13 ||
		    number == 14 || number == 158 || number == 436 || number == 32 ||
		    number == 292 || number == 202 || number == 218 || number == 35 ||
		    number == 230 || number == 7 || number == 23 || number == 271 || number == 270)
			continue;
		for (unsigned i = 0; i < N; i++)
			syscall(number, wild[i], wild[(i + 1) % N], wild[(i + 3) % N],
			        wild[(i + 4) % N], wild[(i + 5) % N], wild[(i + 6) % N]);
	}
	expect(1, "calls with wild arguments");
}

int main(int argc, char **argv)
{
	FILE *file = fopen("/tmp/file", "w+");
	char line[32] = "";
	char *big = mmap(NULL, 1 << 24, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	printf("foreign: %d arguments, the second is %s, locale %s, %.3f, %s\n", argc, argv[1],
	       setlocale(LC_ALL, ""), 3.14159, strerror(ENOENT));
	big[1 << 23] = 1;
	expect(munmap(big, 1 << 24) == 0, "mmap");
	fprintf(file, "line %d\n", 42);
	rewind(file);
	expect(fgets(line, sizeof(line), file) != NULL && strcmp(line, "line 42\n") == 0,
	       "a file in memory");
	try_threads();
	try_signals();
	try_processes();
	try_turns();
	try_wild();
	printf("foreign: %s\n", failures == 0 ? "all is well" : "not all is well");
	return failures != 0;
}
