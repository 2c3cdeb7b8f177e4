// SPDX-License-Identifier: GPL-2.0-only
/*
 * launch.c - the launch: its order, its errors, and what of a vCPU stays visible.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "launch.h"
#include "vm.h"

#define FW_INVALID_GUEST_STATE	0x2
#define FW_INVALID_LEN		0x4

static void idle(unsigned long cpu)
{
}

/* A VM made and initialised, no vCPU protected yet. */
static struct vm *unlaunched(const struct vm_options *base)
{
	struct vm_options options = base ? *base : (struct vm_options){};

	options.no_launch = true;
	return vm_create(idle, &options);
}

/* KVM_CREATE_VM of a type, and /dev/sev, with nothing else done. */
static struct vm *bare(unsigned long type)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	vm->dev = device_open();
	if (!device_has_es(vm->dev))
		test_skip("no SEV-ES");
	if (type && !device_has_init2(vm->dev))
		test_skip("no KVM_SEV_INIT2");
	vm->sev_fd = sev_open();
	vm->memory = vm_memory(GUEST_MEMORY);
	ASSERT_OK(vm->fd = ioctl(vm->dev, KVM_CREATE_VM, type));
	return vm;
}

static void probe_answers_zero(void)
{
	struct vm *vm = bare(0);

	ASSERT_EQ(ioctl(vm->fd, KVM_MEMORY_ENCRYPT_OP, 0), 0);
	vm_free(vm);
}

static void commands_before_init_are_refused(void)
{
	static const u32 ids[] = {
		KVM_SEV_LAUNCH_START, KVM_SEV_LAUNCH_UPDATE_DATA, KVM_SEV_LAUNCH_UPDATE_VMSA,
		KVM_SEV_LAUNCH_MEASURE, KVM_SEV_LAUNCH_FINISH, KVM_SEV_GUEST_STATUS,
		KVM_SEV_LAUNCH_SECRET, KVM_SEV_DBG_DECRYPT,
	};
	struct vm *vm = bare(0);
	unsigned int i;
	u64 data[16] = {};

	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		ASSERT_ERRNO(sev_op(vm, ids[i], data, NULL), ENOTTY);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_MEMORY_ENCRYPT_REG_REGION,
			   &((struct kvm_enc_region){ (u64)vm->memory, 0x1000 })), ENOTTY);
	vm_free(vm);
}

static void es_init_happens_once(void)
{
	struct vm *vm = bare(0);

	ASSERT_OK(sev_op(vm, KVM_SEV_ES_INIT, NULL, NULL));
	/* 6.1 said EBUSY, later kernels EINVAL. */
	ASSERT(sev_op(vm, KVM_SEV_ES_INIT, NULL, NULL) == -1);
	ASSERT(errno == EINVAL || errno == EBUSY);
	vm_free(vm);
}

static void es_init_after_a_vcpu_is_refused(void)
{
	struct vm *vm = bare(0);
	int vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);

	ASSERT_OK(vcpu);
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_ES_INIT, NULL, NULL), EINVAL);
	close(vcpu);
	vm_free(vm);
}

static void init2_takes_what_it_knows(void)
{
	struct vm *vm = bare(KVM_X86_SEV_ES_VM);
	struct kvm_sev_init init = {};

	init.flags = 1;
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_INIT2, &init, NULL), EINVAL);
	init = (struct kvm_sev_init){ .vmsa_features = 1ULL << 63 };
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_INIT2, &init, NULL), EINVAL);
	init = (struct kvm_sev_init){ .ghcb_version = 3 };
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_INIT2, &init, NULL), EINVAL);
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_ES_INIT, NULL, NULL), EINVAL);
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_INIT2, (void *)1, NULL), EFAULT);
	init = (struct kvm_sev_init){ .ghcb_version = 1 };
	ASSERT_OK(sev_op(vm, KVM_SEV_INIT2, &init, NULL));
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_INIT2, &init, NULL), EINVAL);
	vm_free(vm);
}

static void init2_on_a_default_vm_is_refused(void)
{
	struct vm *vm = bare(KVM_X86_SEV_ES_VM);
	struct kvm_sev_init init = {};

	close(vm->fd);
	ASSERT_OK(vm->fd = ioctl(vm->dev, KVM_CREATE_VM, 0L));
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_INIT2, &init, NULL), EINVAL);
	vm_free(vm);
}

static void run_before_init2_is_refused(void)
{
	struct vm *vm = bare(KVM_X86_SEV_ES_VM);
	int vcpu;

	ASSERT_OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	ASSERT_OK(vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0));
	ASSERT_ERRNO(ioctl(vcpu, KVM_RUN, 0), EINVAL);
	close(vcpu);
	vm_free(vm);
}

static void bad_sev_fd(void)
{
	struct vm *vm = unlaunched(NULL);
	struct kvm_sev_launch_start start = { .policy = 5 };
	int sev = vm->sev_fd;

	vm->sev_fd = -1;
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_LAUNCH_START, &start, NULL), EBADF);
	vm->sev_fd = vm->dev;	/* a file, but another device's */
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_LAUNCH_START, &start, NULL), EBADF);
	vm->sev_fd = sev;
	vm_free(vm);
}

static void unknown_command(void)
{
	struct vm *vm = unlaunched(NULL);
	u64 data[16] = {};

	ASSERT_ERRNO(sev_op(vm, 99, data, NULL), EINVAL);
	ASSERT_ERRNO(sev_op(vm, 0x7fffffff, data, NULL), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_MEMORY_ENCRYPT_OP, (void *)16), EFAULT);
	vm_free(vm);
}

static void fw_refuses(struct vm *vm, u32 id, void *data, u32 want)
{
	u32 error = 0;

	ASSERT_ERRNO(sev_op(vm, id, data, &error), EIO);
	ASSERT_EQ(error, want);
}

static void firmware_keeps_the_order(void)
{
	struct vm *vm = unlaunched(NULL);
	struct kvm_sev_launch_update_data update = {
		.uaddr = (u64)vm->memory + GUEST_PML4, .len = 0x1000,
	};
	struct kvm_sev_launch_measure measure = { .uaddr = (u64)vm->measurement, .len = 48 };

	launch_start(vm);
	fw_refuses(vm, KVM_SEV_LAUNCH_FINISH, NULL, FW_INVALID_GUEST_STATE);
	launch_update_data(vm);
	launch_update_vmsa(vm);
	launch_measure(vm);
	fw_refuses(vm, KVM_SEV_LAUNCH_UPDATE_DATA, &update, FW_INVALID_GUEST_STATE);
	launch_finish(vm);
	fw_refuses(vm, KVM_SEV_LAUNCH_FINISH, NULL, FW_INVALID_GUEST_STATE);
	fw_refuses(vm, KVM_SEV_LAUNCH_MEASURE, &measure, FW_INVALID_GUEST_STATE);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

/* An MSR that the VMM set before the launch, and that no exit shows it later. */
#define PAT	0x277
#define ITS_PAT	0x0007010600070106ULL

static void pat_guest(unsigned long cpu)
{
	GUEST_ASSERT_EQ(rdmsr(PAT), ITS_PAT);
}

static void vmsa_has_the_pat(void)
{
	struct vm *vm = vm_create(pat_guest, &(struct vm_options){ .no_launch = true });
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { { .nmsrs = 1 }, { .index = PAT, .data = ITS_PAT } };

	ASSERT_EQ(ioctl(vm->vcpu[0].fd, KVM_SET_MSRS, &msrs), 1);
	vm_launch(vm);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

static void vmsa_is_encrypted_once(void)
{
	struct vm *vm = unlaunched(NULL);

	launch_start(vm);
	launch_update_data(vm);
	launch_update_vmsa(vm);
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_LAUNCH_UPDATE_VMSA, NULL, NULL), EINVAL);
	vm_free(vm);
}

static void second_start_is_refused(void)
{
	struct vm *vm = unlaunched(NULL);
	struct kvm_sev_launch_start start = { .policy = 5 };

	launch_start(vm);
	ASSERT(sev_op(vm, KVM_SEV_LAUNCH_START, &start, NULL) == -1);
	/* And the first launch is unharmed. */
	launch_update_data(vm);
	launch_update_vmsa(vm);
	launch_measure(vm);
	launch_finish(vm);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

static void measure_tells_its_length(void)
{
	struct vm *vm = unlaunched(NULL);
	struct kvm_sev_launch_measure measure = { .len = 0 };

	launch_start(vm);
	launch_update_data(vm);
	launch_update_vmsa(vm);
	fw_refuses(vm, KVM_SEV_LAUNCH_MEASURE, &measure, FW_INVALID_LEN);
	ASSERT_EQ(measure.len, 48);
	measure.uaddr = (u64)vm->measurement;
	measure.len = 0x4001;
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_LAUNCH_MEASURE, &measure, NULL), EINVAL);
	launch_measure(vm);
	vm_free(vm);
}

/* The report says again what was measured, with the caller's nonce, signed by the platform. */
static void attestation_report(void)
{
	struct vm *vm = unlaunched(NULL);
	u8 report[0x100] = {};
	struct kvm_sev_attestation_report ask = { .mnonce = "sixteen of them" };
	u8 digest[32];

	launch_start(vm);
	launch_update_data(vm);
	launch_update_vmsa(vm);
	/* What was not measured yet is not reported. */
	fw_refuses(vm, KVM_SEV_GET_ATTESTATION_REPORT, &ask, FW_INVALID_GUEST_STATE);
	launch_measure(vm);

	ask.len = 0;
	fw_refuses(vm, KVM_SEV_GET_ATTESTATION_REPORT, &ask, FW_INVALID_LEN);
	ASSERT_EQ(ask.len, 0xd0);
	ask.uaddr = (u64)report;
	ask.len = 0xcf;
	fw_refuses(vm, KVM_SEV_GET_ATTESTATION_REPORT, &ask, FW_INVALID_LEN);
	ask.len = 0x4001;
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_GET_ATTESTATION_REPORT, &ask, NULL), EINVAL);
	ask.uaddr = 0x1000;
	ask.len = 0xd0;
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_GET_ATTESTATION_REPORT, &ask, NULL), EFAULT);
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_GET_ATTESTATION_REPORT, (void *)1, NULL), EFAULT);

	ask.uaddr = (u64)report;
	ask.len = sizeof(report);
	ASSERT_OK(sev_op(vm, KVM_SEV_GET_ATTESTATION_REPORT, &ask, NULL));
	ASSERT_EQ(ask.len, 0xd0);
	ASSERT(!memcmp(report, "sixteen of them", 16));
	memcpy(digest, report + 0x10, sizeof(digest));
	ASSERT_EQ(*(u32 *)(report + 0x30), 5);		/* the policy */
	ASSERT_EQ(*(u32 *)(report + 0x34), 0x1002);	/* who signs: the PEK */
	ASSERT_EQ(*(u32 *)(report + 0x38), 2);		/* ECDSA with SHA-256 */

	/* And again while it runs, with another nonce. */
	launch_finish(vm);
	ask.mnonce[0] = 'S';
	ask.len = 0xd0;
	ASSERT_OK(sev_op(vm, KVM_SEV_GET_ATTESTATION_REPORT, &ask, NULL));
	ASSERT(!memcmp(report, "Sixteen of them", 16));
	ASSERT(!memcmp(digest, report + 0x10, sizeof(digest)));
	vm_free(vm);
}

static void update_data_checks_its_range(void)
{
	struct vm *vm = unlaunched(NULL);
	struct kvm_sev_launch_update_data update = { .uaddr = (u64)vm->memory, .len = 15 };

	launch_start(vm);
	ASSERT(sev_op(vm, KVM_SEV_LAUNCH_UPDATE_DATA, &update, NULL) == -1);
	update.uaddr = 0x1000;		/* unmapped */
	update.len = 0x1000;
	ASSERT(sev_op(vm, KVM_SEV_LAUNCH_UPDATE_DATA, &update, NULL) == -1);
	ASSERT(errno == ENOMEM || errno == EFAULT);
	update.uaddr = ~0xfffULL;	/* wraps */
	update.len = 0x2000;
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_LAUNCH_UPDATE_DATA, &update, NULL), EINVAL);
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_LAUNCH_UPDATE_DATA, (void *)1, NULL), EFAULT);
	vm_free(vm);
}

/* The keys that would make a secret acceptable are not known here: EIO is the best. */
static void secret_checks_its_input(void)
{
	struct vm *vm = unlaunched(NULL);
	u8 hdr[52] = {}, trans[64] = {};
	const struct kvm_sev_launch_secret good = {
		.hdr_uaddr = (u64)hdr, .hdr_len = sizeof(hdr),
		.guest_uaddr = (u64)vm->memory + GUEST_PRIVATE_DATA, .guest_len = sizeof(trans),
		.trans_uaddr = (u64)trans, .trans_len = sizeof(trans),
	};
	struct kvm_sev_launch_secret secret = good;
	u8 *twice;
	int fd;

	launch_start(vm);
	launch_update_data(vm);
	launch_update_vmsa(vm);
	launch_measure(vm);
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_LAUNCH_SECRET, &secret, NULL), EIO);
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_LAUNCH_SECRET, (void *)1, NULL), EFAULT);
#define BAD(field, value, error) do {					\
	secret = good;							\
	secret.field = value;						\
	ASSERT_ERRNO(sev_op(vm, KVM_SEV_LAUNCH_SECRET, &secret, NULL), error); \
} while (0)
	BAD(hdr_uaddr, 0, EINVAL);
	BAD(hdr_len, 0, EINVAL);
	BAD(hdr_len, 0x4001, EINVAL);
	BAD(trans_uaddr, 0, EINVAL);
	BAD(trans_len, 0x4001, EINVAL);
	BAD(trans_uaddr, 0x1000, EFAULT);
	BAD(guest_len, 0, EINVAL);
	BAD(guest_uaddr, 0x1000, ENOMEM);
	/* Two pages that are one: never a run of physical memory. */
	ASSERT_OK(fd = memfd_create("twice", 0));
	ASSERT_OK(ftruncate(fd, 0x1000));
	twice = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(twice != MAP_FAILED);
	ASSERT(mmap(twice + 0x1000, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    fd, 0) != MAP_FAILED);
	BAD(guest_uaddr, (u64)twice + 0xff0, EINVAL);
#undef BAD
	vm_free(vm);
}

static void guest_status(void)
{
	struct vm *vm = unlaunched(NULL);
	struct kvm_sev_guest_status status = {};

	launch_start(vm);
	ASSERT_OK(sev_op(vm, KVM_SEV_GUEST_STATUS, &status, NULL));
	ASSERT_EQ(status.state, 1);		/* LAUNCHING */
	ASSERT_EQ(status.policy, 5);
	ASSERT(status.handle);
	launch_update_data(vm);
	launch_update_vmsa(vm);
	launch_measure(vm);
	ASSERT_OK(sev_op(vm, KVM_SEV_GUEST_STATUS, &status, NULL));
	ASSERT_EQ(status.state, 2);		/* SECRET */
	launch_finish(vm);
	ASSERT_OK(sev_op(vm, KVM_SEV_GUEST_STATUS, &status, NULL));
	ASSERT_EQ(status.state, 3);		/* RUNNING */
	vm_free(vm);
}

/* The measurement depends on what was launched, and on nothing else. */
static void measurement_without_nonce_is_no_constant(void)
{
	struct vm *a = vm_create(idle, NULL), *b = vm_create(idle, NULL);

	ASSERT(memcmp(a->measurement, b->measurement, 32));	/* keys differ */
	ASSERT(memcmp(a->measurement + 32, b->measurement + 32, 16));	/* nonces too */
	vm_free(a);
	vm_free(b);
}

/* After LAUNCH_UPDATE_VMSA the registers are the guest's own. */
static void check_state(struct vm *vm, int error)
{
	int fd = vm->vcpu[0].fd;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_debugregs debug;
	struct kvm_xcrs xcrs = {};
	static struct kvm_xsave xsave;
	struct kvm_mp_state mp;

#define CHECK(request, arg) do {					\
	if (error)							\
		ASSERT_ERRNO(ioctl(fd, request, arg), error);		\
	else								\
		ASSERT_OK(ioctl(fd, request, arg));			\
} while (0)
	memset(&regs, 0xa5, sizeof(regs));
	CHECK(KVM_GET_REGS, &regs);
	CHECK(KVM_SET_REGS, &regs);
	CHECK(KVM_GET_SREGS, &sregs);
	CHECK(KVM_SET_SREGS, &sregs);
	CHECK(KVM_GET_DEBUGREGS, &debug);
	CHECK(KVM_SET_DEBUGREGS, &debug);
	CHECK(KVM_GET_FPU, &fpu);
	CHECK(KVM_SET_FPU, &fpu);
	CHECK(KVM_GET_XSAVE, &xsave);
	CHECK(KVM_SET_XSAVE, &xsave);
	CHECK(KVM_GET_XCRS, &xcrs);
	CHECK(KVM_SET_XCRS, &xcrs);
#undef CHECK
	ASSERT_OK(ioctl(fd, KVM_GET_MP_STATE, &mp));
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

static void protected_state_is_refused(void)
{
	struct vm *vm = vm_create(idle, NULL);

	if (!vm->init2)
		test_skip("no KVM_SEV_INIT2");
	check_state(vm, EINVAL);
}

static void protected_state_is_ignored_on_legacy_vms(void)
{
	check_state(vm_create(idle, &(struct vm_options){ .legacy = true }), 0);
}

static void asids_come_back(void)
{
	struct vm *other = bare(0);
	unsigned int i;

	/*
	 * More launches than there are SEV-ES ASIDs (99): reclaim must work, also
	 * while there is a VM, so that it is not done after each.
	 */
	ASSERT_OK(sev_op(other, KVM_SEV_ES_INIT, NULL, NULL));
	for (i = 0; i < 220; i++) {
		struct vm *vm = bare(0);
		struct kvm_sev_launch_start start = { .policy = 5 };

		ASSERT_OK(sev_op(vm, KVM_SEV_ES_INIT, NULL, NULL));
		ASSERT_OK(sev_op(vm, KVM_SEV_LAUNCH_START, &start, NULL));
		vm_free(vm);
	}
}

static void no_more_asids_than_there_are(void)
{
	struct vm *vm = bare(0);
	int fds[128];
	unsigned int i, n;

	for (n = 0; n < 128; n++) {
		ASSERT_OK(fds[n] = ioctl(vm->dev, KVM_CREATE_VM, 0L));
		vm->fd = fds[n];
		if (sev_op(vm, KVM_SEV_ES_INIT, NULL, NULL))
			break;
	}
	ASSERT_EQ(errno, EBUSY);
	ASSERT(n && n < 128);
	test_note("%u SEV-ES guests at once", n);
	for (i = 0; i <= n; i++)
		close(fds[i]);
	ASSERT_OK(vm->fd = ioctl(vm->dev, KVM_CREATE_VM, 0L));
	ASSERT_OK(sev_op(vm, KVM_SEV_ES_INIT, NULL, NULL));
	vm_free(vm);
}

TESTS = {
	CASE(probe_answers_zero),
	CASE(commands_before_init_are_refused),
	CASE(es_init_happens_once),
	CASE(es_init_after_a_vcpu_is_refused),
	CASE(init2_takes_what_it_knows),
	CASE(init2_on_a_default_vm_is_refused),
	CASE(run_before_init2_is_refused),
	CASE(bad_sev_fd),
	CASE(unknown_command),
	CASE(firmware_keeps_the_order),
	CASE(vmsa_has_the_pat),
	CASE(vmsa_is_encrypted_once),
	CASE(second_start_is_refused),
	CASE(measure_tells_its_length),
	CASE(attestation_report),
	CASE(update_data_checks_its_range),
	CASE(secret_checks_its_input),
	CASE(guest_status),
	CASE(measurement_without_nonce_is_no_constant),
	CASE(protected_state_is_refused),
	CASE(protected_state_is_ignored_on_legacy_vms),
	CASE(asids_come_back),
	CASE(no_more_asids_than_there_are),
	TESTS_END
};
