/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * locore.h - what the host, the assembler and the C of the guest agree on in the
 * tests of early #VC handling.
 */
#ifndef SELFTESTS_LOCORE_H
#define SELFTESTS_LOCORE_H

/* What the guest is to do, in EDI at its entry, and so part of the measurement. */
#define ORDER_BOOT		0	/* come up, and run every part */
#define ORDER_EARLY_WBINVD	1	/* a #VC that the early handlers don't know */
#define ORDER_EARLY_IN		2
#define ORDER_EARLY_RDMSR	3
#define ORDER_EARLY_VMMCALL	4
#define ORDER_BAD_REQUEST	5	/* CPUID asked by a request that nobody answers */
#define ORDER_VERSION_2		6	/* be content with no older protocol */
#define ORDER_LATE_WBINVD	7	/* a #VC that the full handler doesn't know */
#define ORDER_LATE_NO_XCR0	8	/* CPUID 0xD without XCR0: the host refuses */
#define ORDER_LATE_NO_RAX	9	/* WRMSR without EAX: so it does */
#define ORDER_COUNT		10	/* VMGEXITs and VMMCALLs, for the host to count */

/* Reason sets and codes of the guest's termination requests. */
#define SET_GENERAL		0
#define GENERAL_REQUEST		0	/* no answer, or a wrong one */
#define GENERAL_VERSION		1	/* no common protocol version */
#define SET_OURS		3
#define OURS_NO_SEV		1	/* CPUID knows no SEV-ES */
#define OURS_CBIT		2	/* CPUID and SEV_INFO differ on the C-bit */
#define OURS_SURVIVED		3	/* what had to be a #VC was none */
#define SET_VC			4	/* unexpected #VC: its code's low byte */

#define TERMINATION(set, code)	(0x100 | (set) << 12 | (code) << 16)

/*
 * The guest's own page tables: everything private but these pages, in the
 * midst of 2 MiB that are private otherwise.
 */
#define LOCORE_TABLES		0xc00000
#define LOCORE_SPLIT		0x200000	/* this 2 MiB has 4 KiB pages */
#define LOCORE_GHCB		0x205000
#define LOCORE_UCALL		0x240000	/* GUEST_UCALL(0) */
#define LOCORE_REPORT		0x280000
#define LOCORE_BUFFER		0xd00000	/* private: what string I/O moves */

#define LOCORE_CS32		0x08
#define LOCORE_DS		0x10
#define LOCORE_CS64		0x18
#define LOCORE_USER_CS		0x23
#define LOCORE_USER_DS		0x2b
#define LOCORE_TSS		0x30
#define LOCORE_SYSCALL		0x80	/* how user mode comes back */

#define LOCORE_LEAVES		14
#define LOCORE_SECRET		0x5ec3e75ec3e75ec3

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stdint.h>

/* As locore.S pushes it. */
struct locore_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* What an early handler saw when it ran last. */
struct locore_early {
	uint64_t count, error, ip, cs, sp;	/* sp: its own; 32-bit values in legacy mode */
	uint64_t old_sp, old_ss;		/* pushed in long mode only */
};

/* locore.S */
void locore_start32(unsigned long cpu);	/* no C function: 32-bit code */
extern char locore_cpuid32[], locore_cpuid64[], locore_stubs[];
extern const uint32_t locore_leaves[LOCORE_LEAVES][2];
extern uint32_t locore_answers[LOCORE_LEAVES][4];
extern uint32_t locore_entry_regs[8], locore_entry_efer, locore_entry_cr0;
extern uint32_t locore_cpuid64_answer[4];
extern uint64_t locore_gdt[8], locore_sev_info;
extern struct locore_early locore_vc32, locore_vc64;
/* To user mode with these registers, and back at its first trap or LOCORE_SYSCALL. */
void locore_enter_user(struct locore_frame *regs);
void __attribute__((noreturn)) locore_leave_user(void);
void __attribute__((noreturn)) locore_terminate(uint32_t request);

/* locore-guest.c */
void locore_main(uint64_t order);
void locore_trap(struct locore_frame *frame);

/* locore-vc.c */
enum locore_verdict { VC_DONE, VC_REFUSED, VC_RAISE };
extern uint64_t locore_vcs, locore_last_vc;
extern bool locore_omit_xcr0, locore_omit_rax;
/* VC_RAISE: *vector is what the host wants raised instead. */
enum locore_verdict locore_vc(struct locore_frame *frame, uint64_t *vector);

/* One way to write IN or OUT: locore-guest.c, which the host reads, too. */
struct locore_form {
	const char *name;
	const char *code;		/* the instruction and RET, in locore.S */
	uint16_t port;
	uint8_t size;
	bool in, string, rep, address32, segment;
	bool down;			/* direction flag */
	uint32_t count;			/* of elements; 1 if no string */
};

extern const struct locore_form locore_forms[];
extern const unsigned int locore_nr_forms;

static inline uint16_t locore_form_port(unsigned int index)
{
	return locore_forms[index].port ?: 0x600 + index * 8;
}

/* What the host's device answers, byte by byte, and what the guest writes to it. */
static inline uint8_t locore_pattern(uint16_t port, uint32_t offset)
{
	return port * 41 + offset * 7 + (offset >> 8) + 3;
}

/* In shared memory: what the host compares. */
struct locore_report {
	uint32_t from_32_bit;			/* written by locore.S, first of all */
	uint32_t entry_regs[8], entry_efer, entry_cr0;
	struct locore_early vc32, vc64;
	uint64_t sev_info;
	uint32_t early[LOCORE_LEAVES][4];	/* by the MSR protocol */
	uint32_t early64[4];			/* brand string, asked in 64-bit mode */
	uint32_t late[LOCORE_LEAVES][4];	/* by the GHCB */
	uint32_t xsave_size[2];			/* leaf 0xD EBX with XCR0 1 and 7 */
	uint64_t secret;
};

#endif /* __ASSEMBLER__ */
#endif /* SELFTESTS_LOCORE_H */
