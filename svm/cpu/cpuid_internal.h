/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cpuid_internal.h - between cpuid.c and cpuid_host.c.
 */
#ifndef SEVM_SVM_CPUID_INTERNAL_H
#define SEVM_SVM_CPUID_INTERNAL_H

#include "svm/sevm.h"

#define SIGNIFICANT	KVM_CPUID_FLAG_SIGNIFCANT_INDEX
#define F(name)		BIT(X86_FEATURE_##name % 32)

enum sevm_cpuid_reg { EAX, EBX, ECX, EDX };

u32 *sevm_cpuid_reg(struct kvm_cpuid_entry2 *entry, enum sevm_cpuid_reg reg);
/* In which leaf's register a feature is; false: in none that the table has. */
bool sevm_cpuid_where(unsigned int x86_feature, u32 *leaf, u32 *index,
		      enum sevm_cpuid_reg *reg);
/* Bytes that XSAVE (compact: XSAVEC) needs for these components. */
u32 sevm_cpuid_xstate_size(u64 xfeatures, bool compact);

#endif /* SEVM_SVM_CPUID_INTERNAL_H */
