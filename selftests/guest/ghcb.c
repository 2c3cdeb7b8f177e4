// SPDX-License-Identifier: GPL-2.0-only
/*
 * ghcb.c - the guest's side of the GHCB: page and MSR protocol, reset hold.
 */
#include "guest.h"

void ghcb_register(void)
{
	struct guest_cpu *cpu = guest_cpu();

	if (cpu->ghcb_registered)
		return;
	if (!guest_ghcb_version) {
		u64 info = ghcb_msr_call(0x002);

		if ((info & 0xfff) != 0x001)
			guest_terminate(0, 1);
		guest_ghcb_version = info >> 48 > 2 ? 2 : info >> 48;
	}
	wrmsr(GHCB_MSR, GUEST_GHCB(cpu->index));
	cpu->ghcb_registered = true;
}

void ghcb_begin(union ghcb_page *g, u64 code, u64 info1, u64 info2)
{
	unsigned int i;

	for (i = 0; i < sizeof(g->bitmap); i++)
		g->bitmap[i] = 0;
	g->version = guest_ghcb_version;
	g->usage = 0;
	ghcb_set(g, GHCB_EXITCODE, code);
	ghcb_set(g, GHCB_INFO1, info1);
	ghcb_set(g, GHCB_INFO2, info2);
}

/* An interrupt meanwhile may raise #VC: its handler saves a page that is busy. */
static void exchange(union ghcb_page *g, u64 code, u64 info1, u64 info2)
{
	ghcb_register();
	guest_cpu()->ghcb_busy = true;
	asm volatile("" ::: "memory");
	ghcb_begin(g, code, info1, info2);
	vmgexit();
}

u32 ghcb_call(u64 code, u64 info1, u64 info2)
{
	union ghcb_page *g = guest_ghcb();

	exchange(g, code, info1, info2);
	guest_cpu()->ghcb_busy = false;
	return (u32)g->q[GHCB_INFO1];
}

u64 ghcb_msr_call(u64 request)
{
	u64 saved = rdmsr(GHCB_MSR), answer;

	wrmsr(GHCB_MSR, request);
	vmgexit();
	answer = rdmsr(GHCB_MSR);
	wrmsr(GHCB_MSR, saved);
	return answer;
}

void guest_terminate(u8 set, u8 code)
{
	for (;;)
		ghcb_msr_call(0x100 | (u64)(set & 15) << 12 | (u64)code << 16);
}

u64 guest_hold_nae(void)
{
	union ghcb_page *g = guest_ghcb();
	u64 answer;

	exchange(g, 0x80000004, 0, 0);
	answer = ghcb_valid(g, GHCB_INFO2) ? g->q[GHCB_INFO2] : 0;
	asm volatile("" ::: "memory");
	guest_cpu()->ghcb_busy = false;
	return answer;
}

u64 guest_hold_msr(void)
{
	u64 answer = ghcb_msr_call(0x006);

	return (answer & 0xfff) == 0x007 ? answer >> 12 : 0;
}
