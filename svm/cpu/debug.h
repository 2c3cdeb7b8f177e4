/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * debug.h - debug registers of a plain guest.
 */
#ifndef SEVM_SVM_DEBUG_H
#define SEVM_SVM_DEBUG_H

#include <linux/hw_breakpoint.h>
#include <asm/debugreg.h>

#include "svm/sevm.h"

void sevm_debug_reset(struct sevm_vcpu *vcpu);
/* The guest touched a debug register: give it all of them. */
enum sevm_result sevm_debug_access(struct sevm_vcpu *vcpu);
void sevm_debug_load(struct sevm_vcpu *vcpu);
void sevm_debug_store(struct sevm_vcpu *vcpu);
/* The host's breakpoints: the kernel's own way to restore them is for KVM's modules alone. */
void sevm_debug_host_save(struct sevm_vcpu *vcpu);
void sevm_debug_host_restore(struct sevm_vcpu *vcpu);
/* Interrupts off, around the world switch. */
static inline void sevm_debug_enter(struct sevm_vcpu *vcpu)
{
	if (hw_breakpoint_active())
		sevm_debug_host_save(vcpu);
	if (unlikely(vcpu->dr_live))
		sevm_debug_load(vcpu);
}

/* #VMEXIT cleared DR7, so the host's breakpoints are off until restored. */
static inline void sevm_debug_leave(struct sevm_vcpu *vcpu)
{
	if (unlikely(vcpu->dr_live))
		sevm_debug_store(vcpu);
	if (hw_breakpoint_active())
		sevm_debug_host_restore(vcpu);
}

/* KVM_RUN ends: watch for the next access again, if no breakpoint is armed. */
void sevm_debug_reintercept(struct sevm_vcpu *vcpu);

void sevm_debug_get(struct sevm_vcpu *vcpu, struct kvm_debugregs *regs);
int sevm_debug_set(struct sevm_vcpu *vcpu, const struct kvm_debugregs *regs);

#endif /* SEVM_SVM_DEBUG_H */
