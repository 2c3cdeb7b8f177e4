// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmio_fault.c - OpenBSD's vmm(4), MMIO: a guest that touches a device in every
 * way there is, and decodes its own instructions.
 *
 * The host's side: a device that is memory with a log of who wanted what, and
 * the assistance that a plain guest needs. The guest is in mmio_fault-guest.c,
 * slots that come and go in mmio_fault-slots.c; README.md says what the
 * original is.
 */
#define _GNU_SOURCE	/* memmem() */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "guest.h"
#include "mmio_fault.h"
#include "vm.h"

/* The error code of a nested page fault */
#define NPF_FETCH	(1UL << 4)
#define NPF_FINAL	(1UL << 32)	/* not in a walk: */
#define NPF_WALK	(1UL << 33)	/* of the guest's page tables */
#define NPF_KINDS	(NPF_FETCH | NPF_FINAL | NPF_WALK)

/* --- the device ------------------------------------------------------------------- */

static u8 device[DEVICE_SIZE];

static struct {
	u64 gpa;
	u32 length;
	bool write;
} seen[64];

static unsigned int nr_seen;

static void device_reset(void)
{
	u64 i;

	for (i = 0; i < 0x1000; i++) {
		device[DEVICE_PAGE_1 + i] = mmio_pattern(0x1000 + i);
		device[DEVICE_PAGE_2 + i] = mmio_pattern(0x2000 + i);
	}
	nr_seen = 0;
}

static void device_access(u64 gpa, void *data, u32 length, bool write)
{
	ASSERT(gpa >= DEVICE && gpa - DEVICE + length <= DEVICE_SIZE);
	ASSERT(nr_seen < sizeof(seen) / sizeof(seen[0]));
	seen[nr_seen].gpa = gpa;
	seen[nr_seen].length = length;
	seen[nr_seen++].write = write;
	if (write)
		memcpy(device + gpa - DEVICE, data, length);
	else
		memcpy(data, device + gpa - DEVICE, length);
}

/* What was seen, in the words of mmio_fault.S: from the window's page 1 on. */
static const char *log_text(void)
{
	static char text[2048];
	char *p = text;
	unsigned int i;

	*p = 0;
	for (i = 0; i < nr_seen; i++) {
		u64 offset = seen[i].gpa - DEVICE;
		u64 at = offset & 0xfff;

		if ((offset & ~0xfffUL) == DEVICE_PAGE_2)
			at += 0x1000;
		else
			ASSERT_EQ(offset & ~0xfffUL, DEVICE_PAGE_1);
		p += sprintf(p, "%s%c%u@%llx", i ? " " : "", seen[i].write ? 'w' : 'r',
			     seen[i].length, (unsigned long long)at);
	}
	return text;
}

static void on_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	ASSERT_EQ(run->exit_reason, KVM_EXIT_MMIO);
	ASSERT(run->mmio.len && run->mmio.len <= 8);
	device_access(run->mmio.phys_addr, run->mmio.data, run->mmio.len, run->mmio.is_write);
}

static struct vm *create(void (*fn)(unsigned long), void (*on_exit)(struct vcpu *), bool plain)
{
	struct vm *vm = vm_create(fn, &(struct vm_options) { .plain = plain });

	vm->vcpu[0].on_exit = on_exit;
	device_reset();
	return vm;
}

/* --- assistance for a plain guest ----------------------------------------------------- */

static struct vcpu *assisted;

static unsigned int assist_fetch(const struct guest_regs *r, u8 *bytes, unsigned int n)
{
	struct kvm_run *run = assisted->run;

	ASSERT(run->emulation_failure.insn_size <= n);
	memcpy(bytes, run->emulation_failure.insn_bytes, run->emulation_failure.insn_size);
	return run->emulation_failure.insn_size;
}

static bool assist_check(const struct guest_regs *r, u64 address, unsigned int n, bool write)
{
	return true;
}

static u8 *assist_memory(u64 address, u64 *gpa)
{
	struct kvm_translation t = { .linear_address = address };

	ASSERT_OK(ioctl(assisted->fd, KVM_TRANSLATE, &t));
	ASSERT(t.valid);
	*gpa = t.physical_address;
	return *gpa < GUEST_MEMORY ? assisted->vm->memory + *gpa : NULL;
}

static bool assist_access(const struct guest_regs *r, u64 address, void *data, unsigned int n,
			  bool write)
{
	u8 *at = data;

	while (n) {
		unsigned int now = 0x1000 - (address & 0xfff) < n ? 0x1000 - (address & 0xfff) : n;
		u64 gpa;
		u8 *memory = assist_memory(address, &gpa);

		if (!memory)
			device_access(gpa, at, now, write);
		else
			memcpy(write ? memory : at, write ? at : memory, now);
		address += now;
		at += now;
		n -= now;
	}
	return true;
}

#define BOTH(name) { offsetof(struct kvm_regs, name), offsetof(struct guest_regs, name) }

static const struct {
	size_t kvm, ours;
} registers[] = {
	BOTH(rax), BOTH(rbx), BOTH(rcx), BOTH(rdx), BOTH(rsi), BOTH(rdi), BOTH(rbp), BOTH(rsp),
	BOTH(r8), BOTH(r9), BOTH(r10), BOTH(r11), BOTH(r12), BOTH(r13), BOTH(r14), BOTH(r15),
	BOTH(rip), BOTH(rflags),
};

static void copy_registers(struct guest_regs *ours, struct kvm_regs *kvm, bool back)
{
	unsigned int i;

	for (i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		u64 *a = (u64 *)((u8 *)ours + registers[i].ours);
		u64 *b = (u64 *)((u8 *)kvm + registers[i].kvm);

		if (back)
			*b = *a;
		else
			*a = *b;
	}
}

/*
 * The access that userspace was asked for is one of those that the instruction
 * makes. What reads and then writes may fault as either.
 */
static void check_asked(unsigned int first, u64 gpa, bool write)
{
	bool reads = false, writes = false;
	unsigned int i;

	for (i = first; i < nr_seen; i++) {
		if (seen[i].gpa == gpa) {
			reads |= !seen[i].write;
			writes |= seen[i].write;
		}
	}
	ASSERT(write ? writes : reads);
}

/* One instruction for a plain guest */
static void assist(struct vcpu *vcpu)
{
	static const struct mmio_memory memory = { assist_fetch, assist_check, assist_access };
	static u8 stub[0x1000] __attribute__((aligned(0x1000)));
	struct kvm_run *run = vcpu->run;
	unsigned int first = nr_seen;
	struct guest_regs r = { 0 };
	struct kvm_regs regs;
	u64 gpa, error;

	ASSERT_EQ(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	ASSERT_EQ(run->emulation_failure.suberror, KVM_INTERNAL_ERROR_EMULATION);
	ASSERT_EQ(run->emulation_failure.flags,
		  KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	gpa = run->internal.data[3];
	error = run->internal.data[4];
	ASSERT_OK(mprotect(stub, sizeof(stub), PROT_READ | PROT_WRITE | PROT_EXEC));
	ASSERT_OK(ioctl(vcpu->fd, KVM_GET_REGS, &regs));
	copy_registers(&r, &regs, false);
	assisted = vcpu;
	ASSERT_EQ(mmio_emulate(&r, &memory, stub), MMIO_DONE);
	copy_registers(&r, &regs, true);
	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
	check_asked(first, gpa, error & 2);
}

/* KVM emulates for a plain guest, sevm asks. */
static void on_plain_exit(struct vcpu *vcpu)
{
	if (device_is_sevm())
		assist(vcpu);
	else
		on_mmio(vcpu);
}

/* --- every kind of access ------------------------------------------------------------- */

static void sync_to(struct vcpu *vcpu, u64 stage)
{
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	ASSERT_EQ(vcpu->ucall->args[0], stage);
}

/* The window as the device left it, and as memory did. */
static void compare_windows(struct vm *vm, const struct mmio_access *a)
{
	static const u64 at[] = { [1] = DEVICE_PAGE_1, [2] = DEVICE_PAGE_2 };
	unsigned int page;

	for (page = 0; page < WINDOW_PAGES; page++) {
		u8 *want = vm_shared(vm, RAM_PAGES + page * 0x1000);
		u8 *got = page == 1 || page == 2 ? device + at[page] :
			  vm_shared(vm, SIDE_PAGES + page * 0x1000);

		if (memcmp(got, want, 0x1000))
			FAIL("%s: not the same bytes in page %u as with memory", a->text, page);
	}
}

static void all_accesses(enum mmio_way way, bool plain)
{
	struct vm *vm = create(mmio_guest_accesses, plain ? on_plain_exit : on_mmio, plain);
	struct vcpu *vcpu = &vm->vcpu[0];
	const struct mmio_access *a;

	vcpu->ucall->in[0] = way;
	for (a = mmio_accesses; a < mmio_accesses_end; a++) {
		sync_to(vcpu, 2 * (a - mmio_accesses));
		device_reset();
		sync_to(vcpu, 2 * (a - mmio_accesses) + 1);
		if (strcmp(log_text(), a->log))
			FAIL("%s: the device saw '%s', not '%s'", a->text, log_text(), a->log);
		compare_windows(vm, a);
	}
	ASSERT_EQ(vcpu_run(vcpu), UCALL_DONE);
	test_note("%u kinds of access", (unsigned int)(a - mmio_accesses));
	vm_free(vm);
}

static void every_access(void)
{
	all_accesses(WAY_KERNEL, false);
}

static void every_access_from_user_mode(void)
{
	all_accesses(WAY_USER, false);
}

static void every_access_of_a_plain_guest(void)
{
	all_accesses(WAY_KERNEL, true);
}

static void every_access_of_a_plain_guest_from_user_mode(void)
{
	all_accesses(WAY_USER, true);
}

/* --- exits ------------------------------------------------------------------------------ */

struct exits {
	u64 faults, others;
};

static const char *fault_counter(void)
{
	return device_is_sevm() ? "npf_exits" : "pf_taken";
}

/* Since the last call; others: neither a nested page fault nor the host's own interrupts. */
static struct exits exits_since(struct vcpu *vcpu)
{
	static struct exits last;
	struct exits now = { .faults = vcpu_stat(vcpu, fault_counter()) }, since;

	now.others = vcpu_stat(vcpu, "exits") - vcpu_stat(vcpu, "irq_exits") - now.faults;
	since.faults = now.faults - last.faults;
	since.others = now.others - last.others;
	last = now;
	return since;
}

static void nothing(struct vcpu *vcpu)
{
	ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_MMIO);
	ASSERT(vcpu->run->mmio.is_write);
}

/* The guest's OUT that says how far it is makes one exit each time. */
static void the_first_touch_exits_and_no_other(void)
{
	enum { TOUCHES = 20000, ASKED = 2000 };
	struct vm *vm = create(mmio_guest_count, nothing, false);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct exits since;
	unsigned int stage;

	vcpu->ucall->in[0] = TOUCHES;
	vcpu->ucall->in[1] = ASKED;
	for (stage = 0; stage < 4; stage++)
		sync_to(vcpu, stage);
	sync_to(vcpu, 0);
	exits_since(vcpu);
	sync_to(vcpu, 1);
	since = exits_since(vcpu);
	ASSERT_EQ(since.faults, 1);
	ASSERT_EQ(since.others, 1);
	sync_to(vcpu, 2);
	since = exits_since(vcpu);
	ASSERT_EQ(since.faults, 0);
	ASSERT_EQ(since.others, 1);
	sync_to(vcpu, 3);
	since = exits_since(vcpu);
	ASSERT_EQ(since.faults, 0);
	ASSERT_EQ(since.others, ASKED + 1);
	vm_free(vm);
}

/* --- what the host learns ----------------------------------------------------------------- */

static bool run_has(struct vcpu *vcpu, const void *bytes, size_t n)
{
	int size = ioctl(vcpu->vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);

	ASSERT(size > 0);
	return memmem(vcpu->run, size, bytes, n);
}

static unsigned int sightings;

/* The instruction's displacement is in no address and no data. */
static void look_for_instruction(struct vcpu *vcpu)
{
	static const u32 displacement = RECOGNISABLE;

	sightings += run_has(vcpu, &displacement, sizeof(displacement));
	if (vcpu->vm->protected)
		on_mmio(vcpu);
	else
		on_plain_exit(vcpu);
}

static struct vm *run_recognisable(bool plain)
{
	struct vm *vm = create(mmio_guest_recognisable, look_for_instruction, plain);
	u32 answer = 0x0dd0feed;

	memcpy(device + 8, &answer, sizeof(answer));
	vm->vcpu[0].ucall->in[0] = answer;
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(nr_seen, 3);
	return vm;
}

/* Blocks of the program's text that the host finds in the guest's memory as they are. */
static unsigned int readable_blocks(struct vm *vm)
{
	const char *at = __executable_start;
	unsigned int n = 0;

	for (; at + 16 <= etext; at += 16)
		n += !memcmp(at, vm_shared(vm, (u64)at), 16);
	return n;
}

static void the_host_gets_no_instruction(void)
{
	struct vm *vm = run_recognisable(false);

	ASSERT_EQ(sightings, 0);
	ASSERT_EQ(readable_blocks(vm), 0);
	vm_free(vm);
}

/* The same search finds them where they are meant to be found. */
static void a_plain_guests_instruction_is_in_the_assist(void)
{
	struct vm *vm = run_recognisable(true);

	ASSERT_EQ(sightings, device_is_sevm() ? 3 : 0);
	ASSERT(readable_blocks(vm) > 1000);
	vm_free(vm);
}

/* --- what cannot be decoded ------------------------------------------------------------------ */

/* What was tried once before stage 0 makes no nested page fault until stage 1. */
static void refused(void (*fn)(unsigned long))
{
	struct vm *vm = create(fn, on_mmio, false);
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 faults;

	sync_to(vcpu, 0);
	faults = vcpu_stat(vcpu, fault_counter());
	sync_to(vcpu, 1);
	ASSERT_EQ(vcpu_stat(vcpu, fault_counter()), faults);
	ASSERT_EQ(vcpu_run(vcpu), UCALL_DONE);
	/* The handler reads no instruction and no page table from the device. */
	ASSERT_EQ(nr_seen, 0);
	vm_free(vm);
}

static void a_fetch_raises_vc(void)
{
	refused(mmio_guest_fetch);
}

static void a_walk_raises_vc(void)
{
	refused(mmio_guest_walk);
}

static void an_instruction_may_end_at_the_edge(void)
{
	struct vm *vm = create(mmio_guest_edge, on_mmio, false);

	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT(!strcmp(log_text(), "r1@0 r1@0"));
	vm_free(vm);
}

static void movs_writes_only_where_its_user_may(void)
{
	struct vm *vm = create(mmio_guest_protected_page, on_mmio, false);

	sync_to(&vm->vcpu[0], 0);
	ASSERT_EQ(nr_seen, 0);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT(!strcmp(log_text(), "r1@10"));
	vm_free(vm);
}

static void a_kernel_may_refuse_its_users(void)
{
	struct vm *vm = create(mmio_guest_refused_user, on_mmio, false);

	sync_to(&vm->vcpu[0], 0);
	ASSERT_EQ(nr_seen, 0);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT(!strcmp(log_text(), "r1@0"));
	vm_free(vm);
}

static void a_guest_that_cannot_go_on_says_so(void)
{
	struct vm *vm = create(mmio_guest_terminate, NULL, false);
	struct kvm_run *run = vm->vcpu[0].run;

	ASSERT_EQ(vcpu_run_to_exit(&vm->vcpu[0]), KVM_EXIT_SYSTEM_EVENT);
	ASSERT_EQ(run->system_event.type, KVM_SYSTEM_EVENT_SEV_TERM);
	ASSERT_EQ(run->system_event.data[0],
		  0x100 | TERMINATION_SET << 12 | MMIO_NO_FETCH << 16);
	vm_free(vm);
}

/* No #VC can be delivered: a double fault, which cannot be either. */
static void shuts_down(void (*fn)(unsigned long))
{
	struct vm *vm = create(fn, NULL, false);

	ASSERT_EQ(vcpu_run_to_exit(&vm->vcpu[0]), KVM_EXIT_SHUTDOWN);
	ASSERT_EQ(nr_seen, 0);
	vm_free(vm);
}

static void a_stack_in_the_device_is_a_shutdown(void)
{
	shuts_down(mmio_guest_stack);
}

static void page_tables_in_the_device_are_a_shutdown(void)
{
	shuts_down(mmio_guest_tables);
}

/* Nobody can emulate these; error: bits of the #NPF that say which it is. */
static void plain_ends(void (*fn)(unsigned long), u64 gpa, u64 error, bool has_bytes)
{
	struct vm *vm = create(fn, NULL, true);
	struct kvm_run *run = vm->vcpu[0].run;

	ASSERT_EQ(vcpu_run_to_exit(&vm->vcpu[0]), KVM_EXIT_INTERNAL_ERROR);
	ASSERT_EQ(run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	if (device_is_sevm()) {
		ASSERT_EQ(run->emulation_failure.insn_size > 0, has_bytes);
		ASSERT_EQ(run->internal.data[3], gpa);
		ASSERT_EQ(run->internal.data[4] & NPF_KINDS, error);
	}
	vm_free(vm);
}

static void a_plain_guests_fetch_ends_in_userspace(void)
{
	plain_ends(mmio_guest_plain_fetch, DEVICE + DEVICE_PAGE_1 + 0x40,
		   NPF_FETCH | NPF_FINAL, false);
}

/* The third entry of the page table that is in the device's second page */
static void a_plain_guests_walk_ends_in_userspace(void)
{
	plain_ends(mmio_guest_plain_walk, DEVICE + 0x1018, NPF_WALK, true);
}

TESTS = {
	CASE(every_access),
	CASE(every_access_from_user_mode),
	CASE(every_access_of_a_plain_guest),
	CASE(every_access_of_a_plain_guest_from_user_mode),
	CASE(the_first_touch_exits_and_no_other),
	CASE(the_host_gets_no_instruction),
	CASE(a_plain_guests_instruction_is_in_the_assist),
	CASE(a_fetch_raises_vc),
	CASE(a_walk_raises_vc),
	CASE(an_instruction_may_end_at_the_edge),
	CASE(movs_writes_only_where_its_user_may),
	CASE(a_kernel_may_refuse_its_users),
	CASE(a_guest_that_cannot_go_on_says_so),
	CASE(a_stack_in_the_device_is_a_shutdown),
	CASE(page_tables_in_the_device_are_a_shutdown),
	CASE(a_plain_guests_fetch_ends_in_userspace),
	CASE(a_plain_guests_walk_ends_in_userspace),
	SLOW_CASE(slots_over_a_4k_marker, 180),
	SLOW_CASE(slots_over_three_markers, 180),
	SLOW_CASE(slots_over_a_2m_marker, 180),
	SLOW_CASE(slots_in_a_1g_marker, 180),
	SLOW_CASE(slots_over_a_1g_marker, 180),
	TESTS_END
};
