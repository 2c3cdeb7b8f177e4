/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irq.h - GSI routes, MSIs, irqfds and ioeventfds.
 */
#ifndef SEVM_SVM_IRQ_H
#define SEVM_SVM_IRQ_H

#include "svm/sevm.h"

#define SEVM_MAX_GSI	4096	/* and routes, as KVM_MAX_IRQ_ROUTES */

int sevm_irq_init(struct sevm_vm *vm);
void sevm_irq_destroy(struct sevm_vm *vm);	/* eventfds released: before the vCPUs go */

int sevm_irq_set_routing(struct sevm_vm *vm, struct kvm_irq_routing __user *arg);
int sevm_irq_set_default_routing(struct sevm_vm *vm);	/* KVM_CREATE_IRQCHIP: pins 0..23 */
/* KVM_SIGNAL_MSI: >0 delivered, 0: the guest blocked it, or no vCPU has that address */
int sevm_irq_signal_msi(struct sevm_vm *vm, const struct kvm_msi *msi);
/* KVM_IRQ_LINE(_STATUS). *status: >0 taken or lowered, 0 coalesced, -1 masked or no route */
int sevm_irq_line(struct sevm_vm *vm, u32 gsi, bool level, int *status);
/* Any context: drive a GSI; source as in ioapic.h. The same numbers as *status. */
int sevm_irq_set_gsi(struct sevm_vm *vm, u32 gsi, u32 source, bool level);
/* The guest has ended the interrupt of this IOAPIC pin: wake its resamplers. */
void sevm_irq_ack_pin(struct sevm_vm *vm, u32 pin);
/* Does an EOI of this vector have to reach userspace (split irqchip)? */
bool sevm_irq_eoi_to_user(struct sevm_vcpu *vcpu, u8 vector);

/* eventfd.c */
int sevm_irqfd(struct sevm_vm *vm, const struct kvm_irqfd *args);
int sevm_ioeventfd(struct sevm_vm *vm, const struct kvm_ioeventfd *args);
/* A write of len bytes at addr (port: an I/O port): true if an eventfd took it. */
bool sevm_ioeventfd_write(struct sevm_vm *vm, bool port, u64 addr, u32 len,
			  const void *data);
/* Lower the line that RESAMPLE irqfds hold on gsi, and tell their owners. */
void sevm_irqfd_resample(struct sevm_vm *vm, u32 gsi);
void sevm_eventfd_init(struct sevm_vm *vm);
void sevm_eventfd_destroy(struct sevm_vm *vm);

#endif /* SEVM_SVM_IRQ_H */
