// SPDX-License-Identifier: GPL-2.0-only
/*
 * ports.c - the I/O ports: a UART, ACPI's sleep control, the ways to reset, and
 * the exit port. Everything else reads as all ones, as an empty bus does.
 *
 * The guest chooses port, size, count and data: a device sees only accesses of
 * a size that it has, to its first port. One lock serialises the platform.
 */
#include <string.h>

#include "sevm-run.h"

#define PM1A_EVENT	0x600
#define PM1A_CONTROL	0x604
#define PM1_SCI_EN	BIT(0)
#define PM1_SLP_TYP(v)	((v) >> 10 & 7)
#define PM1_SLP_EN	BIT(13)
#define SLP_TYP_S5	5		/* acpi.c says so in \_S5 */

struct port_range {
	uint16_t first, last;
	uint8_t sizes;			/* mask of 1, 2, 4 */
	uint32_t (*read)(uint16_t offset);
	void (*write)(struct vm *vm, uint16_t offset, uint32_t value);
};

static uint16_t pm1_enable;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint32_t uart_read(uint16_t offset)
{
	return serial_read(offset);
}

static void uart_write(struct vm *vm, uint16_t offset, uint32_t value)
{
	(void)vm;
	serial_write(offset, value);
}

static uint32_t zero_read(uint16_t offset)
{
	(void)offset;
	return 0;
}

static void ignore_write(struct vm *vm, uint16_t offset, uint32_t value)
{
	(void)vm;
	(void)offset;
	(void)value;
}

/* No event ever happens, but what ACPI enables must read back as enabled. */
static uint32_t pm1_event_read(uint16_t offset)
{
	if (offset == 0)
		return (uint32_t)pm1_enable << 16;	/* status: 0 */
	return offset == 2 ? pm1_enable : 0;
}

static void pm1_event_write(struct vm *vm, uint16_t offset, uint32_t value)
{
	(void)vm;
	if (offset == 2)
		pm1_enable = value;
}

/* ACPI is always on: there is no SMI command to turn it on with. */
static uint32_t pm1_control_read(uint16_t offset)
{
	(void)offset;
	return PM1_SCI_EN;
}

static void pm1_control_write(struct vm *vm, uint16_t offset, uint32_t value)
{
	(void)offset;
	if ((value & PM1_SLP_EN) && PM1_SLP_TYP(value) == SLP_TYP_S5)
		vm_end(vm, EXIT_OFF, "the guest powered off");
}

static void reset_control_write(struct vm *vm, uint16_t offset, uint32_t value)
{
	(void)offset;
	if (value & 4)
		vm_end(vm, EXIT_RESET, "the guest asked for a reset (port 0xcf9)");
}

static void keyboard_write(struct vm *vm, uint16_t offset, uint32_t value)
{
	(void)offset;
	if (value == 0xfe)
		vm_end(vm, EXIT_RESET, "the guest asked for a reset (keyboard controller)");
}

static uint32_t ones_read(uint16_t offset)
{
	(void)offset;
	return ~0u;
}

static void exit_write(struct vm *vm, uint16_t offset, uint32_t value)
{
	(void)offset;
	vm_end(vm, value & 0xff, "the guest ended with status %u", value & 0xff);
}

/* 0xcf9 is a reset only if written as a byte: 0xcf8 with four is PCI's address. */
static const struct port_range ranges[] = {
	{ 0x0064, 0x0064, 1, ones_read, keyboard_write },
	{ 0x0070, 0x0071, 1, zero_read, ignore_write },
	{ 0x00f4, 0x00f4, 1 | 2 | 4, ones_read, exit_write },
	{ 0x03f8, 0x03ff, 1, uart_read, uart_write },
	{ PM1A_EVENT, PM1A_EVENT + 3, 2 | 4, pm1_event_read, pm1_event_write },
	{ PM1A_CONTROL, PM1A_CONTROL, 1 | 2 | 4, pm1_control_read, pm1_control_write },
	{ 0x0cf9, 0x0cf9, 1, zero_read, reset_control_write },
};

static const struct port_range *find(uint16_t port, uint8_t size)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		if (port >= ranges[i].first && port <= ranges[i].last &&
		    (ranges[i].sizes & size))
			return &ranges[i];
	return NULL;
}

void port_access(struct vm *vm, bool out, uint16_t port, uint8_t size,
		 uint32_t count, void *data)
{
	const struct port_range *range = find(port, size);
	uint8_t *at = data;
	uint32_t value;

	if (!range) {
		if (!out)
			memset(data, 0xff, (size_t)size * count);
		return;
	}
	pthread_mutex_lock(&lock);
	for (; count; count--, at += size) {
		value = 0;
		if (out) {
			memcpy(&value, at, size);
			range->write(vm, port - range->first, value);
		} else {
			value = range->read(port - range->first);
			memcpy(at, &value, size);
		}
	}
	pthread_mutex_unlock(&lock);
}

/* Guest memory that is neither RAM nor in the hypervisor: the split IOAPIC, or nothing. */
void mmio_access(struct vm *vm, bool write, uint64_t gpa, uint32_t size, void *data)
{
	bool known;

	pthread_mutex_lock(&lock);
	known = irq_mmio(write, gpa, size, data);
	pthread_mutex_unlock(&lock);
	if (known)
		return;
	if (!write)
		memset(data, 0xff, size);
	if (vm->opt->verbose)
		note("MMIO: %s of %u bytes at 0x%llx: nothing there",
		     write ? "write" : "read", size, (unsigned long long)gpa);
}

/* What the terminal sent. */
void port_input(const uint8_t *data, size_t size)
{
	pthread_mutex_lock(&lock);
	serial_input(data, size);
	pthread_mutex_unlock(&lock);
}
