// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpuid_msr.c - CPUID, MSRs and the clock, as a guest and as userspace see them.
 */
#include <linux/kvm_para.h>
#include <time.h>

#include "flat.h"

#define NS		1000000000LL
#define MSR_TSC		0x10
#define MSR_PAT		0x277
#define MSR_MTRR_TYPE	0x2ff
#define UNKNOWN_MSR	0xdeadU

struct cpuid {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entry[256];
};

static struct cpuid supported(struct flat *f)
{
	struct cpuid cpuid = { .head.nent = 256 };

	ASSERT_OK(ioctl(f->dev, KVM_GET_SUPPORTED_CPUID, &cpuid));
	return cpuid;
}

static struct kvm_cpuid_entry2 *find(struct cpuid *cpuid, u32 leaf)
{
	u32 i;

	for (i = 0; i < cpuid->head.nent; i++) {
		if (cpuid->entry[i].function == leaf)
			return &cpuid->entry[i];
	}
	FAIL("no leaf %#x", leaf);
}

static struct kvm_regs ask(struct flat *f, u32 leaf, u32 index)
{
	flat_set(&f->vcpu, FLAT_CPUID, leaf, 0, index, 0);
	ASSERT_EQ(flat_run(&f->vcpu), KVM_EXIT_IO);
	return flat_regs(&f->vcpu);
}

static int get_msr(struct flat *f, u32 index, u64 *data)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { { .nmsrs = 1 }, { .index = index } };
	int ret = ioctl(f->vcpu.fd, KVM_GET_MSRS, &msrs);

	*data = msrs.entry.data;
	return ret;
}

static int set_msr(struct flat *f, u32 index, u64 data)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { { .nmsrs = 1 }, { .index = index, .data = data } };

	return ioctl(f->vcpu.fd, KVM_SET_MSRS, &msrs);
}

static void supported_cpuid(void)
{
	struct flat f = flat();
	struct cpuid cpuid = { .head.nent = 0 };

	ASSERT_ERRNO(ioctl(f.dev, KVM_GET_SUPPORTED_CPUID, &cpuid), E2BIG);
	cpuid.head.nent = 3;
	ASSERT_ERRNO(ioctl(f.dev, KVM_GET_SUPPORTED_CPUID, &cpuid), E2BIG);
	cpuid = supported(&f);
	ASSERT(cpuid.head.nent > 20);
	ASSERT(find(&cpuid, 1)->ecx & 1 << 21);			/* x2APIC */
	ASSERT_EQ(find(&cpuid, KVM_CPUID_SIGNATURE)->ebx, 0x4b4d564b);
	ASSERT(find(&cpuid, KVM_CPUID_FEATURES)->eax & 1 << KVM_FEATURE_CLOCKSOURCE2);
	ASSERT(find(&cpuid, 0x80000001)->edx & 1 << 29);	/* long mode */
	if (device_is_sevm())
		ASSERT(!(find(&cpuid, 0x80000001)->ecx & 1 << 2));	/* SVM */
}

static void guest_sees_what_was_set(void)
{
	struct flat f = flat();
	struct cpuid cpuid = supported(&f), got = { .head.nent = 256 };
	struct kvm_regs regs;

	ASSERT_OK(ioctl(f.vcpu.fd, KVM_SET_CPUID2, &cpuid));
	find(&cpuid, 1)->ebx = 0x12345678;
	ASSERT_OK(ioctl(f.vcpu.fd, KVM_SET_CPUID2, &cpuid));
	ASSERT_EQ(ask(&f, 1, 0).rbx, 0x12345678);
	regs = ask(&f, KVM_CPUID_SIGNATURE, 0);
	ASSERT_EQ(regs.rcx, 0x564b4d56);
	/* XCR0 is x87 alone after reset. */
	ASSERT_EQ(ask(&f, 0xd, 0).rbx, 576);
	regs = ask(&f, 0x8fffffff, 3);
	ASSERT(!regs.rax && !regs.rbx && !regs.rcx && !regs.rdx);

	/* It has run: only the same goes, also as it is read back. */
	ASSERT_OK(ioctl(f.vcpu.fd, KVM_GET_CPUID2, &got));
	/* KVM 6.1 leaves the count as it was given. */
	if (device_is_sevm())
		ASSERT_EQ(got.head.nent, cpuid.head.nent);
	got.head.nent = cpuid.head.nent;
	ASSERT_OK(ioctl(f.vcpu.fd, KVM_SET_CPUID2, &cpuid));
	ASSERT_OK(ioctl(f.vcpu.fd, KVM_SET_CPUID2, &got));
	got.entry[1].ebx ^= 1;
	ASSERT_ERRNO(ioctl(f.vcpu.fd, KVM_SET_CPUID2, &got), EINVAL);
	got.head.nent = 257;
	ASSERT_ERRNO(ioctl(f.vcpu.fd, KVM_SET_CPUID2, &got), E2BIG);
	got.head.nent = 3;
	ASSERT_ERRNO(ioctl(f.vcpu.fd, KVM_GET_CPUID2, &got), E2BIG);
}

static void every_listed_msr_can_be_restored(void)
{
	struct {
		struct kvm_msr_list head;
		u32 index[1024];
	} list = { .head.nmsrs = 1 };
	struct flat f = flat();
	struct cpuid cpuid = supported(&f);
	u64 data;
	u32 i;

	ASSERT_OK(ioctl(f.vcpu.fd, KVM_SET_CPUID2, &cpuid));
	ASSERT_ERRNO(ioctl(f.dev, KVM_GET_MSR_INDEX_LIST, &list), E2BIG);
	ASSERT(list.head.nmsrs > 20 && list.head.nmsrs < 1024);
	ASSERT_OK(ioctl(f.dev, KVM_GET_MSR_INDEX_LIST, &list));
	for (i = 0; i < list.head.nmsrs; i++) {
		/* KVM's: writing it acknowledges a page fault that there was not. */
		if (list.index[i] == MSR_KVM_ASYNC_PF_INT || list.index[i] == MSR_KVM_ASYNC_PF_ACK)
			continue;
		if (get_msr(&f, list.index[i], &data) != 1)
			FAIL("get %#x", list.index[i]);
		if (set_msr(&f, list.index[i], data) != 1)
			FAIL("set %#x to %#lx", list.index[i], data);
	}
}

static void msr_ioctls_stop_at_the_first_error(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[3];
	} msrs = {
		{ .nmsrs = 3 }, {
			{ .index = MSR_MTRR_TYPE, .data = 0x806 },
			{ .index = MSR_PAT, .data = 0x0202020202020202 },
			{ .index = MSR_MTRR_TYPE, .data = 0x801 },
		},
	};
	struct flat f = flat();
	u64 data;

	ASSERT_EQ(ioctl(f.vcpu.fd, KVM_SET_MSRS, &msrs), 1);
	ASSERT_EQ(get_msr(&f, MSR_MTRR_TYPE, &data), 1);
	ASSERT_EQ(data, 0x806);
	ASSERT_EQ(get_msr(&f, UNKNOWN_MSR, &data), 0);
	msrs.head.nmsrs = 256;
	ASSERT_ERRNO(ioctl(f.vcpu.fd, KVM_SET_MSRS, &msrs), E2BIG);
	ASSERT_ERRNO(ioctl(f.vcpu.fd, KVM_GET_MSRS, &msrs), E2BIG);
}

static void illegal_values_are_refused(void)
{
	static const struct {
		u32 index;
		u64 data;
	} bad[] = {
		{ MSR_PAT, 0x02 }, { MSR_MTRR_TYPE, 0x802 }, { MSR_MTRR_TYPE, 1 << 12 },
		{ 0x200, 0x105 }, { 0x201, 0x1 }, { 0x250, 0x07 }, { 0xfe, 0x500 },
		{ 0xc0000080, 1ULL << 63 }, { 0xc0000082, 1ULL << 57 },
		{ 0xc0010015, 1ULL << 50 },
	};
	struct flat f = flat();
	struct cpuid cpuid = supported(&f);
	unsigned int i;

	ASSERT_OK(ioctl(f.vcpu.fd, KVM_SET_CPUID2, &cpuid));
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (set_msr(&f, bad[i].index, bad[i].data) == 1)
			FAIL("%#x took %#lx", bad[i].index, bad[i].data);
	}
}

static void userspace_answers_unknown_msrs(void)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { KVM_MSR_EXIT_REASON_UNKNOWN },
	};
	struct flat f = flat();
	struct kvm_regs regs;

	ASSERT_OK(ioctl(f.vm, KVM_ENABLE_CAP, &cap));
	flat_set(&f.vcpu, FLAT_RDMSR, 0, 0, UNKNOWN_MSR, 0);
	ASSERT_EQ(flat_run(&f.vcpu), KVM_EXIT_X86_RDMSR);
	ASSERT_EQ(f.vcpu.run->msr.index, UNKNOWN_MSR);
	ASSERT_EQ(f.vcpu.run->msr.reason, KVM_MSR_EXIT_REASON_UNKNOWN);
	f.vcpu.run->msr.data = 0x1122334455667788;
	ASSERT_EQ(flat_run(&f.vcpu), KVM_EXIT_IO);
	regs = flat_regs(&f.vcpu);
	ASSERT_EQ(regs.rax, 0x55667788);
	ASSERT_EQ(regs.rdx, 0x11223344);

	flat_set(&f.vcpu, FLAT_WRMSR, 0x1234, 0, UNKNOWN_MSR, 0x5678);
	ASSERT_EQ(flat_run(&f.vcpu), KVM_EXIT_X86_WRMSR);
	ASSERT_EQ(f.vcpu.run->msr.data, 0x567800001234);
	ASSERT_EQ(flat_run(&f.vcpu), KVM_EXIT_IO);

	/* #GP, and no IDT to take it: the guest is over. */
	flat_set(&f.vcpu, FLAT_RDMSR, 0, 0, UNKNOWN_MSR, 0);
	ASSERT_EQ(flat_run(&f.vcpu), KVM_EXIT_X86_RDMSR);
	f.vcpu.run->msr.error = 1;
	ASSERT_EQ(flat_run(&f.vcpu), KVM_EXIT_SHUTDOWN);
}

static void tscs_agree(void)
{
	struct flat f = flat();
	struct flat other = f;
	u64 a, b, c;

	other.vcpu = flat_vcpu(&f, 1);
	ASSERT_EQ(get_msr(&f, MSR_TSC, &a), 1);
	ASSERT_EQ(get_msr(&other, MSR_TSC, &b), 1);
	ASSERT_EQ(get_msr(&f, MSR_TSC, &c), 1);
	ASSERT(a < b && b < c);

	/* Set one after the other to one value: they are equal all the same. */
	ASSERT_EQ(set_msr(&f, MSR_TSC, 1ULL << 50), 1);
	ASSERT_EQ(set_msr(&other, MSR_TSC, 1ULL << 50), 1);
	ASSERT_EQ(get_msr(&f, MSR_TSC, &a), 1);
	ASSERT_EQ(get_msr(&other, MSR_TSC, &b), 1);
	ASSERT_EQ(get_msr(&f, MSR_TSC, &c), 1);
	ASSERT(a > 1ULL << 50 && a < b && b < c);
}

/* The guest's pages, as it reads them. */
struct vcpu_time {
	u32 version, pad;
	u64 tsc, ns;
	u32 mul;
	signed char shift;
	u8 flags, pad2[2];
};

struct wall_time {
	u32 version, sec, nsec;
};

static u64 read_clock(const struct vcpu_time *page, u64 tsc)
{
	u64 delta = tsc - page->tsc;

	delta = page->shift < 0 ? delta >> -page->shift : delta << page->shift;
	return page->ns + (delta >> 32) * page->mul + ((delta & 0xffffffff) * page->mul >> 32);
}

static void clock_is_read_and_set(void)
{
	struct flat f = flat();
	struct vcpu_time *page = (void *)(f.low + 0x20200);
	struct wall_time *wall = (void *)(f.low + 0x20100);
	struct kvm_clock_data data = { .clock = 1000 * NS }, now;
	struct timespec real;
	long long off;
	u64 tsc, ns;
	u32 v;

	ASSERT_OK(ioctl(f.vm, KVM_SET_CLOCK, &data));
	ASSERT_EQ(set_msr(&f, MSR_KVM_WALL_CLOCK_NEW, 0x20100), 1);
	ASSERT_EQ(set_msr(&f, MSR_KVM_SYSTEM_TIME_NEW, 0x20200 | 1), 1);
	ASSERT_EQ(flat_read(&f, 0, &v), KVM_EXIT_IO);
	ASSERT(page->version && page->version % 2 == 0);

	ASSERT_OK(ioctl(f.vm, KVM_GET_CLOCK, &data));
	ASSERT_EQ(get_msr(&f, MSR_TSC, &tsc), 1);
	ASSERT_OK(ioctl(f.vm, KVM_GET_CLOCK, &now));
	clock_gettime(CLOCK_REALTIME, &real);
	ns = read_clock(page, tsc);
	ASSERT(ns >= 1000 * NS);
	/* Between the two, give or take a microsecond where the TSC is not stable. */
	ASSERT(ns + 1000 >= data.clock && ns <= now.clock + 1000);

	ASSERT(wall->version % 2 == 0);
	off = (long long)(wall->sec * NS + wall->nsec + ns) - (real.tv_sec * NS + real.tv_nsec);
	ASSERT(off > -NS / 10 && off < NS / 10);

	data = (struct kvm_clock_data){ .clock = 1, .flags = 1 << 10 };
	ASSERT_ERRNO(ioctl(f.vm, KVM_SET_CLOCK, &data), EINVAL);
}

TESTS = {
	CASE(supported_cpuid),
	CASE(guest_sees_what_was_set),
	CASE(every_listed_msr_can_be_restored),
	CASE(msr_ioctls_stop_at_the_first_error),
	CASE(illegal_values_are_refused),
	CASE(userspace_answers_unknown_msrs),
	CASE(tscs_agree),
	CASE(clock_is_read_and_set),
	TESTS_END
};
