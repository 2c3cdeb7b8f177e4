/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * msr_internal.h - between msr.c and msr_table.c.
 */
#ifndef SEVM_SVM_MSR_INTERNAL_H
#define SEVM_SVM_MSR_INTERNAL_H

#include "msr.h"

#define SEVM_MTRR_VARIABLE	8

/* Indices; the kernel's names for them are not in its own style. */
#define MTRR_INDEX_CAP		0xfe
#define MTRR_INDEX_VARIABLE(n)	(0x200 + (n))	/* base, mask, base, ... */
#define MTRR_INDEX_64K		0x250
#define MTRR_INDEX_16K(n)	(0x258 + (n))
#define MTRR_INDEX_4K(n)	(0x268 + (n))
#define MTRR_INDEX_TYPE		0x2ff

struct sevm_msrs {
	u64 tsc_adjust;
	u64 misc_enable;
	u64 ucode_rev;
	u64 arch_capabilities;
	u64 hwcr;
	u64 de_cfg;
	u64 osvw_length;
	u64 osvw_status;
	u64 mcg_cap;
	u64 mcg_status;
	u64 mcg_ctl;
	u64 mce[SEVM_MCE_BANKS * 4];
	u64 mtrr_type;
	u64 mtrr_variable[SEVM_MTRR_VARIABLE * 2];
	u64 mtrr_fixed[11];

	/* A guest's access that userspace is asked about: msr.c */
	enum sevm_result (*done)(struct sevm_vcpu *vcpu, bool fault, u64 data);
};

/* 0, or -ENOENT: unknown, or -EINVAL: bad value. host: from an ioctl, not RDMSR/WRMSR. */
int sevm_msr_table_get(struct sevm_vcpu *vcpu, u32 index, u64 *data, bool host);
int sevm_msr_table_set(struct sevm_vcpu *vcpu, u32 index, u64 data, bool host);
/* Values that all vCPUs start with: the feature MSRs. -ENOENT: none of them. */
int sevm_msr_feature(u32 index, u64 *data);

#endif /* SEVM_SVM_MSR_INTERNAL_H */
