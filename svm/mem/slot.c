// SPDX-License-Identifier: GPL-2.0-only
/*
 * slot.c - memory slots: which user memory is where for the guest.
 *
 * An array sorted by GFN, replaced whole under mem.lock. What a slot has pinned
 * is in pin.c, where it is mapped for the guest in npt.c.
 *
 * Invariant: whoever looks up a slot uses it, and maps what it found, inside
 * one srcu section (sevm_mem_read_lock). So once a slot has left the array and
 * synchronize_srcu() has returned, nothing maps it anew: what sevm_npt_zap()
 * removes then is all there ever will be, and the pages can be unpinned.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mem.h"
#include "npt.h"
#include "slot.h"

#define MAX_SLOT_PAGES	((1ULL << 31) - 1)	/* KVM_MEM_MAX_NR_PAGES */
#define GPA_END		BIT_ULL(52)

struct sevm_slots {
	unsigned int n;
	struct sevm_slot *slot[];
};

int sevm_mem_read_lock(struct sevm_vm *vm) __acquires(&vm->mem.srcu)
{
	return srcu_read_lock(&vm->mem.srcu);
}

void sevm_mem_read_unlock(struct sevm_vm *vm, int idx) __releases(&vm->mem.srcu)
{
	srcu_read_unlock(&vm->mem.srcu, idx);
}

static struct sevm_slots *slots_of(struct sevm_vm *vm)
{
	return srcu_dereference_check(vm->mem.slots, &vm->mem.srcu,
				      lockdep_is_held(&vm->mem.lock));
}

/* How many slots begin at or below gfn. */
static unsigned int upper_bound(const struct sevm_slots *slots, sevm_gfn gfn)
{
	unsigned int lo = 0, hi = slots->n;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (slots->slot[mid]->gfn <= gfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct sevm_slot *sevm_slot_find(struct sevm_vm *vm, sevm_gfn gfn)
{
	struct sevm_slots *slots = slots_of(vm);
	unsigned int i = upper_bound(slots, gfn);
	struct sevm_slot *slot;

	if (!i)
		return NULL;
	slot = slots->slot[i - 1];
	return gfn - slot->gfn < slot->npages ? slot : NULL;
}

bool sevm_mem_contains(struct sevm_vm *vm, sevm_gpa gpa, u64 len, bool writable)
{
	struct sevm_slot *slot;
	bool ret = false;
	int idx;

	if (!len)
		len = 1;
	if (gpa + len - 1 < gpa)
		return false;

	idx = sevm_mem_read_lock(vm);
	slot = sevm_slot_find(vm, gpa >> PAGE_SHIFT);
	if (slot && !(writable && slot->flags & KVM_MEM_READONLY))
		ret = ((gpa + len - 1) >> PAGE_SHIFT) - slot->gfn < slot->npages;
	sevm_mem_read_unlock(vm, idx);
	return ret;
}

bool sevm_mem_hole(struct sevm_vm *vm, sevm_gpa gpa, u64 *start, u64 *end)
{
	sevm_gfn gfn = gpa >> PAGE_SHIFT;
	struct sevm_slots *slots;
	struct sevm_slot *slot;
	bool hole = true;
	unsigned int i;
	int idx;

	*start = 0;
	*end = GPA_END;

	idx = sevm_mem_read_lock(vm);
	slots = slots_of(vm);
	i = upper_bound(slots, gfn);
	if (i) {
		slot = slots->slot[i - 1];
		hole = gfn - slot->gfn >= slot->npages;
		*start = (slot->gfn + slot->npages) << PAGE_SHIFT;
	}
	if (i < slots->n)
		*end = slots->slot[i]->gfn << PAGE_SHIFT;
	sevm_mem_read_unlock(vm, idx);
	return hole;
}

/* Writers */

static struct sevm_slots *alloc_slots(unsigned int n)
{
	struct sevm_slots *slots;

	slots = kvzalloc(struct_size(slots, slot, n), GFP_KERNEL_ACCOUNT);
	if (slots)
		slots->n = n;
	return slots;
}

/* Returns when nobody uses the old array any more. */
static void publish(struct sevm_vm *vm, struct sevm_slots *slots)
{
	struct sevm_slots *old = slots_of(vm);

	rcu_assign_pointer(vm->mem.slots, slots);
	/* Whoever sees the new number looks at the new slots. */
	smp_store_release(&vm->mem.generation, vm->mem.generation + 1);
	synchronize_srcu_expedited(&vm->mem.srcu);
	kvfree(old);
}

/* The array without one slot and with another; either may be NULL. */
static struct sevm_slots *replaced(struct sevm_vm *vm, struct sevm_slot *without,
				   struct sevm_slot *with)
{
	struct sevm_slots *old = slots_of(vm), *new;
	unsigned int i, n = 0;

	new = alloc_slots(old->n - !!without + !!with);
	if (!new)
		return NULL;

	for (i = 0; i < old->n; i++) {
		struct sevm_slot *slot = old->slot[i];

		if (slot == without)
			continue;
		if (with && with->gfn < slot->gfn) {
			new->slot[n++] = with;
			with = NULL;
		}
		new->slot[n++] = slot;
	}
	if (with)
		new->slot[n++] = with;
	return new;
}

/* The slot is in no array that anyone reads. */
static void retire_slot(struct sevm_vm *vm, struct sevm_slot *slot)
{
	sevm_npt_zap(vm, slot->gfn, slot->npages);
	if (!sevm_pins_empty(&slot->pins))
		vm->protect->memory_release(vm);
	sevm_pins_release(&slot->pins);
	kfree(slot);
}

/* Puts a slot into the place of another one; either may be NULL. */
static int replace_slot(struct sevm_vm *vm, struct sevm_slot *without,
			struct sevm_slot *with)
{
	struct sevm_slots *slots = replaced(vm, without, with);

	if (!slots)
		return -ENOMEM;
	publish(vm, slots);
	if (without)
		retire_slot(vm, without);
	/*
	 * Markers that were here before the slot. Those who mark look for a
	 * slot first, so that no new one comes now.
	 */
	if (with)
		sevm_npt_zap(vm, with->gfn, with->npages);
	return 0;
}

static struct sevm_slot *new_slot(struct sevm_vm *vm,
				  const struct kvm_userspace_memory_region2 *region)
{
	struct sevm_slot *slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);

	if (!slot)
		return NULL;
	slot->id = region->slot;
	slot->flags = region->flags;
	slot->gfn = region->guest_phys_addr >> PAGE_SHIFT;
	slot->npages = region->memory_size >> PAGE_SHIFT;
	sevm_pins_init(&slot->pins, vm, region->userspace_addr, slot->npages,
		       slot->gfn % PTRS_PER_PTE, !(slot->flags & KVM_MEM_READONLY), false);
	return slot;
}

static struct sevm_slot *slot_by_id(struct sevm_vm *vm, u32 id)
{
	struct sevm_slots *slots = slots_of(vm);
	unsigned int i;

	for (i = 0; i < slots->n; i++) {
		if (slots->slot[i]->id == id)
			return slots->slot[i];
	}
	return NULL;
}

static bool overlaps(struct sevm_vm *vm, const struct sevm_slot *except,
		     sevm_gfn gfn, u64 npages)
{
	struct sevm_slots *slots = slots_of(vm);
	unsigned int i = upper_bound(slots, gfn + npages - 1);

	/* Sorted and disjoint: only the last two that begin before its end count. */
	if (i && slots->slot[i - 1] == except)
		i--;
	return i && slots->slot[i - 1]->gfn + slots->slot[i - 1]->npages > gfn;
}

static bool is_legal(const struct kvm_userspace_memory_region2 *region)
{
	u64 size = region->memory_size, gpa = region->guest_phys_addr;
	u64 uaddr = region->userspace_addr;

	if (region->flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))
		return false;
	/* One address space: its number, in the high half, is 0. */
	if (region->slot >= SEVM_MAX_SLOTS)
		return false;
	if (!IS_ALIGNED(size | gpa | uaddr, PAGE_SIZE))
		return false;
	if (!access_ok((void __user *)(unsigned long)uaddr, size))
		return false;
	return gpa + size >= gpa && size >> PAGE_SHIFT <= MAX_SLOT_PAGES;
}

static int set_slot(struct sevm_vm *vm,
		    const struct kvm_userspace_memory_region2 *region)
{
	sevm_gfn gfn = region->guest_phys_addr >> PAGE_SHIFT;
	u64 npages = region->memory_size >> PAGE_SHIFT;
	struct sevm_slot *old = slot_by_id(vm, region->slot);
	struct sevm_slot *new;
	int ret;

	if (!npages)
		return old ? replace_slot(vm, old, NULL) : -EINVAL;

	if (old) {
		if (region->userspace_addr != old->pins.uaddr || npages != old->npages ||
		    (region->flags ^ old->flags) & KVM_MEM_READONLY)
			return -EINVAL;
		if (gfn == old->gfn) {
			old->flags = region->flags;
			return 0;
		}
	}

	if (gfn + npages - 1 > sevm_npt_max_gfn())
		return -EINVAL;
	if (overlaps(vm, old, gfn, npages))
		return -EEXIST;

	new = new_slot(vm, region);
	if (!new)
		return -ENOMEM;
	ret = replace_slot(vm, old, new);
	if (ret)
		kfree(new);
	return ret;
}

int sevm_mem_set_region(struct sevm_vm *vm,
			const struct kvm_userspace_memory_region2 *region)
{
	int ret;

	if (!is_legal(region))
		return -EINVAL;

	mutex_lock(&vm->mem.lock);
	ret = set_slot(vm, region);
	mutex_unlock(&vm->mem.lock);
	return ret;
}

/*
 * The pages that the guest may have written are those pinned for writing: a
 * log that forgets nothing and never gets shorter.
 */
int sevm_mem_get_dirty_log(struct sevm_vm *vm, const struct kvm_dirty_log *log)
{
	struct sevm_slot *slot;
	int ret = 0;
	u64 i;

	if (log->slot >= SEVM_MAX_SLOTS)
		return -EINVAL;

	mutex_lock(&vm->mem.lock);
	slot = slot_by_id(vm, log->slot);
	if (!slot || !(slot->flags & KVM_MEM_LOG_DIRTY_PAGES)) {
		ret = -ENOENT;
		goto out;
	}
	for (i = 0; i < slot->npages && !ret; i += BITS_PER_LONG) {
		unsigned long word = 0;
		unsigned int k;

		for (k = 0; k < BITS_PER_LONG && i + k < slot->npages; k++) {
			if (sevm_pins_dirty(&slot->pins, i + k))
				word |= BIT(k);
		}
		if (copy_to_user(log->dirty_bitmap + i / BITS_PER_BYTE, &word, sizeof(word)))
			ret = -EFAULT;
		if (fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
out:
	mutex_unlock(&vm->mem.lock);
	return ret;
}

/* Creation and end */

int sevm_slots_init(struct sevm_vm *vm)
{
	struct sevm_slots *slots = alloc_slots(0);
	int ret;

	if (!slots)
		return -ENOMEM;
	ret = init_srcu_struct(&vm->mem.srcu);
	if (ret) {
		kvfree(slots);
		return ret;
	}
	mutex_init(&vm->mem.lock);
	RCU_INIT_POINTER(vm->mem.slots, slots);
	return 0;
}

int sevm_mem_pin_slots(struct sevm_vm *vm, u64 uaddr, u64 len)
{
	u64 first = uaddr >> PAGE_SHIFT, last = (uaddr + len - 1) >> PAGE_SHIFT, at;
	int idx = sevm_mem_read_lock(vm), ret = 0;
	struct sevm_slots *slots = slots_of(vm);
	struct sevm_pin pin;
	unsigned int i;

	for (i = 0; i < slots->n && !ret; i++) {
		struct sevm_pins *pins = &slots->slot[i]->pins;
		u64 start = pins->uaddr >> PAGE_SHIFT, end = start + pins->npages;

		for (at = max(first, start); at < end && at <= last && !ret; at++) {
			ret = fatal_signal_pending(current) ? -EINTR :
				sevm_pins_get(pins, at - start, false, &pin);
			cond_resched();
		}
	}
	sevm_mem_read_unlock(vm, idx);
	return ret;
}

void sevm_slots_destroy(struct sevm_vm *vm)
{
	struct sevm_slots *slots = rcu_dereference_protected(vm->mem.slots, true);
	unsigned int i;

	for (i = 0; i < slots->n; i++) {
		sevm_pins_release(&slots->slot[i]->pins);
		kfree(slots->slot[i]);
	}
	kvfree(slots);
	RCU_INIT_POINTER(vm->mem.slots, NULL);
	cleanup_srcu_struct(&vm->mem.srcu);
}
