// SPDX-License-Identifier: GPL-2.0-only
/*
 * power.c - vCPUs that the guest stops and starts: KVM_MP_STATE_STOPPED.
 *
 * A VM whose vm->stopped_aps is set has them. Stopped is a bit beside mp_state,
 * as in Xen, and not a value of it: mp_state belongs to the vCPU's own thread,
 * while others stop and start the vCPU at any moment; what it was doing
 * (running, halted, held) goes on where it was.
 * Invariant: a stopped vCPU executes no instruction.
 */
#include "power.h"
#include "svm/trace.h"
#include "svm/vcpu.h"

static bool waits(struct sevm_vcpu *vcpu)
{
	u32 state = READ_ONCE(vcpu->mp_state);

	return state == KVM_MP_STATE_AP_RESET_HOLD || state == KVM_MP_STATE_INIT_RECEIVED;
}

/* A start that the vCPU has not seen yet counts: up from then on, until it waits again. */
bool sevm_power_is_up(struct sevm_vcpu *vcpu)
{
	bool woken = test_bit(SEVM_POWER_WAKE, &vcpu->power);

	/* The bit before the state: sevm_power_accept() does it the other way round. */
	smp_rmb();
	return !sevm_power_stopped(vcpu) && (woken || !waits(vcpu));
}

bool sevm_power_stop(struct sevm_vcpu *vcpu)
{
	struct sevm_vm *vm = vcpu->vm;
	struct sevm_vcpu *other;
	bool others = false;
	unsigned long i;

	/* Two that stop themselves at once must not both find the other up. */
	spin_lock(&vm->power_lock);
	sevm_for_each_vcpu(i, other, vm)
		others |= other != vcpu && sevm_power_is_up(other);
	if (others)
		set_bit(SEVM_POWER_STOPPED, &vcpu->power);
	spin_unlock(&vm->power_lock);
	if (!others)
		return false;

	trace_sevm_ap(vcpu, "stopped");
	sevm_vcpu_request(vcpu, SEVM_REQ_EVENT);
	sevm_vcpu_wait_outside(vcpu);
	return true;
}

bool sevm_power_start(struct sevm_vcpu *vcpu)
{
	bool stopped = test_and_clear_bit(SEVM_POWER_STOPPED, &vcpu->power);
	bool woken = waits(vcpu) && !test_and_set_bit(SEVM_POWER_WAKE, &vcpu->power);

	if (!stopped && !woken)
		return false;
	trace_sevm_ap(vcpu, "started");
	sevm_vcpu_request(vcpu, SEVM_REQ_EVENT);
	return true;
}

/*
 * A start that came while the vCPU was held ends the hold as a SIPI does. If it
 * has ended meanwhile, there is nothing to do.
 */
void sevm_power_take_start(struct sevm_vcpu *vcpu)
{
	if (waits(vcpu)) {
		u32 state = vcpu->vm->protect->sipi(vcpu, 0);

		WRITE_ONCE(vcpu->mp_state, state);
	}
	/* The state before the bit. */
	smp_mb__before_atomic();
	clear_bit(SEVM_POWER_WAKE, &vcpu->power);
}

/* For whoever sets mp_state: the VMM's word replaces all that came before. */
void sevm_power_set(struct sevm_vcpu *vcpu, bool stopped)
{
	clear_bit(SEVM_POWER_WAKE, &vcpu->power);
	if (stopped)
		set_bit(SEVM_POWER_STOPPED, &vcpu->power);
	else
		clear_bit(SEVM_POWER_STOPPED, &vcpu->power);
}
