// SPDX-License-Identifier: GPL-2.0-only
/*
 * launch.c - the SEV-ES launch, step by step, as every VMM does it.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "launch.h"

static struct {
	u64 gpa, size;
} parts[16];
static unsigned int nr_parts;

u64 launch_cbit(void)
{
	u32 a, b, c, d;

	__cpuid(0x8000001f, a, b, c, d);
	(void)a, (void)c, (void)d;
	return 1ULL << (b & 0x3f);
}

int sev_open(void)
{
	int fd = open("/dev/sev", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		test_skip("/dev/sev: %s", strerror(errno));
	return fd;
}

int sev_op(struct vm *vm, u32 id, void *data, u32 *fw_error)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (u64)data, .sev_fd = vm->sev_fd };
	int r = ioctl(vm->fd, KVM_MEMORY_ENCRYPT_OP, &cmd);

	if (fw_error)
		*fw_error = cmd.error;
	return r;
}

static void must(struct vm *vm, const char *what, u32 id, void *data)
{
	u32 error = 0;

	if (sev_op(vm, id, data, &error))
		FAIL("%s: %s (firmware error %#x)", what, strerror(errno), error);
}

void launch_init(struct vm *vm, unsigned int ghcb_version)
{
	struct kvm_sev_init init = { .ghcb_version = ghcb_version };

	nr_parts = 0;
	if (vm->init2) {
		must(vm, "KVM_SEV_INIT2", KVM_SEV_INIT2, &init);
		vm->ghcb_version = ghcb_version ?: 2;
	} else {
		must(vm, "KVM_SEV_ES_INIT", KVM_SEV_ES_INIT, NULL);
		vm->ghcb_version = 1;
	}
}

void launch_add(struct vm *vm, u64 gpa, u64 size)
{
	u64 start = gpa & ~0xfffULL, end = (gpa + size + 0xfff) & ~0xfffULL;

	if (!vm->protected)
		return;
	/* Segments of a program may share a page: encrypt it once. */
	if (nr_parts && start < parts[nr_parts - 1].gpa + parts[nr_parts - 1].size &&
	    start >= parts[nr_parts - 1].gpa)
		start = parts[nr_parts - 1].gpa + parts[nr_parts - 1].size;
	if (start >= end)
		return;
	ASSERT(nr_parts < sizeof(parts) / sizeof(parts[0]));
	parts[nr_parts].gpa = start;
	parts[nr_parts++].size = end - start;
}

void launch_start(struct vm *vm)
{
	struct kvm_sev_launch_start start = { .policy = vm->policy };
	struct kvm_enc_region region = { (u64)vm->memory, GUEST_MEMORY };

	ASSERT_OK(ioctl(vm->fd, KVM_MEMORY_ENCRYPT_REG_REGION, &region));
	must(vm, "KVM_SEV_LAUNCH_START", KVM_SEV_LAUNCH_START, &start);
}

void launch_update_data(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < nr_parts; i++) {
		struct kvm_sev_launch_update_data update = {
			.uaddr = (u64)vm->memory + parts[i].gpa, .len = parts[i].size,
		};

		must(vm, "KVM_SEV_LAUNCH_UPDATE_DATA", KVM_SEV_LAUNCH_UPDATE_DATA, &update);
	}
}

void launch_update_vmsa(struct vm *vm)
{
	must(vm, "KVM_SEV_LAUNCH_UPDATE_VMSA", KVM_SEV_LAUNCH_UPDATE_VMSA, NULL);
}

void launch_measure(struct vm *vm)
{
	struct kvm_sev_launch_measure measure = {
		.uaddr = (u64)vm->measurement, .len = sizeof(vm->measurement),
	};

	must(vm, "KVM_SEV_LAUNCH_MEASURE", KVM_SEV_LAUNCH_MEASURE, &measure);
}

void launch_finish(struct vm *vm)
{
	must(vm, "KVM_SEV_LAUNCH_FINISH", KVM_SEV_LAUNCH_FINISH, NULL);
}

void vm_launch(struct vm *vm)
{
	launch_start(vm);
	launch_update_data(vm);
	launch_update_vmsa(vm);
	launch_measure(vm);
	launch_finish(vm);
}
