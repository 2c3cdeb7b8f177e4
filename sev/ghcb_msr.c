// SPDX-License-Identifier: GPL-2.0-only
/*
 * ghcb_msr.c - the GHCB MSR protocol: requests that fit into the MSR itself.
 *
 * What a guest uses before it has a GHCB page, or after it gave it up. A code
 * that is not among them leaves the MSR as it is and lets the guest go on: it
 * sees that its request was not answered. That goes for SNP's codes too, for
 * which KVM ends the VM of a SEV-ES guest.
 */
#include <linux/sevm.h>

#include "sev.h"
#include "svm/trace.h"
#include "svm/cpu/cpuid.h"
#include "svm/cpu/vmcb.h"
#include "svm/run/io.h"

static enum sevm_result sev_info(struct sevm_vcpu *vcpu, u64 msr)
{
	sevm_vmcb_set_ghcb(vcpu, sevm_ghcb_msr_info(sevm_es_vm(vcpu->vm)->ghcb_max,
						    sevm_es_caps.cbit));
	return SEVM_RESUME;
}

static enum sevm_result read_cpuid(struct sevm_vcpu *vcpu, u64 msr)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);
	u32 regs[4] = { sevm_ghcb_msr_cpuid_leaf(msr) };

	sevm_count(vcpu, vmgexit_cpuid);
	sevm_cpuid_query(vcpu, es->xcr0, es->xss, regs);
	sevm_vmcb_set_ghcb(vcpu, sevm_ghcb_msr_cpuid(msr,
						     regs[sevm_ghcb_msr_cpuid_reg(msr)]));
	return SEVM_RESUME;
}

static enum sevm_result reset_hold(struct sevm_vcpu *vcpu, u64 msr)
{
	sevm_count(vcpu, vmgexit_ap_reset_hold);
	return sevm_ap_enter_hold(vcpu, SEVM_AP_HOLD_MSR);
}

/* None: each feature that has a bit is SNP's. */
static enum sevm_result features(struct sevm_vcpu *vcpu, u64 msr)
{
	sevm_vmcb_set_ghcb(vcpu, sevm_ghcb_msr_features(0));
	return SEVM_RESUME;
}

/* A VMM may not know the exit, and it may run the guest again: the log hears of the first time. */
enum sevm_result sevm_ghcb_msr_end(struct sevm_vcpu *vcpu, u64 msr)
{
	struct sevm_es_vcpu *es = sevm_es_vcpu(vcpu);

	if (!es->logged_termination)
		vcpu_notice(vcpu, "the guest asks for its termination: reason set %#llx, reason %#llx\n",
			    msr >> 12 & 0xf, msr >> 16 & 0xff);
	es->logged_termination = true;
	return sevm_io_system_event(vcpu, KVM_SYSTEM_EVENT_SEV_TERM, msr);
}

enum sevm_result sevm_ghcb_msr_handle(struct sevm_vcpu *vcpu, u64 msr)
{
	sevm_count(vcpu, vmgexit_msr_protocol);
	trace_sevm_vmgexit(vcpu, msr, 0, 0);
	switch (msr & SEVM_GHCB_MSR_CODE) {
	case SEVM_GHCB_MSR_INFO_REQ:
		return sev_info(vcpu, msr);
	case SEVM_GHCB_MSR_CPUID_REQ:
		return read_cpuid(vcpu, msr);
	case SEVM_GHCB_MSR_HOLD_REQ:
		return reset_hold(vcpu, msr);
	case SEVM_GHCB_MSR_FEATURES_REQ:
		return features(vcpu, msr);
	case SEVM_GHCB_MSR_TERMINATE:
		return sevm_ghcb_msr_end(vcpu, msr);
	}

	sevm_count(vcpu, vmgexit_errors);
	return SEVM_RESUME;
}
