// SPDX-License-Identifier: GPL-2.0-only
/*
 * trace.c - a tracefs instance of our own: sevm's tracepoints, for this process.
 *
 * It knows files and lines, not what the lines mean (timeline.c). Nobody else's
 * tracing is touched; the instance goes when the process ends, and one that a
 * killed sevm-run left behind goes when the next one comes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sevm-run.h"
#include "timeline.h"

#define PREFIX		"sevm-run-"
#define BUFFER_KB	"512"		/* for each CPU of the host */
#define LINE_MAX_SIZE	512

/* INIT is 5, SIPI is 6: the NMIs are not shown. Nor is is_up: a guest may poll. */
static const struct {
	const char *event;
	const char *filter;
} wanted[] = {
	{ "sevm_ap", NULL },
	{ "sevm_ap_op", "op == 1 || op == 2" },
	{ "sevm_ap_table", NULL },
	{ "sevm_apic_signal", "delivery >= 5" },
};

static const char *const roots[] = {
	"/sys/kernel/tracing/instances",
	"/sys/kernel/debug/tracing/instances",
};

static char instance[PATH_MAX];

static void put(const char *file, const char *text)
{
	char path[PATH_MAX + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", instance, file);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !strncmp(file, "events/", 7))
		die(EXIT_HOST, "--timeline: the loaded sevm has no tracepoint %s%s",
		    file + 7, " (is it older than sevm-run?)");
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(EXIT_HOST, "--timeline: %s: %s", path, strerror(errno));
	close(fd);
}

/* What belonged to a process that is gone. */
static void remove_stale(const char *root)
{
	char path[PATH_MAX];
	DIR *dir = opendir(root);
	struct dirent *entry;
	int pid;

	while (dir && (entry = readdir(dir)))
		if (sscanf(entry->d_name, PREFIX "%d", &pid) == 1 && kill(pid, 0) &&
		    errno == ESRCH) {
			snprintf(path, sizeof(path), "%s/%s", root, entry->d_name);
			rmdir(path);
		}
	if (dir)
		closedir(dir);
}

static void trace_close(void)
{
	if (*instance)
		rmdir(instance);
	*instance = '\0';
}

static const char *find_root(void)
{
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(roots); i++) {
		if (!stat(roots[i], &st))
			return roots[i];
		if (errno == EACCES)
			die(EXIT_HOST, "--timeline: %s: %s (it takes root)", roots[i],
			    strerror(errno));
	}
	die(EXIT_HOST, "--timeline needs tracefs. As root: mount -t tracefs nodev %s",
	    "/sys/kernel/tracing");
}

/* Before there are threads: theirs are the events. */
void trace_open(void)
{
	const char *root = find_root();
	char path[PATH_MAX], text[128];
	size_t i;

	remove_stale(root);
	snprintf(path, sizeof(path), "%s/" PREFIX "%d", root, getpid());
	if (mkdir(path, 0700))
		die(EXIT_HOST, "--timeline: %s: %s%s", path, strerror(errno),
		    errno == EACCES || errno == EPERM ? " (it takes root)" : "");
	strcpy(instance, path);
	atexit(trace_close);

	put("buffer_size_kb", BUFFER_KB);
	put("trace_clock", "mono");
	put("options/event-fork", "1");
	snprintf(text, sizeof(text), "%d", getpid());
	put("set_event_pid", text);
	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		snprintf(path, sizeof(path), "events/sevm/%s/filter", wanted[i].event);
		if (wanted[i].filter)
			put(path, wanted[i].filter);
		snprintf(path, sizeof(path), "events/sevm/%s/enable", wanted[i].event);
		put(path, "1");
	}
}

/*
 * "TASK-PID [CPU] FLAGS SECONDS.MICROSECONDS: EVENT: TEXT"; TASK may have spaces,
 * but it is one of our threads.
 */
static bool split(char *line, struct trace_line *out)
{
	char *event = strstr(line, ": sevm_"), *time, *text;
	unsigned long long seconds, us;

	if (!event)
		return false;
	*event = '\0';
	event += 2;
	time = strrchr(line, ' ');
	text = strstr(event, ": ");
	if (!time || !text || sscanf(time, "%llu.%6llu", &seconds, &us) != 2 ||
	    seconds > UINT64_MAX / 1000000 - 1)
		return false;
	*text = '\0';
	text += 2;
	text[strcspn(text, "\n")] = '\0';
	out->us = seconds * 1000000 + us;
	out->event = event;
	out->text = text;
	return true;
}

/*
 * Of all CPUs, in the order of time. The result is how many events are not there
 * any more: the oldest.
 */
uint64_t trace_read(void (*take)(void *arg, const struct trace_line *line), void *arg)
{
	unsigned long long kept, written, lost = 0;
	char path[PATH_MAX + 64], text[LINE_MAX_SIZE];
	struct trace_line line;
	FILE *file;

	put("tracing_on", "0");
	snprintf(path, sizeof(path), "%s/trace", instance);
	file = fopen(path, "re");
	if (!file)
		die(EXIT_HOST, "--timeline: %s: %s", path, strerror(errno));
	while (fgets(text, sizeof(text), file)) {
		if (sscanf(text, "# entries-in-buffer/entries-written: %llu/%llu",
			   &kept, &written) == 2)
			lost = written - kept;
		else if (*text != '#' && split(text, &line))
			take(arg, &line);
	}
	fclose(file);
	trace_close();
	return lost;
}
