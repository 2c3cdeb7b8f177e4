/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ioapic.h - the 24-pin IOAPIC of KVM_CREATE_IRQCHIP.
 */
#ifndef SEVM_SVM_IOAPIC_H
#define SEVM_SVM_IOAPIC_H

#include "svm/sevm.h"

#define SEVM_IOAPIC_PINS	24
#define SEVM_IOAPIC_BASE	0xfec00000ULL

int sevm_ioapic_create(struct sevm_vm *vm);
void sevm_ioapic_free(struct sevm_vm *vm);

bool sevm_ioapic_owns(struct sevm_vm *vm, sevm_gpa gpa);
void sevm_ioapic_read(struct sevm_vm *vm, u32 offset, u32 len, void *data);
void sevm_ioapic_write(struct sevm_vm *vm, u32 offset, u32 len, const void *data);

/*
 * One of the sources that drive a pin's line: 0 for KVM_IRQ_LINE and plain
 * irqfds, 1 for irqfds with RESAMPLE. >0 taken or lowered, 0 coalesced or taken by
 * nobody, -1 masked or in service. Any context.
 */
#define SEVM_IOAPIC_SOURCE_USER		0
#define SEVM_IOAPIC_SOURCE_RESAMPLE	1
int sevm_ioapic_set_line(struct sevm_vm *vm, u32 pin, u32 source, bool level);
/*
 * A local APIC's EOI; level: of a level-triggered interrupt. The vCPU's own
 * thread. Split irqchip: KVM_EXIT_IOAPIC_EOI, by SEVM_REQ_IOAPIC_EOI.
 */
void sevm_ioapic_eoi(struct sevm_vcpu *vcpu, u8 vector, bool level);

int sevm_ioapic_get_state(struct sevm_vm *vm, struct kvm_ioapic_state *state);
int sevm_ioapic_set_state(struct sevm_vm *vm, const struct kvm_ioapic_state *state);

#endif /* SEVM_SVM_IOAPIC_H */
