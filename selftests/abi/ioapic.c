// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioapic.c - the IOAPIC, its lines and its EOIs, to eventfds and to
 * userspace. Plain guests.
 */
#include <poll.h>

#include "irq.h"

#define MSI_LEVEL	0xc000
#define PIN_LEVEL	(1ULL << 15)
#define PIN_REMOTE_IRR	(1ULL << 14)
#define PIN_MASKED	(1ULL << 16)

static void get_ioapic(struct vm *vm, struct kvm_irqchip *chip)
{
	memset(chip, 0, sizeof(*chip));
	chip->chip_id = KVM_IRQCHIP_IOAPIC;
	ASSERT_OK(ioctl(vm->fd, KVM_GET_IRQCHIP, chip));
}

static void set_pin(struct vm *vm, unsigned int pin, u64 entry)
{
	struct kvm_irqchip chip;

	get_ioapic(vm, &chip);
	chip.chip.ioapic.redirtbl[pin].bits = entry;
	ASSERT_OK(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip));
}

static u64 get_pin(struct vm *vm, unsigned int pin)
{
	struct kvm_irqchip chip;

	get_ioapic(vm, &chip);
	return chip.chip.ioapic.redirtbl[pin].bits;
}

static void ioapic_state(void)
{
	struct vm *vm = vm_create(taker, &kernel);
	struct kvm_irqchip chip;
	unsigned int i;

	get_ioapic(vm, &chip);
	ASSERT_EQ(chip.chip.ioapic.base_address, 0xfec00000);
	ASSERT_EQ(chip.chip.ioapic.id, 0);
	ASSERT_EQ(chip.chip.ioapic.irr, 0);
	for (i = 0; i < 24; i++)
		ASSERT_EQ(chip.chip.ioapic.redirtbl[i].bits, PIN_MASKED);
	chip.chip_id = 3;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), EINVAL);

	/* Not one of the first 16: there KVM answers for its PIC. */
	ASSERT_EQ(set_line(vm, 20, 1), -1);
	get_ioapic(vm, &chip);
	ASSERT_EQ(chip.chip.ioapic.irr, 1 << 20);
	vm_free(vm);

	vm = vm_create(taker, &split);
	chip.chip_id = KVM_IRQCHIP_IOAPIC;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), ENXIO);
	vm_free(vm);
}

static void ioapic_edges(void)
{
	struct vm *vm = start_taker(&kernel);
	unsigned int i;

	set_pin(vm, 20, VECTOR);
	for (i = 1; i <= 100; i++) {
		ASSERT_EQ(set_line(vm, 20, 1), 1);
		wait_for(&HOST(vm)->count, i);
		/* Up already: no edge. */
		ASSERT_EQ(set_line(vm, 20, 1), 0);
		ASSERT_EQ(set_line(vm, 20, 0), 1);
	}
	ASSERT_EQ(HOST(vm)->count, 100);
	/* An edge that went out is not in the state. */
	set_line(vm, 20, 1);
	wait_for(&HOST(vm)->count, 101);
	set_pin(vm, 20, VECTOR);
	ASSERT_EQ(HOST(vm)->count, 101);
	set_pin(vm, 20, PIN_MASKED | VECTOR);
	set_line(vm, 20, 0);
	ASSERT_EQ(set_line(vm, 20, 1), -1);
	ASSERT_EQ(set_line(vm, 999, 1), -1);
	stop_taker(vm);
}

/* As long as the line is up, each EOI brings the next one. */
static void ioapic_levels(void)
{
	struct vm *vm = start_taker(&kernel);
	u64 n;

	set_pin(vm, 21, PIN_LEVEL | VECTOR);
	ASSERT_EQ(set_line(vm, 21, 1), 1);
	while (HOST(vm)->count < 50)
		usleep(50);
	set_line(vm, 21, 0);
	/* At most the one under way is still to come. */
	while (get_pin(vm, 21) & PIN_REMOTE_IRR)
		usleep(50);
	n = HOST(vm)->count;
	usleep(20000);
	ASSERT(HOST(vm)->count <= n + 1);
	n = HOST(vm)->count;
	ASSERT_EQ(set_line(vm, 21, 1), 1);
	while (HOST(vm)->count < n + 10)
		usleep(50);
	set_line(vm, 21, 0);
	stop_taker(vm);
}

static void wait_eventfd(int fd, u64 want)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	u64 seen = 0;

	while (seen < want) {
		ASSERT_EQ(poll(&pollfd, 1, 10000), 1);
		seen += drain(fd);
	}
	ASSERT_EQ(seen, want);
}

/* An irqfd's level: the EOI lowers it and signals its owner. */
static void resample(void)
{
	struct vm *vm = start_taker(&kernel);
	int fd = new_eventfd(0), resampled = new_eventfd(0);
	int fd2 = new_eventfd(0), told2 = new_eventfd(0);
	unsigned int i;

	set_pin(vm, 22, PIN_LEVEL | VECTOR);
	ASSERT_OK(irqfd(vm, fd, 22, KVM_IRQFD_FLAG_RESAMPLE, resampled));
	for (i = 1; i <= 200; i++) {
		raise_eventfd(fd);
		wait_eventfd(resampled, 1);
		wait_for(&HOST(vm)->count, i);
	}
	/* Two that share the line are both signalled. */
	ASSERT_OK(irqfd(vm, fd2, 22, KVM_IRQFD_FLAG_RESAMPLE, told2));
	raise_eventfd(fd2);
	wait_eventfd(resampled, 1);
	wait_eventfd(told2, 1);
	ASSERT_OK(irqfd(vm, fd, 22, KVM_IRQFD_FLAG_DEASSIGN, 0));
	ASSERT_OK(irqfd(vm, fd2, 22, KVM_IRQFD_FLAG_DEASSIGN, 0));
	wait_for(&HOST(vm)->count, 201);
	ASSERT(!(get_pin(vm, 22) & PIN_REMOTE_IRR));
	stop_taker(vm);
}

/* A split irqchip: the EOI of a level-triggered vector of a reserved pin goes to userspace. */
static void level_guest(unsigned long cpu)
{
	guest_set_handler(VECTOR, on_vector);
	guest_set_handler(OTHER_VECTOR, on_vector);
	x2apic_enable();
	guest_sync(1);
	while (GUEST->eois < 3)
		sti_hlt_cli();
	guest_done();
}

static void eois_go_to_userspace(void)
{
	struct vm *vm = vm_create(level_guest, &split);
	struct vcpu *vcpu = &vm->vcpu[0];

	ASSERT_OK(ROUTES(vm, msi_route(4, MSI_ADDRESS, MSI_LEVEL | VECTOR),
			 msi_route(5, MSI_ADDRESS, OTHER_VECTOR),
			 msi_route(24, MSI_ADDRESS, MSI_LEVEL | OTHER_VECTOR)));
	ASSERT_EQ(vcpu_run(vcpu), UCALL_SYNC);
	set_line(vm, 5, 1);		/* an edge: nobody asks */
	set_line(vm, 4, 1);
	ASSERT_EQ(vcpu_run_to_exit(vcpu), KVM_EXIT_IOAPIC_EOI);
	ASSERT_EQ(vcpu->run->eoi.vector, VECTOR);
	set_line(vm, 24, 1);		/* beyond the reserved pins: nobody asks */
	ASSERT_EQ(vcpu_run(vcpu), UCALL_DONE);
	ASSERT_EQ(HOST(vm)->count, 3);
	vm_free(vm);
}

TESTS = {
	CASE(ioapic_state),
	CASE(ioapic_edges),
	CASE(ioapic_levels),
	CASE(resample),
	CASE(eois_go_to_userspace),
	TESTS_END
};
