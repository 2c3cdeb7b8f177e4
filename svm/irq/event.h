/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * event.h - exceptions, NMIs and interrupts on their way into the guest.
 */
#ifndef SEVM_SVM_EVENT_H
#define SEVM_SVM_EVENT_H

#include <linux/kvm.h>

#include "svm/sevm.h"
#include "svm/cpu/vmcb.h"

/* Userspace is the PIC, and asks for KVM_EXIT_IRQ_WINDOW_OPEN. */
static inline bool sevm_event_wants_window(struct sevm_vcpu *vcpu)
{
	return vcpu->vm->irqchip != SEVM_IRQCHIP_KERNEL &&
	       READ_ONCE(vcpu->run->request_interrupt_window);
}

/* Interrupts off, before the world switch: EVENTINJ and the windows. */
void sevm_event_inject_pending(struct sevm_vcpu *vcpu);
static inline void sevm_event_enter(struct sevm_vcpu *vcpu)
{
	const struct sevm_event *exc = &vcpu->exception, *irq = &vcpu->interrupt;

	/* Mostly there is none: EVENTINJ is empty since the last exit, and no window is open. */
	if (READ_ONCE(vcpu->apic_waiting) | vcpu->nmi_pending | vcpu->nmi_injected |
	    exc->pending | exc->injected | irq->pending | irq->injected ||
	    atomic_read(&vcpu->nmi_queued) || sevm_vmcb_window_open(vcpu) ||
	    sevm_event_wants_window(vcpu))
		sevm_event_inject_pending(vcpu);
}

/* After it: what was delivered is forgotten, what was interrupted is kept. */
#define SEVM_EVENT_VALID	BIT(31)
void sevm_event_requeue(struct sevm_vcpu *vcpu);
static inline void sevm_event_forget_injected(struct sevm_vcpu *vcpu)
{
	vcpu->exception.injected = false;
	vcpu->interrupt.injected = false;
	vcpu->nmi_injected = false;
}

static inline void sevm_event_leave(struct sevm_vcpu *vcpu)
{
	sevm_event_forget_injected(vcpu);
	if (unlikely(vcpu->exit.intr_info & SEVM_EVENT_VALID))
		sevm_event_requeue(vcpu);
}

void sevm_event_reset(struct sevm_vcpu *vcpu);

/* Would a halted vCPU wake up? Also in the condition of a wait. */
bool sevm_event_wakes(struct sevm_vcpu *vcpu);

/* In the vCPU's own thread; what is on its way already may make it #DF or a shutdown. */
void sevm_event_queue_exception(struct sevm_vcpu *vcpu, u8 vector,
				bool has_error, u32 error_code);

/* SEV-ES: the guest says that its NMI handler is done (NAE 0x80000003). */
void sevm_event_nmi_complete(struct sevm_vcpu *vcpu);
/* Plain: IRET is about to run. */
void sevm_event_iret(struct sevm_vcpu *vcpu);

/* KVM_INTERRUPT, where userspace is the interrupt controller */
int sevm_event_user_interrupt(struct sevm_vcpu *vcpu, u32 vector);
/* ready_for_interrupt_injection of kvm_run */
bool sevm_event_user_ready(struct sevm_vcpu *vcpu);
/* And did userspace ask to be told (KVM_EXIT_IRQ_WINDOW_OPEN)? */
static inline bool sevm_event_user_window(struct sevm_vcpu *vcpu)
{
	return sevm_event_wants_window(vcpu) && sevm_event_user_ready(vcpu);
}

void sevm_event_get(struct sevm_vcpu *vcpu, struct kvm_vcpu_events *events);
int sevm_event_set(struct sevm_vcpu *vcpu, const struct kvm_vcpu_events *events);

#endif /* SEVM_SVM_EVENT_H */
