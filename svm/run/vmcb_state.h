/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmcb_state.h - the registers of a plain guest, or before launch, for userspace.
 *
 * The VMCB must not be running: vcpu->mutex held.
 */
#ifndef SEVM_SVM_VMCB_STATE_H
#define SEVM_SVM_VMCB_STATE_H

#include "svm/sevm.h"

void sevm_vmcb_get_regs(struct sevm_vcpu *vcpu, struct kvm_regs *regs);
void sevm_vmcb_set_regs(struct sevm_vcpu *vcpu, const struct kvm_regs *regs);
void sevm_vmcb_get_sregs(struct sevm_vcpu *vcpu, struct kvm_sregs *sregs);
/* 0 or -EINVAL: an illegal combination of CR0, CR3, CR4, EFER, or a bad APIC base */
int sevm_vmcb_set_sregs(struct sevm_vcpu *vcpu, const struct kvm_sregs *sregs);

/*
 * MSRs that live in the save area, for msr_table.c: STAR, LSTAR, CSTAR, SYSCALL_MASK,
 * KERNEL_GS_BASE, FS_BASE, GS_BASE, SYSENTER_CS/ESP/EIP, DEBUGCTL and the LBR four. EFER
 * too, as the guest sees it (without SVME), and PAT. Get and set are false for an index
 * that is none of them; the caller has checked the value.
 */
bool sevm_vmcb_get_msr(struct sevm_vcpu *vcpu, u32 index, u64 *data);
bool sevm_vmcb_set_msr(struct sevm_vcpu *vcpu, u32 index, u64 data);

#endif /* SEVM_SVM_VMCB_STATE_H */
