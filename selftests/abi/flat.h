/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flat.h - a plain guest in flat 32-bit protected mode, without paging, that
 * does one thing at a time: for tests of what the VMM does around it.
 */
#ifndef SELFTESTS_ABI_FLAT_H
#define SELFTESTS_ABI_FLAT_H

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vm.h"

#define FLAT_LOW	0x100000UL	/* slot 0: [0, 1 MiB) */

/* Where its instructions are: each does one thing and then OUT to port 0x10. */
#define FLAT_WRITE	0x1000	/* mov %eax, (%ebx) */
#define FLAT_READ	0x1100	/* mov (%ebx), %eax */
#define FLAT_CPUID	0x1200
#define FLAT_RDMSR	0x1300
#define FLAT_WRMSR	0x1400
#define FLAT_COUNT	0x1500	/* inc %eax; mov %eax, (%ebx); mov (%ebx), %ecx: 256 times */

struct flat_vcpu {
	int fd;
	struct kvm_run *run;
};

struct flat {
	int dev, vm;
	u8 *low;
	struct flat_vcpu vcpu;
};

static void flat_put(u8 *at, const char *code, size_t size)
{
	memcpy(at, code, size);
	memcpy(at + size, "\xe6\x10\xf4", 3);	/* out %al, $0x10; hlt */
}

static int flat_slot(struct flat *f, u32 id, u64 gpa, u64 size, void *memory, u32 flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = id, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .userspace_addr = (u64)memory,
	};

	return ioctl(f->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static struct flat_vcpu flat_vcpu(struct flat *f, u32 id)
{
	struct kvm_segment code = {
		.limit = ~0U, .selector = 8, .type = 11, .present = 1, .db = 1, .s = 1, .g = 1,
	};
	struct kvm_segment data = code;
	struct flat_vcpu v;
	struct kvm_sregs sregs;

	ASSERT_OK(v.fd = ioctl(f->vm, KVM_CREATE_VCPU, (unsigned long)id));
	v.run = mmap(NULL, ioctl(f->dev, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		     MAP_SHARED, v.fd, 0);
	ASSERT(v.run != MAP_FAILED);
	data.type = 3;
	data.selector = 16;
	ASSERT_OK(ioctl(v.fd, KVM_GET_SREGS, &sregs));
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.cr0 |= 1;
	ASSERT_OK(ioctl(v.fd, KVM_SET_SREGS, &sregs));
	return v;
}

/* Without vCPU: for what must come before it. */
static struct flat flat_vm(void)
{
	struct flat f = { .dev = device_open(), .low = vm_memory(FLAT_LOW) };

	ASSERT_OK(f.vm = ioctl(f.dev, KVM_CREATE_VM, 0L));
	ASSERT_OK(ioctl(f.vm, KVM_SET_TSS_ADDR, 0xfffbd000));
	ASSERT_OK(flat_slot(&f, 0, 0, FLAT_LOW, f.low, 0));
	flat_put(f.low + FLAT_WRITE, "\x89\x03", 2);
	flat_put(f.low + FLAT_READ, "\x8b\x03", 2);
	flat_put(f.low + FLAT_CPUID, "\x0f\xa2", 2);
	flat_put(f.low + FLAT_RDMSR, "\x0f\x32", 2);
	flat_put(f.low + FLAT_WRMSR, "\x0f\x30", 2);
	flat_put(f.low + FLAT_COUNT, "\x40\x89\x03\x8b\x0b\x84\xc0\x75\xf7", 9);
	return f;
}

static inline struct flat flat(void)
{
	struct flat f = flat_vm();

	f.vcpu = flat_vcpu(&f, 0);
	return f;
}

static struct kvm_regs flat_regs(struct flat_vcpu *v)
{
	struct kvm_regs regs;

	ASSERT_OK(ioctl(v->fd, KVM_GET_REGS, &regs));
	return regs;
}

static void flat_set(struct flat_vcpu *v, u64 code, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	struct kvm_regs regs = {
		.rip = code, .rflags = 2, .rsp = 0x8000,
		.rax = eax, .rbx = ebx, .rcx = ecx, .rdx = edx,
	};

	ASSERT_OK(ioctl(v->fd, KVM_SET_REGS, &regs));
}

/* The exit reason, or -errno. */
static int flat_run(struct flat_vcpu *v)
{
	return ioctl(v->fd, KVM_RUN, 0) ? -errno : (int)v->run->exit_reason;
}

static inline int flat_write(struct flat *f, u32 gpa, u32 value)
{
	flat_set(&f->vcpu, FLAT_WRITE, value, gpa, 0, 0);
	return flat_run(&f->vcpu);
}

static inline int flat_read(struct flat *f, u32 gpa, u32 *value)
{
	int ret;

	flat_set(&f->vcpu, FLAT_READ, 0, gpa, 0, 0);
	ret = flat_run(&f->vcpu);
	*value = flat_regs(&f->vcpu).rax;
	return ret;
}

/* What a plain guest's access to no memory is: sevm has no instruction emulator. */
static inline int flat_mmio_exit(void)
{
	return device_is_sevm() ? KVM_EXIT_INTERNAL_ERROR : KVM_EXIT_MMIO;
}

#endif /* SELFTESTS_ABI_FLAT_H */
