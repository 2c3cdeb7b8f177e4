// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmio_fault-slots.c - slots that come and go over markers while vCPUs run there.
 *
 * Each vCPU counts up in a place of its own, and knows by its #VCs whether
 * that was memory or the device. The host says when it is sure what is there. In
 * the end what was counted in memory and what the device counted must be what
 * the vCPU did: no access is lost and none is made twice.
 */
#include <sched.h>
#include <string.h>

#include "guest.h"
#include "mmio_fault.h"
#include "vm.h"

#define HAMMER_VCPUS	3
#define HAMMER_RAM	0x5a5a5a5a5a5a5a5aUL	/* what a look finds */
#define HAMMER_DEVICE	0xd0d0d0d0d0d0d0d0UL

enum hammer_now { NOW_CHANGING, NOW_HOLE, NOW_RAM };

/* Both sides', in GUEST_SHARED_DATA */
struct hammer {
	volatile u64 stop;
	volatile u64 state;		/* round << 2 | enum hammer_now */
	volatile u64 fence[2];		/* memory just outside of the hole, or 0 */
	struct {
		volatile u64 cell;	/* GPA of a counter, and of a constant after it */
		volatile u64 hole;	/* never any RAM there */
		volatile u64 ram, mmio;	/* increments of it that went there */
	} vcpu[HAMMER_VCPUS];
};

/* --- guest ------------------------------------------------------------------- */

/* Where did it go? Memory raises no #VC. */
static bool went_to_device(u64 before)
{
	return guest_cpu()->vc_count != before;
}

/* Only what began and ended in the same state is sure to have seen that one. */
static void must_be(u64 before, u64 after, bool device)
{
	if (before == after && (before & 3) != NOW_CHANGING)
		GUEST_ASSERT_EQ(device, (before & 3) == NOW_HOLE);
}

static void hammer_guest(unsigned long cpu)
{
	struct hammer *h = (struct hammer *)GUEST_SHARED_DATA;
	volatile u64 *cell = (u64 *)h->vcpu[cpu].cell;
	bool hole = h->vcpu[cpu].hole;
	unsigned int i, side = 0;

	guest_set_handler(29, mmio_guest_vc);
	if (!cpu) {
		x2apic_enable();
		for (i = 1; i < HAMMER_VCPUS; i++)
			guest_wake_ap(i);
	}
	while (!h->stop) {
		u64 state = h->state, seen = guest_cpu()->vc_count, look;
		bool device;

		asm volatile("incq (%0)" :: "D"(cell) : "memory");
		device = went_to_device(seen);
		if (device)
			h->vcpu[cpu].mmio++;
		else
			h->vcpu[cpu].ram++;
		if (hole)
			GUEST_ASSERT(device);
		else
			must_be(state, h->state, device);

		state = h->state;
		seen = guest_cpu()->vc_count;
		look = cell[1];
		device = went_to_device(seen);
		GUEST_ASSERT_EQ(look, device ? HAMMER_DEVICE : HAMMER_RAM);
		if (!hole)
			must_be(state, h->state, device);

		seen = guest_cpu()->vc_count;
		side ^= 1;
		if (h->fence[side])
			GUEST_ASSERT_EQ(*(volatile u64 *)h->fence[side], HAMMER_RAM);
		GUEST_ASSERT(!went_to_device(seen));
	}
}

/* --- host -------------------------------------------------------------------- */

static u64 device_cell[HAMMER_VCPUS];

/* Counters: each goes up by one, and is read before it is written. */
static void hammered(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct hammer *h = vm_shared(vcpu->vm, GUEST_SHARED_DATA);
	u64 *cell = &device_cell[vcpu->index], constant = HAMMER_DEVICE;

	ASSERT_EQ(run->exit_reason, KVM_EXIT_MMIO);
	ASSERT_EQ(run->mmio.len, 8);
	if (run->mmio.phys_addr == h->vcpu[vcpu->index].cell + 8) {
		ASSERT(!run->mmio.is_write);
		memcpy(run->mmio.data, &constant, 8);
	} else if (run->mmio.is_write) {
		ASSERT_EQ(run->mmio.phys_addr, h->vcpu[vcpu->index].cell);
		ASSERT_EQ(*(u64 *)run->mmio.data, *cell + 1);
		++*cell;
	} else {
		ASSERT_EQ(run->mmio.phys_addr, h->vcpu[vcpu->index].cell);
		memcpy(run->mmio.data, cell, 8);
	}
}

/* Each vCPU has seen two more accesses of this kind. */
static void await(struct hammer *h, enum hammer_now now)
{
	unsigned int i;

	for (i = 0; i < HAMMER_VCPUS; i++) {
		volatile u64 *count = now == NOW_RAM && !h->vcpu[i].hole ? &h->vcpu[i].ram :
				      &h->vcpu[i].mmio;
		u64 before = *count;

		while (*count < before + 2)
			sched_yield();
	}
}

static void set_state(struct hammer *h, u64 round, enum hammer_now now)
{
	__atomic_store_n(&h->state, round << 2 | now, __ATOMIC_SEQ_CST);
}

/* Where the hole must end, if it is to be of just this size */
static void add_fence(struct vm *vm, volatile u64 *where, u64 gpa)
{
	u64 *memory = vm_memory(0x1000);

	*memory = HAMMER_RAM;
	vm_add_slot(vm, gpa, 0x1000, memory, 0);
	*where = gpa;
}

/*
 * Slots at gpa, of size bytes, come and go; cell[] says where each vCPU's counter
 * is. What is outside the slots is never memory. markers: how many cover the hole;
 * 0: it is part of a larger one.
 */
static void hammer(u64 gpa, u64 size, const u64 cell[HAMMER_VCPUS], unsigned int markers,
		   unsigned int rounds)
{
	struct vm *vm = vm_create(hammer_guest, &(struct vm_options) { .vcpus = HAMMER_VCPUS });
	struct hammer *h = vm_shared(vm, GUEST_SHARED_DATA);
	u8 *memory = vm_memory(size);
	unsigned int slot, i, round;

	if (markers) {
		add_fence(vm, &h->fence[0], gpa - 0x1000);
		add_fence(vm, &h->fence[1], gpa + size);
	}
	slot = vm->slots;
	for (i = 0; i < HAMMER_VCPUS; i++) {
		h->vcpu[i].cell = cell[i];
		h->vcpu[i].hole = cell[i] - gpa >= size;
		if (!h->vcpu[i].hole)
			*(u64 *)(memory + (cell[i] - gpa) + 8) = HAMMER_RAM;
		vm->vcpu[i].on_exit = hammered;
	}
	set_state(h, 0, NOW_HOLE);
	for (i = 0; i < HAMMER_VCPUS; i++)
		vcpu_start(&vm->vcpu[i]);
	await(h, NOW_HOLE);
	for (round = 1; round <= rounds; round++) {
		vm->slots = slot;
		set_state(h, round, NOW_CHANGING);
		vm_add_slot(vm, gpa, size, memory, 0);
		set_state(h, round, NOW_RAM);
		await(h, NOW_RAM);
		set_state(h, round, NOW_CHANGING);
		vm_delete_slot(vm, slot);
		set_state(h, round, NOW_HOLE);
		await(h, NOW_HOLE);
	}
	h->stop = 1;
	for (i = 0; i < HAMMER_VCPUS; i++) {
		u64 ram;

		vcpu_join(&vm->vcpu[i]);
		ram = h->vcpu[i].hole ? 0 : *(u64 *)(memory + (cell[i] - gpa));
		test_note("vCPU %u: %llu increments in memory, %llu in the device", i,
			  (unsigned long long)h->vcpu[i].ram, (unsigned long long)h->vcpu[i].mmio);
		ASSERT_EQ(ram, h->vcpu[i].ram);
		ASSERT_EQ(device_cell[i], h->vcpu[i].mmio);
	}
	if (markers && device_is_sevm()) {
		ASSERT_EQ(vm_stat(vm, "mmio_markers"), markers * (rounds + 1));
		ASSERT_EQ(vm_stat(vm, "mmio_markers_zapped"), markers * rounds);
	}
	vm_free(vm);
}

void slots_over_a_4k_marker(void)
{
	static const u64 cell[] = { FRESH_HOLE, FRESH_HOLE + 0x40, FRESH_HOLE + 0xff0 };

	hammer(FRESH_HOLE, 0x1000, cell, 1, 150);
}

/* Three pages that no larger marker fits */
void slots_over_three_markers(void)
{
	static const u64 cell[] = {
		FRESH_HOLE + 0x1ff000, FRESH_HOLE + 0x200000, FRESH_HOLE + 0x201000,
	};

	hammer(FRESH_HOLE + 0x1ff000, 0x3000, cell, HAMMER_VCPUS, 60);
}

void slots_over_a_2m_marker(void)
{
	static const u64 cell[] = { FRESH_HOLE, FRESH_HOLE + 0x123450, FRESH_HOLE + 0x1ffff0 };

	hammer(FRESH_HOLE, 0x200000, cell, 1, 60);
}

/* Part of a hole: the rest of it is one all the time. */
void slots_in_a_1g_marker(void)
{
	static const u64 cell[] = {
		FRESH_HOLE + 0x200000, FRESH_HOLE + 0x201000, FRESH_HOLE + 0x30000000,
	};

	hammer(FRESH_HOLE + 0x200000, 0x2000, cell, 0, 60);
}

void slots_over_a_1g_marker(void)
{
	static const u64 cell[] = {
		FRESH_HOLE, FRESH_HOLE + 0x1234560, FRESH_HOLE + 0x3ffffff0,
	};

	hammer(FRESH_HOLE, 0x40000000, cell, 1, 40);
}
