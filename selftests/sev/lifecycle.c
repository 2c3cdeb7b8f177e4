// SPDX-License-Identifier: GPL-2.0-only
/*
 * lifecycle.c - VMs and vCPUs come and go: half made, half launched, killed. Nothing
 * may be left: the run's end looks at the module's use count, the firmware's
 * guest count and the kernel log.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "launch.h"
#include "vm.h"

static void spin(unsigned long cpu)
{
	for (;;)
		(void)inb(0x5e1);
}

static void compute(unsigned long cpu)
{
	for (;;)
		cpu_relax();
}

static void ignore(struct vcpu *vcpu)
{
}

/* Guests that the firmware knows: the platform status counts them. */
static u32 firmware_guests(void)
{
	struct {
		u8 major, minor, state;
		u32 flags;
		u8 build;
		u32 guests;
	} __attribute__((packed)) status;
	struct {
		u32 cmd;
		u64 data;
		u32 error;
	} __attribute__((packed)) issue = { 1, (u64)&status, 0 };	/* SEV_PLATFORM_STATUS */
	int fd = sev_open();

	ASSERT_OK(ioctl(fd, _IOWR('S', 0, issue), &issue));
	close(fd);
	return status.guests;
}

static void every_step_can_be_the_last(void)
{
	unsigned int step;

	for (step = 0; step < 6; step++) {
		struct vm *vm = vm_create(compute, &(struct vm_options){
			.vcpus = 2, .no_launch = true });

		if (step > 0)
			launch_start(vm);
		if (step > 1)
			launch_update_data(vm);
		if (step > 2)
			launch_update_vmsa(vm);
		if (step > 3)
			launch_measure(vm);
		if (step > 4)
			launch_finish(vm);
		vm_free(vm);
	}
	ASSERT_EQ(firmware_guests(), 0);
}

static void killed(unsigned int delay_us, unsigned int vcpus)
{
	pid_t pid = fork();
	int status;

	ASSERT(pid >= 0);
	if (!pid) {
		struct vm *vm = vm_create(spin, &(struct vm_options){ .vcpus = vcpus });
		unsigned int i;

		for (i = 0; i < vcpus; i++) {
			vm->vcpu[i].on_exit = ignore;
			vcpu_set_mp_state(&vm->vcpu[i], KVM_MP_STATE_RUNNABLE);
			vcpu_start(&vm->vcpu[i]);
		}
		for (;;)
			pause();
	}
	nanosleep(&(struct timespec){ delay_us / 1000000, delay_us % 1000000 * 1000 }, NULL);
	kill(pid, SIGKILL);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT(WIFSIGNALED(status));
}

static void killed_vmm(void)
{
	unsigned int i;

	for (i = 0; i < 20; i++)
		killed(i * 23456, 4);
	ASSERT_EQ(firmware_guests(), 0);
}

/* A vCPU's fd keeps the VM alive; the last one ends it. */
static void vcpu_fd_outlives_vm_fd(void)
{
	struct vm *vm = vm_create(spin, NULL);

	ASSERT_OK(close(vm->fd));
	vm->fd = -1;
	ASSERT_OK(vcpu_run_once(&vm->vcpu[0]));
	ASSERT_EQ(vm->vcpu[0].run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(firmware_guests(), 1);
	close(vm->vcpu[0].fd);
	munmap(vm->vcpu[0].run, ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0));
	ASSERT_EQ(firmware_guests(), 0);
}

static void two_vms_side_by_side(void)
{
	struct vm *a = vm_create(spin, NULL), *b = vm_create(spin, NULL);
	unsigned int i;

	for (i = 0; i < 200; i++) {
		struct vm *vm = i & 1 ? a : b;

		ASSERT_OK(vcpu_run_once(&vm->vcpu[0]));
		ASSERT_EQ(vm->vcpu[0].run->exit_reason, KVM_EXIT_IO);
	}
	vm_free(a);
	ASSERT_OK(vcpu_run_once(&b->vcpu[0]));
	vm_free(b);
}

static void another_process_is_refused(void)
{
	struct vm *vm = vm_create(spin, NULL);
	pid_t pid = fork();
	int status;

	ASSERT(pid >= 0);
	if (!pid) {
		struct kvm_userspace_memory_region region = {
			.slot = 1, .guest_phys_addr = GUEST_MMIO, .memory_size = 0x1000,
			.userspace_addr = (u64)vm_memory(0x1000),
		};

		ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), EIO);
		ASSERT_ERRNO(vcpu_run_once(&vm->vcpu[0]), EIO);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
	vm_free(vm);
}

static void vcpu_ids(void)
{
	struct vm *vm = vm_create(spin, &(struct vm_options){ .no_launch = true });

	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 0), EEXIST);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 1UL << 20), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, -1L), EINVAL);
	vm_free(vm);
}

TESTS = {
	CASE(every_step_can_be_the_last),
	CASE(killed_vmm),
	CASE(vcpu_fd_outlives_vm_fd),
	CASE(two_vms_side_by_side),
	CASE(another_process_is_refused),
	CASE(vcpu_ids),
	TESTS_END
};
