// SPDX-License-Identifier: GPL-2.0-only
/*
 * npt.c - nested page tables and MMIO markers.
 *
 * Maps what mem.c has pinned, at first touch; marks holes so that a SEV-ES
 * guest gets #VC there without an exit. Knows no slot and pins no page.
 *
 * Invariants: entries change under npt.lock only. Who installs one does so in
 * the srcu section in which mem.c answered (slot.c says why). A table that left
 * the tree is freed once no vCPU runs or enters without a flush of its TLB, which
 * may have cached the way to it.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/mem_encrypt.h>

#include "marker.h"
#include "mem.h"
#include "npt.h"
#include "svm/kick.h"

#define ENTRIES		512
#define LEAF_KINDS	4	/* levels 1 to 3; 0: markers */
#define ERROR_WRITE	BIT_ULL(1)

#define ADDRESS		GENMASK_ULL(51, 12)
#define TABLE_FLAGS	(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED)
#define LEAF_FLAGS	(_PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)

static u64 marker_mask __ro_after_init;
static sevm_gfn max_gfn __ro_after_init;
static int levels __ro_after_init;	/* nested paging walks as the host does */

/* Empty tables for one path, allocated with no lock held. */
struct spare {
	u64 *table[4];
	int n;
};

static u64 span(int level)
{
	return 1ULL << (9 * (level - 1));
}

static u64 *entry_of(u64 *table, sevm_gfn gfn, int level)
{
	return &table[(gfn >> (9 * (level - 1))) % ENTRIES];
}

static bool is_leaf(u64 entry, int level)
{
	return level == 1 || entry & _PAGE_PSE;
}

/* The host's own encryption bit may be one of the mask; never all of them. */
static bool is_marker(u64 entry)
{
	return marker_mask && (entry & marker_mask) == marker_mask;
}

static u64 *table_of(u64 entry)
{
	return __va(__sme_clr(entry) & ADDRESS);
}

static u64 *new_table(void)
{
	return (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

static int fill_spare(struct spare *spare)
{
	while (spare->n < levels - 1) {
		u64 *table = new_table();

		if (!table)
			return -ENOMEM;
		spare->table[spare->n++] = table;
	}
	return 0;
}

static void drop_spare(struct spare *spare)
{
	while (spare->n)
		free_page((unsigned long)spare->table[--spare->n]);
}

/* Under npt.lock. */
static void add_stat(struct sevm_vm *vm, enum sevm_vm_stat stat, s64 n)
{
	WRITE_ONCE(vm->stat[stat], vm->stat[stat] + n);
}

/* A leaf came (by 1) or went (by -1). Markers are counted, not gauged. */
static void count(struct sevm_vm *vm, u64 entry, int level, s64 by)
{
	static const enum sevm_vm_stat pages[LEAF_KINDS] = {
		[1] = SEVM_VM_STAT_pages_4k,
		[2] = SEVM_VM_STAT_pages_2m,
		[3] = SEVM_VM_STAT_pages_1g,
	};

	if (!is_marker(entry))
		add_stat(vm, pages[level], by);
	else if (by > 0)
		add_stat(vm, SEVM_VM_STAT_mmio_markers, 1);
	else
		add_stat(vm, SEVM_VM_STAT_mmio_markers_zapped, 1);
}

/*
 * The entry for gfn at a level, tables on the way made from spare ones. Under
 * npt.lock. NULL: spare ran out. *at: the level of what was found, more than
 * asked for if a larger leaf is in the way.
 */
static u64 *find_entry(struct sevm_vm *vm, sevm_gfn gfn, int level, int *at,
		       struct spare *spare)
{
	u64 *entry = entry_of(vm->npt.root, gfn, levels);
	int l;

	for (l = levels; l > level; l--) {
		if (!(*entry & _PAGE_PRESENT)) {
			u64 *table;

			if (!spare->n)
				return NULL;
			table = spare->table[--spare->n];
			WRITE_ONCE(*entry, __sme_set(__pa(table)) | TABLE_FLAGS);
		} else if (is_leaf(*entry, l)) {
			break;
		}
		entry = entry_of(table_of(*entry), gfn, l - 1);
	}
	*at = l;
	return entry;
}

/* Tables on their way out */

static void retire_table(struct list_head *retired, u64 *table, int level)
{
	struct page *page = virt_to_page(table);

	set_page_private(page, level);
	list_add(&page->lru, retired);
}

/* Adds what was in it to gone. */
static void free_table(u64 *table, int level, u64 gone[static LEAF_KINDS])
{
	int i;

	for (i = 0; i < ENTRIES; i++) {
		if (!(table[i] & _PAGE_PRESENT))
			continue;
		if (is_leaf(table[i], level))
			gone[is_marker(table[i]) ? 0 : level]++;
		else
			free_table(table_of(table[i]), level - 1, gone);
	}
	free_page((unsigned long)table);
	cond_resched();
}

static void free_tree(struct sevm_vm *vm, u64 *table, int level)
{
	u64 gone[LEAF_KINDS] = {};

	free_table(table, level, gone);
	spin_lock(&vm->npt.lock);
	add_stat(vm, SEVM_VM_STAT_mmio_markers_zapped, gone[0]);
	add_stat(vm, SEVM_VM_STAT_pages_4k, -gone[1]);
	add_stat(vm, SEVM_VM_STAT_pages_2m, -gone[2]);
	add_stat(vm, SEVM_VM_STAT_pages_1g, -gone[3]);
	spin_unlock(&vm->npt.lock);
}

static void free_retired(struct sevm_vm *vm, struct list_head *retired)
{
	while (!list_empty(retired)) {
		struct page *page = list_first_entry(retired, struct page, lru);
		int level = page_private(page);

		list_del(&page->lru);
		set_page_private(page, 0);
		free_tree(vm, page_address(page), level);
	}
}

/* Faults */

/* 0, or -EAGAIN: spare tables are needed. In mem.c's srcu section. */
static int install(struct sevm_vm *vm, sevm_gfn gfn, u64 pfn, int level,
		   bool writable, struct spare *spare)
{
	u64 *entry;
	int at, ret = 0;

	spin_lock(&vm->npt.lock);
	for (;;) {
		u64 new;

		entry = find_entry(vm, gfn, level, &at, spare);
		if (!entry) {
			ret = -EAGAIN;
			break;
		}
		if (*entry & _PAGE_PRESENT) {
			/* Another vCPU was faster, or a marker is about to go. */
			if (is_leaf(*entry, at))
				break;
			/* Smaller pages of it are mapped already: go on with those. */
			level--;
			continue;
		}
		new = __sme_set(ALIGN_DOWN(pfn, span(level)) << PAGE_SHIFT) | LEAF_FLAGS;
		if (writable)
			new |= _PAGE_RW;
		if (level > 1)
			new |= _PAGE_PSE;
		WRITE_ONCE(*entry, new);
		count(vm, new, level, 1);
		break;
	}
	spin_unlock(&vm->npt.lock);
	return ret;
}

static int map_gfn(struct sevm_vm *vm, sevm_gfn gfn, bool write)
{
	struct spare spare = {};
	int idx, level, ret;
	bool writable;
	u64 pfn;

	idx = sevm_mem_read_lock(vm);
	ret = sevm_mem_pfn(vm, gfn, write, &pfn, &level, &writable);
	if (!ret) {
		if (level == 3 && !boot_cpu_has(X86_FEATURE_GBPAGES))
			level = 2;
		/* Most faults need no new table. */
		ret = install(vm, gfn, pfn, level, writable, &spare);
		if (ret == -EAGAIN) {
			ret = fill_spare(&spare);
			if (!ret)
				ret = install(vm, gfn, pfn, level, writable, &spare);
			drop_spare(&spare);
		}
	}
	sevm_mem_read_unlock(vm, idx);
	return ret;
}

enum sevm_result sevm_npt_fault(struct sevm_vcpu *vcpu)
{
	u64 error = vcpu->exit.info1;
	sevm_gpa gpa = vcpu->exit.info2;
	int ret;

	ret = gpa >> PAGE_SHIFT > max_gfn ? -ENOENT :
		map_gfn(vcpu->vm, gpa >> PAGE_SHIFT, error & ERROR_WRITE);
	switch (ret) {
	case 0:
		return SEVM_RESUME;
	case -ENOENT:
	case -EROFS:
		return vcpu->vm->protect->mmio_fault(vcpu, gpa, ret == -EROFS);
	default:
		vcpu->run_errno = ret;
		return SEVM_TO_USER;
	}
}

/* Markers */

/* Under npt.lock, in the srcu section in which mem.c said that it is a hole. */
static int set_marker(struct sevm_vm *vm, sevm_gfn gfn, int level,
		      struct spare *spare, struct list_head *retired)
{
	u64 new = marker_mask | TABLE_FLAGS | (level > 1 ? _PAGE_PSE : 0);
	u64 *entry;
	int at;

	entry = find_entry(vm, gfn, level, &at, spare);
	if (!entry)
		return -ENOSPC;
	if (*entry & _PAGE_PRESENT) {
		if (is_leaf(*entry, at))
			/* Else memory of a slot that has gone and is about to be zapped. */
			return is_marker(*entry) ? 0 : -EAGAIN;
		retire_table(retired, table_of(*entry), level - 1);
	}
	WRITE_ONCE(*entry, new);
	count(vm, new, level, 1);
	return 0;
}

int sevm_npt_mark(struct sevm_vm *vm, sevm_gpa gpa)
{
	sevm_gfn gfn = gpa >> PAGE_SHIFT;
	struct spare spare = {};
	u64 start, end;
	LIST_HEAD(retired);
	int idx, level, ret;

	if (!marker_mask || gfn > max_gfn)
		return -EINVAL;
again:
	idx = sevm_mem_read_lock(vm);
	ret = -EAGAIN;
	if (sevm_mem_hole(vm, gpa, &start, &end)) {
		level = sevm_marker_level(gpa, start, end);
		if (level == 3 && !boot_cpu_has(X86_FEATURE_GBPAGES))
			level = 2;
		spin_lock(&vm->npt.lock);
		ret = set_marker(vm, gfn, level, &spare, &retired);
		spin_unlock(&vm->npt.lock);
	}
	sevm_mem_read_unlock(vm, idx);

	/* Most markers need no new table. Outside, so as not to delay synchronize_srcu(). */
	if (ret == -ENOSPC) {
		ret = fill_spare(&spare);
		if (!ret)
			goto again;
	}
	drop_spare(&spare);

	if (!list_empty(&retired)) {
		sevm_vm_flush_tlbs(vm);
		free_retired(vm, &retired);
	}
	return ret;
}

/* Zapping */

static bool is_empty(const u64 *table)
{
	return !memchr_inv(table, 0, PAGE_SIZE);
}

/* base: the first GFN of the table. True: something went. Under npt.lock. */
static bool zap_table(struct sevm_vm *vm, u64 *table, int level, sevm_gfn base,
		      sevm_gfn first, sevm_gfn last, struct list_head *retired)
{
	u64 size = span(level);
	bool zapped = false;
	unsigned int i, end;

	i = first > base ? (first - base) / size : 0;
	end = min_t(u64, (last - base) / size, ENTRIES - 1);
	for (; i <= end; i++) {
		sevm_gfn start = base + i * size;
		u64 entry = table[i];
		u64 *child;

		if (!(entry & _PAGE_PRESENT))
			continue;
		if (is_leaf(entry, level)) {
			WRITE_ONCE(table[i], 0);
			count(vm, entry, level, -1);
			zapped = true;
			continue;
		}

		child = table_of(entry);
		if (start < first || start + size - 1 > last) {
			zapped |= zap_table(vm, child, level - 1, start, first, last, retired);
			if (!is_empty(child))
				continue;
		}
		WRITE_ONCE(table[i], 0);
		retire_table(retired, child, level - 1);
		zapped = true;
	}
	return zapped;
}

void sevm_npt_zap(struct sevm_vm *vm, sevm_gfn gfn, u64 n)
{
	LIST_HEAD(retired);
	bool zapped;

	if (!n || gfn > max_gfn)
		return;

	spin_lock(&vm->npt.lock);
	zapped = zap_table(vm, vm->npt.root, levels, 0, gfn,
			   min(gfn + n - 1, max_gfn), &retired);
	spin_unlock(&vm->npt.lock);

	if (zapped)
		sevm_vm_flush_tlbs(vm);
	free_retired(vm, &retired);
}

/* Creation and end */

sevm_gfn sevm_npt_max_gfn(void)
{
	return max_gfn;
}

bool sevm_npt_can_mark(void)
{
	return marker_mask;
}

int sevm_npt_init(struct sevm_vm *vm)
{
	spin_lock_init(&vm->npt.lock);
	vm->npt.root = new_table();
	if (!vm->npt.root)
		return -ENOMEM;
	vm->npt.root_pa = __sme_set(__pa(vm->npt.root));
	return 0;
}

void sevm_npt_destroy(struct sevm_vm *vm)
{
	if (!vm->npt.root)
		return;
	free_tree(vm, vm->npt.root, levels);
	vm->npt.root = NULL;
}

int __init sevm_npt_setup(void)
{
	unsigned int bits, cbit = 0, reduction = 0;
	bool encrypting = false;
	u64 syscfg;

	bits = cpuid_eax(0x80000008) & 0xff;
	if (cpuid_eax(0x80000000) >= 0x8000001f) {
		u32 ebx = cpuid_ebx(0x8000001f);

		cbit = ebx & 0x3f;
		reduction = ebx >> 6 & 0x3f;
		encrypting = !rdmsrl_safe(MSR_AMD64_SYSCFG, &syscfg) &&
			     syscfg & MSR_AMD64_SYSCFG_MEM_ENCRYPT;
	}
	marker_mask = sevm_marker_mask(bits, cbit, reduction, encrypting);

	levels = pgtable_l5_enabled() ? 5 : 4;
	max_gfn = BIT_ULL(min(bits, 9U * levels + PAGE_SHIFT) - PAGE_SHIFT) - 1;

	return marker_mask ? 0 : -EOPNOTSUPP;
}
