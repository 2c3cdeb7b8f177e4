// SPDX-License-Identifier: GPL-2.0-only
/*
 * tlb.c - which ASID a vCPU runs under, and when its TLB is flushed.
 *
 * A plain guest's vCPU gets an ASID of its own on each CPU, from a per-CPU
 * counter above the ASIDs of SEV; when the counter overflows, everything is
 * flushed and a new generation begins. A SEV guest has one ASID for all its
 * vCPUs on all CPUs: sev/keyslot.c.
 *
 * The table. A TLB entry belongs to (CPU, ASID); it is stale for this vCPU if
 * it was made before a flush was asked for, before SVM was turned on here (the
 * epoch of host.c), or by somebody else.
 *
 *	own ASID, generation current, same CPU		(a) nothing
 *	own ASID, generation old or another CPU		(b) a fresh ASID;
 *		and if the counter overflowed		(b2) flush all
 *	fixed ASID, same CPU, this vCPU ran last	(c) nothing
 *	fixed ASID, another CPU or another vCPU		(d) flush the ASID
 *	a flush was requested				(e) as (b), or (d)
 *	SVM was turned on since, or VMRUN refused	(f) a new generation: (b2), (d)
 *
 * Why (d) even though the vCPUs share their nested page tables: they share no
 * guest CR3, and the hardware tags by ASID alone.
 */
#include <linux/percpu.h>
#include <linux/slab.h>

#include "host.h"
#include "tlb.h"
#include "vmcb.h"

struct asid_cpu {
	u64 epoch;		/* of SVM on this CPU: sevm_host_cpu */
	u64 generation;
	u32 next;
	/* Fixed ASIDs: who ran last here; only ever compared, never followed. */
	const struct sevm_vcpu **last;
};

static DEFINE_PER_CPU(struct asid_cpu, asid_cpus);
static u32 first_asid, last_asid;	/* of plain guests; 0: SEV took them all */
static u32 max_fixed;			/* ASIDs of SEV guests: 1 to this */

int sevm_tlb_setup(void)
{
	int cpu;

	max_fixed = sevm_host_caps.max_sev_asid;
	last_asid = sevm_host_caps.max_asid;
	first_asid = max_fixed < last_asid ? max_fixed + 1 : 0;
	for_each_possible_cpu(cpu) {
		struct asid_cpu *ac = per_cpu_ptr(&asid_cpus, cpu);

		ac->last = kvcalloc(max_fixed + 1, sizeof(*ac->last), GFP_KERNEL);
		if (!ac->last) {
			sevm_tlb_teardown();
			return -ENOMEM;
		}
	}
	return 0;
}

void sevm_tlb_teardown(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		kvfree(per_cpu(asid_cpus, cpu).last);
		per_cpu(asid_cpus, cpu).last = NULL;
	}
}

bool sevm_tlb_has_plain_asids(void)
{
	return first_asid;
}

static void prepare_own(struct sevm_vcpu *vcpu, struct asid_cpu *ac, int cpu, bool flush)
{
	u8 tlb_control = TLB_CONTROL_DO_NOTHING;

	if (vcpu->asid_generation == ac->generation && vcpu->cpu == cpu && !flush) {
		sevm_vmcb_set_asid(vcpu, vcpu->asid, tlb_control);	/* (a) */
		return;
	}
	if (ac->next > last_asid) {					/* (b2) */
		ac->generation++;
		ac->next = first_asid;
		tlb_control = TLB_CONTROL_FLUSH_ALL_ASID;
	}
	vcpu->asid_generation = ac->generation;				/* (b) */
	vcpu->asid = ac->next++;
	sevm_vmcb_set_asid(vcpu, vcpu->asid, tlb_control);
}

static void prepare_fixed(struct sevm_vcpu *vcpu, struct asid_cpu *ac, int cpu,
			  u32 asid, bool flush)
{
	u8 tlb_control = TLB_CONTROL_DO_NOTHING;

	if (flush || vcpu->cpu != cpu || ac->last[asid] != vcpu) {	/* (d) */
		tlb_control = sevm_host_caps.flush_by_asid ?
			TLB_CONTROL_FLUSH_ASID : TLB_CONTROL_FLUSH_ALL_ASID;
		ac->last[asid] = vcpu;
	} else if (vcpu->asid == asid) {
		return;							/* (c) */
	}
	vcpu->asid = asid;
	sevm_vmcb_set_asid(vcpu, asid, tlb_control);
}

void sevm_tlb_invalidate_cpu(int cpu)
{
	struct asid_cpu *ac = per_cpu_ptr(&asid_cpus, cpu);

	/* The next entry under each fixed ASID flushes it, the next plain one everything. */
	ac->generation++;
	ac->next = last_asid + 1;
	memset(ac->last, 0, (max_fixed + 1) * sizeof(*ac->last));
}

void sevm_tlb_prepare(struct sevm_vcpu *vcpu, int cpu)
{
	struct asid_cpu *ac = this_cpu_ptr(&asid_cpus);
	u32 fixed = vcpu->vm->asid;
	/* A request from here on finds IN_GUEST, and its IPI ends the guest at once. */
	bool flush = test_bit(SEVM_REQ_TLB_FLUSH, &vcpu->requests) &&
		     test_and_clear_bit(SEVM_REQ_TLB_FLUSH, &vcpu->requests);

	if (flush)							/* (e) */
		sevm_count(vcpu, tlb_flushes);
	if (unlikely(ac->epoch != this_cpu_read(sevm_host_cpu.epoch))) {	/* (f) */
		ac->epoch = this_cpu_read(sevm_host_cpu.epoch);
		sevm_tlb_invalidate_cpu(cpu);
	}
	if (fixed)
		prepare_fixed(vcpu, ac, cpu, fixed, flush);
	else
		prepare_own(vcpu, ac, cpu, flush);
}

/* A new vCPU may get the old one's memory: its address must not look familiar. */
void sevm_tlb_invalidate_vcpu(struct sevm_vcpu *vcpu)
{
	u32 fixed = vcpu->vm->asid;
	int cpu;

	if (!fixed)
		return;
	for_each_possible_cpu(cpu)
		cmpxchg(&per_cpu(asid_cpus, cpu).last[fixed], vcpu, NULL);
}

void sevm_tlb_invalidate_asid(u32 asid)
{
	int cpu;

	if (WARN_ON_ONCE(!asid || asid > max_fixed))
		return;
	for_each_possible_cpu(cpu)
		WRITE_ONCE(per_cpu(asid_cpus, cpu).last[asid], NULL);
}
