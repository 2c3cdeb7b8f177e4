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
#include "svm/run/io.h"
#include "svm/run/power.h"
#include "svm/trace.h"
#include "svm/cpu/vmcb.h"

/* In the form it was asked. */
static void go_on(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	if (es->hold == SEVM_AP_HOLD_MSR) {
		sevm_vmcb_set_ghcb(vcpu, sevm_ghcb_msr_hold(true));
	} else {
		sevm_ghcb_reply_set(vcpu, SEVM_GHCB_EXITINFO1, SEVM_GHCB_OK);
		sevm_ghcb_reply_set(vcpu, SEVM_GHCB_EXITINFO2, 1);
	}
	es->hold = SEVM_AP_HOLD_NONE;
	sevm_count(vcpu, ap_wakes);
}

enum sevm_result sevm_ap_hold(struct sevm_vcpu *vcpu, u32 kind)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	es->hold = kind;
	sevm_count(vcpu, ap_holds);
	trace_sevm_ap(vcpu, kind == SEVM_AP_HOLD_MSR ? "held by MSR" : "held by NAE");

	if (es->sipi_early) {
		trace_sevm_ap(vcpu, "goes on by an early SIPI");
		es->sipi_early = false;
		go_on(vcpu);
		return SEVM_RESUME;
	}

	/* The NAE form has its 0, "not by SIPI", in the staged reply already. */
	if (kind == SEVM_AP_HOLD_MSR)
		sevm_vmcb_set_ghcb(vcpu, sevm_ghcb_msr_hold(false));

	if (vcpu->apic || vcpu->vm->stopped_aps) {
		WRITE_ONCE(vcpu->mp_state, KVM_MP_STATE_AP_RESET_HOLD);
		return SEVM_RESUME;		/* the run loop goes to sleep */
	}
	vcpu->run->exit_reason = KVM_EXIT_AP_RESET_HOLD;
	return sevm_io_exit(vcpu, NULL);
}

/*
 * First SIPI: nothing is to do, the VMSA is as it was measured.
 *
 * A later one may be early: Linux reports its AP dead before the AP asks to be
 * held, and may bring it up again at once. Such a vCPU cannot be made to start
 * over, but its next hold is what the guest meant: that ends as it begins. One
 * pair of INIT and SIPI ends one hold, and only the pair does: of INIT-SIPI-SIPI,
 * as Linux and OVMF send it, the second SIPI finds a vCPU that does not wait for
 * one, and apic.c drops it. Were it remembered instead, the AP that OVMF parks
 * for good at ExitBootServices would jump through a table that is still empty.
 *
 * One that halts with paging on goes on halting: after a kexec the APs halt in the
 * memory of a kernel that is no more, and the next instruction there would be the
 * guest's last. Without paging it is firmware that waits for this very SIPI.
 */
u32 sevm_ap_sipi(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	if (es->hold) {
		trace_sevm_ap(vcpu, "goes on by SIPI");
		go_on(vcpu);
		return KVM_MP_STATE_RUNNABLE;
	}
	trace_sevm_ap(vcpu, es->has_run ? "early SIPI" : "starts by SIPI");
	es->sipi_early = es->has_run;
	if (!es->halted)
		return KVM_MP_STATE_RUNNABLE;
	es->halted = false;
	return KVM_MP_STATE_HALTED;
}

/* Another INIT waits for a SIPI of its own. The kind of a hold stays. */
void sevm_ap_init(struct sevm_vcpu *vcpu)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	es->sipi_early = false;
	if (vcpu->mp_state != KVM_MP_STATE_INIT_RECEIVED)
		es->halted = vcpu->mp_state == KVM_MP_STATE_HALTED &&
			     es->cr0 & X86_CR0_PG;
}

int sevm_ap_set_hold(struct sevm_vcpu *vcpu, u32 kind)
{
	if (kind > SEVM_AP_HOLD_MSR)
		return -EINVAL;
	sevm_es_vcpu(vcpu)->hold = kind;
	/* That it is stopped is all that the VMM could set. */
	if (kind && sevm_power_stopped(vcpu))
		WRITE_ONCE(vcpu->mp_state, KVM_MP_STATE_AP_RESET_HOLD);
	return 0;
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
