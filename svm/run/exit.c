// SPDX-License-Identifier: GPL-2.0-only
/*
 * exit.c - what to do about a #VMEXIT.
 *
 * One table: code, handler. Rows marked AUTO are automatic exits (AE in the APM);
 * the others are a plain guest's alone, and come to a protected guest's
 * backend if the hardware ever reports one. String port I/O is in
 * exit_string.c; nested page faults go to npt.c, MSRs to msr.c.
 */
#include <linux/kvm_para.h>
#include <asm/mce.h>
#include <asm/ptrace.h>
#include <asm/trapnr.h>

#include "exit.h"
#include "io.h"
#include "mp_state.h"
#include "msr.h"
#include "run.h"
#include "svm/mem/npt.h"
#include "svm/cpu/cpuid.h"
#include "svm/cpu/debug.h"
#include "svm/cpu/fpu.h"
#include "svm/cpu/host.h"
#include "svm/cpu/vmcb.h"
#include "svm/cpu/walk.h"
#include "svm/irq/event.h"

#define IOIO_IN		BIT(0)
#define IOIO_STRING	BIT(2)

static enum sevm_result raise_gp(struct sevm_vcpu *vcpu)
{
	sevm_event_queue_exception(vcpu, X86_TRAP_GP, true, 0);
	return SEVM_RESUME;
}

static enum sevm_result raise_ud(struct sevm_vcpu *vcpu)
{
	sevm_event_queue_exception(vcpu, X86_TRAP_UD, false, 0);
	return SEVM_RESUME;
}

/* Past the instruction that exited, whose opcode has len bytes. Never for a protected guest. */
static void skip(struct sevm_vcpu *vcpu, unsigned int len)
{
	if (sevm_host_caps.nrips && vcpu->exit.next_rip)
		sevm_vmcb_set_rip(vcpu, vcpu->exit.next_rip);
	else
		sevm_vmcb_set_rip(vcpu, sevm_vmcb_get_rip(vcpu) + sevm_walk_insn_len(vcpu, len));
	sevm_vmcb_clear_interrupt_shadow(vcpu);
}

/* The exit itself was all: an NMI was taken with STGI, a window is open. */
static enum sevm_result nothing(struct sevm_vcpu *vcpu)
{
	return SEVM_RESUME;
}

static enum sevm_result interrupt(struct sevm_vcpu *vcpu)
{
	sevm_count(vcpu, irq_exits);
	return SEVM_RESUME;
}

static enum sevm_result skip_2(struct sevm_vcpu *vcpu)
{
	skip(vcpu, 2);
	return SEVM_RESUME;
}

static enum sevm_result skip_3(struct sevm_vcpu *vcpu)
{
	skip(vcpu, 3);
	return SEVM_RESUME;
}

static enum sevm_result debug_exception(struct sevm_vcpu *vcpu)
{
	/* DR6 in the VMCB has the cause already. */
	sevm_event_queue_exception(vcpu, X86_TRAP_DB, false, 0);
	return SEVM_RESUME;
}

static enum sevm_result alignment_check(struct sevm_vcpu *vcpu)
{
	sevm_event_queue_exception(vcpu, X86_TRAP_AC, true, 0);
	return SEVM_RESUME;
}

static enum sevm_result cpuid_exit(struct sevm_vcpu *vcpu)
{
	u32 regs[4] = { sevm_vmcb_get_rax(vcpu), 0, vcpu->regs[SEVM_RCX] };

	sevm_count(vcpu, cpuid_exits);
	sevm_cpuid_query(vcpu, vcpu->xcr0, vcpu->xss, regs);
	sevm_vmcb_set_rax(vcpu, regs[0]);
	vcpu->regs[SEVM_RBX] = regs[1];
	vcpu->regs[SEVM_RCX] = regs[2];
	vcpu->regs[SEVM_RDX] = regs[3];
	return skip_2(vcpu);
}

/*
 * Sleep, or KVM_EXIT_HLT without a local APIC. A protected guest's RIP was moved by
 * the hardware; its interrupt shadow was not cleared.
 */
static enum sevm_result hlt(struct sevm_vcpu *vcpu)
{
	if (sevm_vmcb_has_vmsa(vcpu))
		sevm_vmcb_clear_interrupt_shadow(vcpu);
	else
		skip(vcpu, 1);
	sevm_count(vcpu, halt_exits);
	if (!vcpu->apic)
		return sevm_io_exit(vcpu, KVM_EXIT_HLT);
	sevm_mp_state_halt(vcpu);
	return SEVM_RESUME;
}

static enum sevm_result iret(struct sevm_vcpu *vcpu)
{
	sevm_event_iret(vcpu);
	return SEVM_RESUME;
}

static enum sevm_result port_in_done(struct sevm_vcpu *vcpu)
{
	u64 rax = sevm_vmcb_get_rax(vcpu);

	/* EAX clears the upper half, AL and AX leave the rest alone. */
	if (vcpu->io.size == 4)
		rax = 0;
	memcpy(&rax, vcpu->io_buf, vcpu->io.size);
	sevm_vmcb_set_rax(vcpu, rax);
	return SEVM_RESUME;
}

static enum sevm_result port(struct sevm_vcpu *vcpu)
{
	u64 info = vcpu->exit.info1;
	u8 size = (info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT;
	bool in = info & IOIO_IN;
	u64 rax = sevm_vmcb_get_rax(vcpu);

	if (info & IOIO_STRING)
		return sevm_exit_string_io(vcpu);

	/* EXITINFO2 is the next RIP, on every CPU. */
	sevm_vmcb_set_rip(vcpu, vcpu->exit.info2);
	sevm_vmcb_clear_interrupt_shadow(vcpu);
	memcpy(vcpu->io_buf, &rax, sizeof(rax));
	return sevm_io_port(vcpu, info >> 16, size, 1, !in, vcpu->io_buf,
			    in ? port_in_done : NULL);
}

static enum sevm_result rdmsr_done(struct sevm_vcpu *vcpu, bool fault, u64 data)
{
	if (fault)
		return raise_gp(vcpu);
	sevm_vmcb_set_rax(vcpu, (u32)data);
	vcpu->regs[SEVM_RDX] = data >> 32;
	return skip_2(vcpu);
}

static enum sevm_result wrmsr_done(struct sevm_vcpu *vcpu, bool fault, u64 data)
{
	if (fault)
		return raise_gp(vcpu);
	return skip_2(vcpu);
}

static enum sevm_result msr(struct sevm_vcpu *vcpu)
{
	u32 index = vcpu->regs[SEVM_RCX];

	sevm_count(vcpu, msr_exits);
	if (vcpu->exit.info1)
		return sevm_msr_guest_write(vcpu, index,
					    (u32)sevm_vmcb_get_rax(vcpu) |
					    vcpu->regs[SEVM_RDX] << 32,
					    wrmsr_done);
	return sevm_msr_guest_read(vcpu, index, rdmsr_done);
}

static enum sevm_result xsetbv(struct sevm_vcpu *vcpu)
{
	u64 value = (u32)sevm_vmcb_get_rax(vcpu) | vcpu->regs[SEVM_RDX] << 32;

	if (sevm_vmcb_get_cpl(vcpu) || (u32)vcpu->regs[SEVM_RCX] ||
	    sevm_fpu_set_xcr0(vcpu, value))
		return raise_gp(vcpu);
	return skip_3(vcpu);
}

/* No hypercall is offered. */
static enum sevm_result vmmcall(struct sevm_vcpu *vcpu)
{
	long ret = sevm_vmcb_get_cpl(vcpu) ? -KVM_EPERM : -KVM_ENOSYS;

	sevm_vmcb_set_rax(vcpu, sevm_vmcb_in_64bit_mode(vcpu) ? (u64)ret : (u32)ret);
	return skip_3(vcpu);
}

static enum sevm_result shut_down(struct sevm_vcpu *vcpu)
{
	/* The save area is undefined now; a VMSA stays as it is. */
	if (!sevm_vmcb_has_vmsa(vcpu))
		sevm_vcpu_reset(vcpu, true);
	return sevm_io_exit(vcpu, KVM_EXIT_SHUTDOWN);
}

static enum sevm_result nested_page_fault(struct sevm_vcpu *vcpu)
{
	sevm_count(vcpu, npf_exits);
	return sevm_npt_fault(vcpu);
}

/* A task switch needs an emulator. */
static enum sevm_result task_switch(struct sevm_vcpu *vcpu)
{
	u8 insn[15];

	return sevm_io_emulation_failure(vcpu, 0, insn, sevm_walk_fetch(vcpu, insn, sizeof(insn)));
}

static enum sevm_result to_backend(struct sevm_vcpu *vcpu)
{
	return vcpu->vm->protect->handle_exit(vcpu);
}

struct exit_row {
	enum sevm_result (*handler)(struct sevm_vcpu *vcpu);
	bool automatic;
};

#define PLAIN(code, func)						\
	[SVM_EXIT_##code] = { func, false }
#define AUTO(code, func)						\
	[SVM_EXIT_##code] = { func, true }
#define EXCEPTION(nr, func, automatic)					\
	[SVM_EXIT_EXCP_BASE + (nr)] = { func, automatic }
#define TRAP(first, last)						\
	[first ... last] = { to_backend, true }

static const struct exit_row rows[] = {
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_WRITE_DR0 + 15] = {
		sevm_debug_access, false },
	EXCEPTION(1, debug_exception, false),
	EXCEPTION(17, alignment_check, false),
	EXCEPTION(18, nothing, true),	/* sevm_exit_irqoff(); then the task's work: run.c */
	AUTO(INTR, interrupt),
	AUTO(NMI, nothing),
	AUTO(SMI, nothing),
	AUTO(INIT, nothing),
	AUTO(VINTR, nothing),
	PLAIN(RDPMC, raise_gp),
	PLAIN(CPUID, cpuid_exit),
	PLAIN(RSM, raise_ud),
	PLAIN(IRET, iret),
	PLAIN(INVD, skip_2),
	PLAIN(PAUSE, skip_2),
	AUTO(HLT, hlt),
	PLAIN(INVLPGA, raise_ud),
	PLAIN(IOIO, port),
	PLAIN(MSR, msr),
	PLAIN(TASK_SWITCH, task_switch),
	AUTO(SHUTDOWN, shut_down),
	PLAIN(VMRUN, raise_ud),
	PLAIN(VMMCALL, vmmcall),
	PLAIN(VMLOAD, raise_ud),
	PLAIN(VMSAVE, raise_ud),
	PLAIN(STGI, raise_ud),
	PLAIN(CLGI, raise_ud),
	PLAIN(SKINIT, raise_ud),
	PLAIN(WBINVD, skip_2),
	/* As no-operations: software that waits checks its condition anyway. */
	PLAIN(MONITOR, skip_3),
	PLAIN(MWAIT, skip_3),
	PLAIN(XSETBV, xsetbv),
	PLAIN(RDPRU, raise_ud),
	TRAP(SVM_EXIT_EFER_WRITE_TRAP, SVM_EXIT_CR0_WRITE_TRAP + 15),
	AUTO(NPF, nested_page_fault),
	AUTO(VMGEXIT, to_backend),
};

static enum sevm_result refused(struct sevm_vcpu *vcpu)
{
	static DEFINE_RATELIMIT_STATE(limit, 60 * HZ, 1);

	if (__ratelimit(&limit))
		sevm_vmcb_dump(vcpu);
	sevm_vmcb_forget_cached(vcpu);
	return sevm_io_fail_entry(vcpu);
}

enum sevm_result sevm_exit_handle_slow(struct sevm_vcpu *vcpu)
{
	u64 code = vcpu->exit.code;
	const struct exit_row *row;

	if (sevm_exit_is_refusal(code))
		return refused(vcpu);

	row = code < ARRAY_SIZE(rows) ? &rows[code] : NULL;
	if (sevm_vmcb_has_vmsa(vcpu) && !(row && row->automatic))
		return to_backend(vcpu);
	if (!row || !row->handler)
		return sevm_io_unexpected(vcpu);
	return row->handler(vcpu);
}

/* As from user space: whoever runs a guest may be killed for it. */
void sevm_exit_machine_check(void)
{
	struct pt_regs regs = {
		.cs = 3,
		.flags = X86_EFLAGS_IF,
	};

	do_machine_check(&regs);
}
