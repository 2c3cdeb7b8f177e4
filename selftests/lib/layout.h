/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * layout.h - where things are in a test guest. Host and guest agree on it.
 *
 * Guest-virtual is guest-physical. The test program itself, as linked, is in
 * the guest at its own addresses (0x400000...), so a guest function is a plain C
 * function of the test. Every mapping has the C-bit, but for the shared 2 MiB
 * and for all above 1 GiB, which is MMIO unless a test puts a slot there.
 */
#ifndef SELFTESTS_LAYOUT_H
#define SELFTESTS_LAYOUT_H

#define GUEST_MEMORY		0x2000000UL	/* slot 0: [0, 32 MiB) */
#define GUEST_MAX_VCPUS		64

#define GUEST_PML4		0x1000UL
#define GUEST_PDPT		0x2000UL
#define GUEST_PD		0x3000UL	/* 8 pages: 8 GiB of 2 MiB leaves */
#define GUEST_MAPPED_GIB	8UL

#define GUEST_SHARED		0x200000UL	/* [2 MiB, 4 MiB): no C-bit */
#define GUEST_GHCB(cpu)		(GUEST_SHARED + (cpu) * 0x1000UL)
#define GUEST_UCALL(cpu)	(GUEST_SHARED + 0x40000UL + (cpu) * 0x1000UL)
#define GUEST_SHARED_DATA	(GUEST_SHARED + 0x80000UL)	/* the test's own */
#define GUEST_SHARED_END	(GUEST_SHARED + 0x200000UL)

#define GUEST_PRIVATE_DATA	0xc00000UL	/* the test's own, with the C-bit */
#define GUEST_PRIVATE_DATA_END	0xe00000UL
#define GUEST_STACK_SIZE	0x4000UL
#define GUEST_STACK_TOP(cpu)	(0x1000000UL + ((cpu) + 1) * GUEST_STACK_SIZE)

#define GUEST_MMIO		0x40000000UL	/* first address with no slot */

#define GUEST_UCALL_PORT	0x5e0
#define GUEST_EXIT_PORT		0xf4		/* sevm-run's: ends with that status */

#define GUEST_CS		0x08
#define GUEST_DS		0x10
#define GUEST_USER_CS		0x1b
#define GUEST_USER_DS		0x23
#define GUEST_TSS		0x28

enum {
	UCALL_NONE,
	UCALL_DONE,		/* this vCPU has finished */
	UCALL_FAIL,		/* msg says where and why */
	UCALL_SYNC,		/* args[0]: a stage; the host goes on when it likes */
	UCALL_PRINT,		/* msg */
};

/* One per vCPU, in shared memory. The guest writes it, then OUTs to the port. */
struct ucall {
	unsigned long cmd;
	unsigned long args[7];
	char msg[512];
	unsigned long in[8];	/* from the host: the test's arguments */
};

#endif /* SELFTESTS_LAYOUT_H */
