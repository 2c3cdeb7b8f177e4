// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory.c - private memory is private: the host reads ciphertext, another VM too,
 * and what the host writes there the guest does not take for its own.
 */
#include <errno.h>
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

TESTS = {
	CASE(host_cannot_read_private_memory),
	CASE(launched_memory_is_private),
	CASE(no_store_is_lost),
	CASE(debug_commands),
	CASE(debug_needs_the_policy),
	TESTS_END
};
