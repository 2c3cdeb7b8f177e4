/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ap_boot.S - an AP's way up from real mode, and back down to be parked.
 *
 * Three pieces that are copied to pages below 1 MiB: where APs start, the
 * trampoline from real to 64-bit mode, and the parking from 64-bit to real mode.
 * Without paging every access is private, so nothing here touches a GHCB; what
 * it has to ask, it asks by the MSR protocol.
 */
#include "ap_boot.h"

#define GHCB_MSR	0xc0010130
#define EFER		0xc0000080
#define EFER_LME	0x100
#define CR0_PE		0x1
#define CR0_LONG	0x80010033
#define CR0_PG		0x80000000
#define CR4_PAE		0x20
#define CR4_LONG	0x620		/* PAE, OSFXSR, OSXMMEXCPT */

.macro VMGEXIT
	rep; vmmcall
.endm

.macro TERMINATE code
	mov	$GHCB_MSR, %ecx
9:	mov	$(0x100 | TERM_SET << 12 | \code << 16), %eax
	xor	%edx, %edx
	wrmsr
	VMGEXIT
	jmp	9b
.endm

/*
 * Hold by the MSR protocol until a SIPI ends it: 0x007 with data. EBX counts
 * other returns. At 3: it looks whether there is an answer already.
 */
.macro HOLD_MSR
1:	mov	$0x006, %eax
	xor	%edx, %edx
	wrmsr
	VMGEXIT
3:	rdmsr
	inc	%ebx
	mov	%eax, %ebp
	and	$0xfff, %ebp
	cmp	$0x007, %ebp
	jne	1b
	shr	$12, %eax
	or	%edx, %eax
	jz	1b
	dec	%ebx
.endm

	.section .rodata
	.code16
	.balign	16
	.globl	ap_work, ap_work_end
ap_work:
	.word	0, 0

	.org	ap_work + WORK_ENTRY
	ljmpw	*%cs:0

	.org	ap_work + WORK_RESUMED
	mov	$GHCB_MSR, %ecx
	jmp	3f
	HOLD_MSR
	ljmpw	*%cs:0

	.org	ap_work + WORK_UNSET
	TERMINATE TERM_UNSET
ap_work_end:

/*
 * In: EBX what parking has to say. It enters at either entry, with any CS that
 * reaches it; both come from the jump table, and are noted.
 */
	.balign	16
	.globl	ap_trampoline, ap_trampoline_end
ap_trampoline:
	.org	ap_trampoline + TRAMPOLINE_ENTRY
	xor	%bp, %bp
	jmp	4f
	.org	ap_trampoline + TRAMPOLINE_ENTRY + TRAMPOLINE_ENTRY_SIZE
	mov	$1, %bp
	jmp	4f

	.org	ap_trampoline + TRAMPOLINE_JUMP
4:	mov	%cs, %ax
	.byte	0xea			/* ljmpw */
	.word	TRAMPOLINE_REAL
	.org	ap_trampoline + TRAMPOLINE_SEGMENT
	.word	0

	.org	ap_trampoline + TRAMPOLINE_REAL
	cli
	cld
	movzwl	%bp, %ebp
	shl	$16, %eax
	or	%eax, %ebp		/* CS, entry */
	mov	%cs, %ax
	mov	%ax, %ds
	movzwl	%ax, %esi
	shl	$4, %esi		/* this page */

	/* No stack, no IDT: CPUID 0xB EDX, the APIC ID, by MSR. */
	mov	$GHCB_MSR, %ecx
	mov	$0xb, %edx
	mov	$0xc0000004, %eax
	wrmsr
	VMGEXIT
	rdmsr
	and	$0xfff, %eax
	cmp	$0x005, %eax
	jne	5f
	mov	%edx, %edi

	lgdtl	TRAMPOLINE_GDTR
	mov	%cr0, %eax
	or	$CR0_PE, %al
	mov	%eax, %cr0
	ljmpl	*TRAMPOLINE_PROTECTED
5:	TERMINATE TERM_NO_ID

	.code32
	.org	ap_trampoline + TRAMPOLINE_CODE32
	mov	$AP_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%cr4, %eax
	or	$CR4_LONG, %eax
	mov	%eax, %cr4
	/* Its low half: without the C-bit. Page tables are private all the same. */
	mov	TRAMPOLINE_CR3(%esi), %eax
	mov	%eax, %cr3
	mov	$EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	$CR0_LONG, %eax
	mov	%eax, %cr0
	ljmpl	*TRAMPOLINE_LONG(%esi)

	.code64
	.org	ap_trampoline + TRAMPOLINE_CODE64
	mov	%esi, %esi
	mov	%edi, %edi
	mov	TRAMPOLINE_CR3(%rsi), %rax
	mov	%rax, %cr3
	mov	TRAMPOLINE_STACK_SIZE(%rsi), %rsp
	imul	%rdi, %rsp
	add	TRAMPOLINE_STACK(%rsi), %rsp
	mov	TRAMPOLINE_FUNCTION(%rsi), %r12
	mov	%rdi, %r13
	mov	%ebp, %esi
	mov	%ebx, %edx
	mov	$ap_arrive, %eax
	call	*%rax
	mov	%r13, %rdi
	mov	%r12, %rsi
	mov	$guest_start, %eax
	jmp	*%rax
ap_trampoline_end:

/*
 * In, in 64-bit mode: RDI this page, RSI the jump table, EDX LEAVE_*, RCX a stack
 * below 1 MiB; with LEAVE_NAE the request is in the GHCB, and the MSR has its
 * address.
 */
	.balign	16
	.globl	ap_parking, ap_parking_end
ap_parking:
	.org	ap_parking + PARKING_ENTRY
	cli
	/* From here on nothing may happen, be it an NMI. */
	lidt	PARKING_NO_IDT(%rdi)
	lgdt	PARKING_GDTR(%rdi)
	mov	%rcx, %rsp
	push	$AP_CODE32
	lea	6f(%rip), %rax
	push	%rax
	lretq

	.code32
6:	mov	%edx, %ebp
	mov	$AP_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%cr0, %eax
	and	$~CR0_PG, %eax
	mov	%eax, %cr0
	mov	$EFER, %ecx
	rdmsr
	and	$~EFER_LME, %eax
	wrmsr
	mov	%cr4, %eax
	and	$~CR4_PAE, %eax
	mov	%eax, %cr4

	xor	%ebx, %ebx
	cmp	$LEAVE_NOW, %ebp
	je	8f
	cmp	$LEAVE_MSR, %ebp
	je	7f
	VMGEXIT
	jmp	8f
7:	mov	$GHCB_MSR, %ecx
	HOLD_MSR

8:	pushw	$2			/* for IRET: FLAGS, and CS and IP of the table */
	pushw	2(%esi)
	pushw	(%esi)
	ljmpl	*PARKING_REAL(%edi)

	.code16
	.org	ap_parking + PARKING_CODE16
	mov	$AP_DATA16, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	%cr0, %eax
	and	$~CR0_PE, %al
	mov	%eax, %cr0
	mov	%esp, %eax
	mov	%eax, %ecx
	shr	$4, %eax
	mov	%ax, %ss
	and	$0xf, %ecx
	mov	%ecx, %esp
	iretw
ap_parking_end:

	.code64
	.section .note.GNU-stack, "", @progbits
