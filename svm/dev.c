// SPDX-License-Identifier: GPL-2.0-only
/*
 * dev.c - /dev/sevm: what the host offers to a VMM, and the way to a VM.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "cap.h"
#include "dev.h"
#include "vcpu.h"
#include "svm/cpu/cpuid.h"
#include "svm/cpu/fpu.h"
#include "svm/cpu/host.h"
#include "svm/run/msr.h"

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
	    sevm_host_caps.sev_es) {
		*value = 0;		/* none is offered */
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
		return sevm_cap_check(arg);
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

/* Root's, until an administrator's rule says otherwise (docs/abi.md has one). */
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
