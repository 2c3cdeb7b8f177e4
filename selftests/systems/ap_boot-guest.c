// SPDX-License-Identifier: GPL-2.0-only
/*
 * ap_boot-guest.c - the firmware and the OSes of ap_boot, as the BSP and as
 * each AP runs them.
 *
 * The firmware does what OVMF does: APs are held in 64-bit mode between its
 * calls, go back to real mode when they are woken, and are parked for good at
 * ExitBootServices, to leave through the jump table. An OS does what Linux does,
 * and leaves its APs to the next one by a jump table of its own. Only the jump
 * table's address and content connect them.
 */
#include <linux/kvm.h>
#include <string.h>

#include "ap_boot.h"
#include "sevm.h"

#define HOLD_EVENT		0x80000004
#define JUMP_TABLE_EVENT	0x80000005
#define GS_BASE			0xc0000101

struct trampoline {
	u16 gdt_limit;
	u64 gdt_base;
	u8 pad[6];
	u32 protected_ip;
	u16 protected_cs, pad2;
	u32 long_ip;
	u16 long_cs, pad3;
	u64 cr3, stack, stack_size, function;
	u64 gdt[6];
} __attribute__((packed));

struct parking {
	u16 gdt_limit;
	u64 gdt_base;
	u8 pad[6];
	u16 idt_limit;
	u64 idt_base;
	u8 pad2[6];
	u32 real_ip;
	u16 real_cs, pad3;
	u64 gdt[6];
} __attribute__((packed));

_Static_assert(offsetof(struct trampoline, cr3) == TRAMPOLINE_CR3, "ap_boot.S");
_Static_assert(sizeof(struct trampoline) <= TRAMPOLINE_ENTRY, "ap_boot.S");
_Static_assert(offsetof(struct parking, real_ip) == PARKING_REAL, "ap_boot.S");
_Static_assert(sizeof(struct parking) <= PARKING_ENTRY, "ap_boot.S");

/* What the BSP passes to the APs. In private memory, as all that matters. */
static struct {
	volatile enum { WORK, HOLD, PARK } what;
	volatile u64 table;		/* to leave through */
	volatile u64 next;		/* ... when parked for good */
	volatile u64 parking;		/* the page whose code does it */
	volatile u32 from;		/* CS << 16 | entry that they must come by */
	volatile u64 round;		/* SIPIs so far; arrivals each AP must have */
	volatile u64 released;		/* ... of which the BSP is done sending them */
} orders;

/* Set before an AP holds: a hold by this form must have ended well when it arrives. */
static volatile u64 left_by[GUEST_MAX_VCPUS];

/*
 * The BSP knows that an AP is about to hold, not that it is held. With nobody
 * else watching, some APs come too late on purpose: after the next SIPI. (KVM
 * loses that one.)
 */
static void announce_hold(unsigned long cpu)
{
	u64 round = orders.round, i;

	WORLD->holds[cpu]++;
	if (!WORLD->unwatched || WORLD->kvm || !(cpu & 1))
		return;
	while (orders.round == round)
		cpu_relax();
	for (i = 0; i < 50000; i++)
		cpu_relax();
}

static u64 hold_once(void)
{
	return WORLD->msr ? guest_hold_msr() : guest_hold_nae();
}

static void hold(unsigned long cpu)
{
	announce_hold(cpu);
	while (!hold_once())
		WORLD->spurious[cpu]++;
}

static void __attribute__((noreturn)) leave(unsigned long cpu, u64 table, u32 how)
{
	u64 page = orders.parking;
	void (*parking)(u64 page, u64 table, u32 how, u64 stack) =
		(void *)(page + PARKING_ENTRY);

	cli();
	left_by[cpu] = how;
	if (how != LEAVE_NOW)
		announce_hold(cpu);
	if (how == LEAVE_NAE) {
		ghcb_register();
		ghcb_begin(guest_ghcb(), HOLD_EVENT, 0, 0);
	}
	parking(page, table, how, page + 0x1000 + (cpu + 1) * PARKING_STACK_SIZE);
	__builtin_unreachable();
}

/*
 * An AP in 64-bit mode again: from the trampoline, before it has anything. The
 * GHCB still holds the answer to what it left with.
 */
void ap_arrive(u64 cpu, u32 from, u32 spurious);
void ap_arrive(u64 cpu, u32 from, u32 spurious)
{
	union ghcb_page *g = (union ghcb_page *)GUEST_GHCB(cpu);
	bool bad_answer = left_by[cpu] == LEAVE_NAE &&
			  ((u32)g->q[GHCB_INFO1] || g->q[GHCB_INFO2] != 1);

	wrmsr(GS_BASE, (u64)&guest_cpus[cpu]);
	guest_cpus[cpu] = (struct guest_cpu){ .self = &guest_cpus[cpu], .index = cpu };
	GUEST_ASSERT(!bad_answer);
	GUEST_ASSERT_EQ(from, orders.from);
	left_by[cpu] = LEAVE_NOW;
	WORLD->spurious[cpu] += spurious;
}

/* The AP is up: what an OS looks at first. */
static void check_cpu(unsigned long cpu)
{
	u32 r[4];
	u64 cr3, rsp;

	asm volatile("mov %%cr3, %0; mov %%rsp, %1" : "=r"(cr3), "=r"(rsp));
	GUEST_ASSERT_EQ(cr3, GUEST_PML4 | guest_cbit);
	GUEST_ASSERT(rsp < GUEST_STACK_TOP(cpu) && rsp > GUEST_STACK_TOP(cpu) - GUEST_STACK_SIZE);
	GUEST_ASSERT_EQ(rdmsr(SEV_STATUS_MSR) & 3, 3);
	x2apic_enable();
	GUEST_ASSERT_EQ(x2apic_read(APIC_ID), cpu);
	cpuid(0x8000001f, 0, r);
	GUEST_ASSERT(r[0] & 8);
	GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), GUEST_GHCB(cpu));
}

static void arrived(unsigned long cpu)
{
	WORLD->arrivals[cpu]++;
}

static u64 park_form(void)
{
	return WORLD->msr ? LEAVE_MSR : LEAVE_NAE;
}

/*
 * Where any SIPI ends a hold, an AP that is parked for good must let the second
 * of INIT-SIPI-SIPI pass first.
 */
static void wait_release(unsigned long cpu)
{
	while (WORLD->kvm && orders.released < WORLD->arrivals[cpu])
		cpu_relax();
}

static void firmware_ap(unsigned long cpu)
{
	check_cpu(cpu);
	arrived(cpu);
	if (orders.what == PARK) {
		wait_release(cpu);
		leave(cpu, orders.next, park_form());
	}
	hold(cpu);
	leave(cpu, WORK_PAGE, LEAVE_NOW);
}

static void os_ap(unsigned long cpu)
{
	check_cpu(cpu);
	arrived(cpu);
	wait_release(cpu);
	sti();
	for (;;) {
		switch (orders.what) {
		case WORK:
			WORLD->work[cpu]++;
			cpu_relax();
			break;
		case HOLD:
			hold(cpu);
			leave(cpu, orders.table, LEAVE_NOW);
		case PARK:
			leave(cpu, orders.next, park_form());
		}
	}
}

/* ---- The BSP ---- */

static const u64 gdt[6] = {
	[AP_CODE64 / 8] = 0x00af9b000000ffffULL,
	[AP_DATA / 8] = 0x00cf93000000ffffULL,
	[AP_CODE32 / 8] = 0x00cf9b000000ffffULL,
	[AP_CODE16 / 8] = 0x00009b000000ffffULL,
	[AP_DATA16 / 8] = 0x000093000000ffffULL,
};

static void install_trampoline(u64 page, void (*function)(unsigned long cpu))
{
	struct trampoline *t = (void *)page;

	memset(t, 0, 0x1000);
	memcpy(t, ap_trampoline, ap_trampoline_end - ap_trampoline);
	*(u16 *)(page + TRAMPOLINE_SEGMENT) = page >> 4;
	memcpy(t->gdt, gdt, sizeof(gdt));
	t->gdt_limit = sizeof(gdt) - 1;
	t->gdt_base = (u64)t->gdt;
	t->protected_ip = page + TRAMPOLINE_CODE32;
	t->protected_cs = AP_CODE32;
	t->long_ip = page + TRAMPOLINE_CODE64;
	t->long_cs = AP_CODE64;
	t->cr3 = GUEST_PML4 | guest_cbit;
	t->stack = GUEST_STACK_TOP(0);
	t->stack_size = GUEST_STACK_SIZE;
	t->function = (u64)function;
}

static void install_parking(u64 page)
{
	struct parking *p = (void *)page;

	memset(p, 0, 0x2000);
	memcpy(p, ap_parking, ap_parking_end - ap_parking);
	memcpy(p->gdt, gdt, sizeof(gdt));
	p->gdt[AP_CODE16 / 8] |= page << 16;
	p->gdt_limit = sizeof(gdt) - 1;
	p->gdt_base = (u64)p->gdt;
	p->real_ip = PARKING_CODE16;
	p->real_cs = AP_CODE16;
	orders.parking = page;
}

/* A table that nobody has filled: it leads to the guest's end. */
static void clear_table(u64 table)
{
	*(volatile u16 *)table = WORK_UNSET;
	*(volatile u16 *)(table + 2) = WORK_PAGE >> 4;
}

/*
 * Fill a table. Each round another pair of IP and CS, so that an AP that comes
 * by an old one, or by the vector of the SIPI, is found out.
 */
static void fill_table(u64 table, u64 page)
{
	u64 entry = orders.round & 1, back = orders.round % 7;
	u16 cs = (page >> 4) - back;

	*(volatile u16 *)table = TRAMPOLINE_ENTRY + entry * TRAMPOLINE_ENTRY_SIZE + back * 16;
	*(volatile u16 *)(table + 2) = cs;
	orders.from = (u32)cs << 16 | entry;
}

void ap_step(u64 step)
{
	if (!WORLD->unwatched)
		guest_sync(step);
}

u64 ap_held(void)
{
	return STEP(KVM_MP_STATE_AP_RESET_HOLD,
		    WORLD->msr ? SEVM_AP_HOLD_MSR : SEVM_AP_HOLD_NAE);
}

void ap_icr(u32 low)
{
	u64 i;

	low |= ICR_LEVEL_ASSERT;
	if (WORLD->broadcast)
		x2apic_icr(0, ICR_OTHERS | low);
	else
		for (i = 1; i <= WORLD->aps; i++)
			x2apic_icr(i, low);
}

void ap_check_arrivals(void)
{
	u64 i;

	for (i = 1; i <= WORLD->aps; i++)
		GUEST_ASSERT_EQ(WORLD->arrivals[i], orders.round);
}

static bool all_arrived(void)
{
	u64 i;

	for (i = 1; i <= WORLD->aps; i++)
		if (WORLD->arrivals[i] < orders.round)
			return false;
	return true;
}

/*
 * Where a SIPI may be lost, who did not come is called again, after a time that
 * is ample: a call to who was only slow may cost it its next hold.
 */
static void call_again(void)
{
	u64 i;

	for (i = 1; i <= WORLD->aps; i++) {
		if (WORLD->arrivals[i] >= orders.round)
			continue;
		WORLD->retries++;
		guest_wake_ap(i);
	}
}

void ap_await(void)
{
	u64 spins = 0;

	while (!all_arrived()) {
		cpu_relax();
		if (WORLD->kvm && WORLD->unwatched && ++spins % 2000000 == 0)
			call_again();
	}
	orders.released = orders.round;
}

static void wake(void)
{
	u64 i;

	/* As OVMF does, and hopes that they are held then. */
	if (WORLD->kvm && WORLD->unwatched)
		for (i = 0; i < 200000; i++)
			cpu_relax();
	orders.round++;
	if (WORLD->broadcast) {
		ap_icr(ICR_INIT);
		ap_icr(ICR_STARTUP | 0x9f);
		ap_icr(ICR_STARTUP | 0x9f);
	} else {
		for (i = 1; i <= WORLD->aps; i++)
			guest_wake_ap(i);
	}
	ap_await();
}

/* All that a guest can know of its APs' holds: that they were about to. */
void ap_wait_holds(void)
{
	static u64 holds;
	u64 i;

	holds++;
	for (i = 1; i <= WORLD->aps; i++)
		while (WORLD->holds[i] < holds)
			cpu_relax();
	ap_step(ap_held());
	ap_check_arrivals();
}

/* One SIPI more that must bring all APs; who calls sends it. */
void ap_expect(void)
{
	orders.round++;
}

u64 ap_jump_table_get(void)
{
	GUEST_ASSERT_EQ(ghcb_call(JUMP_TABLE_EVENT, 1, 0), 0);
	return guest_ghcb()->q[GHCB_INFO2];
}

void ap_jump_table_set(u64 gpa)
{
	GUEST_ASSERT_EQ(ghcb_call(JUMP_TABLE_EVENT, 0, gpa), 0);
}

void ap_firmware_init(void)
{
	x2apic_enable();
	install_trampoline(TRAMPOLINE(0), firmware_ap);
	install_parking(PARKING(0));
	orders.what = HOLD;
	fill_table(WORK_PAGE, TRAMPOLINE(0));
}

/* Another VM's firmware has parked the APs; this one's takes it from the host. */
void ap_firmware_resumed(u64 table)
{
	ap_firmware_init();
	clear_table(WORK_PAGE);
	orders.what = PARK;
	orders.next = table;
}

/* Each call of a service that needs the APs wakes them once. */
void ap_firmware_boots(void)
{
	u64 boot;

	for (boot = 0; boot < WORLD->boots; boot++) {
		fill_table(WORK_PAGE, TRAMPOLINE(0));
		wake();
		ap_wait_holds();
	}
}

void ap_exit_boot_services(void)
{
	orders.what = PARK;
	orders.next = WORLD->low_table ? WORK_PAGE : TABLE(0);
	if (!WORLD->no_set)
		ap_jump_table_set(orders.next);
	clear_table(orders.next);
	fill_table(WORK_PAGE, TRAMPOLINE(0));
	wake();
	if (WORLD->low_table)
		clear_table(WORK_PAGE);
	ap_wait_holds();
}

void ap_all_work(void)
{
	u64 seen[GUEST_MAX_VCPUS], i;

	if (WORLD->idle)
		return;
	for (i = 1; i <= WORLD->aps; i++)
		seen[i] = WORLD->work[i];
	ap_step(STEP(KVM_MP_STATE_RUNNABLE, 0));
	for (i = 1; i <= WORLD->aps; i++)
		while (WORLD->work[i] <= seen[i])
			cpu_relax();
	ap_check_arrivals();
}

static void prepare(u64 table, u64 page)
{
	install_trampoline(page, os_ap);
	orders.table = table;
	orders.what = WORLD->idle ? HOLD : WORK;
	fill_table(table, page);
}

/* All is ready for the APs to come, from wherever they are held, through this table. */
void ap_os_prepare(u64 table)
{
	static u64 generation;

	/* What the one before has left is nobody's any more, but for where the APs are. */
	memset((void *)TRAMPOLINE(1), 0xf4, 0x2000);
	install_parking(PARKING(1 + generation++ % 2));
	prepare(table, TRAMPOLINE(1));
}

/* CPUs go offline: held by the OS, in 64-bit mode, interrupts on. */
void ap_os_hold(void)
{
	orders.what = HOLD;
	ap_wait_holds();
}

/* For who comes next: the APs will wait at a table of their own. */
static void offer_table(u64 table)
{
	clear_table(table);
	ap_jump_table_set(table);
	orders.next = table;
}

void ap_os(void)
{
	u64 generation, table;

	for (generation = 0; generation < WORLD->generations; generation++) {
		table = ap_jump_table_get();
		GUEST_ASSERT_EQ(table, orders.next);
		ap_os_prepare(table);
		wake();
		ap_all_work();
		ap_os_hold();

		/* Online again, and then kexec */
		prepare(table, TRAMPOLINE(2));
		offer_table(TABLE(1 + generation));
		if (WORLD->idle)
			orders.what = PARK;
		wake();
		ap_all_work();
		orders.what = PARK;
		ap_wait_holds();
		clear_table(table);
	}
}
