/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * page-test.S - a payload that starts its APs by the bring-up page, straight in
 * long mode.
 *
 *	sevm-run --cpus N --ap-bringup page page-test.bin
 *
 * Each AP looks at its registers, stops itself, is started again, parks itself
 * by the GHCB MSR, and is started again: three times it counts itself. The guest
 * ends with status 0, or with the number of the step that failed.
 */
#include "ap_page.h"
#include "firmware.h"

#define STACKS		0x200000	/* one page for each AP */
#define MAGIC		0x0123456789abcdef
#define MSR_EFER	0xc0000080
#define EXIT_PORT	0xf4
#define IOIO_OUT8	0x210

	.code64
	mov	%r8, %rbx		/* GHCB */
	mov	%rbp, %r14		/* bring-up page */
	mov	%esi, %r15d		/* vCPUs */

	/* All of them, one after the other. */
	mov	$1, %r13d
1:	cmp	%r15d, %r13d
	jae	2f
	call	fill
	mov	$AP_PAGE_UP, %edi
	mov	%r13d, %esi
	call	vcpu_op
	mov	$1, %bpl
	test	%rax, %rax
	jnz	end
	call	wait_ready
	mov	$2, %bpl
	cmpl	$AP_PAGE_READY, AP_PAGE_STATUS(%r14)
	jne	end
	inc	%r13d
	jmp	1b

	/* They stop themselves, the second time they park. */
2:	mov	$1, %r12d
	call	wait_counted
	mov	$3, %bpl
	call	start_again
	mov	$2, %r12d
	call	wait_counted
	mov	$4, %bpl
	call	start_again
	mov	$3, %r12d
	call	wait_counted
	mov	$5, %bpl
	cmpl	$0, wrong(%rip)
	jne	end
	xor	%ebp, %ebp

end:	movq	$GHCB_NAE_IOIO, GHCB_SW_EXITCODE(%rbx)
	movq	$(EXIT_PORT << 16 | IOIO_OUT8), GHCB_SW_EXITINFO1(%rbx)
	movq	$0, GHCB_SW_EXITINFO2(%rbx)
	movzbl	%bpl, %eax
	mov	%rax, GHCB_RAX(%rbx)
	movb	$GHCB_VALID_EXIT_BITS, GHCB_VALID_EXIT(%rbx)
	movb	$GHCB_VALID_RAX_BIT, GHCB_VALID_RAX(%rbx)
	VMGEXIT
	jmp	end

/* The page, for vCPU R13: as this one is, but with values to look at. */
fill:	lea	AP_PAGE_CR0(%r14), %rdi
	mov	$((AP_PAGE_STATE_END - AP_PAGE_CR0) / 8), %ecx
	xor	%eax, %eax
	rep	stosq
	mov	%r13d, AP_PAGE_VCPU(%r14)
	movl	$AP_PAGE_PROTOCOL, AP_PAGE_VERSION(%r14)
	movl	$0, AP_PAGE_FLAGS(%r14)
	mov	%cr0, %rax
	mov	%rax, AP_PAGE_CR0(%r14)
	mov	%cr3, %rax
	mov	%rax, AP_PAGE_CR3(%r14)
	mov	%cr4, %rax
	mov	%rax, AP_PAGE_CR4(%r14)
	mov	$MSR_EFER, %ecx
	rdmsr
	mov	%eax, AP_PAGE_EFER(%r14)
	lea	AP_PAGE_GDT(%r14), %rax
	mov	%rax, AP_PAGE_GDTR + 2(%r14)
	movw	$AP_PAGE_GDT_LIMIT, AP_PAGE_GDTR(%r14)
	movb	$AP_PAGE_CODE64, AP_PAGE_CS(%r14)
	movb	$AP_PAGE_DATA32, AP_PAGE_SS(%r14)
	movb	$AP_PAGE_DATA32, AP_PAGE_DS(%r14)
	movb	$AP_PAGE_DATA32, AP_PAGE_ES(%r14)
	lea	counted(%rip), %rax
	mov	%rax, AP_PAGE_GS_BASE(%r14)
	lea	ap(%rip), %rax
	mov	%rax, AP_PAGE_RIP(%r14)
	movb	$2, AP_PAGE_RFLAGS(%r14)
	mov	%r13, %rax
	shl	$12, %rax
	lea	STACKS(%rax), %rdx
	mov	%rdx, AP_PAGE_RSP(%r14)
	lea	-4096(%r11, %rax), %rax
	mov	%rax, AP_PAGE_RBX(%r14)	/* its GHCB */
	mov	%r13, AP_PAGE_RBP(%r14)
	mov	%r9, AP_PAGE_R9(%r14)
	movabs	$MAGIC, %rax
	mov	%rax, AP_PAGE_RAX(%r14)
	mov	%rax, AP_PAGE_R15(%r14)
	movl	$AP_PAGE_FILLED, AP_PAGE_STATUS(%r14)
	ret

wait_ready:
	pause
	mov	AP_PAGE_STATUS(%r14), %eax
	cmp	$AP_PAGE_FILLED, %eax
	je	wait_ready
	cmp	$AP_PAGE_TAKEN, %eax
	je	wait_ready
	ret

/* Until each AP has counted itself R12 times. */
wait_counted:
	lea	-1(%r15), %eax
	imul	%r12d, %eax
3:	pause
	cmp	%eax, counted(%rip)
	jb	3b
	ret

/* Each AP, when it is down. To `end` (and not back) if it is not let. */
start_again:
	mov	$1, %r13d
4:	cmp	%r15d, %r13d
	jae	6f
5:	mov	$AP_PAGE_IS_UP, %edi
	mov	%r13d, %esi
	call	vcpu_op
	cmp	$1, %rax
	je	5b
	mov	$AP_PAGE_UP, %edi
	call	vcpu_op
	test	%rax, %rax
	jnz	end
	inc	%r13d
	jmp	4b
6:	ret

/* RBX GHCB, EDI operation, ESI vCPU; RAX the result. */
vcpu_op:
	movq	$GHCB_NAE_VMMCALL, GHCB_SW_EXITCODE(%rbx)
	movq	$0, GHCB_SW_EXITINFO1(%rbx)
	movq	$0, GHCB_SW_EXITINFO2(%rbx)
	movq	$AP_PAGE_HYPERCALL, GHCB_RAX(%rbx)
	mov	%rdi, GHCB_RDI(%rbx)
	mov	%rsi, GHCB_RSI(%rbx)
	movb	$0, GHCB_CPL(%rbx)
	movb	$GHCB_VALID_EXIT_BITS, GHCB_VALID_EXIT(%rbx)
	movb	$GHCB_VALID_CPL_BIT, GHCB_VALID_CPL(%rbx)
	movb	$GHCB_VALID_RAX_BIT, GHCB_VALID_RAX(%rbx)
	movb	$GHCB_VALID_SD_BITS, GHCB_VALID_CD(%rbx)
	VMGEXIT
	mov	GHCB_RAX(%rbx), %rax
	ret

/* An AP: RBP its ID, RBX its GHCB, R9 the AP page, GS the counter. */
ap:	cmp	%r15, %rax
	jne	7f
	movabs	$MAGIC, %rdx
	cmp	%rdx, %rax
	jne	7f
	mov	%cs, %eax
	cmp	$AP_PAGE_CODE64, %eax
	jne	7f
	mov	%rbp, %rax
	shl	$12, %rax
	add	$STACKS, %rax
	cmp	%rax, %rsp
	je	8f
7:	lock incl wrong(%rip)
8:	lock incl %gs:0

	mov	%rbx, %rdi		/* its GHCB holds garbage */
	mov	$512, %ecx
	xor	%eax, %eax
	rep	stosq
	movzwl	AP_VERSION(%r9), %eax
	movw	%ax, GHCB_VERSION(%rbx)
	mov	$MSR_GHCB, %ecx
	mov	%ebx, %eax
	xor	%edx, %edx
	wrmsr
	mov	$AP_PAGE_DOWN, %edi
	mov	%rbp, %rsi
	call	vcpu_op
	test	%rax, %rax
	jnz	7b
	lock incl %gs:0

9:	mov	$MSR_GHCB, %ecx
	mov	$GHCB_MSR_AP_HOLD_REQ, %eax
	xor	%edx, %edx
	wrmsr
	VMGEXIT
	lock incl %gs:0
	jmp	9b

	.balign	4
counted:
	.long	0
wrong:	.long	0

	.section .note.GNU-stack, "", @progbits
