// SPDX-License-Identifier: GPL-2.0-only
/*
 * locore.c - OpenBSD's way into a SEV-ES guest: early #VC handlers in 32-bit
 * code, then 64-bit mode with a handler of its own. The host's side.
 *
 * The guest is locore.S, locore-guest.c and locore-vc.c. It is entered in legacy
 * mode without paging, as UEFI's boot loader leaves the machine, and in
 * compatibility mode, as vmd's direct launch sets it up. Either state is set
 * before the launch, and so measured.
 */
#include <errno.h>
#include <string.h>

#include "guest.h"
#include "launch.h"
#include "locore.h"
#include "vm.h"

enum entry { LEGACY, COMPAT, ENTRIES };

#define MAX_CPUID	300

struct guest_state {
	struct vm *vm;
	struct vcpu *vcpu;
	struct kvm_cpuid2 *cpuid;	/* as it was set */
};

/* ---- What the VMM sets ---- */

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *cpuid, u32 leaf, u32 index)
{
	u32 i;

	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == leaf &&
		    (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index))
			return e;
	}
	return NULL;
}

/* Words that nobody can guess: each of the four registers, each leaf. */
static void mark(struct kvm_cpuid2 *cpuid, u32 leaf, u32 index, u32 flags)
{
	struct kvm_cpuid_entry2 *e = find(cpuid, leaf, index);
	u32 seed = leaf * 0x9e3779b9 + index * 0x85ebca6b;

	if (!e) {
		ASSERT(cpuid->nent < MAX_CPUID);
		e = &cpuid->entries[cpuid->nent++];
	}
	*e = (struct kvm_cpuid_entry2){
		.function = leaf, .index = index, .flags = flags,
		.eax = seed ^ 0x11111111, .ebx = seed ^ 0x22222222,
		.ecx = seed ^ 0x33333333, .edx = seed ^ 0x44444444,
	};
}

static void set_cpuid(struct guest_state *g, void (*edit)(struct kvm_cpuid2 *cpuid))
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) +
					  MAX_CPUID * sizeof(cpuid->entries[0]));
	struct kvm_cpuid_entry2 *e;
	u32 leaf, i;

	cpuid->nent = MAX_CPUID;
	ASSERT_OK(ioctl(g->vcpu->fd, KVM_GET_CPUID2, cpuid));
	/* KVM 6.1 doesn't say how many there are. */
	while (cpuid->nent > 1 && !cpuid->entries[cpuid->nent - 1].function)
		cpuid->nent--;
	for (leaf = 0x80000002; leaf <= 0x80000004; leaf++)
		mark(cpuid, leaf, 0, 0);
	while ((e = find(cpuid, 0x8000001d, 0)))
		e->function = 0x8ffffff0;	/* whatever was there */
	for (i = 0; i < 2; i++)
		mark(cpuid, 0x8000001d, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	if (edit)
		edit(cpuid);
	ASSERT_OK(ioctl(g->vcpu->fd, KVM_SET_CPUID2, cpuid));
	g->cpuid = cpuid;
}

static void set_state(struct guest_state *g, enum entry entry, u32 order)
{
	struct kvm_regs regs = {
		.rip = (u64)locore_start32, .rflags = 2, .rax = 0xa1a2a3a4,
		.rbx = 0xb1b2b3b4, .rcx = 0xc1c2c3c4, .rdx = 0xd1d2d3d4,
		.rsp = 0x51525354, .rbp = 0x61626364, .rsi = 0x71727374, .rdi = order,
	};
	struct kvm_sregs sregs;

	ASSERT_OK(ioctl(g->vcpu->fd, KVM_GET_SREGS, &sregs));
	sregs.cs.l = 0;
	sregs.cs.db = 1;
	/* The descriptors are loaded; no table is there until the guest brings its own. */
	memset(&sregs.gdt, 0, sizeof(sregs.gdt));
	memset(&sregs.idt, 0, sizeof(sregs.idt));
	sregs.gs.base = 0;
	if (entry == LEGACY) {
		sregs.cr0 = 0x11;	/* PE */
		sregs.cr3 = 0;
		sregs.cr4 = 0;
		sregs.efer = 0;
	}
	ASSERT_OK(ioctl(g->vcpu->fd, KVM_SET_SREGS, &sregs));
	ASSERT_OK(ioctl(g->vcpu->fd, KVM_SET_REGS, &regs));
}

static struct guest_state create(enum entry entry, u32 order, unsigned int ghcb_version,
				 void (*edit)(struct kvm_cpuid2 *cpuid))
{
	struct vm_options options = {
		.no_launch = true, .legacy = ghcb_version == 1, .ghcb_version = ghcb_version,
	};
	struct guest_state g = { .vm = vm_create(locore_start32, &options) };

	g.vcpu = &g.vm->vcpu[0];
	/* In this order: KVM takes a C-bit in CR3 only while CPUID reports it. */
	set_state(&g, entry, order);
	set_cpuid(&g, edit);
	vm_launch(g.vm);
	return g;
}

static void destroy(struct guest_state *g)
{
	vm_free(g->vm);
	free(g->cpuid);
}

/* ---- The guest that comes up ---- */

static u32 moved[128];			/* by form: bytes that went through its port */

static void device(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u8 *data = (u8 *)run + run->io.data_offset;
	u32 bytes = (u32)run->io.size * run->io.count, i, k;

	ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
	ASSERT(locore_nr_forms <= sizeof(moved) / sizeof(moved[0]));
	for (i = 0; i < locore_nr_forms && locore_form_port(i) != run->io.port; i++)
		;
	if (i == locore_nr_forms)
		FAIL("port %#x, direction %u", run->io.port, run->io.direction);
	if (run->io.size != locore_forms[i].size ||
	    (run->io.direction == KVM_EXIT_IO_IN) != locore_forms[i].in ||
	    (!locore_forms[i].string && run->io.count != 1) ||
	    moved[i] + bytes > (u32)locore_forms[i].size * locore_forms[i].count)
		FAIL("%s (%u): %u of size %u, direction %u, after %u bytes",
		     locore_forms[i].name, i, run->io.count, run->io.size,
		     run->io.direction, moved[i]);
	for (k = 0; k < bytes; k++, moved[i]++) {
		u8 byte = locore_pattern(run->io.port, moved[i]);

		if (locore_forms[i].in)
			data[k] = byte;
		else if (data[k] != byte)
			FAIL("%s (%u): byte %u is %#x, not %#x", locore_forms[i].name, i,
			     moved[i], data[k], byte);
	}
}

static void check_leaf(struct guest_state *g, const char *who, u32 leaf, u32 index,
		       const volatile u32 got[4])
{
	static const struct {
		u32 leaf;
		u32 ignore[4];
	} dynamic[] = {		/* bits that follow the guest's state, by EAX, EBX, ECX, EDX */
		{ 1, { 0, 0, 1u << 27 | 1 << 3 } },	/* OSXSAVE; MONITOR by MISC_ENABLE */
		{ 7, { 0, 0, 1 << 4 } },		/* OSPKE */
		{ 0xd, { 0, ~0u } },			/* sizes: xsave_size[] */
	};
	struct kvm_cpuid_entry2 *e = find(g->cpuid, leaf, index);
	u32 want[4] = {}, ignore[4] = {};
	unsigned int i;

	if (e)
		memcpy(want, &e->eax, sizeof(want));	/* and EBX, ECX, EDX behind it */
	for (i = 0; i < sizeof(dynamic) / sizeof(dynamic[0]); i++)
		if (dynamic[i].leaf == leaf)
			memcpy(ignore, dynamic[i].ignore, sizeof(ignore));
	for (i = 0; i < 4; i++)
		if ((got[i] ^ want[i]) & ~ignore[i])
			FAIL("CPUID %#x.%u by %s, register %u: %#x, was set to %#x", leaf, index,
			     who, i, got[i], want[i]);
}

static void check_early(struct guest_state *g, enum entry entry, u32 order)
{
	const struct locore_report *r = vm_shared(g->vm, LOCORE_REPORT);
	static const u32 regs[8] = {
		0xa1a2a3a4, 0xc1c2c3c4, 0xd1d2d3d4, 0xb1b2b3b4,
		0x51525354, 0x61626364, 0x71727374, 0,
	};
	const struct locore_early *vc = entry == LEGACY ? &r->vc32 : &r->vc64;
	unsigned int i, legacy = entry == LEGACY ? LOCORE_LEAVES + 1 : 0;

	/* It was in the mode it was put into, with what it was given. */
	for (i = 0; i < 7; i++)
		ASSERT_EQ(r->entry_regs[i], regs[i]);
	ASSERT_EQ(r->entry_regs[7], order);
	ASSERT_EQ(r->entry_efer & 0x500, entry == LEGACY ? 0 : 0x500);
	ASSERT_EQ(r->entry_cr0 >> 31, entry != LEGACY);

	if (entry == LEGACY)
		ASSERT(r->from_32_bit != (u32)LOCORE_SECRET);
	else
		ASSERT_EQ(r->from_32_bit, (u32)LOCORE_SECRET);

	/* A #VC for each CPUID and the write of DR7; the last one 64-bit in any case. */
	ASSERT_EQ(r->vc32.count, legacy);
	ASSERT_EQ(r->vc64.count, LOCORE_LEAVES + 2 - legacy);
	ASSERT_EQ(r->vc64.error, 0x72);
	ASSERT_EQ(r->vc64.ip, (u64)locore_cpuid64);
	ASSERT_EQ(r->vc64.cs, LOCORE_CS64);
	ASSERT_EQ(vc->error, 0x72);
	if (entry == LEGACY) {
		ASSERT_EQ(vc->ip, (u64)locore_cpuid32);
		ASSERT_EQ(vc->cs, LOCORE_CS32);
	}
	/* Its frame: six words below a multiple of 16, whatever RSP was. */
	ASSERT_EQ(r->vc64.sp & 15, 0);
	ASSERT_EQ(r->vc64.sp, (r->vc64.old_sp & ~15ULL) - 48);

	for (i = 0; i < LOCORE_LEAVES; i++)
		check_leaf(g, "MSR", locore_leaves[i][0], 0, r->early[i]);
	check_leaf(g, "MSR in 64-bit mode", 0x80000003, 0, r->early64);

	ASSERT_EQ(r->sev_info & 0xfff, 0x001);
	ASSERT_EQ(1ULL << (r->sev_info >> 24 & 0xff), launch_cbit());
	ASSERT_EQ(r->sev_info >> 48, g->vm->ghcb_version);
	if (device_is_sevm())
		ASSERT_EQ(vcpu_stat(g->vcpu, "vmgexit_msr_protocol"),
			  (LOCORE_LEAVES + 1) * 4 + 1);
}

static void comes_up(enum entry entry, u32 order, unsigned int ghcb_version)
{
	struct guest_state g = create(entry, order, ghcb_version, NULL);
	const struct locore_report *r = vm_shared(g.vm, LOCORE_REPORT);
	unsigned int i;

	g.vcpu->on_exit = device;
	memset(moved, 0, sizeof(moved));
	ASSERT_EQ(vcpu_run(g.vcpu), UCALL_SYNC);
	check_early(&g, entry, order);
	/* One page of the 2 MiB is shared here, its neighbours are not. */
	ASSERT_EQ(r->secret, LOCORE_SECRET);
	ASSERT(*(u64 *)vm_shared(g.vm, LOCORE_GHCB - 8) != LOCORE_SECRET);
	ASSERT(*(u64 *)vm_shared(g.vm, LOCORE_GHCB + 0x1000) != LOCORE_SECRET);

	ASSERT_EQ(vcpu_run(g.vcpu), UCALL_DONE);
	for (i = 0; i < LOCORE_LEAVES; i++)
		check_leaf(&g, "GHCB", locore_leaves[i][0], locore_leaves[i][1], r->late[i]);
	ASSERT_EQ(r->xsave_size[0], 576);	/* x87 and SSE */
	ASSERT_EQ(r->xsave_size[1], 832);	/* and AVX */
	for (i = 0; i < locore_nr_forms; i++)
		if (moved[i] != (u32)locore_forms[i].size * locore_forms[i].count)
			FAIL("%s (%u): %u bytes", locore_forms[i].name, i, moved[i]);
	destroy(&g);
}

static void comes_up_from_legacy_mode(void)
{
	comes_up(LEGACY, ORDER_BOOT, 0);
}

static void comes_up_from_compatibility_mode(void)
{
	comes_up(COMPAT, ORDER_BOOT, 0);
}

static void comes_up_with_version_1(void)
{
	comes_up(LEGACY, ORDER_BOOT, 1);
	comes_up(COMPAT, ORDER_BOOT, 1);
}

/* ---- The guest that gives up ---- */

static void expect_termination(struct guest_state *g, u64 request)
{
	struct kvm_run *run = g->vcpu->run;

	memset(&run->system_event, 0xff, sizeof(run->system_event));
	ASSERT_EQ(vcpu_run_to_exit(g->vcpu), KVM_EXIT_SYSTEM_EVENT);
	ASSERT_EQ(run->system_event.type, KVM_SYSTEM_EVENT_SEV_TERM);
	ASSERT_EQ(run->system_event.ndata, 1);
	ASSERT_EQ(run->system_event.data[0], request);
}

/* From either mode; and a VMM that lets the guest go on hears the same again. */
static void terminates(u32 order, unsigned int ghcb_version,
		       void (*edit)(struct kvm_cpuid2 *cpuid), u64 request)
{
	enum entry entry;

	for (entry = LEGACY; entry < ENTRIES; entry++) {
		struct guest_state g = create(entry, order, ghcb_version, edit);

		expect_termination(&g, request);
		expect_termination(&g, request);
		destroy(&g);
	}
}

static void unexpected_early_vc_terminates(void)
{
	terminates(ORDER_EARLY_WBINVD, 0, NULL, TERMINATION(SET_VC, 0x89));
	terminates(ORDER_EARLY_IN, 0, NULL, TERMINATION(SET_VC, 0x7b));
	terminates(ORDER_EARLY_RDMSR, 0, NULL, TERMINATION(SET_VC, 0x7c));
}

static void early_vmmcall_is_a_vc(void)
{
	terminates(ORDER_EARLY_VMMCALL, 0, NULL, TERMINATION(SET_VC, 0x81));
}

static void unanswered_request_terminates(void)
{
	terminates(ORDER_BAD_REQUEST, 0, NULL, TERMINATION(SET_GENERAL, GENERAL_REQUEST));
}

static void no_common_version_terminates(void)
{
	terminates(ORDER_VERSION_2, 1, NULL, TERMINATION(SET_GENERAL, GENERAL_VERSION));
}

/* The other way round, so that the order is known not to end every guest. */
static void version_2_is_enough(void)
{
	if (!device_has_init2(device_open()))
		test_skip("no GHCB version 2");
	comes_up(LEGACY, ORDER_VERSION_2, 2);
}

static void hide_sev(struct kvm_cpuid2 *cpuid)
{
	find(cpuid, 0x80000000, 0)->eax = 0x80000008;
	find(cpuid, 0x8000001f, 0)->function = 0x8ffffff1;
}

static void hidden_sev_terminates(void)
{
	terminates(ORDER_BOOT, 0, hide_sev, TERMINATION(SET_OURS, OURS_NO_SEV));
}

/* With another C-bit the guest's "private" pages would be the host's to read. */
static void move_cbit(struct kvm_cpuid2 *cpuid)
{
	find(cpuid, 0x8000001f, 0)->ebx ^= 1;
}

static void wrong_cbit_terminates(void)
{
	terminates(ORDER_BOOT, 0, move_cbit, TERMINATION(SET_OURS, OURS_CBIT));
}

static void unexpected_late_vc_terminates(void)
{
	terminates(ORDER_LATE_WBINVD, 0, NULL, TERMINATION(SET_VC, 0x89));
}

/* With registers to come back, and with none: where only the error tells. */
static void refused_request_terminates(void)
{
	terminates(ORDER_LATE_NO_RAX, 0, NULL, TERMINATION(SET_GENERAL, GENERAL_REQUEST));
	terminates(ORDER_LATE_NO_XCR0, 0, NULL, TERMINATION(SET_GENERAL, GENERAL_REQUEST));
}

/* ---- VMGEXIT and VMMCALL ---- */

/* The guest counts its #VCs; what reached the host is only sevm's to say. */
static void either_prefix_is_vmgexit_and_none_is_a_vc(void)
{
	static const struct {
		u64 all, by_msr, vmmcalls;
	} want[] = { { 11, 10, 0 }, { 11, 10, 0 }, { 11, 0, 10 } };	/* and guest_sync() */
	struct guest_state g = create(COMPAT, ORDER_COUNT, 0, NULL);
	u64 now[3], before[3];
	unsigned int i, k;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(vcpu_run(g.vcpu), UCALL_SYNC);
		ASSERT_EQ(g.vcpu->ucall->args[0], i);
		if (!device_is_sevm())
			continue;
		now[0] = vcpu_stat(g.vcpu, "vmgexit");
		now[1] = vcpu_stat(g.vcpu, "vmgexit_msr_protocol");
		now[2] = vcpu_stat(g.vcpu, "vmgexit_vmmcall");
		for (k = 0; i && k < 3; k++)
			ASSERT_EQ(now[k] - before[k],
				  ((u64[]){ want[i - 1].all, want[i - 1].by_msr,
					    want[i - 1].vmmcalls })[k]);
		memcpy(before, now, sizeof(now));
	}
	ASSERT_EQ(vcpu_run(g.vcpu), UCALL_DONE);
	destroy(&g);
}

TESTS = {
	CASE(comes_up_from_legacy_mode),
	CASE(comes_up_from_compatibility_mode),
	CASE(comes_up_with_version_1),
	CASE(version_2_is_enough),
	CASE(unexpected_early_vc_terminates),
	CASE(early_vmmcall_is_a_vc),
	CASE(unanswered_request_terminates),
	CASE(no_common_version_terminates),
	CASE(hidden_sev_terminates),
	CASE(wrong_cbit_terminates),
	CASE(unexpected_late_vc_terminates),
	CASE(refused_request_terminates),
	CASE(either_prefix_is_vmgexit_and_none_is_a_vc),
	TESTS_END
};
