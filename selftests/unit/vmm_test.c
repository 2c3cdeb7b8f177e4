// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmm_test.c - what sevm-run does with what a guest gives it: instructions
 * (assist.c), and any access to any port or to the IOAPIC; and its ACPI tables.
 */
#include <stdlib.h>

#include "tap.h"
#include "../../tools/sevm-run/acpi.c"
#include "../../tools/sevm-run/assist.c"
#include "../../tools/sevm-run/irq.c"
#include "../../tools/sevm-run/ports.c"
#include "../../tools/sevm-run/serial.c"

/* --- what the rest of sevm-run would do ---------------------------------------- */

static char sent[64];
static unsigned int sent_count, ends;
static int end_status;

void die(int status, const char *fmt, ...)
{
	(void)fmt;
	exit(100 + status);
}

void note(const char *fmt, ...)
{
	(void)fmt;
}

void vm_end(struct vm *vm, int status, const char *fmt, ...)
{
	(void)vm;
	(void)fmt;
	ends++;
	end_status = status;
}

void console_put(__u8 c)
{
	sent[sent_count++ % sizeof(sent)] = c;
}

/* --- instructions ----------------------------------------------------------------- */

static const struct {
	const char *text;
	__u8 insn[15];
	__u8 length;
	bool write;
	__u8 size, reg;
	__u64 immediate;
} moves[] = {
	{ "mov (%rax),%eax", { 0x8b, 0x00 }, 2, false, 4, 0, 0 },
	{ "mov %esi,0x10(%rax)", { 0x89, 0x70, 0x10 }, 3, true, 4, 6, 0 },
	{ "mov %ebx,(%rax,%rcx,4)", { 0x89, 0x1c, 0x88 }, 3, true, 4, 3, 0 },
	{ "mov 0x1000(%r13),%r9d", { 0x45, 0x8b, 0x8d, 0, 0x10, 0, 0 }, 7, false, 4, 9, 0 },
	{ "mov (%r12),%al", { 0x41, 0x8a, 0x04, 0x24 }, 4, false, 1, 0, 0 },
	{ "mov %ah,(%rbx)", { 0x88, 0x23 }, 2, true, 1, 0, 0 },
	{ "mov %sil,(%rbx)", { 0x40, 0x88, 0x33 }, 3, true, 1, 6, 0 },
	{ "movl $5,(%rax)", { 0xc7, 0x00, 5, 0, 0, 0 }, 6, true, 4, 0, 5 },
	{ "movb $5,4(%rax)", { 0xc6, 0x40, 4, 5 }, 4, true, 1, 0, 5 },
	{ "movw $5,(%r15,%rax)", { 0x66, 0x41, 0xc7, 0x04, 0x07, 5, 0 }, 7, true, 2, 0, 5 },
	{ "movq $-5,8(%rsp)", { 0x48, 0xc7, 0x44, 0x24, 8, 0xfb, 0xff, 0xff, 0xff }, 9,
	  true, 8, 0, -5ULL },
	{ "movzbl (%rax),%ecx", { 0x0f, 0xb6, 0x08 }, 3, false, 1, 1, 0 },
	{ "movzwl (%rax),%r8d", { 0x44, 0x0f, 0xb7, 0x00 }, 4, false, 2, 8, 0 },
	{ "movsbq (%rdi),%rdx", { 0x48, 0x0f, 0xbe, 0x17 }, 4, false, 1, 2, 0 },
	{ "mov %rdx,0(%rip)", { 0x48, 0x89, 0x15, 0, 0, 0, 0 }, 7, true, 8, 2, 0 },
	{ "mov 4(%rip),%dx", { 0x66, 0x8b, 0x15, 4, 0, 0, 0 }, 7, false, 2, 2, 0 },
	{ "mov %eax,%gs:(%rbx)", { 0x65, 0x89, 0x03 }, 3, true, 4, 0, 0 },
	{ "mov 0x12345678,%ecx", { 0x8b, 0x0c, 0x25, 0x78, 0x56, 0x34, 0x12 }, 7, false, 4, 1, 0 },
	{ "mov %eax,(%ecx)", { 0x67, 0x89, 0x01 }, 3, true, 4, 0, 0 },
};

static const struct {
	const char *text;
	__u8 insn[4];
	__u8 length;
} others[] = {
	{ "add %eax,(%rbx)", { 0x01, 0x03 }, 2 },
	{ "mov %eax,%ebx", { 0x89, 0xc3 }, 2 },
	{ "stos", { 0xf3, 0xaa }, 2 },
	{ "a prefix alone", { 0x66 }, 1 },
	{ "nothing", { 0 }, 0 },
	{ "a mov cut short", { 0x89, 0x70 }, 2 },
};

static void test_decode(void)
{
	struct access a;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(moves); i++)
		tap_ok(decode(&a, moves[i].insn, moves[i].length) &&
		       a.length == moves[i].length && a.write == moves[i].write &&
		       a.size == moves[i].size && a.reg == moves[i].reg &&
		       a.immediate == moves[i].immediate, "decoded: %s", moves[i].text);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		tap_ok(!decode(&a, others[i].insn, others[i].length), "left alone: %s",
		       others[i].text);
}

static void test_load(void)
{
	struct kvm_regs regs = { .rax = ~0ULL, .rcx = ~0ULL };
	struct access a = { .size = 4, .target = 4, .reg = 0 };

	load(&regs, &a, 0x12345678);
	tap_eq(regs.rax, 0x12345678, "a load of 4 bytes clears the upper half");
	a = (struct access){ .size = 1, .target = 1, .reg = 1, .high_byte = true };
	load(&regs, &a, 0x12);
	tap_eq(regs.rcx, 0xffffffffffff12ff, "a load into CH keeps the rest of RCX");
	a = (struct access){ .size = 1, .target = 8, .reg = 1, .sign_extend = true };
	load(&regs, &a, 0x80);
	tap_eq(regs.rcx, 0xffffffffffffff80, "a sign-extending load fills RCX");
}

/* --- accesses ------------------------------------------------------------------- */

static void outb(struct vm *vm, __u16 port, __u8 value)
{
	port_access(vm, true, port, 1, 1, &value);
}

static __u8 inb(struct vm *vm, __u16 port)
{
	__u8 value;

	port_access(vm, false, port, 1, 1, &value);
	return value;
}

static void test_serial(struct vm *vm)
{
	outb(vm, 0x3fb, 0x03);
	outb(vm, 0x3f9, 0x00);
	tap_eq(inb(vm, 0x3fa), IIR_NONE, "a quiet UART has no interrupt");
	outb(vm, 0x3f9, IER_TX);
	tap_eq(inb(vm, 0x3fa), IIR_TX, "enabling it makes a \"transmitter empty\" interrupt");
	tap_eq(inb(vm, 0x3fa), IIR_NONE, "and reading IIR ends it");
	outb(vm, 0x3f8, 'x');
	tap_ok(sent_count == 1 && sent[0] == 'x', "what the guest sends arrives");
	outb(vm, 0x3fc, MCR_LOOP | MCR_OUT2 | MCR_RTS);
	tap_eq(inb(vm, 0x3fe) & 0xf0, MSR_DCD | MSR_CTS, "loopback shows MCR in MSR");
	outb(vm, 0x3f8, 'y');
	tap_ok(sent_count == 1 && inb(vm, 0x3f8) == 'y', "and sends to itself");
	outb(vm, 0x3fc, 0);
}

static void test_ports(struct vm *vm)
{
	__u32 value = 0x80000000;

	port_access(vm, true, 0xcf8, 4, 1, &value);
	tap_eq(ends, 0, "PCI's address port is not the reset port");
	tap_eq(inb(vm, 0x1234), 0xff, "an absent port reads as all ones");
	outb(vm, 0xcf9, 6);
	tap_ok(ends == 1 && end_status == EXIT_RESET, "0xcf9 resets");
	value = 1 << 13;
	port_access(vm, true, 0x604, 2, 1, &value);
	tap_eq(ends, 1, "another sleep type is none");
	value |= 5 << 10;
	port_access(vm, true, 0x604, 2, 1, &value);
	tap_ok(ends == 2 && end_status == EXIT_OFF, "sleep type 5 powers off");
	outb(vm, 0xf4, 42);
	tap_eq(end_status, 42, "0xf4 ends with the guest's status");
}

/* Under ASan and UBSan: any access is survived, and writes stay in its data. */
static void test_anything(struct vm *vm)
{
	static const __u16 ports[] = { 0x3f8, 0x3ff, 0x600, 0x604, 0x64, 0x70, 0xcf8, 0xcf9 };
	__u8 sizes[] = { 1, 2, 4 }, *data, size;
	__u32 count;
	bool ok = true;
	int i;

	srand(1);
	for (i = 0; i < 200000; i++) {
		size = sizes[rand() % 3];
		count = rand() % 8;
		data = malloc(size * count + 1);
		memset(data, rand(), size * count);
		data[size * count] = 0x5a;
		port_access(vm, rand() & 1, ports[rand() % 8] + rand() % 8, size, count, data);
		ok = ok && data[size * count] == 0x5a;
		free(data);

		size = 1 + rand() % 8;
		data = malloc(size);
		memset(data, rand(), size);
		mmio_access(vm, rand() & 1, IOAPIC_BASE + (rand() & 1 ? rand() % 0x20 : rand()),
			    size, data);
		free(data);
	}
	tap_ok(ok, "200000 accesses of any kind");
}

/* --- tables --------------------------------------------------------------------- */

static void test_acpi(void)
{
	static __u8 buffer[8192];
	const __u8 *p = buffer;
	size_t size = acpi_build(buffer, sizeof(buffer), 0xe0000, MAX_CPUS);
	__u64 xsdt, table;
	bool sums = true;
	__u32 length;
	int i;

	tap_ok(size <= sizeof(buffer), "the tables of %d CPUs fit (%zu bytes)", MAX_CPUS, size);
	tap_ok(!memcmp(p, "RSD PTR ", 8) && !checksum(p, 20) && !checksum(p, 36),
	       "the RSDP's checksums are right");
	memcpy(&xsdt, p + 24, sizeof(xsdt));
	p = buffer + (xsdt - 0xe0000);
	memcpy(&length, p + 4, sizeof(length));
	sums = !checksum(p, length);
	for (i = 0; i < 2; i++) {
		memcpy(&table, p + 36 + 8 * i, sizeof(table));
		memcpy(&length, buffer + (table - 0xe0000) + 4, sizeof(length));
		sums = sums && !checksum(buffer + (table - 0xe0000), length);
	}
	tap_ok(sums, "and so are those of the XSDT and its tables");
}

int main(void)
{
	struct options opt = { .cpus = 1 };
	struct vm vm = { .opt = &opt, .fd = -1, .split_irqchip = true };

	ioapic.vm = &vm;
	test_decode();
	test_load();
	test_serial(&vm);
	test_ports(&vm);
	test_anything(&vm);
	test_acpi();
	return tap_done();
}
