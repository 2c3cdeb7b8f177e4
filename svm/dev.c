// SPDX-License-Identifier: GPL-2.0-only
/*
 * dev.c - /dev/sevm: what there is, and the way to a VM.
 *
 * Holds the table of capabilities, which tells the truth: what is not in it,
 * or has 0, is absent.
 */
#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <asm/mce.h>

#include "dev.h"
#include "vcpu.h"
#include "svm/mem/mem.h"
#include "svm/cpu/cpuid.h"
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

long sevm_dev_check_extension(unsigned long ext)
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

/* What a device attribute is worth; -ENXIO: there is none such. */
static int attribute(const struct kvm_device_attr *attr, u64 *value)
{
	if (attr->flags)
		return -EINVAL;
	if (attr->group == 0 && attr->attr == KVM_X86_XCOMP_GUEST_SUPP) {
		*value = sevm_fpu_features();
		return 0;
	}
	if (attr->group == KVM_X86_GRP_SEV && attr->attr == KVM_X86_SEV_VMSA_FEATURES &&
	    sevm_es_available()) {
		*value = 0;		/* none of them is optional here */
		return 0;
	}
	return -ENXIO;
}

static long device_attr(void __user *arg, bool get)
{
	struct kvm_device_attr attr;
	u64 value;
	int r;

	if (copy_from_user(&attr, arg, sizeof(attr)))
		return -EFAULT;
	r = attribute(&attr, &value);
	if (!r && get)
		r = put_user(value, (u64 __user *)u64_to_user_ptr(attr.addr));
	return r;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return sevm_vm_create(arg);
	case KVM_CHECK_EXTENSION:
		return sevm_dev_check_extension(arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL :
			(long)(ARRAY_SIZE(((struct sevm_vcpu *)0)->run_pages) * PAGE_SIZE);
	case KVM_GET_SUPPORTED_CPUID:
	case KVM_GET_EMULATED_CPUID:
		return sevm_cpuid_get_supported(argp, cmd == KVM_GET_EMULATED_CPUID);
	case KVM_GET_MSR_INDEX_LIST:
		return sevm_msr_get_index_list(argp);
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
		return sevm_msr_get_feature_list(argp);
	case KVM_GET_MSRS:
		return sevm_msr_get_features(argp);
	case KVM_X86_GET_MCE_CAP_SUPPORTED:
		return put_user((u64)SEVM_MCE_CAP, (u64 __user *)argp);
	case KVM_GET_DEVICE_ATTR:
	case KVM_HAS_DEVICE_ATTR:
		return device_attr(argp, cmd == KVM_GET_DEVICE_ATTR);
	default:
		return -EINVAL;		/* KVM's answer; a VM says -ENOTTY */
	}
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.llseek = noop_llseek,
};

/* Root's, until an administrator's rule says otherwise (README.md has one). */
static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "sevm",
	.fops = &device_fops,
	.mode = 0660,
};

int sevm_dev_register(void)
{
	return misc_register(&device);
}

void sevm_dev_unregister(void)
{
	misc_deregister(&device);
}
