// SPDX-License-Identifier: GPL-2.0-only
/*
 * jump_table.c - the AP jump table: set and read by the guest, read and set by
 * the VMM.
 */
#include <errno.h>

#include "guest.h"
#include "sevm.h"
#include "vm.h"

#define EVENT	0x80000005
#define SET	0
#define GET	1

static u64 get(void)
{
	union ghcb_page *g = guest_ghcb();

	GUEST_ASSERT_EQ(ghcb_call(EVENT, GET, 0), 0);
	/* Linux takes the table for missing unless both are valid. */
	GUEST_ASSERT(ghcb_valid(g, GHCB_INFO1));
	GUEST_ASSERT(ghcb_valid(g, GHCB_INFO2));
	return g->q[GHCB_INFO2];
}

static void set_and_get_guest(unsigned long cpu)
{
	GUEST_ASSERT_EQ(get(), 0);
	GUEST_ASSERT_EQ(ghcb_call(EVENT, SET, GUEST_PRIVATE_DATA), 0);
	GUEST_ASSERT_EQ(get(), GUEST_PRIVATE_DATA);
	GUEST_ASSERT_EQ(ghcb_call(EVENT, SET, GUEST_PRIVATE_DATA + 0x1000), 0);
	GUEST_ASSERT_EQ(get(), GUEST_PRIVATE_DATA + 0x1000);
}

static void guest_sets_and_gets(void)
{
	run_guest(set_and_get_guest, NULL);
}

static void unknown_guest(unsigned long cpu)
{
	u64 how;

	for (how = 2; how < 5; how++) {
		GUEST_ASSERT_EQ(ghcb_call(EVENT, how, GUEST_PRIVATE_DATA), 2);
		GUEST_ASSERT_EQ(guest_ghcb()->q[GHCB_INFO2], 5);
	}
	GUEST_ASSERT_EQ(ghcb_call(EVENT, ~0ULL, GUEST_PRIVATE_DATA), 2);
	GUEST_ASSERT_EQ(get(), 0);
}

static void unknown_request_is_refused(void)
{
	run_guest(unknown_guest, NULL);
}

static void bad_guest(unsigned long cpu)
{
	static const u64 bad[] = {
		1, GUEST_PRIVATE_DATA + 0x10, GUEST_MEMORY, GUEST_MMIO, ~0xfffULL,
		1ULL << 51,
	};
	unsigned int i;

	GUEST_ASSERT_EQ(ghcb_call(EVENT, SET, GUEST_PRIVATE_DATA), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		GUEST_ASSERT_EQ(ghcb_call(EVENT, SET, bad[i]), 2);
		GUEST_ASSERT_EQ(guest_ghcb()->q[GHCB_INFO2], 5);
		GUEST_ASSERT_EQ(get(), GUEST_PRIVATE_DATA);
	}
}

static void bad_address_is_refused(void)
{
	run_guest(bad_guest, NULL);
}

static void stages_guest(unsigned long cpu)
{
	guest_sync(0);
	GUEST_ASSERT_EQ(get(), GUEST_PRIVATE_DATA);	/* the VMM's */
	GUEST_ASSERT_EQ(ghcb_call(EVENT, SET, GUEST_PRIVATE_DATA + 0x2000), 0);
	guest_sync(1);
}

static void vmm_gets_and_sets(void)
{
	struct vm *vm = vm_create(stages_guest, NULL);
	u64 gpa = 1;

	if (!ioctl(vm->dev, KVM_CHECK_EXTENSION, SEVM_CAP_AP_JUMP_TABLE))
		test_skip("no SEVM_CAP_AP_JUMP_TABLE");
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	ASSERT_OK(ioctl(vm->fd, SEVM_GET_AP_JUMP_TABLE, &gpa));
	ASSERT_EQ(gpa, 0);
	gpa = GUEST_PRIVATE_DATA + 8;
	ASSERT_ERRNO(ioctl(vm->fd, SEVM_SET_AP_JUMP_TABLE, &gpa), EINVAL);
	gpa = GUEST_MMIO;
	ASSERT_ERRNO(ioctl(vm->fd, SEVM_SET_AP_JUMP_TABLE, &gpa), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, SEVM_SET_AP_JUMP_TABLE, NULL), EFAULT);
	ASSERT_ERRNO(ioctl(vm->fd, SEVM_GET_AP_JUMP_TABLE, NULL), EFAULT);
	gpa = GUEST_PRIVATE_DATA;
	ASSERT_OK(ioctl(vm->fd, SEVM_SET_AP_JUMP_TABLE, &gpa));
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	ASSERT_OK(ioctl(vm->fd, SEVM_GET_AP_JUMP_TABLE, &gpa));
	ASSERT_EQ(gpa, GUEST_PRIVATE_DATA + 0x2000);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	gpa = 0;
	ASSERT_OK(ioctl(vm->fd, SEVM_SET_AP_JUMP_TABLE, &gpa));
	ASSERT_OK(ioctl(vm->fd, SEVM_GET_AP_JUMP_TABLE, &gpa));
	ASSERT_EQ(gpa, 0);
	vm_free(vm);
}

static void lost_guest(unsigned long cpu)
{
	GUEST_ASSERT_EQ(ghcb_call(EVENT, SET, GUEST_MMIO), 0);
	guest_sync(1);		/* the slot goes */
	GUEST_ASSERT_EQ(get(), 0);
	guest_sync(2);		/* and is back */
	GUEST_ASSERT_EQ(get(), GUEST_MMIO);
}

static void no_slot_no_table(void)
{
	struct vm *vm = vm_create(lost_guest, NULL);
	void *memory = vm_memory(0x1000);
	unsigned int slot = vm->slots;

	vm_add_slot(vm, GUEST_MMIO, 0x1000, memory, 0);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	vm_delete_slot(vm, slot);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	vm_add_slot(vm, GUEST_MMIO, 0x1000, memory, 0);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

static void plain_vm_has_none(void)
{
	struct vm *vm = vm_create(stages_guest, &(struct vm_options){ .plain = true });
	u64 gpa = 0;

	ASSERT_ERRNO(ioctl(vm->fd, SEVM_GET_AP_JUMP_TABLE, &gpa), ENOTTY);
	ASSERT_ERRNO(ioctl(vm->fd, SEVM_SET_AP_JUMP_TABLE, &gpa), ENOTTY);
	vm_free(vm);
}

/* Two vCPUs set and get at once: always a value that somebody set, whole. */
static void race_guest(unsigned long cpu)
{
	u64 i;

	if (!cpu) {
		x2apic_enable();
		ghcb_call(EVENT, SET, GUEST_PRIVATE_DATA);
		guest_wake_ap(1);
	}
	for (i = 0; i < 300; i++) {
		u64 got;

		GUEST_ASSERT_EQ(ghcb_call(EVENT, SET, GUEST_PRIVATE_DATA + cpu * 0x1000), 0);
		got = get();
		GUEST_ASSERT(got == GUEST_PRIVATE_DATA || got == GUEST_PRIVATE_DATA + 0x1000);
	}
	if (cpu)
		for (;;)
			guest_hold_nae();
}

static void two_vcpus_at_once(void)
{
	run_guest(race_guest, &(struct vm_options){ .vcpus = 2 });
}

TESTS = {
	CASE(guest_sets_and_gets),
	CASE(unknown_request_is_refused),
	CASE(bad_address_is_refused),
	CASE(vmm_gets_and_sets),
	CASE(no_slot_no_table),
	CASE(plain_vm_has_none),
	CASE(two_vcpus_at_once),
	TESTS_END
};
