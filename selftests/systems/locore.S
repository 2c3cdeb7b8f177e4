/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * locore.S - the guest from its first instruction to 64-bit C: 32-bit code that
 * runs in legacy mode without paging and in compatibility mode alike, with an
 * early #VC handler for either, and the traps of the 64-bit guest.
 *
 * The early handlers have no GHCB: the MSR protocol only, so CPUID only. What
 * they don't understand, or an answer that isn't one, ends the guest.
 */
#include "locore.h"
#include "regs.inc"

#define GHCB_MSR	0xc0010130
#define EFER		0xc0000080
#define GS_BASE		0xc0000101
#define VC		29
#define GATE		0x8e00		/* present, interrupt gate: 32-bit or 64-bit, by mode */

#define CR4_BITS	0x620		/* PAE, OSFXSR, OSXMMEXCPT */
#define CR0_BITS	0x80010033	/* PG, WP, NE, ET, MP, PE */
#define EFER_BITS	0x101		/* LME, SCE */

#define LEAF		0x87		/* present, writable, user, 2 MiB */
#define TABLE		0x07
#define SHARED		0x03		/* not for user mode */

	.text
	.code32
	.globl locore_start32
locore_start32:
	/* What the measured state has put into the registers, for the host to see. */
	movl	%eax, locore_entry_regs
	movl	%ecx, locore_entry_regs + 4
	movl	%edx, locore_entry_regs + 8
	movl	%ebx, locore_entry_regs + 12
	movl	%esp, locore_entry_regs + 16
	movl	%ebp, locore_entry_regs + 20
	movl	%esi, locore_entry_regs + 24
	movl	%edi, locore_entry_regs + 28
	movl	%edi, order
	/*
	 * Without paging this is private. The tables of the direct launch have it
	 * shared, as those will that are made here.
	 */
	movl	$LOCORE_SECRET & 0xffffffff, LOCORE_REPORT
	cld
	movl	$EFER, %ecx		/* not intercepted: no #VC yet, please */
	rdmsr
	movl	%eax, locore_entry_efer
	movl	%cr0, %eax
	movl	%eax, locore_entry_cr0

	lgdt	gdtr
	ljmp	$LOCORE_CS32, $1f
1:	movl	$LOCORE_DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	/* A multiple of 4 only: long mode aligns the frame of a trap itself. */
	movl	$stack_end - 20, %esp

	/*
	 * Both gates go into one table, which serves whichever mode this is: the
	 * 8 bytes of legacy mode's lie in those of long mode's #PF.
	 */
	movl	$vc32, %eax
	movl	%eax, %edx
	andl	$0xffff, %eax
	orl	$LOCORE_CS32 << 16, %eax
	andl	$0xffff0000, %edx
	orl	$GATE, %edx
	movl	%eax, early_idt + VC * 8
	movl	%edx, early_idt + VC * 8 + 4
	movl	$vc64, %eax
	movl	%eax, %edx
	andl	$0xffff, %eax
	orl	$LOCORE_CS64 << 16, %eax
	andl	$0xffff0000, %edx
	orl	$GATE, %edx
	movl	%eax, early_idt + VC * 16
	movl	%edx, early_idt + VC * 16 + 4
	lidt	early_idtr

	cmpl	$ORDER_BAD_REQUEST, order
	jne	2f
	movl	$0x0ff, cpuid_request
2:
	/* Debugging off. The write of DR7 is a #VC, too; nobody is asked. */
	xorl	%eax, %eax
	movl	%eax, %dr6
	movl	%eax, %dr7

	/* CPUID, each leaf of the table; all registers but the four must live. */
	movl	$0x51515151, %esi
	movl	$0xd1d1d1d1, %edi
	xorl	%ebp, %ebp
1:	movl	locore_leaves(, %ebp, 8), %eax
	movl	locore_leaves + 4(, %ebp, 8), %ecx
	stc
	.globl locore_cpuid32
locore_cpuid32:
	cpuid
	jnc	fail32
	pushl	%ecx
	movl	%ebp, %ecx
	shll	$4, %ecx
	movl	%eax, locore_answers(%ecx)
	movl	%ebx, locore_answers + 4(%ecx)
	movl	%edx, locore_answers + 12(%ecx)
	popl	locore_answers + 8(%ecx)
	incl	%ebp
	cmpl	$LOCORE_LEAVES, %ebp
	jb	1b
	cmpl	$0x51515151, %esi
	jne	fail32
	cmpl	$0xd1d1d1d1, %edi
	jne	fail32
	cmpl	$stack_end - 20, %esp
	jne	fail32

	/* What the handlers must not take. They end the guest, so none comes back. */
	movl	order, %eax
	cmpl	$ORDER_EARLY_WBINVD, %eax
	je	early_wbinvd
	cmpl	$ORDER_EARLY_IN, %eax
	je	early_in
	cmpl	$ORDER_EARLY_RDMSR, %eax
	je	early_rdmsr
	cmpl	$ORDER_EARLY_VMMCALL, %eax
	je	early_vmmcall

	/* SEV_INFO, by the other of the two encodings of VMGEXIT. */
	movl	$GHCB_MSR, %ecx
	movl	$0x002, %eax
	xorl	%edx, %edx
	wrmsr
	.byte	0xf2, 0x0f, 0x01, 0xd9
	rdmsr
	movl	%eax, locore_sev_info
	movl	%edx, locore_sev_info + 4
	movl	%eax, %ebx
	andl	$0xfff, %ebx
	cmpl	$0x001, %ebx
	jne	fail32
	/* Highest version in 31:16, lowest in 15:0. This guest speaks 1 and 2. */
	movl	%edx, %ebx
	shrl	$16, %ebx
	andl	$0xffff, %edx
	movl	$1, %ecx
	cmpl	$ORDER_VERSION_2, order
	jne	1f
	incl	%ecx
1:	cmpl	%ecx, %ebx		/* the host's highest is too old */
	jb	bad_version
	cmpl	$2, %edx		/* its lowest is too new */
	ja	bad_version

	/* CPUID 8000001F: the last leaf of the table. */
	testl	$8, locore_answers + (LOCORE_LEAVES - 1) * 16
	movl	$TERMINATION(SET_OURS, OURS_NO_SEV), %edi
	jz	terminate32
	movl	locore_answers + (LOCORE_LEAVES - 1) * 16 + 4, %ecx
	andl	$0x3f, %ecx
	shrl	$24, %eax
	cmpl	%ecx, %eax
	movl	$TERMINATION(SET_OURS, OURS_CBIT), %edi
	jne	terminate32
	subl	$32, %ecx
	jb	terminate32
	movl	$1, %ebp		/* the upper half of what is private */
	shll	%cl, %ebp

	/* One each of PML4, PDPT, PD and, for the 2 MiB with the shared pages, PT. */
	movl	$LOCORE_TABLES, %edi
	movl	$0x1000, %ecx
	xorl	%eax, %eax
	rep stosl
	movl	$LOCORE_TABLES + 0x1000 + TABLE, LOCORE_TABLES
	movl	%ebp, LOCORE_TABLES + 4
	movl	$LOCORE_TABLES + 0x2000 + TABLE, LOCORE_TABLES + 0x1000
	movl	%ebp, LOCORE_TABLES + 0x1004
	movl	$512, %ecx
	movl	$LEAF, %eax
	movl	$LOCORE_SPLIT + TABLE, %edx
	movl	$LOCORE_TABLES + 0x2000, %edi
1:	movl	%eax, (%edi)
	movl	%ebp, 4(%edi)
	movl	%edx, 0x1000(%edi)
	movl	%ebp, 0x1004(%edi)
	addl	$0x200000, %eax
	addl	$0x1000, %edx
	addl	$8, %edi
	loop	1b
	movl	$LOCORE_TABLES + 0x3000 + TABLE, LOCORE_TABLES + 0x2000 + (LOCORE_SPLIT >> 18)
	.irp	page, LOCORE_GHCB, LOCORE_UCALL, LOCORE_REPORT
	movl	$\page + SHARED, LOCORE_TABLES + 0x3000 + ((\page - LOCORE_SPLIT) >> 9)
	movl	$0, LOCORE_TABLES + 0x3004 + ((\page - LOCORE_SPLIT) >> 9)
	.endr

	/* From legacy mode this enters long mode; in it, it changes the tables. */
	movl	%cr4, %eax
	orl	$CR4_BITS, %eax
	movl	%eax, %cr4
	movl	$EFER, %ecx
	rdmsr
	orl	$EFER_BITS, %eax	/* and LMA stays, or #GP */
	wrmsr
	movl	$LOCORE_TABLES, %eax
	movl	%eax, %cr3
	movl	%cr0, %eax
	orl	$CR0_BITS, %eax
	movl	%eax, %cr0
	ljmp	$LOCORE_CS64, $start64

early_wbinvd:
	wbinvd
	jmp	early_survived
early_in:
	inb	$0x71, %al
	jmp	early_survived
early_rdmsr:
	movl	$0x1b, %ecx
	rdmsr
	jmp	early_survived
early_vmmcall:
	vmmcall
early_survived:
	movl	$TERMINATION(SET_OURS, OURS_SURVIVED), %edi
	jmp	terminate32
bad_version:
	movl	$TERMINATION(SET_GENERAL, GENERAL_VERSION), %edi
	jmp	terminate32
fail32:
	movl	$TERMINATION(SET_GENERAL, GENERAL_REQUEST), %edi
	/* A VMM that goes on after that gets it once more. */
terminate32:
	movl	$GHCB_MSR, %ecx
1:	movl	%edi, %eax
	xorl	%edx, %edx
	wrmsr
	rep; vmmcall
	jmp	1b

/* Legacy mode: the frame is 32-bit, and so is the error code in front of it. */
vc32:
	pushal
	movl	32(%esp), %eax
	incl	locore_vc32
	movl	%eax, locore_vc32 + 8
	movl	36(%esp), %edx
	movl	%edx, locore_vc32 + 16
	movl	40(%esp), %edx
	movl	%edx, locore_vc32 + 24
	leal	32(%esp), %edx
	movl	%edx, locore_vc32 + 32
	movl	$3, %ecx
	cmpl	$0x37, %eax		/* MOV to DR7 */
	je	2f
	cmpl	$0x72, %eax
	jne	unexpected32
	movl	28(%esp), %ebp		/* EAX: the leaf */
	xorl	%esi, %esi		/* 0 EAX, 1 EBX, 2 ECX, 3 EDX */
1:	movl	%esi, %edi
	shll	$30, %edi
	movl	%edi, %eax
	orl	cpuid_request, %eax
	movl	%ebp, %edx
	movl	$GHCB_MSR, %ecx
	wrmsr
	rep; vmmcall
	rdmsr
	orl	$0x005, %edi		/* the answer names the register, too */
	cmpl	%edi, %eax
	jne	fail32
	movzbl	pushal_offsets(%esi), %ecx
	movl	%edx, (%esp, %ecx)
	incl	%esi
	cmpl	$4, %esi
	jb	1b
	movl	$2, %ecx
2:	addl	%ecx, 36(%esp)
	popal
	addl	$4, %esp
	iret

unexpected32:
	movzbl	%al, %edi
	shll	$16, %edi
	orl	$TERMINATION(SET_VC, 0), %edi
	jmp	terminate32

/* Long mode, which 32-bit code was interrupted in, or 64-bit code. */
	.code64
vc64:
	push	%rax
	push	%rbx
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rbp
	mov	56(%rsp), %rax
	incq	locore_vc64
	mov	%rax, locore_vc64 + 8
	mov	64(%rsp), %rdx
	mov	%rdx, locore_vc64 + 16
	mov	72(%rsp), %rdx
	mov	%rdx, locore_vc64 + 24
	lea	56(%rsp), %rdx
	mov	%rdx, locore_vc64 + 32
	mov	88(%rsp), %rdx
	mov	%rdx, locore_vc64 + 40
	mov	96(%rsp), %rdx
	mov	%rdx, locore_vc64 + 48
	mov	$3, %ecx
	cmp	$0x37, %rax
	je	2f
	cmp	$0x72, %rax
	jne	unexpected64
	mov	48(%rsp), %ebp
	xor	%esi, %esi
1:	mov	%esi, %edi
	shl	$30, %edi
	mov	%edi, %eax
	or	cpuid_request, %eax
	mov	%ebp, %edx
	mov	$GHCB_MSR, %ecx
	wrmsr
	rep; vmmcall
	rdmsr
	or	$0x005, %edi
	cmp	%edi, %eax
	jne	fail64
	movzbl	push64_offsets(%rsi), %ecx
	mov	%edx, %edx
	mov	%rdx, (%rsp, %rcx)
	inc	%esi
	cmp	$4, %esi
	jb	1b
	mov	$2, %ecx
2:	add	%rcx, 64(%rsp)
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rbx
	pop	%rax
	add	$8, %rsp
	iretq

unexpected64:
	movzbl	%al, %edi
	shl	$16, %edi
	or	$TERMINATION(SET_VC, 0), %edi
	jmp	locore_terminate
fail64:
	mov	$TERMINATION(SET_GENERAL, GENERAL_REQUEST), %edi
	.globl locore_terminate
locore_terminate:
	mov	$GHCB_MSR, %ecx
1:	mov	%edi, %eax
	xor	%edx, %edx
	wrmsr
	rep; vmmcall
	jmp	1b

start64:
	mov	$LOCORE_DS, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	mov	$stack_end, %esp
	/* The test library's struct guest_cpu, for its assertions. */
	mov	$GS_BASE, %ecx
	mov	$guest_cpus, %eax
	xor	%edx, %edx
	wrmsr

	/* Until C has a GHCB, the early handler goes on: now in 64-bit mode. */
	mov	$0x80000003, %eax
	.globl locore_cpuid64
locore_cpuid64:
	cpuid
	mov	%eax, locore_cpuid64_answer
	mov	%ebx, locore_cpuid64_answer + 4
	mov	%ecx, locore_cpuid64_answer + 8
	mov	%edx, locore_cpuid64_answer + 12

	mov	order, %edi
	call	locore_main
	ud2

/* The traps of the 64-bit guest: vectors 0 to 31, and then LOCORE_SYSCALL's. */
	.set	errors, 0x60227d00
	.align	16
	.globl locore_stubs
locore_stubs:
	.set	n, 0
	.rept	33
	.align	16
	.if	(n == 32) || (((errors >> n) & 1) == 0)
	push	$0
	.endif
	.if	n == 32
	push	$LOCORE_SYSCALL
	.else
	push	$n
	.endif
	jmp	trap
	.set	n, n + 1
	.endr

trap:
	push_regs
	cld
	mov	%rsp, %rdi
	call	locore_trap		/* the frame has 22 words: the stack is aligned */
	jmp	restore

/* What is in the frame at RDI, and back when locore_leave_user() says so. */
	.globl locore_enter_user
locore_enter_user:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, kernel_rsp
	mov	%rdi, %rsp
restore:
	pop_regs
	add	$16, %rsp
	iretq

	.globl locore_leave_user
locore_leave_user:
	mov	kernel_rsp, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/* The forms of IN and OUT, as bytes: which encoding it is matters. */
	.macro	FORM name, bytes:vararg
	.globl	form_\name
form_\name:
	.byte	\bytes
	ret
	.endm

	FORM in8_imm, 0xe4, 0x90
	FORM in16_imm, 0x66, 0xe5, 0x92
	FORM in32_imm, 0xe5, 0x94
	FORM out8_imm, 0xe6, 0x98
	FORM out16_imm, 0x66, 0xe7, 0x9a
	FORM out32_imm, 0xe7, 0x9c
	FORM in8, 0xec
	FORM in16, 0x66, 0xed
	FORM in32, 0xed
	FORM out8, 0xee
	FORM out16, 0x66, 0xef
	FORM out32, 0xef
	FORM in8_66, 0x66, 0xec
	FORM out8_66, 0x66, 0xee
	FORM in32_rexw, 0x48, 0xed
	FORM out32_rexw, 0x48, 0xef
	FORM in16_67, 0x67, 0x66, 0xed
	FORM insb, 0x6c
	FORM insw, 0x66, 0x6d
	FORM insl, 0x6d
	FORM insl_rexw, 0x48, 0x6d
	FORM outsb, 0x6e
	FORM outsw, 0x66, 0x6f
	FORM outsl, 0x6f
	FORM outsb_fs, 0x64, 0x6e
	FORM rep_insb, 0xf3, 0x6c
	FORM rep_insw, 0x66, 0xf3, 0x6d
	FORM rep_insw_2, 0xf3, 0x66, 0x6d
	FORM rep_insl, 0xf3, 0x6d
	FORM rep_outsb, 0xf3, 0x6e
	FORM rep_outsw, 0x66, 0xf3, 0x6f
	FORM rep_outsw_2, 0xf3, 0x66, 0x6f
	FORM rep_outsl, 0xf3, 0x6f
	FORM rep_outsl_fs, 0x64, 0xf3, 0x6f
	FORM rep_insw_67, 0x67, 0x66, 0xf3, 0x6d
	FORM rep_outsl_67, 0x67, 0xf3, 0x6f

/* Programs for user mode: each one thing, and back. */
	.macro	USER name, insn:vararg
	.globl	user_\name
user_\name:
	\insn
	int	$LOCORE_SYSCALL
	.endm

	USER cpuid, cpuid
	USER rdmsr, rdmsr
	USER wrmsr, wrmsr
	USER in, in %dx, %eax
	USER out, out %eax, %dx
	USER outsb, outsb
	USER vmmcall, vmmcall
	USER vmgexit, .byte 0xf3, 0x0f, 0x01, 0xd9

	.section .rodata
	.align	4
	/* Where PUSHAL and vc64 have EAX, EBX, ECX, EDX. */
pushal_offsets:
	.byte	28, 16, 24, 20
push64_offsets:
	.byte	48, 40, 32, 24

	.data
	.align	8
	.globl	locore_gdt
locore_gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* LOCORE_CS32 */
	.quad	0x00cf93000000ffff	/* LOCORE_DS */
	.quad	0x00af9b000000ffff	/* LOCORE_CS64 */
	.quad	0x00affb000000ffff	/* LOCORE_USER_CS */
	.quad	0x00cff3000000ffff	/* LOCORE_USER_DS */
	.quad	0, 0			/* LOCORE_TSS: locore_main() */
gdtr:
	.word	63
	.long	locore_gdt
	.align	8
early_idtr:
	.word	VC * 16 + 15
	.long	early_idt
	.align	4
cpuid_request:
	.long	0x004

	.bss
	.align	16
early_idt:
	.skip	(VC + 1) * 16
	.skip	0x4000
stack_end:
kernel_rsp:
	.skip	8
	.macro	RESERVE name, size
	.globl	\name
	.align	8
\name:	.skip	\size
	.endm
	RESERVE locore_vc32, 56
	RESERVE locore_vc64, 56
	RESERVE locore_sev_info, 8
	RESERVE locore_answers, LOCORE_LEAVES*16
	RESERVE locore_cpuid64_answer, 16
	RESERVE locore_entry_regs, 32
	RESERVE locore_entry_efer, 4
	RESERVE locore_entry_cr0, 4
order:
	.skip	4

	.section .note.GNU-stack, "", @progbits
