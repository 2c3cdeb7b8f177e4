/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bsp.S - the first instructions of a SEV-ES guest's first vCPU.
 *
 * It agrees with the host on the GHCB protocol's version, registers the AP
 * jump table, fills the APs' GHCBs, and jumps to the kernel. KVM has no other
 * way to make the table known than the guest's own request.
 *
 * With a bring-up page (ap_page.h) the APs do not wait for the first SIPI: they
 * are brought up by the page into ap.S and are in reset hold when the kernel
 * starts. It knows nothing of the page, and wakes them by its jump table.
 *
 * In, 64-bit mode, identity-mapped, interrupts off:
 *	R8	GHCB page, mapped shared
 *	R9	AP page (ap.S), mapped private
 *	R10	where to go then
 *	R11	the APs' GHCB pages, consecutive, mapped shared
 *	R12	how many
 *	R14	the bring-up page, mapped private; 0: none
 * Out: RSI, RDI, R8..R12, RBP and RSP as they came in. No stack, no IDT, no data.
 */
#include "ap_page.h"
#include "firmware.h"

#define CR0_ET	0x10

/*
 * Zero the GHCB at RBX (it was not launched: it holds garbage) and write a
 * request into it. Clobbers RAX, RCX, RDI.
 */
.macro fill_ghcb event, info2
	mov	%rbx, %rdi
	mov	$512, %ecx
	xor	%eax, %eax
	rep	stosq
	mov	$\event, %eax
	mov	%rax, GHCB_SW_EXITCODE(%rbx)
	movq	\info2, GHCB_SW_EXITINFO2(%rbx)
	movb	$GHCB_VALID_EXIT_BITS, GHCB_VALID_EXIT(%rbx)
	movw	%r13w, GHCB_VERSION(%rbx)
.endm

	.section .rodata
	.code64
	.balign	16
	.globl	sevm_firmware_bsp, sevm_firmware_bsp_end

sevm_firmware_bsp:
	cld
	mov	%rdi, %r15

	/* R13 = the newest version that both sides know. */
	mov	$MSR_GHCB, %ecx
	mov	$GHCB_MSR_SEV_INFO_REQ, %eax
	xor	%edx, %edx
	wrmsr
	VMGEXIT
	rdmsr
	mov	$FW_TERM_PROTOCOL, %ebx
	and	$0xfff, %eax
	cmp	$GHCB_MSR_SEV_INFO_RESP, %eax
	jne	terminate
	movzwl	%dx, %eax		/* the host's oldest */
	mov	$GHCB_OUR_MAX_VERSION, %r13d
	cmp	%r13d, %eax
	ja	terminate
	shr	$16, %edx		/* ... and its newest */
	jz	terminate
	cmp	%r13d, %edx
	cmovb	%edx, %r13d
	movw	%r13w, AP_VERSION(%r9)

	/* Register the table. */
	mov	%r8, %rbx
	fill_ghcb GHCB_NAE_AP_JUMP_TABLE, %r9	/* info1 0: set */
	mov	$MSR_GHCB, %ecx
	mov	%r8, %rax
	mov	%r8, %rdx
	shr	$32, %rdx
	wrmsr
	VMGEXIT
	mov	$FW_TERM_JUMP_TABLE, %ebx
	cmpl	$0, GHCB_SW_EXITINFO1(%r8)
	jne	terminate

	/*
	 * Protocol 1 has no reset hold by MSR: prepare the request that each
	 * AP makes with one VMGEXIT, since from real mode it cannot write to
	 * shared memory.
	 */
	cmp	$2, %r13d
	jae	2f
	mov	%r11, %rbx
	mov	%r12, %rdx
1:	test	%rdx, %rdx
	jz	2f
	fill_ghcb GHCB_NAE_AP_HOLD, $0
	add	$4096, %rbx
	dec	%rdx
	jmp	1b

	/*
	 * One AP after the other into ap.S, in real mode, EBX its GHCB. They
	 * share the last bytes of the AP page as their stack: the next one has
	 * to wait until ap.S, which needs none, has counted this one.
	 */
2:	test	%r14, %r14
	jz	5f
	mov	$1, %edx
3:	cmp	%r12, %rdx
	ja	5f

	lea	AP_PAGE_CR0(%r14), %rdi
	mov	$((AP_PAGE_STATE_END - AP_PAGE_CR0) / 8), %ecx
	xor	%eax, %eax
	rep	stosq
	movl	%edx, AP_PAGE_VCPU(%r14)
	movl	$AP_PAGE_PROTOCOL, AP_PAGE_VERSION(%r14)
	movl	$0, AP_PAGE_FLAGS(%r14)
	movb	$CR0_ET, AP_PAGE_CR0(%r14)
	movw	$0xffff, AP_PAGE_GDTR(%r14)
	movw	$0x3ff, AP_PAGE_IDTR(%r14)
	movb	$2, AP_PAGE_RFLAGS(%r14)
	mov	%r9, %rax
	shr	$4, %rax
	mov	%rax, AP_PAGE_CS(%r14)
	mov	%rax, AP_PAGE_SS(%r14)
	movw	$AP_ENTRY, AP_PAGE_RIP(%r14)
	movw	$0x1000, AP_PAGE_RSP(%r14)
	lea	-1(%rdx), %rax
	shl	$12, %rax
	add	%r11, %rax
	mov	%rax, AP_PAGE_RBX(%r14)
	movl	$AP_PAGE_FILLED, AP_PAGE_STATUS(%r14)

	mov	%r8, %rbx
	fill_ghcb GHCB_NAE_VMMCALL, $0
	movb	$AP_PAGE_HYPERCALL, GHCB_RAX(%rbx)
	movb	$AP_PAGE_UP, GHCB_RDI(%rbx)
	mov	%rdx, GHCB_RSI(%rbx)
	movb	$GHCB_VALID_CPL_BIT, GHCB_VALID_CPL(%rbx)
	movb	$GHCB_VALID_RAX_BIT, GHCB_VALID_RAX(%rbx)
	movb	$GHCB_VALID_SD_BITS, GHCB_VALID_CD(%rbx)
	VMGEXIT
	mov	$FW_TERM_AP_PAGE, %ebx
	cmpl	$0, GHCB_SW_EXITINFO1(%r8)
	jne	terminate
	cmpq	$0, GHCB_RAX(%r8)
	jne	terminate

4:	pause
	cmpl	$0, AP_PAGE_STATUS(%r14)
	jl	terminate		/* BAD_... */
	cmpw	%dx, AP_PARKED(%r9)
	jne	4b
	inc	%edx
	jmp	3b

5:	mov	%r15, %rdi
	jmp	*%r10

	/* EBX: code. The host does not return; should it, ask again. */
terminate:
	mov	$MSR_GHCB, %ecx
	mov	%ebx, %eax
	shl	$16, %eax
	or	$(GHCB_MSR_TERM_REQ | FW_TERM_SET << 12), %eax
	xor	%edx, %edx
	wrmsr
	VMGEXIT
	jmp	terminate
sevm_firmware_bsp_end:

	.section .note.GNU-stack, "", @progbits
