// SPDX-License-Identifier: GPL-2.0-only
/*
 * ipi.c - interrupts of a SEV-ES guest's local APIC: IPIs of every kind, EOI, the
 * timer, halting; in x2APIC mode by MSR and in xAPIC mode by MMIO.
 */
#include <errno.h>

#include "guest.h"
#include "vm.h"

#define VECTOR		0x51
#define VECTOR_LOW	0x41

struct shared {
	volatile u64 count[8];		/* interrupts per vCPU */
	volatile u64 nmis[8];
	volatile u64 up[8];
	volatile u64 order[8];
	volatile u64 stop;
};

#define SHARED	((struct shared *)GUEST_SHARED_DATA)

static bool on_vector(struct guest_regs *regs)
{
	SHARED->count[guest_cpu()->index]++;
	x2apic_write(APIC_EOI, 0);
	return true;
}

static bool on_nmi(struct guest_regs *regs)
{
	SHARED->nmis[guest_cpu()->index]++;
	/* The host sees no IRET: NMI complete says so. */
	GUEST_ASSERT_EQ(ghcb_call(0x80000003, 0, 0), 0);
	return true;
}

static void setup(unsigned long cpu)
{
	guest_set_handler(VECTOR, on_vector);
	guest_set_handler(VECTOR_LOW, on_vector);
	guest_set_handler(2, on_nmi);
	x2apic_enable();
	SHARED->up[cpu] = 1;
}

/* APs halt with interrupts on until the BSP sets stop. */
static void target(unsigned long cpu)
{
	setup(cpu);
	while (!SHARED->stop)
		sti_hlt_cli();
	for (;;)
		guest_hold_nae();
}

static void start_targets(unsigned int n)
{
	unsigned int i;

	setup(0);
	for (i = 1; i < n; i++) {
		guest_wake_ap(i);
		while (!SHARED->up[i])
			cpu_relax();
	}
}

static void wait_count(unsigned int cpu, u64 n)
{
	while (SHARED->count[cpu] < n)
		cpu_relax();
	GUEST_ASSERT_EQ(SHARED->count[cpu], n);
}

static void fixed_guest(unsigned long cpu)
{
	u64 i;

	if (cpu)
		target(cpu);
	start_targets(4);
	for (i = 1; i <= 300; i++) {
		unsigned int to = 1 + i % 3;

		x2apic_icr(to, VECTOR);
		wait_count(to, (i + 2) / 3);
	}
}

static void ipis_to_halted_vcpus(void)
{
	run_guest(fixed_guest, &(struct vm_options){ .vcpus = 4 });
}

static void split_irqchip(void)
{
	run_guest(fixed_guest, &(struct vm_options){ .vcpus = 4, .irqchip = IRQCHIP_SPLIT });
}

static void shorthand_guest(unsigned long cpu)
{
	unsigned int i;

	if (cpu)
		target(cpu);
	start_targets(4);
	x2apic_icr(0, ICR_OTHERS | VECTOR);
	for (i = 1; i < 4; i++)
		wait_count(i, 1);
	GUEST_ASSERT_EQ(SHARED->count[0], 0);
	x2apic_icr(0, ICR_ALL | VECTOR);
	for (i = 1; i < 4; i++)
		wait_count(i, 2);
	sti();
	wait_count(0, 1);
	x2apic_icr(0, ICR_SELF | VECTOR);
	wait_count(0, 2);
	x2apic_write(APIC_SELF_IPI, VECTOR);
	wait_count(0, 3);
	cli();
	/* Broadcast and logical destinations */
	x2apic_icr(0xffffffff, VECTOR);
	for (i = 1; i < 4; i++)
		wait_count(i, 3);
	sti();
	wait_count(0, 4);
	cli();
	x2apic_icr(1 << 1 | 1 << 3, 0x800 | VECTOR);	/* cluster 0, logical 1 and 3 */
	wait_count(1, 4);
	wait_count(3, 4);
	GUEST_ASSERT_EQ(SHARED->count[2], 3);
}

static void shorthands_and_destinations(void)
{
	run_guest(shorthand_guest, &(struct vm_options){ .vcpus = 4 });
}

static void nmi_guest(unsigned long cpu)
{
	u64 i;

	if (cpu)
		target(cpu);
	start_targets(2);
	for (i = 1; i <= 20; i++) {
		x2apic_icr(1, ICR_NMI);
		while (SHARED->nmis[1] < i)
			cpu_relax();
		GUEST_ASSERT_EQ(SHARED->nmis[1], i);
	}
}

static void nmis(void)
{
	run_guest(nmi_guest, &(struct vm_options){ .vcpus = 2 });
}

/* Two at once: the higher priority first; TPR holds both back. */
static bool on_ordered(struct guest_regs *regs)
{
	SHARED->order[SHARED->count[0]++] = regs->vector;
	x2apic_write(APIC_EOI, 0);
	return true;
}

static void priority_guest(unsigned long cpu)
{
	setup(cpu);
	guest_set_handler(VECTOR, on_ordered);
	guest_set_handler(VECTOR_LOW, on_ordered);
	x2apic_icr(0, VECTOR_LOW);
	x2apic_icr(0, VECTOR);
	sti();
	wait_count(0, 2);
	GUEST_ASSERT_EQ(SHARED->order[0], VECTOR);
	GUEST_ASSERT_EQ(SHARED->order[1], VECTOR_LOW);
	asm volatile("mov %0, %%cr8" :: "r"(4ULL));	/* 0x41 is not above class 4 */
	x2apic_icr(0, VECTOR_LOW);
	x2apic_icr(0, VECTOR);
	wait_count(0, 3);
	GUEST_ASSERT_EQ(SHARED->order[2], VECTOR);
	(void)inb(0x5e1);		/* an exit: nothing more comes */
	GUEST_ASSERT_EQ(SHARED->count[0], 3);
	asm volatile("mov %0, %%cr8" :: "r"(0ULL));
	wait_count(0, 4);
	GUEST_ASSERT_EQ(SHARED->order[3], VECTOR_LOW);
	cli();
}

static void ignore(struct vcpu *vcpu)
{
	ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
}

static void priorities_and_tpr(void)
{
	struct vm *vm = vm_create(priority_guest, NULL);

	vm->vcpu[0].on_exit = ignore;
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

static void timer_guest(unsigned long cpu)
{
	u64 n, start;

	setup(cpu);
	/* TSC deadline */
	x2apic_write(APIC_LVTT, 2 << 17 | VECTOR);
	for (n = 1; n <= 5; n++) {
		start = rdtsc();
		wrmsr(0x6e0, start + 1000000);
		while (SHARED->count[0] < n)
			sti_hlt_cli();
		GUEST_ASSERT(rdtsc() >= start + 1000000);
		GUEST_ASSERT_EQ(rdmsr(0x6e0), 0);
	}
	/* One shot, periodic */
	x2apic_write(APIC_TDCR, 0xb);
	x2apic_write(APIC_LVTT, VECTOR);
	x2apic_write(APIC_TMICT, 1000000);
	while (SHARED->count[0] < 6)
		sti_hlt_cli();
	x2apic_write(APIC_LVTT, 1 << 17 | VECTOR);
	x2apic_write(APIC_TMICT, 1000000);
	while (SHARED->count[0] < 9)
		sti_hlt_cli();
	x2apic_write(APIC_TMICT, 0);
	/* Masked: does not come. */
	n = SHARED->count[0];
	x2apic_write(APIC_LVTT, 1 << 16 | VECTOR);
	x2apic_write(APIC_TMICT, 100000);
	for (start = rdtsc(); rdtsc() < start + 3000000;)
		cpu_relax();
	sti();
	(void)x2apic_read(APIC_ID);
	cli();
	GUEST_ASSERT_EQ(SHARED->count[0], n);
}

static void timers(void)
{
	run_guest(timer_guest, NULL);
}

/* The xAPIC's page is MMIO: every access is a #VC and two GHCB events. */
#define XAPIC(reg)	(*(volatile u32 *)(0xfee00000UL + (reg)))

static bool on_xapic(struct guest_regs *regs)
{
	SHARED->count[guest_cpu()->index]++;
	XAPIC(APIC_EOI) = 0;
	return true;
}

static void xapic_guest(unsigned long cpu)
{
	guest_set_handler(VECTOR, on_xapic);
	XAPIC(APIC_SVR) = 0x1ff;
	GUEST_ASSERT_EQ(guest_cpu()->last_vc, 0x400);
	GUEST_ASSERT_EQ(XAPIC(APIC_ID) >> 24, cpu);
	SHARED->up[cpu] = 1;
	if (cpu) {
		while (!SHARED->stop)
			sti_hlt_cli();
		for (;;)
			guest_hold_nae();
	}
	GUEST_ASSERT_EQ(XAPIC(0x30) & 0xff, 0x14);
	XAPIC(0x310) = 1 << 24;
	XAPIC(APIC_ICR) = ICR_INIT | ICR_LEVEL_ASSERT;
	XAPIC(APIC_ICR) = ICR_STARTUP | ICR_LEVEL_ASSERT | 0x10;
	while (!SHARED->up[1])
		cpu_relax();
	XAPIC(APIC_ICR) = VECTOR;
	wait_count(1, 1);
	XAPIC(APIC_ICR) = ICR_SELF | VECTOR;
	sti();
	wait_count(0, 1);
	cli();
}

static void xapic_by_mmio(void)
{
	run_guest(xapic_guest, &(struct vm_options){ .vcpus = 2 });
}

/* Ping-pong between two vCPUs that both halt. */
static void pong_guest(unsigned long cpu)
{
	u64 i, other = !cpu;

	if (cpu) {
		setup(cpu);
	} else {
		start_targets(2);
		x2apic_icr(1, VECTOR);
	}
	for (i = 1; i <= 200; i++) {
		while (SHARED->count[cpu] < i)
			sti_hlt_cli();
		GUEST_ASSERT_EQ(SHARED->count[cpu], i);
		x2apic_icr(other, VECTOR);
	}
	if (cpu)
		for (;;)
			guest_hold_nae();
}

static void ping_pong(void)
{
	run_guest(pong_guest, &(struct vm_options){ .vcpus = 2 });
}

TESTS = {
	CASE(ipis_to_halted_vcpus),
	CASE(split_irqchip),
	CASE(shorthands_and_destinations),
	CASE(nmis),
	CASE(priorities_and_tpr),
	CASE(timers),
	CASE(xapic_by_mmio),
	CASE(ping_pong),
	TESTS_END
};
