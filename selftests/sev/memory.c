// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory.c - private memory is private: the host reads ciphertext, another VM too,
 * and what the host writes there the guest does not take for its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "guest.h"
#include "vm.h"

#define SECRET	0x5ec2e75ec2e75ec2ULL

static void secret_guest(unsigned long cpu)
{
	volatile u64 *private = (volatile u64 *)GUEST_PRIVATE_DATA;
	volatile u64 *shared = (volatile u64 *)GUEST_SHARED_DATA;
	unsigned int i;

	for (i = 0; i < 512; i++) {
		private[i] = SECRET;
		shared[i] = SECRET;
	}
	guest_sync(1);			/* the host looks */
	for (i = 0; i < 512; i++) {
		GUEST_ASSERT_EQ(private[i], SECRET);
		GUEST_ASSERT_EQ(shared[i], ~SECRET);
	}
	guest_sync(2);			/* the host overwrites */
	for (i = 0; i < 512; i++)
		GUEST_ASSERT(private[i] != SECRET && private[i] != 0x1111111111111111);
}

static void host_cannot_read_private_memory(void)
{
	struct vm *vm = vm_create(secret_guest, NULL);
	u64 *private = vm_shared(vm, GUEST_PRIVATE_DATA);
	u64 *shared = vm_shared(vm, GUEST_SHARED_DATA);
	u64 copy[512];
	unsigned int i, repeats = 0;

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	memcpy(copy, private, sizeof(copy));
	for (i = 0; i < 512; i++) {
		ASSERT(copy[i] != SECRET);
		ASSERT_EQ(shared[i], SECRET);
		repeats += i >= 2 && copy[i] == copy[i - 2];
		shared[i] = ~SECRET;
	}
	ASSERT_EQ(repeats, 0);		/* the address is part of the cipher */
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	for (i = 0; i < 512; i++)
		private[i] = 0x1111111111111111;
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

/* Nor are launched pages readable after the launch, nor is the program itself. */
static void launched_memory_is_private(void)
{
	struct vm *vm = vm_create(secret_guest, NULL);
	u8 *text = vm_shared(vm, (u64)guest_start);

	ASSERT(memcmp(text, (void *)guest_start, 64));
	vm_free(vm);
}

/* Two vCPUs store to one private page: no store is lost. */
static void stress_guest(unsigned long cpu)
{
	volatile u64 *p = (volatile u64 *)GUEST_PRIVATE_DATA;
	volatile u32 *done = (volatile u32 *)GUEST_SHARED_DATA;
	u64 i;

	if (!cpu) {
		p[8] = 0;
		x2apic_enable();
		guest_wake_ap(1);
	}
	p[cpu] = 0;
	for (i = 1; i <= 100000; i++) {
		p[cpu] = i;
		GUEST_ASSERT_EQ(p[cpu], i);
		asm volatile("lock incq %0" : "+m"(p[8]) :: "memory");
		if (!(i % 10000))
			(void)rdmsr(0x1b);
	}
	done[cpu] = 1;
	if (cpu)
		for (;;)
			guest_hold_nae();
	while (!done[1])
		cpu_relax();
	GUEST_ASSERT_EQ(p[8], 200000);
}

static void no_store_is_lost(void)
{
	run_guest(stress_guest, &(struct vm_options){ .vcpus = 2 });
}

/* Debug commands see through, where the policy lets them. */
static void debug_guest(unsigned long cpu)
{
	*(volatile u64 *)GUEST_PRIVATE_DATA = SECRET;
	guest_sync(1);
	GUEST_ASSERT_EQ(*(volatile u64 *)GUEST_PRIVATE_DATA, ~SECRET);
}

static void debug_commands(void)
{
	struct vm *vm = vm_create(debug_guest, &(struct vm_options){ .policy = 4 });
	u64 plain = 0;
	struct kvm_sev_dbg dbg = {
		.src_uaddr = (u64)vm_shared(vm, GUEST_PRIVATE_DATA),
		.dst_uaddr = (u64)&plain, .len = 8,
	};
	u32 error;

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	ASSERT_OK(sev_op(vm, KVM_SEV_DBG_DECRYPT, &dbg, &error));
	ASSERT_EQ(plain, SECRET);
	plain = ~SECRET;
	dbg.src_uaddr = (u64)&plain;
	dbg.dst_uaddr = (u64)vm_shared(vm, GUEST_PRIVATE_DATA);
	ASSERT_OK(sev_op(vm, KVM_SEV_DBG_ENCRYPT, &dbg, &error));
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

static void debug_needs_the_policy(void)
{
	struct vm *vm = vm_create(debug_guest, NULL);
	u64 plain = 0;
	struct kvm_sev_dbg dbg = {
		.src_uaddr = (u64)vm_shared(vm, GUEST_PRIVATE_DATA),
		.dst_uaddr = (u64)&plain, .len = 8,
	};
	u32 error = 0;

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_DBG_DECRYPT, &dbg, &error), EIO);
	ASSERT_EQ(error, 0x7);		/* SEV_RET_POLICY_FAILURE */
	ASSERT_EQ(plain, 0);
	vm_free(vm);
}

/*
 * All vCPUs of such a VM have one ASID, and the hardware's TLB goes by ASID: a
 * vCPU must not find what another one, or it itself long ago, left on a CPU.
 */
#define TLB_WINDOW	0x80000000UL		/* a hole, mapped anew by the guest */
#define TLB_PAGE(n)	(0x1400000UL + (n) * 0x200000UL)
#define PTE_ADDRESS	0x7fffffffff000UL	/* without the C-bit */

static u64 *page_directory(void)
{
	return (u64 *)(GUEST_PD + TLB_WINDOW / 0x40000000 * 0x1000);
}

static u64 private_leaf(u64 gpa)
{
	return ((u64 *)GUEST_PD)[GUEST_PRIVATE_DATA >> 21] - GUEST_PRIVATE_DATA + gpa;
}

static volatile u64 *window_to(unsigned int page)
{
	*(volatile u64 *)page_directory() = private_leaf(TLB_PAGE(page));
	asm volatile("invlpg (%0)" :: "r"(TLB_WINDOW) : "memory");
	return (volatile u64 *)TLB_WINDOW;
}

#define MOVES	20

static void moving_guest(unsigned long cpu)
{
	volatile u64 *window = window_to(0);
	unsigned int i;

	*(volatile u64 *)TLB_PAGE(0) = 0;
	*(volatile u64 *)TLB_PAGE(1) = 1;
	for (i = 0; i < MOVES; i++) {
		GUEST_ASSERT_EQ(*window, i & 1);
		guest_sync(i);			/* to the other CPU, which knows nothing of ... */
		window_to(~i & 1);
		GUEST_ASSERT_EQ(*window, ~i & 1);
		guest_sync(i);			/* and back */
	}
}

static void run_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		test_skip("needs two CPUs");
}

static void moved_vcpu_finds_no_old_translations(void)
{
	struct vm *vm = vm_create(moving_guest, NULL);
	unsigned int i;

	for (i = 0; i < 2 * MOVES; i++) {
		run_on(i & 1);
		ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	}
	run_on(0);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

#define TURNS	50

/* Page tables of its own, in which the window shows a page of its own. */
static void turns_guest(unsigned long cpu)
{
	u64 *tables = (u64 *)(GUEST_PRIVATE_DATA + cpu * 0x3000);
	u64 *pml4 = tables, *pdpt = tables + 512, *pd = tables + 1024, cr3;
	unsigned int i;

	memcpy(pml4, (void *)GUEST_PML4, 0x1000);
	memcpy(pdpt, (void *)GUEST_PDPT, 0x1000);
	memcpy(pd, page_directory(), 0x1000);
	pml4[0] = (pml4[0] & ~PTE_ADDRESS) | (u64)pdpt;
	pdpt[TLB_WINDOW >> 30] = (pdpt[TLB_WINDOW >> 30] & ~PTE_ADDRESS) | (u64)pd;
	pd[0] = private_leaf(TLB_PAGE(cpu));
	asm volatile("mov %%cr3, %0" : "=r"(cr3));
	asm volatile("mov %0, %%cr3" :: "r"((cr3 & ~PTE_ADDRESS) | (u64)pml4) : "memory");

	*(volatile u64 *)TLB_PAGE(cpu) = cpu;
	for (i = 0; i < TURNS; i++) {
		GUEST_ASSERT_EQ(*(volatile u64 *)TLB_WINDOW, cpu);
		guest_sync(i);
	}
}

static void vcpus_on_one_cpu_share_no_translations(void)
{
	struct vm *vm = vm_create(turns_guest, &(struct vm_options){ .vcpus = 2 });
	unsigned int i;

	vcpu_set_mp_state(&vm->vcpu[1], KVM_MP_STATE_RUNNABLE);
	run_on(0);
	for (i = 0; i < 2 * TURNS; i++)
		ASSERT_EQ(vcpu_run(&vm->vcpu[i & 1]), UCALL_SYNC);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(vcpu_run(&vm->vcpu[1]), UCALL_DONE);
	vm_free(vm);
}

/*
 * What was to be flushed by an entry that the processor refused is flushed by
 * the next. #BP cannot be injected into a SEV-ES guest.
 */
static void remapped_guest(unsigned long cpu)
{
	volatile u64 *shared = (volatile u64 *)GUEST_MMIO;

	GUEST_ASSERT_EQ(*shared, 1);
	guest_sync(1);
	GUEST_ASSERT_EQ(*shared, 2);
}

static void refused_entry_forgets_no_flush(void)
{
	struct vm *vm = vm_create(remapped_guest, NULL);
	struct kvm_vcpu_events events = { .exception = { .injected = 1, .nr = 3 } };
	u64 *old = vm_memory(0x1000), *new = vm_memory(0x1000);
	struct vcpu *vcpu = &vm->vcpu[0];
	unsigned int slot = vm->slots;

	run_on(0);
	*old = 1;
	*new = 2;
	vm_add_slot(vm, GUEST_MMIO, 0x1000, old, 0);
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	vm_delete_slot(vm, slot);
	vm_add_slot(vm, GUEST_MMIO, 0x1000, new, 0);
	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events));
	ASSERT_EQ(vcpu_run_to_exit(vcpu), KVM_EXIT_FAIL_ENTRY);
	ASSERT_EQ(vcpu_run(vcpu), UCALL_DONE);
	vm_free(vm);
}

TESTS = {
	CASE(host_cannot_read_private_memory),
	CASE(launched_memory_is_private),
	CASE(no_store_is_lost),
	CASE(moved_vcpu_finds_no_old_translations),
	CASE(vcpus_on_one_cpu_share_no_translations),
	CASE(refused_entry_forgets_no_flush),
	CASE(debug_commands),
	CASE(debug_needs_the_policy),
	TESTS_END
};
