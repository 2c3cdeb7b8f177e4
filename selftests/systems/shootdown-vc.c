// SPDX-License-Identifier: GPL-2.0-only
/*
 * shootdown-vc.c - the shootdown guest's #VC and NMI handlers, and a way to stop a
 * CPU in the middle of them.
 *
 * #VC has no stack of its own: it runs on the kernel stack it finds, with
 * interrupts off but where a test opens a window. The GHCB is this CPU's one
 * page; whoever comes in while it is in use saves it and puts it back. Each level
 * has its own place to save it: NMIs come on top of everything.
 */
#include <string.h>

#include "shootdown.h"

#define VC_LEVELS	4
#define NMI_LEVELS	2
#define NMI_STACK	0x1000

#define EXIT_CPUID	0x72
#define EXIT_MSR	0x7c
#define EXIT_NMI_COMPLETE 0x80000003

struct knob knobs[CPUS];
struct witness seen[CPUS];
volatile u64 tolerate_wrong_gs;

static union ghcb_page vc_saved[CPUS][VC_LEVELS];
static union ghcb_page nmi_saved[CPUS][NMI_LEVELS];

static struct nmi_stack {
	u8 stack[NMI_STACK];
	struct guest_cpu *self;		/* nmi_entry finds it here */
	u64 unused;
} nmi_stacks[CPUS] __attribute__((aligned(16)));

/* --- stopping ---------------------------------------------------------------- */

void arm(u64 cpu, u64 place, u64 what, u64 action, bool window)
{
	struct knob *k = &knobs[cpu];

	k->what = what;
	k->action = action;
	k->window = window;
	k->parked = 0;
	k->go = 0;
	k->done = 0;
	asm volatile("" ::: "memory");
	k->place = place;
}

void wait_parked(u64 cpu)
{
	while (!knobs[cpu].parked)
		cpu_relax();
}

void release(u64 cpu)
{
	knobs[cpu].go = 1;
	while (!knobs[cpu].done)
		cpu_relax();
}

static void park(u64 place, u64 what)
{
	struct knob *k = &knobs[this_cpu()];

	if (k->place != place || k->what != what)
		return;
	k->place = 0;
	switch (k->action) {
	case ACT_WAIT:
		if (k->window)
			sti();
		k->parked = 1;
		while (!k->go) {
			k->spins++;
			cpu_relax();
		}
		if (k->window)
			cli();
		break;
	case ACT_SELF_IPI:
		x2apic_write(APIC_SELF_IPI, VECTOR_PLAIN);
		if (k->window)
			asm volatile("sti; nop; nop; cli" ::: "memory");
		break;
	case ACT_SELF_NMI:
		x2apic_icr(0, ICR_SELF | ICR_NMI);
		break;
	}
	k->done = 1;
}

/* From ipi_plain: on any GS. */
void park_ipi(struct frame *frame, u64 place)
{
	park(place, 0);
}

void on_plain(struct frame *frame)
{
	struct witness *w = &seen[this_cpu()];

	w->plain_depth = w->vc_depth;
	w->plain_in_user += !!(frame->cs & 3);
	w->plain++;
}

/* --- #VC --------------------------------------------------------------------- */

/* As the original: what it takes from the frame goes out, what it needs comes in. */
static void ask(union ghcb_page *g, struct guest_regs *r)
{
	bool msr = r->error == EXIT_MSR;
	bool write = msr && ((const u8 *)r->rip)[1] == 0x30;
	u64 what = msr ? (u32)r->rcx : WHAT_CPUID;

	park(PLACE_VC_ENTRY, what);
	ghcb_begin(g, r->error, write, 0);
	ghcb_set(g, GHCB_RCX, (u32)r->rcx);
	if (write || !msr)
		ghcb_set(g, GHCB_RAX, (u32)r->rax);
	if (write)
		ghcb_set(g, GHCB_RDX, (u32)r->rdx);
	if (!msr)
		ghcb_set(g, GHCB_XCR0, 1);
	park(PLACE_VC_FILLED, what);
	vmgexit();
	park(PLACE_VC_ANSWERED, what);
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	r->rip += 2;
	if (write)
		return;
	GUEST_ASSERT(ghcb_valid(g, GHCB_RAX) && ghcb_valid(g, GHCB_RDX));
	r->rax = (u32)g->q[GHCB_RAX];
	r->rdx = (u32)g->q[GHCB_RDX];
	if (msr)
		return;
	GUEST_ASSERT(ghcb_valid(g, GHCB_RBX) && ghcb_valid(g, GHCB_RCX));
	r->rbx = (u32)g->q[GHCB_RBX];
	r->rcx = (u32)g->q[GHCB_RCX];
}

static u64 rflags(void)
{
	u64 v;

	asm volatile("pushf; pop %0" : "=r"(v));
	return v;
}

static void answer(struct guest_regs *r, u64 cpu)
{
	union ghcb_page *g = guest_ghcb();
	struct witness *w = &seen[cpu];
	u64 level;

	ghcb_register();
	w->vcs++;
	level = w->vc_depth++;
	GUEST_ASSERT(level < VC_LEVELS);
	if (w->vc_depth > w->vc_depth_max)
		w->vc_depth_max = w->vc_depth;
	if (level)
		memcpy(&vc_saved[cpu][level], g, sizeof(*g));
	ask(g, r);
	if (level)
		memcpy(g, &vc_saved[cpu][level], sizeof(*g));
	w->vc_depth = level;
}

static bool vctrap(struct guest_regs *r)
{
	u64 cpu = this_cpu(), gs = rdmsr(MSR_GS_BASE), own = (u64)&guest_cpus[cpu];
	bool handled = true;

	if (gs != own) {
		seen[cpu].wrong_gs++;
		/* Left alone, the handler would take a user's data for its own. */
		wrmsr(MSR_GS_BASE, own);
		if (!tolerate_wrong_gs)
			guest_fail(__FILE__, __LINE__, "#VC on GS, at", gs, r->rip);
	}
	GUEST_ASSERT(!(rflags() & 0x200));
	if (r->error == EXIT_CPUID || (r->error == EXIT_MSR && !(r->cs & 3)))
		answer(r, cpu);
	else
		handled = guest_vc(r);
	if (gs != own)
		wrmsr(MSR_GS_BASE, gs);
	return handled;
}

/* --- NMI --------------------------------------------------------------------- */

/* Where to go on: below what was interrupted, or on the kernel stack. */
u64 nmi_leave_stack(struct guest_regs *r)
{
	u64 cpu = this_cpu();
	u64 top = r->cs & 3 ? *(u64 *)((char *)guest_cpus[cpu].tss + 4) : r->rsp;
	u64 to = (top - sizeof(*r)) & ~15ULL;

	memcpy((void *)to, r, sizeof(*r));
	return to;
}

void on_nmi(struct guest_regs *r, u64 gs)
{
	u64 cpu = guest_cpu()->index, level;
	struct witness *w = &seen[cpu];
	union ghcb_page *g = guest_ghcb();

	GUEST_ASSERT_EQ(cpu, this_cpu());
	level = w->nmi_depth++;
	GUEST_ASSERT(level < NMI_LEVELS);
	if (w->nmi_depth > w->nmi_depth_max)
		w->nmi_depth_max = w->nmi_depth;
	if (r->cs & 3) {
		GUEST_ASSERT_EQ(gs, (u64)&users[cpu]);
		w->nmis_in_user++;
	} else if (gs != (u64)&guest_cpus[cpu]) {
		GUEST_ASSERT_EQ(gs, (u64)&users[cpu]);
		w->nmis_under_user_gs++;
	}
	memcpy(&nmi_saved[cpu][level], g, sizeof(*g));
	/* A #VC in here: on top of one that may have been interrupted. */
	GUEST_ASSERT_EQ(x2apic_read(APIC_ID), cpu);
	park(PLACE_NMI, 0);
	w->nmis++;
	ghcb_begin(g, EXIT_NMI_COMPLETE, 0, 0);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	memcpy(g, &nmi_saved[cpu][level], sizeof(*g));
	w->nmi_depth = level;
}

/* --- setting up --------------------------------------------------------------- */

void machine_set_stacks(u64 cpu, u64 rsp0, u64 nmi)
{
	char *tss = (char *)guest_cpus[cpu].tss;

	if (!rsp0)
		rsp0 = GUEST_STACK_TOP(cpu) - GUEST_STACK_SIZE / 2;
	if (!nmi)
		nmi = (u64)&nmi_stacks[cpu].self;
	*(struct guest_cpu **)nmi = &guest_cpus[cpu];
	/* RSP0 and IST 1 */
	*(u64 *)(tss + 4) = rsp0;
	*(u64 *)(tss + 0x24) = nmi;
}

void machine_setup_cpu(u64 cpu)
{
	guest_gdt[cpu][CPU_SELECTOR / 8] = 0x0040f30000000000ULL | cpu;
	machine_set_stacks(cpu, 0, 0);
	guest_set_handler(29, vctrap);
	x2apic_enable();
}

static void set_gate(unsigned int vector, char *target, u8 ist)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idtr;
	u64 *gate, to = (u64)target;

	asm volatile("sidt %0" : "=m"(idtr));
	gate = (u64 *)idtr.base + vector * 2;
	gate[0] = (to & 0xffff) | GUEST_CS << 16 | (u64)ist << 32 | 0x8eULL << 40 |
		  (to >> 16 & 0xffff) << 48;
	gate[1] = to >> 32;
}

void machine_setup_gates(void)
{
	set_gate(2, nmi_entry, 1);
	set_gate(VECTOR_INVLTLB, ipi_invltlb, 0);
	set_gate(VECTOR_INVLPG, ipi_invlpg, 0);
	set_gate(VECTOR_INVLRANGE, ipi_invlrange, 0);
	set_gate(VECTOR_PLAIN, ipi_plain, 0);
	set_gate(VECTOR_WBINVD, ipi_wbinvd, 0);
}
