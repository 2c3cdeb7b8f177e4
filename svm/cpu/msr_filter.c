// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr_filter.c - MSR accesses that the VMM keeps from the guest.
 *
 * KVM_X86_SET_MSR_FILTER: ranges with bitmaps, the first that covers an access
 * decides. What is denied is a #GP, or with KVM_MSR_EXIT_REASON_FILTER an exit
 * to userspace: msr.c. All guests of a kind share one permission map, so what some
 * kind may reach without an exit cannot be denied: such a filter is refused.
 */
#include <linux/bitmap.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "msr_filter.h"
#include "msr_map.h"

#define MAX_BITMAP	0x600		/* bytes, as in KVM */

struct msr_range {
	u32 flags;
	u32 base;
	u32 count;
	unsigned long *bitmap;
};

struct sevm_msr_filter {
	bool allow_others;
	unsigned int count;
	struct msr_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

static bool allows(const struct sevm_msr_filter *filter, u32 index, u32 access)
{
	unsigned int i;

	for (i = 0; i < filter->count; i++) {
		const struct msr_range *range = &filter->ranges[i];

		/* In 32 bits, as in KVM: what goes beyond the last MSR covers none. */
		if (index >= range->base && index < range->base + range->count &&
		    (range->flags & access))
			return test_bit(index - range->base, range->bitmap);
	}
	return filter->allow_others;
}

bool sevm_msr_filter_allows(struct sevm_vm *vm, u32 index, bool write)
{
	const struct sevm_msr_filter *filter;
	bool allowed;

	/* The x2APIC is never filtered. */
	if (index - 0x800 < 0x100)
		return true;
	rcu_read_lock();
	filter = rcu_dereference(vm->msr_filter);
	allowed = !filter || allows(filter, index, write ? KVM_MSR_FILTER_WRITE :
							   KVM_MSR_FILTER_READ);
	rcu_read_unlock();
	return allowed;
}

static void free_filter(struct sevm_msr_filter *filter)
{
	unsigned int i;

	if (!filter)
		return;
	for (i = 0; i < filter->count; i++)
		kfree(filter->ranges[i].bitmap);
	kfree(filter);
}

static int copy_range(struct sevm_msr_filter *filter,
		      const struct kvm_msr_filter_range *user)
{
	struct msr_range *range = &filter->ranges[filter->count];
	size_t size = BITS_TO_LONGS((size_t)user->nmsrs) * sizeof(long);

	if (!user->nmsrs)
		return 0;
	if (!user->flags ||
	    (user->flags & ~(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)) ||
	    size > MAX_BITMAP)
		return -EINVAL;

	range->bitmap = memdup_user((void __user *)user->bitmap, size);
	if (IS_ERR(range->bitmap))
		return PTR_ERR(range->bitmap);
	range->flags = user->flags;
	range->base = user->base;
	range->count = user->nmsrs;
	filter->count++;
	return 0;
}

static struct sevm_msr_filter *make_filter(const struct kvm_msr_filter *user)
{
	struct sevm_msr_filter *filter;
	unsigned int i;
	int r = 0;

	if (user->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return ERR_PTR(-EINVAL);
	filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);
	if (!filter)
		return ERR_PTR(-ENOMEM);
	filter->allow_others = !(user->flags & KVM_MSR_FILTER_DEFAULT_DENY);

	for (i = 0; i < ARRAY_SIZE(user->ranges) && !r; i++)
		r = copy_range(filter, &user->ranges[i]);
	/* Nothing but "deny" is as good as a mistake: KVM refuses it too. */
	if (!r && !filter->count && !filter->allow_others)
		r = -EINVAL;
	/* What never exits cannot be denied. */
	for (i = 0; !r && sevm_msr_map_passthrough(i); i++)
		if (!allows(filter, sevm_msr_map_passthrough(i), KVM_MSR_FILTER_READ) ||
		    !allows(filter, sevm_msr_map_passthrough(i), KVM_MSR_FILTER_WRITE))
			r = -EINVAL;
	if (r) {
		free_filter(filter);
		return ERR_PTR(r);
	}
	return filter;
}

int sevm_msr_filter_set(struct sevm_vm *vm, const struct kvm_msr_filter __user *arg)
{
	struct sevm_msr_filter *filter, *old;
	struct kvm_msr_filter *user = memdup_user(arg, sizeof(*user));

	if (IS_ERR(user))
		return PTR_ERR(user);
	filter = make_filter(user);
	kfree(user);
	if (IS_ERR(filter))
		return PTR_ERR(filter);

	old = rcu_replace_pointer(vm->msr_filter, filter, lockdep_is_held(&vm->lock));
	synchronize_rcu();
	free_filter(old);
	return 0;
}

/* The VM is going away: nobody looks any more. */
void sevm_msr_filter_free(struct sevm_vm *vm)
{
	free_filter(rcu_dereference_protected(vm->msr_filter, true));
}
