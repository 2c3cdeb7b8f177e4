// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpuid.c - what CPUID tells the guest: all that the hypervisor supports, and
 * the leaves that depend on the machine: APIC IDs, topology, the timer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "sevm-run.h"

#define MAX_ENTRIES	256
/* Room for leaves that the hypervisor did not list. */
#define SPARE_ENTRIES	4

struct kvm_cpuid2 *cpuid_supported(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		die(EXIT_HOST, "no memory");
	cpuid->nent = MAX_ENTRIES - SPARE_ENTRIES;
	if (ioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, cpuid))
		die(EXIT_HOST, "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
	return cpuid;
}

static struct kvm_cpuid_entry2 *entry(struct kvm_cpuid2 *cpuid, uint32_t function,
				      uint32_t index, bool indexed)
{
	struct kvm_cpuid_entry2 *e;
	uint32_t i;

	for (i = 0; i < cpuid->nent; i++) {
		e = &cpuid->entries[i];
		if (e->function == function && (!indexed || e->index == index))
			return e;
	}
	if (cpuid->nent == MAX_ENTRIES)
		die(EXIT_HOST, "no room for CPUID leaf 0x%x", function);
	e = &cpuid->entries[cpuid->nent++];
	memset(e, 0, sizeof(*e));
	e->function = function;
	e->index = index;
	if (indexed)
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	return e;
}

/* One package of single-threaded cores; the APIC ID is the vCPU's number. */
static void topology(struct kvm_cpuid2 *cpuid, unsigned int id, unsigned int cpus)
{
	struct kvm_cpuid_entry2 *e;
	unsigned int shift = 0;

	while (1u << shift < cpus)
		shift++;

	e = entry(cpuid, 1, 0, false);
	e->ebx = (e->ebx & 0x0000ffff) | cpus << 16 | id << 24;
	if (cpus > 1)
		e->edx |= BIT(28);			/* HTT */

	if (entry(cpuid, 0, 0, false)->eax >= 0xb) {
		e = entry(cpuid, 0xb, 0, true);
		e->eax = 0;
		e->ebx = 1;
		e->ecx = 1 << 8;			/* threads */
		e->edx = id;
		e = entry(cpuid, 0xb, 1, true);
		e->eax = shift;
		e->ebx = cpus;
		e->ecx = 1 | 2 << 8;			/* cores */
		e->edx = id;
	}

	if (entry(cpuid, 0x80000000, 0, false)->eax >= 0x8000001e) {
		e = entry(cpuid, 0x8000001e, 0, false);
		e->eax = id;
		e->ebx = id;				/* one thread per core */
		e->ecx = 0;				/* one node */
		e->edx = 0;
	}
	e = entry(cpuid, 0x80000008, 0, false);
	e->ecx = shift << 12 | (cpus - 1);
}

static void clear(struct kvm_cpuid_entry2 *e)
{
	e->eax = 0;
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

void cpuid_set(struct vcpu *vcpu, const struct kvm_cpuid2 *supported)
{
	size_t size = sizeof(*supported) + MAX_ENTRIES * sizeof(supported->entries[0]);
	struct kvm_cpuid2 *cpuid = malloc(size);
	struct kvm_cpuid_entry2 *e;
	struct vm *vm = vcpu->vm;

	if (!cpuid)
		die(EXIT_HOST, "no memory");
	memcpy(cpuid, supported, size);
	topology(cpuid, vcpu->id, vm->opt->cpus);

	e = entry(cpuid, 1, 0, false);
	e->ecx |= BIT(31);				/* a hypervisor is present */
	if (ioctl(vm->dev, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		e->ecx |= BIT(24);

	/*
	 * No nesting. Linux 6.1 would take the EFER.SVME that a SEV-ES guest
	 * reads as its own, and die of STGI at power-off.
	 */
	e = entry(cpuid, 0x80000001, 0, false);
	e->ecx &= ~BIT(2);
	clear(entry(cpuid, 0x8000000a, 0, false));

	/* A guest that sees SEV reads SEV_STATUS, an MSR that plain guests lack. */
	if (!vm->opt->protected)
		clear(entry(cpuid, 0x8000001f, 0, false));

	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		die(EXIT_HOST, "KVM_SET_CPUID2 on vCPU %u: %s", vcpu->id, strerror(errno));
	free(cpuid);
}
