// SPDX-License-Identifier: GPL-2.0-only
/*
 * bringup-calls.c - APs are brought up, refused, stopped and started: every call,
 * and every error of docs/ap-bringup.md.
 */
#include "bringup.h"

static void many_guest(unsigned long cpu)
{
	u64 i;

	for (i = 1; i <= SHARED->aps; i++) {
		GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, i), 0);
		page_start(i, parks);
	}
	for (i = 1; i <= SHARED->aps; i++) {
		wait_alive(i, 1);
		wait_down(i);
	}
	/* Each from its hold, once. */
	for (i = SHARED->aps; i; i--)
		GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, i), 0);
	for (i = 1; i <= SHARED->aps; i++)
		wait_alive(i, 2);
	for (i = 1; i <= SHARED->aps; i++)
		wait_down(i);
	for (i = 1; i <= SHARED->aps; i++)
		GUEST_ASSERT_EQ(SHARED->alive[i], 2);
}

static void start_many(unsigned int aps, struct vm_options options)
{
	struct vm *vm = vm_create(many_guest, &options);

	((struct shared *)vm_shared(vm, GUEST_SHARED_DATA))->aps = aps;
	vm_run(vm);
	vm_free(vm);
}

void one_to_eight_aps(void)
{
	unsigned int aps;

	for (aps = 1; aps <= 8; aps++)
		start_many(aps, with_page(aps + 1));
}

/* INIT and SIPI are the APIC's; this needs none. */
void without_an_apic(void)
{
	struct vm_options options = with_page(3);

	options.irqchip = IRQCHIP_NONE;
	start_many(2, options);
}

/* KVM_SEV_ES_INIT, GHCB protocol 1: the trampoline's request is answered there too. */
void in_a_default_vm(void)
{
	struct vm_options options = with_page(3);

	options.legacy = true;
	start_many(2, options);
}

static void refused(u32 status)
{
	page_fill();
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	GUEST_ASSERT_EQ(page_wait(), status);
	wait_down(1);
}

static void refused_guest(unsigned long cpu)
{
	page_begin(1);
	PAGE->version = 2;
	refused(AP_PAGE_BAD_VERSION);
	page_begin(1);
	PAGE->version = 0;
	refused(AP_PAGE_BAD_VERSION);
	page_begin(1);
	PAGE->flags = 1;
	refused(AP_PAGE_BAD_STATE);
	page_begin(1);
	PAGE->cr0 = 1ULL << 31;				/* PG without PE */
	refused(AP_PAGE_BAD_STATE);
	page_begin(1);
	PAGE->cr0 = 1ULL << 32 | CR0_FLAT;
	refused(AP_PAGE_BAD_STATE);
	page_begin(1);
	PAGE->cr0 = CR0_FLAT;
	PAGE->cr4 = 1ULL << 32;
	refused(AP_PAGE_BAD_STATE);
	page_begin(1);
	PAGE->cr0 = CR0_LONG;				/* long mode without PAE */
	PAGE->efer = EFER_LME_LMA;
	refused(AP_PAGE_BAD_STATE);

	/* And after all that it starts. */
	page_start(1, parks);
	wait_alive(1, 1);
}

void what_the_trampoline_refuses(void)
{
	run_page_guest(refused_guest, 2);
}

/* up without a request, and with one for another vCPU, or one that was taken back. */
static void not_wanted_guest(unsigned long cpu)
{
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	wait_down(1);
	GUEST_ASSERT_EQ(PAGE->status, AP_PAGE_EMPTY);

	page_want(2, parks);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	wait_down(1);
	GUEST_ASSERT_EQ(PAGE->status, AP_PAGE_FILLED);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 2), 0);
	GUEST_ASSERT_EQ(page_wait(), AP_PAGE_READY);
	wait_alive(2, 1);
	GUEST_ASSERT_EQ(SHARED->alive[1], 0);

	page_want(1, parks);
	GUEST_ASSERT(__sync_bool_compare_and_swap(&PAGE->status, AP_PAGE_FILLED, AP_PAGE_EMPTY));
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	wait_down(1);
	GUEST_ASSERT_EQ(SHARED->alive[1], 0);
	page_start(1, parks);
	wait_alive(1, 1);
}

void who_is_not_wanted_parks(void)
{
	run_page_guest(not_wanted_guest, 3);
}

/* ---- up, down, is_up ---- */

static void down_guest(unsigned long cpu)
{
	unsigned int i;
	u64 seen;

	page_start(1, counts);
	for (i = 0; i < 50; i++) {
		wait_alive(1, SHARED->alive[1] + 1000);
		GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 1), 1);
		GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, 1), 0);
		seen = SHARED->alive[1];
		GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 1), 0);
		GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, 1), 0);
		spin(20000);
		GUEST_ASSERT_EQ(SHARED->alive[1], seen);
		GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	}
	wait_alive(1, SHARED->alive[1] + 1000);

	/* INIT stops it too, and then it waits for SIPI: up does as well. */
	x2apic_enable();
	x2apic_icr(1, ICR_INIT | ICR_LEVEL_ASSERT);
	wait_down(1);
	seen = SHARED->alive[1];
	spin(20000);
	GUEST_ASSERT_EQ(SHARED->alive[1], seen);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	wait_alive(1, seen + 1000);
}

void down_stops_another_at_once(void)
{
	run_page_guest(down_guest, 2);
}

static void downs_itself(unsigned long cpu)
{
	for (;;) {
		SHARED->alive[cpu]++;
		GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, cpu), 0);
		GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, cpu), 1);
	}
}

static void down_self_guest(unsigned long cpu)
{
	u64 i;

	page_start(1, downs_itself);
	for (i = 1; i <= 50; i++) {
		wait_alive(1, i);
		wait_down(1);
		GUEST_ASSERT_EQ(SHARED->alive[1], i);
		GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	}
	wait_alive(1, i);
}

void down_stops_the_caller(void)
{
	run_page_guest(down_self_guest, 2);
}

/* Two that stop each other, over and over; the BSP starts whoever is down. */
static void stops_the_other(unsigned long cpu)
{
	for (;;) {
		SHARED->alive[cpu]++;
		GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, 3 - cpu), 0);
	}
}

static void each_other_guest(unsigned long cpu)
{
	u64 result;

	page_start(1, stops_the_other);
	wait_alive(1, 1);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, 1), 0);
	page_want(2, stops_the_other);
	/* It may be stopped before it is READY. */
	while (SHARED->alive[1] < 200 || SHARED->alive[2] < 200) {
		result = vcpu_op(AP_PAGE_UP, 1);
		GUEST_ASSERT(!result || result == (u64)XEN_EEXIST);
		result = vcpu_op(AP_PAGE_UP, 2);
		GUEST_ASSERT(!result || result == (u64)XEN_EEXIST);
	}
}

void two_stop_each_other(void)
{
	run_page_guest(each_other_guest, 3);
}

/* A halted one stays halted, a held one held, over down and up. */
static void halts(unsigned long cpu)
{
	guest_set_handler(VECTOR, count_irq);
	x2apic_enable();
	SHARED->alive[cpu] = 1;
	sti_hlt_cli();
	SHARED->alive[cpu] = 2;
	parks(cpu);
}

static void held_guest(unsigned long cpu)
{
	x2apic_enable();
	page_start(1, halts);
	wait_alive(1, 1);
	spin(100000);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 1), 1);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, 1), 0);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	spin(100000);
	GUEST_ASSERT_EQ(SHARED->alive[1], 1);
	x2apic_icr(1, VECTOR);
	wait_alive(1, 3);

	/* Held and stopped: SIPI reaches it no more; up ends both. */
	wait_down(1);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, 1), 0);
	guest_wake_ap(1);
	spin(100000);
	GUEST_ASSERT_EQ(SHARED->alive[1], 3);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	wait_alive(1, 4);
	/* Held alone: by INIT and SIPI, too. */
	wait_down(1);
	guest_wake_ap(1);
	wait_alive(1, 5);
}

void down_leaves_what_it_was_doing(void)
{
	run_page_guest(held_guest, 2);
}

static void errors_guest(unsigned long cpu)
{
	union ghcb_page *g = guest_ghcb();
	static const u64 ops[] = { 0, 4, 5, 11, 100, ~0ULL };
	unsigned int i;

	/* How a guest finds out. */
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 0), 1);
	/* Other hypercalls are what they were. */
	for (i = 2; i < 40; i++)
		if (i != AP_PAGE_HYPERCALL)
			GUEST_ASSERT_EQ(hypercall(i, AP_PAGE_IS_UP, 0), KVM_NO_CALL);
	GUEST_ASSERT_EQ(hypercall(1ULL << 32 | AP_PAGE_HYPERCALL, AP_PAGE_IS_UP, 0), KVM_NO_CALL);

	for (i = AP_PAGE_UP; i <= AP_PAGE_IS_UP; i++) {
		GUEST_ASSERT_EQ(vcpu_op(i, 2), XEN_ENOENT);
		GUEST_ASSERT_EQ(vcpu_op(i, 512), XEN_ENOENT);
		GUEST_ASSERT_EQ(vcpu_op(i, 0xffffffff), XEN_ENOENT);
	}
	GUEST_ASSERT_EQ(vcpu_op(100, 2), XEN_ENOENT);
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		GUEST_ASSERT_EQ(vcpu_op(ops[i], 1), XEN_ENOSYS);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 1), 0);

	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 0), XEN_EEXIST);
	page_start(1, counts);
	wait_alive(1, 1);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), XEN_EEXIST);
	/* As in Xen, their low halves count. */
	GUEST_ASSERT_EQ(vcpu_op(1ULL << 32 | AP_PAGE_IS_UP, 1ULL << 32 | 1), 1);

	/* User mode may not; a field that is not valid is the GHCB's error. */
	for (i = 0; i < 4; i++) {
		ghcb_begin(g, 0x81, 0, 0);
		ghcb_set(g, GHCB_RAX, AP_PAGE_HYPERCALL);
		ghcb_set(g, GHCB_CPL, i == 3 ? 3 << 24 : 0);
		if (i != 1)
			ghcb_set(g, GHCB_RDI, i == 3 ? AP_PAGE_DOWN : AP_PAGE_IS_UP);
		if (i != 2)
			ghcb_set(g, GHCB_RSI, 1);
		if (!i)
			continue;
		vmgexit();
		if (i == 3) {
			GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
			GUEST_ASSERT(ghcb_valid(g, GHCB_RAX));
			GUEST_ASSERT_EQ(g->q[GHCB_RAX], XEN_EPERM);
		} else {
			GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 2);
			GUEST_ASSERT_EQ(g->q[GHCB_INFO2], 4);
		}
		GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 1), 1);
	}
}

void errors_of_the_hypercall(void)
{
	run_page_guest(errors_guest, 2);
}
