// SPDX-License-Identifier: GPL-2.0-only
/*
 * bringup.c - Xen's alternative AP bring-up: a page with the wanted state of an
 * AP and the trampoline that loads it, and the hypercall vcpu_op.
 *
 * docs/ap-bringup.md is what is tested; the trampoline is the one in
 * tools/firmware/. Here is what a VMM sees and does, and what a hostile one may
 * try; the state that arrives is in bringup-state.c, the hypercalls are in
 * bringup-calls.c, save and restore in bringup-restore.c, what their guests share
 * in bringup-guest.c.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bringup.h"
#include "launch.h"
#include "sevm.h"

_Static_assert(SEVM_AP_PAGE_ENTRY == AP_PAGE_ENTRY, "the module starts APs there");

u64 page_gpa = LOW_PAGE;

static void need_capability(void)
{
	int dev = device_open();

	if (!ioctl(dev, KVM_CHECK_EXTENSION, SEVM_CAP_AP_PAGE))
		test_skip("no SEVM_CAP_AP_PAGE");
	close(dev);
}

static int enable(struct vm *vm, u64 gpa, u64 version)
{
	struct kvm_enable_cap cap = { .cap = SEVM_CAP_AP_PAGE, .args = { gpa, version } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static void put(struct vm *vm, u64 gpa, const unsigned char *from, const unsigned char *end)
{
	memcpy(vm->memory + gpa, from, end - from);
}

static void turn_on(struct vm *vm)
{
	ASSERT_OK(enable(vm, page_gpa, AP_PAGE_PROTOCOL));
	*(volatile u64 *)vm_shared(vm, (u64)&guest_page) = page_gpa;
	put(vm, page_gpa, sevm_firmware_ap_page, sevm_firmware_ap_page_end);
	launch_add(vm, page_gpa, AP_PAGE_SIZE);
	put(vm, REAL, bringup_real, bringup_real_end);
	launch_add(vm, REAL, 0x10000);
	put(vm, AP_FIRMWARE, sevm_firmware_ap, sevm_firmware_ap_end);
}

struct vm_options with_page(unsigned int vcpus)
{
	need_capability();
	return (struct vm_options){
		.vcpus = vcpus, .prepare = turn_on, .aps_as_created = true,
	};
}

void run_page_guest(void (*fn)(unsigned long), unsigned int vcpus)
{
	struct vm_options options = with_page(vcpus);

	run_guest(fn, &options);
}

void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

u32 state_of(struct vcpu *vcpu)
{
	u32 state;

	vcpu_stop(vcpu);
	state = vcpu_mp_state(vcpu);
	vcpu_start(vcpu);
	return state;
}

void wait_state(struct vcpu *vcpu, u32 state)
{
	while (state_of(vcpu) != state)
		nap();
}

/* ---- The capability ---- */

static void errors_of_the_capability(void)
{
	static const struct {
		u64 args[4];
		u32 flags;
		int error;
	} bad[] = {
		{ { LOW_PAGE + 8, 1 }, 0, EINVAL },
		{ { 1ULL << 32, 1 }, 0, EINVAL },
		{ { ~0xfffULL, 1 }, 0, EINVAL },
		{ { LOW_PAGE, 1, 1 }, 0, EINVAL },
		{ { LOW_PAGE, 1, 0, 1 }, 0, EINVAL },
		{ { LOW_PAGE, 1 }, 1, EINVAL },
		{ { LOW_PAGE, 0 }, 0, EOPNOTSUPP },
		{ { LOW_PAGE, 2 }, 0, EOPNOTSUPP },
		{ { GUEST_MEMORY, 1 }, 0, EFAULT },
		{ { GUEST_MMIO, 1 }, 0, EFAULT },
	};
	struct kvm_enable_cap cap = { .cap = SEVM_CAP_AP_PAGE };
	struct vm vm = { .sev_fd = sev_open() };
	unsigned int i;

	need_capability();
	vm.dev = device_open();
	ASSERT_EQ(ioctl(vm.dev, KVM_CHECK_EXTENSION, SEVM_CAP_AP_PAGE), 1);

	/* A plain VM has none; nor has one that is yet to become a SEV-ES one. */
	ASSERT_OK(vm.fd = ioctl(vm.dev, KVM_CREATE_VM, 0));
	vm.memory = vm_memory(GUEST_MEMORY);
	vm_add_slot(&vm, 0, GUEST_MEMORY, vm.memory, 0);
	ASSERT_ERRNO(enable(&vm, LOW_PAGE, 1), EINVAL);
	launch_init(&vm, 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(cap.args, bad[i].args, sizeof(cap.args));
		cap.flags = bad[i].flags;
		ASSERT_ERRNO(ioctl(vm.fd, KVM_ENABLE_CAP, &cap), bad[i].error);
	}
	ASSERT_OK(enable(&vm, LOW_PAGE, 1));
	ASSERT_ERRNO(enable(&vm, LOW_PAGE, 1), EEXIST);
	close(vm.fd);

	/* Too late; and a slot that cannot be written to. */
	vm.init2 = true;
	ASSERT_OK(vm.fd = ioctl(vm.dev, KVM_CREATE_VM, KVM_X86_SEV_ES_VM));
	launch_init(&vm, 0);
	vm_add_slot(&vm, 0, GUEST_MEMORY, vm.memory, KVM_MEM_READONLY);
	ASSERT_ERRNO(enable(&vm, LOW_PAGE, 1), EFAULT);
	ASSERT_OK(ioctl(vm.fd, KVM_CREATE_VCPU, 0));
	ASSERT_ERRNO(enable(&vm, LOW_PAGE, 1), EBUSY);
}

static void nothing(unsigned long cpu)
{
}

static void check_flat(const struct kvm_segment *s, u16 selector, u8 type)
{
	ASSERT_EQ(s->base, 0);
	ASSERT_EQ(s->limit, 0xffffffff);
	ASSERT_EQ(s->selector, selector);
	ASSERT_EQ(s->type, type);
	ASSERT(s->present && s->s && s->db && s->g && !s->l && !s->dpl);
}

static void aps_are_created_stopped_in_the_direct_boot_state(void)
{
	struct vm_options options = with_page(3);
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct vm *vm;
	u64 i;

	options.no_launch = true;
	vm = vm_create(nothing, &options);
	ASSERT_EQ(vcpu_mp_state(&vm->vcpu[0]), KVM_MP_STATE_RUNNABLE);
	for (i = 1; i < 3; i++) {
		struct kvm_regs want = {
			.rip = LOW_PAGE + AP_PAGE_ENTRY, .rbx = LOW_PAGE, .rsi = i,
			.rflags = 2,
		};

		ASSERT_EQ(vcpu_mp_state(&vm->vcpu[i]), KVM_MP_STATE_STOPPED);
		ASSERT_OK(ioctl(vm->vcpu[i].fd, KVM_GET_REGS, &regs));
		ASSERT(!memcmp(&regs, &want, sizeof(regs)));
		ASSERT_OK(ioctl(vm->vcpu[i].fd, KVM_GET_SREGS, &sregs));
		ASSERT_EQ(sregs.cr0, CR0_FLAT);
		ASSERT_EQ(sregs.cr3 | sregs.cr4 | sregs.efer, 0);
		check_flat(&sregs.cs, 8, 11);
		check_flat(&sregs.ds, 16, 3);
		check_flat(&sregs.es, 16, 3);
		check_flat(&sregs.fs, 16, 3);
		check_flat(&sregs.gs, 16, 3);
		check_flat(&sregs.ss, 16, 3);
		ASSERT_EQ(sregs.tr.base, 0);
		ASSERT_EQ(sregs.tr.limit, 0x67);
		ASSERT_EQ(sregs.tr.type, 11);
		ASSERT(sregs.tr.present && !sregs.tr.s);
		ASSERT(sregs.ldt.unusable || !sregs.ldt.present);
		ASSERT_EQ(sregs.gdt.base | sregs.gdt.limit | sregs.idt.base | sregs.idt.limit, 0);
	}
	vm_free(vm);
}

static void set_state_errors(struct vm *vm, u32 state)
{
	struct kvm_mp_state mp = { state };

	ASSERT_ERRNO(ioctl(vm->vcpu[1].fd, KVM_SET_MP_STATE, &mp), EINVAL);
}

/* What the VMM may set where: STOPPED is not KVM's on x86. */
static void stopped_can_be_set_where_the_page_is(void)
{
	struct vm_options options = { .vcpus = 2 };
	struct vm *vm = vm_create(nothing, &options);

	set_state_errors(vm, KVM_MP_STATE_STOPPED);
	ASSERT_EQ(vcpu_mp_state(&vm->vcpu[1]), KVM_MP_STATE_UNINITIALIZED);
	vm_free(vm);

	options = with_page(2);
	vm = vm_create(nothing, &options);
	vcpu_set_mp_state(&vm->vcpu[1], KVM_MP_STATE_RUNNABLE);
	ASSERT_EQ(vcpu_mp_state(&vm->vcpu[1]), KVM_MP_STATE_RUNNABLE);
	vcpu_set_mp_state(&vm->vcpu[1], KVM_MP_STATE_AP_RESET_HOLD);
	ASSERT_EQ(vcpu_mp_state(&vm->vcpu[1]), KVM_MP_STATE_AP_RESET_HOLD);
	vcpu_set_mp_state(&vm->vcpu[1], KVM_MP_STATE_STOPPED);
	ASSERT_EQ(vcpu_mp_state(&vm->vcpu[1]), KVM_MP_STATE_STOPPED);
	set_state_errors(vm, KVM_MP_STATE_UNINITIALIZED);
	ASSERT_EQ(vcpu_mp_state(&vm->vcpu[1]), KVM_MP_STATE_STOPPED);
	vm_free(vm);
}

/* Without the capability there is no such hypercall, and INIT and SIPI are as ever. */
static void off_guest(unsigned long cpu)
{
	if (cpu)
		parks(cpu);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 0), KVM_NO_CALL);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), KVM_NO_CALL);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, 0), KVM_NO_CALL);
	GUEST_ASSERT_EQ(SHARED->alive[1], 0);
	x2apic_enable();
	guest_wake_ap(1);
	wait_alive(1, 1);
}

static void off_unless_turned_on(void)
{
	run_guest(off_guest, &(struct vm_options){ .vcpus = 2 });
}

/* ---- Who may start whom ---- */

/* The host starts whom it likes, when it likes. */
static void hostile_guest(unsigned long cpu)
{
	guest_sync(1);		/* the host starts 1: nobody is wanted */
	GUEST_ASSERT_EQ(PAGE->status, AP_PAGE_EMPTY);
	page_want(2, parks);
	guest_sync(2);		/* the host starts 1: 2 is wanted */
	GUEST_ASSERT_EQ(PAGE->status, AP_PAGE_FILLED);
	GUEST_ASSERT_EQ(SHARED->alive[1] + SHARED->alive[2], 0);
	guest_sync(3);		/* the host starts 2, which nobody has called up yet */
	GUEST_ASSERT_EQ(page_wait(), AP_PAGE_READY);
	wait_alive(2, 1);
	GUEST_ASSERT_EQ(SHARED->alive[1], 0);
	page_start(1, counts);
	wait_alive(1, 1000);
}

static void start_by_force(struct vcpu *ap)
{
	vcpu_stop(ap);
	vcpu_set_mp_state(ap, KVM_MP_STATE_RUNNABLE);
	vcpu_start(ap);
}

static void host_cannot_start_who_is_not_wanted(void)
{
	struct vm_options options = with_page(3);
	struct vm *vm = vm_create(hostile_guest, &options);
	struct vcpu *bsp = &vm->vcpu[0];

	vcpu_start(&vm->vcpu[1]);
	vcpu_start(&vm->vcpu[2]);
	ASSERT_EQ(vcpu_run(bsp), UCALL_SYNC);
	start_by_force(&vm->vcpu[1]);
	wait_state(&vm->vcpu[1], KVM_MP_STATE_AP_RESET_HOLD);
	ASSERT_EQ(vcpu_run(bsp), UCALL_SYNC);
	start_by_force(&vm->vcpu[1]);
	wait_state(&vm->vcpu[1], KVM_MP_STATE_AP_RESET_HOLD);
	ASSERT_EQ(vcpu_run(bsp), UCALL_SYNC);
	ASSERT_EQ(state_of(&vm->vcpu[2]), KVM_MP_STATE_STOPPED);
	start_by_force(&vm->vcpu[2]);
	ASSERT_EQ(vcpu_run(bsp), UCALL_DONE);
	vm_free(vm);
}

/*
 * Requests one after the other, while the host starts and stops whom it likes:
 * each is done once, by its own vCPU. up is a hint, STATUS and the count are not.
 */
#define REQUESTS	90

static volatile u32 counted[4];

static void wait_counted(u32 id, u32 times)
{
	while (counted[id] != times) {
		GUEST_ASSERT(counted[id] < times);
		vcpu_op(AP_PAGE_UP, id);
	}
}

static void meddled_guest(unsigned long cpu)
{
	u32 i, id;

	for (i = 0; i < REQUESTS; i++) {
		id = 1 + i % 3;
		wait_counted(id, i / 3);	/* its stack, and no more than its own */
		page_begin(id);
		PAGE->cr0 = CR0_FLAT;
		PAGE->gdtr.base = guest_page + AP_PAGE_GDT;
		PAGE->gdtr.limit = AP_PAGE_GDT_LIMIT;
		PAGE->cs = AP_PAGE_CODE32;
		PAGE->ds = AP_PAGE_DATA32;
		PAGE->es = AP_PAGE_DATA32;
		PAGE->ss = AP_PAGE_DATA32;
		PAGE->rip = (u64)bringup_counted;
		PAGE->rsp = GUEST_STACK_TOP(id);
		PAGE->rbx = guest_page;
		PAGE->rsi = id;
		PAGE->rdi = (u64)&counted[id];
		page_fill();
		while (PAGE->status != AP_PAGE_READY) {
			GUEST_ASSERT(PAGE->status < AP_PAGE_BAD_VERSION);
			vcpu_op(AP_PAGE_UP, id);
		}
	}
	for (id = 1; id <= 3; id++)
		wait_counted(id, REQUESTS / 3);
	GUEST_ASSERT_EQ(bringup_strangers, 0);
	SHARED->done = 1;
}

static void a_meddling_host_changes_nothing(void)
{
	static const u32 states[] = { KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_STOPPED };
	struct vm_options options = with_page(4);
	struct vm *vm = vm_create(meddled_guest, &options);
	struct shared *shared = vm_shared(vm, GUEST_SHARED_DATA);
	unsigned int i;

	for (i = 0; i < 4; i++)
		vcpu_start(&vm->vcpu[i]);
	for (i = 0; !shared->done; i++) {
		struct vcpu *ap = &vm->vcpu[1 + i % 3];

		vcpu_stop(ap);
		vcpu_set_mp_state(ap, states[i / 3 % 2]);
		vcpu_start(ap);
	}
	vcpu_join(&vm->vcpu[0]);
	test_note("%u changes of state by the host", i);
	vm_free(vm);
}

/* Nothing but up starts a stopped vCPU; what came for it meanwhile is lost, or waits. */
static void stopped_guest(unsigned long cpu)
{
	u64 seen;

	if (cpu) {
		guest_set_handler(VECTOR, count_irq);
		x2apic_enable();
		sti();
		counts(cpu);
	}
	x2apic_enable();
	page_want(1, stopped_guest);
	guest_wake_ap(1);
	guest_sync(1);		/* the host looks whether it is stopped still */
	GUEST_ASSERT_EQ(PAGE->status, AP_PAGE_FILLED);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 1), 0);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	GUEST_ASSERT_EQ(page_wait(), AP_PAGE_READY);
	wait_alive(1, 1000);

	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, 1), 0);
	seen = SHARED->alive[1];
	x2apic_icr(1, VECTOR);
	guest_wake_ap(1);
	guest_sync(2);		/* again */
	GUEST_ASSERT_EQ(SHARED->alive[1], seen);
	GUEST_ASSERT_EQ(SHARED->irqs, 0);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 1), 0);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	wait_alive(1, seen + 1000);
	while (!SHARED->irqs)
		cpu_relax();
}

static void only_up_starts_a_stopped_vcpu(void)
{
	struct vm_options options = with_page(2);
	struct vm *vm = vm_create(stopped_guest, &options);
	unsigned int i;

	vcpu_start(&vm->vcpu[1]);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
		nap();
		ASSERT_EQ(state_of(&vm->vcpu[1]), KVM_MP_STATE_STOPPED);
		nap();
	}
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vm_free(vm);
}

static void last_guest(unsigned long cpu)
{
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, 0), 0);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 0), 1);
	page_start(1, parks);
	wait_down(1);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_DOWN, 0), 0);
}

static void last_one_down_is_a_power_off(void)
{
	struct vm_options options = with_page(2);
	struct vm *vm = vm_create(last_guest, &options);
	struct vcpu *bsp = &vm->vcpu[0];
	unsigned int i;

	vcpu_start(&vm->vcpu[1]);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(vcpu_run_to_exit(bsp), KVM_EXIT_SYSTEM_EVENT);
		ASSERT_EQ(bsp->run->system_event.type, KVM_SYSTEM_EVENT_SHUTDOWN);
		ASSERT_EQ(vcpu_mp_state(bsp), KVM_MP_STATE_RUNNABLE);
	}
	ASSERT_EQ(vcpu_run(bsp), UCALL_DONE);
	vm_free(vm);
}

/* A held vCPU is up from the call on, also while its thread has not come to it. */
static void at_once_guest(unsigned long cpu)
{
	page_start(1, parks);
	wait_down(1);
	guest_sync(1);		/* the host takes its thread out of KVM_RUN */
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 1), 0);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), 0);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_IS_UP, 1), 1);
	GUEST_ASSERT_EQ(vcpu_op(AP_PAGE_UP, 1), XEN_EEXIST);
	guest_sync(2);		/* and puts it back */
	wait_alive(1, 2);
}

static void up_counts_at_once(void)
{
	struct vm_options options = with_page(2);
	struct vm *vm = vm_create(at_once_guest, &options);
	struct vcpu *bsp = &vm->vcpu[0], *ap = &vm->vcpu[1];

	vcpu_start(ap);
	ASSERT_EQ(vcpu_run(bsp), UCALL_SYNC);
	vcpu_stop(ap);
	ASSERT_EQ(vcpu_mp_state(ap), KVM_MP_STATE_AP_RESET_HOLD);
	ASSERT_EQ(vcpu_run(bsp), UCALL_SYNC);
	ASSERT_EQ(vcpu_mp_state(ap), KVM_MP_STATE_RUNNABLE);
	vcpu_start(ap);
	ASSERT_EQ(vcpu_run(bsp), UCALL_DONE);
	vm_free(vm);
}

TESTS = {
	CASE(errors_of_the_capability),
	CASE(aps_are_created_stopped_in_the_direct_boot_state),
	CASE(stopped_can_be_set_where_the_page_is),
	CASE(off_unless_turned_on),
	CASE(long_mode_arrives_exactly),
	CASE(long_mode_from_a_high_page),
	CASE(protected_mode_arrives_exactly),
	CASE(protected_mode_with_paging_arrives_exactly),
	CASE(compatibility_mode_arrives_exactly),
	CASE(real_mode_arrives_exactly),
	CASE(real_mode_from_a_high_page),
	CASE(entry_can_be_entered_again),
	CASE(one_to_eight_aps),
	CASE(without_an_apic),
	CASE(in_a_default_vm),
	CASE(what_the_trampoline_refuses),
	CASE(who_is_not_wanted_parks),
	CASE(host_cannot_start_who_is_not_wanted),
	CASE(a_meddling_host_changes_nothing),
	CASE(only_up_starts_a_stopped_vcpu),
	CASE(down_stops_another_at_once),
	CASE(down_stops_the_caller),
	CASE(two_stop_each_other),
	CASE(down_leaves_what_it_was_doing),
	CASE(errors_of_the_hypercall),
	CASE(up_counts_at_once),
	CASE(last_one_down_is_a_power_off),
	CASE(stopped_state_is_restored),
	CASE(parked_state_is_restored),
	CASE(hold_below_stopped_is_kept),
	CASE(hold_below_stopped_is_restored),
	CASE(jump_table_on_top),
	TESTS_END
};
