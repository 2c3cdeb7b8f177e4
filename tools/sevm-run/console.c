// SPDX-License-Identifier: GPL-2.0-only
/*
 * console.c - stdio as the guest's terminal, and the main thread's waiting.
 *
 * A terminal on stdin is put into raw mode and restored on every way out that
 * a process can have (^A x, signals, exit()). Output is gathered per line.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "sevm-run.h"

#define ESCAPE		0x01		/* ^A */
#define TICK_MS		50	/* output without a newline appears so late */

static struct termios saved;
static bool raw;

static pthread_mutex_t out_lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t out[512];
static size_t out_size;

void console_restore(void)
{
	if (raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	raw = false;
}

void console_start(void)
{
	struct termios t;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved))
		return;
	atexit(console_restore);
	t = saved;
	cfmakeraw(&t);
	t.c_oflag |= OPOST;		/* for our own messages; harmless for \r\n */
	raw = !tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

static void flush_locked(void)
{
	size_t done = 0;
	ssize_t n;

	while (done < out_size) {
		n = write(STDOUT_FILENO, out + done, out_size - done);
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

			poll(&p, 1, -1);
			continue;
		}
		if (n < 0 && errno != EINTR)
			break;		/* nobody listens: the guest runs on */
		if (n > 0)
			done += n;
	}
	out_size = 0;
}

void console_flush(void)
{
	pthread_mutex_lock(&out_lock);
	flush_locked();
	pthread_mutex_unlock(&out_lock);
}

void console_put(uint8_t c)
{
	pthread_mutex_lock(&out_lock);
	out[out_size++] = c;
	if (c == '\n' || out_size == sizeof(out))
		flush_locked();
	pthread_mutex_unlock(&out_lock);
}

/* From stdin to the guest; ^A x ends, ^A ^A is ^A. False: stdin is at its end. */
static bool input(struct vm *vm)
{
	static bool escaped;
	uint8_t in[256], keys[256];
	size_t room = serial_room(), count = 0;
	ssize_t n, i;

	n = read(STDIN_FILENO, in, room < sizeof(in) ? room : sizeof(in));
	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN);
	for (i = 0; i < n; i++) {
		if (raw && !escaped && in[i] == ESCAPE) {
			escaped = true;
			continue;
		}
		if (escaped && in[i] == 'x')
			vm_end(vm, 128 + SIGINT, "ended by ^A x");
		else if (!escaped || in[i] == ESCAPE)
			keys[count++] = in[i];
		escaped = false;
	}
	if (count)
		port_input(keys, count);
	return true;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* The main thread, until the VM ended. Signals come here and nowhere else. */
void console_wait(struct vm *vm)
{
	long long left, end = vm->opt->timeout ? now_ms() + vm->opt->timeout * 1000LL : 0;
	struct signalfd_siginfo info;
	bool listening = true;
	struct pollfd p[3];
	sigset_t set;
	int wait;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	p[0] = (struct pollfd){ .fd = vm->stop_fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = signalfd(-1, &set, SFD_CLOEXEC), .events = POLLIN };
	p[2] = (struct pollfd){ .events = POLLIN };

	while (!__atomic_load_n(&vm->ending, __ATOMIC_ACQUIRE)) {
		wait = TICK_MS;
		if (end) {
			left = end - now_ms();
			vm->timed_out = left <= 0;
			if (vm->timed_out)
				vm_end(vm, EXIT_TIMEOUT, "no end after %u s", vm->opt->timeout);
			else if (left < wait)
				wait = left;
		}
		p[2].fd = listening && serial_room() ? STDIN_FILENO : -1;
		if (poll(p, 3, wait) < 0)
			continue;
		console_flush();
		if ((p[1].revents & POLLIN) &&
		    read(p[1].fd, &info, sizeof(info)) == sizeof(info))
			vm_end(vm, 128 + info.ssi_signo, "ended by signal %u",
			       info.ssi_signo);
		if (p[2].fd >= 0 && p[2].revents)
			listening = input(vm);
	}
	close(p[1].fd);
}
