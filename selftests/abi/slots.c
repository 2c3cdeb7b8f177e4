// SPDX-License-Identifier: GPL-2.0-only
/*
 * slots.c - guest memory: the rules of slots, what a guest finds in them, what
 * backs them, and registered regions.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flat.h"
#include "launch.h"

#define MIB		0x100000UL
#define AT		0x40000000UL	/* where most tests put their slot */

/* 2 MiB aligned, so that it can be as large for the guest. */
static u8 *aligned(u64 size)
{
	u64 p = (u64)mmap(NULL, size + 2 * MIB, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT(p != (u64)MAP_FAILED);
	return (u8 *)((p + 2 * MIB - 1) & ~(2 * MIB - 1));
}

static u64 stat_of(struct flat *f, const char *name)
{
	struct vm vm = { .fd = f->vm };

	return vm_stat(&vm, name);
}

/* VmPin of this process, in KiB. */
static long pinned(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[200];
	long kib = -1;

	ASSERT(status);
	while (fgets(line, sizeof(line), status))
		sscanf(line, "VmPin: %ld", &kib);
	fclose(status);
	return kib;
}

/* What another thread, or the guest, may just be writing. */
static u32 look(const void *p)
{
	return __atomic_load_n((const u32 *)p, __ATOMIC_RELAXED);
}

static void bad_slots_are_refused(void)
{
	struct flat f = flat_vm();
	u8 *p = vm_memory(4 * MIB);

	ASSERT_ERRNO(flat_slot(&f, 1, AT + 1, 0x1000, p, 0), EINVAL);
	ASSERT_ERRNO(flat_slot(&f, 1, AT, 0x1001, p, 0), EINVAL);
	ASSERT_ERRNO(flat_slot(&f, 1, AT, 0x1000, p + 1, 0), EINVAL);
	ASSERT_ERRNO(flat_slot(&f, 1, AT, 0x1000, (void *)0xffff800000000000, 0), EINVAL);
	ASSERT_ERRNO(flat_slot(&f, 1, AT, 0, p, 0), EINVAL);
	ASSERT_ERRNO(flat_slot(&f, 1, AT, 0x1000, p, 1 << 3), EINVAL);
	ASSERT_ERRNO(flat_slot(&f, 32764, AT, 0x1000, p, 0), EINVAL);
	ASSERT_ERRNO(flat_slot(&f, 1, -0x1000UL, 0x2000, p, 0), EINVAL);
	ASSERT_ERRNO(flat_slot(&f, 1, 1UL << 52, 0x1000, p, 0), EINVAL);
	ASSERT_ERRNO(flat_slot(&f, 1, FLAT_LOW - 0x1000, 0x2000, p, 0), EEXIST);
}

static void slots_change_by_the_rules(void)
{
	struct flat f = flat_vm();
	u8 *p = vm_memory(4 * MIB);

	ASSERT_OK(flat_slot(&f, 1, AT, 2 * MIB, p, 0));
	ASSERT_OK(flat_slot(&f, 1, AT, 2 * MIB, p, 0));
	ASSERT_ERRNO(flat_slot(&f, 1, AT, MIB, p, 0), EINVAL);
	ASSERT_ERRNO(flat_slot(&f, 1, AT, 2 * MIB, p + 0x1000, 0), EINVAL);
	ASSERT_ERRNO(flat_slot(&f, 1, AT, 2 * MIB, p, KVM_MEM_READONLY), EINVAL);
	ASSERT_OK(flat_slot(&f, 1, AT, 2 * MIB, p, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_OK(flat_slot(&f, 1, AT + MIB, 2 * MIB, p, 0));
	ASSERT_ERRNO(flat_slot(&f, 1, FLAT_LOW - 0x1000, 2 * MIB, p, 0), EEXIST);
	ASSERT_OK(flat_slot(&f, 1, AT, 2 * MIB, p, 0));
	ASSERT_OK(flat_slot(&f, 2, AT + 2 * MIB, 0x1000, p, 0));
	ASSERT_ERRNO(flat_slot(&f, 3, AT + 2 * MIB - 0x1000, 0x1000, p, 0), EEXIST);
	ASSERT_ERRNO(flat_slot(&f, 3, AT + 2 * MIB - 0x1000, 0x3000, p, 0), EEXIST);
	ASSERT_OK(flat_slot(&f, 2, 0, 0, NULL, 0));
	ASSERT_ERRNO(flat_slot(&f, 2, 0, 0, NULL, 0), EINVAL);
}

static void guest_and_vmm_share_memory(void)
{
	struct flat f = flat();
	u8 *p = vm_memory(MIB);
	u32 v;

	ASSERT_OK(flat_slot(&f, 1, AT, MIB, p, 0));
	ASSERT_EQ(flat_write(&f, AT, 0x12345678), KVM_EXIT_IO);
	ASSERT_EQ(*(u32 *)p, 0x12345678);
	*(u32 *)(p + 0x1000) = 77;
	ASSERT_EQ(flat_read(&f, AT + 0x1000, &v), KVM_EXIT_IO);
	ASSERT_EQ(v, 77);
	*(u32 *)(p + 0x1ffe) = 0x55667788;
	ASSERT_EQ(flat_read(&f, AT + 0x1ffe, &v), KVM_EXIT_IO);
	ASSERT_EQ(v, 0x55667788);
}

static void a_moved_slot_takes_its_memory_along(void)
{
	struct flat f = flat();
	u8 *p = vm_memory(MIB);
	u32 v;

	ASSERT_OK(flat_slot(&f, 1, AT, MIB, p, 0));
	ASSERT_EQ(flat_write(&f, AT + 0x3000, 99), KVM_EXIT_IO);
	ASSERT_OK(flat_slot(&f, 1, AT + 0x2000, MIB, p, 0));
	ASSERT_EQ(flat_read(&f, AT + 0x5000, &v), KVM_EXIT_IO);
	ASSERT_EQ(v, 99);
	ASSERT_EQ(flat_read(&f, AT, &v), flat_mmio_exit());
}

static void no_memory_ends_run_with_efault(void)
{
	struct flat f = flat();
	void *p = mmap(NULL, 0x2000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u32 v;

	ASSERT_OK(flat_slot(&f, 1, AT, 0x2000, p, 0));
	ASSERT_EQ(flat_read(&f, AT, &v), -EFAULT);
	ASSERT_OK(mprotect(p, 0x2000, PROT_READ));
	ASSERT_EQ(flat_read(&f, AT, &v), KVM_EXIT_IO);
	ASSERT_EQ(v, 0);
	ASSERT_EQ(flat_write(&f, AT, 1), -EFAULT);
	ASSERT_OK(mprotect(p, 0x2000, PROT_READ | PROT_WRITE));
	ASSERT_EQ(flat_write(&f, AT + 0x1000, 1), KVM_EXIT_IO);
}

static void read_only_slots(void)
{
	struct flat f = flat();
	u32 *p = vm_memory(0x2000);
	u32 v;

	p[0] = 0x5a5a5a5a;
	ASSERT_OK(flat_slot(&f, 1, AT, 0x2000, p, KVM_MEM_READONLY));
	ASSERT_EQ(flat_read(&f, AT, &v), KVM_EXIT_IO);
	ASSERT_EQ(v, 0x5a5a5a5a);
	ASSERT_EQ(flat_write(&f, AT, 1), flat_mmio_exit());
	ASSERT_EQ(p[0], 0x5a5a5a5a);
	/* The VMM may write, and the guest sees it though its page was never copied. */
	p[0] = 1234;
	if (!device_is_sevm())
		ASSERT_OK(ioctl(f.vcpu.fd, KVM_RUN, 0));
	ASSERT_EQ(flat_read(&f, AT, &v), KVM_EXIT_IO);
	ASSERT_EQ(v, 1234);
}

static void read_only_files(void)
{
	struct flat f = flat();
	int fd = open("/proc/self/exe", O_RDONLY);
	u32 v;

	ASSERT_OK(flat_slot(&f, 1, AT, 0x1000, mmap(NULL, 0x1000, PROT_READ, MAP_PRIVATE, fd, 0),
			    KVM_MEM_READONLY));
	ASSERT_OK(flat_slot(&f, 2, AT + MIB, 0x1000,
			    mmap(NULL, 0x1000, PROT_READ, MAP_SHARED, fd, 0), KVM_MEM_READONLY));
	ASSERT_EQ(flat_read(&f, AT, &v), KVM_EXIT_IO);
	ASSERT_EQ(v, 0x464c457f);
	ASSERT_EQ(flat_read(&f, AT + MIB, &v), KVM_EXIT_IO);
	ASSERT_EQ(v, 0x464c457f);
}

static void huge_pages_are_huge_for_the_guest(void)
{
	struct flat f = flat();
	u8 *p = aligned(8 * MIB);
	int i;

	ASSERT_OK(madvise(p, 8 * MIB, MADV_HUGEPAGE));
	/* Not by default: what is in one page for us is in two for the guest. */
	ASSERT_OK(flat_slot(&f, 1, AT + 0x1000, 2 * MIB, p, 0));
	ASSERT_EQ(flat_write(&f, AT + 0x1234, 1), KVM_EXIT_IO);
	if (device_is_sevm())
		ASSERT_EQ(stat_of(&f, "pages_2m"), 0);
	ASSERT_OK(flat_slot(&f, 1, 0, 0, NULL, 0));

	ASSERT_OK(flat_slot(&f, 1, AT, 8 * MIB, p, 0));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(flat_write(&f, AT + i * 2 * MIB + 0x5678, i + 10), KVM_EXIT_IO);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(*(u32 *)(p + i * 2 * MIB + 0x5678), i + 10);
	if (device_is_sevm())
		ASSERT(stat_of(&f, "pages_2m") > 0);
	ASSERT_OK(flat_slot(&f, 1, 0, 0, NULL, 0));
	if (device_is_sevm())
		ASSERT_EQ(stat_of(&f, "pages_2m"), 0);
}

static void forked_vmm_keeps_its_memory(void)
{
	struct flat f = flat();
	u32 *p = vm_memory(0x1000);
	int go[2], status;
	char c = 0;
	u32 v;

	ASSERT_OK(flat_slot(&f, 1, AT, 0x1000, p, 0));
	ASSERT_EQ(flat_write(&f, AT, 1), KVM_EXIT_IO);
	ASSERT_OK(pipe(go));
	if (!fork()) {
		p[0] = 2;
		_exit(read(go[0], &c, 1) != 1);
	}
	p[0] = 3;
	ASSERT_EQ(flat_read(&f, AT, &v), KVM_EXIT_IO);
	ASSERT_EQ(v, 3);
	ASSERT_EQ(flat_write(&f, AT, 4), KVM_EXIT_IO);
	ASSERT_EQ(look(p), 4);
	ASSERT_EQ(write(go[1], &c, 1), 1);
	wait(&status);
}

static void dirty_log_forgets_nothing(void)
{
	struct flat f = flat();
	u64 bits[4] = {};
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };
	u8 *p = vm_memory(MIB);

	ASSERT_ERRNO(ioctl(f.vm, KVM_GET_DIRTY_LOG, &log), ENOENT);
	ASSERT_OK(flat_slot(&f, 1, AT, MIB, p, 0));
	ASSERT_ERRNO(ioctl(f.vm, KVM_GET_DIRTY_LOG, &log), ENOENT);
	ASSERT_OK(flat_slot(&f, 1, AT, MIB, p, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(flat_write(&f, AT + 0x3004, 1), KVM_EXIT_IO);
	ASSERT_EQ(flat_write(&f, AT + 0xc8000, 1), KVM_EXIT_IO);
	ASSERT_OK(ioctl(f.vm, KVM_GET_DIRTY_LOG, &log));
	ASSERT(bits[0] & 1UL << 3);
	ASSERT(bits[3] & 1UL << (200 - 192));
}

static void vast_slots_cost_nothing(void)
{
	struct flat f = flat();
	void *p = mmap(NULL, 1UL << 38, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT(p != MAP_FAILED);
	ASSERT_OK(flat_slot(&f, 1, 1UL << 33, 1UL << 38, p, 0));
	ASSERT_OK(flat_slot(&f, 1, 0, 0, NULL, 0));
}

/* --- slots that come and go under running vCPUs ------------------------------ */

static bool stopping;

static void *count(void *arg)
{
	struct flat_vcpu *v = arg;

	while (!__atomic_load_n(&stopping, __ATOMIC_RELAXED)) {
		int r = flat_run(v);

		/* No slot now: the guest goes on where it was. */
		if (r != KVM_EXIT_IO && r != KVM_EXIT_INTERNAL_ERROR && r != -EINTR)
			FAIL("KVM_RUN: %d", r);
		if (r == KVM_EXIT_IO)
			flat_set(v, FLAT_COUNT, 0, flat_regs(v).rbx, 0, 0);
	}
	return NULL;
}

static void slots_come_and_go_under_vcpus(void)
{
	u8 *memory[2] = { vm_memory(0x10000), vm_memory(0x10000) };
	struct flat f = flat();
	struct flat_vcpu v[2];
	pthread_t thread[2];
	int i, touched = 0;

	if (!device_is_sevm())
		test_skip("needs accesses to no memory that can be tried again");
	for (i = 0; i < 2; i++) {
		struct kvm_mp_state state = { KVM_MP_STATE_RUNNABLE };

		v[i] = flat_vcpu(&f, i + 1);
		ASSERT_OK(ioctl(v[i].fd, KVM_SET_MP_STATE, &state));
		flat_set(&v[i], FLAT_COUNT, 0, AT + i * 0x1000, 0, 0);
		ASSERT(!pthread_create(&thread[i], NULL, count, &v[i]));
	}
	for (i = 0; i < 200; i++) {
		u8 *m = memory[i % 2];
		u32 last[2];

		memset(m, 0, 0x2000);
		ASSERT_OK(flat_slot(&f, 1, AT, 0x10000, m, 0));
		usleep(i % 7 * 300);
		touched += look(m) || look(m + 0x1000);
		ASSERT_OK(flat_slot(&f, 1, 0, 0, NULL, 0));
		/* The slot is gone: nothing may be written any more. */
		last[0] = look(m);
		last[1] = look(m + 0x1000);
		usleep(200);
		ASSERT_EQ(look(m), last[0]);
		ASSERT_EQ(look(m + 0x1000), last[1]);
	}
	ASSERT(touched > 10);
	__atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
}

static void thousand_slots(void)
{
	struct flat f = flat();
	u8 *p = vm_memory(0x1000);
	u32 i, v;

	/* In an order that is not theirs, with holes between. */
	for (i = 0; i < 1000; i++)
		ASSERT_OK(flat_slot(&f, 1 + i, AT + i * 7919UL % 1000 * 0x2000, 0x1000, p, 0));
	ASSERT_EQ(flat_write(&f, AT + 500 * 0x2000, 41), KVM_EXIT_IO);
	ASSERT_EQ(flat_read(&f, AT + 999 * 0x2000, &v), KVM_EXIT_IO);
	ASSERT_EQ(v, 41);
	ASSERT_EQ(flat_read(&f, AT + 499 * 0x2000 + 0x1000, &v), flat_mmio_exit());
	for (i = 0; i < 1000; i++)
		ASSERT_OK(flat_slot(&f, 1 + i, 0, 0, NULL, 0));
}

/* --- registered regions ----------------------------------------------------- */

static int region(struct flat *f, unsigned long cmd, void *addr, u64 size)
{
	struct kvm_enc_region r = { (u64)addr, size };

	return ioctl(f->vm, cmd, &r);
}

#define REG(addr, size)		region(&f, KVM_MEMORY_ENCRYPT_REG_REGION, (void *)(addr), size)
#define UNREG(addr, size)	region(&f, KVM_MEMORY_ENCRYPT_UNREG_REGION, (void *)(addr), size)

static struct flat es_vm(void)
{
	struct flat f = { .dev = device_open() };
	struct vm vm = { .protected = true };

	if (!device_has_es(f.dev))
		test_skip("no SEV-ES here");
	vm.dev = f.dev;
	vm.sev_fd = sev_open();
	vm.init2 = device_has_init2(f.dev);
	ASSERT_OK(f.vm = ioctl(f.dev, KVM_CREATE_VM, vm.init2 ? KVM_X86_SEV_ES_VM : 0L));
	vm.fd = f.vm;
	launch_init(&vm, 0);
	return f;
}

static void regions_are_registered(void)
{
	u8 *p = vm_memory(4 * MIB);
	long before = pinned();
	struct flat f = flat_vm();

	ASSERT_ERRNO(REG(p, 0x1000), ENOTTY);
	f = es_vm();
	ASSERT_ERRNO(REG(p, 0), EINVAL);
	ASSERT_ERRNO(REG(-0x1000UL, 0x2000), EINVAL);
	ASSERT_ERRNO(REG(0x1000, 0x1000), ENOMEM);
	ASSERT_ERRNO(REG(0xffff888000000000, 0x1000), ENOMEM);
	ASSERT_EQ(pinned(), before);
	ASSERT_OK(REG(p + 5, 2 * MIB));
	if (device_is_sevm())
		ASSERT_EQ(pinned(), before + 2048 + 4);
	ASSERT_ERRNO(UNREG(p, 2 * MIB), EINVAL);
	ASSERT_OK(REG(p + 5, 2 * MIB));
	ASSERT_OK(UNREG(p + 5, 2 * MIB));
	ASSERT_OK(UNREG(p + 5, 2 * MIB));
	ASSERT_ERRNO(UNREG(p + 5, 2 * MIB), EINVAL);
	ASSERT_EQ(pinned(), before);
}

static void regions_obey_rlimit_memlock(void)
{
	struct rlimit limit = { MIB, MIB };
	u8 *p = vm_memory(4 * MIB);
	struct flat f = es_vm();

	ASSERT_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_OK(setresuid(1000, 1000, 1000));
	ASSERT_ERRNO(REG(p, 2 * MIB), ENOMEM);
	ASSERT_OK(REG(p, MIB));
	ASSERT_ERRNO(REG(p + 2 * MIB, 0x1000), ENOMEM);
	ASSERT_OK(UNREG(p, MIB));
	ASSERT_OK(REG(p + 2 * MIB, 0x1000));
}

TESTS = {
	CASE(bad_slots_are_refused),
	CASE(slots_change_by_the_rules),
	CASE(guest_and_vmm_share_memory),
	CASE(a_moved_slot_takes_its_memory_along),
	CASE(no_memory_ends_run_with_efault),
	CASE(read_only_slots),
	CASE(read_only_files),
	CASE(huge_pages_are_huge_for_the_guest),
	CASE(forked_vmm_keeps_its_memory),
	CASE(dirty_log_forgets_nothing),
	CASE(vast_slots_cost_nothing),
	CASE(slots_come_and_go_under_vcpus),
	CASE(thousand_slots),
	CASE(regions_are_registered),
	CASE(regions_obey_rlimit_memlock),
	TESTS_END
};
