// SPDX-License-Identifier: GPL-2.0-only
/*
 * bringup-state.c - the state that the guest wants arrives at the AP, in each mode;
 * and, by the way of real mode, the AP jump table protocol on top.
 */
#include "bringup.h"

_Static_assert(offsetof(struct seen, gdtr.limit) == SEEN_GDTR, "layout");
_Static_assert(offsetof(struct seen, done) == SEEN_DONE, "layout");

#define REAL_REPORT	((struct seen *)(REAL + REAL_SEEN))
#define REAL_COUNT	((volatile u32 *)(REAL + REAL_ALIVE))

static u64 exact_gdt[8];

static void fill_exact_gdt(void)
{
	u64 base = (u64)&bringup_seen.gs_word;

	exact_gdt[1] = 0x00cf9b000000ffffULL;		/* 32-bit code */
	exact_gdt[2] = 0x00cf93000000ffffULL;
	exact_gdt[3] = 0x00af9b000000ffffULL;		/* 64-bit code */
	exact_gdt[4] = 0x00cf93000000ffffULL;
	exact_gdt[5] = 0x00cf93000000ffffULL;
	exact_gdt[6] = 0x00cf93000000ffffULL | (base & 0xffffff) << 16 | base >> 24 << 56;
	exact_gdt[7] = 0x00cf93000000ffffULL;
}

/* Every general register is different. */
static void pattern(void)
{
	u64 *r = &PAGE->r15, i;

	for (i = 0; i < 15; i++)
		r[i] = 0x0123456789abcdefULL * (i + 1) ^ i << 32;
}

static void check_registers(const struct seen *s, u64 mask)
{
	const struct ap_page *p = PAGE;

	GUEST_ASSERT_EQ(s->rax, p->rax & mask);
	GUEST_ASSERT_EQ(s->rbx, p->rbx & mask);
	GUEST_ASSERT_EQ(s->rcx, p->rcx & mask);
	GUEST_ASSERT_EQ(s->rdx, p->rdx & mask);
	GUEST_ASSERT_EQ(s->rsi, p->rsi & mask);
	GUEST_ASSERT_EQ(s->rdi, p->rdi & mask);
	GUEST_ASSERT_EQ(s->rbp, p->rbp & mask);
	GUEST_ASSERT_EQ(s->rsp, p->rsp);
	GUEST_ASSERT_EQ(s->rflags, p->rflags);
	GUEST_ASSERT_EQ(s->cr0, p->cr0);
	GUEST_ASSERT_EQ(s->cr3, p->cr3);
	GUEST_ASSERT_EQ(s->cr4, p->cr4);
	GUEST_ASSERT_EQ(s->cs, p->cs);
	GUEST_ASSERT_EQ(s->ds, p->ds);
	GUEST_ASSERT_EQ(s->es, p->es);
	GUEST_ASSERT_EQ(s->fs, p->fs);
	GUEST_ASSERT_EQ(s->gs, p->gs);
	GUEST_ASSERT_EQ(s->ss, p->ss);
	GUEST_ASSERT_EQ(s->gdtr.base, p->gdtr.base);
	GUEST_ASSERT_EQ(s->gdtr.limit, p->gdtr.limit);
	GUEST_ASSERT_EQ(s->idtr.base, p->idtr.base);
	GUEST_ASSERT_EQ(s->idtr.limit, p->idtr.limit);
}

static void start_and_wait(volatile u64 *done)
{
	page_fill();
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	GUEST_ASSERT_EQ(page_wait(), AP_PAGE_READY);
	while (!*done)
		cpu_relax();
}

static void want_exact(void)
{
	fill_exact_gdt();
	page_begin(1);
	pattern();
	PAGE->gdtr.base = (u64)exact_gdt;
	PAGE->gdtr.limit = sizeof(exact_gdt) - 1;
	PAGE->idtr.base = 0x12345000;
	PAGE->idtr.limit = 0x7ff;
	PAGE->ds = 0x10;
	PAGE->es = 0x20;
	PAGE->fs = 0x28;
	PAGE->gs = 0x30;
	PAGE->ss = 0x38;
	PAGE->rsp = GUEST_STACK_TOP(1) - 0x238;
	PAGE->rflags = 0xc97;		/* OF, DF, SF, AF, PF, CF */
	bringup_seen.gs_word = 0;
}

static void long_mode_guest(unsigned long cpu)
{
	unsigned int i;

	want_exact();
	PAGE->cr0 = CR0_LONG | 1 << 18;			/* AM */
	PAGE->cr3 = read_cr3();
	PAGE->cr4 = CR4_LONG | 1 << 7;			/* PGE */
	PAGE->efer = EFER_LME_LMA | 1 | 1 << 11;	/* SCE, NXE */
	PAGE->idtr.base = 0xffff823456789000;
	PAGE->fs_base = 0xffff812345678000;
	PAGE->gs_base = (u64)&exact_gdt[3];
	PAGE->cs = 0x18;
	PAGE->rip = (u64)bringup_long;
	start_and_wait(&bringup_seen.done);
	check_registers(&bringup_seen, ~0ULL);
	for (i = 0; i < 8; i++)
		GUEST_ASSERT_EQ(bringup_seen.r8[i], (&PAGE->r8)[-(int)i]);
	GUEST_ASSERT_EQ(bringup_seen.efer & ~EFER_SVME, PAGE->efer);
	GUEST_ASSERT_EQ(bringup_seen.fs_base, PAGE->fs_base);
	GUEST_ASSERT_EQ(bringup_seen.gs_base, PAGE->gs_base);
	GUEST_ASSERT_EQ(bringup_seen.gs_word, exact_gdt[3]);
}

void long_mode_arrives_exactly(void)
{
	run_page_guest(long_mode_guest, 2);
}

void long_mode_from_a_high_page(void)
{
	page_gpa = HIGH_PAGE;
	run_page_guest(long_mode_guest, 2);
}

static void want_flat(void)
{
	want_exact();
	/* The GS segment begins at gs_word itself, which is 0; so it says so. */
	bringup_seen.gs_word = 0x5e57;
	PAGE->cr0 = CR0_FLAT;
	PAGE->cr4 = 1 << 9;
	PAGE->efer = 1;
	PAGE->cs = 0x08;
	PAGE->rip = (u64)bringup_flat;
}

static void check_flat_seen(u64 efer)
{
	start_and_wait(&bringup_seen.done);
	check_registers(&bringup_seen, 0xffffffff);
	GUEST_ASSERT_EQ(bringup_seen.efer & ~EFER_SVME, efer);
	GUEST_ASSERT_EQ(bringup_seen.gs_word, 0x5e57);
}

static void protected_mode_guest(unsigned long cpu)
{
	want_flat();
	check_flat_seen(1);
}

void protected_mode_arrives_exactly(void)
{
	run_page_guest(protected_mode_guest, 2);
}

/* With paging, as 32-bit kernels have it: PAE, so that there are C-bits. */
static u64 pae_pdpt[4] __attribute__((aligned(32)));

static void paging_guest(unsigned long cpu)
{
	u64 i;

	for (i = 0; i < 4; i++)
		pae_pdpt[i] = (GUEST_PD + i * 0x1000) | 1 | (guest_es ? guest_cbit : 0);
	want_flat();
	PAGE->cr0 = CR0_LONG;
	PAGE->cr3 = (u64)pae_pdpt;
	PAGE->cr4 = CR4_LONG;
	PAGE->efer = 1 << 11;
	check_flat_seen(1 << 11);
}

void protected_mode_with_paging_arrives_exactly(void)
{
	run_page_guest(paging_guest, 2);
}

static void compatibility_guest(unsigned long cpu)
{
	want_flat();
	PAGE->cr0 = CR0_LONG;
	PAGE->cr3 = (u32)read_cr3();	/* all that 32-bit code can see */
	PAGE->cr4 = CR4_LONG;
	PAGE->efer = EFER_LME_LMA;
	PAGE->gs_base = (u64)&bringup_seen.gs_word;	/* what long mode takes */
	check_flat_seen(EFER_LME_LMA);
}

void compatibility_mode_arrives_exactly(void)
{
	run_page_guest(compatibility_guest, 2);
}

static void real_mode_guest(unsigned long cpu)
{
	clear(REAL_REPORT, sizeof(struct seen));
	page_begin(1);
	pattern();
	PAGE->cr0 = CR0_REAL;
	PAGE->gdtr.limit = 0xffff;
	PAGE->gdtr.base = 0x1234560;
	PAGE->idtr.limit = 0x3ff;
	PAGE->idtr.base = 0x2345670;
	PAGE->ds = REAL >> 4;
	PAGE->es = 0x1111;
	PAGE->fs = 0x2222;
	PAGE->gs = (REAL + 0x1000) >> 4;
	*(volatile u32 *)(REAL + 0x1000) = 0x5e57;
	PAGE->ss = (REAL + 0x2000) >> 4;
	PAGE->rsp = 0x1f0;
	PAGE->rflags = 0xc97;
	PAGE->cs = (REAL >> 4) - 0x10;
	PAGE->rip = 0x100;
	start_and_wait(&REAL_REPORT->done);
	check_registers(REAL_REPORT, 0xffffffff);
	GUEST_ASSERT_EQ(REAL_REPORT->efer & ~EFER_SVME, 0);
	GUEST_ASSERT_EQ(REAL_REPORT->gs_word, 0x5e57);
}

void real_mode_arrives_exactly(void)
{
	run_page_guest(real_mode_guest, 2);
}

void real_mode_from_a_high_page(void)
{
	page_gpa = HIGH_PAGE;
	run_page_guest(real_mode_guest, 2);
}

/* An AP goes back to the page's entry by itself and is started anew. */
static void again_guest(unsigned long cpu)
{
	want_flat();
	bringup_again = guest_page;
	check_flat_seen(1);
	wait_down(1);
	page_start(1, parks);
	wait_alive(1, 1);
}

void entry_can_be_entered_again(void)
{
	run_page_guest(again_guest, 2);
}

/* ---- The AP jump table on top ---- */

static void firmware_parks(u32 id)
{
	page_begin(id);
	PAGE->cr0 = CR0_REAL;
	PAGE->gdtr.limit = 0xffff;
	PAGE->idtr.limit = 0x3ff;
	PAGE->cs = AP_FIRMWARE >> 4;
	PAGE->rip = AP_FIRMWARE_ENTRY;
	PAGE->ss = REAL >> 4;
	PAGE->rsp = REAL_STACK(id);
	PAGE->rsi = id;
	page_fill();
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, id), 0);
	GUEST_ASSERT_EQ(page_wait(), AP_PAGE_READY);
}

static u64 table_call(u64 how, u64 gpa)
{
	GUEST_ASSERT_EQ(ghcb_call(0x80000005, how, gpa), 0);
	return guest_ghcb()->q[GHCB_INFO2];
}

static void table_guest(unsigned long cpu)
{
	u64 i, round, gpa;

	/* The firmware */
	*(volatile u16 *)(AP_FIRMWARE + AP_FIRMWARE_VERSION) = 2;
	for (i = 1; i <= 3; i++)
		firmware_parks(i);
	for (i = 1; i <= 3; i++)
		wait_down(i);
	table_call(0, AP_FIRMWARE);

	/* The OS, which knows no page */
	x2apic_enable();
	gpa = table_call(1, 0);
	GUEST_ASSERT_EQ(gpa, AP_FIRMWARE);
	*(volatile u16 *)(gpa + AP_FIRMWARE_IP) = bringup_target - bringup_real;
	*(volatile u16 *)(gpa + AP_FIRMWARE_CS) = REAL >> 4;
	for (i = 1; i <= 3; i++) {
		GUEST_ASSERT_EQ(REAL_COUNT[i], 0);
		guest_wake_ap(i);
		while (!REAL_COUNT[i])
			cpu_relax();
	}
	/* Their holds are the OS's own now: INIT and SIPI end them, and start nobody twice. */
	for (round = 0; round < 3; round++)
		for (i = 1; i <= 3; i++) {
			wait_down(i);
			guest_wake_ap(i);
		}
	for (i = 1; i <= 3; i++)
		GUEST_ASSERT_EQ(REAL_COUNT[i], 1);
}

void jump_table_on_top(void)
{
	struct vm_options options = with_page(4);

	if (!device_has_init2(device_open()))
		test_skip("the firmware holds by GHCB version 2");
	options.ghcb_version = 2;
	run_guest(table_guest, &options);
}
