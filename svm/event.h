/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * event.h - exceptions, NMIs and interrupts on their way into the guest.
 */
#ifndef SEVM_SVM_EVENT_H
#define SEVM_SVM_EVENT_H

#include "sevm.h"

/* Interrupts off, last before the world switch: EVENTINJ and the windows. */
void sevm_event_enter(struct sevm_vcpu *vcpu);
/* After it: what was delivered is forgotten, what was cut short is kept. */
void sevm_event_leave(struct sevm_vcpu *vcpu);
void sevm_event_reset(struct sevm_vcpu *vcpu);

/* Would a halted vCPU wake up? Also in the condition of a wait. */
bool sevm_event_wakes(struct sevm_vcpu *vcpu);

/* SEV-ES: the guest says that its NMI handler is done (NAE 0x80000003). */
void sevm_event_nmi_complete(struct sevm_vcpu *vcpu);
/* Plain: IRET is about to run. */
void sevm_event_iret(struct sevm_vcpu *vcpu);

/* KVM_INTERRUPT, where userspace is the interrupt controller */
int sevm_event_user_interrupt(struct sevm_vcpu *vcpu, u32 vector);
/* ready_for_interrupt_injection of kvm_run */
bool sevm_event_user_ready(struct sevm_vcpu *vcpu);
/* And did userspace ask to be told (KVM_EXIT_IRQ_WINDOW_OPEN)? */
bool sevm_event_user_window(struct sevm_vcpu *vcpu);

void sevm_event_get(struct sevm_vcpu *vcpu, struct kvm_vcpu_events *events);
int sevm_event_set(struct sevm_vcpu *vcpu, const struct kvm_vcpu_events *events);

#endif /* SEVM_SVM_EVENT_H */
