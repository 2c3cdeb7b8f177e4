// SPDX-License-Identifier: GPL-2.0-only
/*
 * floor.c - the shortest way out of a guest and back into it, in ticks of the TSC.
 *
 * CLGI, VMRUN, STGI in a loop, around a guest whose only instruction is VMMCALL:
 * no state saved, no reason looked at, no barrier. No hypervisor can be below that.
 * Load it where no hypervisor is: /sys/module/floor/parameters/ticks has the result.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <asm/msr.h>
#include <asm/svm.h>

#define ROUNDS		1000
#define MAP_ORDER	2	/* 16K, for the larger of both permission maps */

static unsigned long ticks;
module_param(ticks, ulong, 0444);

static void segment(struct vmcb_seg *s, u16 attrib)
{
	*s = (struct vmcb_seg){ 0, attrib, 0xffff, 0 };
}

/* Real mode at 0, without nested paging: the guest sees one page of ours by way of CS. */
static void prepare(struct vmcb *vmcb, void *map, u8 *code)
{
	static const u8 vmmcall[] = { 0x0f, 0x01, 0xd9 };
	struct vmcb_control_area *c = &vmcb->control;
	struct vmcb_save_area *s = &vmcb->save;

	memcpy(code, vmmcall, sizeof(vmmcall));
	memset(map, 0xff, PAGE_SIZE << MAP_ORDER);
	c->intercepts[INTERCEPT_VMRUN / 32] |= BIT(INTERCEPT_VMRUN % 32);
	c->intercepts[INTERCEPT_VMMCALL / 32] |= BIT(INTERCEPT_VMMCALL % 32);
	c->intercepts[INTERCEPT_SHUTDOWN / 32] |= BIT(INTERCEPT_SHUTDOWN % 32);
	c->int_ctl = V_INTR_MASKING_MASK;
	c->asid = 1000;			/* has no key, and is nobody's */
	c->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	c->iopm_base_pa = __pa(map);
	c->msrpm_base_pa = __pa(map);

	s->efer = EFER_SVME;
	s->cr0 = X86_CR0_CD | X86_CR0_NW | X86_CR0_ET;
	s->rflags = X86_EFLAGS_FIXED;
	s->dr6 = 0xffff0ff0;
	s->dr7 = 0x400;
	segment(&s->cs, 0x9b);
	segment(&s->ds, 0x93);
	segment(&s->es, 0x93);
	segment(&s->ss, 0x93);
	s->cs.base = __pa(code);
	s->gdtr.limit = 0xffff;
	s->idtr.limit = 0xffff;
}

/* VMMCALL stays at its RIP, so each round is one guest instruction, the same one. */
static noinline void rounds(unsigned long vmcb, unsigned long n)
{
	asm volatile("1:	clgi\n\t"
		     "vmrun\n\t"
		     "stgi\n\t"
		     "dec %[n]\n\t"
		     "jnz 1b"
		     : [n] "+&r" (n) : "a" (vmcb) : "memory", "cc");
}

static int __init floor_init(void)
{
	u64 host = 0, efer, begin, one, all;
	void *pages[3], *map;
	struct vmcb *vmcb;
	int i, ret = 0;

	if (!boot_cpu_has(X86_FEATURE_SVM))
		return -ENODEV;
	map = (void *)__get_free_pages(GFP_KERNEL, MAP_ORDER);
	if (!map)
		ret = -ENOMEM;
	/* Below 4 GiB: real mode reaches no further. */
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		pages[i] = (void *)get_zeroed_page(GFP_KERNEL | GFP_DMA32);
		if (!pages[i])
			ret = -ENOMEM;
	}
	if (ret)
		goto out;
	vmcb = pages[0];
	prepare(vmcb, map, pages[1]);

	preempt_disable();
	local_irq_disable();
	rdmsrl(MSR_EFER, efer);
	rdmsrl(MSR_VM_HSAVE_PA, host);
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	wrmsrl(MSR_VM_HSAVE_PA, __pa(pages[2]));
	rounds(__pa(vmcb), 1);
	vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
	begin = rdtsc();
	rounds(__pa(vmcb), 1);
	one = rdtsc() - begin;
	begin = rdtsc();
	rounds(__pa(vmcb), ROUNDS + 1);
	all = rdtsc() - begin;
	wrmsrl(MSR_VM_HSAVE_PA, host);
	wrmsrl(MSR_EFER, efer);
	local_irq_enable();
	preempt_enable();

	ticks = (all - one) / ROUNDS;
	if (vmcb->control.exit_code != SVM_EXIT_VMMCALL) {
		pr_err("floor: exit 0x%x, not VMMCALL's\n", vmcb->control.exit_code);
		ret = -EIO;
	}
out:
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		free_page((unsigned long)pages[i]);
	free_pages((unsigned long)map, MAP_ORDER);
	return ret;
}

static void __exit floor_exit(void)
{
}

module_init(floor_init);
module_exit(floor_exit);
MODULE_DESCRIPTION("A bare VMRUN loop, timed");
MODULE_LICENSE("GPL");
