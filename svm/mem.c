// SPDX-License-Identifier: GPL-2.0-only
/*
 * mem.c - memory slots, registered regions, and the one door to guest memory.
 *
 * What a slot has pinned is in pin.c, where it is mapped for the guest in npt.c.
 * Slots are an array sorted by GFN, replaced whole under mem.lock.
 *
 * Invariant: whoever looks up a slot uses it, and maps what it found, inside
 * one srcu section (sevm_mem_enter). So once a slot has left the array and
 * synchronize_srcu() has returned, nothing maps it anew: what sevm_npt_zap()
 * removes then is all there ever will be, and the pages can be unpinned.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mem.h"
#include "npt.h"
#include "pin.h"

#define MAX_SLOT_PAGES	((1ULL << 31) - 1)	/* KVM_MEM_MAX_NR_PAGES */
#define GPA_END		(1ULL << 52)

struct sevm_slot {
	u32 id;
	u32 flags;
	sevm_gfn gfn;
	u64 npages;
	struct sevm_pins pins;
};

struct sevm_slots {
	unsigned int n;
	struct sevm_slot *slot[];
};

struct region {
	struct list_head list;
	u64 addr, size;		/* as userspace said */
	struct sevm_pins pins;
};

int sevm_mem_enter(struct sevm_vm *vm) __acquires(&vm->mem.srcu)
{
	return srcu_read_lock(&vm->mem.srcu);
}

void sevm_mem_leave(struct sevm_vm *vm, int idx) __releases(&vm->mem.srcu)
{
	srcu_read_unlock(&vm->mem.srcu, idx);
}

static struct sevm_slots *slots_of(struct sevm_vm *vm)
{
	return srcu_dereference_check(vm->mem.slots, &vm->mem.srcu,
				      lockdep_is_held(&vm->mem.lock));
}

/* How many slots begin at or below gfn. */
static unsigned int rank(const struct sevm_slots *slots, sevm_gfn gfn)
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

static struct sevm_slot *find_slot(struct sevm_vm *vm, sevm_gfn gfn)
{
	struct sevm_slots *slots = slots_of(vm);
	unsigned int i = rank(slots, gfn);
	struct sevm_slot *slot;

	if (!i)
		return NULL;
	slot = slots->slot[i - 1];
	return gfn - slot->gfn < slot->npages ? slot : NULL;
}

/* Slots: the writers */

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
static void retire(struct sevm_vm *vm, struct sevm_slot *slot)
{
	sevm_npt_zap(vm, slot->gfn, slot->npages);
	if (!sevm_pins_empty(&slot->pins))
		vm->protect->memory_release(vm);
	sevm_pins_release(&slot->pins);
	kfree(slot);
}

/* Puts a slot into the place of another one; either may be NULL. */
static int replace(struct sevm_vm *vm, struct sevm_slot *without,
		   struct sevm_slot *with)
{
	struct sevm_slots *slots = replaced(vm, without, with);

	if (!slots)
		return -ENOMEM;
	publish(vm, slots);
	if (without)
		retire(vm, without);
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
	unsigned int i = rank(slots, gfn + npages - 1);

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

static int set_region(struct sevm_vm *vm,
		      const struct kvm_userspace_memory_region2 *region)
{
	sevm_gfn gfn = region->guest_phys_addr >> PAGE_SHIFT;
	u64 npages = region->memory_size >> PAGE_SHIFT;
	struct sevm_slot *old = slot_by_id(vm, region->slot);
	struct sevm_slot *new;
	int ret;

	if (!npages)
		return old ? replace(vm, old, NULL) : -EINVAL;

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
	ret = replace(vm, old, new);
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
	ret = set_region(vm, region);
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

/* Registered regions */

int sevm_mem_reg_region(struct sevm_vm *vm, const struct kvm_enc_region *region)
{
	u64 first, last;
	struct region *new;
	int ret;

	if (!vm->protect->asid(vm))
		return -ENOTTY;
	if (!region->size || region->addr + region->size < region->addr)
		return -EINVAL;
	first = region->addr >> PAGE_SHIFT;
	last = (region->addr + region->size - 1) >> PAGE_SHIFT;
	if (last - first >= INT_MAX)
		return -EINVAL;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	new->addr = region->addr;
	new->size = region->size;
	sevm_pins_init(&new->pins, vm, first << PAGE_SHIFT, last - first + 1,
		       first % PTRS_PER_PTE, true, true);

	ret = sevm_pins_fill(&new->pins);
	if (ret) {
		sevm_pins_release(&new->pins);
		kfree(new);
		/* KVM knows one reason for memory that cannot be pinned. */
		return ret == -EINTR ? ret : -ENOMEM;
	}
	/* What the VMM wrote must not come out of a cache over the guest's data. */
	vm->protect->memory_release(vm);

	mutex_lock(&vm->mem.lock);
	list_add_tail(&new->list, &vm->mem.regions);
	mutex_unlock(&vm->mem.lock);
	return 0;
}

static void free_region(struct region *region)
{
	sevm_pins_release(&region->pins);
	kfree(region);
}

int sevm_mem_unreg_region(struct sevm_vm *vm, const struct kvm_enc_region *region)
{
	struct region *r, *found = NULL;

	if (!vm->protect->asid(vm))
		return -ENOTTY;

	mutex_lock(&vm->mem.lock);
	list_for_each_entry(r, &vm->mem.regions, list) {
		if (r->addr == region->addr && r->size == region->size) {
			list_del(&r->list);
			found = r;
			break;
		}
	}
	mutex_unlock(&vm->mem.lock);
	if (!found)
		return -EINVAL;

	vm->protect->memory_release(vm);
	free_region(found);
	return 0;
}

/* The door */

/* Inside an srcu section. 0 or the errno of sevm_mem_pfn(). */
static int get_page_of(struct sevm_vm *vm, sevm_gfn gfn, bool write,
		       struct sevm_slot **slot, struct sevm_pin *pin)
{
	*slot = find_slot(vm, gfn);
	if (!*slot)
		return -ENOENT;
	if (write && (*slot)->flags & KVM_MEM_READONLY)
		return -EROFS;
	return sevm_pins_get(&(*slot)->pins, gfn - (*slot)->gfn, write, pin);
}

static int copy(struct sevm_vm *vm, sevm_gpa gpa, void *buf, size_t len, bool write)
{
	int idx, ret = 0;

	if (gpa + len < gpa)
		return -EFAULT;

	idx = sevm_mem_enter(vm);
	while (len) {
		size_t n = min_t(size_t, len, PAGE_SIZE - offset_in_page(gpa));
		struct sevm_slot *slot;
		struct sevm_pin pin;
		void *va;

		ret = get_page_of(vm, gpa >> PAGE_SHIFT, write, &slot, &pin);
		if (ret) {
			ret = -EFAULT;
			break;
		}
		va = page_address(pin.page) + offset_in_page(gpa);
		if (write)
			memcpy(va, buf, n);
		else
			memcpy(buf, va, n);
		gpa += n;
		buf += n;
		len -= n;
	}
	sevm_mem_leave(vm, idx);
	return ret;
}

int sevm_mem_read(struct sevm_vm *vm, sevm_gpa gpa, void *buf, size_t len)
{
	return copy(vm, gpa, buf, len, false);
}

int sevm_mem_write(struct sevm_vm *vm, sevm_gpa gpa, const void *buf, size_t len)
{
	return copy(vm, gpa, (void *)buf, len, true);
}

int sevm_mem_map(struct sevm_vm *vm, sevm_gpa gpa, struct sevm_map *map)
{
	struct sevm_slot *slot;
	struct sevm_pin pin;
	int idx, ret;

	if (offset_in_page(gpa))
		return -EFAULT;

	idx = sevm_mem_enter(vm);
	ret = get_page_of(vm, gpa >> PAGE_SHIFT, true, &slot, &pin);
	if (!ret) {
		/* The slot's pin keeps it in place; this keeps it ours without it. */
		get_page(pin.page);
		*map = (struct sevm_map){
			.page = pin.page, .va = page_address(pin.page), .gpa = gpa,
		};
	}
	sevm_mem_leave(vm, idx);
	return ret ? -EFAULT : 0;
}

void sevm_mem_unmap(struct sevm_map *map)
{
	if (!map->page)
		return;
	set_page_dirty_lock(map->page);
	put_page(map->page);
	*map = (struct sevm_map){};
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

	idx = sevm_mem_enter(vm);
	slot = find_slot(vm, gpa >> PAGE_SHIFT);
	if (slot && !(writable && slot->flags & KVM_MEM_READONLY))
		ret = ((gpa + len - 1) >> PAGE_SHIFT) - slot->gfn < slot->npages;
	sevm_mem_leave(vm, idx);
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

	idx = sevm_mem_enter(vm);
	slots = slots_of(vm);
	i = rank(slots, gfn);
	if (i) {
		slot = slots->slot[i - 1];
		hole = gfn - slot->gfn >= slot->npages;
		*start = (slot->gfn + slot->npages) << PAGE_SHIFT;
	}
	if (i < slots->n)
		*end = slots->slot[i]->gfn << PAGE_SHIFT;
	sevm_mem_leave(vm, idx);
	return hole;
}

/* A 1 GiB page of hugetlbfs: have all of its chunks, then map it as one. */
static bool is_huge_run(struct sevm_slot *slot, sevm_gfn gfn, struct page *page)
{
	u64 pages = PUD_SIZE >> PAGE_SHIFT;
	sevm_gfn first = ALIGN_DOWN(gfn, pages);
	unsigned long pfn = page_to_pfn(page) - (gfn - first);
	struct sevm_pin pin;
	u64 i;

	if (folio_size(page_folio(page)) < PUD_SIZE || !IS_ALIGNED(pfn, pages) ||
	    first < slot->gfn || first + pages > slot->gfn + slot->npages)
		return false;
	for (i = 0; i < pages; i += PTRS_PER_PTE) {
		if (sevm_pins_get(&slot->pins, first + i - slot->gfn, false, &pin) ||
		    !pin.large || page_to_pfn(pin.page) != pfn + i)
			return false;
		cond_resched();
	}
	return true;
}

int sevm_mem_pfn(struct sevm_vm *vm, sevm_gfn gfn, bool write, u64 *pfn,
		 int *level, bool *writable)
{
	struct sevm_slot *slot;
	struct sevm_pin pin;
	int idx, ret;

	idx = sevm_mem_enter(vm);
	ret = get_page_of(vm, gfn, write, &slot, &pin);
	if (!ret) {
		*pfn = page_to_pfn(pin.page);
		*writable = pin.writable;
		*level = 1;
		if (pin.large)
			*level = is_huge_run(slot, gfn, pin.page) ? 3 : 2;
	}
	sevm_mem_leave(vm, idx);
	return ret;
}

struct page **sevm_mem_pin_user(u64 uaddr, u64 len, bool write, unsigned long *n)
{
	u64 first = uaddr >> PAGE_SHIFT, last = (uaddr + len - 1) >> PAGE_SHIFT;
	unsigned long done = 0, count;
	struct page **pages;
	int ret;

	if (!len || uaddr + len < uaddr || last - first >= INT_MAX)
		return ERR_PTR(-EINVAL);
	count = last - first + 1;

	pages = kvmalloc_array(count, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return ERR_PTR(-ENOMEM);
	while (done < count) {
		ret = pin_user_pages_fast((first + done) << PAGE_SHIFT, count - done,
					  write ? FOLL_WRITE : 0, pages + done);
		if (ret <= 0) {
			sevm_mem_unpin_user(pages, done, false);
			return ERR_PTR(ret ?: -EFAULT);
		}
		done += ret;
	}
	*n = count;
	return pages;
}

void sevm_mem_unpin_user(struct page **pages, unsigned long n, bool dirty)
{
	unpin_user_pages_dirty_lock(pages, n, dirty);
	kvfree(pages);
}

/* Life */

int sevm_mem_init(struct sevm_vm *vm)
{
	struct sevm_slots *slots;
	int ret;

	mutex_init(&vm->mem.lock);
	spin_lock_init(&vm->mem.charge_lock);
	INIT_LIST_HEAD(&vm->mem.regions);

	slots = alloc_slots(0);
	if (!slots)
		return -ENOMEM;
	ret = init_srcu_struct(&vm->mem.srcu);
	if (ret) {
		kvfree(slots);
		return ret;
	}
	RCU_INIT_POINTER(vm->mem.slots, slots);
	return 0;
}

/* Nobody else knows the VM any more, and its nested page tables are gone. */
void sevm_mem_destroy(struct sevm_vm *vm)
{
	struct sevm_slots *slots = rcu_dereference_protected(vm->mem.slots, true);
	struct region *region, *next;
	unsigned int i;

	if (!slots)
		return;

	vm->protect->memory_release(vm);
	list_for_each_entry_safe(region, next, &vm->mem.regions, list)
		free_region(region);
	for (i = 0; i < slots->n; i++) {
		sevm_pins_release(&slots->slot[i]->pins);
		kfree(slots->slot[i]);
	}
	kvfree(slots);
	RCU_INIT_POINTER(vm->mem.slots, NULL);
	cleanup_srcu_struct(&vm->mem.srcu);
}
