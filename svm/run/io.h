/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * io.h - exits to userspace, and the port, MMIO or MSR access that waits for an answer.
 *
 * The data is in kernel memory that the asker owns until done() ran. done()
 * runs at the KVM_RUN that brings the last of it, or before sevm_io_*() returns
 * when nobody has to be asked (an ioeventfd, the APIC page). NULL: nothing more to do.
 */
#ifndef SEVM_SVM_IO_H
#define SEVM_SVM_IO_H

#include "svm/sevm.h"

/* count elements of size (1, 2, 4) bytes at data, out of (write) or into it. */
enum sevm_result sevm_io_port(struct sevm_vcpu *vcpu, u16 port, u8 size,
			      u32 count, bool write, u8 *data,
			      enum sevm_result (*done)(struct sevm_vcpu *vcpu));

/* len bytes at gpa; more than 8 go in pieces of at most 8. */
enum sevm_result sevm_io_mmio(struct sevm_vcpu *vcpu, sevm_gpa gpa, u32 len,
			      bool write, u8 *data,
			      enum sevm_result (*done)(struct sevm_vcpu *vcpu));

/* An exit that carries nothing but its reason, KVM_EXIT_*. */
static inline enum sevm_result sevm_io_exit(struct sevm_vcpu *vcpu, u32 reason)
{
	vcpu->run->exit_reason = reason;
	return SEVM_TO_USER;
}

/* KVM_EXIT_X86_RDMSR, _WRMSR; done() at the next KVM_RUN finds the answer in kvm_run. */
enum sevm_result sevm_io_msr(struct sevm_vcpu *vcpu, bool write, u32 reason, u32 index, u64 data,
			     enum sevm_result (*done)(struct sevm_vcpu *vcpu));
/* KVM_EXIT_IOAPIC_EOI: an IOAPIC in userspace wants to know. */
enum sevm_result sevm_io_ioapic_eoi(struct sevm_vcpu *vcpu, u8 vector);

/* At the top of KVM_RUN: finish what userspace was asked. */
enum sevm_result sevm_io_complete(struct sevm_vcpu *vcpu);

/* KVM_EXIT_SYSTEM_EVENT, with one number */
enum sevm_result sevm_io_system_event(struct sevm_vcpu *vcpu, u32 type,
				      u64 data0);

/* The VM is dead: say so in kvm_run; what KVM_RUN returns. */
int sevm_io_killed(struct sevm_vcpu *vcpu);
/* No emulator: KVM_INTERNAL_ERROR_EMULATION with the instruction and the GPA. */
enum sevm_result sevm_io_emulation_failure(struct sevm_vcpu *vcpu, sevm_gpa gpa,
					   const u8 *insn, u8 insn_len);
/* An exit nobody expects, and a VMRUN that the hardware refused. */
enum sevm_result sevm_io_unexpected(struct sevm_vcpu *vcpu);
enum sevm_result sevm_io_fail_entry(struct sevm_vcpu *vcpu);

#endif /* SEVM_SVM_IO_H */
