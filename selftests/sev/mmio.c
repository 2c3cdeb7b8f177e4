// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmio.c - a touch of memory that isn't there raises #VC in the guest; the
 * guest asks for what it wanted. Markers of every size, and slots that come
 * and go under them.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "vm.h"

static u64 log_gpa[64], log_data[64];
static u32 log_len[64];
static bool log_write[64];
static unsigned int log_n;

static void device(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 v = 0;

	ASSERT_EQ(run->exit_reason, KVM_EXIT_MMIO);
	ASSERT(run->mmio.len && run->mmio.len <= 8);
	memcpy(&v, run->mmio.data, run->mmio.len);
	if (log_n < 64) {
		log_gpa[log_n] = run->mmio.phys_addr;
		log_len[log_n] = run->mmio.len;
		log_write[log_n] = run->mmio.is_write;
		log_data[log_n++] = v;
	}
	if (!run->mmio.is_write) {
		v = 0xf1f2f3f4f5f6f7f8;
		memcpy(run->mmio.data, &v, run->mmio.len);
	}
}

static struct vm *create(void (*fn)(unsigned long), const struct vm_options *options)
{
	struct vm *vm = vm_create(fn, options);

	vm->vcpu[0].on_exit = device;
	return vm;
}

static void expect(unsigned int i, bool write, u64 gpa, u32 len, u64 data)
{
	ASSERT(i < log_n);
	ASSERT_EQ(log_write[i], write);
	ASSERT_EQ(log_gpa[i], gpa);
	ASSERT_EQ(log_len[i], len);
	if (write)
		ASSERT_EQ(log_data[i], data);
}

#define AT(type, address)	(*(volatile type *)(address))

static void access_guest(unsigned long cpu)
{
	AT(u8, GUEST_MMIO + 3) = 0x12;
	GUEST_ASSERT_EQ(guest_cpu()->last_vc, 0x400);
	AT(u16, GUEST_MMIO + 0x10) = 0x1234;
	AT(u32, GUEST_MMIO + 0x20) = 0x12345678;
	AT(u64, GUEST_MMIO + 0x30) = 0x123456789abcdef0;
	GUEST_ASSERT_EQ(AT(u8, GUEST_MMIO + 5), 0xf8);
	GUEST_ASSERT_EQ(AT(u16, GUEST_MMIO + 6), 0xf7f8);
	GUEST_ASSERT_EQ(AT(u32, GUEST_MMIO + 8), 0xf5f6f7f8);
	GUEST_ASSERT_EQ(AT(u64, GUEST_MMIO + 16), 0xf1f2f3f4f5f6f7f8);
}

static void reads_and_writes(void)
{
	struct vm *vm = create(access_guest, NULL);

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(log_n, 8);
	expect(0, true, GUEST_MMIO + 3, 1, 0x12);
	expect(1, true, GUEST_MMIO + 0x10, 2, 0x1234);
	expect(2, true, GUEST_MMIO + 0x20, 4, 0x12345678);
	expect(3, true, GUEST_MMIO + 0x30, 8, 0x123456789abcdef0);
	expect(4, false, GUEST_MMIO + 5, 1, 0);
	expect(5, false, GUEST_MMIO + 6, 2, 0);
	expect(6, false, GUEST_MMIO + 8, 4, 0);
	expect(7, false, GUEST_MMIO + 16, 8, 0);
	vm_free(vm);
}

static union ghcb_page *begin(u64 code, u64 gpa, u64 len)
{
	union ghcb_page *g = guest_ghcb();

	ghcb_register();
	ghcb_begin(g, code, gpa, len);
	ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER);
	return g;
}

static void bad_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(0x80000001, GUEST_MMIO, 4);

	g->bitmap[GHCB_SCRATCH / 8] &= ~(1 << GHCB_SCRATCH % 8);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 2);
	GUEST_ASSERT_EQ(g->q[GHCB_INFO2], 4);
	begin(0x80000002, GUEST_MMIO, 8);
	g->q[GHCB_SCRATCH] = (u64)g + 0x10;
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 2);
	GUEST_ASSERT_EQ(g->q[GHCB_INFO2], 3);
	begin(0x80000001, GUEST_MMIO, 8);
	g->q[GHCB_SCRATCH] = ~0ULL - 3;
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 2);
	begin(0x80000002, GUEST_MMIO, ~0ULL);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 2);
	begin(0x80000002, GUEST_MMIO, 0x80000000);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 2);
}

static void bad_requests_are_refused(void)
{
	struct vm *vm = create(bad_guest, NULL);

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(log_n, 0);
	vm_free(vm);
}

static void too_long_guest(unsigned long cpu)
{
	union ghcb_page *g;
	u64 code;

	for (code = 0x80000001; code <= 0x80000002; code++) {
		g = begin(code, GUEST_MMIO, 9);
		vmgexit();
		GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 2);
		GUEST_ASSERT_EQ(g->q[GHCB_INFO2], 5);
	}
}

static void version_2_takes_8_bytes_at_most(void)
{
	struct vm *vm = create(too_long_guest, &(struct vm_options){ .ghcb_version = 2 });

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(log_n, 0);
	vm_free(vm);
}

static void zero_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(0x80000002, GUEST_MMIO, 0);

	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	begin(0x80000001, GUEST_MMIO, 0);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
}

static void zero_length_is_done_at_once(void)
{
	struct vm *vm = create(zero_guest, NULL);

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(log_n, 0);
	vm_free(vm);
}

static void long_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(0x80000002, GUEST_MMIO + 0x100, 20);
	unsigned int i;

	for (i = 0; i < 20; i++)
		g->buffer[i] = i + 1;
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
}

static void version_1_goes_in_pieces(void)
{
	struct vm *vm = create(long_guest, &(struct vm_options){ .legacy = true });
	unsigned int i, bytes = 0;

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	for (i = 0; i < log_n; i++) {
		ASSERT(log_write[i]);
		ASSERT_EQ(log_gpa[i], GUEST_MMIO + 0x100 + bytes);
		ASSERT_EQ(log_data[i] & 0xff, bytes + 1);
		bytes += log_len[i];
	}
	ASSERT_EQ(bytes, 20);
	vm_free(vm);
}

/*
 * One touch installs a marker over the largest aligned hole; later touches
 * anywhere in it raise #VC without an exit.
 */
static void hole_guest(unsigned long cpu)
{
	u64 base = guest_arg(0), size = guest_arg(1), step = guest_arg(2), i;

	(void)AT(u32, base);
	guest_sync(1);
	for (i = 0; i < size; i += step)
		(void)AT(u32, base + i);
	guest_sync(2);
}

static void hole(u64 base, u64 size, u64 step)
{
	struct vm *vm = create(hole_guest, NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 faults;

	if (!device_is_sevm())
		test_skip("KVM installs 4 KiB entries only");
	if (size == 0x1000) {
		/* Two slots with one page between them */
		vm_add_slot(vm, base - 0x1000, 0x1000, vm_memory(0x1000), 0);
		vm_add_slot(vm, base + 0x1000, 0x1000, vm_memory(0x1000), 0);
	} else if (size == 0x200000) {
		vm_add_slot(vm, base - 0x1000, 0x1000, vm_memory(0x1000), 0);
		vm_add_slot(vm, base + size, 0x1000, vm_memory(0x1000), 0);
	}
	vcpu->ucall->in[0] = base;
	vcpu->ucall->in[1] = size;
	vcpu->ucall->in[2] = step;
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	faults = vcpu_stat(vcpu, "npf_exits");
	ASSERT(vm_stat(vm, "mmio_markers") >= 1);
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	ASSERT_EQ(vcpu_stat(vcpu, "npf_exits"), faults);
	vm_free(vm);
}

static void hole_of_4k(void)
{
	hole(GUEST_MMIO + 0x5000, 0x1000, 0x40);
}

static void hole_of_2m(void)
{
	hole(GUEST_MMIO + 0x600000, 0x200000, 0x1000);
}

static void hole_of_1g(void)
{
	hole(0x100000000, 0x40000000, 0x200000);
}

/* RAM that appears where a marker was is RAM at the next touch. */
static void appear_guest(unsigned long cpu)
{
	u64 base = guest_arg(0);

	(void)AT(u32, base);
	(void)AT(u32, base + 0x3000);
	GUEST_ASSERT(guest_cpu()->last_vc == 0x400);
	guest_sync(1);		/* the host puts a slot there */
	guest_cpu()->vc_count = 0;
	AT(u32, base + 0x3000) = 0x1234;
	GUEST_ASSERT_EQ(AT(u32, base), 0);
	GUEST_ASSERT_EQ(AT(u32, base + 0x3000), 0x1234);
	GUEST_ASSERT_EQ(guest_cpu()->vc_count, 0);
	guest_sync(2);		/* and takes it away */
	guest_cpu()->last_vc = 0;
	GUEST_ASSERT_EQ(AT(u32, base + 0x3000), 0xf5f6f7f8);
	GUEST_ASSERT_EQ(guest_cpu()->last_vc, 0x400);
}

static void slot_over_marker(u64 base)
{
	struct vm *vm = create(appear_guest, NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	u8 *memory = vm_memory(0x400000);
	unsigned int slot;

	vcpu->ucall->in[0] = base;
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	slot = vm->slots;
	vm_add_slot(vm, base, 0x400000, memory, 0);
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	ASSERT_EQ(*(u32 *)(memory + 0x3000), 0x1234);
	vm_delete_slot(vm, slot);
	ASSERT_EQ(vcpu_run(vcpu), UCALL_DONE);
	vm_free(vm);
}

static void slot_over_small_marker(void)
{
	slot_over_marker(GUEST_MMIO);
}

static void slot_over_1g_marker(void)
{
	slot_over_marker(0x140000000);
}

/* Slots come and go under a vCPU that never stops looking. */
static void churn_guest(unsigned long cpu)
{
	volatile u64 *flag = (volatile u64 *)GUEST_SHARED_DATA;
	u64 base = GUEST_MMIO + 0x10000000;

	while (!flag[0]) {
		u32 v = AT(u32, base + 0x1000);

		GUEST_ASSERT(v == 0xf5f6f7f8 || v == 0x5a5a5a5a);
		flag[1 + (v == 0x5a5a5a5a)]++;
	}
}

static void slots_come_and_go_under_a_running_vcpu(void)
{
	struct vm *vm = create(churn_guest, NULL);
	volatile u64 *flag = vm_shared(vm, GUEST_SHARED_DATA);
	u8 *memory = vm_memory(0x200000);
	unsigned int slot = vm->slots, i;
	u64 seen;

	memset(memory, 0x5a, 0x200000);
	vcpu_start(&vm->vcpu[0]);
	for (i = 0; i < 50; i++) {
		vm->slots = slot;
		vm_add_slot(vm, GUEST_MMIO + 0x10000000, 0x200000, memory, 0);
		for (seen = flag[2]; flag[2] < seen + 3;)
			;
		vm_delete_slot(vm, slot);
		for (seen = flag[1]; flag[1] < seen + 3;)
			;
	}
	flag[0] = 1;
	vcpu_join(&vm->vcpu[0]);
	vm_free(vm);
}

/*
 * A write to read-only memory cannot be emulated, and must not spin: KVM_RUN
 * fails. Should it not come back, the alarm ends it with EINTR.
 */
static void ring(int signal)
{
}

static void read_only_guest(unsigned long cpu)
{
	u64 base = guest_arg(0);

	if (guest_arg(1))
		GUEST_ASSERT_EQ(AT(u32, base), 0x12345678);
	AT(u32, base) = 1;
	GUEST_ASSERT(false);
}

static void write_to_read_only(bool read_first)
{
	struct vm *vm = create(read_only_guest, NULL);
	struct sigaction action = { .sa_handler = ring };
	u32 *memory = vm_memory(0x1000);

	*memory = 0x12345678;
	vm_add_slot(vm, GUEST_MMIO, 0x1000, memory, KVM_MEM_READONLY);
	vm->vcpu[0].ucall->in[0] = GUEST_MMIO;
	vm->vcpu[0].ucall->in[1] = read_first;
	ASSERT_OK(sigaction(SIGALRM, &action, NULL));
	alarm(5);
	ASSERT_ERRNO(vcpu_run_once(&vm->vcpu[0]), EFAULT);
	ASSERT_ERRNO(vcpu_run_once(&vm->vcpu[0]), EFAULT);
	ASSERT_EQ(*memory, 0x12345678);
	vm_free(vm);
}

static void write_to_a_read_only_slot_fails(void)
{
	write_to_read_only(false);
}

static void write_to_a_page_mapped_read_only_fails(void)
{
	write_to_read_only(true);
}

TESTS = {
	CASE(reads_and_writes),
	CASE(bad_requests_are_refused),
	CASE(version_2_takes_8_bytes_at_most),
	CASE(zero_length_is_done_at_once),
	CASE(version_1_goes_in_pieces),
	CASE(hole_of_4k),
	CASE(hole_of_2m),
	CASE(hole_of_1g),
	CASE(slot_over_small_marker),
	CASE(slot_over_1g_marker),
	CASE(slots_come_and_go_under_a_running_vcpu),
	CASE(write_to_a_read_only_slot_fails),
	CASE(write_to_a_page_mapped_read_only_fails),
	TESTS_END
};
