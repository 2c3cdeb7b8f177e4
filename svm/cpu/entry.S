/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * entry.S - the world switch: one entry point for plain guests and one for SEV-ES guests.
 *
 * Both take a struct sevm_entry_args in RDI, are called with interrupts off, and
 * come back so. From CLGI to STGI neither NMI nor #MC can see the guest's GS
 * base, SPEC_CTRL or return predictions. Interrupts are let through ("sti")
 * only inside the guest, where each one ends it: V_INTR_MASKING makes the
 * host's IF, at VMRUN, the mask of physical interrupts.
 *
 * The host's callee-saved registers are on the stack in both. After a
 * #VMEXIT of a SEV-ES guest, the hardware loads all general registers but RAX
 * and RSP from fields of the host save area that nobody writes: RSP is right,
 * so the pops are.
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>

#include "entry.h"

/* Offsets in vcpu->regs: enum sevm_reg */
#define REG_RCX	0x00
#define REG_RDX	0x08
#define REG_RBX	0x10
#define REG_RBP	0x18
#define REG_RSI	0x20
#define REG_RDI	0x28
#define REG_R8	0x30
#define REG_R9	0x38
#define REG_R10	0x40
#define REG_R11	0x48
#define REG_R12	0x50
#define REG_R13	0x58
#define REG_R14	0x60
#define REG_R15	0x68

.macro SAVE_HOST
	push	%rbp
	mov	%rsp, %rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdi
.endm

/* RDI, the arguments, is on top of the stack until here. */
.macro RESTORE_HOST
	pop	%rdi
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
.endm

/*
 * Arguments in RDI; clobbers RAX, RCX, RDX. A CPU without the MSR has 0 in both
 * fields, and so has one that swaps it in hardware.
 */
.macro SWITCH_SPEC_CTRL from:req to:req
	mov	\to(%rdi), %eax
	cmp	\from(%rdi), %eax
	je	.Lsame_spec_ctrl_\@
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
.Lsame_spec_ctrl_\@:
.endm

	.section .noinstr.text, "ax"

SYM_FUNC_START(sevm_enter_plain)
	SAVE_HOST
	clgi
	SWITCH_SPEC_CTRL from=SEVM_ENTRY_HOST_SPEC to=SEVM_ENTRY_GUEST_SPEC

	/* FS, GS, TR, LDTR and the syscall MSRs of the host, then the guest's. */
	mov	SEVM_ENTRY_HOST(%rdi), %rax
	vmsave	%rax
	mov	SEVM_ENTRY_VMCB(%rdi), %rax
	vmload	%rax

	mov	SEVM_ENTRY_REGS(%rdi), %rdi
	mov	REG_RCX(%rdi), %rcx
	mov	REG_RDX(%rdi), %rdx
	mov	REG_RBX(%rdi), %rbx
	mov	REG_RBP(%rdi), %rbp
	mov	REG_RSI(%rdi), %rsi
	mov	REG_R8(%rdi), %r8
	mov	REG_R9(%rdi), %r9
	mov	REG_R10(%rdi), %r10
	mov	REG_R11(%rdi), %r11
	mov	REG_R12(%rdi), %r12
	mov	REG_R13(%rdi), %r13
	mov	REG_R14(%rdi), %r14
	mov	REG_R15(%rdi), %r15
	mov	REG_RDI(%rdi), %rdi

	VM_CLEAR_CPU_BUFFERS
	sti
	vmrun	%rax
	cli

	/* RAX and RSP are the host's again, all else is still the guest's. */
	vmsave	%rax
	mov	(%rsp), %rax
	mov	SEVM_ENTRY_REGS(%rax), %rax
	mov	%rcx, REG_RCX(%rax)
	mov	%rdx, REG_RDX(%rax)
	mov	%rbx, REG_RBX(%rax)
	mov	%rbp, REG_RBP(%rax)
	mov	%rsi, REG_RSI(%rax)
	mov	%rdi, REG_RDI(%rax)
	mov	%r8, REG_R8(%rax)
	mov	%r9, REG_R9(%rax)
	mov	%r10, REG_R10(%rax)
	mov	%r11, REG_R11(%rax)
	mov	%r12, REG_R12(%rax)
	mov	%r13, REG_R13(%rax)
	mov	%r14, REG_R14(%rax)
	mov	%r15, REG_R15(%rax)

	mov	(%rsp), %rdi
	mov	SEVM_ENTRY_HOST(%rdi), %rax
	vmload	%rax

	/* It may count in the per-CPU area: not before GS base is the host's. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT

	SWITCH_SPEC_CTRL from=SEVM_ENTRY_GUEST_SPEC to=SEVM_ENTRY_HOST_SPEC

	/* Before any RET, with the host's SPEC_CTRL and per-CPU area. */
	UNTRAIN_RET_VM
	stgi

	/* Leave no guest value where a mispredicted path could use it. */
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	RESTORE_HOST
	RET
SYM_FUNC_END(sevm_enter_plain)

SYM_FUNC_START(sevm_enter_es)
	SAVE_HOST
	clgi
	SWITCH_SPEC_CTRL from=SEVM_ENTRY_HOST_SPEC to=SEVM_ENTRY_GUEST_SPEC

	mov	SEVM_ENTRY_VMCB(%rdi), %rax
	VM_CLEAR_CPU_BUFFERS
	sti
	vmrun	%rax
	cli

	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT

	mov	(%rsp), %rdi
	SWITCH_SPEC_CTRL from=SEVM_ENTRY_GUEST_SPEC to=SEVM_ENTRY_HOST_SPEC
	UNTRAIN_RET_VM
	stgi
	RESTORE_HOST
	RET
SYM_FUNC_END(sevm_enter_es)

SEVM_COMPAT_CODE
