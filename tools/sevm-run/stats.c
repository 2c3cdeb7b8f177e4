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
	fprintf(stderr, "sevm-run: %u vCPUs, %llu port and %llu MMIO exits to userspace\n",
		vm->opt->cpus, (unsigned long long)ports, (unsigned long long)mmio);
	for (i = 0; i < all.count; i++)
		if (all.stat[i].value)
			fprintf(stderr, "  %-32s %12llu\n", all.stat[i].name,
				(unsigned long long)all.stat[i].value);
	kvm_stats_free(&all);
}
