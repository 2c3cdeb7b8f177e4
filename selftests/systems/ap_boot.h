/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ap_boot.h - what the parts of ap_boot agree on: the assembler's pages, the
 * guest's firmware and OS, and the host that watches them.
 */
#ifndef SELFTESTS_AP_BOOT_H
#define SELFTESTS_AP_BOOT_H

/*
 * The work page, as OVMF's: APs start in it, in real mode, with CS.base the page.
 * It begins with IP and CS, as a jump table does, and can be one.
 */
#define WORK_ENTRY	0x10	/* jumps through the vector at once */
#define WORK_RESUMED	0x20	/* as if it came from a hold by MSR; holds if it did not */
#define WORK_UNSET	0x60	/* where a table leads that nobody wrote: terminates */

/* A trampoline's page: a struct trampoline, and the code */
#define TRAMPOLINE_GDTR		0x00
#define TRAMPOLINE_PROTECTED	0x10
#define TRAMPOLINE_LONG		0x18
#define TRAMPOLINE_CR3		0x20
#define TRAMPOLINE_STACK	0x28
#define TRAMPOLINE_STACK_SIZE	0x30
#define TRAMPOLINE_FUNCTION	0x38
#define TRAMPOLINE_ENTRY	0x80	/* two of them, */
#define TRAMPOLINE_ENTRY_SIZE	0x10	/* so far apart */
#define TRAMPOLINE_JUMP		0xa0
#define TRAMPOLINE_SEGMENT	0xa5	/* the page's, in the ljmpw there */
#define TRAMPOLINE_REAL		0xb0
#define TRAMPOLINE_CODE32	0x140
#define TRAMPOLINE_CODE64	0x1c0

/* A parking page: a struct parking, and the code; the next page has the stacks */
#define PARKING_GDTR		0x00
#define PARKING_NO_IDT		0x10
#define PARKING_REAL		0x20
#define PARKING_ENTRY		0x80
#define PARKING_CODE16		0x180
#define PARKING_STACK_SIZE	32

/* How to leave for real mode */
#define LEAVE_NOW	0	/* hold not at all */
#define LEAVE_NAE	1	/* one VMGEXIT, with the GHCB as it is; no look at the answer */
#define LEAVE_MSR	2	/* until the answer says that it was a SIPI */

/* Selectors: GUEST_CS and GUEST_DS are as everywhere. */
#define AP_CODE64	0x08
#define AP_DATA		0x10
#define AP_CODE32	0x18
#define AP_CODE16	0x20
#define AP_DATA16	0x28

#define TERM_SET	6
#define TERM_UNSET	1	/* came through a table that nobody wrote */
#define TERM_NO_ID	2	/* the host did not answer CPUID */

#ifndef __ASSEMBLER__
#include "guest.h"

extern const u8 ap_work[], ap_work_end[];
extern const u8 ap_trampoline[], ap_trampoline_end[];
extern const u8 ap_parking[], ap_parking_end[];

/* Below 1 MiB, with the C-bit; only the work page is part of the launch. */
#define WORK_PAGE	0x10000UL
#define TRAMPOLINE(n)	(0x20000UL + (n) * 0x1000UL)	/* 0: firmware; 1, 2: OS */
#define PARKING(n)	(0x30000UL + (n) * 0x2000UL)
/* Anywhere below 4 GiB */
#define TABLE(n)	(GUEST_PRIVATE_DATA + (n) * 0x1000UL)

/* Where an AP is, as far as it got. In shared memory, for the host. */
struct world {
	/* What the host wants */
	volatile u64 aps;
	volatile u64 msr;		/* hold by MSR; 0: by NAE event */
	volatile u64 broadcast;		/* INIT-SIPI-SIPI to all but self */
	volatile u64 boots;		/* in the firmware */
	volatile u64 generations;	/* of OSes */
	volatile u64 unwatched;		/* don't stop for the host to look */
	volatile u64 idle;		/* APs of an OS hold at once: so many cannot all run */
	volatile u64 kvm;		/* a SIPI may be lost, and any SIPI ends a hold */
	volatile u64 low_table;		/* the work page is the firmware's jump table */
	volatile u64 no_set;		/* the firmware does not SET it: the VMM does */
	volatile u64 init;		/* it is saved between INIT and SIPI */
	volatile u64 poke;		/* send what must not wake them */
	/* What became of it */
	volatile u64 arrivals[GUEST_MAX_VCPUS];	/* in 64-bit mode, from real mode */
	volatile u64 holds[GUEST_MAX_VCPUS];	/* about to */
	volatile u64 spurious[GUEST_MAX_VCPUS];	/* returns from a hold by no SIPI */
	volatile u64 work[GUEST_MAX_VCPUS];	/* runs */
	volatile u64 retries;
};

#define WORLD	((struct world *)GUEST_SHARED_DATA)

/* guest_sync() stages: what the host is to find every AP in. */
#define STEP(state, kind)	((u64)(state) | (u64)(kind) << 8)
#define STEP_STATE(step)	((u32)(step) & 0xff)
#define STEP_KIND(step)		((u32)(step) >> 8 & 0xff)
#define STEP_STILL		0x10000		/* ... after a while, and at the first look */
#define STEP_PAUSE		0x20000		/* the test's own */

/* The BSP as firmware: what the APs need, its calls of them, and its end */
void ap_firmware_init(void);
void ap_firmware_boots(void);
void ap_exit_boot_services(void);
void ap_firmware_resumed(u64 table);
/* ... and as an OS: GET, and all the generations; or the parts of one */
void ap_os(void);
void ap_os_prepare(u64 table);
void ap_os_hold(void);

/* INIT-SIPI-SIPI by hand: expect, any ap_icr(), await. */
void ap_expect(void);
void ap_icr(u32 low);			/* to every AP */
void ap_await(void);
/* All do again what they do at this point: they work, or are held. */
void ap_all_work(void);
void ap_wait_holds(void);
void ap_check_arrivals(void);		/* as many as were expected */
void ap_step(u64 step);
u64 ap_held(void);			/* STEP() of a hold */
u64 ap_jump_table_get(void);
void ap_jump_table_set(u64 gpa);

/* The host */
struct vm;
struct vcpu;

/* Launched, not running; the APs start at ip in the work page. */
struct vm *ap_vm_create(void (*bsp)(unsigned long cpu), const struct world *want, u64 ip);
struct world *ap_world(struct vm *vm);
void ap_vm_start(struct vm *vm);	/* the APs */
void ap_vm_stop(struct vm *vm);
bool ap_vm_run(struct vm *vm);		/* the BSP: true at STEP_PAUSE, false when done */
void ap_vm_finish(struct vm *vm);	/* checks, and frees it */
bool ap_has_kinds(struct vm *vm);
u32 ap_hold_kind(struct vcpu *vcpu);	/* SEVM_AP_HOLD_* */
u64 ap_total(const volatile u64 *each);
#endif

#endif /* SELFTESTS_AP_BOOT_H */
