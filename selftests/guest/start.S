/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * start.S - entry of a test guest's vCPUs, and its exceptions.
 *
 * The host starts every vCPU here in 64-bit mode: RDI the vCPU's index, RSI the
 * guest function, RSP its stack, GS base its struct guest_cpu.
 */
	.text
	.globl guest_start
guest_start:
	cld
	push	%rdi
	push	%rsi
	call	guest_setup
	pop	%rsi
	pop	%rdi
	call	*%rsi
	call	guest_done
	ud2

/* Vectors that push an error code: 8, 10-14, 17, 21, 29, 30. */
	.set	errors, 0x60227d00
	.align	16
	.globl guest_stubs
guest_stubs:
	.set	n, 0
	.rept	256
	.align	16
	.if	n < 32
	.if	((errors >> n) & 1) == 0
	push	$0
	.endif
	.else
	push	$0
	.endif
	push	$n
	jmp	common
	.set	n, n + 1
	.endr

/* Kernel GS is the test guest's only GS, but for tests that go to user mode. */
common:
	testb	$3, 24(%rsp)
	jz	1f
	swapgs
1:	push	%rax
	push	%rbx
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rbp
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbx
	and	$-16, %rsp
	call	guest_trap
	mov	%rbx, %rsp
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
	testb	$3, 24(%rsp)
	jz	2f
	swapgs
2:	add	$16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
