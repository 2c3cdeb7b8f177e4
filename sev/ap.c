// SPDX-License-Identifier: GPL-2.0-only
/*
 * ap.c - application processors: the reset hold, and the AP jump table.
 *
 * The host cannot set a protected vCPU's registers, so SIPI has no vector that
 * it could obey. What it means instead: to a vCPU that never ran, run the state
 * that was measured; to one that asked to be held, come back from that request,
 * in the form it was asked. The guest finds its way by the jump table.
 * Invariant: a held vCPU comes back by SIPI only. Firmware jumps through the
 * table after one VMGEXIT and does not look at the result.
 */
#include <linux/uaccess.h>

#include <linux/sevm.h>

#include "sev.h"
#include "../svm/io.h"
#include "../svm/trace.h"
#include "../svm/vmcb.h"

enum sevm_result sevm_ap_hold(struct sevm_vcpu *vcpu, u32 kind)
{
	sevm_es_vcpu(vcpu)->hold = kind;
	sevm_count(vcpu, ap_holds);
	trace_sevm_ap(vcpu, kind == SEVM_AP_HOLD_MSR ? "held by MSR" : "held by NAE");

	/* The NAE form has its 0, "not by SIPI", in the staged reply already. */
	if (kind == SEVM_AP_HOLD_MSR)
		sevm_vmcb_set_ghcb(vcpu, sevm_ghcb_msr_hold(false));

	if (vcpu->apic) {
		WRITE_ONCE(vcpu->mp_state, KVM_MP_STATE_AP_RESET_HOLD);
		return SEVM_RESUME;		/* the run loop goes to sleep */
	}
	vcpu->run->exit_reason = KVM_EXIT_AP_RESET_HOLD;
	return sevm_io_exit(vcpu, NULL);
}

/*
 * First SIPI: nothing is to do, the VMSA is as it was measured. The same goes,
 * as in KVM, for a vCPU that got INIT and SIPI while it ran: there is no other
 * state to run.
 */
void sevm_ap_sipi(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	trace_sevm_ap(vcpu, es->hold ? "goes on by SIPI" : "starts by SIPI");
	switch (es->hold) {
	case SEVM_AP_HOLD_NAE:
		sevm_ghcb_reply_set(vcpu, SEVM_GHCB_EXITINFO1, SEVM_GHCB_OK);
		sevm_ghcb_reply_set(vcpu, SEVM_GHCB_EXITINFO2, 1);
		break;
	case SEVM_AP_HOLD_MSR:
		sevm_vmcb_set_ghcb(vcpu, sevm_ghcb_msr_hold(true));
		break;
	default:
		return;
	}
	es->hold = SEVM_AP_HOLD_NONE;
	sevm_count(vcpu, ap_wakes);
}

/*
 * Before each entry: whoever runs is not held. That matters when the VMM made
 * the vCPU runnable by KVM_SET_MP_STATE: a later SIPI must not write into a
 * GHCB that has moved on.
 */
void sevm_ap_enter(struct sevm_vcpu *vcpu)
{
	sevm_es_vcpu(vcpu)->hold = SEVM_AP_HOLD_NONE;
}

int sevm_ap_set_hold(struct sevm_vcpu *vcpu, u32 kind)
{
	if (kind > SEVM_AP_HOLD_MSR)
		return -EINVAL;
	sevm_es_vcpu(vcpu)->hold = kind;
	return 0;
}

/* The address is any vCPU's to set, and only ever handed back: not followed. */
bool sevm_ap_table_set(struct sevm_vm *vm, u64 gpa)
{
	if (gpa && (!IS_ALIGNED(gpa, PAGE_SIZE) ||
		    !sevm_mem_contains(vm, gpa, PAGE_SIZE, true)))
		return false;
	WRITE_ONCE(sevm_es_vm(vm)->jump_table, gpa);
	return true;
}

u64 sevm_ap_table_get(struct sevm_vm *vm)
{
	return READ_ONCE(sevm_es_vm(vm)->jump_table);
}

long sevm_ap_ioctl(struct sevm_vm *vm, unsigned int cmd, unsigned long arg)
{
	u64 __user *user = (u64 __user *)arg;
	u64 gpa;

	switch (cmd) {
	case SEVM_GET_AP_JUMP_TABLE:
		return put_user(sevm_ap_table_get(vm), user);
	case SEVM_SET_AP_JUMP_TABLE:
		if (get_user(gpa, user))
			return -EFAULT;
		return sevm_ap_table_set(vm, gpa) ? 0 : -EINVAL;
	default:
		return -ENOTTY;
	}
}
