// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpuid.c - what CPUID says to a guest.
 *
 * It sees what its VMM set. Only the bits that follow the guest's own state
 * (OSXSAVE, APIC, OSPKE, the sizes of leaf 0xD) are put in when they are read,
 * and are never stored.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>

#include "cpuid.h"
#include "cpuid_internal.h"

static struct kvm_cpuid_entry2 *find_leaf(struct kvm_cpuid_entry2 *entries, u32 n,
					  u32 leaf, u32 index)
{
	u32 i;

	for (i = 0; i < n; i++) {
		struct kvm_cpuid_entry2 *e = &entries[i];

		if (e->function == leaf && (!(e->flags & SIGNIFICANT) || e->index == index))
			return e;
	}
	return NULL;
}

const struct kvm_cpuid_entry2 *sevm_cpuid_find(struct sevm_vcpu *vcpu, u32 leaf, u32 index)
{
	return find_leaf(vcpu->cpuid, vcpu->cpuid_nent, leaf, index);
}

bool sevm_cpuid_has(struct sevm_vcpu *vcpu, unsigned int x86_feature)
{
	struct kvm_cpuid_entry2 *entry;
	enum sevm_cpuid_reg reg;
	u32 leaf, index;

	if (!sevm_cpuid_where(x86_feature, &leaf, &index, &reg))
		return false;
	entry = find_leaf(vcpu->cpuid, vcpu->cpuid_nent, leaf, index);
	return entry && *sevm_cpuid_reg(entry, reg) & BIT(x86_feature % 32);
}

static void set_bit_if(u32 *reg, u32 bit, bool on)
{
	*reg = on ? *reg | bit : *reg & ~bit;
}

/* What an entry says just now: some bits follow the guest's state. */
static void query(struct sevm_vcpu *vcpu, u64 xcr0, u64 xss,
		  const struct kvm_cpuid_entry2 *entry, u32 regs[4])
{
	regs[EAX] = entry->eax;
	regs[EBX] = entry->ebx;
	regs[ECX] = entry->ecx;
	regs[EDX] = entry->edx;

	switch (entry->function) {
	case 1:
		if (boot_cpu_has(X86_FEATURE_XSAVE))
			set_bit_if(&regs[ECX], F(OSXSAVE), vcpu->cr4 & X86_CR4_OSXSAVE);
		set_bit_if(&regs[EDX], F(APIC), vcpu->apic_base & MSR_IA32_APICBASE_ENABLE);
		break;
	case 7:
		if (!entry->index && boot_cpu_has(X86_FEATURE_PKU))
			set_bit_if(&regs[ECX], F(OSPKE), vcpu->cr4 & X86_CR4_PKE);
		break;
	case 0xd:
		if (entry->index == 0)
			regs[EBX] = sevm_cpuid_xstate_size(xcr0, false);
		else if (entry->index == 1 && entry->eax & (F(XSAVES) | F(XSAVEC)))
			regs[EBX] = sevm_cpuid_xstate_size(xcr0 | xss, true);
		break;
	}
}

/* The same of a copy, for userspace. */
static void update(struct sevm_vcpu *vcpu, struct kvm_cpuid_entry2 *entry)
{
	u32 regs[4];

	query(vcpu, vcpu->xcr0, vcpu->xss, entry, regs);
	entry->eax = regs[EAX];
	entry->ebx = regs[EBX];
	entry->ecx = regs[ECX];
	entry->edx = regs[EDX];
}

/*
 * Intel's CPUs answer a leaf beyond the last with the last basic one, AMD's
 * with zeros: a guest gets what the vendor it sees does.
 */
static noinline struct kvm_cpuid_entry2 *
find_beyond(struct sevm_vcpu *vcpu, u32 leaf, u32 index)
{
	struct kvm_cpuid_entry2 *basic, *class;
	u32 base = leaf & 0x80000000;

	basic = find_leaf(vcpu->cpuid, vcpu->cpuid_nent, 0, 0);
	if (!basic || basic->ebx != 0x756e6547)		/* "Genu" */
		return NULL;
	if (leaf >= 0x40000000 && leaf <= 0x4fffffff)
		base = leaf & 0xffffff00;
	class = find_leaf(vcpu->cpuid, vcpu->cpuid_nent, base, 0);
	if (class && leaf <= class->eax)
		return NULL;
	return find_leaf(vcpu->cpuid, vcpu->cpuid_nent, basic->eax, index);
}

void sevm_cpuid_query(struct sevm_vcpu *vcpu, u64 xcr0, u64 xss, u32 regs[4])
{
	u32 leaf = regs[EAX], index = regs[ECX];
	struct kvm_cpuid_entry2 *found;

	found = find_leaf(vcpu->cpuid, vcpu->cpuid_nent, leaf, index) ?:
		find_beyond(vcpu, leaf, index);
	if (found) {
		query(vcpu, xcr0, xss, found, regs);
		return;
	}

	memset(regs, 0, 4 * sizeof(*regs));
	/* Of a level that is not there, CL and the x2APIC ID are still right. */
	if (leaf == 0xb || leaf == 0x1f)
		found = find_leaf(vcpu->cpuid, vcpu->cpuid_nent, leaf, 1);
	if (found) {
		regs[ECX] = index & 0xff;
		regs[EDX] = found->edx;
	}
}

/* Setting it */

static bool is_same(struct sevm_vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 n)
{
	u32 i;

	if (n != vcpu->cpuid_nent)
		return false;
	for (i = 0; i < n; i++) {
		struct kvm_cpuid_entry2 a = vcpu->cpuid[i], b = entries[i];

		/* The VMM may hand back what it got, with these bits in it. */
		update(vcpu, &a);
		update(vcpu, &b);
		if (a.function != b.function || a.index != b.index || a.flags != b.flags ||
		    a.eax != b.eax || a.ebx != b.ebx || a.ecx != b.ecx || a.edx != b.edx)
			return false;
	}
	return true;
}

/* Takes the entries. */
static int set(struct sevm_vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 n)
{
	struct kvm_cpuid_entry2 *entry;
	u32 virt = 0;
	int ret = 0;

	/* A guest that has run has seen them. */
	if (vcpu->cpu >= 0) {
		ret = is_same(vcpu, entries, n) ? 0 : -EINVAL;
		goto out;
	}
	entry = find_leaf(entries, n, 0x80000008, 0);
	if (entry)
		virt = entry->eax >> 8 & 0xff;
	if (virt && virt != 48 && virt != 57) {
		ret = -EINVAL;
		goto out;
	}

	swap(vcpu->cpuid, entries);
	vcpu->cpuid_nent = n;
	vcpu->phys_bits = entry ? entry->eax & 0xff : 36;
out:
	kvfree(entries);
	return ret;
}

static int copy_head(struct kvm_cpuid2 *cpuid, struct kvm_cpuid2 __user *arg)
{
	return copy_from_user(cpuid, arg, sizeof(*cpuid)) ? -EFAULT : 0;
}

int sevm_cpuid_set(struct sevm_vcpu *vcpu, struct kvm_cpuid2 __user *arg)
{
	struct kvm_cpuid_entry2 *entries = NULL;
	struct kvm_cpuid2 cpuid;
	int ret = copy_head(&cpuid, arg);

	if (ret)
		return ret;
	if (cpuid.nent > SEVM_MAX_CPUID)
		return -E2BIG;
	if (cpuid.nent) {
		entries = vmemdup_user(arg->entries, array_size(cpuid.nent, sizeof(*entries)));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	return set(vcpu, entries, cpuid.nent);
}

int sevm_cpuid_set_v1(struct sevm_vcpu *vcpu, struct kvm_cpuid __user *arg)
{
	struct kvm_cpuid_entry2 *entries = NULL;
	struct kvm_cpuid_entry *old;
	struct kvm_cpuid cpuid;
	u32 i;

	if (copy_from_user(&cpuid, arg, sizeof(cpuid)))
		return -EFAULT;
	if (cpuid.nent > SEVM_MAX_CPUID)
		return -E2BIG;
	if (!cpuid.nent)
		return set(vcpu, NULL, 0);

	old = vmemdup_user(arg->entries, array_size(cpuid.nent, sizeof(*old)));
	if (IS_ERR(old))
		return PTR_ERR(old);
	entries = kvcalloc(cpuid.nent, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries) {
		kvfree(old);
		return -ENOMEM;
	}
	for (i = 0; i < cpuid.nent; i++) {
		entries[i].function = old[i].function;
		entries[i].eax = old[i].eax;
		entries[i].ebx = old[i].ebx;
		entries[i].ecx = old[i].ecx;
		entries[i].edx = old[i].edx;
	}
	kvfree(old);
	return set(vcpu, entries, cpuid.nent);
}

int sevm_cpuid_get(struct sevm_vcpu *vcpu, struct kvm_cpuid2 __user *arg)
{
	struct kvm_cpuid2 cpuid;
	u32 i;
	int ret = copy_head(&cpuid, arg);

	if (ret)
		return ret;
	if (cpuid.nent < vcpu->cpuid_nent)
		return -E2BIG;

	cpuid.nent = vcpu->cpuid_nent;
	for (i = 0; i < cpuid.nent; i++) {
		struct kvm_cpuid_entry2 entry = vcpu->cpuid[i];

		update(vcpu, &entry);
		if (copy_to_user(&arg->entries[i], &entry, sizeof(entry)))
			return -EFAULT;
	}
	return copy_to_user(arg, &cpuid, sizeof(cpuid)) ? -EFAULT : 0;
}

void sevm_cpuid_free(struct sevm_vcpu *vcpu)
{
	kvfree(vcpu->cpuid);
	vcpu->cpuid = NULL;
	vcpu->cpuid_nent = 0;
}
