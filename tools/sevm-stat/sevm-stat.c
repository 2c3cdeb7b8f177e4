// SPDX-License-Identifier: GPL-2.0-only
/*
 * sevm-stat - live counters of a running VMM, sevm's or KVM's.
 *
 * The hypervisor gives its statistics as files to the VMM (KVM_GET_STATS_FD).
 * Their descriptors are borrowed from the running process, if it has opened
 * them (`sevm-run --stats`, QEMU), and read; the VMM does not notice.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/kvm_stats.h"

#define MAX_FDS		1024

static const char usage[] =
"sevm-stat [-a] PID [SECONDS [TIMES]]\n"
"\n"
"Prints the hypervisor's counters of the VMM with this PID, summed over its\n"
"vCPUs: once, or the change in each interval of SECONDS. Counters that are (or\n"
"did) nothing are left out; -a shows all. The VMM must have opened its\n"
"statistics, as `sevm-run --stats` does.\n";

/* A statistics file among the process's: "anon_inode:kvm-vcpu-stats:0" or alike. */
static int is_stats(const char *folder, const char *name)
{
	char path[64], target[128];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%.16s", folder, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return 0;
	target[n] = '\0';
	return !strncmp(target, "anon_inode:", 11) && strstr(target, "stats");
}

/* Duplicates of all of them; their number, or -1. */
static int borrow(int pid, int *fds)
{
	struct kvm_stats probe;
	struct dirent *entry;
	char folder[32];
	int pidfd, fd, count = 0;
	DIR *dir;

	pidfd = syscall(SYS_pidfd_open, pid, 0);
	snprintf(folder, sizeof(folder), "/proc/%d/fd", pid);
	dir = opendir(folder);
	if (pidfd < 0 || !dir)
		return -1;
	while (count < MAX_FDS && (entry = readdir(dir))) {
		if (!is_stats(folder, entry->d_name))
			continue;
		fd = syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);
		if (fd < 0)
			return -1;
		memset(&probe, 0, sizeof(probe));
		if (kvm_stats_add(&probe, fd))
			fds[count++] = fd;
		else
			close(fd);
		kvm_stats_free(&probe);
	}
	closedir(dir);
	close(pidfd);
	return count;
}

static void read_all(struct kvm_stats *stats, const int *fds, int count)
{
	int i;

	memset(stats, 0, sizeof(*stats));
	for (i = 0; i < count; i++)
		if (!kvm_stats_add(stats, fds[i])) {
			fprintf(stderr, "sevm-stat: the statistics cannot be read any more\n");
			exit(1);
		}
}

/* Counts since `before` (NULL: ever); levels as they are. Same files, same order. */
static void print(const struct kvm_stats *now, const struct kvm_stats *before, int all)
{
	uint64_t value;
	size_t i;

	for (i = 0; i < now->count; i++) {
		value = now->stat[i].value;
		if (before && !now->stat[i].instant)
			value -= before->stat[i].value;
		if (value || all)
			printf("%-32s %12llu\n", now->stat[i].name, (unsigned long long)value);
	}
	fflush(stdout);
}

static long parse_number(const char *text, long max)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < 1 || value > max) {
		fprintf(stderr, "sevm-stat: not a number from 1 to %ld: %s\n", max, text);
		exit(2);
	}
	return value;
}

static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };

int main(int argc, char **argv)
{
	struct kvm_stats before, now;
	long pid, seconds = 0, times = 0, done;
	int fds[MAX_FDS], count, c, all = 0;

	while ((c = getopt_long(argc, argv, "ah", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (c != 'a') {
			fputs(usage, stderr);
			return 2;
		}
		all = 1;
	}
	argc -= optind;
	argv += optind;
	if (argc < 1 || argc > 3) {
		fputs(usage, stderr);
		return 2;
	}
	pid = parse_number(argv[0], 1L << 30);
	if (argc > 1)
		seconds = parse_number(argv[1], 86400);
	if (argc > 2)
		times = parse_number(argv[2], 1L << 30);

	count = borrow(pid, fds);
	if (count < 0) {
		fprintf(stderr, "sevm-stat: process %ld: %s\n", pid, strerror(errno));
		return 1;
	}
	if (!count) {
		fprintf(stderr, "sevm-stat: process %ld has opened no statistics (--stats?)\n",
			pid);
		return 1;
	}
	read_all(&before, fds, count);
	if (!seconds)
		print(&before, NULL, all);
	for (done = 0; seconds && (!times || done < times); done++) {
		sleep(seconds);
		read_all(&now, fds, count);
		if (done)
			puts("");
		print(&now, &before, all);
		kvm_stats_free(&before);
		before = now;
	}
	kvm_stats_free(&before);
	return 0;
}
