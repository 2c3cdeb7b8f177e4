// SPDX-License-Identifier: GPL-2.0-only
/*
 * ap_boot-host.c - the VMs of ap_boot, and what the host sees of their APs.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "ap_boot.h"
#include "launch.h"
#include "sevm.h"
#include "vm.h"

struct world *ap_world(struct vm *vm)
{
	return vm_shared(vm, GUEST_SHARED_DATA);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

/* ---- The VM ---- */

/* The reset state, but for where it starts. */
static void set_real_mode(struct vcpu *vcpu, u64 ip)
{
	struct kvm_segment data = {
		.type = 3, .present = 1, .s = 1, .limit = 0xffff,
	};
	struct kvm_regs regs = { .rip = ip, .rflags = 2 };
	struct kvm_sregs sregs;

	ASSERT_OK(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs));
	sregs.ds = data;
	sregs.es = data;
	sregs.ss = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.cs = data;
	sregs.cs.type = 11;
	sregs.cs.selector = WORK_PAGE >> 4;
	sregs.cs.base = WORK_PAGE;
	sregs.gdt.base = 0;
	sregs.gdt.limit = 0xffff;
	/* Nothing may happen to it before it has an IDT. */
	sregs.idt.base = 0;
	sregs.idt.limit = 0;
	sregs.cr0 = 0x10;
	sregs.cr3 = 0;
	sregs.cr4 = 0;
	sregs.efer = 0;
	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
}

struct vm *ap_vm_create(void (*bsp)(unsigned long cpu), const struct world *want, u64 ip)
{
	struct vm *vm = vm_create(bsp, &(struct vm_options){
		.vcpus = want->aps + 1, .ghcb_version = want->msr ? 2 : 0, .no_launch = true });
	unsigned int i;

	memcpy(vm->memory + WORK_PAGE, ap_work, ap_work_end - ap_work);
	launch_add(vm, WORK_PAGE, 0x1000);
	for (i = 1; i < vm->vcpus; i++)
		set_real_mode(&vm->vcpu[i], ip);
	vm_launch(vm);
	*ap_world(vm) = *want;
	ap_world(vm)->kvm = !device_is_sevm();
	return vm;
}

void ap_vm_start(struct vm *vm)
{
	unsigned int i;

	for (i = 1; i < vm->vcpus; i++)
		vcpu_start(&vm->vcpu[i]);
}

void ap_vm_stop(struct vm *vm)
{
	unsigned int i;

	for (i = 1; i < vm->vcpus; i++)
		vcpu_stop(&vm->vcpu[i]);
}

/* ---- What the host sees ---- */

bool ap_has_kinds(struct vm *vm)
{
	return ioctl(vm->dev, KVM_CHECK_EXTENSION, SEVM_CAP_AP_HOLD) > 0;
}

u32 ap_hold_kind(struct vcpu *vcpu)
{
	struct sevm_ap_hold held;

	ASSERT_OK(ioctl(vcpu->fd, SEVM_GET_AP_HOLD, &held));
	return held.kind;
}

/* Every AP, out of KVM_RUN: nothing moves while they are looked at. */
static void look(struct vm *vm, u64 step)
{
	unsigned int i;

	if (step & STEP_STILL)
		for (i = 0; i < 5; i++)
			nap();
	ap_vm_stop(vm);
	for (i = 1; i < vm->vcpus; i++) {
		struct vcpu *ap = &vm->vcpu[i];
		u32 state;

		while ((state = vcpu_mp_state(ap)) != STEP_STATE(step)) {
			if (step & STEP_STILL)
				FAIL("vCPU %u: mp_state %u, not %u", i, state, STEP_STATE(step));
			vcpu_start(ap);
			nap();
			vcpu_stop(ap);
		}
		if (ap_has_kinds(vm))
			ASSERT_EQ(ap_hold_kind(ap), STEP_KIND(step));
	}
	ap_vm_start(vm);
}

/* Until the guest pauses (true), or is done. */
bool ap_vm_run(struct vm *vm)
{
	struct vcpu *bsp = &vm->vcpu[0];

	while (vcpu_run(bsp) == UCALL_SYNC) {
		if (bsp->ucall->args[0] & STEP_PAUSE)
			return true;
		look(vm, bsp->ucall->args[0]);
	}
	return false;
}

u64 ap_total(const volatile u64 *each)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < GUEST_MAX_VCPUS; i++)
		sum += each[i];
	return sum;
}

/* No hold of sevm ends but by SIPI; where they may, the guest held again. */
void ap_vm_finish(struct vm *vm)
{
	struct world *w = ap_world(vm);

	if (device_is_sevm()) {
		ASSERT_EQ(ap_total(w->spurious), 0);
		ASSERT_EQ(w->retries, 0);
	} else if (ap_total(w->spurious) || w->retries) {
		test_note("%llu spurious returns, %llu INIT-SIPIs again",
			  (unsigned long long)ap_total(w->spurious),
			  (unsigned long long)w->retries);
	}
	ap_vm_stop(vm);
	vm_free(vm);
}
