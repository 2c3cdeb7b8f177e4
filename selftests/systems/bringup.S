/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bringup.S - where the APs begin: they report every register as they found it.
 */
#include "bringup.h"
#include "../../tools/firmware/ap_page.S"
#include "../../tools/firmware/ap.S"

	.if AP_TABLE_IP != AP_FIRMWARE_IP || AP_TABLE_CS != AP_FIRMWARE_CS || \
	    AP_VERSION != AP_FIRMWARE_VERSION || AP_ENTRY != AP_FIRMWARE_ENTRY
	.error	"not the layout of ap.S"
	.endif

/* EAX = low, EDX = high half of an MSR to a pair of dwords. */
.macro report_msr index, where
	mov	$\index, %ecx
	rdmsr
	mov	%eax, \where
	mov	%edx, \where + 4
.endm

.macro park
9:	mov	$MSR_GHCB, %ecx
	mov	$GHCB_MSR_AP_HOLD_REQ, %eax
	xor	%edx, %edx
	wrmsr
	VMGEXIT
	jmp	9b
.endm

	.text
	.code64
	.globl	bringup_long
bringup_long:
	mov	%rax, bringup_seen + SEEN_RAX
	mov	%rbx, bringup_seen + SEEN_RBX
	mov	%rcx, bringup_seen + SEEN_RCX
	mov	%rdx, bringup_seen + SEEN_RDX
	mov	%rsi, bringup_seen + SEEN_RSI
	mov	%rdi, bringup_seen + SEEN_RDI
	mov	%rbp, bringup_seen + SEEN_RBP
	mov	%rsp, bringup_seen + SEEN_RSP
	mov	%r8, bringup_seen + SEEN_R8
	mov	%r9, bringup_seen + SEEN_R8 + 8
	mov	%r10, bringup_seen + SEEN_R8 + 16
	mov	%r11, bringup_seen + SEEN_R8 + 24
	mov	%r12, bringup_seen + SEEN_R8 + 32
	mov	%r13, bringup_seen + SEEN_R8 + 40
	mov	%r14, bringup_seen + SEEN_R8 + 48
	mov	%r15, bringup_seen + SEEN_R8 + 56
	pushfq
	popq	bringup_seen + SEEN_RFLAGS
	cld
	movw	%cs, bringup_seen + SEEN_CS
	movw	%ds, bringup_seen + SEEN_DS
	movw	%es, bringup_seen + SEEN_ES
	movw	%fs, bringup_seen + SEEN_FS
	movw	%gs, bringup_seen + SEEN_GS
	movw	%ss, bringup_seen + SEEN_SS
	mov	%gs:0, %rax
	mov	%rax, bringup_seen + SEEN_GS_WORD
	mov	%cr0, %rax
	mov	%rax, bringup_seen + SEEN_CR0
	mov	%cr3, %rax
	mov	%rax, bringup_seen + SEEN_CR3
	mov	%cr4, %rax
	mov	%rax, bringup_seen + SEEN_CR4
	report_msr 0xc0000100, bringup_seen + SEEN_FS_BASE
	report_msr 0xc0000101, bringup_seen + SEEN_GS_BASE
	report_msr MSR_EFER, bringup_seen + SEEN_EFER
	sgdt	bringup_seen + SEEN_GDTR
	sidt	bringup_seen + SEEN_IDTR
	movl	$1, bringup_seen + SEEN_DONE
	park

	.code32
	.globl	bringup_flat
bringup_flat:
	mov	%eax, bringup_seen + SEEN_RAX
	mov	%ebx, bringup_seen + SEEN_RBX
	mov	%ecx, bringup_seen + SEEN_RCX
	mov	%edx, bringup_seen + SEEN_RDX
	mov	%esi, bringup_seen + SEEN_RSI
	mov	%edi, bringup_seen + SEEN_RDI
	mov	%ebp, bringup_seen + SEEN_RBP
	mov	%esp, bringup_seen + SEEN_RSP
	pushfl
	popl	bringup_seen + SEEN_RFLAGS
	cld
	movw	%cs, bringup_seen + SEEN_CS
	movw	%ds, bringup_seen + SEEN_DS
	movw	%es, bringup_seen + SEEN_ES
	movw	%fs, bringup_seen + SEEN_FS
	movw	%gs, bringup_seen + SEEN_GS
	movw	%ss, bringup_seen + SEEN_SS
	mov	%gs:0, %eax
	mov	%eax, bringup_seen + SEEN_GS_WORD
	mov	%cr0, %eax
	mov	%eax, bringup_seen + SEEN_CR0
	mov	%cr3, %eax
	mov	%eax, bringup_seen + SEEN_CR3
	mov	%cr4, %eax
	mov	%eax, bringup_seen + SEEN_CR4
	report_msr MSR_EFER, bringup_seen + SEEN_EFER
	sgdtl	bringup_seen + SEEN_GDTR
	sidtl	bringup_seen + SEEN_IDTR
	mov	bringup_again, %ebx
	movl	$1, bringup_seen + SEEN_DONE
	test	%ebx, %ebx
	jnz	1f
	park
1:	mov	$1, %esi
	lea	AP_PAGE_ENTRY(%ebx), %eax
	jmp	*%eax

/*
 * EDI: a counter; EBX, ESI: as the page's entry has them. Its APIC ID tells which
 * vCPU this really is: CPUID leaf 1, EBX, by the MSR protocol.
 */
	.globl	bringup_counted
bringup_counted:
	mov	$MSR_GHCB, %ecx
	mov	$(1 << 30 | 4), %eax
	mov	$1, %edx
	wrmsr
	VMGEXIT
	rdmsr
	shr	$24, %edx
	cmp	%edx, %esi
	je	1f
	lock	incl bringup_strangers
1:	lock	incl (%edi)
	lea	AP_PAGE_ENTRY(%ebx), %eax
	jmp	*%eax

	.section .rodata
	.code16
	.globl	bringup_real, bringup_real_end, bringup_target
bringup_real:
	mov	%eax, REAL_SEEN + SEEN_RAX
	mov	%ebx, REAL_SEEN + SEEN_RBX
	mov	%ecx, REAL_SEEN + SEEN_RCX
	mov	%edx, REAL_SEEN + SEEN_RDX
	mov	%esi, REAL_SEEN + SEEN_RSI
	mov	%edi, REAL_SEEN + SEEN_RDI
	mov	%ebp, REAL_SEEN + SEEN_RBP
	mov	%esp, REAL_SEEN + SEEN_RSP
	pushfw
	popw	REAL_SEEN + SEEN_RFLAGS
	cld
	movw	%cs, REAL_SEEN + SEEN_CS
	movw	%ds, REAL_SEEN + SEEN_DS
	movw	%es, REAL_SEEN + SEEN_ES
	movw	%fs, REAL_SEEN + SEEN_FS
	movw	%gs, REAL_SEEN + SEEN_GS
	movw	%ss, REAL_SEEN + SEEN_SS
	mov	%gs:0, %eax
	mov	%eax, REAL_SEEN + SEEN_GS_WORD
	mov	%cr0, %eax
	mov	%eax, REAL_SEEN + SEEN_CR0
	mov	%cr3, %eax
	mov	%eax, REAL_SEEN + SEEN_CR3
	mov	%cr4, %eax
	mov	%eax, REAL_SEEN + SEEN_CR4
	report_msr MSR_EFER, REAL_SEEN + SEEN_EFER
	sgdtl	REAL_SEEN + SEEN_GDTR
	sidtl	REAL_SEEN + SEEN_IDTR
	movl	$1, REAL_SEEN + SEEN_DONE
	park

/* ESI: which AP */
bringup_target:
	mov	$(REAL >> 4), %ax
	mov	%ax, %ds
	lock	incl REAL_ALIVE(, %esi, 4)
	park
bringup_real_end:

	.data
	.balign	16
	.globl	bringup_seen, bringup_again, bringup_strangers
bringup_seen:
	.skip	SEEN_SIZE
bringup_again:
	.long	0
bringup_strangers:
	.long	0

	.section .note.GNU-stack, "", @progbits
