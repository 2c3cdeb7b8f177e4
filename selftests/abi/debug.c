// SPDX-License-Identifier: GPL-2.0-only
/*
 * debug.c - debug registers, which a guest keeps whoever runs in between. Plain
 * guests.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>

#include "guest.h"
#include "vm.h"

#define DB_VECTOR	1
#define DR7_WRITE_4	0xd0402		/* DR0, global: writes, 4 bytes */

struct shared {
	volatile u32 word;		/* DR0 leads here */
	volatile u32 other;
	volatile u64 hits;
};

#define GUEST		((struct shared *)GUEST_SHARED_DATA)

static bool on_debug(struct guest_regs *regs)
{
	GUEST->hits++;
	return true;
}

static void watched(unsigned long cpu)
{
	u64 i;

	guest_set_handler(DB_VECTOR, on_debug);
	for (i = 1; i <= 3; i++) {
		GUEST->other = i;
		GUEST_ASSERT_EQ(GUEST->hits, i - 1);
		GUEST->word = i;
		GUEST_ASSERT_EQ(GUEST->hits, i);
		guest_sync(i);
	}
	asm volatile("mov %0, %%dr7" : : "r" (0x400UL));
	GUEST->word = i;
	GUEST_ASSERT_EQ(GUEST->hits, 3);
	guest_done();
}

/* Leaves its own addresses in the processor. */
static void intruder(unsigned long cpu)
{
	for (;;) {
		asm volatile("mov %0, %%dr0" : : "r" (&GUEST->other));
		guest_sync(1);
	}
}

static const struct vm_options plain = { .plain = true };

static void breakpoints_stay(void)
{
	struct vm *vm = vm_create(watched, &plain), *other = vm_create(intruder, &plain);
	struct kvm_debugregs regs = {
		.db = { (unsigned long)&GUEST->word }, .dr6 = 0xffff0ff0, .dr7 = DR7_WRITE_4,
	}, seen;
	cpu_set_t cpus;
	unsigned int i;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	ASSERT_OK(sched_setaffinity(0, sizeof(cpus), &cpus));
	ASSERT_OK(ioctl(vm->vcpu[0].fd, KVM_SET_DEBUGREGS, &regs));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(vcpu_run(&other->vcpu[0]), UCALL_SYNC);
		ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
		ASSERT_OK(ioctl(vm->vcpu[0].fd, KVM_GET_DEBUGREGS, &seen));
		ASSERT_EQ(seen.db[0], regs.db[0]);
		ASSERT_EQ(seen.dr7, DR7_WRITE_4);
	}
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(other);
	vm_free(vm);
}

TESTS = {
	CASE(breakpoints_stay),
	TESTS_END
};
