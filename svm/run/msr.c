// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr.c - who reads and writes MSRs: the guest and userspace.
 *
 * RDMSR and WRMSR by the guest, through userspace if it wants to be asked; the
 * MSR ioctls. What an MSR means is in msr_table.c, which ones the hardware answers
 * alone in svm/cpu/msr_map.c.
 */
#include <linux/kvm_para.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/mce.h>
#include <asm/msr-index.h>

#include "io.h"
#include "msr.h"
#include "msr_internal.h"
#include "svm/cpu/msr_filter.h"
#include "svm/cpu/msr_map.h"

#define MAX_ENTRIES	256	/* KVM's MAX_IO_MSRS: one less may come at once */

/*
 * What a protected guest keeps for itself is not ours to say or to set:
 * 0 to go on, 1 to do nothing, or -EINVAL.
 */
static int check_protected(struct sevm_vcpu *vcpu, u32 index, bool host)
{
	enum sevm_access access;

	if (!sevm_msr_map_is_passthrough(index))
		return 0;
	access = vcpu->vm->protect->state_access(vcpu);
	if (access == SEVM_ACCESS_OPEN)
		return 0;
	return host && access == SEVM_ACCESS_IGNORED ? 1 : -EINVAL;
}

static int get_msr(struct sevm_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	int ret;

	*data = 0;
	ret = check_protected(vcpu, index, host);
	if (ret)
		return ret < 0 ? ret : 0;
	ret = sevm_msr_table_get(vcpu, index, data, host);
	if (ret == -ENOENT && host && vcpu->vm->protect->msr_get(vcpu, index, data))
		ret = 0;
	return ret;
}

static int set_msr(struct sevm_vcpu *vcpu, u32 index, u64 data, bool host)
{
	int ret = check_protected(vcpu, index, host);

	if (ret)
		return ret < 0 ? ret : 0;
	return sevm_msr_table_set(vcpu, index, data, host);
}

/* The guest */

static enum sevm_result finish(struct sevm_vcpu *vcpu, bool read)
{
	struct kvm_run *run = vcpu->run;
	bool fault = READ_ONCE(run->msr.error);
	u64 data = READ_ONCE(run->msr.data);

	return vcpu->msrs->done(vcpu, fault, fault || !read ? 0 : data);
}

static enum sevm_result finish_read(struct sevm_vcpu *vcpu)
{
	return finish(vcpu, true);
}

static enum sevm_result finish_write(struct sevm_vcpu *vcpu)
{
	return finish(vcpu, false);
}

/* An access that failed: #GP, or ask userspace if it wants this kind. */
static enum sevm_result failed(struct sevm_vcpu *vcpu, bool read, int error,
			       u32 index, u64 data,
			       enum sevm_result (*done)(struct sevm_vcpu *vcpu,
							bool fault, u64 data))
{
	u32 reason = error == -ENOENT ? KVM_MSR_EXIT_REASON_UNKNOWN :
		     error == -EACCES ? KVM_MSR_EXIT_REASON_FILTER :
					KVM_MSR_EXIT_REASON_INVAL;

	if (!(vcpu->vm->user_msr_mask & reason))
		return done(vcpu, true, 0);
	vcpu->msrs->done = done;
	return sevm_io_msr(vcpu, !read, reason, index, data, read ? finish_read : finish_write);
}

enum sevm_result sevm_msr_guest_read(struct sevm_vcpu *vcpu, u32 index,
				     enum sevm_result (*done)(struct sevm_vcpu *vcpu,
							      bool fault, u64 data))
{
	u64 data;
	int ret;

	ret = sevm_msr_filter_allows(vcpu->vm, index, false) ?
		get_msr(vcpu, index, &data, false) : -EACCES;
	return ret ? failed(vcpu, true, ret, index, 0, done) : done(vcpu, false, data);
}

enum sevm_result sevm_msr_guest_write(struct sevm_vcpu *vcpu, u32 index, u64 data,
				      enum sevm_result (*done)(struct sevm_vcpu *vcpu,
							       bool fault, u64 data))
{
	int ret = sevm_msr_filter_allows(vcpu->vm, index, true) ?
		set_msr(vcpu, index, data, false) : -EACCES;

	return ret ? failed(vcpu, false, ret, index, data, done) : done(vcpu, false, 0);
}

/* Userspace: the lists */

/* What a VMM saves and restores. */
static const u32 saved[] = {
	MSR_IA32_TSC, MSR_IA32_TSC_ADJUST, MSR_TSC_AUX, MSR_IA32_TSC_DEADLINE,
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_KERNEL_GS_BASE,
	MSR_IA32_CR_PAT, MSR_IA32_SPEC_CTRL, MSR_IA32_XSS,
	MSR_IA32_MISC_ENABLE, MSR_IA32_MCG_STATUS, MSR_IA32_MCG_CTL,
	MSR_IA32_UCODE_REV, MSR_AMD64_DE_CFG, MSR_K7_HWCR,
	MSR_AMD64_OSVW_ID_LENGTH, MSR_AMD64_OSVW_STATUS,
	MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME,
	MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW,
	MTRR_INDEX_TYPE, MTRR_INDEX_64K, MTRR_INDEX_16K(0), MTRR_INDEX_16K(1),
	MTRR_INDEX_4K(0), MTRR_INDEX_4K(1), MTRR_INDEX_4K(2), MTRR_INDEX_4K(3),
	MTRR_INDEX_4K(4), MTRR_INDEX_4K(5), MTRR_INDEX_4K(6), MTRR_INDEX_4K(7),
	MTRR_INDEX_VARIABLE(0), MTRR_INDEX_VARIABLE(1), MTRR_INDEX_VARIABLE(2),
	MTRR_INDEX_VARIABLE(3), MTRR_INDEX_VARIABLE(4), MTRR_INDEX_VARIABLE(5),
	MTRR_INDEX_VARIABLE(6), MTRR_INDEX_VARIABLE(7), MTRR_INDEX_VARIABLE(8),
	MTRR_INDEX_VARIABLE(9), MTRR_INDEX_VARIABLE(10), MTRR_INDEX_VARIABLE(11),
	MTRR_INDEX_VARIABLE(12), MTRR_INDEX_VARIABLE(13), MTRR_INDEX_VARIABLE(14),
	MTRR_INDEX_VARIABLE(15),
};

/* What a VMM may ask the device about, before there is a vCPU. */
static const u32 features[] = { MSR_AMD64_DE_CFG, MSR_IA32_UCODE_REV };

static int copy_list(struct kvm_msr_list __user *arg, const u32 *list, u32 n)
{
	struct kvm_msr_list head;
	u32 room;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	room = head.nmsrs;
	head.nmsrs = n;
	if (copy_to_user(arg, &head, sizeof(head)))
		return -EFAULT;
	if (room < n)
		return -E2BIG;
	return copy_to_user(arg->indices, list, n * sizeof(*list)) ? -EFAULT : 0;
}

int sevm_msr_get_index_list(struct kvm_msr_list __user *arg)
{
	return copy_list(arg, saved, ARRAY_SIZE(saved));
}

int sevm_msr_get_feature_list(struct kvm_msr_list __user *arg)
{
	return copy_list(arg, features, ARRAY_SIZE(features));
}

/* Userspace: the values */

static int get_feature(struct sevm_vcpu *vcpu, u32 index, u64 *data)
{
	return sevm_msr_feature(index, data);
}

static int get_one(struct sevm_vcpu *vcpu, u32 index, u64 *data)
{
	return get_msr(vcpu, index, data, true);
}

static int set_one(struct sevm_vcpu *vcpu, u32 index, u64 *data)
{
	return set_msr(vcpu, index, *data, true);
}

/* The number of entries done; the first that fails ends it. */
static int msr_io(struct sevm_vcpu *vcpu, struct kvm_msrs __user *arg,
		  int (*one)(struct sevm_vcpu *vcpu, u32 index, u64 *data), bool back)
{
	struct kvm_msr_entry *entries;
	struct kvm_msrs head;
	size_t size;
	u32 i;
	int ret;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs >= MAX_ENTRIES)
		return -E2BIG;
	size = head.nmsrs * sizeof(*entries);
	entries = memdup_user(arg->entries, size);
	if (IS_ERR(entries))
		return PTR_ERR(entries);

	for (i = 0; i < head.nmsrs; i++) {
		if (one(vcpu, entries[i].index, &entries[i].data))
			break;
	}
	ret = i;
	if (back && copy_to_user(arg->entries, entries, size))
		ret = -EFAULT;
	kfree(entries);
	return ret;
}

int sevm_msr_get_features(struct kvm_msrs __user *arg)
{
	return msr_io(NULL, arg, get_feature, true);
}

int sevm_msr_ioctl_get(struct sevm_vcpu *vcpu, struct kvm_msrs __user *arg)
{
	return msr_io(vcpu, arg, get_one, true);
}

int sevm_msr_ioctl_set(struct sevm_vcpu *vcpu, struct kvm_msrs __user *arg)
{
	return msr_io(vcpu, arg, set_one, false);
}

/* Creation and end */

int sevm_msr_setup_mce(struct sevm_vcpu *vcpu, u64 cap)
{
	struct sevm_msrs *msrs = vcpu->msrs;
	u32 banks = cap & 0xff, i;

	if (!banks || banks > SEVM_MCE_BANKS || cap & ~(SEVM_MCE_CAP | 0xff | 0xff0000))
		return -EINVAL;
	msrs->mcg_cap = cap;
	if (cap & MCG_CTL_P)
		msrs->mcg_ctl = ~0ULL;
	for (i = 0; i < banks; i++)
		msrs->mce[i * 4] = ~0ULL;
	return 0;
}

int sevm_msr_init(struct sevm_vcpu *vcpu)
{
	struct sevm_msrs *msrs = kzalloc(sizeof(*msrs), GFP_KERNEL_ACCOUNT);

	if (!msrs)
		return -ENOMEM;
	vcpu->msrs = msrs;
	msrs->mcg_cap = SEVM_MCE_BANKS;
	msrs->osvw_length = 3;
	sevm_msr_feature(MSR_AMD64_DE_CFG, &msrs->de_cfg);
	sevm_msr_feature(MSR_IA32_UCODE_REV, &msrs->ucode_rev);
	return 0;
}

void sevm_msr_free(struct sevm_vcpu *vcpu)
{
	kfree(vcpu->msrs);
	vcpu->msrs = NULL;
}

/* What is in the VMCB is vmcb.c's to reset. INIT leaves all of ours alone. */
void sevm_msr_reset(struct sevm_vcpu *vcpu, bool init)
{
	if (init)
		return;
	vcpu->pat = SEVM_PAT_RESET;
	vcpu->xss = 0;
	vcpu->spec_ctrl = 0;
	vcpu->msrs->misc_enable = MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL |
				  MSR_IA32_MISC_ENABLE_BTS_UNAVAIL;
}
