/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bringup.h - the alternative AP bring-up page: where a test guest has it, and
 * what an AP reports of the state in which it began. For C and assembly.
 */
#ifndef SELFTESTS_SYSTEMS_BRINGUP_H
#define SELFTESTS_SYSTEMS_BRINGUP_H

#include "../../tools/firmware/ap_page.h"

#define LOW_PAGE	0x20000		/* the bring-up page ... */
#define HIGH_PAGE	0xc00000	/* ... or here: GUEST_PRIVATE_DATA */

/* Real mode: code, data, stacks; and tools/firmware/ap.S */
#define REAL		0x30000
#define REAL_SEEN	0x800		/* offset of a struct seen */
#define REAL_ALIVE	0xa00		/* u32 for each AP */
#define REAL_STACK(n)	(0x2000 + (n) * 0x100)
#define AP_FIRMWARE	0x3f000
#define AP_FIRMWARE_IP		0	/* its firmware.h; bringup.S compares */
#define AP_FIRMWARE_CS		2
#define AP_FIRMWARE_VERSION	4
#define AP_FIRMWARE_ENTRY	0x10

/* struct seen */
#define SEEN_RAX	0x00
#define SEEN_RBX	0x08
#define SEEN_RCX	0x10
#define SEEN_RDX	0x18
#define SEEN_RSI	0x20
#define SEEN_RDI	0x28
#define SEEN_RBP	0x30
#define SEEN_RSP	0x38
#define SEEN_R8		0x40
#define SEEN_RFLAGS	0x80
#define SEEN_CR0	0x88
#define SEEN_CR3	0x90
#define SEEN_CR4	0x98
#define SEEN_EFER	0xa0
#define SEEN_FS_BASE	0xa8
#define SEEN_GS_BASE	0xb0
#define SEEN_CS		0xb8
#define SEEN_DS		0xba
#define SEEN_ES		0xbc
#define SEEN_FS		0xbe
#define SEEN_GS		0xc0
#define SEEN_SS		0xc2
#define SEEN_GDTR	0xce
#define SEEN_IDTR	0xde
#define SEEN_GS_WORD	0xe8	/* what is at GS:0 */
#define SEEN_DONE	0xf0
#define SEEN_SIZE	0xf8

#ifndef __ASSEMBLER__
#include "guest.h"
#include "vm.h"

#define CR0_REAL	0x10		/* ET: it cannot be cleared */
#define CR0_FLAT	0x11
#define CR0_LONG	0x80010033
#define CR4_LONG	0x620
#define EFER_LME_LMA	0x500
#define EFER_SVME	0x1000

#define KVM_NO_CALL	(-1000L)	/* -KVM_ENOSYS */
#define XEN_EPERM	(-1L)
#define XEN_ENOENT	(-2L)
#define XEN_EEXIST	(-17L)
#define XEN_ENOSYS	(-38L)

#define VECTOR		0x55

struct seen {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8[8];
	uint64_t rflags, cr0, cr3, cr4, efer, fs_base, gs_base;
	uint16_t cs, ds, es, fs, gs, ss, pad[2];
	struct ap_page_table gdtr, idtr;
	uint64_t gs_word;
	volatile uint64_t done;
};

/* Entries of an AP: each reports into bringup_seen (REAL_SEEN), and parks. */
void bringup_long(void);
void bringup_flat(void);
extern struct seen bringup_seen;
/* In protected mode: counts in *EDI, and goes to the page's entry: EBX, ESI. */
void bringup_counted(void);
extern volatile uint32_t bringup_strangers;	/* who came there and is not ESI */
/* What bringup_flat does then: 0: park; a page's address: go to its entry as vCPU 1. */
extern volatile uint32_t bringup_again;

/* tools/firmware/ap.S, to be copied to AP_FIRMWARE */
extern const unsigned char sevm_firmware_ap[], sevm_firmware_ap_end[];
/* To be copied to REAL: reports at its start; the jump table's target later on. */
extern const unsigned char bringup_real[], bringup_real_end[], bringup_target[];

/* bringup.c: the host's part. The page is at page_gpa. */
extern u64 page_gpa;
struct vm_options with_page(unsigned int vcpus);	/* skips the test where there is none */
void run_page_guest(void (*fn)(unsigned long cpu), unsigned int vcpus);
void nap(void);
/* A vCPU that is in KVM_RUN cannot be asked: take it out, ask, let it go on. */
u32 state_of(struct vcpu *vcpu);
void wait_state(struct vcpu *vcpu, u32 state);

/* bringup-guest.c */
extern volatile u64 guest_page;
#define PAGE	((struct ap_page *)guest_page)

struct shared {
	volatile u64 alive[GUEST_MAX_VCPUS];	/* times the AP came round */
	volatile u64 irqs;
	volatile u64 done;
	volatile u64 aps;
};

#define SHARED	((struct shared *)GUEST_SHARED_DATA)

long hypercall(u64 number, u64 op, u64 id);
long vcpu_op(u64 op, u64 id);
u64 read_cr3(void);
void clear(void *at, size_t size);
void spin(unsigned int n);
/* A request for vCPU id: nothing but its head, then FILLED; and what became of it. */
void page_begin(u32 id);
void page_fill(void);
u32 page_wait(void);
/* fn(id) as vCPU 0 began itself: start.S, its own stack. Filled; and started. */
void page_want(u32 id, void (*fn)(unsigned long cpu));
void page_start(u32 id, void (*fn)(unsigned long cpu));
void wait_down(u32 id);
void wait_alive(u32 cpu, u64 times);
/* For APs */
void parks(unsigned long cpu);
void counts(unsigned long cpu);
bool count_irq(struct guest_regs *regs);	/* a handler for VECTOR */

/* bringup-state.c, bringup-calls.c, bringup-restore.c: the cases */
void long_mode_arrives_exactly(void);
void long_mode_from_a_high_page(void);
void protected_mode_arrives_exactly(void);
void protected_mode_with_paging_arrives_exactly(void);
void compatibility_mode_arrives_exactly(void);
void real_mode_arrives_exactly(void);
void real_mode_from_a_high_page(void);
void entry_can_be_entered_again(void);
void one_to_eight_aps(void);
void without_an_apic(void);
void in_a_default_vm(void);
void what_the_trampoline_refuses(void);
void who_is_not_wanted_parks(void);
void down_stops_another_at_once(void);
void two_stop_each_other(void);
void down_stops_the_caller(void);
void down_leaves_what_it_was_doing(void);
void errors_of_the_hypercall(void);
void jump_table_on_top(void);
void stopped_state_is_restored(void);
void parked_state_is_restored(void);
void hold_below_stopped_is_kept(void);
void hold_below_stopped_is_restored(void);
#endif

#endif /* SELFTESTS_SYSTEMS_BRINGUP_H */
