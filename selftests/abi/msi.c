// SPDX-License-Identifier: GPL-2.0-only
/*
 * msi.c - MSIs and the GSI routes to them. Plain guests.
 */
#include "irq.h"

/*
 * GSI routes
 */

static struct kvm_irq_routing_entry pin_route(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

static void routes_that_are_wrong(void)
{
	struct vm *vm = vm_create(taker, &kernel);
	struct kvm_irq_routing head = { .nr = 4097 };
	struct kvm_irq_routing_entry bad = msi_route(30, MSI_ADDRESS, VECTOR);

	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &head), EINVAL);
	head.nr = 0;
	head.flags = 1;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &head), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, NULL), EFAULT);
	head.flags = 0;
	ASSERT_OK(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &head));

	bad.flags = 2;
	ASSERT_ERRNO(ROUTES(vm, bad), EINVAL);
	bad.flags = KVM_MSI_VALID_DEVID;
	ASSERT_OK(ROUTES(vm, bad));
	bad.flags = 0;
	bad.type = 77;
	ASSERT_ERRNO(ROUTES(vm, bad), EINVAL);
	bad = pin_route(4, 2, 4);
	bad.flags = KVM_MSI_VALID_DEVID;
	ASSERT_ERRNO(ROUTES(vm, bad), EINVAL);

	ASSERT_ERRNO(ROUTES(vm, msi_route(4096, MSI_ADDRESS, VECTOR)), EINVAL);
	ASSERT_OK(ROUTES(vm, msi_route(4095, MSI_ADDRESS, VECTOR)));

	ASSERT_OK(ROUTES(vm, pin_route(0, 0, 7), pin_route(1, 1, 7), pin_route(2, 2, 23)));
	ASSERT_ERRNO(ROUTES(vm, pin_route(0, 0, 8)), EINVAL);
	ASSERT_ERRNO(ROUTES(vm, pin_route(0, 1, 8)), EINVAL);
	ASSERT_ERRNO(ROUTES(vm, pin_route(0, 2, 24)), EINVAL);
	ASSERT_ERRNO(ROUTES(vm, pin_route(0, 3, 0)), EINVAL);

	/* One GSI: one pin of each chip, or one MSI. */
	ASSERT_OK(ROUTES(vm, pin_route(5, 0, 5), msi_route(6, MSI_ADDRESS, VECTOR),
			 pin_route(5, 2, 5)));
	ASSERT_ERRNO(ROUTES(vm, pin_route(5, 2, 5), pin_route(5, 2, 6)), EINVAL);
	ASSERT_ERRNO(ROUTES(vm, pin_route(5, 2, 5), msi_route(5, MSI_ADDRESS, VECTOR)), EINVAL);
	ASSERT_ERRNO(ROUTES(vm, msi_route(5, MSI_ADDRESS, VECTOR), pin_route(5, 2, 5)), EINVAL);
	ASSERT_ERRNO(ROUTES(vm, msi_route(5, MSI_ADDRESS, VECTOR),
			    msi_route(5, MSI_ADDRESS, VECTOR)), EINVAL);
	vm_free(vm);

	vm = vm_create(taker, &split);
	ASSERT_ERRNO(ROUTES(vm, pin_route(5, 2, 5)), EINVAL);
	ASSERT_OK(ROUTES(vm, msi_route(5, MSI_ADDRESS, VECTOR)));
	vm_free(vm);

	vm = vm_create(taker, &none);
	ASSERT_ERRNO(ROUTES(vm, msi_route(5, MSI_ADDRESS, VECTOR)), EINVAL);
	vm_free(vm);
}

static void most_routes(void)
{
	struct kvm_irq_routing_entry *entries = calloc(4096, sizeof(*entries));
	struct vm *vm = start_taker(&split);
	struct kvm_irq_level line;
	unsigned int i;

	/* In no order: each GSI finds its own. */
	for (i = 0; i < 4096; i++)
		entries[i] = msi_route(i * 1031 % 4096, MSI_ADDRESS,
				       i * 1031 % 4096 % 2 ? VECTOR : OTHER_VECTOR);
	ASSERT_OK(set_routes(vm, 4096, entries));
	for (i = 0; i < 100; i++) {
		line.irq = 4095 - i;
		line.level = 1;
		ASSERT_OK(ioctl(vm->fd, KVM_IRQ_LINE, &line));
		wait_for(&HOST(vm)->count, i / 2 + 1);
		wait_for(&HOST(vm)->other, (i + 1) / 2);
	}
	free(entries);
	stop_taker(vm);
}

/*
 * MSIs
 */

static void msis(void)
{
	struct vm *vm = vm_create(taker, &split2);
	struct kvm_msi flags = { .address_lo = MSI_ADDRESS, .data = VECTOR, .flags = 1 << 4 };
	unsigned int i;

	ASSERT_ERRNO(ioctl(vm->fd, KVM_SIGNAL_MSI, &flags), EINVAL);
	/* The guest has not enabled its APIC: blocked. */
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS, VECTOR), 0);
	/* Nobody there */
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS | 9 << 12, VECTOR), 0);
	vm_free(vm);

	vm = start_taker(&split2);
	for (i = 1; i <= 500; i++) {
		ASSERT_EQ(signal_msi(vm, MSI_ADDRESS | (i & 1) << 12, VECTOR), 1);
		wait_for(&HOST(vm)->count, i);
	}
	ASSERT_EQ(HOST(vm)->cpu[0], 250);
	ASSERT_EQ(HOST(vm)->cpu[1], 250);
	/* Broadcast, and logical: x2APIC cluster 0, both of it */
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS | 0xff << 12, VECTOR), 2);
	wait_for(&HOST(vm)->cpu[0], 251);
	wait_for(&HOST(vm)->cpu[1], 251);
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS | 3 << 12 | 4, VECTOR), 2);
	wait_for(&HOST(vm)->cpu[0], 252);
	wait_for(&HOST(vm)->cpu[1], 252);
	/* Lowest priority: one of the two */
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS | 3 << 12 | 0xc, VECTOR | 0x100), 1);
	while (HOST(vm)->cpu[0] + HOST(vm)->cpu[1] < 505)
		usleep(50);
	stop_taker(vm);

	vm = vm_create(taker, &none);
	ASSERT_ERRNO(signal_msi(vm, MSI_ADDRESS, VECTOR), EINVAL);
	vm_free(vm);
}

/* IDs above 255 are of use only with KVM_CAP_X2APIC_API. */
static void wide_msis(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X2APIC_API, .args = { 3 } };
	struct kvm_lapic_state lapic;
	struct vm *vm = vm_create(taker, &split);

	cap.args[0] = 4;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), EINVAL);
	cap.args[0] = 3;
	ASSERT_OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	ASSERT_ERRNO(signal_msi(vm, 1ULL << 32 | MSI_ADDRESS, VECTOR), EINVAL);
	ASSERT_EQ(signal_msi(vm, 1ULL << 40 | MSI_ADDRESS, VECTOR), 0);
	ASSERT_ERRNO(ROUTES(vm, msi_route(5, 1ULL << 32 | MSI_ADDRESS, VECTOR)), EINVAL);
	ASSERT_OK(ROUTES(vm, msi_route(5, 1ULL << 40 | MSI_ADDRESS, VECTOR)));
	vcpu_start(&vm->vcpu[0]);
	while (!HOST(vm)->up)
		usleep(100);
	/* The broadcast quirk is off: 0xff is an ID. */
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS | 0xff << 12, VECTOR), 0);
	ASSERT_EQ(signal_msi(vm, 0xffffff00ULL << 32 | MSI_ADDRESS | 0xff << 12, VECTOR), 1);
	wait_for(&HOST(vm)->count, 1);
	HOST(vm)->stop = 1;
	ASSERT_EQ(signal_msi(vm, MSI_ADDRESS, OTHER_VECTOR), 1);
	vcpu_join(&vm->vcpu[0]);

	/* And the state of the APIC has all 32 bits, which must be right. */
	ASSERT_OK(ioctl(vm->vcpu[0].fd, KVM_GET_LAPIC, &lapic));
	ASSERT_OK(ioctl(vm->vcpu[0].fd, KVM_SET_LAPIC, &lapic));
	lapic.regs[APIC_ID] = 1;
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_LAPIC, &lapic), EINVAL);
	vm_free(vm);
}

TESTS = {
	CASE(routes_that_are_wrong),
	CASE(most_routes),
	CASE(msis),
	CASE(wide_msis),
	TESTS_END
};
