// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest.c - the test guest's machine: descriptor tables, exceptions, ucalls.
 */
#include "guest.h"

struct guest_cpu guest_cpus[GUEST_MAX_VCPUS];
volatile u64 guest_es;
volatile u64 guest_cbit;
volatile u32 guest_ghcb_version;

struct gate {
	u16 low, selector;
	u8 ist, type;
	u16 middle;
	u32 high, zero;
} __attribute__((packed));

struct table {
	u16 limit;
	u64 base;
} __attribute__((packed));

static struct gate idt[256];
static guest_handler handlers[256];
/* Per CPU, since each has a TSS. The host points the VMSA's GDTR here too. */
u64 guest_gdt[GUEST_MAX_VCPUS][8];

static void set_gate(unsigned int vector)
{
	u64 target = (u64)guest_stubs + vector * 16;

	idt[vector] = (struct gate){
		.low = target, .middle = target >> 16, .high = target >> 32,
		.selector = GUEST_CS,
		.type = vector == 3 ? 0xee : 0x8e,
	};
}

static void load_tables(struct guest_cpu *cpu)
{
	u64 *gdt = guest_gdt[cpu->index];
	u64 tss = (u64)cpu->tss;
	struct table gdtr = { sizeof(guest_gdt[0]) - 1, (u64)gdt };
	struct table idtr = { sizeof(idt) - 1, (u64)idt };

	gdt[GUEST_CS / 8] = 0x00af9b000000ffffULL;
	gdt[GUEST_DS / 8] = 0x00cf93000000ffffULL;
	gdt[GUEST_USER_CS / 8] = 0x00affb000000ffffULL;
	gdt[GUEST_USER_DS / 8] = 0x00cff3000000ffffULL;
	gdt[GUEST_TSS / 8] = 0x67 | (tss & 0xffffff) << 16 | 0x89ULL << 40 |
			     (tss >> 24 & 0xff) << 56;
	gdt[GUEST_TSS / 8 + 1] = tss >> 32;
	/* RSP0 at offset 4: exceptions from user mode */
	*(u64 *)((char *)cpu->tss + 4) = GUEST_STACK_TOP(cpu->index) - GUEST_STACK_SIZE / 2;
	asm volatile("lgdt %0; lidt %1; ltr %w2"
		     :: "m"(gdtr), "m"(idtr), "r"(GUEST_TSS) : "memory");
}

void guest_setup(u64 index);
void guest_setup(u64 index)
{
	struct guest_cpu *cpu = &guest_cpus[index];
	unsigned int i;

	cpu->self = cpu;
	cpu->index = index;
	for (i = 0; i < 256; i++)
		set_gate(i);
	load_tables(cpu);
}

void guest_set_handler(u8 vector, guest_handler handler)
{
	handlers[vector] = handler;
}

void guest_trap(struct guest_regs *regs);
void guest_trap(struct guest_regs *regs)
{
	struct guest_cpu *cpu = guest_cpu();
	guest_handler handler = handlers[regs->vector];

	if (handler && handler(regs))
		return;
	if (regs->vector == 29 && guest_vc(regs))
		return;
	if (cpu->tries) {
		cpu->tries = 0;
		cpu->try_vector = regs->vector;
		cpu->try_error = regs->error;
		cpu->try_rip = regs->rip;
		__builtin_longjmp(cpu->try_resume, 1);
	}
	guest_fail("exception: vector, error code follow; at", (int)regs->rip,
		   "unexpected", regs->vector, regs->error);
}

struct ucall *guest_ucall(void)
{
	return (struct ucall *)GUEST_UCALL(guest_cpu()->index);
}

static void ucall(u64 cmd)
{
	guest_ucall()->cmd = cmd;
	asm volatile("" ::: "memory");
	outl(GUEST_UCALL_PORT, (u32)guest_cpu()->index);
}

void guest_sync(u64 stage)
{
	guest_ucall()->args[0] = stage;
	ucall(UCALL_SYNC);
}

void guest_done(void)
{
	for (;;)
		ucall(UCALL_DONE);
}

static char *put(char *p, char *end, const char *s)
{
	while (*s && p < end)
		*p++ = *s++;
	return p;
}

static char *put_hex(char *p, char *end, u64 v)
{
	int shift = 60;

	p = put(p, end, "0x");
	while (shift && !(v >> shift))
		shift -= 4;
	for (; shift >= 0 && p < end; shift -= 4)
		*p++ = "0123456789abcdef"[v >> shift & 15];
	return p;
}

void guest_print(const char *s, u64 a, u64 b)
{
	char *p = guest_ucall()->msg, *end = p + sizeof(guest_ucall()->msg) - 1;
	u64 values[2] = { a, b };
	int n = 0;

	while (*s && p < end) {
		if (s[0] == '%' && s[1] == 'x' && n < 2) {
			p = put_hex(p, end, values[n++]);
			s += 2;
		} else {
			*p++ = *s++;
		}
	}
	*p = 0;
	ucall(UCALL_PRINT);
}

void guest_fail(const char *file, int line, const char *what, u64 a, u64 b)
{
	char *p = guest_ucall()->msg, *end = p + sizeof(guest_ucall()->msg) - 1;

	p = put(p, end, file);
	p = put(p, end, ":");
	p = put_hex(p, end, line);
	p = put(p, end, ": ");
	p = put(p, end, what);
	p = put(p, end, ": ");
	p = put_hex(p, end, a);
	p = put(p, end, ", ");
	p = put_hex(p, end, b);
	*p = 0;
	for (;;)
		ucall(UCALL_FAIL);
}

void x2apic_enable(void)
{
	wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
	x2apic_write(APIC_SVR, 0x1ff);
}

void guest_wake_ap(u32 apic_id)
{
	x2apic_icr(apic_id, ICR_INIT | ICR_LEVEL_ASSERT);
	x2apic_icr(apic_id, ICR_STARTUP | ICR_LEVEL_ASSERT | 0x10);
	x2apic_icr(apic_id, ICR_STARTUP | ICR_LEVEL_ASSERT | 0x10);
}

/*
 * The compiler makes calls to these; libc's pick variants by CPU at startup,
 * which a guest has not run.
 */
void *memcpy(void *to, const void *from, size_t n)
{
	void *ret = to;

	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) :: "memory");
	return ret;
}

void *memset(void *to, int v, size_t n)
{
	void *ret = to;

	asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(v) : "memory");
	return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;

	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}
