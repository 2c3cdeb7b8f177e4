/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shootdown.S - entries that the slow path of start.S has no part in: fast IPIs,
 * which run on whatever GS they find, and NMIs, which may come between any two
 * instructions.
 */
#include "shootdown.h"
#include "regs.inc"

	.data
	.globl	fast_eoi, tlb_shoot_wait, tlb_shoot_addr1, tlb_shoot_addr2
	.balign	8
fast_eoi:		.quad	x2apic_eoi_sev_es
tlb_shoot_wait:		.quad	0
tlb_shoot_addr1:	.quad	0
tlb_shoot_addr2:	.quad	0

	.text

/* What was there before SEV-ES: right only where GS is the kernel's. */
	.globl	x2apic_eoi
x2apic_eoi:
	push	%rax
	push	%rcx
	push	%rdx
	mov	$MSR_X2APIC_EOI, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	pop	%rdx
	pop	%rcx
	pop	%rax
	ret

/*
 * The WRMSR raises #VC, and its handler wants the kernel's GS. Called before
 * anything is pushed, so that the interrupted CS lies above the return address.
 */
	.globl	x2apic_eoi_sev_es
x2apic_eoi_sev_es:
	testb	$3, 16(%rsp)
	jz	1f
	swapgs
1:	call	x2apic_eoi
	testb	$3, 16(%rsp)
	jz	2f
	swapgs
2:	ret

	.macro	SAVE
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%rbp
	mov	%rsp, %rbp
	and	$-16, %rsp
	cld
	.endm

	.macro	RESTORE
	mov	%rbp, %rsp
	pop	%rbp
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
	.endm

/* The test's part: a C function that uses no GS, with what was interrupted as its argument. */
	.macro	CALL_C function, argument=0
	SAVE
	lea	80(%rbp), %rdi
	mov	$\argument, %esi
	call	\function
	RESTORE
	.endm

	.macro	DONE
	lock decq tlb_shoot_wait(%rip)
	iretq
	.endm

	.globl	ipi_invltlb, ipi_invlpg, ipi_invlrange, ipi_plain, ipi_wbinvd
	.balign	16
ipi_invltlb:
	call	*fast_eoi(%rip)
	push	%rax
	mov	%cr3, %rax
	mov	%rax, %cr3
	pop	%rax
	CALL_C	on_shootdown, VECTOR_INVLTLB
	DONE

	.balign	16
ipi_invlpg:
	call	*fast_eoi(%rip)
	push	%rax
	mov	tlb_shoot_addr1(%rip), %rax
	invlpg	(%rax)
	pop	%rax
	CALL_C	on_shootdown, VECTOR_INVLPG
	DONE

	.balign	16
ipi_invlrange:
	call	*fast_eoi(%rip)
	push	%rax
	push	%rdx
	mov	tlb_shoot_addr1(%rip), %rax
	mov	tlb_shoot_addr2(%rip), %rdx
1:	invlpg	(%rax)
	add	$0x1000, %rax
	cmp	%rdx, %rax
	jb	1b
	pop	%rdx
	pop	%rax
	CALL_C	on_shootdown, VECTOR_INVLRANGE
	DONE

	.balign	16
ipi_plain:
	CALL_C	park_ipi, PLACE_IPI_ENTRY
	call	*fast_eoi(%rip)
	CALL_C	park_ipi, PLACE_IPI_ACKED
	CALL_C	on_plain
	iretq

/* WBINVD is a #VC as well; here it is on the GS that was interrupted. */
	.balign	16
ipi_wbinvd:
	call	*fast_eoi(%rip)
	wbinvd
	CALL_C	on_plain
	iretq

/*
 * An NMI. The interrupted CS does not tell which GS is there, so it is set by
 * its MSR for the time being; the CPU's own lies above its NMI stack. The host
 * can send the next NMI as soon as NMI complete is said, before the IRET: so
 * nothing may be on the NMI stack by then.
 */
	.globl	nmi_entry
	.balign	16
nmi_entry:
	push	$0
	push	$2
	push_regs
	cld
	mov	$MSR_GS_BASE, %ecx
	rdmsr
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, %rbx
	mov	22*8(%rsp), %rax
	mov	%rax, %rdx
	shr	$32, %rdx
	wrmsr
	mov	%rsp, %rdi
	call	nmi_leave_stack
	mov	%rax, %rsp
	mov	%rax, %rdi
	mov	%rbx, %rsi
	call	on_nmi
	mov	$MSR_GS_BASE, %ecx
	mov	%rbx, %rax
	mov	%rbx, %rdx
	shr	$32, %rdx
	wrmsr
	pop_regs
	add	$16, %rsp
	iretq

/* enter_user(fn, arg, stack): with interrupts on; comes back by #BP. */
	.globl	enter_user
enter_user:
	cli
	push	$0x23		/* GUEST_USER_DS */
	push	%rdx
	push	$0x202
	push	$0x1b		/* GUEST_USER_CS */
	push	%rdi
	mov	%rsi, %rdi
	swapgs
	iretq

	.section .note.GNU-stack, "", @progbits
