// SPDX-License-Identifier: GPL-2.0-only
/*
 * ap_page.c - the alternative AP bring-up page (docs/ap-bringup.md).
 *
 * The page is the guest's: it is private, and never looked at here. What is
 * here: turning it on, the state in which APs are created and measured, and the
 * hypercall vcpu_op with Xen's numbers, by which the guest starts and stops
 * vCPUs. How a vCPU is stopped is in svm/run/mp_state.c.
 */
#include <asm/processor-flags.h>

#include <linux/sevm.h>

#include "sev.h"
#include "svm/kick.h"
#include "svm/trace.h"
#include "svm/run/io.h"
#include "svm/run/mp_state.h"
#include "svm/run/vmcb_state.h"

/* Xen's public/xen.h, public/vcpu.h and public/errno.h */
#define HC_VCPU_OP	24	/* no hypercall of KVM's */
#define VCPUOP_UP	1
#define VCPUOP_DOWN	2
#define VCPUOP_IS_UP	3
#define XEN_ENOENT	2
#define XEN_EEXIST	17
#define XEN_ENOSYS	38

int sevm_ap_page_enable(struct sevm_vm *vm, const u64 *args)
{
	struct sevm_es_vm *es = sevm_es_vm(vm);
	u64 gpa = args[0], version = args[1];

	if (!IS_ALIGNED(gpa, PAGE_SIZE) || gpa > U32_MAX || args[2] || args[3])
		return -EINVAL;
	if (!version || version > SEVM_AP_PAGE_VERSION)
		return -EOPNOTSUPP;
	if (es->ap_page_on)
		return -EEXIST;
	if (vm->created_vcpus)
		return -EBUSY;
	if (!sevm_mem_contains(vm, gpa, PAGE_SIZE, true))
		return -EFAULT;

	es->ap_page = gpa;
	es->ap_page_on = true;
	vm->aps_start_stopped = true;
	return 0;
}

/* Direct boot: 32-bit protected mode, flat, no paging. */
void sevm_ap_page_reset(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vm *es = sevm_es_vm(vcpu->vm);
	const struct kvm_segment data = {
		.limit = U32_MAX, .selector = 0x10, .type = 3,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
	const struct kvm_regs regs = {
		.rip = es->ap_page + SEVM_AP_PAGE_ENTRY, .rflags = X86_EFLAGS_FIXED,
		.rbx = es->ap_page, .rsi = vcpu->id,
	};
	struct kvm_sregs sregs;

	if (!es->ap_page_on || sevm_vcpu_is_bsp(vcpu))
		return;

	sevm_vmcb_get_sregs(vcpu, &sregs);
	sregs.cr0 = X86_CR0_PE | X86_CR0_ET;
	sregs.cs = data;
	sregs.cs.selector = 0x08;
	sregs.cs.type = 11;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.tr = (struct kvm_segment){ .limit = 0x67, .type = 11, .present = 1 };
	sregs.ldt = (struct kvm_segment){ .unusable = 1 };
	sregs.gdt.limit = 0;
	sregs.idt.limit = 0;
	WARN_ON_ONCE(sevm_vmcb_set_sregs(vcpu, &sregs));
	sevm_vmcb_set_regs(vcpu, &regs);
}

bool sevm_ap_page_owns(struct sevm_vm *vm, u64 hypercall)
{
	return sevm_es_vm(vm)->ap_page_on && hypercall == HC_VCPU_OP;
}

enum sevm_result sevm_ap_page_call(struct sevm_vcpu *vcpu, u32 op, u32 id)
{
	struct sevm_vcpu *target = sevm_vm_vcpu_by_id(vcpu->vm, id);
	bool last = false;
	long result = 0;

	trace_sevm_ap_op(vcpu, op, id);
	switch (target ? op : 0) {
	case VCPUOP_UP:
		result = sevm_mp_state_start(target) ? 0 : -XEN_EEXIST;
		break;
	case VCPUOP_DOWN:
		last = !sevm_mp_state_stop(target);
		break;
	case VCPUOP_IS_UP:
		result = sevm_mp_state_is_up(target);
		break;
	default:
		result = target ? -XEN_ENOSYS : -XEN_ENOENT;
	}

	sevm_ghcb_reply_set(vcpu, SEVM_GHCB_RAX, result);
	/* Nobody would be left to start it again: in Xen, too, a power-off. */
	return last ? sevm_io_system_event(vcpu, KVM_SYSTEM_EVENT_SHUTDOWN, 0) : SEVM_RESUME;
}
