/* SPDX-License-Identifier: BSD-2-Clause */
/* The Linux guest's half of ci/bench primitives: a static program, and the one that it executes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "primitives.h"

enum { PAGE = 4096 };

/* ---- Exceptions ---- */

static void step_over(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2; /* divl %ecx */
}

static void unprotect(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1)), PAGE,
	         PROT_READ | PROT_WRITE);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	sigaction(signal, &action, NULL);
}

static void divide_by_zero(void)
{
	__asm__ volatile("xorl %%ecx, %%ecx; xorl %%edx, %%edx; divl %%ecx"
	                 :
	                 :
	                 : "eax", "ecx", "edx");
}

/* ---- Page faults that another thread resolves ---- */

static char spare[PAGE] __attribute__((aligned(PAGE)));

static void *resolve(void *argument)
{
	int fd = *(int *)argument;
	struct uffd_msg message;
	while (read(fd, &message, sizeof(message)) == sizeof(message)) {
		struct uffdio_copy copy = {.dst = message.arg.pagefault.address &
		                                  ~(uint64_t)(PAGE - 1),
		                           .src = (uintptr_t)spare,
		                           .len = PAGE};
		ioctl(fd, UFFDIO_COPY, &copy);
	}
	return NULL;
}

static void faults(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = {.api = UFFD_API};
	char *area = mmap(NULL, PRIMITIVE_ROUNDS * PAGE, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register range = {.range = {(uintptr_t)area, PRIMITIVE_ROUNDS * PAGE},
	                                .mode = UFFDIO_REGISTER_MODE_MISSING};
	pthread_t thread;
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range)) {
		perror("userfaultfd");
		return;
	}
	pthread_create(&thread, NULL, resolve, &fd);
	usleep(10000);
	for (int i = 0; i < PRIMITIVE_ROUNDS; i++)
		MEASURE(PRIMITIVE_FAULT, *(volatile char *)(area + (size_t)i * PAGE) = 1);
}

static void protects(void)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	handle(SIGSEGV, unprotect);
	for (int i = 0; i < PRIMITIVE_ROUNDS; i++) {
		*(volatile char *)page = 1;
		mprotect(page, PAGE, PROT_READ);
		MEASURE(PRIMITIVE_PROTECT, *(volatile char *)page = 2);
	}
}

/* ---- Transfers between processes ---- */

static void pipes(void)
{
	int to[2], from[2];
	char byte = 0;
	if (pipe(to) || pipe(from))
		return;
	if (fork() == 0) {
		while (read(to[0], &byte, 1) == 1 && write(from[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	for (int i = 0; i < PRIMITIVE_ROUNDS; i++)
		MEASURE(PRIMITIVE_TRANSFER, {
			if (write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1)
				abort();
		});
	close(to[1]);
	close(from[0]);
}

static void wait_for(int *word, int value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		syscall(SYS_futex, word, FUTEX_WAIT, 1 - value, NULL, NULL, 0);
}

static void set(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futexes(void)
{
	int *words = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();
	while (child == 0) {
		wait_for(&words[0], 1);
		words[0] = 0;
		set(&words[1], 1);
	}
	usleep(10000);
	for (int i = 0; i < PRIMITIVE_ROUNDS; i++)
		MEASURE(PRIMITIVE_FUTEX, {
			set(&words[0], 1);
			wait_for(&words[1], 1);
			words[1] = 0;
		});
	kill(child, SIGKILL);
}

/* ---- The rest ---- */

static void map_touch_unmap(void)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(volatile char *)page = 1;
	munmap(page, PAGE);
}

static void *nothing(void *argument)
{
	return argument;
}

static void fork_join(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, nothing, NULL);
	pthread_join(thread, NULL);
}

static void run_program(void)
{
	pid_t child = fork();
	if (child == 0) {
		execl("/nothing", "nothing", (char *)NULL);
		_exit(1);
	}
	waitpid(child, NULL, 0);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	handle(SIGFPE, step_over);
	for (int i = 0; i < PRIMITIVE_ROUNDS; i++) {
		MEASURE(PRIMITIVE_NOTHING, (void)0);
		MEASURE(PRIMITIVE_NULL, syscall(SYS_getppid));
		MEASURE(PRIMITIVE_EXCEPTION, divide_by_zero());
		MEASURE(PRIMITIVE_MAP, map_touch_unmap());
		MEASURE(PRIMITIVE_THREAD, fork_join());
		MEASURE(PRIMITIVE_ENV, run_program());
	}
	protects();
	faults();
	pipes();
	futexes();
	printf("primitives are done\n");
	return 0;
}
