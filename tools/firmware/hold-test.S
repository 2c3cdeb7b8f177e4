/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hold-test.S - a payload that tests ap.S: what an AP does before there is a jump table.
 *
 *	sevm-run --cpus N [--ghcb-version 1|2] hold-test.bin
 *
 * Two INIT-SIPIs with an empty table must leave the APs held; one more with a
 * table must start each once. It ends with status 0, or with the number of the
 * step that failed.
 */
#include "firmware.h"

#define APS_STARTED	0x8ff0		/* counted by the APs */
#define AP_CODE		0x8000

#define MSR_APICBASE	0x1b
#define MSR_X2APIC_ICR	0x830
#define ICR_INIT	0x4500
#define ICR_SIPI	0x4600
#define EXIT_PORT	0xf4
#define IOIO_OUT8	0x210

	.code64
	mov	%r8, %rbx		/* GHCB */
	mov	%r9, %r14		/* AP page */
	mov	%esi, %r15d		/* vCPUs */

	mov	$MSR_APICBASE, %ecx	/* x2APIC */
	mov	$0xfee00d00, %eax
	xor	%edx, %edx
	call	write_msr

	movl	$0, APS_STARTED
	lea	ap_code(%rip), %rsi
	mov	$AP_CODE, %edi
	mov	$(ap_code_end - ap_code), %ecx
	rep	movsb

	call	start_aps
	mov	$1, %sil
	cmpl	$0, APS_STARTED
	jne	end

	call	start_aps
	mov	$2, %sil
	cmpl	$0, APS_STARTED
	jne	end

	movl	$(AP_CODE >> 4) << 16, AP_TABLE_IP(%r14)
	call	start_aps
	lea	-1(%r15), %ecx
0:	pause				/* however long it takes */
	cmpl	%ecx, APS_STARTED
	jb	0b
	mov	$500000000, %r12d
	call	pause
	mov	$3, %sil
	cmpl	%ecx, APS_STARTED
	jne	end
	xor	%esi, %esi

end:	movq	$GHCB_NAE_IOIO, GHCB_SW_EXITCODE(%rbx)
	movq	$(EXIT_PORT << 16 | IOIO_OUT8), GHCB_SW_EXITINFO1(%rbx)
	movq	$0, GHCB_SW_EXITINFO2(%rbx)
	movzbl	%sil, %eax
	mov	%rax, GHCB_RAX(%rbx)
	movb	$GHCB_VALID_EXIT_BITS, GHCB_VALID_EXIT(%rbx)
	movb	$GHCB_VALID_RAX_BIT, GHCB_VALID_RAX(%rbx)
	VMGEXIT
	jmp	end

/* INIT and SIPI to each AP, and time for them to do something. */
start_aps:
	mov	$1, %r13d
1:	cmp	%r15d, %r13d
	jae	2f
	mov	$ICR_INIT, %eax
	call	ipi
	mov	$(ICR_SIPI | 0x9f), %eax
	call	ipi
	inc	%r13d
	jmp	1b
2:	mov	$500000000, %r12d
	jmp	pause

/* EAX to the ICR, for APIC ID R13. */
ipi:
	mov	$MSR_X2APIC_ICR, %ecx
	mov	%r13d, %edx
	call	write_msr
	mov	$20000000, %r12d

/* R12 ticks of the TSC. */
pause:
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	lea	(%rax, %r12), %rbp
3:	pause
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	cmp	%rbp, %rax
	jb	3b
	ret

/* ECX, EDX:EAX */
write_msr:
	movq	$GHCB_NAE_MSR, GHCB_SW_EXITCODE(%rbx)
	movq	$1, GHCB_SW_EXITINFO1(%rbx)
	movq	$0, GHCB_SW_EXITINFO2(%rbx)
	mov	%rcx, GHCB_RCX(%rbx)
	mov	%rax, GHCB_RAX(%rbx)
	mov	%rdx, GHCB_RDX(%rbx)
	movb	$GHCB_VALID_EXIT_BITS, GHCB_VALID_EXIT(%rbx)
	movb	$GHCB_VALID_RAX_BIT, GHCB_VALID_RAX(%rbx)
	movb	$GHCB_VALID_CD_BITS, GHCB_VALID_CD(%rbx)
	VMGEXIT
	ret

	.code16
ap_code:
	xor	%ax, %ax
	mov	%ax, %ds
	lock	incl APS_STARTED
4:	hlt
	jmp	4b
ap_code_end:

	.code64
	.section .note.GNU-stack, "", @progbits
