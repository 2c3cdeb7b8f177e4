/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tlb.h - which ASID a vCPU runs under, and when its TLB is flushed.
 */
#ifndef SEVM_SVM_TLB_H
#define SEVM_SVM_TLB_H

#include "svm/sevm.h"

int sevm_asid_setup(u32 first_plain, u32 last);
void sevm_asid_teardown(void);
bool sevm_asid_plain_available(void);	/* did SEV leave any? */

/* Interrupts off, before entry on this CPU: ASID and TLB_CONTROL of the VMCB. */
void sevm_asid_prepare(struct sevm_vcpu *vcpu, int cpu);
/* A vCPU, or a VM's fixed ASID, is gone: what ran last where no longer counts. */
void sevm_asid_forget(struct sevm_vcpu *vcpu);
void sevm_asid_forget_fixed(u32 asid);
/* Interrupts off, on this CPU, whose SVM was just turned on. */
void sevm_asid_forget_cpu(int cpu);

#endif /* SEVM_SVM_TLB_H */
