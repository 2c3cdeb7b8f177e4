// SPDX-License-Identifier: GPL-2.0-only
/*
 * bringup-restore.c - a VMM that takes the states of the vCPUs and sets them again.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "bringup.h"
#include "sevm.h"

/* What a VMM that continues a guest sets: the states of the vCPUs, as they were. */
static void restore_guest(unsigned long cpu)
{
	guest_sync(1);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 1), 0);
	page_want(1, counts);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	GUEST_ASSERT_EQ(page_wait(), AP_PAGE_READY);
	wait_alive(1, 1000);
}

static void restored(u32 state)
{
	struct vm_options options = with_page(2);
	struct vm *vm = vm_create(restore_guest, &options);
	struct vcpu *ap = &vm->vcpu[1];

	vcpu_set_mp_state(ap, KVM_MP_STATE_RUNNABLE);
	vcpu_start(ap);
	wait_state(ap, KVM_MP_STATE_AP_RESET_HOLD);
	vcpu_stop(ap);
	vcpu_set_mp_state(ap, state);
	vcpu_start(ap);
	nap();
	ASSERT_EQ(state_of(ap), state);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

void stopped_state_is_restored(void)
{
	restored(KVM_MP_STATE_STOPPED);
}

void parked_state_is_restored(void)
{
	restored(KVM_MP_STATE_AP_RESET_HOLD);
}

/*
 * Held, then stopped: KVM_MP_STATE_STOPPED is all that mp_state says, the form of
 * the hold is asked for on its own. After both were set again, up ends both, and
 * says so to an AP that asks again until it gets the answer.
 */
static volatile u32 by_msr;

static void asks_until_answered(unsigned long cpu)
{
	for (;;) {
		SHARED->alive[cpu]++;
		while (!(by_msr ? guest_hold_msr() : guest_hold_nae()))
			;
	}
}

static void held_and_stopped_guest(unsigned long cpu)
{
	page_start(1, asks_until_answered);
	wait_alive(1, 1);
	wait_down(1);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, 1), 0);
	guest_sync(1);		/* the host saves and restores */
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 1), 0);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	wait_alive(1, 2);
	wait_down(1);

	by_msr = true;
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	wait_alive(1, 3);
	wait_down(1);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, 1), 0);
	guest_sync(2);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	wait_alive(1, 4);
}

/* As if on a fresh vCPU, that does not know what it was: RUNNABLE comes between. */
static void restore_stopped(struct vcpu *ap, u32 kind, bool fresh)
{
	struct sevm_ap_hold held, none = { SEVM_AP_HOLD_NONE };

	vcpu_stop(ap);
	ASSERT_EQ(vcpu_mp_state(ap), KVM_MP_STATE_STOPPED);
	ASSERT_OK(ioctl(ap->fd, SEVM_GET_AP_HOLD, &held));
	ASSERT_EQ(held.kind, kind);
	if (fresh) {
		ASSERT_OK(ioctl(ap->fd, SEVM_SET_AP_HOLD, &none));
		vcpu_set_mp_state(ap, KVM_MP_STATE_RUNNABLE);
	}
	vcpu_set_mp_state(ap, KVM_MP_STATE_STOPPED);
	if (fresh)
		ASSERT_OK(ioctl(ap->fd, SEVM_SET_AP_HOLD, &held));
	ASSERT_EQ(vcpu_mp_state(ap), KVM_MP_STATE_STOPPED);
	vcpu_start(ap);
}

static void held_below_stopped(bool fresh)
{
	struct vm_options options = with_page(2);
	struct vm *vm = vm_create(held_and_stopped_guest, &options);
	struct vcpu *bsp = &vm->vcpu[0], *ap = &vm->vcpu[1];

	vcpu_start(ap);
	ASSERT_EQ(vcpu_run(bsp), UCALL_SYNC);
	restore_stopped(ap, SEVM_AP_HOLD_NAE, fresh);
	ASSERT_EQ(vcpu_run(bsp), UCALL_SYNC);
	restore_stopped(ap, SEVM_AP_HOLD_MSR, fresh);
	ASSERT_EQ(vcpu_run(bsp), UCALL_DONE);
	vm_free(vm);
}

void hold_below_stopped_is_kept(void)
{
	held_below_stopped(false);
}

void hold_below_stopped_is_restored(void)
{
	held_below_stopped(true);
}
