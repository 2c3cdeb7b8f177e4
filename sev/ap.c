// SPDX-License-Identifier: GPL-2.0-only
/*
 * ap.c - application processors: how a reset hold is answered, and the AP jump table.
 *
 * The host cannot set a protected vCPU's registers, so SIPI has no vector that it
 * could obey. To a vCPU that asked to be held it means: come back from that request,
 * in the form it was asked; the guest then finds its way by the jump table. Who is
 * held, and what ends a hold, is svm/run/mp_state.c's.
 * Invariant: the jump table's address is never followed, only handed back.
 */
#include <linux/uaccess.h>

#include <linux/sevm.h>

#include "sev.h"
#include "svm/cpu/vmcb.h"
#include "svm/run/io.h"
#include "svm/run/mp_state.h"

/* In the form it was asked: by SIPI. */
void sevm_ap_complete_hold(struct sevm_vcpu *vcpu, u32 kind)
{
	if (kind == SEVM_AP_HOLD_MSR)
		sevm_vmcb_set_ghcb(vcpu, sevm_ghcb_msr_hold(true));
	else
		sevm_ghcb_reply_set(vcpu, SEVM_GHCB_EXITINFO2, 1);
}

enum sevm_result sevm_ap_enter_hold(struct sevm_vcpu *vcpu, u32 kind)
{
	if (!sevm_mp_state_hold(vcpu, kind))
		return SEVM_RESUME;		/* an early SIPI: complete already */

	/* The NAE form has its 0, "not by SIPI", in the staged reply already. */
	if (kind == SEVM_AP_HOLD_MSR)
		sevm_vmcb_set_ghcb(vcpu, sevm_ghcb_msr_hold(false));
	if (vcpu->mp.state == KVM_MP_STATE_AP_RESET_HOLD)
		return SEVM_RESUME;		/* KVM_RUN's loop goes to sleep */
	return sevm_io_exit(vcpu, KVM_EXIT_AP_RESET_HOLD);
}

static bool is_table(struct sevm_vm *vm, u64 gpa)
{
	return IS_ALIGNED(gpa, PAGE_SIZE) && sevm_mem_contains(vm, gpa, PAGE_SIZE, true);
}

/* The address is any vCPU's to set, and only ever handed back: not followed. */
bool sevm_ap_table_set(struct sevm_vm *vm, u64 gpa)
{
	if (gpa && !is_table(vm, gpa))
		return false;
	WRITE_ONCE(sevm_es_vm(vm)->jump_table, gpa);
	return true;
}

/* None while its slot is gone: a VMM that rearranges its memory brings it back. */
u64 sevm_ap_table_get(struct sevm_vm *vm)
{
	u64 gpa = READ_ONCE(sevm_es_vm(vm)->jump_table);

	return gpa && is_table(vm, gpa) ? gpa : 0;
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
