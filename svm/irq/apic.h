/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * apic.h - the local APIC: registers, IPIs, the timer.
 */
#ifndef SEVM_SVM_APIC_H
#define SEVM_SVM_APIC_H

#include "apic_regs.h"
#include "svm/sevm.h"

int sevm_apic_create(struct sevm_vcpu *vcpu);	/* with SEVM_IRQCHIP_NONE: nothing */
void sevm_apic_free(struct sevm_vcpu *vcpu);
void sevm_apic_reset(struct sevm_vcpu *vcpu, bool init);

/*
 * Guest accesses. msr: 0x800..0x8ff, IA32_APIC_BASE, IA32_TSC_DEADLINE; 0 or
 * -EINVAL (#GP). Good without an APIC too (SEVM_IRQCHIP_NONE).
 */
int sevm_apic_msr_get(struct sevm_vcpu *vcpu, u32 msr, u64 *data, bool host);
int sevm_apic_msr_set(struct sevm_vcpu *vcpu, u32 msr, u64 data, bool host);
/* Is gpa in the page of this vCPU's APIC, and is it in xAPIC mode? */
bool sevm_apic_owns(struct sevm_vcpu *vcpu, sevm_gpa gpa);
void sevm_apic_mmio_read(struct sevm_vcpu *vcpu, u32 offset, u32 len, void *data);
void sevm_apic_mmio_write(struct sevm_vcpu *vcpu, u32 offset, u32 len, const void *data);

/* Task priority as CR8 holds it (4 bits). */
u8 sevm_apic_get_cr8(struct sevm_vcpu *vcpu);
void sevm_apic_set_cr8(struct sevm_vcpu *vcpu, u8 cr8);

/*
 * Highest vector that waits, or -1; whether the processor priority lets it
 * through; then take it into service.
 */
int sevm_apic_waiting(struct sevm_vcpu *vcpu);
bool sevm_apic_allows_slow(struct sevm_vcpu *vcpu, u8 vector);
static inline bool sevm_apic_allows(struct sevm_vcpu *vcpu, int vector)
{
	return vector >= 0 && sevm_apic_allows_slow(vcpu, vector);
}

void sevm_apic_accept(struct sevm_vcpu *vcpu, u8 vector);

/* KVM_INTERRUPT beside a local APIC: does LINT0 let the PIC's vector through? */
bool sevm_apic_accepts_extint(struct sevm_vcpu *vcpu);

/* Any context; the number of vCPUs that took it. src: the sender, in its own thread, or NULL. */
int sevm_apic_deliver(struct sevm_vm *vm, struct sevm_vcpu *src,
		      const struct sevm_irq_msg *msg);
int sevm_apic_deliver_msi(struct sevm_vm *vm, u64 address, u32 data);

/* KVM_GET_LAPIC, KVM_SET_LAPIC; the TSC deadline is an MSR */
int sevm_apic_get_state(struct sevm_vcpu *vcpu, struct kvm_lapic_state *state);
int sevm_apic_set_state(struct sevm_vcpu *vcpu, const struct kvm_lapic_state *state);

/* The TSC offset changed: the deadline timer starts over. */
void sevm_apic_restart_timer(struct sevm_vcpu *vcpu);

#endif /* SEVM_SVM_APIC_H */
