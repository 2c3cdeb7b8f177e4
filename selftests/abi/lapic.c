// SPDX-License-Identifier: GPL-2.0-only
/*
 * lapic.c - the local APIC, from inside and outside. Plain guests.
 */
#include "irq.h"

static void apic_rules_guest(unsigned long cpu)
{
	static const u32 faults_read[] = {
		0x801, 0x80b, 0x80e, 0x809, 0x82f, 0x831, 0x83f, 0x840, 0x8ff
	};
	static const u32 faults_write[] = {
		0x802, 0x803, 0x80a, 0x80d, 0x80e, 0x810, 0x831, 0x839, 0x8ff
	};
	unsigned int i;

	/* Not yet x2APIC: its MSRs are not there. */
	GUEST_ASSERT_EQ(guest_try((void)rdmsr(0x802)), 13);
	GUEST_ASSERT_EQ(rdmsr(0x1b), 0xfee00900);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x1b, 0xfee00500)), 13);	/* x2APIC, not enabled */
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x1b, 0xfee00b00)), 13);	/* bit 9 */
	wrmsr(0x1b, 0xfee00d00);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x1b, 0xfee00900)), 13);	/* back to xAPIC */
	GUEST_ASSERT_EQ(rdmsr(0x802), cpu);
	GUEST_ASSERT_EQ(rdmsr(0x803) & 0xff00ff, 0x50014);
	GUEST_ASSERT_EQ(rdmsr(0x80d), 1);
	for (i = 0; i < sizeof(faults_read) / 4; i++)
		GUEST_ASSERT_EQ(guest_try((void)rdmsr(faults_read[i])), 13);
	for (i = 0; i < sizeof(faults_write) / 4; i++)
		GUEST_ASSERT_EQ(guest_try(wrmsr(faults_write[i], 0)), 13);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x828, 1)), 13);	/* ESR: zero only */
	wrmsr(0x828, 0);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x80f, 1ULL << 32 | 0x1ff)), 13);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x83f, 0x100)), 13);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x830, 1 << 17)), 13);
	wrmsr(0x80f, 0x1ff);
	GUEST_ASSERT_EQ(rdmsr(0x80f), 0x1ff);
	wrmsr(0x808, 0x30);
	GUEST_ASSERT_EQ(rdmsr(0x808), 0x30);
	GUEST_ASSERT_EQ(rdmsr(0x80a), 0x30);
	wrmsr(0x808, 0);
	/* Off, and on again by way of xAPIC only. */
	wrmsr(0x1b, 0xfee00100);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x1b, 0xfee00d00)), 13);
	wrmsr(0x1b, 0xfee00900);
	wrmsr(0x1b, 0xfee00d00);
	GUEST_ASSERT_EQ(rdmsr(0x802), cpu);
	guest_done();
}

static void apic_rules(void)
{
	run_guest(apic_rules_guest, &split);
}

static void self_guest(unsigned long cpu)
{
	u64 n, start;

	guest_set_handler(VECTOR, on_vector);
	x2apic_enable();
	for (n = 1; n <= 200; n++) {
		if (n & 1)
			x2apic_write(APIC_SELF_IPI, VECTOR);
		else
			x2apic_icr(0, ICR_SELF | VECTOR);
		while (GUEST->count < n)
			sti_hlt_cli();
	}
	x2apic_write(APIC_LVTT, 2 << 17 | VECTOR);
	for (; n <= 210; n++) {
		start = rdtsc();
		wrmsr(0x6e0, start + 200000);
		while (GUEST->count < n)
			sti_hlt_cli();
		GUEST_ASSERT(rdtsc() >= start + 200000);
		GUEST_ASSERT_EQ(rdmsr(0x6e0), 0);
	}
	/* In the past: at once. So far ahead that nothing may overflow: not at all. */
	wrmsr(0x6e0, 1);
	while (GUEST->count < n)
		sti_hlt_cli();
	wrmsr(0x6e0, ~0ULL);
	GUEST_ASSERT_EQ(rdmsr(0x6e0), ~0ULL);
	/* Another mode takes the deadline back. */
	x2apic_write(APIC_LVTT, VECTOR);
	GUEST_ASSERT_EQ(rdmsr(0x6e0), 0);
	x2apic_write(APIC_TDCR, 0xb);
	x2apic_write(APIC_TMICT, 100000000);
	GUEST_ASSERT(x2apic_read(0x390) <= 100000000);
	GUEST_ASSERT(x2apic_read(0x390) > 0);
	x2apic_write(APIC_TMICT, 0);
	GUEST_ASSERT_EQ(x2apic_read(0x390), 0);
	x2apic_write(APIC_LVTT, 1 << 17 | VECTOR);
	x2apic_write(APIC_TMICT, 300000);
	for (n++; GUEST->count < n + 5;)
		sti_hlt_cli();
	x2apic_write(APIC_TMICT, 0);
	guest_done();
}

static void self_ipis_and_timers(void)
{
	run_guest(self_guest, &split);
}

static void pong_guest(unsigned long cpu)
{
	u64 i;

	guest_set_handler(VECTOR, on_vector);
	x2apic_enable();
	__atomic_fetch_add(&GUEST->up, 1, __ATOMIC_SEQ_CST);
	while (GUEST->up < 2)
		cpu_relax();
	for (i = 1; i <= 1000; i++) {
		if (!cpu)
			x2apic_icr(1, VECTOR);
		while (GUEST->cpu[cpu] < i)
			sti_hlt_cli();
		if (cpu)
			x2apic_icr(0, VECTOR);
	}
	if (!cpu)
		guest_done();
	for (;;)
		sti_hlt_cli();
}

/* Both sleep in HLT: each wake-up that is lost ends the test here. */
static void ping_pong(void)
{
	struct vm *vm = vm_create(pong_guest, &split2);

	vcpu_set_mp_state(&vm->vcpu[1], KVM_MP_STATE_RUNNABLE);
	vm_run(vm);
	vm_free(vm);
}

/* The deadline is no register of KVM_GET_LAPIC's, and outlives KVM_SET_LAPIC. */
static void deadline_guest(unsigned long cpu)
{
	guest_set_handler(VECTOR, on_vector);
	x2apic_enable();
	x2apic_write(APIC_LVTT, 2 << 17 | VECTOR);
	wrmsr(0x6e0, rdtsc() + 1000000000);
	guest_sync(1);
	GUEST_ASSERT(GUEST->count || rdmsr(0x6e0));
	while (!GUEST->count)
		sti_hlt_cli();
	guest_done();
}

static void deadline_stays(void)
{
	struct vm *vm = vm_create(deadline_guest, &split);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_lapic_state lapic;

	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	ASSERT_OK(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic));
	ASSERT_EQ(vcpu_run(vcpu), UCALL_DONE);
	ASSERT_EQ(HOST(vm)->count, 1);
	vm_free(vm);
}

static u64 read_cr8(void)
{
	u64 value;

	asm volatile("mov %%cr8, %0" : "=r"(value));
	return value;
}

static void tpr_guest(unsigned long cpu)
{
	x2apic_enable();
	wrmsr(0x808, 0x50);
	GUEST_ASSERT_EQ(read_cr8(), 5);
	asm volatile("mov %0, %%cr8" :: "r"(3ULL));
	guest_sync(0);
	GUEST_ASSERT_EQ(rdmsr(0x808), 0x30);
	GUEST_ASSERT_EQ(read_cr8(), 3);
	guest_sync(1);			/* the VMM sets TPR */
	GUEST_ASSERT_EQ(read_cr8(), 7);
	GUEST_ASSERT_EQ(rdmsr(0x808), 0x70);
	guest_done();
}

/* CR8 is the high half of TPR, whoever writes which of them. */
static void tpr_is_cr8(void)
{
	struct vm *vm = vm_create(tpr_guest, &split);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_lapic_state lapic;

	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	ASSERT_OK(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
	*(u32 *)&lapic.regs[0x80] = 0x70;
	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic));
	ASSERT_EQ(vcpu_run(vcpu), UCALL_DONE);
	vm_free(vm);
}

static void lapic_state(void)
{
	struct vm *vm = start_taker(&split);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_lapic_state lapic, again;

	HOST(vm)->stop = 1;
	signal_msi(vm, MSI_ADDRESS, OTHER_VECTOR);
	vcpu_join(vcpu);
	ASSERT_OK(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
	ASSERT_EQ(*(u32 *)&lapic.regs[APIC_SVR] & 0x100, 0x100);
	ASSERT_EQ(*(u32 *)&lapic.regs[APIC_ID], 0);
	ASSERT_EQ(*(u32 *)&lapic.regs[0xd0], 1);
	*(u32 *)&lapic.regs[0x200 + 0x20] = 1 << (VECTOR - 64);
	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic));
	ASSERT_OK(ioctl(vcpu->fd, KVM_GET_LAPIC, &again));
	ASSERT(!memcmp(&lapic, &again, sizeof(lapic)));
	vm_free(vm);

	vm = vm_create(taker, &none);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_GET_LAPIC, &lapic), EINVAL);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_LAPIC, &lapic), EINVAL);
	vm_free(vm);
}

TESTS = {
	CASE(apic_rules),
	CASE(self_ipis_and_timers),
	CASE(ping_pong),
	CASE(deadline_stays),
	CASE(tpr_is_cr8),
	CASE(lapic_state),
	TESTS_END
};
