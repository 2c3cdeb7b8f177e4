/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * msr.h - who reads and writes MSRs.
 */
#ifndef SEVM_SVM_MSR_H
#define SEVM_SVM_MSR_H

#include "svm/sevm.h"

int sevm_msr_init(struct sevm_vcpu *vcpu);
void sevm_msr_free(struct sevm_vcpu *vcpu);
void sevm_msr_reset(struct sevm_vcpu *vcpu, bool init);

#define SEVM_MCE_BANKS		32
#define SEVM_PAT_RESET		0x0007040600070406ULL
/* KVM_X86_SETUP_MCE: 0 or -EINVAL. SEVM_MCE_CAP: KVM_X86_GET_MCE_CAP_SUPPORTED */
#define SEVM_MCE_CAP	(BIT_ULL(8) | BIT_ULL(24))	/* MCG_CTL_P, MCG_SER_P */
int sevm_msr_setup_mce(struct sevm_vcpu *vcpu, u64 cap);

/*
 * RDMSR and WRMSR by the guest, plain or through the GHCB. done() gets the outcome:
 * fault, to be answered with #GP, or the data of a read. It runs at once, or at the
 * next KVM_RUN if userspace is asked (KVM_CAP_X86_USER_SPACE_MSR).
 */
enum sevm_result sevm_msr_guest_read(struct sevm_vcpu *vcpu, u32 index,
				     enum sevm_result (*done)(struct sevm_vcpu *vcpu,
							      bool fault, u64 data));
enum sevm_result sevm_msr_guest_write(struct sevm_vcpu *vcpu, u32 index, u64 data,
				      enum sevm_result (*done)(struct sevm_vcpu *vcpu,
							       bool fault, u64 data));

/* ioctls */
int sevm_msr_get_index_list(struct kvm_msr_list __user *arg);
int sevm_msr_get_feature_list(struct kvm_msr_list __user *arg);
int sevm_msr_get_features(struct kvm_msrs __user *arg);		/* device KVM_GET_MSRS */
int sevm_msr_ioctl_get(struct sevm_vcpu *vcpu, struct kvm_msrs __user *arg);
int sevm_msr_ioctl_set(struct sevm_vcpu *vcpu, struct kvm_msrs __user *arg);

#endif /* SEVM_SVM_MSR_H */
