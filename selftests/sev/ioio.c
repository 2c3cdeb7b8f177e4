// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioio.c - port I/O of a SEV-ES guest: every form of IN and OUT, strings, and
 * what the host must refuse.
 */
#include <errno.h>
#include <string.h>

#include "guest.h"
#include "vm.h"

#define PORT	0x5e8	/* OUT is remembered, IN gives it back inverted */
#define STRING	0x5ec	/* OUTS is appended, INS gives a running count */

static u8 written[0x4000];
static size_t nr_written, nr_read;
static u32 last;

static void device(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u8 *data = (u8 *)run + run->io.data_offset;
	size_t bytes = (size_t)run->io.size * run->io.count;
	u32 i;

	ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
	ASSERT(run->io.size == 1 || run->io.size == 2 || run->io.size == 4);
	ASSERT(bytes && run->io.data_offset + bytes <= 0x3000);
	if (run->io.port == PORT || run->io.port == 0x80) {
		ASSERT_EQ(run->io.count, 1);
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			last = 0;
			memcpy(&last, data, run->io.size);
		} else {
			u32 v = ~last;

			memcpy(data, &v, run->io.size);
		}
		return;
	}
	ASSERT_EQ(run->io.port, STRING);
	if (run->io.direction == KVM_EXIT_IO_OUT) {
		ASSERT(nr_written + bytes <= sizeof(written));
		memcpy(written + nr_written, data, bytes);
		nr_written += bytes;
	} else {
		for (i = 0; i < bytes; i++)
			data[i] = nr_read++;
	}
}

static struct vm *create(void (*fn)(unsigned long), const struct vm_options *options)
{
	struct vm *vm = vm_create(fn, options);

	vm->vcpu[0].on_exit = device;
	return vm;
}

static void run(void (*fn)(unsigned long), const struct vm_options *options)
{
	struct vm *vm = create(fn, options);

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

static void every_form_guest(unsigned long cpu)
{
	u64 rax;

	outb(PORT, 0x12);
	GUEST_ASSERT_EQ(guest_cpu()->last_vc, 0x7b);
	GUEST_ASSERT_EQ(inb(PORT), 0xed);
	outw(PORT, 0x1234);
	GUEST_ASSERT_EQ(inw(PORT), 0xedcb);
	outl(PORT, 0x12345678);
	GUEST_ASSERT_EQ(inl(PORT), 0xedcba987);
	/* Immediate port; and what IN leaves of RAX. */
	asm volatile("mov $0x55, %%al; out %%al, $0x80" ::: "rax");
	rax = 0x1122334455667788;
	asm volatile("in $0x80, %%al" : "+a"(rax));
	GUEST_ASSERT_EQ(rax, 0x11223344556677aa);
	asm volatile("in %%dx, %%ax" : "+a"(rax) : "d"(PORT));
	GUEST_ASSERT_EQ(rax, 0x112233445566ffaa);
	asm volatile("in %%dx, %%eax" : "+a"(rax) : "d"(PORT));
	GUEST_ASSERT_EQ(rax, 0xffffffaa);
}

static void every_form(void)
{
	run(every_form_guest, NULL);
}

static void string_guest(unsigned long cpu)
{
	u8 *buffer = (u8 *)GUEST_PRIVATE_DATA;
	u64 count, i;
	void *p;

	for (i = 0; i < 5000; i++)
		buffer[i] = i * 7;
	/* More than one shared buffer holds: the guest asks in pieces. */
	p = buffer;
	count = 5000;
	asm volatile("rep outsb" : "+S"(p), "+c"(count) : "d"(STRING) : "memory");
	GUEST_ASSERT_EQ(count, 0);
	p = buffer;
	count = 600;
	asm volatile("rep outsw" : "+S"(p), "+c"(count) : "d"(STRING) : "memory");
	p = buffer;
	count = 700;
	asm volatile("rep outsl" : "+S"(p), "+c"(count) : "d"(STRING) : "memory");
	GUEST_ASSERT_EQ((u64)p - (u64)buffer, 2800);
	guest_sync(0);
	p = buffer;
	count = 3000;
	asm volatile("rep insb" : "+D"(p), "+c"(count) : "d"(STRING) : "memory");
	for (i = 0; i < 3000; i++)
		GUEST_ASSERT_EQ(buffer[i], (u8)i);
	p = buffer;
	asm volatile("insl" : "+D"(p) : "d"(STRING) : "memory");
	GUEST_ASSERT_EQ((u64)p - (u64)buffer, 4);
	GUEST_ASSERT_EQ(buffer[0], (u8)3000);
}

static void strings(void)
{
	struct vm *vm = create(string_guest, NULL);
	size_t i;

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	ASSERT_EQ(nr_written, 5000 + 1200 + 2800);
	for (i = 0; i < 5000; i++)
		ASSERT_EQ(written[i], (u8)(i * 7));
	for (i = 0; i < 1200; i++)
		ASSERT_EQ(written[5000 + i], (u8)(i * 7));
	for (i = 0; i < 2800; i++)
		ASSERT_EQ(written[6200 + i], (u8)(i * 7));
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

#define INFO(size, in, string)	((u64)STRING << 16 | (size) << 4 | (string) << 2 | (in) | 1 << 9)

static union ghcb_page *begin(u64 info1, u64 info2)
{
	ghcb_register();
	ghcb_begin(guest_ghcb(), 0x7b, info1, info2);
	return guest_ghcb();
}

static void refused(u64 reason)
{
	union ghcb_page *g = guest_ghcb();

	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 2);
	if (reason)
		GUEST_ASSERT_EQ(g->q[GHCB_INFO2], reason);
}

static void bad_guest(unsigned long cpu)
{
	union ghcb_page *g;

	begin(INFO(4, 0, 0), 0);			/* OUT without RAX */
	refused(4);
	begin(INFO(4, 1, 1) | 8, 4);			/* string without scratch */
	refused(4);
	g = begin(INFO(1, 1, 1) | 8, GHCB_BUFFER_SIZE + 1);	/* beyond the buffer */
	ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER);
	refused(3);
	g = begin(INFO(4, 1, 1) | 8, 0x40000001);	/* 4 * count wraps 32 bits */
	ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER);
	refused(0);
	g = begin(INFO(4, 1, 1) | 8, 4);		/* scratch in the page's head */
	ghcb_set(g, GHCB_SCRATCH, (u64)g + 0x100);
	refused(3);
	g = begin(INFO(4, 1, 1) | 8, 4);		/* scratch runs out of the page */
	ghcb_set(g, GHCB_SCRATCH, (u64)g + 0xff8);
	refused(3);
	g = begin(INFO(4, 1, 1) | 8, 4);		/* scratch wraps */
	ghcb_set(g, GHCB_SCRATCH, ~0ULL - 7);
	refused(3);
}

static void bad_requests_are_refused(void)
{
	run(bad_guest, NULL);
}

static void external_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(INFO(1, 0, 1) | 8, 4096);
	u8 *buffer = (u8 *)GUEST_SHARED_DATA + 0x123;
	u64 i;

	for (i = 0; i < 4096; i++)
		buffer[i] = i * 3;
	ghcb_set(g, GHCB_SCRATCH, (u64)buffer);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], guest_arg(0));
	if (guest_arg(0))
		GUEST_ASSERT_EQ(g->q[GHCB_INFO2], 3);
}

/* Version 1 lets the scratch area be anywhere in shared memory. */
static void external_scratch_of_version_1(void)
{
	struct vm *vm = create(external_guest, &(struct vm_options){ .legacy = true });
	size_t i;

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(nr_written, 4096);
	for (i = 0; i < 4096; i++)
		ASSERT_EQ(written[i], (u8)(i * 3));
	vm_free(vm);
}

static void no_external_scratch_with_version_2(void)
{
	struct vm *vm = create(external_guest, &(struct vm_options){ .ghcb_version = 2 });

	vm->vcpu[0].ucall->in[0] = 2;
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(nr_written, 0);
	vm_free(vm);
}

/* Nothing to transfer is done at once, and no exit reaches userspace. */
static void zero_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(INFO(4, 1, 1) | 8, 0);

	ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
}

static void zero_count_is_done_at_once(void)
{
	struct vm *vm = create(zero_guest, NULL);

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(nr_read, 0);
	vm_free(vm);
}

/* Of IN or OUT, and of a string's elements: 1, 2 and 4 are sizes. */
static void bad_size_guest(unsigned long cpu)
{
	static const unsigned int sizes[] = { 3, 5, 6, 7 };
	union ghcb_page *g;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		begin(INFO(sizes[i], 1, 0), 0);
		refused(5);
		g = begin(INFO(sizes[i], 0, 0), 0);
		ghcb_set(g, GHCB_RAX, 0);
		refused(5);
		g = begin(INFO(sizes[i], 0, 1), 4);
		ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER);
		refused(5);
	}
}

static void bad_sizes_are_refused(void)
{
	run(bad_size_guest, NULL);
	ASSERT_EQ(nr_written, 0);
}

/* No size at all is done at once, as KVM has it. */
static void no_size_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(INFO(0, 1, 0), 0);

	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	begin(INFO(0, 0, 1), 4);
	ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
}

static void no_size_is_done_at_once(void)
{
	run(no_size_guest, NULL);
	ASSERT_EQ(nr_written, 0);
}

/* 64 KiB of a version 1 guest's memory, and no element more. */
static void large_guest(unsigned long cpu)
{
	u8 *buffer = (u8 *)GUEST_SHARED_DATA;
	union ghcb_page *g = begin(INFO(1, 1, 1) | 8, 0x10001);
	u64 i;

	for (i = 0; guest_arg(0) && i < 0x10000; i += 0x1000)
		buffer[i] = 1;
	ghcb_set(g, GHCB_SCRATCH, (u64)buffer);
	refused(3);
	begin(INFO(2, 1, 1) | 8, 0x8001);
	ghcb_set(g, GHCB_SCRATCH, (u64)buffer);
	refused(3);
	begin(INFO(1, 1, 1) | 8, 0x10000);
	ghcb_set(g, GHCB_SCRATCH, (u64)buffer);
	vmgexit();
	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 0);
	for (i = 0; i < 0x10000; i++)
		GUEST_ASSERT_EQ(buffer[i], (u8)i);
}

static void large(bool touched)
{
	struct vm *vm = create(large_guest, &(struct vm_options){ .legacy = true });

	vm->vcpu[0].ucall->in[0] = touched;
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(nr_read, 0x10000);
	vm_free(vm);
}

static void external_scratch_is_64k_at_most(void)
{
	large(true);
}

/* The first to write to that memory is the host. */
static void external_scratch_that_nobody_wrote_yet(void)
{
	large(false);
}

static void nowhere_guest(unsigned long cpu)
{
	union ghcb_page *g = begin(INFO(1, 0, 1) | 8, 16);

	ghcb_set(g, GHCB_SCRATCH, GUEST_MMIO);
	refused(3);
	begin(INFO(1, 1, 1) | 8, 16);
	ghcb_set(g, GHCB_SCRATCH, GUEST_MEMORY - 8);	/* its second half is nowhere */
	refused(3);
}

static void external_scratch_must_be_memory(void)
{
	run(nowhere_guest, &(struct vm_options){ .legacy = true });
	ASSERT_EQ(nr_written + nr_read, 0);
}

TESTS = {
	CASE(every_form),
	CASE(strings),
	CASE(bad_requests_are_refused),
	CASE(external_scratch_of_version_1),
	CASE(no_external_scratch_with_version_2),
	CASE(zero_count_is_done_at_once),
	CASE(bad_sizes_are_refused),
	CASE(no_size_is_done_at_once),
	CASE(external_scratch_is_64k_at_most),
	CASE(external_scratch_that_nobody_wrote_yet),
	CASE(external_scratch_must_be_memory),
	TESTS_END
};
