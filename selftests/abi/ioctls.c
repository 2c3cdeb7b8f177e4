// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctls.c - each row of lib/abi_list.h (and so of docs/abi.md), tried.
 *
 * On sevm all of it; on KVM what is claimed to be as KVM. Not what an ioctl does:
 * that it is there, or that it is not, and that it takes no wild pointer.
 */
#include <unistd.h>

#include "flat.h"

enum file { DEVICE, VM, VCPU, FILES };

/* Answers that are the machine's */
#define CPUS	(-1)
#define XSAVE	(-2)

#define WILD		8UL
#define NON_CANONICAL	0x8000000000000000UL
#define LAST_CAP_6_1	223

static const char *const file_names[FILES] = { "device", "VM", "vCPU" };

static const struct row {
	const char *name;
	unsigned int number;
	enum file file;
	const char *verdict;
} rows[] = {
#define IOCTL(name, number, file, verdict)	{ #name, number, file, verdict },
#define CAP(name, number, answer, verdict)
#include "abi_list.h"
#undef IOCTL
#undef CAP
};

static const struct cap {
	const char *name;
	long number;
	long answer;
	const char *verdict;
} caps[] = {
#define IOCTL(name, number, file, verdict)
#define CAP(name, number, answer, verdict)	{ #name, number, answer, verdict },
#include "abi_list.h"
#undef IOCTL
#undef CAP
};

#define ROWS	(sizeof(rows) / sizeof(*rows))
#define CAPS	(sizeof(caps) / sizeof(*caps))

/* Those without a structure: an argument, and what comes of it. */
static const struct plain_call {
	unsigned int number;
	enum file file;
	unsigned long arg;
	int error;		/* 0: none */
} plain_calls[] = {
	{ KVM_GET_API_VERSION, DEVICE, 0, 0 },
	{ KVM_CREATE_VM, DEVICE, 0, 0 },
	{ KVM_CHECK_EXTENSION, DEVICE, 0, 0 },
	{ KVM_GET_VCPU_MMAP_SIZE, DEVICE, 0, 0 },
	{ KVM_CHECK_EXTENSION, VM, 0, 0 },
	{ KVM_CREATE_VCPU, VM, 1, 0 },
	{ KVM_SET_TSS_ADDR, VM, 0xfffbd000, 0 },
	{ KVM_CREATE_IRQCHIP, VM, 0, EEXIST },
	{ KVM_SET_BOOT_CPU_ID, VM, 0, EBUSY },
	{ KVM_SET_TSC_KHZ, VM, 0, 0 },
	{ KVM_GET_TSC_KHZ, VM, 0, 0 },
	{ KVM_GET_STATS_FD, VM, 0, 0 },
	{ KVM_RUN, VCPU, 0, EINTR },
	{ KVM_NMI, VCPU, 0, 0 },
	{ KVM_SET_TSC_KHZ, VCPU, 0, 0 },
	{ KVM_GET_TSC_KHZ, VCPU, 0, 0 },
	{ KVM_GET_STATS_FD, VCPU, 0, 0 },
};

struct machine {
	struct flat flat;
	int fd[FILES];
};

static struct machine machine(void)
{
	struct machine m = { .flat = flat_vm() };

	ASSERT_OK(ioctl(m.flat.vm, KVM_CREATE_IRQCHIP, 0L));
	m.flat.vcpu = flat_vcpu(&m.flat, 0);
	m.flat.vcpu.run->immediate_exit = 1;
	m.fd[DEVICE] = m.flat.dev;
	m.fd[VM] = m.flat.vm;
	m.fd[VCPU] = m.flat.vcpu.fd;
	return m;
}

static bool is_absent(const char *verdict)
{
	return !strncmp(verdict, "absent:", 7);
}

/* What a file says to an ioctl that it does not know. */
static int unknown(enum file file)
{
	return file == VM ? ENOTTY : EINVAL;
}

static int error_of(int fd, unsigned int number, unsigned long arg)
{
	return ioctl(fd, number, arg) < 0 ? errno : 0;
}

static bool listed(unsigned int number, enum file file)
{
	size_t i;

	for (i = 0; i < ROWS; i++)
		if (rows[i].number == number && rows[i].file == file)
			return true;
	return false;
}

static void absent_ioctls_say_so(void)
{
	static u8 zeros[65536];
	unsigned long args[] = { 0, WILD, NON_CANONICAL, (unsigned long)zeros };
	struct machine m;
	size_t i, j;

	if (!device_is_sevm())
		test_skip("KVM has most of them");
	m = machine();
	for (i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];
		int error, want = unknown(row->file);

		if (!is_absent(row->verdict))
			continue;
		if (strcmp(row->verdict + 8, want == EINVAL ? "EINVAL" : "ENOTTY"))
			FAIL("%s on a %s: the list says '%s'", row->name, file_names[row->file],
			     row->verdict);
		for (j = 0; j < 4; j++) {
			error = error_of(m.fd[row->file], row->number, args[j]);
			if (error != want)
				FAIL("%s(%#lx) on a %s: errno %d, not %d", row->name, args[j],
				     file_names[row->file], error, want);
		}
	}
}

static void wild_pointers_are_faults(void)
{
	struct machine m = machine();
	struct flat empty = flat_vm();
	size_t i;

	for (i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];
		int fd = m.fd[row->file], error;

		if (is_absent(row->verdict) || !_IOC_SIZE(row->number))
			continue;
		/* 6.1 lacks it. */
		if (!device_is_sevm() && row->number == KVM_SET_USER_MEMORY_REGION2)
			continue;
		/* That one belongs before the first vCPU. */
		if (row->number == KVM_SET_IDENTITY_MAP_ADDR)
			fd = empty.vm;
		error = error_of(fd, row->number, WILD);
		if (error == EFAULT)
			error = error_of(fd, row->number, NON_CANONICAL);
		/* NULL means something to these. */
		if (error == EFAULT && row->number != KVM_SET_SIGNAL_MASK &&
		    row->number != KVM_MEMORY_ENCRYPT_OP)
			error = error_of(fd, row->number, 0);
		if (error != EFAULT)
			FAIL("%s on a %s: errno %d, not EFAULT", row->name,
			     file_names[row->file], error);
	}
	/* The order counts: it is too late before the argument is read. */
	ASSERT_ERRNO(ioctl(m.flat.vm, KVM_SET_IDENTITY_MAP_ADDR, WILD), EINVAL);
}

static void present_ioctls_without_structure_answer(void)
{
	struct machine m = machine();
	const struct plain_call *call, *end = plain_calls + sizeof(plain_calls) / sizeof(*call);
	size_t i;
	int error;

	for (i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];

		if (is_absent(row->verdict) || _IOC_SIZE(row->number))
			continue;
		for (call = plain_calls; call < end; call++)
			if (call->number == row->number && call->file == row->file)
				break;
		if (call == end)
			FAIL("%s on a %s: no call of it here", row->name, file_names[row->file]);
		error = error_of(m.fd[row->file], row->number, call->arg);
		if (error != call->error)
			FAIL("%s on a %s: errno %d, not %d", row->name, file_names[row->file],
			     error, call->error);
	}
}

/* Both patch instructions of old guests. QEMU asks for neither, and insists that it may say so. */
static void tpr_helpers_are_off(void)
{
	struct machine m = machine();
	int vcpu = m.fd[VCPU];

	ASSERT_OK(ioctl(vcpu, KVM_TPR_ACCESS_REPORTING, &(struct kvm_tpr_access_ctl){}));
	ASSERT_OK(ioctl(vcpu, KVM_SET_VAPIC_ADDR, &(struct kvm_vapic_addr){}));
	if (!device_is_sevm())
		return;
	ASSERT_ERRNO(ioctl(vcpu, KVM_TPR_ACCESS_REPORTING,
			   &(struct kvm_tpr_access_ctl){ .enabled = 1 }), EINVAL);
	ASSERT_ERRNO(ioctl(vcpu, KVM_SET_VAPIC_ADDR, &(struct kvm_vapic_addr){ 0x1000 }), EINVAL);
}

static void ioctls_of_other_files_are_unknown(void)
{
	struct machine m = machine();
	enum file file;
	int error;
	size_t i;

	for (i = 0; i < ROWS; i++) {
		for (file = DEVICE; file < FILES; file++) {
			if (listed(rows[i].number, file))
				continue;
			error = error_of(m.fd[file], rows[i].number, WILD);
			if (error != unknown(file))
				FAIL("%s on a %s: errno %d", rows[i].name, file_names[file], error);
		}
	}
}

static void unlisted_numbers_are_unknown(void)
{
	struct machine m = machine();
	unsigned int nr, number;
	enum file file;
	size_t i;
	int error;

	/* With a size and directions that no structure has. */
	for (nr = 0; nr < 256; nr++) {
		unsigned int numbers[] = { _IO(KVMIO, nr), _IOC(3, KVMIO, nr, 12345) };

		/* KVM 6.1 remembers its tracing, long gone, with EOPNOTSUPP. */
		if (!device_is_sevm() && nr >= 6 && nr <= 8)
			continue;
		for (i = 0; i < 2; i++) {
			number = numbers[i];
			for (file = DEVICE; file < FILES; file++) {
				if (listed(number, file))
					continue;
				error = error_of(m.fd[file], number, WILD);
				if (error != unknown(file))
					FAIL("%#x on a %s: errno %d", number, file_names[file],
					     error);
			}
		}
	}
}

static const struct cap *find_cap(long number)
{
	size_t i;

	for (i = 0; i < CAPS; i++)
		if (caps[i].number == number)
			return &caps[i];
	return NULL;
}

static bool is_answer(const struct cap *cap, long answer)
{
	switch (cap->answer) {
	case CPUS:
		return answer == sysconf(_SC_NPROCESSORS_ONLN);
	case XSAVE:
		return answer >= 4096;
	}
	return answer == cap->answer;
}

static void capabilities_are_the_list(void)
{
	struct machine m = machine();
	bool sevm = device_is_sevm();
	long n, device, vm;

	/* Far past KVM's last one. */
	for (n = 0; n < 1024; n++) {
		const struct cap *cap = find_cap(n);

		device = ioctl(m.fd[DEVICE], KVM_CHECK_EXTENSION, n);
		vm = ioctl(m.fd[VM], KVM_CHECK_EXTENSION, n);
		if (!sevm) {
			if (!cap || is_absent(cap->verdict) || (!vm && n > LAST_CAP_6_1))
				continue;
			if (!vm)
				FAIL("%s: KVM lacks it", cap->name);
			if (!strcmp(cap->verdict, "as KVM") && !is_answer(cap, vm))
				FAIL("%s: KVM says %ld", cap->name, vm);
			continue;
		}
		if (!cap) {
			if (device || vm)
				FAIL("unlisted capability %ld: %ld, %ld", n, device, vm);
			continue;
		}
		if (is_absent(cap->verdict) != !cap->answer)
			FAIL("%s: '%s', but %ld", cap->name, cap->verdict, cap->answer);
		if (!is_answer(cap, device) || !is_answer(cap, vm))
			FAIL("%s: %ld on the device, %ld on a VM", cap->name, device, vm);
	}
}

TESTS = {
	CASE(absent_ioctls_say_so),
	CASE(wild_pointers_are_faults),
	CASE(present_ioctls_without_structure_answer),
	CASE(tpr_helpers_are_off),
	CASE(ioctls_of_other_files_are_unknown),
	CASE(unlisted_numbers_are_unknown),
	CASE(capabilities_are_the_list),
	TESTS_END
};
