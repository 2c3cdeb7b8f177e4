// SPDX-License-Identifier: GPL-2.0-only
/*
 * bringup-guest.c - what the guests of bringup have in common: they fill in the
 * page, call vcpu_op, and have APs that park, or count.
 */
#include <string.h>

#include "bringup.h"

_Static_assert(offsetof(struct ap_page, ss) + 8 == AP_PAGE_STATE_END, "layout");
_Static_assert(offsetof(struct ap_page, r15) == AP_PAGE_R15, "layout");
_Static_assert(offsetof(struct ap_page, gdtr.limit) == AP_PAGE_GDTR, "layout");
_Static_assert(offsetof(struct ap_page, idtr.limit) == AP_PAGE_IDTR, "layout");

/* In the program, so private; the host sets it before the launch. */
volatile u64 guest_page;

long hypercall(u64 number, u64 op, u64 id)
{
	long result;

	asm volatile("vmmcall" : "=a"(result) : "a"(number), "D"(op), "S"(id) : "memory");
	return result;
}

long vcpu_op(u64 op, u64 id)
{
	return hypercall(AP_PAGE_HYPERCALL, op, id);
}

u64 read_cr3(void)
{
	u64 cr3;

	asm volatile("mov %%cr3, %0" : "=r"(cr3));
	return cr3;
}

void clear(void *at, size_t size)
{
	memset(at, 0, size);
}

void page_begin(u32 id)
{
	GUEST_ASSERT(PAGE->status != AP_PAGE_FILLED && PAGE->status != AP_PAGE_TAKEN);
	clear((char *)PAGE + 4, sizeof(*PAGE) - 4);
	PAGE->vcpu = id;
	PAGE->version = AP_PAGE_PROTOCOL;
	PAGE->rflags = 2;
}

void page_fill(void)
{
	asm volatile("" ::: "memory");
	PAGE->status = AP_PAGE_FILLED;
}

u32 page_wait(void)
{
	while (PAGE->status == AP_PAGE_FILLED || PAGE->status == AP_PAGE_TAKEN)
		cpu_relax();
	return PAGE->status;
}

void wait_down(u32 id)
{
	while (vcpu_op(AP_PAGE_IS_UP, id))
		cpu_relax();
}

/* fn(id) as vCPU 0 began itself: start.S, its own stack. */
void page_want(u32 id, void (*fn)(unsigned long))
{
	page_begin(id);
	PAGE->cr0 = CR0_LONG;
	PAGE->cr3 = read_cr3();
	PAGE->cr4 = CR4_LONG;
	PAGE->efer = EFER_LME_LMA;
	PAGE->gdtr.base = (u64)guest_gdt[0];
	PAGE->gdtr.limit = sizeof(guest_gdt[0]) - 1;
	PAGE->ds = GUEST_DS;
	PAGE->es = GUEST_DS;
	PAGE->fs = GUEST_DS;
	PAGE->gs = GUEST_DS;
	PAGE->ss = GUEST_DS;
	PAGE->gs_base = (u64)&guest_cpus[id];
	PAGE->cs = GUEST_CS;
	PAGE->rip = (u64)guest_start;
	PAGE->rdi = id;
	PAGE->rsi = (u64)fn;
	PAGE->rsp = GUEST_STACK_TOP(id);
	page_fill();
}

void page_start(u32 id, void (*fn)(unsigned long))
{
	page_want(id, fn);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, id), 0);
	GUEST_ASSERT_EQ(page_wait(), AP_PAGE_READY);
}

void parks(unsigned long cpu)
{
	for (;;) {
		SHARED->alive[cpu]++;
		guest_hold_msr();
	}
}

void counts(unsigned long cpu)
{
	for (;;)
		SHARED->alive[cpu]++;
}

void wait_alive(u32 cpu, u64 times)
{
	while (SHARED->alive[cpu] < times)
		cpu_relax();
}

void spin(unsigned int n)
{
	while (n--)
		cpu_relax();
}

bool count_irq(struct guest_regs *regs)
{
	SHARED->irqs++;
	x2apic_write(APIC_EOI, 0);
	return true;
}
