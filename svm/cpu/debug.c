// SPDX-License-Identifier: GPL-2.0-only
/*
 * debug.c - debug registers of a plain guest.
 *
 * Most guests never touch them, so accesses exit until the first one. From
 * then on the guest has all of them: DR0-3 are loaded before and stored after
 * each entry, DR6 and DR7 are in the VMCB. That goes on until a KVM_RUN ends with
 * no breakpoint armed. No access is ever decoded.
 */
#include "debug.h"
#include "vmcb.h"

void sevm_debug_reset(struct sevm_vcpu *vcpu)
{
	memset(vcpu->dr, 0, sizeof(vcpu->dr));
	vcpu->dr_live = false;
}

enum sevm_result sevm_debug_access(struct sevm_vcpu *vcpu)
{
	vcpu->dr_live = true;
	sevm_vmcb_set_dr_intercept(vcpu, false);
	return SEVM_RESUME;
}

/* DR7 is in the VMCB at each entry, so DR0-3 have to be the guest's, too. */
static bool armed(struct sevm_vcpu *vcpu)
{
	u64 dr6, dr7;

	sevm_vmcb_get_dr67(vcpu, &dr6, &dr7);
	return dr7 & (DR_LOCAL_ENABLE_MASK | DR_GLOBAL_ENABLE_MASK);
}

void sevm_debug_load(struct sevm_vcpu *vcpu)
{
	/* The guest's addresses must not meet the host's DR7: #VMEXIT leaves it off too. */
	set_debugreg(0, 7);
	set_debugreg(vcpu->dr[0], 0);
	set_debugreg(vcpu->dr[1], 1);
	set_debugreg(vcpu->dr[2], 2);
	set_debugreg(vcpu->dr[3], 3);
}

void sevm_debug_store(struct sevm_vcpu *vcpu)
{
	get_debugreg(vcpu->dr[0], 0);
	get_debugreg(vcpu->dr[1], 1);
	get_debugreg(vcpu->dr[2], 2);
	get_debugreg(vcpu->dr[3], 3);
}

void sevm_debug_host_save(struct sevm_vcpu *vcpu)
{
	get_debugreg(vcpu->host_dr[0], 0);
	get_debugreg(vcpu->host_dr[1], 1);
	get_debugreg(vcpu->host_dr[2], 2);
	get_debugreg(vcpu->host_dr[3], 3);
}

void sevm_debug_host_restore(struct sevm_vcpu *vcpu)
{
	set_debugreg(vcpu->host_dr[0], 0);
	set_debugreg(vcpu->host_dr[1], 1);
	set_debugreg(vcpu->host_dr[2], 2);
	set_debugreg(vcpu->host_dr[3], 3);
	set_debugreg(DR6_RESERVED, 6);
	set_debugreg(__this_cpu_read(cpu_dr7), 7);
}

void sevm_debug_reintercept(struct sevm_vcpu *vcpu)
{
	if (likely(!vcpu->dr_live))
		return;
	if (!sevm_vmcb_has_vmsa(vcpu)) {
		if (armed(vcpu))
			return;
		sevm_vmcb_set_dr_intercept(vcpu, true);
	}
	vcpu->dr_live = false;
}

void sevm_debug_get(struct sevm_vcpu *vcpu, struct kvm_debugregs *regs)
{
	memset(regs, 0, sizeof(*regs));
	memcpy(regs->db, vcpu->dr, sizeof(regs->db));
	sevm_vmcb_get_dr67(vcpu, &regs->dr6, &regs->dr7);
}

int sevm_debug_set(struct sevm_vcpu *vcpu, const struct kvm_debugregs *regs)
{
	if (regs->flags || (regs->dr6 >> 32) || (regs->dr7 >> 32))
		return -EINVAL;
	memcpy(vcpu->dr, regs->db, sizeof(vcpu->dr));
	sevm_vmcb_set_dr67(vcpu, regs->dr6 | DR6_RESERVED, regs->dr7 | 0x400);
	/* A SEV guest does not run before its launch, and its intercepts are another set. */
	if (sevm_vm_is_encrypted(vcpu->vm))
		return 0;
	if (armed(vcpu))
		sevm_debug_access(vcpu);
	else
		sevm_debug_reintercept(vcpu);
	return 0;
}
