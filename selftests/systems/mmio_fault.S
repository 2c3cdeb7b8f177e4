/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mmio_fault.S - the accesses of mmio_fault, and what runs them.
 */
	.set	R15, 0
	.set	R14, 8
	.set	R13, 16
	.set	R12, 24
	.set	R11, 32
	.set	R10, 40
	.set	R9, 48
	.set	R8, 56
	.set	RBP, 64
	.set	RDI, 72
	.set	RSI, 80
	.set	RDX, 88
	.set	RCX, 96
	.set	RBX, 104
	.set	RAX, 112
	.set	RFLAGS, 152

	.set	USER_CS, 0x1b
	.set	USER_DS, 0x23
	.set	USER_STACK, 0xc04000
	.set	ARITHMETIC, 0xcd5	/* flags that an instruction works on */

	.text

	.macro	SAVED op:req
	.ifc	\op, push
	.irp	r, rbx, rbp, r12, r13, r14, r15
	push	%\r
	.endr
	.else
	.irp	r, r15, r14, r13, r12, rbp, rbx
	pop	%\r
	.endr
	.endif
	.endm

/* mmio_run(regs, code) */
	.globl	mmio_run
mmio_run:
	SAVED	push
	push	%rsi
	push	%rdi
	mov	RFLAGS(%rdi), %rax
	and	$ARITHMETIC, %eax
	push	%rax
	popf
	mov	R15(%rdi), %r15
	mov	R14(%rdi), %r14
	mov	R13(%rdi), %r13
	mov	R12(%rdi), %r12
	mov	R11(%rdi), %r11
	mov	R10(%rdi), %r10
	mov	R9(%rdi), %r9
	mov	R8(%rdi), %r8
	mov	RBP(%rdi), %rbp
	mov	RSI(%rdi), %rsi
	mov	RDX(%rdi), %rdx
	mov	RCX(%rdi), %rcx
	mov	RBX(%rdi), %rbx
	mov	RAX(%rdi), %rax
	mov	RDI(%rdi), %rdi
	call	*8(%rsp)
	pushf
	cld
	push	%rdi
	mov	16(%rsp), %rdi
	mov	%r15, R15(%rdi)
	mov	%r14, R14(%rdi)
	mov	%r13, R13(%rdi)
	mov	%r12, R12(%rdi)
	mov	%r11, R11(%rdi)
	mov	%r10, R10(%rdi)
	mov	%r9, R9(%rdi)
	mov	%r8, R8(%rdi)
	mov	%rbp, RBP(%rdi)
	mov	%rsi, RSI(%rdi)
	mov	%rdx, RDX(%rdi)
	mov	%rcx, RCX(%rdi)
	mov	%rbx, RBX(%rdi)
	mov	%rax, RAX(%rdi)
	pop	%rax
	mov	%rax, RDI(%rdi)
	pop	%rax
	and	$ARITHMETIC, %eax
	andq	$~ARITHMETIC, RFLAGS(%rdi)
	or	%rax, RFLAGS(%rdi)
	add	$16, %rsp
	SAVED	pop
	ret

/* mmio_run_user(regs, code): one CPU at a time */
	.globl	mmio_run_user
mmio_run_user:
	SAVED	push
	mov	%rsp, kernel_stack
	push	$USER_DS
	push	$USER_STACK
	push	$2
	push	$USER_CS
	push	$1f
	swapgs
	iretq
1:	call	mmio_run
	int3

	.globl	mmio_run_user_end
mmio_run_user_end:
	mov	kernel_stack, %rsp
	SAVED	pop
	ret

	.globl	mmio_stack_at
mmio_stack_at:
	mov	%rdi, %rsp
	ud2

	.globl	mmio_tables_at
mmio_tables_at:
	mov	%rdi, %cr3
	ud2

/* Its bytes are like no other's: who sees e1 d2 c3 5b has seen the instruction. */
	.globl	mmio_recognisable
mmio_recognisable:
	mov	0x5bc3d2e1(%rdi), %eax
	ret

/* One byte from the device to where RDI points. */
	.globl	mmio_movsb
mmio_movsb:
	movsb
	ret

	.bss
kernel_stack:
	.quad	0

/*
 * The accesses. RDI is the first device page of the window, where MMIO starts;
 * RSI a page of memory, R8 to R15 are small numbers (mmio_fault-guest.c).
 *
 * The log: what the device must see, in that order: read or write, bytes @ where,
 * from RDI on. At 0x1000 another page of the device begins, at -1 and 0x2000
 * memory.
 */
	.macro	ACCESS log, insn:req
	.text
90:	\insn
	ret
	.section .rodata.str1.1, "aMS", @progbits, 1
91:	.asciz	"\insn"
92:	.asciz	"\log"
	.section .rodata.accesses, "a"
	.quad	90b, 91b, 92b
	.endm

	.section .rodata.accesses, "a"
	.balign	8
	.globl	mmio_accesses, mmio_accesses_end
mmio_accesses:

	/* reads */
	ACCESS	"r1@8", "movb 8(%rdi), %al"
	ACCESS	"r1@9", "movb 9(%rdi), %bh"
	ACCESS	"r1@a", "movb 10(%rdi), %sil"
	ACCESS	"r2@10", "movw 0x10(%rdi), %dx"
	ACCESS	"r4@20", "movl 0x20(%rdi), %r9d"
	ACCESS	"r8@30", "movq 0x30(%rdi), %rax"
	ACCESS	"r4@23", "movl 0x23(%rdi), %edi"
	ACCESS	"r1@8", "movzbl 8(%rdi), %eax"
	ACCESS	"r2@3e", "movzwq 0x3e(%rdi), %r15"
	ACCESS	"r1@b", "movsbw 11(%rdi), %cx"
	ACCESS	"r2@12", "movswl 0x12(%rdi), %ebp"
	ACCESS	"r4@24", "movslq 0x24(%rdi), %rax"
	ACCESS	"r4@20", "cmovc 0x20(%rdi), %ebx"
	ACCESS	"r4@20", "cmovnc 0x20(%rdi), %ebx"
	ACCESS	"r4@40", "addl 0x40(%rdi), %ecx"
	ACCESS	"r8@40", "sbbq 0x40(%rdi), %r10"
	ACCESS	"r2@42", "xorw 0x42(%rdi), %ax"
	ACCESS	"r1@44", "cmpb $0x7f, 0x44(%rdi)"
	ACCESS	"r4@48", "cmpl %ebx, 0x48(%rdi)"
	ACCESS	"r8@48", "cmpq $-5, 0x48(%rdi)"
	ACCESS	"r4@4c", "testl $0x00ff00ff, 0x4c(%rdi)"
	ACCESS	"r1@4c", "testb %ah, 0x4c(%rdi)"
	ACCESS	"r4@50", "imull 0x50(%rdi), %eax"
	ACCESS	"r8@50", "imulq $-77, 0x50(%rdi), %rdx"

	/* writes */
	ACCESS	"w1@8", "movb %bl, 8(%rdi)"
	ACCESS	"w1@9", "movb %ch, 9(%rdi)"
	ACCESS	"w1@a", "movb %r11b, 10(%rdi)"
	ACCESS	"w2@10", "movw %cx, 0x10(%rdi)"
	ACCESS	"w4@20", "movl %r14d, 0x20(%rdi)"
	ACCESS	"w8@30", "movq %rdx, 0x30(%rdi)"
	ACCESS	"w8@33", "movq %rdi, 0x33(%rdi)"
	ACCESS	"w1@8", "movb $0x5a, 8(%rdi)"
	ACCESS	"w2@10", "movw $0x5aa5, 0x10(%rdi)"
	ACCESS	"w4@20", "movl $0x12345678, 0x20(%rdi)"
	ACCESS	"w8@30", "movq $-0x12345678, 0x30(%rdi)"
	ACCESS	"w8@38", "movnti %rbx, 0x38(%rdi)"
	ACCESS	"w1@3c", "setc 0x3c(%rdi)"

	/* forms of the operand */
	ACCESS	"r4@0", "movl (%rdi), %eax"
	ACCESS	"r4@18", "movl (%rdi,%r8,8), %eax"
	ACCESS	"w4@2c", "mov %rdi, %r12; movl %eax, 0x20(%r12,%r8,4)"
	ACCESS	"w2@0", "mov %rdi, %r13; movw $7, (%r13)"
	ACCESS	"r8@200", "neg %r8; movq 0x218(%rdi,%r8,8), %rbx"
	ACCESS	"r1@7f", "lea -1(%rdi), %rbp; movb 0x80(%rbp), %al"
	ACCESS	"r4@7fc", "movl 0x7f0017fc, %eax"
	ACCESS	"r1@64", "movabsb 0x7f001064, %al"
	ACCESS	"w8@68", "movabsq %rax, 0x7f001068"
	ACCESS	"r4@40", "movl 0x40(%edi), %eax"
	ACCESS	"r4@80 w4@84", \
		"movl mmio_window + 0x1080(%rip), %eax; movl $-3, mmio_window + 0x1084(%rip)"

	/* both */
	ACCESS	"r1@8 w1@8", "xchgb %bl, 8(%rdi)"
	ACCESS	"r4@40 w4@40", "xchgl %eax, 0x40(%rdi)"
	ACCESS	"r8@40 w8@40", "xchgq %rdi, 0x40(%rdi)"
	ACCESS	"r4@40 w4@40", "lock addl %ebx, 0x40(%rdi)"
	ACCESS	"r8@40 w8@40", "lock addq $0x7f, 0x40(%rdi)"
	ACCESS	"r2@40 w2@40", "adcw $0x1234, 0x40(%rdi)"
	ACCESS	"r1@41 w1@41", "orb $0x81, 0x41(%rdi)"
	ACCESS	"r4@44 w4@44", "andl %ecx, 0x44(%rdi)"
	ACCESS	"r8@48 w8@48", "xorq %rdx, 0x48(%rdi)"
	ACCESS	"r4@4c w4@4c", "lock subl $1000, 0x4c(%rdi)"
	ACCESS	"r1@50 w1@50", "incb 0x50(%rdi)"
	ACCESS	"r8@50 w8@50", "lock decq 0x50(%rdi)"
	ACCESS	"r4@54 w4@54", "notl 0x54(%rdi)"
	ACCESS	"r2@58 w2@58", "negw 0x58(%rdi)"
	ACCESS	"r4@60 w4@60", "lock xaddl %ecx, 0x60(%rdi)"
	ACCESS	"r1@60 w1@60", "xaddb %dh, 0x60(%rdi)"
	ACCESS	"r4@60 w4@60", "lock cmpxchgl %ebx, 0x60(%rdi)"
	ACCESS	"r4@60 r4@60 w4@60", "movl 0x60(%rdi), %eax; lock cmpxchgl %ebx, 0x60(%rdi)"
	ACCESS	"r8@68 w8@68", "cmpxchgq %rdx, 0x68(%rdi)"
	ACCESS	"r8@70 w8@70", "lock cmpxchg8b 0x70(%rdi)"
	ACCESS	"r4@74 r4@70 r8@70 w8@70", \
		"movl 0x74(%rdi), %edx; movl 0x70(%rdi), %eax; cmpxchg8b 0x70(%rdi)"
	ACCESS	"r4@80 w4@80", "btsl $5, 0x80(%rdi)"
	ACCESS	"r4@80 w4@80", "lock btrl $6, 0x80(%rdi)"
	ACCESS	"r4@80", "btl $7, 0x80(%rdi)"
	ACCESS	"r4@88 w4@88", "btsl %r9d, 0x80(%rdi)"
	ACCESS	"r8@78 w8@78", "mov $-3, %r8; btcq %r8, 0x80(%rdi)"
	ACCESS	"r2@88", "btw %r9w, 0x80(%rdi)"
	ACCESS	"r4@90 w4@90", "shll $3, 0x90(%rdi)"
	ACCESS	"r8@98 w8@98", "rorq $17, 0x98(%rdi)"
	ACCESS	"r1@90 w1@90", "mov %r8, %rcx; sarb %cl, 0x90(%rdi)"
	ACCESS	"r4@94 w4@94", "rcll 0x94(%rdi)"

	/* strings */
	ACCESS	"w1@0", "movsb"
	ACCESS	"w8@0", "movsq"
	ACCESS	"r4@0", "xchg %rdi, %rsi; movsl"
	ACCESS	"r2@0 w2@100", "mov %rdi, %rsi; add $0x100, %rdi; movsw"
	ACCESS	"w4@0 w4@4 w4@8", "mov %r8, %rcx; rep movsl"
	ACCESS	"r1@0 r1@1 r1@2", "mov %r8, %rcx; xchg %rdi, %rsi; rep movsb"
	ACCESS	"r8@0 w8@8 r8@8 w8@10 r8@10 w8@18", \
		"mov %r8, %rcx; mov %rdi, %rsi; add $8, %rdi; rep movsq"
	ACCESS	"w1@2 w1@1 w1@0", "std; add $2, %rdi; mov $5, %ecx; rep movsb"
	ACCESS	"w2@0", "stosw"
	ACCESS	"w4@0 w4@4 w4@8", "mov %r8, %rcx; rep stosl"
	ACCESS	"w8@10 w8@8 w8@0", "std; add $16, %rdi; mov %r8, %rcx; rep stosq"
	ACCESS	"", "xor %ecx, %ecx; rep stosl"
	ACCESS	"r1@0", "mov %rdi, %rsi; lodsb"
	ACCESS	"r4@0 r4@4 r4@8", "mov %r8, %rcx; mov %rdi, %rsi; rep lodsl"
	ACCESS	"r8@0", "std; mov %rdi, %rsi; lodsq"
	ACCESS	"r1@0", "scasb"
	ACCESS	"r1@2 r1@0 r1@1 r1@2", "movb 2(%rdi), %al; mov $9, %ecx; repne scasb"
	ACCESS	"r4@0", "mov $9, %ecx; repe scasl"
	ACCESS	"r4@0", "cmpsl"
	ACCESS	"r1@0 r1@1 r1@2 r1@3 r1@4", "mov $9, %ecx; repe cmpsb"
	ACCESS	"r2@0 r2@100", "mov %rdi, %rsi; add $0x100, %rdi; mov $9, %ecx; repe cmpsw"

	/* across pages */
	ACCESS	"r3@ffd r5@1000", "movq 0xffd(%rdi), %rax"
	ACCESS	"w2@ffe w2@1000", "movl %ebx, 0xffe(%rdi)"
	ACCESS	"r1@fff r1@1000 w1@fff w1@1000", "addw %bx, 0xfff(%rdi)"
	ACCESS	"r7@ff9 r1@1000 w7@ff9 w1@1000", "lock xaddq %rcx, 0xff9(%rdi)"
	ACCESS	"w4@ffa w2@ffe w2@1000 w4@1002", "add $0xffa, %rdi; mov %r8, %rcx; rep movsl"
	ACCESS	"r5@0", "movq -3(%rdi), %rax"
	ACCESS	"w5@0", "movq %rbx, -3(%rdi)"
	ACCESS	"r2@0 w2@0", "lock addl %ecx, -2(%rdi)"
	ACCESS	"r2@1ffe", "movl 0x1ffe(%rdi), %edx"
	ACCESS	"w1@1fff", "movl %edx, 0x1fff(%rdi)"
	ACCESS	"r3@1ffd w3@1ffd", "xchgq %r11, 0x1ffd(%rdi)"
	ACCESS	"w1@0 w4@1", "sub $3, %rdi; mov $2, %ecx; rep stosl"
	ACCESS	"r2@1ffc r1@1ffe r1@1fff", "lea 0x1ffc(%rdi), %rsi; lodsw; lodsb; lodsb; lodsb"

	.section .rodata.accesses, "a"
mmio_accesses_end:

	.section .note.GNU-stack, "", @progbits
