// SPDX-License-Identifier: GPL-2.0-only
/*
 * test.c - runs the cases of a test program and reports them.
 *
 * A case is a process, so that a hang, a crash or a VM left behind ends with it.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define DEFAULT_SECONDS	60

enum { PASSED, FAILED, SKIPPED = 4 };

const char *test_device = "/dev/sevm";

static void say(const char *prefix, const char *fmt, va_list args)
{
	char line[1024];
	char *p;

	vsnprintf(line, sizeof(line), fmt, args);
	for (p = line; *p; p++)
		if (*p == '\n')
			*p = ' ';
	/* One write: other threads and processes speak too. */
	dprintf(STDOUT_FILENO, "%s%s\n", prefix, line);
}

void test_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("# ", fmt, args);
	va_end(args);
}

void test_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("# skip: ", fmt, args);
	va_end(args);
	_exit(SKIPPED);
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	char prefix[128];
	va_list args;

	snprintf(prefix, sizeof(prefix), "# %s:%d: ", file, line);
	va_start(args, fmt);
	say(prefix, fmt, args);
	va_end(args);
	_exit(FAILED);
}

/* The limit of a case; SELFTEST_TIME scales it, in percent: for a slow kernel, or a hurry. */
static unsigned int limit(const struct test_case *c)
{
	const char *text = getenv("SELFTEST_TIME");
	unsigned long percent = text ? strtoul(text, NULL, 10) : 0;
	unsigned long seconds = c->seconds ?: DEFAULT_SECONDS;

	return (seconds * (percent ?: 100) + 99) / 100;
}

static int run_case(const struct test_case *c)
{
	unsigned int seconds = limit(c);
	pid_t pid, parent = getpid();
	int status;

	pid = fork();
	if (pid < 0) {
		test_note("fork: %s", strerror(errno));
		return FAILED;
	}
	if (!pid) {
		/* Its own group: whatever it started goes with it. */
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(FAILED);
		alarm(seconds);
		c->run();
		_exit(PASSED);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	kill(-pid, SIGKILL);
	if (WIFSIGNALED(status)) {
		test_note("%s", WTERMSIG(status) == SIGALRM ? "no end within its time" :
			  strsignal(WTERMSIG(status)));
		return FAILED;
	}
	return WEXITSTATUS(status);
}

static bool wanted(const char *name, char **argv)
{
	if (!*argv)
		return true;
	for (; *argv; argv++)
		if (!strcmp(*argv, name))
			return true;
	return false;
}

static int usage(const char *program, int status)
{
	fprintf(status ? stderr : stdout,
		"usage: %s [--device PATH] [--list] [CASE...]\n"
		"Runs the cases (default: all) against the device (default: %s), as TAP.\n",
		program, test_device);
	return status;
}

int main(int argc, char **argv)
{
	const char *program = argv[0];
	const struct test_case *c;
	unsigned int n = 0, bad = 0;
	bool list = false;

	(void)argc;
	for (argv++; *argv && !strncmp(*argv, "--", 2); argv++) {
		if (!strcmp(*argv, "--device") && argv[1])
			test_device = *++argv;
		else if (!strcmp(*argv, "--list"))
			list = true;
		else
			return usage(program, strcmp(*argv, "--help") ? 2 : 0);
	}
	for (c = test_cases; c->name; c++) {
		if (list)
			printf("%s\n", c->name);
		n += wanted(c->name, argv);
	}
	if (list)
		return 0;
	if (!n) {
		fprintf(stderr, "%s: no such case; --list shows them\n", program);
		return 2;
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	printf("TAP version 13\n1..%u\n", n);
	n = 0;
	for (c = test_cases; c->name; c++) {
		if (!wanted(c->name, argv))
			continue;
		n++;
		switch (run_case(c)) {
		case PASSED:
			printf("ok %u %s\n", n, c->name);
			break;
		case SKIPPED:
			printf("ok %u %s # SKIP\n", n, c->name);
			break;
		default:
			printf("not ok %u %s\n", n, c->name);
			bad++;
		}
	}
	return bad ? 1 : 0;
}
