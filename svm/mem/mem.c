// SPDX-License-Identifier: GPL-2.0-only
/*
 * mem.c - the accessors of guest memory, and registered regions.
 *
 * Reads, writes, maps and finds what slots (slot.c) have pinned (pin.c). Guest
 * memory is reached through the pinned pages, never through user addresses, so
 * that the guest and the host always mean the same page.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "mem.h"
#include "slot.h"

struct region {
	struct list_head list;
	u64 addr, size;		/* as userspace said */
	struct sevm_pins pins;
};

/* Registered regions */

int sevm_mem_reg_region(struct sevm_vm *vm, const struct kvm_enc_region *region)
{
	u64 first, last;
	struct region *new;
	int ret;

	if (!sevm_vm_is_encrypted(vm))
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

	if (!sevm_vm_is_encrypted(vm))
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

/* Accessors */

/* Inside an srcu section. 0 or the errno of sevm_mem_pfn(). */
static int get_page_of(struct sevm_vm *vm, sevm_gfn gfn, bool write,
		       struct sevm_slot **slot, struct sevm_pin *pin)
{
	*slot = sevm_slot_find(vm, gfn);
	if (!*slot)
		return -ENOENT;
	if (write && (*slot)->flags & KVM_MEM_READONLY)
		return -EROFS;
	return sevm_pins_get(&(*slot)->pins, gfn - (*slot)->gfn, write, pin);
}

static int copy_guest(struct sevm_vm *vm, sevm_gpa gpa, void *buf, size_t len, bool write)
{
	int idx, ret = 0;

	if (gpa + len < gpa)
		return -EFAULT;

	idx = sevm_mem_read_lock(vm);
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
	sevm_mem_read_unlock(vm, idx);
	return ret;
}

int sevm_mem_read(struct sevm_vm *vm, sevm_gpa gpa, void *buf, size_t len)
{
	return copy_guest(vm, gpa, buf, len, false);
}

int sevm_mem_write(struct sevm_vm *vm, sevm_gpa gpa, const void *buf, size_t len)
{
	return copy_guest(vm, gpa, (void *)buf, len, true);
}

int sevm_mem_map(struct sevm_vm *vm, sevm_gpa gpa, struct sevm_map *map)
{
	struct sevm_slot *slot;
	struct sevm_pin pin;
	int idx, ret;

	if (offset_in_page(gpa))
		return -EFAULT;

	idx = sevm_mem_read_lock(vm);
	ret = get_page_of(vm, gpa >> PAGE_SHIFT, true, &slot, &pin);
	if (!ret) {
		/* The slot's pin keeps it in place; this keeps it ours without it. */
		get_page(pin.page);
		*map = (struct sevm_map){
			.page = pin.page, .va = page_address(pin.page), .gpa = gpa,
		};
	}
	sevm_mem_read_unlock(vm, idx);
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

	idx = sevm_mem_read_lock(vm);
	ret = get_page_of(vm, gfn, write, &slot, &pin);
	if (!ret) {
		*pfn = page_to_pfn(pin.page);
		*writable = pin.writable;
		*level = 1;
		if (pin.large)
			*level = is_huge_run(slot, gfn, pin.page) ? 3 : 2;
	}
	sevm_mem_read_unlock(vm, idx);
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

/* Creation and end */

int sevm_mem_init(struct sevm_vm *vm)
{
	spin_lock_init(&vm->mem.charge_lock);
	INIT_LIST_HEAD(&vm->mem.regions);
	return sevm_slots_init(vm);
}

/* Nobody else knows the VM any more, and its nested page tables are gone. */
void sevm_mem_destroy(struct sevm_vm *vm)
{
	struct region *region, *next;

	if (!rcu_access_pointer(vm->mem.slots))
		return;

	vm->protect->memory_release(vm);
	list_for_each_entry_safe(region, next, &vm->mem.regions, list)
		free_region(region);
	sevm_slots_destroy(vm);
}
