// SPDX-License-Identifier: GPL-2.0-only
/*
 * irq.c - interrupt lines: to the hypervisor's IOAPIC, or with a split irqchip
 * through an IOAPIC here, as MSIs.
 *
 * The one device with a line is the UART, and ISA lines are edge-triggered: a
 * level-triggered entry is delivered at the rising edge too and has no remote
 * IRR, so no EOI is needed. Caller holds the platform's lock (ports.c).
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "sevm-run.h"

#define PINS		24
#define IOAPIC_BASE	0xfec00000ULL
#define IOAPIC_SIZE	0x1000
#define IOREGSEL	0x00
#define IOWIN		0x10

#define REG_ID		0x00
#define REG_VERSION	0x01
#define REG_ARBITRATION	0x02
#define REG_TABLE	0x10
#define VERSION		(0x20 | (PINS - 1) << 16)

#define RTE_VECTOR	0xffULL
#define RTE_MODE	(7ULL << 8)
#define RTE_LOGICAL	BIT_ULL(11)
#define RTE_READ_ONLY	(BIT_ULL(12) | BIT_ULL(14))	/* status, remote IRR */
#define RTE_LEVEL	BIT_ULL(15)
#define RTE_MASKED	BIT_ULL(16)

static struct {
	struct vm *vm;
	uint32_t select;
	uint32_t id;
	uint64_t table[PINS];
	bool line[PINS];
} ioapic;

void irq_init(struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { PINS } };
	unsigned int i;

	ioapic.vm = vm;
	vm->split_irqchip = vm->opt->irqchip == IRQCHIP_SPLIT ||
			    (vm->opt->irqchip == IRQCHIP_AUTO && vm->sevm && !vm->opt->protected);
	for (i = 0; i < PINS; i++)
		ioapic.table[i] = RTE_MASKED;
	if (vm->split_irqchip) {
		if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
			die(EXIT_HOST, "KVM_CAP_SPLIT_IRQCHIP: %s", strerror(errno));
	} else if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0)) {
		die(EXIT_HOST, "KVM_CREATE_IRQCHIP: %s", strerror(errno));
	}
}

static void deliver(uint64_t rte)
{
	struct kvm_msi msi = { 0 };

	msi.address_lo = 0xfee00000 | (uint32_t)(rte >> 56) << 12;
	if (rte & RTE_LOGICAL)
		msi.address_lo |= BIT(2);
	msi.data = rte & (RTE_VECTOR | RTE_MODE);
	if (ioctl(ioapic.vm->fd, KVM_SIGNAL_MSI, &msi) < 0 && ioapic.vm->opt->verbose)
		note("KVM_SIGNAL_MSI: %s", strerror(errno));
}

void irq_set(unsigned int pin, bool level)
{
	struct kvm_irq_level irq = { .irq = pin, .level = level };
	bool rising = level && !ioapic.line[pin];

	ioapic.line[pin] = level;
	if (!ioapic.vm->split_irqchip) {
		if (ioctl(ioapic.vm->fd, KVM_IRQ_LINE, &irq) && ioapic.vm->opt->verbose)
			note("KVM_IRQ_LINE: %s", strerror(errno));
	} else if (rising && !(ioapic.table[pin] & RTE_MASKED)) {
		deliver(ioapic.table[pin]);
	}
}

static uint32_t window_read(void)
{
	unsigned int pin = (ioapic.select - REG_TABLE) / 2;

	switch (ioapic.select) {
	case REG_ID:
	case REG_ARBITRATION:
		return ioapic.id;
	case REG_VERSION:
		return VERSION;
	}
	if (ioapic.select < REG_TABLE || pin >= PINS)
		return 0;
	return ioapic.table[pin] >> (ioapic.select & 1 ? 32 : 0);
}

static void window_write(uint32_t value)
{
	unsigned int pin = (ioapic.select - REG_TABLE) / 2;
	uint64_t *rte;

	if (ioapic.select == REG_ID)
		ioapic.id = value & 0x0f000000;
	if (ioapic.select < REG_TABLE || pin >= PINS)
		return;
	rte = &ioapic.table[pin];
	if (ioapic.select & 1)
		*rte = (uint32_t)*rte | (uint64_t)value << 32;
	else
		*rte = (*rte & ~0xffffffffULL) | (value & 0x1ffff & ~RTE_READ_ONLY);
	/* A level that waits behind a mask is seen when the mask goes. */
	if (!(ioapic.select & 1) && (*rte & RTE_LEVEL) && !(*rte & RTE_MASKED) &&
	    ioapic.line[pin])
		deliver(*rte);
}

/* Is it ours? The registers are 32 bits wide. */
bool irq_mmio(bool write, uint64_t gpa, uint32_t size, void *data)
{
	uint32_t value = 0;
	uint64_t offset = gpa - IOAPIC_BASE;

	if (!ioapic.vm->split_irqchip || gpa < IOAPIC_BASE ||
	    offset >= IOAPIC_SIZE)
		return false;
	if (write) {
		memcpy(&value, data, size < 4 ? size : 4);
		if (offset == IOREGSEL)
			ioapic.select = value & 0xff;
		else if (offset == IOWIN)
			window_write(value);
		return true;
	}
	if (offset == IOREGSEL)
		value = ioapic.select;
	else if (offset == IOWIN)
		value = window_read();
	memset(data, 0, size);
	memcpy(data, &value, size < 4 ? size : 4);
	return true;
}
