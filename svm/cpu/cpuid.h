/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cpuid.h - what CPUID says to a guest.
 */
#ifndef SEVM_SVM_CPUID_H
#define SEVM_SVM_CPUID_H

#include "svm/sevm.h"

void sevm_cpuid_setup(void);

/* KVM_GET_SUPPORTED_CPUID (emulated false), KVM_GET_EMULATED_CPUID (true) */
int sevm_cpuid_get_supported(struct kvm_cpuid2 __user *arg, bool emulated);
int sevm_cpuid_set(struct sevm_vcpu *vcpu, struct kvm_cpuid2 __user *arg);
int sevm_cpuid_set_v1(struct sevm_vcpu *vcpu, struct kvm_cpuid __user *arg);
int sevm_cpuid_get(struct sevm_vcpu *vcpu, struct kvm_cpuid2 __user *arg);
void sevm_cpuid_free(struct sevm_vcpu *vcpu);

/*
 * The CPUID instruction. regs: EAX, EBX, ECX, EDX; the leaf is in EAX, the subleaf in ECX.
 * xcr0, xss: the guest's, for the sizes of leaf 0xD.
 */
void sevm_cpuid_query(struct sevm_vcpu *vcpu, u64 xcr0, u64 xss, u32 regs[4]);
/* A leaf as userspace set it, or NULL. */
const struct kvm_cpuid_entry2 *sevm_cpuid_find(struct sevm_vcpu *vcpu,
					       u32 leaf, u32 index);
bool sevm_cpuid_has(struct sevm_vcpu *vcpu, unsigned int x86_feature);

#endif /* SEVM_SVM_CPUID_H */
