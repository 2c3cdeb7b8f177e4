/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mmio_fault.h - what the parts of mmio_fault share: the emulator, the table of
 * accesses, and where things are.
 */
#ifndef SELFTESTS_SYSTEMS_MMIO_FAULT_H
#define SELFTESTS_SYSTEMS_MMIO_FAULT_H

/* --- where things are: mmio_fault.S has these numbers too --------------------- */

/*
 * The window: virtual pages that the accesses go to, mapped in one of two ways.
 * As RAM all of it is memory. As MMIO, pages 1 and 2 are two pages of the
 * device, not side by side and in the other order.
 */
#define WINDOW		0x7f000000UL
#define WINDOW_PAGES	6		/* the last one is for the kernel only */
#define WINDOW_PAGE(n)	(WINDOW + (n) * 0x1000UL)
#define SUPERVISOR_PAGE	5

#define DEVICE		0x48000000UL	/* GPA */
#define DEVICE_SIZE	0x8000UL
#define DEVICE_PAGE_1	0x5000UL	/* page 1 of the window */
#define DEVICE_PAGE_2	0x2000UL

#define RAM_PAGES	(GUEST_SHARED_DATA + 0x10000)	/* the window, when all RAM */
#define SIDE_PAGES	(GUEST_SHARED_DATA + 0x18000)	/* pages 0, 3, 4, 5 beside the device */
#define WINDOW_TABLE	GUEST_PRIVATE_DATA		/* its page table */
#define USER_STACK	(GUEST_PRIVATE_DATA + 0x4000)	/* top */
#define CODE_PAGE	(GUEST_PRIVATE_DATA + 0x5000)	/* page 0, where code must be */
#define RECOGNISABLE	0x5bc3d2e1UL			/* displacement of mmio_recognisable() */
#define FRESH_HOLE	0x140000000UL			/* that nobody has touched */

/* How the guest ends itself, with its enum mmio_outcome as the reason's code */
#define TERMINATION_SET	5

static inline u8 mmio_pattern(u64 offset)
{
	return offset * 37 + (offset >> 8) * 11 + 5;
}

/* --- mmio_fault.S --------------------------------------------------------------- */

struct guest_regs;

/* Load all registers but RSP from r, call code, store them all back. */
void mmio_run(struct guest_regs *r, const void *code);
/* The same in user mode, on USER_STACK; the guest only. */
void mmio_run_user(struct guest_regs *r, const void *code);
/* Where the INT3 that ends it must return to, in kernel mode. */
void mmio_run_user_end(void);
/* Exceptions without a stack, or without page tables. */
void mmio_stack_at(u64 top);
void mmio_tables_at(u64 cr3);
/* mov 0x5bc3d2e1(%rdi), %eax */
void mmio_recognisable(void);
void mmio_movsb(void);

struct mmio_access {
	const void *code;
	const char *text, *log;
};

extern const struct mmio_access mmio_accesses[], mmio_accesses_end[];

/* --- mmio_fault-emulate.c --------------------------------------------------------- */

/* How whoever emulates reaches the guest's memory. Addresses are linear. */
struct mmio_memory {
	/* Bytes at RIP: how many of n there are. */
	unsigned int (*fetch)(const struct guest_regs *r, u8 *bytes, unsigned int n);
	/* May it be done? Nothing happens. */
	bool (*check)(const struct guest_regs *r, u64 address, unsigned int n, bool write);
	bool (*access)(const struct guest_regs *r, u64 address, void *data, unsigned int n,
		       bool write);
};

enum mmio_outcome {
	MMIO_DONE,
	MMIO_NO_FETCH,		/* the instruction cannot be read to its end */
	MMIO_UNKNOWN,		/* nor is it one that we know */
	MMIO_REFUSED,		/* check() or access() said no */
};

#define MMIO_STUB_SIZE	32

/*
 * The instruction at RIP, one element of it if it is a repeated string. stub:
 * memory that can be written and executed.
 */
enum mmio_outcome mmio_emulate(struct guest_regs *r, const struct mmio_memory *memory, u8 *stub);

/* --- mmio_fault-guest.c: guest functions ------------------------------------------- */

enum mmio_way { WAY_KERNEL, WAY_USER };

void mmio_guest_accesses(unsigned long cpu);	/* arguments: an enum mmio_way */
void mmio_guest_count(unsigned long cpu);
void mmio_guest_recognisable(unsigned long cpu);
void mmio_guest_fetch(unsigned long cpu);
void mmio_guest_edge(unsigned long cpu);
void mmio_guest_walk(unsigned long cpu);
void mmio_guest_protected_page(unsigned long cpu);
void mmio_guest_refused_user(unsigned long cpu);
void mmio_guest_terminate(unsigned long cpu);
void mmio_guest_stack(unsigned long cpu);
void mmio_guest_tables(unsigned long cpu);
void mmio_guest_plain_fetch(unsigned long cpu);
void mmio_guest_plain_walk(unsigned long cpu);

/* #VC 0x400; what is none of it, or ends in a fault, is false: guest_set_handler() */
bool mmio_guest_vc(struct guest_regs *regs);

/* --- mmio_fault-slots.c: cases ------------------------------------------------------ */

void slots_over_a_4k_marker(void);
void slots_over_three_markers(void);
void slots_over_a_2m_marker(void);
void slots_in_a_1g_marker(void);
void slots_over_a_1g_marker(void);

/* --- the linker's ------------------------------------------------------------------- */

extern const char __executable_start[], etext[];

#endif /* SELFTESTS_SYSTEMS_MMIO_FAULT_H */
