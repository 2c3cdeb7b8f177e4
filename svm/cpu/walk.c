// SPDX-License-Identifier: GPL-2.0-only
/*
 * walk.c - guest-virtual memory of a plain guest.
 *
 * Follows the guest's own page tables in software, for the few accesses that
 * sevm makes in its name: INS and OUTS, the bytes of an instruction, and
 * KVM_TRANSLATE. It knows permissions as far as those need them (present, write,
 * user), and not NX, SMAP, SMEP, PKU or reserved bits.
 *
 * The tables are the guest's and may change under us: each entry is read
 * once, and accessed and dirty are set only in the entry that was read.
 */
#include <linux/mm.h>
#include <asm/pgtable_types.h>
#include <asm/processor-flags.h>
#include <asm/trap_pf.h>

#include "vmcb.h"
#include "walk.h"
#include "svm/mem/mem.h"

struct walk {
	struct sevm_vcpu *vcpu;
	u64 linear;
	bool write;
	bool fetch;
	bool user;
	bool peek;		/* leave no trace in the tables */
	struct sevm_walk_fault *fault;
};

static int fail_walk(const struct walk *w, bool present)
{
	if (w->fault) {
		w->fault->address = w->linear;
		w->fault->error_code = (present ? X86_PF_PROT : 0) |
				       (w->write ? X86_PF_WRITE : 0) |
				       (w->user ? X86_PF_USER : 0);
	}
	return -EFAULT;
}

/* -EAGAIN: the entry has changed. -EFAULT: it is in memory that cannot be written. */
static int mark(const struct walk *w, sevm_gpa at, u64 entry, u64 bits, bool wide)
{
	struct sevm_map map;
	u32 narrow = entry;
	bool same;
	void *va;
	int r;

	r = sevm_mem_map(w->vcpu->vm, at & PAGE_MASK, &map);
	if (r)
		return r;
	va = map.va + offset_in_page(at);
	same = wide ? try_cmpxchg((u64 *)va, &entry, entry | bits) :
		      try_cmpxchg((u32 *)va, &narrow, narrow | (u32)bits);
	sevm_mem_unmap(&map);
	return same ? 0 : -EAGAIN;
}

/*
 * One entry, read once: checked, and marked as used. big: the page-size bit
 * means something at this level. *leaf: comes in as true at the last level.
 */
static int use_entry(const struct walk *w, sevm_gpa at, u64 *entry, bool wide,
		     bool big, bool *leaf)
{
	const struct vmcb_save_area *s = sevm_vmcb_save(w->vcpu);
	u64 bits;
	int r;

	*entry = 0;
	if (sevm_mem_read(w->vcpu->vm, at, entry, wide ? 8 : 4))
		return fail_walk(w, false);
	if (!(*entry & _PAGE_PRESENT))
		return fail_walk(w, false);
	if (w->user && !(*entry & _PAGE_USER))
		return fail_walk(w, true);
	if (w->write && !(*entry & _PAGE_RW) && (w->user || (s->cr0 & X86_CR0_WP)))
		return fail_walk(w, true);

	*leaf |= big && (*entry & _PAGE_PSE);
	bits = _PAGE_ACCESSED | (*leaf && w->write ? _PAGE_DIRTY : 0);
	if (w->peek || (*entry & bits) == bits)
		return 0;
	r = mark(w, at, *entry, bits, wide);
	return r == -EFAULT ? fail_walk(w, false) : r;
}

static int walk_32(const struct walk *w, u64 cr3, u64 cr4, sevm_gpa *gpa)
{
	u32 linear = w->linear;
	bool leaf = false;
	u64 pde, pte;
	int r;

	r = use_entry(w, (cr3 & 0xfffff000) + (linear >> 22) * 4, &pde, false,
		      cr4 & X86_CR4_PSE, &leaf);
	if (r)
		return r;
	if (leaf) {
		*gpa = (pde & 0xffc00000) | (pde & 0x1fe000) << 19 | (linear & 0x3fffff);
		return 0;
	}
	leaf = true;
	r = use_entry(w, (pde & 0xfffff000) + ((linear >> 12) & 0x3ff) * 4,
		      &pte, false, false, &leaf);
	if (r)
		return r;
	*gpa = (pte & 0xfffff000) | (linear & 0xfff);
	return 0;
}

/* PAE, four and five levels: 8-byte entries, nine bits of index each. */
static int walk_64(const struct walk *w, sevm_gpa table, int levels, sevm_gpa *gpa)
{
	int level;

	for (level = levels; ; level--) {
		unsigned int shift = 12 + 9 * (level - 1);
		u64 mask = (1ULL << shift) - 1;
		bool leaf = level == 1;
		u64 entry;
		int r;

		r = use_entry(w, table + ((w->linear >> shift) & 0x1ff) * 8,
			      &entry, true, level == 2 || level == 3, &leaf);
		if (r)
			return r;
		if (leaf) {
			*gpa = (entry & PTE_PFN_MASK & ~mask) | (w->linear & mask);
			return 0;
		}
		table = entry & PTE_PFN_MASK;
	}
}

static int walk_pae(const struct walk *w, u64 cr3, sevm_gpa *gpa)
{
	sevm_gpa at = (cr3 & 0xffffffe0) + ((w->linear >> 30) & 3) * 8;
	u64 pdpte;

	/* These have no permissions and no accessed bit. */
	if (sevm_mem_read(w->vcpu->vm, at, &pdpte, 8) || !(pdpte & _PAGE_PRESENT))
		return fail_walk(w, false);
	return walk_64(w, pdpte & PTE_PFN_MASK, 2, gpa);
}

static int walk_once(const struct walk *w, sevm_gpa *gpa)
{
	const struct vmcb_save_area *s = sevm_vmcb_save(w->vcpu);

	if (!(s->cr0 & X86_CR0_PG)) {
		*gpa = (u32)w->linear;
		return 0;
	}
	if (s->efer & EFER_LMA)
		return walk_64(w, s->cr3 & PTE_PFN_MASK,
			       s->cr4 & X86_CR4_LA57 ? 5 : 4, gpa);
	if (s->cr4 & X86_CR4_PAE)
		return walk_pae(w, s->cr3, gpa);
	return walk_32(w, s->cr3, s->cr4, gpa);
}

/* Again if another vCPU changed what is walked; a hostile one may do so for good. */
static int walk_tables(const struct walk *w, sevm_gpa *gpa)
{
	unsigned int tries = 100;
	int r;

	do {
		r = walk_once(w, gpa);
	} while (r == -EAGAIN && --tries);
	return r == -EAGAIN ? fail_walk(w, false) : r;
}

int sevm_walk(struct sevm_vcpu *vcpu, u64 linear, bool write, bool fetch,
	      sevm_gpa *gpa, struct sevm_walk_fault *fault)
{
	struct walk w = {
		.vcpu = vcpu,
		.linear = linear,
		.write = write,
		.fetch = fetch,
		.user = sevm_vmcb_get_cpl(vcpu) == 3,
		.fault = fault,
	};

	return walk_tables(&w, gpa);
}

int sevm_walk_peek(struct sevm_vcpu *vcpu, u64 linear, sevm_gpa *gpa)
{
	struct walk w = {
		.vcpu = vcpu,
		.linear = linear,
		.peek = true,
	};

	return walk_tables(&w, gpa);
}

static int copy_linear(struct sevm_vcpu *vcpu, u64 linear, void *buf, size_t len,
		       bool write, bool fetch, struct sevm_walk_fault *fault)
{
	while (len) {
		size_t n = min_t(size_t, len, PAGE_SIZE - offset_in_page(linear));
		sevm_gpa gpa;
		int r;

		r = sevm_walk(vcpu, linear, write, fetch, &gpa, fault);
		if (r)
			return r;
		r = write ? sevm_mem_write(vcpu->vm, gpa, buf, n) :
			    sevm_mem_read(vcpu->vm, gpa, buf, n);
		if (r) {
			/* Not memory: no fault of the guest's tables. */
			if (fault)
				fault->address = ~0ULL;
			return -ENXIO;
		}
		linear += n;
		buf += n;
		len -= n;
	}
	return 0;
}

int sevm_walk_read(struct sevm_vcpu *vcpu, u64 linear, void *buf, size_t len,
		   bool fetch, struct sevm_walk_fault *fault)
{
	return copy_linear(vcpu, linear, buf, len, false, fetch, fault);
}

int sevm_walk_write(struct sevm_vcpu *vcpu, u64 linear, const void *buf,
		    size_t len, struct sevm_walk_fault *fault)
{
	return copy_linear(vcpu, linear, (void *)buf, len, true, false, fault);
}

static bool is_prefix(u8 byte, bool long_mode)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e:
	case 0x64: case 0x65: case 0x66: case 0x67:
	case 0xf0: case 0xf2: case 0xf3:
		return true;
	default:
		return long_mode && (byte & 0xf0) == 0x40;
	}
}

unsigned int sevm_walk_fetch(struct sevm_vcpu *vcpu, u8 *bytes, unsigned int size)
{
	const struct vmcb_save_area *s = sevm_vmcb_save(vcpu);
	bool long_mode = sevm_vmcb_in_64bit_mode(vcpu);
	u64 linear = s->rip + (long_mode ? 0 : s->cs.base);
	unsigned int first;

	if (!long_mode)
		linear = (u32)linear;

	/* The second page may well not be there. */
	first = min_t(unsigned int, size, PAGE_SIZE - offset_in_page(linear));
	if (sevm_walk_read(vcpu, linear, bytes, first, true, NULL))
		return 0;
	if (first < size &&
	    !sevm_walk_read(vcpu, linear + first, bytes + first, size - first, true, NULL))
		return size;
	return first;
}

unsigned int sevm_walk_insn_len(struct sevm_vcpu *vcpu, unsigned int opcode_len)
{
	bool long_mode = sevm_vmcb_in_64bit_mode(vcpu);
	unsigned int n, i;
	u8 bytes[15];

	n = sevm_walk_fetch(vcpu, bytes, sizeof(bytes));
	for (i = 0; i < n && is_prefix(bytes[i], long_mode); i++)
		;
	return i + opcode_len;
}
