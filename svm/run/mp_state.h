/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mp_state.h - what a vCPU does when it does not run.
 *
 * The vCPU's own thread, or vcpu->mutex held, unless it says otherwise.
 */
#ifndef SEVM_SVM_MP_STATE_H
#define SEVM_SVM_MP_STATE_H

#include "svm/sevm.h"

/* A new vCPU that nobody else sees yet: runnable, never started, or stopped. */
void sevm_mp_state_create(struct sevm_vcpu *vcpu);

/* May it enter the guest now? Mostly one look is enough. */
static inline bool sevm_mp_state_runs(struct sevm_vcpu *vcpu)
{
	return likely(vcpu->mp.state == KVM_MP_STATE_RUNNABLE && !atomic_read(&vcpu->mp.events));
}

/*
 * It may not, or something has arrived: take that, or sleep until a request, a signal
 * or what ends its state. False: it may enter after all.
 */
bool sevm_mp_state_settle(struct sevm_vcpu *vcpu);
/* KVM_RUN of a vCPU that was never started: until an INIT, a signal, or the VM's end. */
void sevm_mp_state_wait_for_init(struct sevm_vcpu *vcpu);
/*
 * It enters, and no reason was found not to: whoever runs is not held. That matters
 * when the VMM made a held vCPU runnable by KVM_SET_MP_STATE: a later SIPI must not
 * answer a request of the past.
 */
static inline void sevm_mp_state_enter(struct sevm_vcpu *vcpu)
{
	vcpu->mp.hold = 0;		/* SEVM_AP_HOLD_NONE */
}

/* HLT, with a local APIC */
void sevm_mp_state_halt(struct sevm_vcpu *vcpu);
/* AP reset hold, kind SEVM_AP_HOLD_*. False: a SIPI came before it, it is answered. */
bool sevm_mp_state_hold(struct sevm_vcpu *vcpu, u32 kind);

/* Any thread. Up: it runs, or halts; neither stopped, nor held or waiting for SIPI. */
bool sevm_mp_state_is_up(struct sevm_vcpu *vcpu);
/*
 * Any thread that may sleep. When it returns true, the vCPU executes no more
 * instructions, unless it is the caller's, which has to leave first. False, and
 * nothing done: no other vCPU is up, so that nobody could start it again.
 */
bool sevm_mp_state_stop(struct sevm_vcpu *vcpu);
/* Any thread. Also ends a reset hold. False, and nothing done: it is up. */
bool sevm_mp_state_start(struct sevm_vcpu *vcpu);

/* KVM_GET_MP_STATE; KVM_SET_MP_STATE, SEVM_SET_AP_HOLD: 0 or -EINVAL */
u32 sevm_mp_state_get(struct sevm_vcpu *vcpu);
int sevm_mp_state_set(struct sevm_vcpu *vcpu, u32 state);
int sevm_mp_state_set_hold(struct sevm_vcpu *vcpu, u32 kind);

#endif /* SEVM_SVM_MP_STATE_H */
