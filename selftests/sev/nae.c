// SPDX-License-Identifier: GPL-2.0-only
/*
 * nae.c - each NAE event of the GHCB, with good and with bad input. Port I/O is
 * in ioio.c, MMIO in mmio.c, APs in ap.c and jump_table.c; what holds for every
 * event is in ghcb.c.
 */
#include <errno.h>

#include "guest.h"
#include "request.h"
#include "vm.h"

#define GHCB_CPL_BYTE	0xcb

static void cpuid_guest(unsigned long cpu)
{
	union ghcb_page *g;
	u32 r[4];

	cpuid(0, 0, r);
	GUEST_ASSERT_EQ(guest_cpu()->last_vc, 0x72);
	GUEST_ASSERT_EQ(r[1], 0x68747541);	/* "Auth" */
	cpuid(0x8000001f, 0, r);
	GUEST_ASSERT(r[0] & 1 << 3);
	/* A leaf beyond the highest answers zeros on AMD. */
	cpuid(0x90000000, 0, r);
	GUEST_ASSERT_EQ(r[0] | r[1] | r[2] | r[3], 0);

	g = begin(0x72, 0, 0);
	ghcb_set(g, GHCB_RCX, 0);
	vmgexit();
	refused(ERR_MISSING);
	g = begin(0x72, 0, 0);
	ghcb_set(g, GHCB_RAX, 0);
	vmgexit();
	refused(ERR_MISSING);
	/* Leaf 0xD depends on XCR0, which only the guest knows. */
	g = begin(0x72, 0, 0);
	ghcb_set(g, GHCB_RAX, 0xd);
	ghcb_set(g, GHCB_RCX, 0);
	vmgexit();
	refused(ERR_MISSING);
	g = begin(0x72, 0, 0);
	ghcb_set(g, GHCB_RAX, 0xd);
	ghcb_set(g, GHCB_RCX, 0);
	ghcb_set(g, GHCB_XCR0, 7);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	GUEST_ASSERT(ghcb_valid(g, GHCB_RBX));
}

static void cpuid_event(void)
{
	run_guest(cpuid_guest, NULL);
}

/* Leaf 0xD EBX is the size for what XCR0 says now. */
static void cpuid_xcr0_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(0x72, 0, 0);
	u64 small;

	ghcb_set(g, GHCB_RAX, 0xd);
	ghcb_set(g, GHCB_RCX, 0);
	ghcb_set(g, GHCB_XCR0, 1);
	vmgexit();
	small = (u32)g->q[GHCB_RBX];
	GUEST_ASSERT_EQ(small, 576);
	begin(0x72, 0, 0);
	ghcb_set(g, GHCB_RAX, 0xd);
	ghcb_set(g, GHCB_RCX, 0);
	ghcb_set(g, GHCB_XCR0, 7);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_RBX], 832);
}

static void cpuid_0xd_follows_the_guests_xcr0(void)
{
	run_guest(cpuid_xcr0_guest, NULL);
}

#define OSXSAVE_CR4	(1u << 18)
#define OSXSAVE_CPUID	(1u << 27)

/* OSXSAVE follows CR4, of which the host knows by its write trap only. */
static void osxsave_guest(unsigned long cpu)
{
	u64 cr4;
	u32 r[4];
	int i;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	cr4 &= ~(u64)OSXSAVE_CR4;
	for (i = 0; i < 4; i++) {
		asm volatile("mov %0, %%cr4" :: "r"(cr4 | (i & 1 ? OSXSAVE_CR4 : 0)) : "memory");
		cpuid(1, 0, r);
		GUEST_ASSERT_EQ(r[2] & OSXSAVE_CPUID, i & 1 ? OSXSAVE_CPUID : 0);
	}
}

static void cpuid_osxsave_follows_the_guests_cr4(void)
{
	run_guest(osxsave_guest, NULL);
}

#define MSR_NONE 0x12345678

static void msr_guest(unsigned long cpu)
{
	union ghcb_page *g;
	u64 base = rdmsr(0x1b);

	GUEST_ASSERT_EQ(guest_cpu()->last_vc, 0x7c);
	GUEST_ASSERT_EQ(base & 0xfffff000, 0xfee00000);
	GUEST_ASSERT(base & 0x100);	/* the BSP */
	wrmsr(0x200, 0x12345000);	/* MTRRphysBase0 */
	GUEST_ASSERT_EQ(rdmsr(0x200), 0x12345000);
	GUEST_ASSERT_EQ(guest_try(rdmsr(MSR_NONE)), 13);
	GUEST_ASSERT_EQ(guest_try(wrmsr(MSR_NONE, 1)), 13);
	/* A write of reserved bits: #GP, and the old value stays. */
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x1b, ~0ULL)), 13);
	GUEST_ASSERT_EQ(rdmsr(0x1b), base);

	g = begin(0x7c, 0, 0);
	vmgexit();
	refused(ERR_MISSING);
	g = begin(0x7c, 1, 0);
	ghcb_set(g, GHCB_RCX, 0x200);
	ghcb_set(g, GHCB_RAX, 0);
	vmgexit();
	refused(ERR_MISSING);
}

static void msr_event(void)
{
	run_guest(msr_guest, NULL);
}

/* The spec has 0 and 1. */
static void msr_info1_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(0x7c, 1ULL << 32, 0);

	ghcb_set(g, GHCB_RCX, 0x200);
	ghcb_set(g, GHCB_RAX, 0x5000);
	ghcb_set(g, GHCB_RDX, 0);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	GUEST_ASSERT_EQ(rdmsr(0x200), 0x5000);
}

static void msr_event_with_any_info1_but_0_writes(void)
{
	run_guest(msr_info1_guest, NULL);
}

static void tsc_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(0x6e, 0, 0);
	u64 before = rdtsc(), tsc;

	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	GUEST_ASSERT(ghcb_valid(g, GHCB_RAX) && ghcb_valid(g, GHCB_RDX));
	tsc = (u32)g->q[GHCB_RAX] | g->q[GHCB_RDX] << 32;
	GUEST_ASSERT(tsc >= before && tsc <= rdtsc());
	wrmsr(0xc0000103, 0x77);	/* TSC_AUX */
	begin(0x87, 0, 0);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	GUEST_ASSERT(ghcb_valid(g, GHCB_RCX));
	GUEST_ASSERT_EQ((u32)g->q[GHCB_RCX], 0x77);
}

static void tsc_events(void)
{
	run_guest(tsc_guest, NULL);
}

static void vmmcall_guest(unsigned long cpu)
{
	union ghcb_page *g;
	u64 rax = 0x7fff0000;

	asm volatile("vmmcall" : "+a"(rax) : "b"(1), "c"(2), "d"(3), "S"(4) : "memory");
	GUEST_ASSERT_EQ(guest_cpu()->last_vc, 0x81);
	GUEST_ASSERT_EQ(rax, -1000ULL);		/* -KVM_ENOSYS */
	g = begin(0x81, 0, 0);
	ghcb_set(g, GHCB_RAX, rax);
	vmgexit();
	refused(ERR_MISSING);			/* CPL */
	g = begin(0x81, 0, 0);
	ghcb_set(g, GHCB_CPL, 0);
	vmgexit();
	refused(ERR_MISSING);
}

static void vmmcall_event(void)
{
	run_guest(vmmcall_guest, NULL);
}

static u64 vmmcall(u64 number, u64 cpl)
{
	union ghcb_page *g = begin(0x81, 0, 0);

	ghcb_set(g, GHCB_RAX, number);
	ghcb_set(g, GHCB_CPL, 0);
	g->b[GHCB_CPL_BYTE] = cpl;
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	GUEST_ASSERT(ghcb_valid(g, GHCB_RAX));
	return g->q[GHCB_RAX];
}

/* The CPL is the guest's word: its kernel says who called. */
static void cpl_guest(unsigned long cpu)
{
	GUEST_ASSERT_EQ(vmmcall(1, 0), 0);		/* KVM_HC_VAPIC_POLL_IRQ */
	GUEST_ASSERT_EQ(vmmcall(1, 3), -1ULL);		/* -KVM_EPERM */
	GUEST_ASSERT_EQ(vmmcall(0x7fff0000, 3), -1ULL);
}

static void vmmcall_is_for_cpl_0(void)
{
	run_guest(cpl_guest, NULL);
}

static void quiet_guest(unsigned long cpu)
{
	u64 dr7 = 0x400;

	asm volatile("wbinvd" ::: "memory");
	GUEST_ASSERT_EQ(guest_cpu()->last_vc, 0x89);
	GUEST_ASSERT_EQ(ghcb_call(0x89, 0, 0), 0);
	asm volatile("mov %0, %%dr7" :: "r"(dr7));
	GUEST_ASSERT_EQ(guest_cpu()->last_vc, 0x37);
	/* INVD is answered like WBINVD: a guest may not discard what is in the caches. */
	GUEST_ASSERT_EQ(ghcb_call(0x76, 0, 0), 0);
}

static void wbinvd_invd_and_dr7_events(void)
{
	run_guest(quiet_guest, NULL);
}

/* What was written is read back: the host keeps it, the hardware does not. */
static void dr7_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(0x27, 0, 0);

	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	GUEST_ASSERT(ghcb_valid(g, GHCB_RAX));
	GUEST_ASSERT_EQ(g->q[GHCB_RAX], 0x400);
	begin(0x37, 0, 0);
	ghcb_set(g, GHCB_RAX, 0x402);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	begin(0x27, 0, 0);
	g->q[GHCB_RAX] = 0;
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	GUEST_ASSERT_EQ(g->q[GHCB_RAX], 0x402);
}

static void dr7_reads_what_was_written(void)
{
	run_guest(dr7_guest, NULL);
}

static void dr7_bad_guest(unsigned long cpu)
{
	begin(0x37, 0, 0);
	vmgexit();
	refused(ERR_MISSING);
}

static void dr7_write_needs_rax(void)
{
	run_guest(dr7_bad_guest, NULL);
}

static void monitor_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(0x8a, 0, 0);

	ghcb_set(g, GHCB_RAX, GUEST_SHARED_DATA);
	ghcb_set(g, GHCB_RCX, 0);
	ghcb_set(g, GHCB_RDX, 0);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	begin(0x8b, 0, 0);
	ghcb_set(g, GHCB_RAX, 0);
	ghcb_set(g, GHCB_RCX, 0);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	begin(0x8b, 0, 0);
	vmgexit();
	refused(ERR_MISSING);
	begin(0x8a, 0, 0);
	ghcb_set(g, GHCB_RAX, 0);
	vmgexit();
	refused(ERR_MISSING);
}

static void monitor_and_mwait_events(void)
{
	run_guest(monitor_guest, NULL);
}

static void rdpmc_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(0x6f, 0, 0);

	vmgexit();
	refused(ERR_MISSING);
	/* No performance counters: #GP. */
	begin(0x6f, 0, 0);
	ghcb_set(g, GHCB_RCX, 0x3fffff);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 1);
	GUEST_ASSERT_EQ(g->q[GHCB_INFO2] & 0x800007ff, 0x80000300 | 13);
}

static void rdpmc_event(void)
{
	run_guest(rdpmc_guest, NULL);
}

/* What is wrong with the page itself, whatever the event. */
static void bad_page_guest(unsigned long cpu)
{
	union ghcb_page *g;
	int i;

	for (i = GHCB_EXITCODE; i <= GHCB_INFO2; i++) {
		g = begin(0x89, 0, 0);
		g->bitmap[i / 8] &= ~(1 << i % 8);
		vmgexit();
		refused(ERR_MISSING);
	}
	g = begin(0x89, 0, 0);
	g->usage = 1;
	vmgexit();
	refused(ERR_USAGE);
	g = begin(0x89, 0, 0);
	g->usage = 0xffffffff;
	vmgexit();
	refused(ERR_USAGE);
	/* The VM is alive and well. */
	GUEST_ASSERT_EQ(ghcb_call(0x89, 0, 0), 0);
}

static void bad_pages_are_refused(void)
{
	run_guest(bad_page_guest, NULL);
}

/* The version field is not the host's to insist on: Linux leaves it alone. */
static void version_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(0x89, 0, 0);

	g->version = 0;
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	begin(0x80000003, 0, 0);
	g->version = 0xffff;
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
}

static void version_field_is_ignored(void)
{
	run_guest(version_guest, NULL);
}

static void term_guest(unsigned long cpu)
{
	ghcb_call(0x8000fffe, 0x3 | 0x21 << 4, 0);
	GUEST_ASSERT(!"a guest that terminated runs on");
}

static struct vm *term_vm(void)
{
	return vm_create(term_guest, &(struct vm_options){ .ghcb_version = 2 });
}

static void termination_event(void)
{
	struct vm *vm = term_vm();
	struct kvm_run *run = vm->vcpu[0].run;

	ASSERT_EQ(vcpu_run_to_exit(&vm->vcpu[0]), KVM_EXIT_SYSTEM_EVENT);
	ASSERT_EQ(run->system_event.type, KVM_SYSTEM_EVENT_SEV_TERM);
	vm_free(vm);
}

static void termination_event_tells_its_reason(void)
{
	struct vm *vm = term_vm();
	struct kvm_run *run = vm->vcpu[0].run;

	ASSERT_EQ(vcpu_run_to_exit(&vm->vcpu[0]), KVM_EXIT_SYSTEM_EVENT);
	ASSERT_EQ(run->system_event.ndata, 1);
	ASSERT_EQ(run->system_event.data[0], 0x100 | 3 << 12 | 0x21 << 16);
	vm_free(vm);
}

static void unsupported_guest(unsigned long cpu)
{
	ghcb_call(0x8000ffff, 0x7b, 0);
}

static void unsupported_event_ends_kvm_run(void)
{
	struct vm *vm = vm_create(unsupported_guest, NULL);
	int r;

	/* The port exits of the guest's own start are none: it made no call yet. */
	r = vcpu_run_once(&vm->vcpu[0]);
	ASSERT(r == -1 && errno == EINVAL);
	vm_free(vm);
}

TESTS = {
	CASE(cpuid_event),
	CASE(cpuid_0xd_follows_the_guests_xcr0),
	CASE(cpuid_osxsave_follows_the_guests_cr4),
	CASE(msr_event),
	CASE(tsc_events),
	CASE(vmmcall_event),
	CASE(wbinvd_invd_and_dr7_events),
	CASE(dr7_reads_what_was_written),
	CASE(dr7_write_needs_rax),
	CASE(monitor_and_mwait_events),
	CASE(rdpmc_event),
	CASE(vmmcall_is_for_cpl_0),
	CASE(msr_event_with_any_info1_but_0_writes),
	CASE(bad_pages_are_refused),
	CASE(version_field_is_ignored),
	CASE(termination_event),
	CASE(termination_event_tells_its_reason),
	CASE(unsupported_event_ends_kvm_run),
	TESTS_END
};
