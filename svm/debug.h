/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * debug.h - debug registers of a plain guest.
 */
#ifndef SEVM_SVM_DEBUG_H
#define SEVM_SVM_DEBUG_H

#include "sevm.h"

void sevm_debug_reset(struct sevm_vcpu *vcpu);
/* The guest touched a debug register: give it all of them. */
enum sevm_result sevm_debug_access(struct sevm_vcpu *vcpu);
/* Interrupts off, around the world switch. */
void sevm_debug_enter(struct sevm_vcpu *vcpu);
void sevm_debug_leave(struct sevm_vcpu *vcpu);
/* KVM_RUN ends: watch for the next access again. */
void sevm_debug_rest(struct sevm_vcpu *vcpu);

void sevm_debug_get(struct sevm_vcpu *vcpu, struct kvm_debugregs *regs);
int sevm_debug_set(struct sevm_vcpu *vcpu, const struct kvm_debugregs *regs);

#endif /* SEVM_SVM_DEBUG_H */
