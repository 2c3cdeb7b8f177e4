/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vcpu.h - a VM's and a vCPU's life, for the other rooms.
 */
#ifndef SEVM_SVM_VCPU_H
#define SEVM_SVM_VCPU_H

#include "sevm.h"

/* vm.c */
int sevm_vm_create(unsigned long type);		/* the new fd, or -errno */
void sevm_vm_get(struct sevm_vm *vm);
void sevm_vm_put(struct sevm_vm *vm);
/* Ends the VM: reason is a string literal; reaches userspace and the log once. */
enum sevm_result sevm_vm_kill(struct sevm_vm *vm, const char *reason);
struct sevm_vcpu *sevm_vm_vcpu_by_id(struct sevm_vm *vm, u32 id);
/* Make every vCPU flush its guest TLB before it next runs, and wait until none runs without. */
void sevm_vm_flush_tlbs(struct sevm_vm *vm);

/* vcpu.c */
int sevm_vcpu_create(struct sevm_vm *vm, u32 id);	/* the new fd; vm->lock held */
void sevm_vcpu_free(struct sevm_vcpu *vcpu);
/* Power-on (init false) or INIT (init true) state. vcpu->mutex held. */
void sevm_vcpu_reset(struct sevm_vcpu *vcpu, bool init);
bool sevm_vcpu_is_bsp(struct sevm_vcpu *vcpu);
/* In a reset hold, whatever mp_state says. Its own thread, or vcpu->mutex held. */
bool sevm_vcpu_is_held(struct sevm_vcpu *vcpu);

/* run.c: any context that may wake a task, hard interrupts included */
void sevm_vcpu_request(struct sevm_vcpu *vcpu, enum sevm_request request);
/* It is going away: no CPU shall remember it. */
void sevm_vcpu_forget(struct sevm_vcpu *vcpu);
/* This vCPU's guest TLB, before it next runs. Its own thread, or vcpu->mutex. */
void sevm_vcpu_flush_tlb(struct sevm_vcpu *vcpu);
/* Out of the guest or out of its sleep, if it is in either. */
void sevm_vcpu_kick(struct sevm_vcpu *vcpu);
/* Until it has left the guest, if it is inside. Not if its own thread asks. */
void sevm_vcpu_wait_outside(struct sevm_vcpu *vcpu);
/* An NMI from anyone. */
void sevm_vcpu_queue_nmi(struct sevm_vcpu *vcpu);

/* run.c: the vCPU's own thread */
int sevm_vcpu_run(struct sevm_vcpu *vcpu);		/* KVM_RUN */
void sevm_vcpu_queue_exception(struct sevm_vcpu *vcpu, u8 vector,
			       bool has_error, u32 error_code);

#endif /* SEVM_SVM_VCPU_H */
