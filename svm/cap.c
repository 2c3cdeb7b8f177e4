// SPDX-License-Identifier: GPL-2.0-only
/*
 * cap.c - the capabilities: KVM_CHECK_EXTENSION.
 *
 * What is neither in the table nor in sevm_es_check_extension(), or is 0, is absent.
 */
#include <linux/cpumask.h>

#include "cap.h"
#include "svm/mem/mem.h"
#include "svm/cpu/fpu.h"
#include "svm/irq/irq.h"
#include "svm/run/msr.h"

static long recommended_vcpus(void)
{
	return min_t(long, num_online_cpus(), SEVM_MAX_VCPUS);
}

static long xsave_size(void)
{
	return sevm_fpu_size();
}

static const struct capability {
	long ext;
	long value;
	long (*get)(void);	/* instead of value */
} capabilities[] = {
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_USER_MEMORY2, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_EXT_EMUL_CPUID, 1 },
	{ KVM_CAP_NR_VCPUS, 0, recommended_vcpus },
	{ KVM_CAP_MAX_VCPUS, SEVM_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID, SEVM_MAX_VCPUS },
	{ KVM_CAP_NR_MEMSLOTS, SEVM_MAX_SLOTS },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_IRQ_ROUTING, SEVM_MAX_GSI },
	{ KVM_CAP_IRQ_INJECT_STATUS, 1 },
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_IRQFD_RESAMPLE, 1 },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_X2APIC_API, SEVM_X2APIC_API_FLAGS },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_ADJUST_CLOCK, KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC },
	{ KVM_CAP_MCE, SEVM_MCE_BANKS },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },	/* no step shows in RFLAGS: there is none */
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_XSAVE2, 0, xsave_size },
	{ KVM_CAP_XCRS, 1 },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1 },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	{ KVM_CAP_SYS_ATTRIBUTES, 1 },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
};

long sevm_cap_check(unsigned long ext)
{
	const struct capability *cap;
	int r = sevm_es_check_extension(ext);

	if (r >= 0)
		return r;
	for (cap = capabilities; cap < capabilities + ARRAY_SIZE(capabilities); cap++)
		if (cap->ext == ext)
			return cap->get ? cap->get() : cap->value;
	return 0;
}
