// SPDX-License-Identifier: GPL-2.0-only
/*
 * event.c - exceptions, NMIs and interrupts on their way into the guest.
 *
 * One event goes in per entry. What the last exit interrupted (EXITINTINFO) goes
 * first, then a new exception, an NMI, an interrupt; for what must wait, a window is
 * opened (a masked NMI waits for IRET or NMI complete).
 *
 * Invariant: a run sets at most one of exception.injected, interrupt.injected and
 * nmi_injected: it is in EVENTINJ, or came back in EXITINTINFO. Of several that a VMM
 * has set, the first in this order goes in, and the others are lost.
 */
#include <linux/compiler.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "apic.h"
#include "event.h"
#include "svm/cpu/vmcb.h"

#define EVENT_HAS_ERROR	BIT(11)
#define EVENT_TYPE(x)	(((x) >> 8) & 7)
#define TYPE_INTERRUPT	0
#define TYPE_NMI	2
#define TYPE_EXCEPTION	3
#define TYPE_SOFTWARE	4

static u32 event_word(u8 vector, u32 type)
{
	return SEVM_EVENT_VALID | type << 8 | vector;
}

static bool interrupts_allowed(struct sevm_vcpu *vcpu)
{
	return vcpu->vm->protect->interrupts_enabled(vcpu) &&
	       !sevm_vmcb_interrupt_shadow(vcpu);
}

static bool nmi_allowed(struct sevm_vcpu *vcpu)
{
	if (vcpu->nmi_masked || sevm_vmcb_interrupt_shadow(vcpu))
		return false;
	/* The IRET that unmasks has exited, but not run yet. */
	if (vcpu->nmi_iret_rip) {
		if (sevm_vmcb_get_rip(vcpu) == vcpu->nmi_iret_rip)
			return false;
		vcpu->nmi_iret_rip = 0;
	}
	return true;
}

/* One NMI may wait behind a masked one; two may come while none is running. */
static void collect_nmis(struct sevm_vcpu *vcpu)
{
	unsigned int limit = vcpu->nmi_masked || vcpu->nmi_injected ? 1 : 2;

	if (!atomic_read(&vcpu->nmi_queued))
		return;
	vcpu->nmi_pending = min_t(unsigned int, limit, vcpu->nmi_pending +
				  atomic_xchg(&vcpu->nmi_queued, 0));
}

/* The vector from KVM_INTERRUPT: beside a local APIC it waits for LINT0. */
static bool has_extint(struct sevm_vcpu *vcpu)
{
	return vcpu->interrupt.pending && sevm_apic_accepts_extint(vcpu);
}

/* waiting: the APIC's highest vector, or -1. Looked for once: it takes a while. */
static bool has_interrupt(struct sevm_vcpu *vcpu, int waiting)
{
	return has_extint(vcpu) || sevm_apic_allows(vcpu, waiting);
}

/* CR2 and DR6 change only when the exception is delivered. */
static void deliver_payload(struct sevm_vcpu *vcpu)
{
	struct sevm_event *exc = &vcpu->exception;
	u64 dr6, dr7;

	if (!exc->has_payload)
		return;
	exc->has_payload = false;
	switch (exc->vector) {
	case X86_TRAP_PF:
		sevm_vmcb_set_cr2(vcpu, exc->payload);
		break;
	case X86_TRAP_DB:
		sevm_vmcb_get_dr67(vcpu, &dr6, &dr7);
		dr6 &= ~(u64)(DR_TRAP0 | DR_TRAP1 | DR_TRAP2 | DR_TRAP3);
		dr6 |= DR6_RESERVED | exc->payload;
		/* The reserved bits that read as one are inverted in a payload. */
		dr6 ^= exc->payload & DR6_RESERVED;
		sevm_vmcb_set_dr67(vcpu, dr6, dr7);
		break;
	}
}

/* What waits afterwards, or -1. */
static int choose_interrupt(struct sevm_vcpu *vcpu, int waiting)
{
	bool extint = has_extint(vcpu);

	if (!has_interrupt(vcpu, waiting) || !interrupts_allowed(vcpu))
		return waiting;
	vcpu->interrupt.injected = true;
	sevm_count(vcpu, irq_injected);
	if (extint) {
		vcpu->interrupt.pending = false;
		vcpu->interrupt.vector = vcpu->extint;
		return waiting;
	}
	vcpu->interrupt.vector = waiting;
	sevm_apic_accept(vcpu, waiting);
	return sevm_apic_waiting(vcpu);
}

static int choose(struct sevm_vcpu *vcpu, int waiting)
{
	if (vcpu->exception.injected || vcpu->interrupt.injected || vcpu->nmi_injected)
		return waiting;

	if (vcpu->exception.pending) {
		deliver_payload(vcpu);
		vcpu->exception.pending = false;
		vcpu->exception.injected = true;
	} else if (vcpu->nmi_pending && nmi_allowed(vcpu)) {
		vcpu->nmi_pending--;
		vcpu->nmi_injected = true;
		vcpu->nmi_masked = true;
		if (!sevm_vmcb_has_vmsa(vcpu))
			sevm_vmcb_set_iret_intercept(vcpu, true);
		sevm_count(vcpu, nmi_injected);
	} else {
		return choose_interrupt(vcpu, waiting);
	}
	return waiting;
}

static void write_eventinj(struct sevm_vcpu *vcpu)
{
	const struct sevm_event *exc = &vcpu->exception;

	if (exc->injected)
		sevm_vmcb_inject(vcpu, event_word(exc->vector, TYPE_EXCEPTION) |
				 (exc->has_error ? EVENT_HAS_ERROR : 0),
				 exc->has_error ? exc->error_code : 0);
	else if (vcpu->nmi_injected)
		sevm_vmcb_inject(vcpu, event_word(X86_TRAP_NMI, TYPE_NMI), 0);
	else if (vcpu->interrupt.injected)
		sevm_vmcb_inject(vcpu, event_word(vcpu->interrupt.vector, TYPE_INTERRUPT), 0);
	else
		sevm_vmcb_inject(vcpu, 0, 0);
}

static void open_windows(struct sevm_vcpu *vcpu, int waiting)
{
	/*
	 * A masked NMI waits for IRET, or for a SEV-ES guest's NMI complete.
	 * One that waits for the end of a shadow, or for an IRET under way, is
	 * let in at the next chance to interrupt.
	 */
	bool nmi = vcpu->nmi_pending && !vcpu->nmi_masked;

	if (nmi || has_interrupt(vcpu, waiting) ||
	    (sevm_event_wants_window(vcpu) && sevm_apic_accepts_extint(vcpu)))
		sevm_vmcb_set_window(vcpu, true, -1);
	else if (waiting >= 0 && waiting >> 4 <= sevm_apic_get_cr8(vcpu) &&
		 !sevm_vmcb_has_vmsa(vcpu))
		/* CR8 writes do not exit: look again once it is below the vector's class. */
		sevm_vmcb_set_window(vcpu, true, waiting >> 4);
	else
		sevm_vmcb_set_window(vcpu, false, 0);
}

void sevm_event_inject_pending(struct sevm_vcpu *vcpu)
{
	int waiting = sevm_apic_waiting(vcpu);

	collect_nmis(vcpu);
	waiting = choose(vcpu, waiting);
	write_eventinj(vcpu);
	open_windows(vcpu, waiting);
}

/*
 * The exit may have interrupted the delivery of an event, ours or one of the
 * guest's own. Software interrupts, #BP, #OF and #VC are not kept: RIP is still
 * at the instruction, which runs again and raises it again.
 */
void sevm_event_requeue(struct sevm_vcpu *vcpu)
{
	u64 info = vcpu->exit.intr_info;
	u8 vector = info;

	switch (EVENT_TYPE(info)) {
	case TYPE_NMI:
		vcpu->nmi_injected = true;
		break;
	case TYPE_INTERRUPT:
		vcpu->interrupt.injected = true;
		vcpu->interrupt.vector = vector;
		break;
	case TYPE_EXCEPTION:
		if (vector == X86_TRAP_BP || vector == X86_TRAP_OF || vector == X86_TRAP_VC)
			break;
		vcpu->exception.injected = true;
		vcpu->exception.vector = vector;
		vcpu->exception.has_error = info & EVENT_HAS_ERROR;
		vcpu->exception.error_code = info >> 32;
		break;
	}
}

void sevm_event_reset(struct sevm_vcpu *vcpu)
{
	sevm_event_forget_injected(vcpu);
	memset(&vcpu->exception, 0, sizeof(vcpu->exception));
	memset(&vcpu->interrupt, 0, sizeof(vcpu->interrupt));
	atomic_set(&vcpu->nmi_queued, 0);
	vcpu->nmi_pending = 0;
	vcpu->nmi_masked = false;
	vcpu->nmi_iret_rip = 0;
	vcpu->triple_fault = false;
}

bool sevm_event_wakes(struct sevm_vcpu *vcpu)
{
	if (vcpu->exception.pending || vcpu->exception.injected ||
	    vcpu->nmi_injected || vcpu->interrupt.injected || vcpu->triple_fault)
		return true;
	if ((atomic_read(&vcpu->nmi_queued) || vcpu->nmi_pending) && nmi_allowed(vcpu))
		return true;
	return interrupts_allowed(vcpu) && has_interrupt(vcpu, sevm_apic_waiting(vcpu));
}

void sevm_event_nmi_complete(struct sevm_vcpu *vcpu)
{
	vcpu->nmi_masked = false;
}

void sevm_event_iret(struct sevm_vcpu *vcpu)
{
	sevm_vmcb_set_iret_intercept(vcpu, false);
	vcpu->nmi_masked = false;
	vcpu->nmi_iret_rip = sevm_vmcb_get_rip(vcpu);
}

/*
 * Contributory exceptions during the delivery of another become #DF, and one
 * during #DF a shutdown; as the hardware does it, for those that we raise.
 */
static bool contributory(u8 vector)
{
	switch (vector) {
	case X86_TRAP_DE:
	case X86_TRAP_TS:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_GP:
		return true;
	default:
		return false;
	}
}

void sevm_event_queue_exception(struct sevm_vcpu *vcpu, u8 vector,
				bool has_error, u32 error_code)
{
	struct sevm_event *exc = &vcpu->exception;

	if (exc->pending || exc->injected) {
		u8 first = exc->vector;

		if (first == X86_TRAP_DF) {
			vcpu->triple_fault = true;
			return;
		}
		if ((contributory(first) && contributory(vector)) ||
		    (first == X86_TRAP_PF && (contributory(vector) || vector == X86_TRAP_PF))) {
			vector = X86_TRAP_DF;
			has_error = true;
			error_code = 0;
		}
	}
	exc->pending = true;
	exc->injected = false;
	exc->vector = vector;
	exc->has_error = has_error;
	exc->error_code = error_code;
	exc->has_payload = false;
}

int sevm_event_user_interrupt(struct sevm_vcpu *vcpu, u32 vector)
{
	if (vector > 255)
		return -EINVAL;
	/* There, the PIC is not userspace's. */
	if (vcpu->vm->irqchip == SEVM_IRQCHIP_KERNEL)
		return -ENXIO;
	/* Without an APIC the later one is what counts, as in KVM. */
	if (vcpu->interrupt.pending && vcpu->vm->irqchip == SEVM_IRQCHIP_SPLIT)
		return -EEXIST;
	vcpu->interrupt.pending = true;
	vcpu->extint = vector;
	return 0;
}

bool sevm_event_user_ready(struct sevm_vcpu *vcpu)
{
	if (vcpu->vm->irqchip == SEVM_IRQCHIP_KERNEL)
		return true;
	return sevm_apic_accepts_extint(vcpu) && !vcpu->exception.pending &&
	       !vcpu->interrupt.pending && !vcpu->interrupt.injected &&
	       !vcpu->exception.injected && !vcpu->nmi_injected &&
	       interrupts_allowed(vcpu);
}

void sevm_event_get(struct sevm_vcpu *vcpu, struct kvm_vcpu_events *events)
{
	const struct sevm_event *exc = &vcpu->exception;

	collect_nmis(vcpu);
	memset(events, 0, sizeof(*events));

	/* A VMM that knows no payloads must not lose CR2 or DR6. */
	if (!vcpu->vm->exception_payload && exc->pending)
		deliver_payload(vcpu);
	events->exception.nr = exc->vector;
	events->exception.has_error_code = exc->has_error;
	events->exception.error_code = exc->error_code;
	if (vcpu->vm->exception_payload) {
		events->exception.injected = exc->injected;
		events->exception.pending = exc->pending;
		events->exception_has_payload = exc->has_payload;
		events->exception_payload = exc->payload;
		events->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	} else {
		events->exception.injected = exc->injected || exc->pending;
	}

	events->interrupt.injected = vcpu->interrupt.injected;
	events->interrupt.nr = vcpu->interrupt.vector;
	events->interrupt.shadow = sevm_vmcb_interrupt_shadow(vcpu) ?
		KVM_X86_SHADOW_INT_MOV_SS | KVM_X86_SHADOW_INT_STI : 0;

	events->nmi.injected = vcpu->nmi_injected;
	events->nmi.pending = vcpu->nmi_pending;
	events->nmi.masked = vcpu->nmi_masked;

	/* sipi_vector is never valid on the way out, as in KVM. */
	events->flags |= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	if (vcpu->vm->triple_fault_event) {
		events->triple_fault.pending = vcpu->triple_fault;
		events->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
}

int sevm_event_set(struct sevm_vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	const struct sevm_vm *vm = vcpu->vm;
	struct sevm_event *exc = &vcpu->exception;
	bool pending = events->exception.pending;
	bool injected = events->exception.injected;
	bool has_payload = events->exception_has_payload;

	if (events->flags & ~(KVM_VCPUEVENT_VALID_NMI_PENDING |
			      KVM_VCPUEVENT_VALID_SIPI_VECTOR |
			      KVM_VCPUEVENT_VALID_SHADOW |
			      KVM_VCPUEVENT_VALID_SMM |
			      KVM_VCPUEVENT_VALID_PAYLOAD |
			      KVM_VCPUEVENT_VALID_TRIPLE_FAULT))
		return -EINVAL;
	if (events->flags & KVM_VCPUEVENT_VALID_PAYLOAD) {
		if (!vm->exception_payload)
			return -EINVAL;
		if (pending)
			injected = false;
	} else {
		pending = false;
		has_payload = false;
	}
	if ((pending || injected) &&
	    (events->exception.nr > 31 || events->exception.nr == X86_TRAP_NMI))
		return -EINVAL;
	if ((events->flags & KVM_VCPUEVENT_VALID_SMM) &&
	    (events->smi.smm || events->smi.pending || events->smi.smm_inside_nmi))
		return -EINVAL;		/* there is no SMM */
	if ((events->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) && !vm->triple_fault_event)
		return -EINVAL;

	collect_nmis(vcpu);
	exc->pending = pending;
	exc->injected = injected;
	exc->vector = events->exception.nr;
	exc->has_error = events->exception.has_error_code;
	exc->error_code = events->exception.error_code;
	exc->has_payload = has_payload;
	exc->payload = events->exception_payload;

	vcpu->interrupt.injected = events->interrupt.injected;
	vcpu->interrupt.vector = events->interrupt.nr;
	if (events->flags & KVM_VCPUEVENT_VALID_SHADOW)
		sevm_vmcb_set_interrupt_shadow(vcpu, events->interrupt.shadow);

	vcpu->nmi_injected = events->nmi.injected;
	if (events->flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
		vcpu->nmi_pending = min_t(u8, events->nmi.pending, 2);
		atomic_set(&vcpu->nmi_queued, 0);
	}
	vcpu->nmi_masked = events->nmi.masked;
	if (!sevm_vmcb_has_vmsa(vcpu))
		sevm_vmcb_set_iret_intercept(vcpu, vcpu->nmi_masked);
	if ((events->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR) && vcpu->apic)
		vcpu->sipi_vector = events->sipi_vector;
	if (events->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT)
		vcpu->triple_fault = events->triple_fault.pending;
	return 0;
}
