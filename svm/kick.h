/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kick.h - how others reach a vCPU, and end a VM.
 *
 * Any context that may wake a task, hard interrupts included, unless it says
 * otherwise.
 */
#ifndef SEVM_SVM_KICK_H
#define SEVM_SVM_KICK_H

#include "sevm.h"

/* Out of the guest, or out of its sleep; served before the vCPU next enters. */
void sevm_vcpu_request(struct sevm_vcpu *vcpu, enum sevm_request request);
/* An NMI from anyone. */
void sevm_vcpu_queue_nmi(struct sevm_vcpu *vcpu);
/* INIT and SIPI have arrived: svm/run/mp_state.c takes them. The caller makes the vCPU look. */
static inline void sevm_vcpu_post_init(struct sevm_vcpu *vcpu)
{
	int old = atomic_read(&vcpu->mp.events);

	/* A SIPI that came before is void. */
	while (!atomic_try_cmpxchg(&vcpu->mp.events, &old, (old & ~SEVM_MP_SIPI) | SEVM_MP_INIT))
		;
}

static inline void sevm_vcpu_post_sipi(struct sevm_vcpu *vcpu, u8 vector)
{
	WRITE_ONCE(vcpu->sipi_vector, vector);
	/* The vector before the bit. */
	smp_mb__before_atomic();
	atomic_or(SEVM_MP_SIPI, &vcpu->mp.events);
}

/* Requests that stop an entry; a flush is part of it. */
static inline bool sevm_vcpu_has_requests(struct sevm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->requests) & ~BIT(SEVM_REQ_TLB_FLUSH);
}

/* By the AP bring-up page */
static inline bool sevm_vcpu_is_stopped(struct sevm_vcpu *vcpu)
{
	return atomic_read(&vcpu->mp.events) & SEVM_MP_STOPPED;
}

/* This vCPU's guest TLB, before it next runs. Its own thread, or vcpu->mutex. */
static inline void sevm_vcpu_flush_tlb(struct sevm_vcpu *vcpu)
{
	set_bit(SEVM_REQ_TLB_FLUSH, &vcpu->requests);
}

/*
 * These two wait for other CPUs: interrupts on. Until the vCPU has left the guest, if it
 * is inside; not if its own thread asks.
 */
void sevm_vcpu_wait_outside(struct sevm_vcpu *vcpu);

/* Make every vCPU flush its guest TLB before it next runs, and wait until none runs without. */
void sevm_vm_flush_tlbs(struct sevm_vm *vm);
/* Ends the VM. reason: a string literal, for userspace and the log; the first one counts. */
enum sevm_result sevm_vm_kill(struct sevm_vm *vm, const char *reason);
struct sevm_vcpu *sevm_vm_vcpu_by_id(struct sevm_vm *vm, u32 id);	/* or NULL */

#endif /* SEVM_SVM_KICK_H */
