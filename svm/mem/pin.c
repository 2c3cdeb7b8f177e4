// SPDX-License-Identifier: GPL-2.0-only
/*
 * pin.c - a set of pinned user pages, and who pays for them.
 *
 * A set covers a range of user memory in chunks of 512 pages, aligned by GFN, or of
 * a registered region by address. A chunk appears in the xarray with its first pin and keeps
 * its form: a value entry (the first PFN) where one 2 MiB run of memory backs
 * it, else an array of 512 pages, each filled at first touch. Memory is spent
 * on what is pinned, never on what is merely promised.
 *
 * Invariant: an entry, once set, does not change until the set is released.
 * So readers take no lock, and of two who pin the same page one loses, unpins
 * its own and uses the winner's.
 */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "pin.h"

#define CHUNK_PAGES	512U
#define READ_ONLY	1UL	/* tag of an array entry: pinned without write */

/*
 * The mm pays in pinned_vm (VmPin in /proc/PID/status), as for RDMA. A SEV VMM
 * registers its memory and its guest then touches the same pages: charging the
 * larger of the two counts charges them once.
 *
 * RLIMIT_MEMLOCK binds protected guests, whose VMMs know of it from KVM. KVM
 * asks nothing of plain guests, and a default limit of 8 MiB would end nearly
 * every one of them: their pages are counted and not limited. That a plain
 * guest's memory cannot be swapped is for whoever opens the device to others.
 */
static int charge_pins(struct sevm_pins *pins, u64 n)
{
	struct sevm_mem *mem = &pins->vm->mem;
	struct sevm_vm *vm = pins->vm;
	u64 due, limit, total = 0;

	spin_lock(&mem->charge_lock);
	if (pins->region)
		mem->region_pins += n;
	else
		mem->slot_pins += n;
	due = max(mem->region_pins, mem->slot_pins);
	if (due > mem->charged) {
		total = atomic64_add_return(due - mem->charged, &vm->mm->pinned_vm);
		mem->charged = due;
	}
	WRITE_ONCE(vm->stat[SEVM_VM_STAT_pages_pinned],
		   mem->region_pins + mem->slot_pins);
	spin_unlock(&mem->charge_lock);

	limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	if (total <= limit || !sevm_vm_is_encrypted(vm) || capable(CAP_IPC_LOCK))
		return 0;
	return -ENOMEM;
}

static void uncharge_pins(struct sevm_pins *pins, u64 n)
{
	struct sevm_mem *mem = &pins->vm->mem;
	struct sevm_vm *vm = pins->vm;
	u64 due;

	spin_lock(&mem->charge_lock);
	if (pins->region)
		mem->region_pins -= n;
	else
		mem->slot_pins -= n;
	due = max(mem->region_pins, mem->slot_pins);
	if (due < mem->charged) {
		atomic64_sub(mem->charged - due, &vm->mm->pinned_vm);
		mem->charged = due;
	}
	WRITE_ONCE(vm->stat[SEVM_VM_STAT_pages_pinned],
		   mem->region_pins + mem->slot_pins);
	spin_unlock(&mem->charge_lock);
}

/*
 * Before 6.2, a pin for reading that breaks COW needs FOLL_FORCE, which also
 * gets at memory that userspace may not read. Not for a guest.
 */
static bool is_readable(u64 uaddr)
{
	struct page *page;

	if (SEVM_FOLL_READ == FOLL_LONGTERM)
		return true;
	if (get_user_pages_fast(uaddr, 1, 0, &page) != 1)
		return false;
	put_page(page);
	return true;
}

/* n pages at uaddr or none. Charged. */
static int pin_pages(struct sevm_pins *pins, u64 uaddr, unsigned int n,
		     bool write, struct page **pages)
{
	unsigned int flags = write ? FOLL_WRITE | FOLL_LONGTERM : SEVM_FOLL_READ;
	unsigned int done = 0;
	int ret;

	if (WARN_ON_ONCE(current->mm != pins->vm->mm))
		return -EFAULT;
	if (!write && !is_readable(uaddr))
		return -EFAULT;

	ret = charge_pins(pins, n);
	if (ret)
		goto err_uncharge;

	while (done < n) {
		ret = pin_user_pages_fast(uaddr + ((u64)done << PAGE_SHIFT),
					  n - done, flags, pages + done);
		if (ret == -EFAULT && !done && flags == SEVM_FOLL_READ &&
		    flags != FOLL_LONGTERM) {
			/* A shared mapping that is not writable: no copy to fear. */
			flags = FOLL_LONGTERM;
			continue;
		}
		if (ret <= 0) {
			ret = ret ?: -EFAULT;
			goto err_unpin;
		}
		done += ret;
	}
	pins->vm->protect->memory_acquire(pins->vm, pages, n);
	return 0;

err_unpin:
	unpin_user_pages(pages, done);
err_uncharge:
	uncharge_pins(pins, n);
	return ret;
}

static void unpin_pages(struct sevm_pins *pins, struct page **pages,
			unsigned int n)
{
	unpin_user_pages(pages, n);
	uncharge_pins(pins, n);
}

static bool is_run(struct page **pages)
{
	unsigned long pfn = page_to_pfn(pages[0]);
	unsigned int i;

	if (!IS_ALIGNED(pfn, CHUNK_PAGES))
		return false;
	for (i = 1; i < CHUNK_PAGES; i++) {
		if (page_to_pfn(pages[i]) != pfn + i)
			return false;
	}
	return true;
}

/* Is the chunk whole, and do 2 MiB of user memory lie as the guest sees them? */
static bool may_be_large(struct sevm_pins *pins, u64 chunk)
{
	u64 end = (chunk + 1) * CHUNK_PAGES - pins->head_pages;

	return ((pins->uaddr >> PAGE_SHIFT) - pins->head_pages) % CHUNK_PAGES == 0 &&
	       chunk * CHUNK_PAGES >= pins->head_pages && end <= pins->npages;
}

/* Chunk's entry after an attempt to make it entry; *won: it is ours now. */
static void *set_chunk(struct sevm_pins *pins, u64 chunk, void *entry, bool *won)
{
	void *old = xa_cmpxchg(&pins->chunks, chunk, NULL, entry, GFP_KERNEL_ACCOUNT);

	*won = !old;
	return old ?: entry;
}

/* All of a chunk that has a huge page. NULL: it is not one aligned run. */
static void *pin_run(struct sevm_pins *pins, u64 chunk)
{
	u64 first = chunk * CHUNK_PAGES - pins->head_pages;
	struct page **pages;
	void *entry = NULL;
	bool won = false;

	pages = kmalloc_array(CHUNK_PAGES, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return NULL;
	if (pin_pages(pins, pins->uaddr + (first << PAGE_SHIFT), CHUNK_PAGES, pins->write, pages))
		goto out;
	if (is_run(pages))
		entry = set_chunk(pins, chunk, xa_mk_value(page_to_pfn(pages[0])), &won);
	if (!won)
		unpin_pages(pins, pages, CHUNK_PAGES);
out:
	kfree(pages);
	return xa_is_err(entry) ? NULL : entry;
}

static unsigned long *new_array(struct sevm_pins *pins, u64 chunk)
{
	unsigned long *array;
	void *entry;
	bool won;

	array = kcalloc(CHUNK_PAGES, sizeof(*array), GFP_KERNEL_ACCOUNT);
	if (!array)
		return NULL;
	entry = set_chunk(pins, chunk, array, &won);
	if (!won)
		kfree(array);
	return xa_is_err(entry) ? NULL : entry;
}

static void decode_entry(struct sevm_pins *pins, void *entry, u32 i, struct sevm_pin *pin)
{
	if (xa_is_value(entry)) {
		pin->page = pfn_to_page(xa_to_value(entry) + i);
		pin->large = true;
		pin->writable = pins->write;
	} else {
		unsigned long tagged = READ_ONCE(((unsigned long *)entry)[i]);

		pin->page = (struct page *)(tagged & ~READ_ONLY);
		pin->large = false;
		pin->writable = !(tagged & READ_ONLY);
	}
}

int sevm_pins_get(struct sevm_pins *pins, u64 index, bool write,
		  struct sevm_pin *result)
{
	u64 chunk = (index + pins->head_pages) / CHUNK_PAGES;
	u32 i = (index + pins->head_pages) % CHUNK_PAGES;
	void *entry = xa_load(&pins->chunks, chunk);
	bool for_write = pins->write;
	unsigned long *array;
	struct page *page;
	int ret;

	if (entry) {
		decode_entry(pins, entry, i, result);
		if (result->page)
			return write && !result->writable ? -EFAULT : 0;
	}

	ret = pin_pages(pins, pins->uaddr + (index << PAGE_SHIFT), 1, for_write, &page);
	if (ret == -EFAULT && for_write && !write) {
		/* User memory that is only readable, in a slot that is not. */
		for_write = false;
		ret = pin_pages(pins, pins->uaddr + (index << PAGE_SHIFT), 1, false, &page);
	}
	if (ret)
		return ret;

	if (!entry && for_write == pins->write && may_be_large(pins, chunk) &&
	    folio_size(page_folio(page)) >= PMD_SIZE)
		entry = pin_run(pins, chunk);
	if (!entry)
		entry = new_array(pins, chunk);
	if (!entry) {
		unpin_pages(pins, &page, 1);
		return -ENOMEM;
	}

	array = entry;
	if (xa_is_value(entry) ||
	    cmpxchg(&array[i], 0, (unsigned long)page | (for_write ? 0 : READ_ONLY)))
		unpin_pages(pins, &page, 1);

	decode_entry(pins, entry, i, result);
	return write && !result->writable ? -EFAULT : 0;
}

int sevm_pins_fill(struct sevm_pins *pins)
{
	u64 index = 0;

	while (index < pins->npages) {
		u64 chunk = (index + pins->head_pages) / CHUNK_PAGES;
		u32 i = (index + pins->head_pages) % CHUNK_PAGES;
		u32 n = min_t(u64, CHUNK_PAGES - i, pins->npages - index);
		unsigned long *array;
		struct page **pages;
		bool large, won;
		void *entry;
		int ret;

		if (fatal_signal_pending(current))
			return -EINTR;
		array = kcalloc(CHUNK_PAGES, sizeof(*array), GFP_KERNEL_ACCOUNT);
		if (!array)
			return -ENOMEM;
		pages = (struct page **)array + i;
		ret = pin_pages(pins, pins->uaddr + (index << PAGE_SHIFT), n, pins->write, pages);
		if (ret) {
			kfree(array);
			return ret;
		}

		large = n == CHUNK_PAGES && may_be_large(pins, chunk) && is_run(pages);
		entry = large ? xa_mk_value(page_to_pfn(pages[0])) : array;
		set_chunk(pins, chunk, entry, &won);
		if (!won)
			unpin_pages(pins, pages, n);
		if (large || !won)
			kfree(array);
		if (!won)
			return -ENOMEM;

		index += n;
		cond_resched();
	}
	return 0;
}

bool sevm_pins_empty(struct sevm_pins *pins)
{
	return xa_empty(&pins->chunks);
}

bool sevm_pins_dirty(struct sevm_pins *pins, u64 index)
{
	void *entry = xa_load(&pins->chunks, (index + pins->head_pages) / CHUNK_PAGES);
	struct sevm_pin pin;

	if (!entry)
		return false;
	decode_entry(pins, entry, (index + pins->head_pages) % CHUNK_PAGES, &pin);
	return pin.page && pin.writable;
}

static u64 release_array(unsigned long *array)
{
	unsigned int i;
	u64 n = 0;

	for (i = 0; i < CHUNK_PAGES; i++) {
		struct page *page = (struct page *)(array[i] & ~READ_ONLY);

		if (!page)
			continue;
		unpin_user_pages_dirty_lock(&page, 1, !(array[i] & READ_ONLY));
		n++;
	}
	kfree(array);
	return n;
}

void sevm_pins_release(struct sevm_pins *pins)
{
	unsigned long chunk;
	void *entry;

	xa_for_each(&pins->chunks, chunk, entry) {
		u64 n = CHUNK_PAGES;

		if (xa_is_value(entry))
			unpin_user_page_range_dirty_lock(pfn_to_page(xa_to_value(entry)),
							 CHUNK_PAGES, pins->write);
		else
			n = release_array(entry);
		uncharge_pins(pins, n);
		cond_resched();
	}
	xa_destroy(&pins->chunks);
}

void sevm_pins_init(struct sevm_pins *pins, struct sevm_vm *vm, u64 uaddr,
		    u64 npages, u32 head_pages, bool write, bool region)
{
	*pins = (struct sevm_pins){
		.vm = vm, .uaddr = uaddr, .npages = npages, .head_pages = head_pages,
		.write = write, .region = region,
	};
	xa_init(&pins->chunks);
}
