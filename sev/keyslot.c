// SPDX-License-Identifier: GPL-2.0-only
/*
 * keyslot.c - the ASIDs of SEV-ES guests: 1 up to the first that plain SEV may use.
 *
 * An ASID is the name of a key: while a cache or the data fabric may still hold
 * lines under it, it must not get a new key. So a freed ASID is dirty until
 * WBINVD on all CPUs and DF_FLUSH, done for all dirty ones at once when the
 * clean ones run out, and with the last VM: the next may be KVM's. Invariant: an
 * ASID is clean, dirty, or in one VM; or lost, if its key could not be unbound.
 */
#include <linux/bitmap.h>
#include <linux/misc_cgroup.h>
#include <linux/slab.h>

#include "sev.h"
#include "svm/cpu/tlb.h"

static DEFINE_MUTEX(lock);		/* the bitmaps */
static unsigned long *taken;		/* in a VM, or dirty */
static unsigned long *dirty;
static unsigned int users;		/* VMs that have one */

static u32 max_asid;			/* SEV-ES: 1 .. this */

static unsigned int bits(void)
{
	return max_asid + 1;
}

/*
 * The kernel counts ASIDs for cgroups only where it has KVM's SEV. What there
 * is to count stays announced when sevm goes: KVM may be there still.
 */
#if IS_ENABLED(CONFIG_CGROUP_MISC) && IS_ENABLED(CONFIG_KVM_AMD_SEV)
static void announce(void)
{
	misc_cg_set_capacity(MISC_CG_RES_SEV_ES, max_asid);
}

static int charge_asid(struct sevm_es_vm *es)
{
	int r;

	/* Each time: an unloading kvm_amd sets the capacity to 0. */
	announce();

	es->cg = get_current_misc_cg();
	r = misc_cg_try_charge(MISC_CG_RES_SEV_ES, es->cg, 1);
	if (r) {
		put_misc_cg(es->cg);
		es->cg = NULL;
	}
	return r;
}

static void uncharge_asid(struct sevm_es_vm *es)
{
	misc_cg_uncharge(MISC_CG_RES_SEV_ES, es->cg, 1);
	put_misc_cg(es->cg);
	es->cg = NULL;
}
#else
static void announce(void)
{
}

static int charge_asid(struct sevm_es_vm *es)
{
	return 0;
}

static void uncharge_asid(struct sevm_es_vm *es)
{
}
#endif

int sevm_keyslot_setup(u32 max)
{
	max_asid = max;
	taken = bitmap_zalloc(bits(), GFP_KERNEL);
	dirty = bitmap_zalloc(bits(), GFP_KERNEL);
	if (!taken || !dirty) {
		bitmap_free(taken);
		bitmap_free(dirty);
		return -ENOMEM;
	}
	__set_bit(0, taken);
	announce();
	return 0;
}

void sevm_keyslot_teardown(void)
{
	int error;

	/* It failed with the last VM. */
	if (!bitmap_empty(dirty, bits()) && sevm_psp_flush(&error))
		pr_warn("ASIDs left unflushed: firmware error %#x\n", error);
	bitmap_free(taken);
	bitmap_free(dirty);
}

/* Make the dirty ones clean. False: there are none, or the firmware failed. */
static bool reclaim(void)
{
	int error;

	lockdep_assert_held(&lock);
	if (bitmap_empty(dirty, bits()) || sevm_psp_flush(&error))
		return false;
	bitmap_andnot(taken, taken, dirty, bits());
	bitmap_zero(dirty, bits());
	return true;
}

static u32 pick(void)
{
	unsigned long n;

	mutex_lock(&lock);
	n = find_first_zero_bit(taken, bits());
	if (n >= bits() && reclaim())
		n = find_first_zero_bit(taken, bits());
	if (n < bits()) {
		__set_bit(n, taken);
		users++;
	} else {
		n = 0;
	}
	mutex_unlock(&lock);
	return n;
}

int sevm_keyslot_get(struct sevm_vm *vm)
{
	struct sevm_es_vm *es = sevm_es_vm(vm);
	int r = charge_asid(es);

	if (r)
		return r;
	vm->asid = pick();
	if (vm->asid)
		return 0;
	uncharge_asid(es);
	return -EBUSY;
}

/* Nothing runs under it any more. One that has its key still stays taken. */
void sevm_keyslot_put(struct sevm_vm *vm)
{
	struct sevm_es_vm *es = sevm_es_vm(vm);

	if (!vm->asid)
		return;

	sevm_tlb_invalidate_asid(vm->asid);
	mutex_lock(&lock);
	if (!es->asid_keyed)
		__clear_bit(vm->asid, taken);
	else if (!es->asid_bound)
		__set_bit(vm->asid, dirty);
	/* What fails is tried again with the next last VM, or at unload. */
	if (!--users)
		reclaim();
	mutex_unlock(&lock);
	vm->asid = 0;
	uncharge_asid(es);
}
