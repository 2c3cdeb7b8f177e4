/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tlb.h - which ASID a vCPU runs under, and when its TLB is flushed.
 */
#ifndef SEVM_SVM_TLB_H
#define SEVM_SVM_TLB_H

#include "svm/sevm.h"

int sevm_tlb_setup(void);		/* after SEV has said how many ASIDs are its own */
void sevm_tlb_teardown(void);
bool sevm_tlb_has_plain_asids(void);	/* did SEV leave any? */

/* Interrupts off, before entry on this CPU: ASID and TLB_CONTROL of the VMCB. */
void sevm_tlb_prepare(struct sevm_vcpu *vcpu, int cpu);
/* A vCPU, or a VM's fixed ASID, is gone: what ran last where no longer counts. */
void sevm_tlb_invalidate_vcpu(struct sevm_vcpu *vcpu);
void sevm_tlb_invalidate_asid(u32 asid);
/* Interrupts off, on this CPU: the next entry flushes, whoever's it is. */
void sevm_tlb_invalidate_cpu(int cpu);

#endif /* SEVM_SVM_TLB_H */
