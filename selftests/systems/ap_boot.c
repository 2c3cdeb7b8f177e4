// SPDX-License-Identifier: GPL-2.0-only
/*
 * ap_boot.c - AP boot of SEV-ES guests, the whole way: firmware, OS, the next
 * OS, and another VM. The host looks at mp_state after each step.
 *
 * What the guest does is in ap_boot-guest.c and ap_boot.S, what the host sees in
 * ap_boot-host.c. README.md has what this is made after.
 */
#include <errno.h>
#include <string.h>

#include "ap_boot.h"
#include "sevm.h"
#include "vm.h"

/* ---- From the firmware to the last OS ---- */

static void chain_guest(unsigned long cpu)
{
	ap_firmware_init();
	ap_step(STEP(KVM_MP_STATE_UNINITIALIZED, 0) | STEP_STILL);
	ap_check_arrivals();
	ap_firmware_boots();
	GUEST_ASSERT_EQ(ap_jump_table_get(), 0);
	ap_exit_boot_services();
	ap_os();
}

static void chain(const struct world *want)
{
	struct vm *vm = ap_vm_create(chain_guest, want, WORK_ENTRY);
	u64 rounds = want->boots + 1 + 2 * want->generations;

	ap_vm_start(vm);
	ASSERT(!ap_vm_run(vm));
	ASSERT_EQ(ap_total(ap_world(vm)->arrivals), want->aps * rounds);
	ap_vm_finish(vm);
}

static void firmware_to_third_os_by_nae(void)
{
	chain(&(struct world){ .aps = 3, .boots = 3, .generations = 3 });
}

static void firmware_to_third_os_by_msr(void)
{
	chain(&(struct world){ .aps = 3, .boots = 3, .generations = 3, .msr = 1 });
}

/* KVM: the guest cannot know when an AP is held; a SIPI before that is lost. */
static void guest_alone_by_nae(void)
{
	chain(&(struct world){ .aps = 7, .boots = 10, .generations = 10, .unwatched = 1 });
}

static void guest_alone_by_msr(void)
{
	chain(&(struct world){
		.aps = 7, .boots = 10, .generations = 10, .unwatched = 1, .msr = 1, .broadcast = 1,
	});
}

static void sixty_four_vcpus_by_nae(void)
{
	chain(&(struct world){
		.aps = GUEST_MAX_VCPUS - 1, .boots = 2, .generations = 2, .idle = 1, .broadcast = 1,
	});
}

static void sixty_four_vcpus_by_msr(void)
{
	chain(&(struct world){
		.aps = GUEST_MAX_VCPUS - 1, .boots = 2, .generations = 2, .idle = 1, .msr = 1,
	});
}

/* ---- Each part of INIT-SIPI-SIPI, in each state ---- */

#define UNINITIALIZED	STEP(KVM_MP_STATE_UNINITIALIZED, 0)
#define INIT_RECEIVED	STEP(KVM_MP_STATE_INIT_RECEIVED, 0)
#define SIPI		(ICR_STARTUP | 0x9f)

static void steps(void (*bsp)(unsigned long cpu), bool msr)
{
	struct vm *vm = ap_vm_create(bsp, &(struct world){ .aps = 2, .boots = 1,
			       .generations = 1, .msr = msr }, WORK_ENTRY);

	ap_vm_start(vm);
	ASSERT(!ap_vm_run(vm));
	ap_vm_finish(vm);
}

/* It needs its INIT, but once; and it ends no hold: neither does a second SIPI. */
static void first_guest(unsigned long cpu)
{
	ap_firmware_init();
	ap_icr(SIPI);
	ap_step(UNINITIALIZED | STEP_STILL);
	ap_icr(ICR_INIT);
	ap_step(INIT_RECEIVED | STEP_STILL);
	ap_icr(ICR_INIT);
	ap_step(INIT_RECEIVED | STEP_STILL);
	ap_check_arrivals();
	ap_expect();
	ap_icr(SIPI);
	ap_icr(SIPI);
	ap_await();
	ap_wait_holds();
	ap_step(ap_held() | STEP_STILL);
	ap_check_arrivals();
}

static void first_sipi_runs_the_measured_state(void)
{
	steps(first_guest, false);
}

/* SIPI, but no INIT, to APs that are parked */
static void sipi_alone_guest(unsigned long cpu)
{
	ap_firmware_init();
	ap_firmware_boots();
	ap_exit_boot_services();
	ap_icr(SIPI);
	ap_icr(SIPI);
	ap_step(ap_held() | STEP_STILL);
	ap_check_arrivals();
	ap_os();
}

static void sipi_alone_ends_no_nae_hold(void)
{
	steps(sipi_alone_guest, false);
}

static void sipi_alone_ends_no_msr_hold(void)
{
	steps(sipi_alone_guest, true);
}

/* INIT, but no SIPI, to parked APs; the hold and its form stay. One SIPI is enough then. */
static void init_held_guest(unsigned long cpu)
{
	u64 init = STEP(KVM_MP_STATE_INIT_RECEIVED, STEP_KIND(ap_held())), i;

	ap_firmware_init();
	ap_firmware_boots();
	ap_exit_boot_services();
	for (i = 0; i < 2; i++) {
		ap_icr(ICR_INIT);
		ap_step(init | STEP_STILL);
		ap_check_arrivals();
	}
	ap_os_prepare(ap_jump_table_get());
	ap_expect();
	ap_icr(SIPI);
	ap_await();
	ap_all_work();
}

static void init_alone_ends_no_nae_hold(void)
{
	steps(init_held_guest, false);
}

static void init_alone_ends_no_msr_hold(void)
{
	steps(init_held_guest, true);
}

/* An OS whose APs never held: its first SIPI brought them, and they work. */
static void running(void)
{
	ap_firmware_init();
	ap_os_prepare(WORK_PAGE);
	ap_expect();
	ap_icr(ICR_INIT);
	ap_icr(SIPI);
	ap_await();
	ap_all_work();
}

/* INIT stops them; SIPI lets them go on where they were, not through the table. */
static void init_running_guest(unsigned long cpu)
{
	u64 seen[3];

	running();
	ap_icr(ICR_INIT);
	ap_step(INIT_RECEIVED | STEP_STILL);
	seen[1] = WORLD->work[1];
	seen[2] = WORLD->work[2];
	ap_step(INIT_RECEIVED | STEP_STILL);
	GUEST_ASSERT_EQ(WORLD->work[1], seen[1]);
	GUEST_ASSERT_EQ(WORLD->work[2], seen[2]);
	ap_icr(SIPI);
	ap_all_work();
}

static void init_and_sipi_to_aps_that_never_held(void)
{
	steps(init_running_guest, false);
}

/* ... and a SIPI alone is lost: the next hold is none the shorter. */
static void sipi_running_guest(unsigned long cpu)
{
	running();
	ap_icr(SIPI);
	ap_all_work();
	ap_os_hold();
	ap_step(ap_held() | STEP_STILL);
	ap_check_arrivals();
}

static void sipi_to_a_running_ap_is_lost(void)
{
	steps(sipi_running_guest, false);
}

#define VECTOR	0x55

static void poke(void)
{
	unsigned int i;

	for (i = 0; i < 10; i++) {
		ap_icr(ICR_NMI);
		ap_icr(VECTOR);
	}
	ap_step(ap_held() | STEP_STILL);
	ap_check_arrivals();
}

/* Parked as by OVMF: whatever ends the hold sends them through a table not filled. */
static void poked_guest(unsigned long cpu)
{
	ap_firmware_init();
	ap_firmware_boots();
	ap_exit_boot_services();
	poke();
	ap_os();
}

static void parked_by_nae_sleeps_through_nmis(void)
{
	steps(poked_guest, false);
}

static void parked_by_msr_sleeps_through_nmis(void)
{
	steps(poked_guest, true);
}

/* ---- Another VM ---- */

struct saved {
	u32 state[GUEST_MAX_VCPUS];
	u32 kind[GUEST_MAX_VCPUS];
	u64 table;
};

static bool has_table(struct vm *vm)
{
	return ioctl(vm->dev, KVM_CHECK_EXTENSION, SEVM_CAP_AP_JUMP_TABLE) > 0;
}

static u64 table_of(struct vm *vm)
{
	u64 gpa;

	ASSERT_OK(ioctl(vm->fd, SEVM_GET_AP_JUMP_TABLE, &gpa));
	return gpa;
}

/* What KVM does not show is left out. */
static void save(struct vm *vm, struct saved *saved)
{
	unsigned int i;

	ap_vm_stop(vm);
	*saved = (struct saved){ 0 };
	for (i = 1; i < vm->vcpus; i++) {
		saved->state[i] = vcpu_mp_state(&vm->vcpu[i]);
		if (ap_has_kinds(vm))
			saved->kind[i] = ap_hold_kind(&vm->vcpu[i]);
	}
	if (has_table(vm))
		saved->table = table_of(vm);
}

static void restore(struct vm *vm, const struct saved *saved)
{
	unsigned int i;

	for (i = 1; i < vm->vcpus; i++) {
		struct sevm_ap_hold held = { .kind = saved->kind[i] };

		vcpu_set_mp_state(&vm->vcpu[i], saved->state[i]);
		if (ap_has_kinds(vm))
			ASSERT_OK(ioctl(vm->vcpu[i].fd, SEVM_SET_AP_HOLD, &held));
		ASSERT_EQ(vcpu_mp_state(&vm->vcpu[i]), saved->state[i]);
	}
	if (has_table(vm))
		ASSERT_OK(ioctl(vm->fd, SEVM_SET_AP_JUMP_TABLE, &saved->table));
}

static void saved_guest(unsigned long cpu)
{
	ap_firmware_init();
	ap_firmware_boots();
	ap_exit_boot_services();
	if (WORLD->init)
		ap_icr(ICR_INIT);
	guest_sync(STEP_PAUSE);
	ap_os();
}

/* A VM whose APs are parked, stopped. */
static struct vm *parked(const struct world *want, struct saved *saved)
{
	struct vm *vm = ap_vm_create(saved_guest, want, WORK_ENTRY);

	ap_vm_start(vm);
	ASSERT(ap_vm_run(vm));
	save(vm, saved);
	return vm;
}

/* Both VMs are there until both are done: each has a table of its own. */
static void go_on(struct vm *first, struct vm *second)
{
	ap_vm_start(second);
	ASSERT(!ap_vm_run(second));
	ap_vm_finish(second);
	ap_vm_start(first);
	ASSERT(!ap_vm_run(first));
	ap_vm_finish(first);
}

/* The second VM's firmware parks the APs too; the table's address comes from the VMM. */
static void after_firmware(bool msr)
{
	struct world want = { .aps = 3, .boots = 1, .generations = 2, .msr = msr };
	struct saved saved, fresh;
	struct vm *first, *second;

	first = parked(&want, &saved);
	want.no_set = has_table(first);
	second = parked(&want, &fresh);
	ASSERT(!memcmp(saved.state, fresh.state, sizeof(saved.state)));
	ASSERT_EQ(saved.state[1], KVM_MP_STATE_AP_RESET_HOLD);
	if (has_table(first)) {
		ASSERT_EQ(saved.table, TABLE(0));
		ASSERT_EQ(fresh.table, 0);
	}
	restore(second, &saved);
	go_on(first, second);
}

static void restored_after_firmware_by_nae(void)
{
	after_firmware(false);
}

static void restored_after_firmware_by_msr(void)
{
	after_firmware(true);
}

/* No firmware runs there: the APs are at their hold from the start. */
static void resumed_guest(unsigned long cpu)
{
	ap_firmware_resumed(WORK_PAGE);
	if (!WORLD->no_set)
		ap_jump_table_set(WORK_PAGE);
	if (WORLD->poke)
		poke();
	if (WORLD->init) {
		ap_step(STEP(KVM_MP_STATE_INIT_RECEIVED, STEP_KIND(ap_held())) | STEP_STILL);
		ap_os_prepare(ap_jump_table_get());
		ap_expect();
		ap_icr(SIPI);
		ap_await();
		ap_all_work();
	} else {
		ap_step(ap_held() | STEP_STILL);
		ap_os();
	}
	ap_check_arrivals();
}

/*
 * Registers of a protected vCPU stay where they are. What was measured for the
 * second VM is the state after the hold; with the MSR form it looks at the answer.
 */
static void fresh(const struct world *given)
{
	struct world want = *given;
	struct vm *first, *second;
	struct saved saved;

	want.low_table = 1;
	first = parked(&want, &saved);
	if (want.msr && !ap_has_kinds(first))
		test_skip("no SEVM_CAP_AP_HOLD");
	ASSERT_EQ(saved.state[1], want.init ? KVM_MP_STATE_INIT_RECEIVED :
		  KVM_MP_STATE_AP_RESET_HOLD);
	if (ap_has_kinds(first))
		ASSERT_EQ(saved.kind[1], want.msr ? SEVM_AP_HOLD_MSR : SEVM_AP_HOLD_NAE);
	want.no_set = has_table(first);
	second = ap_vm_create(resumed_guest, &want, want.msr ? WORK_RESUMED : WORK_ENTRY);
	restore(second, &saved);
	go_on(first, second);
}

static void restored_fresh_by_nae(void)
{
	fresh(&(struct world){ .aps = 3, .boots = 1, .generations = 2 });
}

static void restored_fresh_by_msr(void)
{
	fresh(&(struct world){ .aps = 3, .boots = 1, .generations = 2, .msr = 1 });
}

static void restored_by_nae_sleeps_through_nmis(void)
{
	fresh(&(struct world){ .aps = 3, .boots = 1, .generations = 1, .poke = 1 });
}

static void restored_by_msr_sleeps_through_nmis(void)
{
	fresh(&(struct world){ .aps = 3, .boots = 1, .generations = 1, .poke = 1, .msr = 1 });
}

static void restored_between_init_and_sipi_by_nae(void)
{
	fresh(&(struct world){ .aps = 3, .boots = 1, .init = 1 });
}

static void restored_between_init_and_sipi_by_msr(void)
{
	fresh(&(struct world){ .aps = 3, .boots = 1, .init = 1, .msr = 1 });
}

/* What nobody restored is not there, whatever another VM has. */
static void no_table_guest(unsigned long cpu)
{
	GUEST_ASSERT_EQ(ap_jump_table_get(), 0);
}

static void no_table_unless_restored(void)
{
	struct world want = { .aps = 1, .boots = 1, .generations = 1 };
	struct saved saved;
	struct vm *first = parked(&want, &saved);

	go_on(first, ap_vm_create(no_table_guest, &want, WORK_ENTRY));
}

TESTS = {
	CASE(firmware_to_third_os_by_nae),
	CASE(firmware_to_third_os_by_msr),
	CASE(guest_alone_by_nae),
	CASE(guest_alone_by_msr),
	CASE(sixty_four_vcpus_by_nae),
	CASE(sixty_four_vcpus_by_msr),
	CASE(first_sipi_runs_the_measured_state),
	CASE(sipi_alone_ends_no_nae_hold),
	CASE(sipi_alone_ends_no_msr_hold),
	CASE(init_alone_ends_no_nae_hold),
	CASE(init_alone_ends_no_msr_hold),
	CASE(init_and_sipi_to_aps_that_never_held),
	CASE(sipi_to_a_running_ap_is_lost),
	CASE(parked_by_nae_sleeps_through_nmis),
	CASE(parked_by_msr_sleeps_through_nmis),
	CASE(restored_after_firmware_by_nae),
	CASE(restored_after_firmware_by_msr),
	CASE(restored_fresh_by_nae),
	CASE(restored_fresh_by_msr),
	CASE(restored_by_nae_sleeps_through_nmis),
	CASE(restored_by_msr_sleeps_through_nmis),
	CASE(restored_between_init_and_sipi_by_nae),
	CASE(restored_between_init_and_sipi_by_msr),
	CASE(no_table_unless_restored),
	TESTS_END
};
