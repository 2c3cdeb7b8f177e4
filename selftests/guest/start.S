/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * start.S - entry of a test guest's vCPUs, and its exceptions.
 *
 * The host starts every vCPU here in 64-bit mode: RDI the vCPU's index, RSI the
 * guest function, RSP its stack, GS base its struct guest_cpu.
 */
#include "regs.inc"

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
1:	push_regs
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbx
	and	$-16, %rsp
	call	guest_trap
	mov	%rbx, %rsp
	pop_regs
	testb	$3, 24(%rsp)
	jz	2f
	swapgs
2:	add	$16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
