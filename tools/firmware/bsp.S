/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bsp.S - the first instructions of a SEV-ES guest's first vCPU.
 *
 * It agrees with the host on the GHCB protocol's version, registers the AP
 * jump table, fills the APs' GHCBs, and jumps to the kernel. KVM has no other
 * way to make the table known than the guest's own request.
 *
 * In, 64-bit mode, identity-mapped, interrupts off:
 *	R8	GHCB page, mapped shared
 *	R9	AP page (ap.S), mapped private
 *	R10	where to go then
 *	R11	the APs' GHCB pages, consecutive, mapped shared
 *	R12	how many
 * Out: RSI, RDI, R8..R12 and RSP as they came in. No stack, no IDT, no data.
 */
#include "firmware.h"

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
	mov	\info2, GHCB_SW_EXITINFO2(%rbx)
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
	xor	%r14d, %r14d
1:	test	%rdx, %rdx
	jz	2f
	fill_ghcb GHCB_NAE_AP_HOLD, %r14
	add	$4096, %rbx
	dec	%rdx
	jmp	1b

2:	mov	%r15, %rdi
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
