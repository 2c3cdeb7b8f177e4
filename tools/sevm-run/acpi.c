// SPDX-License-Identifier: GPL-2.0-only
/*
 * acpi.c - the ACPI tables: what there is (APICs), and how to power off.
 *
 * RSDP, XSDT, FADT, FACS, DSDT and MADT, one after the other in one buffer.
 * They describe ports.c: PM1a at 0x600, sleep type 5, reset by 0xcf9.
 */
#include <string.h>

#include "sevm-run.h"

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __packed;

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t checksum_all;
	uint8_t reserved[3];
} __packed;

struct address {
	uint8_t space;			/* 1: port */
	uint8_t bits;
	uint8_t offset;
	uint8_t access;			/* 1, 2, 3: 1, 2, 4 bytes */
	uint64_t address;
} __packed;

struct fadt {
	struct header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t reserved1;
	uint8_t profile;
	uint16_t sci;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate_control;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control;
	uint32_t pm2_control, pm_timer, gpe0, gpe1;
	uint8_t pm1_event_length, pm1_control_length, pm2_control_length;
	uint8_t pm_timer_length, gpe0_length, gpe1_length, gpe1_base, cst_control;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved2;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint16_t arm_flags;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control;
	struct address x_pm2_control, x_pm_timer, x_gpe0, x_gpe1;
	struct address sleep_control, sleep_status;
} __packed;

struct facs {
	char signature[4];
	uint32_t length;
	uint32_t fields[4];
	uint64_t x_waking_vector;
	uint8_t version;
	uint8_t reserved[31];
} __packed;

struct madt {
	struct header header;
	uint32_t apic_base;
	uint32_t flags;
} __packed;

struct madt_cpu {
	uint8_t type, length, processor, apic_id;
	uint32_t flags;
} __packed;

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address;
	uint32_t gsi_base;
} __packed;

struct madt_override {
	uint8_t type, length, bus, source;
	uint32_t gsi;
	uint16_t flags;
} __packed;

#define BOOT_NO_VGA		BIT(2)
#define BOOT_NO_RTC		BIT(5)
#define FLAG_WBINVD		BIT(0)
#define FLAG_NO_POWER_BUTTON	BIT(4)
#define FLAG_NO_SLEEP_BUTTON	BIT(5)
#define FLAG_RESET		BIT(10)
#define MPS_EDGE_HIGH		0x5
#define MPS_LEVEL_HIGH		0xd

/* Name (\_S5, Package () { 5, 5, 0, 0 }) */
static const uint8_t dsdt_code[] = {
	0x08, '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, 5, 0x0a, 5, 0x00, 0x00,
};

/* The buffer: what was put last is at `used`. */
struct tables {
	uint8_t *at;
	size_t used, size;
	uint64_t gpa;
};

static void *put(struct tables *t, size_t size, size_t align, uint64_t *gpa)
{
	void *p;

	t->used = (t->used + align - 1) & ~(align - 1);
	if (size > t->size - t->used)
		die(EXIT_HOST, "internal: no room for the ACPI tables");
	p = t->at + t->used;
	if (gpa)
		*gpa = t->gpa + t->used;
	t->used += size;
	return p;
}

static uint8_t checksum(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (size--)
		sum += *p++;
	return -sum;
}

static void seal(struct header *h, const char *signature, uint8_t revision, size_t length)
{
	memcpy(h->signature, signature, 4);
	h->length = length;
	h->revision = revision;
	memcpy(h->oem_id, "SEVM  ", 6);
	memcpy(h->oem_table_id, "SEVMRUN ", 8);
	h->oem_revision = 1;
	memcpy(h->creator_id, "SEVM", 4);
	h->creator_revision = 1;
	h->checksum = 0;
	h->checksum = checksum(h, length);
}

static struct address port(uint16_t number, uint8_t bytes)
{
	return (struct address){
		.space = 1, .bits = bytes * 8, .access = bytes == 4 ? 3 : bytes,
		.address = number,
	};
}

static uint64_t put_dsdt(struct tables *t)
{
	uint64_t gpa;
	struct header *h = put(t, sizeof(*h) + sizeof(dsdt_code), 16, &gpa);

	memcpy(h + 1, dsdt_code, sizeof(dsdt_code));
	seal(h, "DSDT", 2, sizeof(*h) + sizeof(dsdt_code));
	return gpa;
}

static uint64_t put_facs(struct tables *t)
{
	uint64_t gpa;
	struct facs *facs = put(t, sizeof(*facs), 64, &gpa);

	memcpy(facs->signature, "FACS", 4);
	facs->length = sizeof(*facs);
	facs->version = 2;
	return gpa;
}

static uint64_t put_fadt(struct tables *t, uint64_t dsdt, uint64_t facs)
{
	uint64_t gpa;
	struct fadt *f = put(t, sizeof(*f), 16, &gpa);

	static_assert(sizeof(*f) == 268, "FADT of ACPI 5.0");
	f->facs = facs;
	f->dsdt = dsdt;
	f->x_dsdt = dsdt;
	f->sci = 9;
	f->pm1a_event = 0x600;
	f->pm1_event_length = 4;
	f->pm1a_control = 0x604;
	f->pm1_control_length = 2;
	f->c2_latency = 0xffff;		/* none */
	f->c3_latency = 0xffff;
	f->boot_flags = BOOT_NO_VGA | BOOT_NO_RTC;
	f->flags = FLAG_WBINVD | FLAG_NO_POWER_BUTTON | FLAG_NO_SLEEP_BUTTON | FLAG_RESET;
	f->reset = port(0xcf9, 1);
	f->reset_value = 6;
	f->x_pm1a_event = port(0x600, 4);
	f->x_pm1a_control = port(0x604, 2);
	seal(&f->header, "FACP", 5, sizeof(*f));
	return gpa;
}

static uint64_t put_madt(struct tables *t, unsigned int cpus)
{
	uint64_t gpa;
	struct madt *madt = put(t, sizeof(*madt), 16, &gpa);
	struct madt_ioapic *ioapic;
	unsigned int i;

	madt->apic_base = 0xfee00000;
	for (i = 0; i < cpus; i++)
		*(struct madt_cpu *)put(t, sizeof(struct madt_cpu), 1, NULL) =
			(struct madt_cpu){
				.type = 0, .length = sizeof(struct madt_cpu),
				.processor = i, .apic_id = i, .flags = 1,
			};
	ioapic = put(t, sizeof(*ioapic), 1, NULL);
	*ioapic = (struct madt_ioapic){
		.type = 1, .length = sizeof(*ioapic), .address = 0xfec00000,
	};
	*(struct madt_override *)put(t, sizeof(struct madt_override), 1, NULL) =
		(struct madt_override){
			.type = 2, .length = sizeof(struct madt_override),
			.source = 0, .gsi = 2, .flags = MPS_EDGE_HIGH,
		};
	*(struct madt_override *)put(t, sizeof(struct madt_override), 1, NULL) =
		(struct madt_override){
			.type = 2, .length = sizeof(struct madt_override),
			.source = 9, .gsi = 9, .flags = MPS_LEVEL_HIGH,
		};
	seal(&madt->header, "APIC", 3, t->gpa + t->used - gpa);
	return gpa;
}

/* Write the tables; the RSDP is first. The result is their size. */
size_t acpi_build(uint8_t *at, size_t size, uint64_t gpa, unsigned int cpus)
{
	struct tables t = { .at = at, .size = size, .gpa = gpa };
	struct rsdp *rsdp = put(&t, sizeof(*rsdp), 16, NULL);
	uint64_t table[2], dsdt, facs, gpa_xsdt;
	struct header *xsdt;

	xsdt = put(&t, sizeof(*xsdt) + sizeof(table), 16, &gpa_xsdt);
	dsdt = put_dsdt(&t);
	facs = put_facs(&t);
	table[0] = put_fadt(&t, dsdt, facs);
	table[1] = put_madt(&t, cpus);
	memcpy(xsdt + 1, table, sizeof(table));
	seal(xsdt, "XSDT", 1, sizeof(*xsdt) + sizeof(table));

	memcpy(rsdp->signature, "RSD PTR ", 8);
	memcpy(rsdp->oem_id, "SEVM  ", 6);
	rsdp->revision = 2;
	rsdp->xsdt = gpa_xsdt;
	rsdp->length = sizeof(*rsdp);
	rsdp->checksum = checksum(rsdp, 20);
	rsdp->checksum_all = checksum(rsdp, sizeof(*rsdp));
	return t.used;
}
