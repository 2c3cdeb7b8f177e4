// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr_protocol.c - the requests a guest makes before it has a GHCB page. The
 * reset hold by MSR is in ap.c.
 */
#include <errno.h>

#include "guest.h"
#include "vm.h"

static void check_sev_info(u64 info)
{
	GUEST_ASSERT_EQ(info & 0xfff, 0x001);
	GUEST_ASSERT_EQ(1ULL << (info >> 24 & 0xff), guest_cbit);
	GUEST_ASSERT_EQ(info >> 32 & 0xffff, 1);
	GUEST_ASSERT_EQ(info >> 48, guest_arg(0));
}

static void ask_sev_info(unsigned long cpu)
{
	u64 before = rdmsr(GHCB_MSR), info = ghcb_msr_call(0x002);

	guest_ucall()->args[1] = info;
	/* What the MSR holds before anything was asked is the same. */
	check_sev_info(before);
	check_sev_info(info);
}

static void sev_info_with(const struct vm_options *options, unsigned int want)
{
	struct vm *vm = vm_create(ask_sev_info, options);

	vm->vcpu[0].ucall->in[0] = want;
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

static void sev_info(void)
{
	int dev = device_open();

	sev_info_with(NULL, device_has_init2(dev) ? 2 : 1);
}

static void sev_info_of_version_1(void)
{
	sev_info_with(&(struct vm_options){ .ghcb_version = 1 }, 1);
}

static void sev_info_of_es_init(void)
{
	sev_info_with(&(struct vm_options){ .legacy = true }, 1);
}

static u32 msr_cpuid(u32 leaf, u32 r)
{
	u64 answer = ghcb_msr_call((u64)leaf << 32 | r << 30 | 0x004);

	GUEST_ASSERT_EQ(answer & 0xfff, 0x005);
	GUEST_ASSERT_EQ(answer >> 30 & 3, r);
	GUEST_ASSERT_EQ(answer >> 12 & 0x3ffff, 0);
	return answer >> 32;
}

static void ask_cpuid(unsigned long cpu)
{
	static const u32 leaves[] = { 0, 1, 7, 0x40000000, 0x80000000, 0x80000001,
				      0x80000008, 0x8000001f, 0x8fffffff };
	u32 by_page[4], i, r;

	/* By MSR first: there is no GHCB page yet. */
	GUEST_ASSERT(msr_cpuid(0x80000000, 0) >= 0x8000001f);
	GUEST_ASSERT(msr_cpuid(0x8000001f, 0) & 2);
	GUEST_ASSERT_EQ(1ULL << (msr_cpuid(0x8000001f, 1) & 0x3f), guest_cbit);
	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		cpuid(leaves[i], 0, by_page);
		for (r = 0; r < 4; r++)
			GUEST_ASSERT_EQ(msr_cpuid(leaves[i], r), by_page[r]);
	}
}

static void cpuid_by_msr_is_cpuid_by_page(void)
{
	run_guest(ask_cpuid, NULL);
}

static void ask_features(unsigned long cpu)
{
	u64 answer = ghcb_msr_call(0x080);

	GUEST_ASSERT_EQ(answer & 0xfff, 0x081);
	ghcb_register();
	GUEST_ASSERT_EQ(ghcb_call(0x8000fffd, 0, 0), 0);
	GUEST_ASSERT(ghcb_valid(guest_ghcb(), GHCB_INFO2));
	GUEST_ASSERT_EQ(guest_ghcb()->q[GHCB_INFO2], answer >> 12);
	/* Neither SNP nor AP creation is offered to a SEV-ES guest. */
	guest_sync(answer >> 12);
}

static void features(void)
{
	struct vm *vm = vm_create(ask_features, &(struct vm_options){ .ghcb_version = 2 });

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	vm_free(vm);
}

static void features_offer_no_snp(void)
{
	struct vm *vm = vm_create(ask_features, &(struct vm_options){ .ghcb_version = 2 });

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	ASSERT_EQ(vm->vcpu[0].ucall->args[0], 0);
	vm_free(vm);
}

/* Its low bits are a request: the answer is to be the request itself. */
static void not_answered(u64 request)
{
	GUEST_ASSERT_EQ(ghcb_msr_call(request), request);
}

static bool is_known(u64 code)
{
	static const u64 codes[] = {
		0x002, 0x004, 0x006, 0x080, 0x100,
		/* SEV-SNP's: KVM ends the guest, see below */
		0x010, 0x012, 0x014,
	};
	unsigned int i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i] == code)
			return true;
	return false;
}

/* All of the others, answers sent as requests among them. */
static void ask_unknown(unsigned long cpu)
{
	u64 code;

	for (code = 1; code < 0x1000; code++)
		if (!is_known(code))
			not_answered(code);
	not_answered(0xabcd0ff);
	not_answered(~0ULL);
}

static void unknown_requests_resume(void)
{
	run_guest(ask_unknown, NULL);
}

static void ask_snp(unsigned long cpu)
{
	not_answered(0x010);
	not_answered(GUEST_GHCB(0) | 0x012);
	not_answered(1ULL << 52 | GUEST_PRIVATE_DATA | 0x014);
	not_answered(2ULL << 52 | GUEST_PRIVATE_DATA | 0x014);
	not_answered(1ULL << 32 | 0x016);
}

static void snp_requests_resume(void)
{
	run_guest(ask_snp, NULL);
}

/* No memory there: resumed, nothing done. */
static void ask_nowhere(unsigned long cpu)
{
	static const u64 nowhere[] = { 0, GUEST_MEMORY, 0x7ffffff000, ~0xfffULL };
	unsigned int i;

	for (i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
		not_answered(nowhere[i]);
}

static void ghcb_without_memory_resumes(void)
{
	run_guest(ask_nowhere, NULL);
}

/* Whatever is in the bits that mean nothing. */
static void ask_reserved(unsigned long cpu)
{
	u64 answer;

	check_sev_info(ghcb_msr_call(~0xfffULL | 0x002));
	answer = ghcb_msr_call(0x8000001fULL << 32 | 1 << 30 | 0x3ffff000 | 0x004);
	GUEST_ASSERT_EQ(answer & 0xc0000fff, 1 << 30 | 0x005);
	GUEST_ASSERT_EQ(answer >> 32, msr_cpuid(0x8000001f, 1));
	if (guest_arg(0) >= 2)
		GUEST_ASSERT_EQ(ghcb_msr_call(~0xfffULL | 0x080), ghcb_msr_call(0x080));
}

static void reserved_bits_are_ignored(void)
{
	int dev = device_open();
	unsigned int version = device_has_init2(dev) ? 2 : 1;
	struct vm *vm = vm_create(ask_reserved, NULL);

	vm->vcpu[0].ucall->in[0] = version;
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

/* The answer to a hold that no SIPI ended: the code alone. */
static void ask_hold(unsigned long cpu)
{
	guest_sync(ghcb_msr_call(0x006));
}

static void hold_without_sipi_answers_0(void)
{
	struct vm *vm = vm_create(ask_hold, &(struct vm_options){
		.irqchip = IRQCHIP_NONE, .ghcb_version = 2 });

	ASSERT_EQ(vcpu_run_to_exit(&vm->vcpu[0]), KVM_EXIT_AP_RESET_HOLD);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	ASSERT_EQ(vm->vcpu[0].ucall->args[0], 0x007);
	vm_free(vm);
}

/* What version 2 added is there for a guest of version 1 as well. */
static void ask_new(unsigned long cpu)
{
	GUEST_ASSERT_EQ(ghcb_msr_call(0x080) & 0xfff, 0x081);
	ghcb_register();
	GUEST_ASSERT_EQ(guest_ghcb_version, 1);
	GUEST_ASSERT_EQ(ghcb_call(0x8000fffd, 0, 0), 0);
	GUEST_ASSERT_EQ(ghcb_msr_call(0x006), 0x007);
}

static void version_1_guests_get_what_version_2_added(void)
{
	struct vm *vm = vm_create(ask_new, &(struct vm_options){
		.irqchip = IRQCHIP_NONE, .ghcb_version = 1 });

	ASSERT_EQ(vcpu_run_to_exit(&vm->vcpu[0]), KVM_EXIT_AP_RESET_HOLD);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

static void end(unsigned long cpu)
{
	guest_terminate(guest_arg(0), guest_arg(1));
}

static void every_termination_reason_arrives(void)
{
	static const u64 reasons[][2] = { { 0, 0 }, { 0, 2 }, { 1, 9 }, { 15, 255 } };
	unsigned int i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		struct vm *vm = vm_create(end, NULL);
		struct kvm_run *run = vm->vcpu[0].run;

		vm->vcpu[0].ucall->in[0] = reasons[i][0];
		vm->vcpu[0].ucall->in[1] = reasons[i][1];
		ASSERT_EQ(vcpu_run_to_exit(&vm->vcpu[0]), KVM_EXIT_SYSTEM_EVENT);
		ASSERT_EQ(run->system_event.type, KVM_SYSTEM_EVENT_SEV_TERM);
		ASSERT_EQ(run->system_event.data[0],
			  0x100 | reasons[i][0] << 12 | reasons[i][1] << 16);
		vm_free(vm);
	}
}

TESTS = {
	CASE(sev_info),
	CASE(sev_info_of_version_1),
	CASE(sev_info_of_es_init),
	CASE(cpuid_by_msr_is_cpuid_by_page),
	CASE(features),
	CASE(features_offer_no_snp),
	CASE(unknown_requests_resume),
	CASE(snp_requests_resume),
	CASE(ghcb_without_memory_resumes),
	CASE(reserved_bits_are_ignored),
	CASE(hold_without_sipi_answers_0),
	CASE(version_1_guests_get_what_version_2_added),
	CASE(every_termination_reason_arrives),
	TESTS_END
};
