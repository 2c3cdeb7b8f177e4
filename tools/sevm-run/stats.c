// SPDX-License-Identifier: GPL-2.0-only
/*
 * stats.c - the hypervisor's binary statistics: the files are opened with the
 * VM (sevm-stat borrows them from outside), and summed up at its end.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../lib/kvm_stats.h"
#include "sevm-run.h"

static int vm_stats = -1;
static int vcpu_stats[MAX_CPUS];

void stats_open(struct vm *vm)
{
	unsigned int i;

	vm_stats = ioctl(vm->fd, KVM_GET_STATS_FD, NULL);
	if (vm_stats < 0)
		note("KVM_GET_STATS_FD: %s", strerror(errno));
	for (i = 0; i < vm->opt->cpus; i++)
		vcpu_stats[i] = ioctl(vm->vcpus[i].fd, KVM_GET_STATS_FD, NULL);
}

/* What belongs together; '*' is anything, at one end. */
static const struct group {
	const char *label;
	const char *names[8];
} groups[] = {
	{ "VMGEXITs", { "vmgexit", "vmgexit_*" } },
	{ "APs", { "sipis", "ap_holds", "ap_wakes" } },
	{ "interrupts", { "ipis_sent", "eois", "irq_injected", "nmi_injected",
			  "irq_injections", "nmi_injections" } },
	{ "MMIO markers", { "mmio_markers", "mmio_markers_zapped" } },
	{ "memory", { "pages_*", "npf_exits", "pf_*", "tlb_flushes", "tlb_flush" } },
	{ "exits", { "exits", "*_exits" } },
};

#define GROUPS	(ARRAY_SIZE(groups))
#define COLUMNS	90

static bool match(const char *name, const char *pattern)
{
	size_t length = strlen(pattern), end = strlen(name);

	if (pattern[0] == '*')
		return end >= length - 1 && !strcmp(name + end - (length - 1), pattern + 1);
	if (pattern[length - 1] == '*')
		return !strncmp(name, pattern, length - 1);
	return !strcmp(name, pattern);
}

static size_t group_of(const char *name)
{
	size_t g, i;

	for (g = 0; g < GROUPS; g++)
		for (i = 0; i < 8 && groups[g].names[i]; i++)
			if (match(name, groups[g].names[i]))
				return g;
	return GROUPS;
}

/* What the group's label says need not be said again. */
static const char *short_name(const char *name)
{
	if (!strcmp(name, "vmgexit"))
		return "all";
	if (!strcmp(name, "mmio_markers"))
		return "made";
	if (!strcmp(name, "mmio_markers_zapped"))
		return "zapped";
	return strncmp(name, "vmgexit_", 8) ? name : name + 8;
}

/* One group's counters that are not 0, wrapped. */
static void print_group(const struct kvm_stats *all, size_t group, const char *label)
{
	int column = 0;
	char item[96];
	size_t i;

	for (i = 0; i < all->count; i++) {
		const struct kvm_stat *stat = &all->stat[i];

		if (!stat->value || group_of(stat->name) != group)
			continue;
		snprintf(item, sizeof(item), "%s %llu", short_name(stat->name),
			 (unsigned long long)stat->value);
		if (!column)
			column = fprintf(stderr, "  %-14s", label);
		else if (column + 2 + (int)strlen(item) > COLUMNS)
			column = fprintf(stderr, ",\n  %-14s", "") - 2;
		else
			column += fprintf(stderr, ",");
		column += fprintf(stderr, " %s", item);
	}
	if (column)
		fputc('\n', stderr);
}

void stats_print(struct vm *vm)
{
	struct kvm_stats all = { 0 };
	uint64_t ports = 0, mmio = 0;
	unsigned int i;

	kvm_stats_add(&all, vm_stats);
	for (i = 0; i < vm->opt->cpus; i++) {
		kvm_stats_add(&all, vcpu_stats[i]);
		ports += vm->vcpus[i].port_exits;
		mmio += vm->vcpus[i].mmio_exits;
	}
	note("what the hypervisor did for this guest's %u vCPUs:", vm->opt->cpus);
	for (i = 0; i <= GROUPS; i++)
		print_group(&all, i, i < GROUPS ? groups[i].label : "other");
	fprintf(stderr, "  %-14s ports %llu, MMIO %llu\n", "to userspace",
		(unsigned long long)ports, (unsigned long long)mmio);
	kvm_stats_free(&all);
}
