/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest.h - what a guest function of a test may call. Nothing of libc works
 * in a guest.
 */
#ifndef SELFTESTS_GUEST_H
#define SELFTESTS_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/layout.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

/* --- the machine -------------------------------------------------------- */

struct guest_regs {		/* as start.S pushes them */
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

struct guest_cpu {
	struct guest_cpu *self;	/* %gs:0 */
	u64 index;		/* %gs:8 */
	bool ghcb_registered;
	volatile bool ghcb_busy;
	u64 vc_count;		/* #VC taken on this CPU */
	u64 last_vc;		/* its error code */
	u64 tries;		/* guest_try(): see below */
	u64 try_vector, try_error, try_rip;
	void *try_resume[8];	/* __builtin_setjmp buffer */
	u64 tss[14];
};

extern struct guest_cpu guest_cpus[GUEST_MAX_VCPUS];
extern volatile u64 guest_es;		/* SEV-ES is active (SEV_STATUS) */
extern volatile u64 guest_cbit;		/* 1 << C-bit, or 0 */
extern volatile u32 guest_ghcb_version;	/* negotiated */
extern u64 guest_gdt[GUEST_MAX_VCPUS][8];
extern char guest_stubs[];		/* start.S: 256 of 16 bytes */

static inline struct guest_cpu *guest_cpu(void)
{
	struct guest_cpu *cpu;

	asm volatile("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/* Where the host starts every vCPU: start.S. The function gets the vCPU's index. */
void guest_start(void);

typedef bool (*guest_handler)(struct guest_regs *regs);
/* Called for a vector; true: handled. NULL: back to the default. */
void guest_set_handler(u8 vector, guest_handler handler);

static inline void outb(u16 port, u8 v) { asm volatile("outb %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outw(u16 port, u16 v) { asm volatile("outw %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { asm volatile("outl %0, %1" :: "a"(v), "Nd"(port)); }

static inline u8 inb(u16 port)
{
	u8 v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u16 inw(u16 port)
{
	u16 v;

	asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u32 inl(u16 port)
{
	u32 v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u64 rdmsr(u32 index)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(index) : "memory");
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 index, u64 value)
{
	asm volatile("wrmsr" :: "c"(index), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
		     : "a"(leaf), "c"(sub) : "memory");
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
	return (u64)hi << 32 | lo;
}

static inline void sti(void) { asm volatile("sti" ::: "memory"); }
static inline void cli(void) { asm volatile("cli" ::: "memory"); }
static inline void cpu_relax(void) { asm volatile("pause" ::: "memory"); }
/* Sleep with interrupts on until one came; returns with them off. */
static inline void sti_hlt_cli(void) { asm volatile("sti; hlt; cli" ::: "memory"); }
static inline void vmgexit(void) { asm volatile("rep; vmmcall" ::: "memory"); }

/*
 * Run statement; the vector of the exception it raised, or 0 if it went
 * through. #VCs that the handler answers don't count.
 */
#define guest_try(statement) ({						\
	struct guest_cpu *__cpu = guest_cpu();				\
	u64 __v = 0;							\
	__cpu->tries = 1;						\
	if (!__builtin_setjmp(__cpu->try_resume)) {			\
		statement;						\
		asm volatile("" ::: "memory");				\
	} else {							\
		__v = guest_cpu()->try_vector;				\
	}								\
	guest_cpu()->tries = 0;						\
	__v; })

/* --- GHCB --------------------------------------------------------------- */

#define GHCB_MSR		0xc0010130
#define SEV_STATUS_MSR		0xc0010131

/* Valid bits: quadword index in the page */
#define GHCB_CPL	25
#define GHCB_XSS	40
#define GHCB_RAX	63
#define GHCB_RCX	97
#define GHCB_RDX	98
#define GHCB_RBX	99
#define GHCB_RSI	102
#define GHCB_RDI	103
#define GHCB_EXITCODE	114
#define GHCB_INFO1	115
#define GHCB_INFO2	116
#define GHCB_SCRATCH	117
#define GHCB_XCR0	125

#define GHCB_BUFFER	0x800
#define GHCB_BUFFER_SIZE 2032

union ghcb_page {
	volatile u64 q[512];
	volatile u8 b[4096];
	struct {
		volatile u8 save[0x3f0];
		volatile u8 bitmap[16];
		volatile u8 rest[0x400];
		volatile u8 buffer[GHCB_BUFFER_SIZE];
		volatile u8 reserved[10];
		volatile u16 version;
		volatile u32 usage;
	};
};

static inline union ghcb_page *guest_ghcb(void)
{
	return (union ghcb_page *)GUEST_GHCB(guest_cpu()->index);
}

static inline void ghcb_set(union ghcb_page *g, int field, u64 value)
{
	g->q[field] = value;
	g->bitmap[field / 8] |= 1 << field % 8;
}

static inline bool ghcb_valid(union ghcb_page *g, int field)
{
	return g->bitmap[field / 8] >> field % 8 & 1;
}

void ghcb_register(void);		/* this CPU's page into the MSR; idempotent */
/* Forget valid bits, set version and usage, the exit fields: then ghcb_set() more and vmgexit(). */
void ghcb_begin(union ghcb_page *g, u64 code, u64 info1, u64 info2);
/* The three together, for events that carry nothing else; returns SW_EXITINFO1's low half. */
u32 ghcb_call(u64 code, u64 info1, u64 info2);
/* The MSR protocol: one request, the answer; the MSR is put back afterwards. */
u64 ghcb_msr_call(u64 request);
/* AP reset hold; returns INFO2 (NAE) or the answer's data (MSR). */
u64 guest_hold_nae(void);
u64 guest_hold_msr(void);
void __attribute__((noreturn)) guest_terminate(u8 set, u8 code);	/* by the MSR protocol */

/* The #VC handler: vc.c */
bool guest_vc(struct guest_regs *regs);

/* --- APIC (x2APIC) ------------------------------------------------------- */

void x2apic_enable(void);
static inline u32 x2apic_read(u32 reg) { return rdmsr(0x800 + (reg >> 4)); }
static inline void x2apic_write(u32 reg, u64 v) { wrmsr(0x800 + (reg >> 4), v); }
#define APIC_ID		0x20
#define APIC_EOI	0xb0
#define APIC_SVR	0xf0
#define APIC_ICR	0x300
#define APIC_LVTT	0x320
#define APIC_TMICT	0x380
#define APIC_TDCR	0x3e0
#define APIC_SELF_IPI	0x3f0
#define ICR_NMI		0x400
#define ICR_INIT	0x500
#define ICR_STARTUP	0x600
#define ICR_LEVEL_ASSERT 0x4000
#define ICR_SELF	0x40000
#define ICR_ALL		0x80000
#define ICR_OTHERS	0xc0000
static inline void x2apic_icr(u32 dest, u32 low) { wrmsr(0x830, (u64)dest << 32 | low); }
void guest_wake_ap(u32 apic_id);	/* INIT, SIPI, SIPI */

/* --- talking to the host ------------------------------------------------- */

struct ucall *guest_ucall(void);
void guest_sync(u64 stage);
void guest_print(const char *s, u64 a, u64 b);	/* "%x" twice at most */
void __attribute__((noreturn)) guest_done(void);
void __attribute__((noreturn)) guest_fail(const char *file, int line,
					  const char *what, u64 a, u64 b);
#define guest_arg(n)	(guest_ucall()->in[n])

#define GUEST_ASSERT(c) do {						\
	if (!(c))							\
		guest_fail(__FILE__, __LINE__, #c, 0, 0);		\
} while (0)
#define GUEST_ASSERT_EQ(a, b) do {					\
	u64 __a = (u64)(a), __b = (u64)(b);				\
	if (__a != __b)							\
		guest_fail(__FILE__, __LINE__, #a " == " #b, __a, __b);	\
} while (0)

#endif /* SELFTESTS_GUEST_H */
