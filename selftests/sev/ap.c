// SPDX-License-Identifier: GPL-2.0-only
/*
 * ap.c - APs: first SIPI, reset hold by NAE event and by MSR request, what wakes
 * a held vCPU and what must not.
 *
 * The AP jump table is in jump_table.c.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "sevm.h"
#include "vm.h"

/* In shared memory, so that the host can watch. */
struct shared {
	volatile u64 alive[GUEST_MAX_VCPUS];	/* times the AP came to its loop */
	volatile u64 answer[GUEST_MAX_VCPUS];	/* of its last hold */
	volatile u64 form;			/* 0 NAE, 1 MSR */
	volatile u64 rounds;
	volatile u64 aps;
};

#define SHARED	((struct shared *)GUEST_SHARED_DATA)

static struct shared *shared_of(struct vm *vm)
{
	return vm_shared(vm, GUEST_SHARED_DATA);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

static u64 hold(void)
{
	return SHARED->form ? guest_hold_msr() : guest_hold_nae();
}

static void wait_alive(unsigned int cpu, u64 times)
{
	while (SHARED->alive[cpu] < times)
		cpu_relax();
}

static void ap_loop(unsigned long cpu)
{
	for (;;) {
		SHARED->alive[cpu]++;
		SHARED->answer[cpu] = hold();
	}
}

/* Only a SIPI gets it to its first instruction; then it holds. */
static void first_sipi_guest(unsigned long cpu)
{
	u64 i;

	if (cpu)
		ap_loop(cpu);
	x2apic_enable();
	for (i = 1; i <= SHARED->aps; i++)
		GUEST_ASSERT_EQ(SHARED->alive[i], 0);
	for (i = 1; i <= SHARED->aps; i++)
		guest_wake_ap(i);
	for (i = 1; i <= SHARED->aps; i++)
		wait_alive(i, 1);
}

static void start_aps(unsigned int aps)
{
	struct vm *vm = vm_create(first_sipi_guest, &(struct vm_options){ .vcpus = aps + 1 });
	unsigned int i;

	shared_of(vm)->aps = aps;
	for (i = 1; i <= aps; i++)
		ASSERT_EQ(vcpu_mp_state(&vm->vcpu[i]), KVM_MP_STATE_UNINITIALIZED);
	for (i = 1; i <= aps; i++)
		vcpu_start(&vm->vcpu[i]);
	nap();
	for (i = 1; i <= aps; i++)
		ASSERT_EQ(shared_of(vm)->alive[i], 0);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	for (i = 1; i <= aps; i++)
		vcpu_stop(&vm->vcpu[i]);
	vm_free(vm);
}

static void first_sipi_runs_the_measured_state(void)
{
	unsigned int aps;

	for (aps = 1; aps <= 8; aps++)
		start_aps(aps);
}

/* Wake, answer, hold again: so many times, for so many APs. */
static void rounds_guest(unsigned long cpu)
{
	u64 round, i;

	if (cpu)
		ap_loop(cpu);
	x2apic_enable();
	for (round = 1; round <= SHARED->rounds; round++) {
		for (i = 1; i <= SHARED->aps; i++) {
			/*
			 * What comes before the AP is held ends its next hold on
			 * sevm, and is lost on KVM: again until it came round.
			 */
			do {
				guest_wake_ap(i);
				for (int spin = 0; spin < 2000 && SHARED->alive[i] < round; spin++)
					cpu_relax();
			} while (SHARED->alive[i] < round);
			if (round > 1)
				GUEST_ASSERT(SHARED->answer[i]);
		}
	}
}

static void many_rounds(unsigned int aps, unsigned int rounds, bool msr)
{
	struct vm *vm = vm_create(rounds_guest, &(struct vm_options){
		.vcpus = aps + 1, .ghcb_version = msr ? 2 : 0 });

	shared_of(vm)->aps = aps;
	shared_of(vm)->rounds = rounds;
	shared_of(vm)->form = msr;
	vm_run(vm);
	ASSERT(shared_of(vm)->alive[1] >= rounds);
	vm_free(vm);
}

static void thousand_rounds_by_nae(void)
{
	many_rounds(1, 1000, false);
}

static void thousand_rounds_by_msr(void)
{
	many_rounds(1, 1000, true);
}

static void eight_aps_by_nae(void)
{
	many_rounds(8, 125, false);
}

static void eight_aps_by_msr(void)
{
	many_rounds(8, 125, true);
}

/*
 * Events that must not wake a held vCPU: the guest jumps through its jump
 * table after one VMGEXIT, whatever the answer says.
 */
#define VECTOR	0x55

static bool count_irq(struct guest_regs *regs)
{
	x2apic_write(APIC_EOI, 0);
	return true;
}

static bool count_nmi(struct guest_regs *regs)
{
	return true;
}

static void no_wake_guest(unsigned long cpu)
{
	u64 i;

	guest_set_handler(VECTOR, count_irq);
	guest_set_handler(2, count_nmi);
	if (cpu) {
		x2apic_enable();
		sti();
		ap_loop(cpu);
	}
	x2apic_enable();
	guest_wake_ap(1);
	wait_alive(1, 1);
	guest_sync(1);		/* the host waits until it is held */
	for (i = 0; i < 100; i++)
		x2apic_icr(1, guest_arg(0));
	guest_sync(2);		/* the host looks again */
	GUEST_ASSERT_EQ(SHARED->alive[1], 1);
	guest_wake_ap(1);
	wait_alive(1, 2);
	GUEST_ASSERT(SHARED->answer[1]);
}

static void held_against(u64 icr, bool msr)
{
	struct vm *vm = vm_create(no_wake_guest, &(struct vm_options){
		.vcpus = 2, .ghcb_version = msr ? 2 : 0 });
	struct vcpu *bsp = &vm->vcpu[0], *ap = &vm->vcpu[1];
	int i;

	shared_of(vm)->form = msr;
	bsp->ucall->in[0] = icr;
	vcpu_start(ap);
	ASSERT_EQ(vcpu_run(bsp), UCALL_SYNC);
	vcpu_stop(ap);
	vcpu_start(ap);
	nap();
	vcpu_stop(ap);
	ASSERT_EQ(vcpu_mp_state(ap), KVM_MP_STATE_AP_RESET_HOLD);
	vcpu_start(ap);
	ASSERT_EQ(vcpu_run(bsp), UCALL_SYNC);
	for (i = 0; i < 5; i++)
		nap();
	ASSERT_EQ(shared_of(vm)->alive[1], 1);
	vcpu_stop(ap);
	ASSERT_EQ(vcpu_mp_state(ap), KVM_MP_STATE_AP_RESET_HOLD);
	vcpu_start(ap);
	ASSERT_EQ(vcpu_run(bsp), UCALL_DONE);
	vcpu_stop(ap);
	vm_free(vm);
}

static void interrupts_do_not_wake_an_nae_hold(void)
{
	held_against(VECTOR, false);
}

static void nmis_do_not_wake_an_nae_hold(void)
{
	held_against(ICR_NMI, false);
}

static void interrupts_do_not_wake_an_msr_hold(void)
{
	held_against(VECTOR, true);
}

static void nmis_do_not_wake_an_msr_hold(void)
{
	held_against(ICR_NMI, true);
}

/* Leaving and entering KVM_RUN, for signals, changes nothing. */
static void signal_guest(unsigned long cpu)
{
	if (cpu)
		ap_loop(cpu);
	x2apic_enable();
	guest_wake_ap(1);
	wait_alive(1, 1);
	guest_sync(1);
	guest_wake_ap(1);
	wait_alive(1, 2);
	GUEST_ASSERT(SHARED->answer[1]);
}

/* Only the pair with an INIT ends a hold. */
static void lone_sipis_do_not_wake_an_nae_hold(void)
{
	held_against(ICR_STARTUP | 1, false);
}

static void lone_sipis_do_not_wake_an_msr_hold(void)
{
	held_against(ICR_STARTUP | 1, true);
}

static void signals_do_not_wake(void)
{
	struct vm *vm = vm_create(signal_guest, &(struct vm_options){ .vcpus = 2 });
	struct vcpu *ap = &vm->vcpu[1];
	int i;

	vcpu_start(ap);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	for (i = 0; i < 50; i++) {
		vcpu_stop(ap);
		vcpu_start(ap);
		pthread_kill(ap->thread, SIGUSR1);
	}
	nap();
	ASSERT_EQ(shared_of(vm)->alive[1], 1);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vcpu_stop(ap);
	vm_free(vm);
}

/* Both kinds of hold are visible to the VMM, with their form. */
static void hold_kind(bool msr)
{
	struct vm *vm = vm_create(signal_guest, &(struct vm_options){
		.vcpus = 2, .ghcb_version = msr ? 2 : 0 });
	struct sevm_ap_hold held;

	if (!ioctl(vm->dev, KVM_CHECK_EXTENSION, SEVM_CAP_AP_HOLD))
		test_skip("no SEVM_CAP_AP_HOLD");
	ASSERT_OK(ioctl(vm->vcpu[1].fd, SEVM_GET_AP_HOLD, &held));
	ASSERT_EQ(held.kind, SEVM_AP_HOLD_NONE);
	shared_of(vm)->form = msr;
	vcpu_start(&vm->vcpu[1]);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	nap();
	vcpu_stop(&vm->vcpu[1]);
	ASSERT_OK(ioctl(vm->vcpu[1].fd, SEVM_GET_AP_HOLD, &held));
	ASSERT_EQ(held.kind, msr ? SEVM_AP_HOLD_MSR : SEVM_AP_HOLD_NAE);
	ASSERT_EQ(held.flags, 0);
	held.kind = 3;
	ASSERT_ERRNO(ioctl(vm->vcpu[1].fd, SEVM_SET_AP_HOLD, &held), EINVAL);
	held.kind = SEVM_AP_HOLD_NAE;
	held.flags = 1;
	ASSERT_ERRNO(ioctl(vm->vcpu[1].fd, SEVM_SET_AP_HOLD, &held), EINVAL);
	vm_free(vm);
}

static void hold_by_nae_is_visible(void)
{
	hold_kind(false);
}

static void hold_by_msr_is_visible(void)
{
	hold_kind(true);
}

/* INIT to a running vCPU stops it; the SIPI lets it go on where it was. */
static void init_running_guest(unsigned long cpu)
{
	u64 seen;

	if (cpu)
		for (;;)
			SHARED->alive[cpu]++;
	x2apic_enable();
	guest_wake_ap(1);
	wait_alive(1, 1000);
	x2apic_icr(1, ICR_INIT | ICR_LEVEL_ASSERT);
	guest_sync(1);		/* the host waits a moment */
	seen = SHARED->alive[1];
	guest_sync(2);
	GUEST_ASSERT_EQ(SHARED->alive[1], seen);
	x2apic_icr(1, ICR_STARTUP | ICR_LEVEL_ASSERT | 0x10);
	wait_alive(1, seen + 1000);
}

static void init_stops_a_running_vcpu(void)
{
	struct vm *vm = vm_create(init_running_guest, &(struct vm_options){ .vcpus = 2 });

	vcpu_start(&vm->vcpu[1]);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	nap();
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	nap();
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vcpu_stop(&vm->vcpu[1]);
	vm_free(vm);
}

/*
 * INIT-SIPI-SIPI to an AP that is on its way to the hold: it ends that hold, and
 * only that one. With in[0] 0 there is but the first SIPI of its life, twice: it
 * ends none.
 */
static void early_guest(unsigned long cpu)
{
	if (cpu) {
		SHARED->alive[cpu]++;
		while (!SHARED->rounds)
			cpu_relax();
		for (;;) {
			SHARED->answer[cpu] = hold();
			SHARED->alive[cpu]++;
		}
	}
	x2apic_enable();
	guest_wake_ap(1);
	wait_alive(1, 1);
	if (guest_arg(0))
		guest_wake_ap(1);
	guest_sync(1);		/* the host waits a moment */
	SHARED->rounds = 1;
	guest_sync(2);		/* and again */
	if (guest_arg(0)) {
		GUEST_ASSERT_EQ(SHARED->alive[1], 2);
		GUEST_ASSERT(SHARED->answer[1]);
	} else {
		GUEST_ASSERT_EQ(SHARED->alive[1], 1);
	}
	SHARED->answer[1] = 0;
	guest_wake_ap(1);
	wait_alive(1, guest_arg(0) ? 3 : 2);
	GUEST_ASSERT(SHARED->answer[1]);
}

static void early(bool again, bool msr)
{
	struct vm *vm = vm_create(early_guest, &(struct vm_options){
		.vcpus = 2, .ghcb_version = msr ? 2 : 0 });
	unsigned int stage, i;

	shared_of(vm)->form = msr;
	vm->vcpu[0].ucall->in[0] = again;
	vcpu_start(&vm->vcpu[1]);
	for (stage = 0; stage < 2; stage++) {
		ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
		for (i = 0; i < 5; i++)
			nap();
	}
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	vcpu_stop(&vm->vcpu[1]);
	vm_free(vm);
}

static void early_sipi_ends_one_nae_hold(void)
{
	early(true, false);
}

static void early_sipi_ends_one_msr_hold(void)
{
	early(true, true);
}

static void first_sipi_ends_no_hold(void)
{
	early(false, false);
}

/*
 * An AP halts with interrupts off, as Linux's do at a kexec. INIT-SIPI-SIPI does not
 * get it to its next instruction; an NMI does, and then its hold ends at once.
 */
static void halted_guest(unsigned long cpu)
{
	guest_set_handler(2, count_nmi);
	if (cpu) {
		SHARED->alive[cpu]++;
		asm volatile("hlt" ::: "memory");
		for (;;) {
			SHARED->alive[cpu]++;
			SHARED->answer[cpu] = hold();
		}
	}
	x2apic_enable();
	guest_wake_ap(1);
	wait_alive(1, 1);
	guest_sync(1);		/* the host looks whether it halts */
	guest_wake_ap(1);
	guest_sync(2);		/* and again */
	GUEST_ASSERT_EQ(SHARED->alive[1], 1);
	x2apic_icr(1, ICR_NMI);
	wait_alive(1, 3);
	GUEST_ASSERT(SHARED->answer[1]);
}

static void early_sipi_does_not_end_a_halt(void)
{
	struct vm *vm = vm_create(halted_guest, &(struct vm_options){ .vcpus = 2 });
	struct vcpu *bsp = &vm->vcpu[0], *ap = &vm->vcpu[1];
	unsigned int stage, i;

	vcpu_start(ap);
	for (stage = 0; stage < 2; stage++) {
		ASSERT_EQ(vcpu_run(bsp), UCALL_SYNC);
		for (i = 0; i < 5; i++)
			nap();
		vcpu_stop(ap);
		ASSERT_EQ(vcpu_mp_state(ap), KVM_MP_STATE_HALTED);
		vcpu_start(ap);
	}
	ASSERT_EQ(vcpu_run(bsp), UCALL_DONE);
	vcpu_stop(ap);
	vm_free(vm);
}

static void lonely_guest(unsigned long cpu)
{
	SHARED->answer[0] = 1 + hold();
}

/* Without a local APIC there is no SIPI: the VMM gets an exit, and decides. */
static void no_apic(bool msr)
{
	struct vm *vm = vm_create(lonely_guest, &(struct vm_options){
		.irqchip = IRQCHIP_NONE, .ghcb_version = msr ? 2 : 0 });

	shared_of(vm)->form = msr;
	ASSERT_EQ(vcpu_run_to_exit(&vm->vcpu[0]), KVM_EXIT_AP_RESET_HOLD);
	ASSERT_EQ(shared_of(vm)->answer[0], 0);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	ASSERT_EQ(shared_of(vm)->answer[0], 1);		/* it was no SIPI */
	vm_free(vm);
}

static void nae_hold_without_apic_exits(void)
{
	no_apic(false);
}

static void msr_hold_without_apic_exits(void)
{
	no_apic(true);
}

/* An AP whose GHCB is in a slot of its own, where MMIO is otherwise. */
static void page_guest(unsigned long cpu)
{
	union ghcb_page *g = (union ghcb_page *)GUEST_MMIO;

	if (!cpu) {
		x2apic_enable();
		guest_wake_ap(1);
		wait_alive(1, 1);
		guest_sync(1);			/* the host takes the slot away */
		guest_wake_ap(1);
		wait_alive(1, 2);
		return;
	}
	ghcb_begin(g, 0x80000004, 0, 0);
	wrmsr(GHCB_MSR, (u64)g);
	SHARED->alive[1] = 1;
	vmgexit();
	wrmsr(GHCB_MSR, GUEST_GHCB(1));
	SHARED->alive[1] = 2;
	for (;;)
		guest_hold_nae();
}

static void page_goes(bool another_comes)
{
	struct vm *vm = vm_create(page_guest, &(struct vm_options){ .vcpus = 2 });
	unsigned int slot = vm->slots, i;
	u64 *memory = vm_memory(0x1000);

	vm_add_slot(vm, GUEST_MMIO, 0x1000, memory, 0);
	vcpu_start(&vm->vcpu[1]);
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_SYNC);
	/* KVM's ioctls of a vCPU wait for its KVM_RUN: it cannot be asked. */
	for (i = 0; i < 10; i++)
		nap();
	vm_delete_slot(vm, slot);
	munmap(memory, 0x1000);
	if (another_comes) {
		memory = vm_memory(0x1000);
		vm_add_slot(vm, GUEST_MMIO, 0x1000, memory, 0);
	}
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), UCALL_DONE);
	if (another_comes)
		ASSERT_EQ(memory[GHCB_INFO2], 1);
	vcpu_stop(&vm->vcpu[1]);
	vm_free(vm);
}

static void hold_outlives_its_ghcb(void)
{
	page_goes(false);
}

static void answer_goes_to_the_page_that_is_there(void)
{
	page_goes(true);
}

static void spin(unsigned int n)
{
	while (n--)
		cpu_relax();
}

/* The BSP parks itself, as a kernel that is left by kexec on another CPU may. */
static void bsp_guest(unsigned long cpu)
{
	x2apic_enable();
	if (!cpu) {
		guest_wake_ap(1);
		SHARED->alive[0] = 1;
		SHARED->answer[0] = 1 + guest_hold_nae();
		GUEST_ASSERT(SHARED->answer[0] > 1);
		return;
	}

	wait_alive(0, 1);
	spin(100000);
	x2apic_icr(0, ICR_INIT | ICR_LEVEL_ASSERT);
	spin(100000);
	GUEST_ASSERT_EQ(SHARED->answer[0], 0);
	x2apic_icr(0, ICR_STARTUP | ICR_LEVEL_ASSERT | 0x10);
	for (;;)
		guest_hold_nae();
}

static void init_does_not_wake_a_held_bsp(void)
{
	run_guest(bsp_guest, &(struct vm_options){ .vcpus = 2 });
}

TESTS = {
	CASE(first_sipi_runs_the_measured_state),
	CASE(thousand_rounds_by_nae),
	CASE(thousand_rounds_by_msr),
	CASE(eight_aps_by_nae),
	CASE(eight_aps_by_msr),
	CASE(interrupts_do_not_wake_an_nae_hold),
	CASE(nmis_do_not_wake_an_nae_hold),
	CASE(interrupts_do_not_wake_an_msr_hold),
	CASE(nmis_do_not_wake_an_msr_hold),
	CASE(lone_sipis_do_not_wake_an_nae_hold),
	CASE(lone_sipis_do_not_wake_an_msr_hold),
	CASE(signals_do_not_wake),
	CASE(hold_by_nae_is_visible),
	CASE(hold_by_msr_is_visible),
	CASE(init_stops_a_running_vcpu),
	CASE(init_does_not_wake_a_held_bsp),
	CASE(early_sipi_ends_one_nae_hold),
	CASE(early_sipi_ends_one_msr_hold),
	CASE(first_sipi_ends_no_hold),
	CASE(early_sipi_does_not_end_a_halt),
	CASE(nae_hold_without_apic_exits),
	CASE(msr_hold_without_apic_exits),
	CASE(hold_outlives_its_ghcb),
	CASE(answer_goes_to_the_page_that_is_there),
	TESTS_END
};
