/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ap_page.S - the alternative AP bring-up page: its trampoline (docs/ap-bringup.md).
 *
 * These bytes go to the start of the page, anywhere below 4 GiB, as private
 * memory, and are measured. An AP enters with the direct boot state (32-bit,
 * flat, no paging), EBX = the page, ESI = its ID; EDI and ESI keep them.
 *
 * Nothing here trusts the host: it may start any AP at any time. One locked
 * instruction takes a request that is complete and for this AP, or nothing.
 * Without paging there is no shared memory, so an AP that is not wanted waits
 * by the GHCB MSR protocol. READY says that the page is not read any more: all
 * that is loaded after it comes from the AP's own stack, so that the guest can
 * fill the page for the next AP while the host lets this one wait.
 */
#include "ap_page.h"
#include "firmware.h"

#define CR0_PE		(1 << 0)
#define CR0_PG		(1 << 31)
#define CR4_PAE		(1 << 5)
#define CR4_PCIDE	(1 << 17)
#define EFER_LME	(1 << 8)
#define EFER_LMA	(1 << 10)
#define EFER_SVME	(1 << 12)
#define MSR_EFER	0xc0000080
#define MSR_FS_BASE	0xc0000100
#define MSR_GS_BASE	0xc0000101

#define CODE16		0x20
#define DATA16		0x28

	.section .rodata
	.code32
	.balign	16
	.globl	sevm_firmware_ap_page, sevm_firmware_ap_page_end

sevm_firmware_ap_page:
	.org	sevm_firmware_ap_page + AP_PAGE_GDT
	.quad	0
	.quad	0x00cf9b000000ffff	/* AP_PAGE_CODE32 */
	.quad	0x00cf93000000ffff	/* AP_PAGE_DATA32 */
	.quad	0x00af9b000000ffff	/* AP_PAGE_CODE64 */
gdt_code16:
	.quad	0x00009b000000ffff	/* the base is filled in */
gdt_data16:
	.quad	0x000093000000ffff

	.word	0, 0, 0
gdtr:	.word	AP_PAGE_GDT_LIMIT
gdtr_base:
	.quad	0
far:	.long	0
far_cs:	.word	0

#define AT(label)	((label) - sevm_firmware_ap_page)

	.org	sevm_firmware_ap_page + AP_PAGE_ENTRY
	mov	%ebx, %edi

claim:	mov	$AP_PAGE_FILLED, %eax
	mov	%esi, %edx
	mov	$AP_PAGE_TAKEN, %ebx
	mov	%esi, %ecx
	lock	cmpxchg8b AP_PAGE_STATUS(%edi)
	jne	park
	mov	$AP_PAGE_BAD_VERSION, %eax
	cmpl	$AP_PAGE_PROTOCOL, AP_PAGE_VERSION(%edi)
	jne	refuse

	/* EBX = CR0, EDX = CR4: is there such a mode? */
	mov	AP_PAGE_CR0(%edi), %ebx
	mov	AP_PAGE_CR4(%edi), %edx
	mov	AP_PAGE_CR0 + 4(%edi), %ecx
	or	AP_PAGE_CR4 + 4(%edi), %ecx
	or	AP_PAGE_FLAGS(%edi), %ecx
	mov	$AP_PAGE_BAD_STATE, %eax
	jnz	refuse
	test	$CR0_PG, %ebx
	jz	load
	test	$CR0_PE, %ebx
	jz	refuse
	testl	$EFER_LME, AP_PAGE_EFER(%edi)
	jz	load
	test	$CR4_PAE, %edx
	jz	refuse
	and	$~CR4_PCIDE, %edx	/* not before long mode */

load:	mov	%edx, %cr4
	mov	AP_PAGE_CR3(%edi), %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	and	$EFER_SVME, %eax	/* the hypervisor's */
	mov	AP_PAGE_EFER(%edi), %edx
	and	$~(EFER_SVME | EFER_LMA), %edx
	or	%edx, %eax
	mov	AP_PAGE_EFER + 4(%edi), %edx
	wrmsr

	lea	AP_PAGE_GDT(%edi), %eax
	mov	%eax, AT(gdtr_base)(%edi)
	lgdt	AT(gdtr)(%edi)
	test	$CR0_PE, %ebx
	jz	real
	mov	%ebx, %cr0
	rdmsr				/* EFER still */
	test	$EFER_LMA, %eax
	jnz	long

/* Protected mode. The stack: POPs of segments and POPA, then IRET's frame. */
	lgdt	AP_PAGE_GDTR(%edi)
	lidt	AP_PAGE_IDTR(%edi)
	movw	AP_PAGE_SS(%edi), %ss
	mov	AP_PAGE_RSP(%edi), %esp
	pushl	AP_PAGE_RFLAGS(%edi)
	pushl	AP_PAGE_CS(%edi)
	pushl	AP_PAGE_RIP(%edi)
	pushl	AP_PAGE_RAX(%edi)
	pushl	AP_PAGE_RCX(%edi)
	pushl	AP_PAGE_RDX(%edi)
	pushl	AP_PAGE_RBX(%edi)
	pushl	$0			/* POPA skips it */
	pushl	AP_PAGE_RBP(%edi)
	pushl	AP_PAGE_RSI(%edi)
	pushl	AP_PAGE_RDI(%edi)
	movzwl	AP_PAGE_DS(%edi), %eax
	push	%eax
	movzwl	AP_PAGE_ES(%edi), %eax
	push	%eax
	movzwl	AP_PAGE_FS(%edi), %eax
	push	%eax
	movzwl	AP_PAGE_GS(%edi), %eax
	push	%eax
	movl	$AP_PAGE_READY, AP_PAGE_STATUS(%edi)
	pop	%gs
	pop	%fs
	pop	%es
	pop	%ds
	popa
	iret

/* EAX: why. The guest may fill the page again. */
refuse:	mov	%eax, AP_PAGE_STATUS(%edi)

/* Until the guest starts this vCPU, or INIT and SIPI come: look again. */
park:	mov	$MSR_GHCB, %ecx
	mov	$GHCB_MSR_AP_HOLD_REQ, %eax
	xor	%edx, %edx
	wrmsr
	VMGEXIT
	rdmsr
	and	$0xfff, %eax
	cmp	$GHCB_MSR_AP_HOLD_RESP, %eax
	je	claim
	hlt				/* a host that does not know it */
	jmp	claim

/* Real mode, by way of 16-bit segments at the page: their limits remain. */
real:	mov	%edi, %eax
	mov	%ax, AT(gdt_code16) + 2(%edi)
	mov	%ax, AT(gdt_data16) + 2(%edi)
	shr	$16, %eax
	mov	%al, AT(gdt_code16) + 4(%edi)
	mov	%al, AT(gdt_data16) + 4(%edi)
	mov	%ah, AT(gdt_code16) + 7(%edi)
	mov	%ah, AT(gdt_data16) + 7(%edi)
	movl	$AT(real16), AT(far)(%edi)
	movw	$CODE16, AT(far_cs)(%edi)
	ljmp	*AT(far)(%edi)

	.code16
real16:	mov	$DATA16, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %fs
	mov	%ax, %gs
	mov	%ax, %ss
	lgdtl	AP_PAGE_GDTR
	lidtl	AP_PAGE_IDTR
	mov	%ebx, %cr0
	jmp	1f
1:	movw	AP_PAGE_SS, %ss		/* CS and DS: the page still */
	movl	AP_PAGE_RSP, %esp
	pushw	AP_PAGE_RFLAGS
	pushw	AP_PAGE_CS
	pushw	AP_PAGE_RIP
	pushl	AP_PAGE_RAX
	pushl	AP_PAGE_RCX
	pushl	AP_PAGE_RDX
	pushl	AP_PAGE_RBX
	pushl	$0
	pushl	AP_PAGE_RBP
	pushl	AP_PAGE_RSI
	pushl	AP_PAGE_RDI
	pushw	AP_PAGE_DS
	pushw	AP_PAGE_ES
	pushw	AP_PAGE_FS
	pushw	AP_PAGE_GS
	movl	$AP_PAGE_READY, AP_PAGE_STATUS
	popw	%gs
	popw	%fs
	popw	%es
	popw	%ds
	popal
	iretw

	.code32
long:	movl	$AT(long64), AT(far)(%edi)
	add	%edi, AT(far)(%edi)
	movw	$AP_PAGE_CODE64, AT(far_cs)(%edi)
	ljmp	*AT(far)(%edi)

	.code64
long64:	mov	%edi, %ebx
	mov	AP_PAGE_CR3(%rbx), %rax
	mov	%rax, %rdx
	and	$~0xfff, %rax		/* for CR4.PCIDE */
	mov	%rax, %cr3
	mov	AP_PAGE_CR4(%rbx), %rax
	mov	%rax, %cr4
	mov	%rdx, %cr3
	lgdt	AP_PAGE_GDTR(%rbx)
	lidt	AP_PAGE_IDTR(%rbx)
	movw	AP_PAGE_DS(%rbx), %ds
	movw	AP_PAGE_ES(%rbx), %es
	movw	AP_PAGE_FS(%rbx), %fs
	movw	AP_PAGE_GS(%rbx), %gs
	mov	$MSR_FS_BASE, %ecx
	mov	AP_PAGE_FS_BASE(%rbx), %eax
	mov	AP_PAGE_FS_BASE + 4(%rbx), %edx
	wrmsr
	mov	$MSR_GS_BASE, %ecx
	mov	AP_PAGE_GS_BASE(%rbx), %eax
	mov	AP_PAGE_GS_BASE + 4(%rbx), %edx
	wrmsr

	/* R15 ... SS are in the page as they are to be on the stack. */
	lea	AP_PAGE_R15(%rbx), %rsi
	mov	AP_PAGE_RSP(%rbx), %rdi
	sub	$AP_PAGE_STACK, %rdi
	mov	%rdi, %rsp
	mov	$(AP_PAGE_STATE_END - AP_PAGE_R15) / 8, %ecx
	cld
	rep	movsq
	movl	$AP_PAGE_READY, AP_PAGE_STATUS(%rbx)
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rbx
	pop	%rax
	iretq
sevm_firmware_ap_page_end:

	.if	AP_PAGE_STATE_END - AP_PAGE_R15 > AP_PAGE_STACK
	.error	"AP_PAGE_STACK"
	.endif
	.section .note.GNU-stack, "", @progbits
