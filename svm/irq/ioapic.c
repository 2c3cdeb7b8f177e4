// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioapic.c - the 24-pin IOAPIC of KVM_CREATE_IRQCHIP, version 0x11.
 *
 * Lines come in from irq.c, messages go out through ipi.c, EOIs come back from
 * apic.c. Polarity is ignored: a line is active or it is not. No PIC, no RTC.
 *
 * ioapic->lock is taken in any context, hard interrupts included, and messages
 * are delivered under it (delivery takes no lock that leads back here).
 * Resamplers are told outside of it: they drive lines themselves.
 */
#include <linux/bits.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "apic.h"
#include "ioapic.h"
#include "irq.h"
#include "svm/kick.h"

#define WINDOW_SIZE	0x100
#define REG_SELECT	0x00
#define REG_WINDOW	0x10

/* What REG_SELECT chooses; two words for each pin from INDEX_PINS on. */
#define INDEX_ID	0x00
#define INDEX_VERSION	0x01
#define INDEX_ARB	0x02
#define INDEX_PINS	0x10

#define VERSION		0x11

/* A pin's entry */
#define PIN_VECTOR	GENMASK_ULL(7, 0)
#define PIN_LOGICAL	BIT_ULL(11)
#define PIN_STATUS	BIT_ULL(12)
#define PIN_REMOTE_IRR	BIT_ULL(14)
#define PIN_LEVEL	BIT_ULL(15)
#define PIN_MASKED	BIT_ULL(16)
#define PIN_READ_ONLY	(PIN_STATUS | PIN_REMOTE_IRR)

struct sevm_ioapic {
	spinlock_t lock;		/* all of what follows */
	u64 base;
	u32 select;
	u32 id;
	u32 irr;			/* pins whose line is active */
	u32 delivered;			/* edges among them that went out */
	unsigned long sources[SEVM_IOAPIC_PINS];	/* who holds the line active */
	u64 pins[SEVM_IOAPIC_PINS];
};

int sevm_ioapic_create(struct sevm_vm *vm)
{
	struct sevm_ioapic *ioapic = kzalloc(sizeof(*ioapic), GFP_KERNEL_ACCOUNT);
	unsigned int pin;

	if (!ioapic)
		return -ENOMEM;
	spin_lock_init(&ioapic->lock);
	ioapic->base = SEVM_IOAPIC_BASE;
	for (pin = 0; pin < SEVM_IOAPIC_PINS; pin++)
		ioapic->pins[pin] = PIN_MASKED;
	vm->ioapic = ioapic;
	return 0;
}

void sevm_ioapic_free(struct sevm_vm *vm)
{
	kfree(vm->ioapic);
	vm->ioapic = NULL;
}

/*
 * Lines. All with ioapic->lock held.
 */

/* Send a pin's message if it may go out now. As sevm_ioapic_set_line(). */
static int service(struct sevm_vm *vm, struct sevm_ioapic *ioapic, u32 pin)
{
	u64 entry = ioapic->pins[pin];
	struct sevm_irq_msg msg;
	int ret;

	if (entry & PIN_MASKED)
		return -1;
	if (entry & PIN_LEVEL && entry & PIN_REMOTE_IRR)
		return -1;

	msg = (struct sevm_irq_msg) {
		.dest = entry >> 56,
		.logical = entry & PIN_LOGICAL,
		.shorthand = SEVM_TO_DEST,
		.delivery = (entry >> 8) & 7,
		.vector = entry & PIN_VECTOR,
		.level = entry & PIN_LEVEL,
		.assert = true,
	};
	if (!msg.level)
		ioapic->delivered |= BIT(pin);
	ret = sevm_apic_deliver(vm, NULL, &msg);
	/* Nobody took it: nobody will send the EOI either. */
	if (ret > 0 && msg.level)
		ioapic->pins[pin] |= PIN_REMOTE_IRR;
	return ret;
}

static int set_line(struct sevm_vm *vm, struct sevm_ioapic *ioapic, u32 pin, bool level)
{
	u32 mask = BIT(pin), old = ioapic->irr;

	if (!level) {
		ioapic->irr &= ~mask;
		return 1;
	}
	ioapic->irr |= mask;
	if (!(ioapic->pins[pin] & PIN_LEVEL)) {
		ioapic->delivered &= ~mask;
		if (old & mask)
			return 0;	/* active already: not an edge */
	}
	return service(vm, ioapic, pin);
}

int sevm_ioapic_set_line(struct sevm_vm *vm, u32 pin, u32 source, bool level)
{
	struct sevm_ioapic *ioapic = vm->ioapic;
	unsigned long flags;
	int ret;

	if (!ioapic || pin >= SEVM_IOAPIC_PINS)
		return -1;
	spin_lock_irqsave(&ioapic->lock, flags);
	if (level)
		ioapic->sources[pin] |= BIT(source);
	else
		ioapic->sources[pin] &= ~BIT(source);
	ret = set_line(vm, ioapic, pin, ioapic->sources[pin]);
	spin_unlock_irqrestore(&ioapic->lock, flags);
	return ret;
}

/*
 * The registers
 */

static u32 read_register(struct sevm_ioapic *ioapic)
{
	u32 pin;

	switch (ioapic->select) {
	case INDEX_ID:
	case INDEX_ARB:
		return (ioapic->id & 0xf) << 24;
	case INDEX_VERSION:
		return (SEVM_IOAPIC_PINS - 1) << 16 | VERSION;
	}
	if (ioapic->select < INDEX_PINS)
		return ~0U;
	pin = (ioapic->select - INDEX_PINS) / 2;
	if (pin >= SEVM_IOAPIC_PINS)
		return ~0U;
	pin = array_index_nospec(pin, SEVM_IOAPIC_PINS);
	return ioapic->select & 1 ? ioapic->pins[pin] >> 32 : ioapic->pins[pin];
}

static void write_pin(struct sevm_vm *vm, struct sevm_ioapic *ioapic, u32 pin, bool high, u32 value)
{
	u64 *entry = &ioapic->pins[pin];
	u64 kept = *entry & PIN_READ_ONLY;

	if (high)
		*entry = (u32)*entry | (u64)value << 32;
	else
		*entry = (*entry & ~0xffffffffULL) | value;
	*entry = (*entry & ~PIN_READ_ONLY) | kept;
	/* Guests clear Remote IRR by making the pin edge-triggered for a moment. */
	if (!(*entry & PIN_LEVEL))
		*entry &= ~PIN_REMOTE_IRR;
	else if (ioapic->irr & BIT(pin))
		service(vm, ioapic, pin);
}

static void write_register(struct sevm_vm *vm, struct sevm_ioapic *ioapic, u32 value)
{
	u32 pin;

	if (ioapic->select == INDEX_ID)
		ioapic->id = (value >> 24) & 0xf;
	if (ioapic->select < INDEX_PINS)
		return;
	pin = (ioapic->select - INDEX_PINS) / 2;
	if (pin >= SEVM_IOAPIC_PINS)
		return;
	pin = array_index_nospec(pin, SEVM_IOAPIC_PINS);
	write_pin(vm, ioapic, pin, ioapic->select & 1, value);
}

bool sevm_ioapic_owns(struct sevm_vm *vm, sevm_gpa gpa)
{
	struct sevm_ioapic *ioapic = vm->ioapic;
	u64 base;

	if (!ioapic)
		return false;
	base = READ_ONCE(ioapic->base);
	return gpa >= base && gpa - base < WINDOW_SIZE;
}

void sevm_ioapic_read(struct sevm_vm *vm, u32 offset, u32 len, void *data)
{
	struct sevm_ioapic *ioapic = vm->ioapic;
	unsigned long flags;
	u32 value = 0;

	spin_lock_irqsave(&ioapic->lock, flags);
	switch (offset & 0xff) {
	case REG_SELECT:
		value = ioapic->select;
		break;
	case REG_WINDOW:
		value = read_register(ioapic);
		break;
	}
	spin_unlock_irqrestore(&ioapic->lock, flags);

	memset(data, 0, len);
	memcpy(data, &value, min_t(u32, len, sizeof(value)));
}

void sevm_ioapic_write(struct sevm_vm *vm, u32 offset, u32 len, const void *data)
{
	struct sevm_ioapic *ioapic = vm->ioapic;
	unsigned long flags;
	u32 value = 0;

	memcpy(&value, data, min_t(u32, len, sizeof(value)));

	spin_lock_irqsave(&ioapic->lock, flags);
	switch (offset & 0xff) {
	case REG_SELECT:
		ioapic->select = value & 0xff;
		break;
	case REG_WINDOW:
		write_register(vm, ioapic, value);
		break;
	}
	spin_unlock_irqrestore(&ioapic->lock, flags);
}

/*
 * EOIs
 */

static u32 pins_of_vector(struct sevm_ioapic *ioapic, u8 vector)
{
	u32 pin, pins = 0;

	for (pin = 0; pin < SEVM_IOAPIC_PINS; pin++) {
		if ((ioapic->pins[pin] & PIN_VECTOR) == vector)
			pins |= BIT(pin);
	}
	return pins;
}

static void end_pins(struct sevm_vm *vm, u8 vector, bool level)
{
	struct sevm_ioapic *ioapic = vm->ioapic;
	unsigned long flags, pins, pin;

	/*
	 * Edges matter to resamplers only, and most EOIs are of edges: keep
	 * them off the lock that all vCPUs share.
	 */
	if (!level && !READ_ONCE(vm->irq.resamplers))
		return;

	spin_lock_irqsave(&ioapic->lock, flags);
	pins = pins_of_vector(ioapic, vector);
	spin_unlock_irqrestore(&ioapic->lock, flags);

	/* First let the owners lower their lines, then look who is still up. */
	for_each_set_bit(pin, &pins, SEVM_IOAPIC_PINS)
		sevm_irq_ack_pin(vm, pin);
	if (!level)
		return;

	spin_lock_irqsave(&ioapic->lock, flags);
	for_each_set_bit(pin, &pins, SEVM_IOAPIC_PINS) {
		if (!(ioapic->pins[pin] & PIN_LEVEL))
			continue;
		ioapic->pins[pin] &= ~PIN_REMOTE_IRR;
		if (ioapic->irr & BIT(pin))
			service(vm, ioapic, pin);
	}
	spin_unlock_irqrestore(&ioapic->lock, flags);
}

void sevm_ioapic_eoi(struct sevm_vcpu *vcpu, u8 vector, bool level)
{
	struct sevm_vm *vm = vcpu->vm;

	if (vm->irqchip == SEVM_IRQCHIP_KERNEL) {
		end_pins(vm, vector, level);
	} else if (level && sevm_irq_eoi_to_user(vcpu, vector)) {
		vcpu->ioapic_eoi = vector;
		sevm_vcpu_request(vcpu, SEVM_REQ_IOAPIC_EOI);
	}
}

/*
 * State for userspace
 */

int sevm_ioapic_get_state(struct sevm_vm *vm, struct kvm_ioapic_state *state)
{
	struct sevm_ioapic *ioapic = vm->ioapic;
	unsigned long flags;
	unsigned int pin;

	BUILD_BUG_ON(SEVM_IOAPIC_PINS != KVM_IOAPIC_NUM_PINS);
	if (!ioapic)
		return -ENXIO;

	memset(state, 0, sizeof(*state));
	spin_lock_irqsave(&ioapic->lock, flags);
	state->base_address = ioapic->base;
	state->ioregsel = ioapic->select;
	state->id = ioapic->id;
	/* An edge that went out must not go out again where this is restored. */
	state->irr = ioapic->irr & ~ioapic->delivered;
	for (pin = 0; pin < SEVM_IOAPIC_PINS; pin++)
		state->redirtbl[pin].bits = ioapic->pins[pin];
	spin_unlock_irqrestore(&ioapic->lock, flags);
	return 0;
}

int sevm_ioapic_set_state(struct sevm_vm *vm, const struct kvm_ioapic_state *state)
{
	struct sevm_ioapic *ioapic = vm->ioapic;
	unsigned long flags;
	unsigned int pin;

	if (!ioapic)
		return -ENXIO;

	spin_lock_irqsave(&ioapic->lock, flags);
	WRITE_ONCE(ioapic->base, state->base_address);
	ioapic->select = state->ioregsel & 0xff;
	ioapic->id = state->id;
	ioapic->irr = 0;
	ioapic->delivered = 0;
	for (pin = 0; pin < SEVM_IOAPIC_PINS; pin++)
		ioapic->pins[pin] = state->redirtbl[pin].bits;
	for (pin = 0; pin < SEVM_IOAPIC_PINS; pin++) {
		if (state->irr & BIT(pin))
			set_line(vm, ioapic, pin, true);
	}
	spin_unlock_irqrestore(&ioapic->lock, flags);
	return 0;
}
