// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr_filter.c - KVM_X86_SET_MSR_FILTER: which filters are refused, and what one
 * does to RDMSR and WRMSR of a plain guest and to MSR NAE events of a SEV-ES guest.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "vm.h"

#define READ		KVM_MSR_FILTER_READ
#define WRITE		KVM_MSR_FILTER_WRITE
#define BOTH		(READ | WRITE)
#define DEFAULT_DENY	KVM_MSR_FILTER_DEFAULT_DENY
#define BITMAP_BYTES	KVM_MSR_FILTER_MAX_BITMAP_SIZE
#define RANGES		KVM_MSR_FILTER_MAX_RANGES

#define GP_VECTOR	13
#define MSR_TSC		0x10
#define MSR_MTRR(n)	(0x200 + (n))	/* 0 to 15: the variable ranges' */
#define MSR_X2APIC_ID	0x802
#define MSR_X2APIC_TPR	0x808
#define MSR_STAR	0xc0000081
#define MSR_UNKNOWN	0x12345678

/* A base or a mask that each of MSR_MTRR() takes. */
#define VALUE(n)	((n) << 12)

static u8 deny[BITMAP_BYTES], allow[BITMAP_BYTES];

static void __attribute__((constructor)) fill(void)
{
	memset(allow, 0xff, sizeof(allow));
}

static struct kvm_msr_filter_range range(u32 flags, u32 base, u32 count, void *bitmap)
{
	return (struct kvm_msr_filter_range){
		.flags = flags, .base = base, .nmsrs = count, .bitmap = bitmap,
	};
}

static int set_filter(int vm, u32 flags, const struct kvm_msr_filter_range *ranges, unsigned int n)
{
	struct kvm_msr_filter filter = { .flags = flags };

	memcpy(filter.ranges, ranges, n * sizeof(*ranges));
	return ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter);
}

static int set_range(int vm, u32 flags, u32 base, u32 count, void *bitmap)
{
	struct kvm_msr_filter_range one = range(flags, base, count, bitmap);

	return set_filter(vm, 0, &one, 1);
}

static void ask_userspace(struct vm *vm, u64 reasons)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { reasons } };

	ASSERT_OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
}

static u64 host_read(struct vm *vm, u32 index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { { .nmsrs = 1 }, { .index = index } };

	ASSERT_EQ(ioctl(vm->vcpu[0].fd, KVM_GET_MSRS, &msrs), 1);
	return msrs.entry.data;
}

static void host_write(struct vm *vm, u32 index, u64 data)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { { .nmsrs = 1 }, { .index = index, .data = data } };

	ASSERT_EQ(ioctl(vm->vcpu[0].fd, KVM_SET_MSRS, &msrs), 1);
}

/* --- what is refused ---------------------------------------------------------- */

static int bare_vm(void)
{
	int device = device_open(), vm = ioctl(device, KVM_CREATE_VM, 0L);

	ASSERT_OK(vm);
	close(device);
	return vm;
}

static void illegal_filters_are_refused(void)
{
	struct kvm_msr_filter_range many[RANGES];
	u8 *edge = vm_memory(0x2000);
	int vm = bare_vm();
	unsigned int i;

	/* Flags of the filter, of a range */
	ASSERT_ERRNO(set_filter(vm, 2, NULL, 0), EINVAL);
	ASSERT_ERRNO(set_filter(vm, 1U << 31, NULL, 0), EINVAL);
	ASSERT_ERRNO(set_range(vm, 0, MSR_MTRR(0), 1, deny), EINVAL);
	ASSERT_ERRNO(set_range(vm, 4, MSR_MTRR(0), 1, deny), EINVAL);
	ASSERT_ERRNO(set_range(vm, BOTH | 1U << 31, MSR_MTRR(0), 1, deny), EINVAL);
	/* Denied by default, with nothing that is allowed */
	ASSERT_ERRNO(set_filter(vm, DEFAULT_DENY, NULL, 0), EINVAL);
	/* More than the largest bitmap, up to what does not fit into 32 bits of bytes or of bits */
	ASSERT_OK(set_range(vm, BOTH, 0x10000, BITMAP_BYTES * 8, deny));
	ASSERT_ERRNO(set_range(vm, BOTH, 0x10000, BITMAP_BYTES * 8 + 1, deny), EINVAL);
	ASSERT_ERRNO(set_range(vm, BOTH, 0x10000, 1U << 31, deny), EINVAL);
	ASSERT_ERRNO(set_range(vm, BOTH, 0x10000, ~0U - 62, deny), EINVAL);
	ASSERT_ERRNO(set_range(vm, BOTH, 0x10000, ~0U, deny), EINVAL);
	/* The bitmap, which is read in units of 8 bytes, and the filter itself */
	ASSERT_ERRNO(set_range(vm, BOTH, MSR_MTRR(0), 1, NULL), EFAULT);
	ASSERT_ERRNO(set_range(vm, BOTH, MSR_MTRR(0), 1, (void *)(1UL << 63)), EFAULT);
	ASSERT_OK(munmap(edge + 0x1000, 0x1000));
	ASSERT_OK(set_range(vm, BOTH, MSR_MTRR(0), 64, edge + 0x1000 - 8));
	ASSERT_ERRNO(set_range(vm, BOTH, MSR_MTRR(0), 65, edge + 0x1000 - 8), EFAULT);
	ASSERT_ERRNO(set_range(vm, BOTH, MSR_MTRR(0), 1, edge + 0x1000 - 7), EFAULT);
	ASSERT_ERRNO(ioctl(vm, KVM_X86_SET_MSR_FILTER, edge + 0x1000 - 8), EFAULT);
	/* The last of as many as there can be */
	for (i = 0; i < RANGES; i++)
		many[i] = range(BOTH, 0x10000 + i, 1, allow);
	ASSERT_OK(set_filter(vm, 0, many, RANGES));
	many[RANGES - 1].flags = 0;
	ASSERT_ERRNO(set_filter(vm, 0, many, RANGES), EINVAL);
	many[RANGES - 1] = range(BOTH, 0x10000, 1, NULL);
	ASSERT_ERRNO(set_filter(vm, 0, many, RANGES), EFAULT);
	close(vm);
}

static void a_range_of_no_msrs_is_not_looked_at(void)
{
	struct kvm_msr_filter_range many[RANGES];
	int vm = bare_vm();
	unsigned int i;

	for (i = 0; i < RANGES; i++)
		many[i] = range(~0U, i, 0, (void *)(1UL << 63));
	ASSERT_OK(set_filter(vm, 0, many, RANGES));
	ASSERT_ERRNO(set_filter(vm, DEFAULT_DENY, many, RANGES), EINVAL);
	close(vm);
}

/* --- a guest that accesses what it is asked to --------------------------------- */

struct access {
	u32 index;
	bool write;
	u64 data;
	u64 vector;		/* of the exception it raised; 0: none */
};

#define GUEST		((volatile struct access *)GUEST_SHARED_DATA)

static void accesses(unsigned long cpu)
{
	x2apic_enable();
	for (;;) {
		guest_sync(0);
		if (GUEST->write)
			GUEST->vector = guest_try(wrmsr(GUEST->index, GUEST->data));
		else
			GUEST->vector = guest_try(GUEST->data = rdmsr(GUEST->index));
	}
}

/* The last exit for an MSR, and how userspace answers the next one. */
static struct {
	unsigned int exits;
	u32 reason, why, index;
	u64 data;
	u8 error;
	u64 answer;
} user;

static void on_exit_for_msr(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	unsigned int i;

	if (run->exit_reason != KVM_EXIT_X86_RDMSR && run->exit_reason != KVM_EXIT_X86_WRMSR)
		FAIL("exit reason %u", run->exit_reason);
	ASSERT_EQ(run->msr.error, 0);
	for (i = 0; i < sizeof(run->msr.pad); i++)
		ASSERT_EQ(run->msr.pad[i], 0);
	user.exits++;
	user.reason = run->exit_reason;
	user.why = run->msr.reason;
	user.index = run->msr.index;
	user.data = run->msr.data;
	run->msr.error = user.error;
	run->msr.data = user.answer;
}

static struct vm *start(bool plain)
{
	struct vm *vm = vm_create(accesses, &(struct vm_options){ .plain = plain });

	vm->vcpu[0].on_exit = on_exit_for_msr;
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	return vm;
}

static u64 access_msr(struct vm *vm, u32 index, bool write, u64 *data)
{
	struct access *guest = vm_shared(vm, GUEST_SHARED_DATA);

	*guest = (struct access){ .index = index, .write = write, .data = *data, .vector = 99 };
	user.exits = 0;
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	*data = guest->data;
	return guest->vector;
}

/* The vector that the guest's access raises. */
static u64 reads(struct vm *vm, u32 index)
{
	u64 data = 0;

	return access_msr(vm, index, false, &data);
}

static u64 writes(struct vm *vm, u32 index, u64 data)
{
	return access_msr(vm, index, true, &data);
}

#define ASSERT_ALLOWED(call)	ASSERT_EQ(call, 0)
#define ASSERT_DENIED(call)	ASSERT_EQ(call, GP_VECTOR)

/* Each case below that says for whom is two: a plain guest's and a SEV-ES guest's. */
#define FOR_BOTH(name)							\
	static void name##_plain(void) { name(true); }			\
	static void name##_protected(void) { name(false); }

static void denied_accesses_fault(bool plain)
{
	struct vm *vm = start(plain);

	host_write(vm, MSR_MTRR(0), VALUE(5));
	ASSERT_ALLOWED(reads(vm, MSR_MTRR(0)));
	ASSERT_ALLOWED(writes(vm, MSR_MTRR(0), VALUE(6)));

	ASSERT_OK(set_range(vm->fd, BOTH, MSR_MTRR(0), 1, deny));
	ASSERT_DENIED(reads(vm, MSR_MTRR(0)));
	ASSERT_DENIED(writes(vm, MSR_MTRR(0), VALUE(7)));
	ASSERT_EQ(host_read(vm, MSR_MTRR(0)), VALUE(6));
	ASSERT_ALLOWED(reads(vm, MSR_MTRR(1)));
	ASSERT_ALLOWED(writes(vm, MSR_MTRR(1), VALUE(7)));

	ASSERT_OK(set_range(vm->fd, READ, MSR_MTRR(0), 1, deny));
	ASSERT_DENIED(reads(vm, MSR_MTRR(0)));
	ASSERT_ALLOWED(writes(vm, MSR_MTRR(0), VALUE(8)));
	ASSERT_EQ(host_read(vm, MSR_MTRR(0)), VALUE(8));

	ASSERT_OK(set_range(vm->fd, WRITE, MSR_MTRR(0), 1, deny));
	ASSERT_ALLOWED(reads(vm, MSR_MTRR(0)));
	ASSERT_DENIED(writes(vm, MSR_MTRR(0), VALUE(9)));
	ASSERT_EQ(host_read(vm, MSR_MTRR(0)), VALUE(8));

	/* A filter without ranges denies nothing: so one is taken back. */
	ASSERT_OK(set_filter(vm->fd, 0, NULL, 0));
	ASSERT_ALLOWED(reads(vm, MSR_MTRR(0)));
	ASSERT_ALLOWED(writes(vm, MSR_MTRR(0), VALUE(9)));
	ASSERT_EQ(host_read(vm, MSR_MTRR(0)), VALUE(9));
	vm_free(vm);
}

FOR_BOTH(denied_accesses_fault)

/* sevm takes no filter that denies what a guest of any kind reaches without an exit. */
static unsigned int allow_passed_through(struct kvm_msr_filter_range *ranges)
{
	static const struct {
		u32 base, count;
	} passed[] = {
		{ 0x48, 1 },			/* SPEC_CTRL */
		{ 0x174, 3 },			/* SYSENTER */
		{ 0x1d9, 6 },			/* DEBUGCTL, LBR */
		{ 0x277, 1 },			/* PAT */
		{ 0xda0, 1 },			/* XSS */
		{ 0xc0000080, 5 },		/* EFER, STAR to SYSCALL_MASK */
		{ 0xc0000100, 4 },		/* the bases, TSC_AUX */
		{ GHCB_MSR, 1 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(passed) / sizeof(*passed); i++)
		ranges[i] = range(BOTH, passed[i].base, passed[i].count, allow);
	return i;
}

static void default_deny(bool plain)
{
	struct kvm_msr_filter_range ranges[RANGES];
	struct vm *vm = start(plain);
	unsigned int n = allow_passed_through(ranges);

	ranges[n++] = range(READ, MSR_MTRR(0), 1, allow);
	ranges[n++] = range(WRITE, MSR_MTRR(1), 1, allow);
	ASSERT_OK(set_filter(vm->fd, DEFAULT_DENY, ranges, n));
	ASSERT_ALLOWED(reads(vm, MSR_MTRR(0)));
	ASSERT_DENIED(writes(vm, MSR_MTRR(0), VALUE(1)));
	ASSERT_DENIED(reads(vm, MSR_MTRR(1)));
	ASSERT_ALLOWED(writes(vm, MSR_MTRR(1), VALUE(1)));
	ASSERT_DENIED(reads(vm, MSR_MTRR(2)));
	ASSERT_DENIED(writes(vm, MSR_MTRR(2), VALUE(1)));
	ASSERT_DENIED(reads(vm, MSR_TSC));
	ASSERT_ALLOWED(reads(vm, MSR_X2APIC_ID));
	vm_free(vm);
}

FOR_BOTH(default_deny)

/* Overlapping ranges: the first that covers the MSR and this kind of access decides. */
static void the_first_range_decides(void)
{
	struct kvm_msr_filter_range ranges[] = {
		range(READ, MSR_MTRR(0), 2, allow),
		range(BOTH, MSR_MTRR(0), 4, deny),
		range(WRITE, MSR_MTRR(1), 5, allow),
	};
	struct vm *vm = start(true);

	ASSERT_OK(set_filter(vm->fd, 0, ranges, 3));
	ASSERT_ALLOWED(reads(vm, MSR_MTRR(0)));
	ASSERT_DENIED(writes(vm, MSR_MTRR(0), VALUE(1)));
	ASSERT_ALLOWED(reads(vm, MSR_MTRR(1)));
	ASSERT_DENIED(writes(vm, MSR_MTRR(1), VALUE(1)));
	ASSERT_DENIED(reads(vm, MSR_MTRR(2)));
	ASSERT_DENIED(reads(vm, MSR_MTRR(3)));
	ASSERT_DENIED(writes(vm, MSR_MTRR(3), VALUE(1)));
	ASSERT_ALLOWED(reads(vm, MSR_MTRR(4)));
	ASSERT_ALLOWED(writes(vm, MSR_MTRR(4), VALUE(1)));
	vm_free(vm);
}

static void each_msr_has_its_bit(void)
{
	struct vm *vm = start(true);
	u64 bits[2] = { ~0ULL, 0x5a5a };
	unsigned int i;

	/* In the second word, and with the last bit of the range. */
	ASSERT_OK(set_range(vm->fd, BOTH, MSR_MTRR(0) - 64, 64 + 15, bits));
	for (i = 0; i < 15; i++) {
		u64 want = bits[1] >> i & 1 ? 0 : GP_VECTOR;

		ASSERT_EQ(reads(vm, MSR_MTRR(i)), want);
		ASSERT_EQ(writes(vm, MSR_MTRR(i), VALUE(i)), want);
	}
	ASSERT_ALLOWED(reads(vm, MSR_MTRR(15)));	/* outside */
	/* The bitmap was copied. */
	bits[1] = 0;
	ASSERT_ALLOWED(reads(vm, MSR_MTRR(1)));
	vm_free(vm);
}

/* KVM computes a range's end in 32 bits: one that goes beyond the last MSR covers none. */
static void a_range_does_not_wrap(void)
{
	struct vm *vm = start(true);

	ask_userspace(vm, KVM_MSR_EXIT_REASON_FILTER);
	ASSERT_OK(set_range(vm->fd, BOTH, 0xffffff00, 0x120, deny));
	ASSERT_ALLOWED(reads(vm, MSR_TSC));
	ASSERT_EQ(user.exits, 0);
	ASSERT_EQ(reads(vm, 0xffffff80), GP_VECTOR);
	ASSERT_EQ(user.exits, 0);
	/* The last but one is within a range that ends there. */
	ASSERT_OK(set_range(vm->fd, BOTH, 0xffffff00, 0xff, deny));
	ASSERT_EQ(reads(vm, 0xfffffffe), 0);
	ASSERT_EQ(user.exits, 1);
	ASSERT_EQ(user.index, 0xfffffffe);
	vm_free(vm);
}

static void a_refused_filter_changes_nothing(void)
{
	struct kvm_msr_filter_range ranges[] = {
		range(BOTH, MSR_MTRR(0), 1, allow),
		range(BOTH, MSR_MTRR(1), 1, NULL),
	};
	struct vm *vm = start(true);

	ASSERT_OK(set_range(vm->fd, BOTH, MSR_MTRR(0), 1, deny));
	ASSERT_ERRNO(set_filter(vm->fd, 0, ranges, 2), EFAULT);
	ASSERT_DENIED(reads(vm, MSR_MTRR(0)));
	ASSERT_ALLOWED(reads(vm, MSR_MTRR(1)));
	ranges[1].flags = 8;
	ASSERT_ERRNO(set_filter(vm->fd, 0, ranges, 2), EINVAL);
	ASSERT_ERRNO(set_filter(vm->fd, 2, ranges, 1), EINVAL);
	ASSERT_DENIED(reads(vm, MSR_MTRR(0)));
	vm_free(vm);
}

static void x2apic_is_never_filtered(bool plain)
{
	struct vm *vm = start(plain);
	u64 data = 0;

	ask_userspace(vm, KVM_MSR_EXIT_REASON_FILTER);
	ASSERT_OK(set_range(vm->fd, BOTH, 0x7ff, 0x102, deny));
	ASSERT_ALLOWED(reads(vm, MSR_X2APIC_ID));
	ASSERT_ALLOWED(writes(vm, MSR_X2APIC_TPR, 0x30));
	ASSERT_ALLOWED(access_msr(vm, MSR_X2APIC_TPR, false, &data));
	ASSERT_EQ(data, 0x30);
	ASSERT_ALLOWED(writes(vm, MSR_X2APIC_TPR, 0));
	ASSERT_EQ(user.exits, 0);
	/* No register of the x2APIC, but one of its MSRs: a fault, not the filter's */
	ASSERT_EQ(reads(vm, 0x800), GP_VECTOR);
	ASSERT_EQ(reads(vm, 0x8ff), GP_VECTOR);
	ASSERT_EQ(user.exits, 0);
	/* The neighbours are no MSRs of the x2APIC. */
	ASSERT_EQ(reads(vm, 0x7ff), 0);
	ASSERT_EQ(user.exits, 1);
	ASSERT_EQ(reads(vm, 0x900), 0);
	ASSERT_EQ(user.exits, 1);
	vm_free(vm);
}

FOR_BOTH(x2apic_is_never_filtered)

static void msr_ioctls_are_not_filtered(bool plain)
{
	struct vm *vm = start(plain);

	ASSERT_OK(set_range(vm->fd, BOTH, MSR_MTRR(0), 16, deny));
	host_write(vm, MSR_MTRR(0), VALUE(3));
	ASSERT_EQ(host_read(vm, MSR_MTRR(0)), VALUE(3));
	ASSERT_DENIED(reads(vm, MSR_MTRR(0)));
	vm_free(vm);
}

FOR_BOTH(msr_ioctls_are_not_filtered)

/* --- denied, and userspace decides --------------------------------------------- */

static void userspace_answers(bool plain)
{
	struct vm *vm = start(plain);
	u64 data = 0;

	host_write(vm, MSR_MTRR(0), VALUE(5));
	ask_userspace(vm, KVM_MSR_EXIT_REASON_FILTER);
	ASSERT_OK(set_range(vm->fd, BOTH, MSR_MTRR(0), 1, deny));

	user.answer = 0x1122334455667788;
	ASSERT_EQ(access_msr(vm, MSR_MTRR(0), false, &data), 0);
	ASSERT_EQ(data, 0x1122334455667788);
	ASSERT_EQ(user.exits, 1);
	ASSERT_EQ(user.reason, KVM_EXIT_X86_RDMSR);
	ASSERT_EQ(user.why, KVM_MSR_EXIT_REASON_FILTER);
	ASSERT_EQ(user.index, MSR_MTRR(0));

	data = 0x8877665544332211;
	ASSERT_EQ(access_msr(vm, MSR_MTRR(0), true, &data), 0);
	ASSERT_EQ(user.exits, 1);
	ASSERT_EQ(user.reason, KVM_EXIT_X86_WRMSR);
	ASSERT_EQ(user.why, KVM_MSR_EXIT_REASON_FILTER);
	ASSERT_EQ(user.index, MSR_MTRR(0));
	ASSERT_EQ(user.data, 0x8877665544332211);
	/* What userspace makes of it is its affair: the MSR is as it was. */
	ASSERT_EQ(host_read(vm, MSR_MTRR(0)), VALUE(5));

	user.error = 1;
	ASSERT_EQ(reads(vm, MSR_MTRR(0)), GP_VECTOR);
	ASSERT_EQ(user.exits, 1);
	ASSERT_EQ(writes(vm, MSR_MTRR(0), VALUE(6)), GP_VECTOR);
	ASSERT_EQ(user.exits, 1);
	ASSERT_EQ(host_read(vm, MSR_MTRR(0)), VALUE(5));
	user.error = 0;

	/* An exit says nothing about the next access. */
	ASSERT_OK(set_filter(vm->fd, 0, NULL, 0));
	ASSERT_EQ(access_msr(vm, MSR_MTRR(0), false, &data), 0);
	ASSERT_EQ(data, VALUE(5));
	ASSERT_EQ(user.exits, 0);
	vm_free(vm);
}

FOR_BOTH(userspace_answers)

static void unknown_reasons_are_refused(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR };
	int vm = bare_vm();

	cap.args[0] = 7;
	ASSERT_OK(ioctl(vm, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 8;
	ASSERT_ERRNO(ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL);
	cap.args[0] = 1ULL << 32;
	ASSERT_ERRNO(ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL);
	close(vm);
}

static void userspace_is_asked_for_this_reason_only(bool plain)
{
	struct vm *vm = start(plain);

	ASSERT_OK(set_range(vm->fd, BOTH, MSR_UNKNOWN, 1, deny));
	/* Not for this one: */
	ask_userspace(vm, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL);
	ASSERT_EQ(reads(vm, MSR_UNKNOWN), GP_VECTOR);
	ASSERT_EQ(writes(vm, MSR_UNKNOWN, 1), GP_VECTOR);
	ASSERT_EQ(user.exits, 0);
	/* It is unknown, but that it is denied comes first. */
	ask_userspace(vm, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER);
	ASSERT_EQ(reads(vm, MSR_UNKNOWN), 0);
	ASSERT_EQ(user.why, KVM_MSR_EXIT_REASON_FILTER);
	ASSERT_EQ(reads(vm, MSR_UNKNOWN + 1), 0);
	ASSERT_EQ(user.why, KVM_MSR_EXIT_REASON_UNKNOWN);
	/* For this one only: */
	ask_userspace(vm, KVM_MSR_EXIT_REASON_FILTER);
	ASSERT_EQ(writes(vm, MSR_UNKNOWN, 1), 0);
	ASSERT_EQ(user.exits, 1);
	ASSERT_EQ(reads(vm, MSR_UNKNOWN + 1), GP_VECTOR);
	ASSERT_EQ(user.exits, 0);
	vm_free(vm);
}

FOR_BOTH(userspace_is_asked_for_this_reason_only)

/* --- while vCPUs run ------------------------------------------------------------ */

#define RACERS		3
#define REPLACED	60

/* epoch: bit 0 while the filter changes; bit 1: it denies. */
struct race {
	volatile u64 epoch;
	volatile u64 stop;
	volatile u64 judged[RACERS];	/* accesses that no change overlapped */
};

#define RACE		((struct race *)GUEST_SHARED_DATA)

static void racer(unsigned long cpu)
{
	while (!RACE->stop) {
		u64 epoch = RACE->epoch, read, wrote;

		read = guest_try(rdmsr(MSR_MTRR(0)));
		wrote = guest_try(wrmsr(MSR_MTRR(0), VALUE(1)));
		if (epoch & 1 || RACE->epoch != epoch)
			continue;
		GUEST_ASSERT_EQ(read, epoch & 2 ? GP_VECTOR : 0);
		GUEST_ASSERT_EQ(wrote, epoch & 2 ? GP_VECTOR : 0);
		RACE->judged[cpu]++;
	}
	guest_done();
}

/* Once the ioctl is back, no access is judged by the filter before. */
static void replaced_under_running_vcpus(bool plain)
{
	struct vm *vm = vm_create(racer, &(struct vm_options){ .plain = plain, .vcpus = RACERS });
	struct race *race = vm_shared(vm, GUEST_SHARED_DATA);
	u64 before[RACERS];
	unsigned int i, j;

	for (i = 0; i < RACERS; i++) {
		vcpu_set_mp_state(&vm->vcpu[i], KVM_MP_STATE_RUNNABLE);
		vcpu_start(&vm->vcpu[i]);
	}
	for (i = 0; i < REPLACED; i++) {
		bool denies = i % 2 == 0;

		race->epoch++;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		ASSERT_OK(set_range(vm->fd, BOTH, MSR_MTRR(0), 1, denies ? deny : allow));
		race->epoch++;
		ASSERT_EQ(race->epoch & 2, denies ? 2 : 0);
		for (j = 0; j < RACERS; j++)
			before[j] = race->judged[j];
		for (j = 0; j < RACERS; j++)
			while (race->judged[j] < before[j] + 2)
				usleep(100);
	}
	race->stop = 1;
	for (i = 0; i < RACERS; i++)
		vcpu_join(&vm->vcpu[i]);
	vm_free(vm);
}

FOR_BOTH(replaced_under_running_vcpus)

/* --- where sevm differs ---------------------------------------------------------- */

/*
 * sevm's guests share a permission map, so it refuses a filter that denies an MSR
 * in it; KVM gives each vCPU a map of its own.
 */
static void star_can_be_denied(void)
{
	struct vm *vm = start(true);

	ASSERT_ALLOWED(reads(vm, MSR_STAR));
	ASSERT_OK(set_range(vm->fd, BOTH, MSR_STAR, 1, deny));
	ASSERT_DENIED(reads(vm, MSR_STAR));
	ASSERT_DENIED(writes(vm, MSR_STAR, 0));
	vm_free(vm);
}

/* ... and says so, whether a range or the default denies it, reads or writes. */
static void sevm_refuses_what_it_cannot_deny(void)
{
	static const u32 passed[] = {
		0x174, 0x175, 0x176, 0x277, MSR_STAR, 0xc0000080, 0xc0000084, 0xc0000100,
		0xc0000101, 0xc0000102, GHCB_MSR,
	};
	struct kvm_msr_filter_range ranges[RANGES];
	unsigned int i, n = allow_passed_through(ranges);
	int vm;

	if (!device_is_sevm())
		test_skip("KVM can deny them");
	vm = bare_vm();
	for (i = 0; i < sizeof(passed) / sizeof(*passed); i++) {
		ASSERT_ERRNO(set_range(vm, READ, passed[i], 1, deny), EINVAL);
		ASSERT_ERRNO(set_range(vm, WRITE, passed[i], 1, deny), EINVAL);
		ASSERT_OK(set_range(vm, BOTH, passed[i], 1, allow));
	}
	ASSERT_OK(set_filter(vm, DEFAULT_DENY, ranges, n));
	for (i = 0; i < n; i++) {
		struct kvm_msr_filter_range whole = ranges[i];

		ranges[i].flags = READ;
		ASSERT_ERRNO(set_filter(vm, DEFAULT_DENY, ranges, n), EINVAL);
		ranges[i].flags = WRITE;
		ASSERT_ERRNO(set_filter(vm, DEFAULT_DENY, ranges, n), EINVAL);
		ranges[i] = whole;
	}
	close(vm);
}

TESTS = {
	CASE(illegal_filters_are_refused),
	CASE(a_range_of_no_msrs_is_not_looked_at),
	CASE(denied_accesses_fault_plain),
	CASE(denied_accesses_fault_protected),
	CASE(default_deny_plain),
	CASE(default_deny_protected),
	CASE(the_first_range_decides),
	CASE(each_msr_has_its_bit),
	CASE(a_range_does_not_wrap),
	CASE(a_refused_filter_changes_nothing),
	CASE(x2apic_is_never_filtered_plain),
	CASE(x2apic_is_never_filtered_protected),
	CASE(msr_ioctls_are_not_filtered_plain),
	CASE(msr_ioctls_are_not_filtered_protected),
	CASE(userspace_answers_plain),
	CASE(userspace_answers_protected),
	CASE(unknown_reasons_are_refused),
	CASE(userspace_is_asked_for_this_reason_only_plain),
	CASE(userspace_is_asked_for_this_reason_only_protected),
	CASE(replaced_under_running_vcpus_plain),
	CASE(replaced_under_running_vcpus_protected),
	CASE(star_can_be_denied),
	CASE(sevm_refuses_what_it_cannot_deny),
	TESTS_END
};
