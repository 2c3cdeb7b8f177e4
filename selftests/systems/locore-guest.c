// SPDX-License-Identifier: GPL-2.0-only
/*
 * locore-guest.c - the 64-bit guest: its tables, then what it tries under its
 * full #VC handler.
 *
 * guest_ucall() and the assertions are the test library's; traps and #VC are
 * not: they come to locore_trap().
 */
#include "guest.h"
#include "locore.h"

#define CR4_OSXSAVE	(1 << 18)
#define RFLAGS_IOPL3	(3 << 12)
#define FS_BASE_MSR	0xc0000100
#define USER_STACK	(LOCORE_BUFFER + 0x20000)

/* { leaf, ECX }. The early handlers cannot give ECX away: they get 0's answer. */
const uint32_t locore_leaves[LOCORE_LEAVES][2] = {
	{ 0, 0 }, { 1, 0 }, { 7, 0 }, { 0xd, 1 },
	{ 0x40000000, 0 }, { 0x80000000, 0 }, { 0x80000001, 0 },
	{ 0x80000002, 0 }, { 0x80000003, 0 }, { 0x80000004, 0 },
	{ 0x8000001d, 1 }, { 0x8000001d, 0 }, { 0x8fffffff, 0 },
	{ 0x8000001f, 0 },		/* last: locore.S looks there */
};

/* ---- Traps ---- */

static struct {
	u16 low, selector;
	u8 ist, type;
	u16 middle;
	u32 high, zero;
} __attribute__((packed)) idt[LOCORE_SYSCALL + 1];

static u32 tss[26];			/* 104 bytes, so that the I/O map is beyond the limit */
static u8 trap_stack[0x4000] __attribute__((aligned(16)));
static struct locore_frame user;	/* as user mode left it */
static bool user_refused;

static void set_gate(unsigned int vector, unsigned int stub)
{
	u64 target = (u64)locore_stubs + stub * 16;

	idt[vector].low = target;
	idt[vector].middle = target >> 16;
	idt[vector].selector = LOCORE_CS64;
	idt[vector].type = vector == LOCORE_SYSCALL ? 0xee : 0x8e;
}

static void load_tables(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) idtr = { sizeof(idt) - 1, (u64)idt };
	u64 base = (u64)tss, rsp0 = (u64)trap_stack + sizeof(trap_stack);
	unsigned int i;

	for (i = 0; i < 32; i++)
		set_gate(i, i);
	set_gate(LOCORE_SYSCALL, 32);
	tss[1] = rsp0;
	tss[25] = sizeof(tss) << 16;
	locore_gdt[LOCORE_TSS / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 |
				     0x89ULL << 40 | (base >> 24 & 0xff) << 56;
	asm volatile("lidt %0; ltr %w1" :: "m"(idtr), "r"(LOCORE_TSS) : "memory");
}

void locore_trap(struct locore_frame *frame)
{
	struct guest_cpu *cpu = guest_cpu();
	bool from_user = frame->cs & 3, refused = false;

	if (frame->vector == 29) {
		switch (locore_vc(frame, &frame->vector)) {
		case VC_DONE:
			return;
		case VC_REFUSED:
			refused = true;
			break;
		case VC_RAISE:
			frame->error = 0;
			break;
		}
	}
	if (from_user) {
		user = *frame;
		user_refused = refused;
		locore_leave_user();
	}
	if (cpu->tries) {
		cpu->tries = 0;
		cpu->try_vector = frame->vector;
		cpu->try_error = frame->error;
		cpu->try_rip = frame->rip;
		__builtin_longjmp(cpu->try_resume, 1);
	}
	guest_fail("trap: vector, error code follow; at", (int)frame->rip,
		   "unexpected", frame->vector, frame->error);
}

/* ---- CPUID and MSRs ---- */

static void copy(void *to, const void *from, size_t n)
{
	u8 *d = to;
	const u8 *s = from;

	while (n--)
		*d++ = *s++;
}

static void report_early(struct locore_report *report)
{
	copy(report->entry_regs, locore_entry_regs, sizeof(report->entry_regs));
	report->entry_efer = locore_entry_efer;
	report->entry_cr0 = locore_entry_cr0;
	report->vc32 = locore_vc32;
	report->vc64 = locore_vc64;
	report->sev_info = locore_sev_info;
	copy(report->early, locore_answers, sizeof(report->early));
	copy(report->early64, locore_cpuid64_answer, sizeof(report->early64));
}

static void set_xcr0(u32 value)
{
	asm volatile("xsetbv" :: "a"(value), "d"(0), "c"(0));
}

static void cpuid_part(struct locore_report *report)
{
	u64 before = locore_vcs, cr4, rsi = 0x1111111122222222, rax, rbx, rcx, rdx;
	unsigned int i;
	u32 r[4];

	for (i = 0; i < LOCORE_LEAVES; i++) {
		cpuid(locore_leaves[i][0], locore_leaves[i][1], r);
		copy(report->late[i], r, sizeof(r));
	}
	GUEST_ASSERT_EQ(locore_vcs - before, LOCORE_LEAVES);
	GUEST_ASSERT_EQ(locore_last_vc, 0x72);

	/* The upper halves go in without meaning and come back as zeros. */
	rax = 0xffffffff80000002;
	rcx = ~0ULL;
	asm volatile("cpuid" : "+a"(rax), "=b"(rbx), "+c"(rcx), "=d"(rdx), "+S"(rsi));
	GUEST_ASSERT_EQ(rax >> 32 | rbx >> 32 | rcx >> 32 | rdx >> 32, 0);
	GUEST_ASSERT_EQ(rsi, 0x1111111122222222);

	/* Leaf 0xD: the size for what XCR0 enables now. */
	cpuid(0xd, 0, r);
	report->xsave_size[0] = r[1];
	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" :: "r"(cr4 | CR4_OSXSAVE) : "memory");
	cpuid(0xd, 0, r);
	GUEST_ASSERT_EQ(r[1], report->xsave_size[0]);
	set_xcr0(7);
	cpuid(0xd, 0, r);
	report->xsave_size[1] = r[1];
	set_xcr0(1);
	cpuid(0xd, 0, r);
	GUEST_ASSERT_EQ(r[1], report->xsave_size[0]);
}

static void msr_part(void)
{
	const u32 fixed = 0x250, base = 0x200;	/* MTRRs: nobody loses by changing them */
	u64 before = locore_vcs, rax = ~0ULL, rdx = ~0ULL;

	wrmsr(fixed, 0x0605040100060504);
	GUEST_ASSERT_EQ(locore_vcs - before, 1);
	GUEST_ASSERT_EQ(locore_last_vc, 0x7c);
	GUEST_ASSERT_EQ(rdmsr(fixed), 0x0605040100060504);
	wrmsr(base, 0x12345006);
	GUEST_ASSERT_EQ(rdmsr(base), 0x12345006);
	GUEST_ASSERT_EQ(rdmsr(fixed), 0x0605040100060504);
	asm volatile("rdmsr" : "+a"(rax), "+d"(rdx) : "c"(fixed));
	GUEST_ASSERT_EQ(rax, 0x00060504);	/* upper halves: zero */
	GUEST_ASSERT_EQ(rdx, 0x06050401);
	GUEST_ASSERT_EQ(locore_vcs - before, 6);

	/* The host says that it is a #GP: at the instruction, not behind it. */
	GUEST_ASSERT_EQ(guest_try(rdmsr(0x12345678)), 13);
	GUEST_ASSERT_EQ(*(u16 *)guest_cpu()->try_rip, 0x320f);
	GUEST_ASSERT_EQ(guest_try(wrmsr(0x12345678, 1)), 13);
	GUEST_ASSERT_EQ(*(u16 *)guest_cpu()->try_rip, 0x300f);
	GUEST_ASSERT_EQ(guest_try(wrmsr(fixed, 0x0202020202020202)), 13);	/* no such type */
	GUEST_ASSERT_EQ(rdmsr(fixed), 0x0605040100060504);
}

/* ---- IN and OUT ---- */

#define FORM_LIST(X)							\
	X(in8_imm) X(in16_imm) X(in32_imm) X(out8_imm) X(out16_imm)	\
	X(out32_imm) X(in8) X(in16) X(in32) X(out8) X(out16) X(out32)	\
	X(in8_66) X(out8_66) X(in32_rexw) X(out32_rexw) X(in16_67)	\
	X(insb) X(insw) X(insl) X(insl_rexw) X(outsb) X(outsw) X(outsl)	\
	X(outsb_fs) X(rep_insb) X(rep_insw) X(rep_insw_2) X(rep_insl)	\
	X(rep_outsb) X(rep_outsw) X(rep_outsw_2) X(rep_outsl)		\
	X(rep_outsl_fs) X(rep_insw_67)
#define DECLARE(id) form_##id[],
extern const char FORM_LIST(DECLARE) form_rep_outsl_67[];

#define IMM(id, p, s, i)	{ .name = #id, .code = form_##id, .port = p, .size = s,	\
				  .in = i, .count = 1 }
#define DX(id, s, i)		IMM(id, 0, s, i)
#define STRING(id, s, i, ...)	{ .name = #id, .code = form_##id, .size = s, .in = i,	\
				  .string = true, .count = 1, ##__VA_ARGS__ }
#define REP(id, s, i, n, ...)	{ .name = #id, .code = form_##id, .size = s, .in = i,	\
				  .string = true, .rep = true, .count = n, ##__VA_ARGS__ }

const struct locore_form locore_forms[] = {
	IMM(in8_imm, 0x90, 1, true), IMM(in16_imm, 0x92, 2, true), IMM(in32_imm, 0x94, 4, true),
	IMM(out8_imm, 0x98, 1, false), IMM(out16_imm, 0x9a, 2, false),
	IMM(out32_imm, 0x9c, 4, false),
	DX(in8, 1, true), DX(in16, 2, true), DX(in32, 4, true),
	DX(out8, 1, false), DX(out16, 2, false), DX(out32, 4, false),
	/* Prefixes that change nothing */
	DX(in8_66, 1, true), DX(out8_66, 1, false), DX(in32_rexw, 4, true),
	DX(out32_rexw, 4, false), DX(in16_67, 2, true),
	STRING(insb, 1, true), STRING(insw, 2, true), STRING(insl, 4, true),
	STRING(insl_rexw, 4, true),
	STRING(outsb, 1, false), STRING(outsw, 2, false), STRING(outsl, 4, false),
	STRING(outsb_fs, 1, false, .segment = true),
	STRING(insw, 2, true, .down = true), STRING(outsl, 4, false, .down = true),
	REP(rep_insb, 1, true, 5), REP(rep_insw, 2, true, 5), REP(rep_insw_2, 2, true, 5),
	REP(rep_insl, 4, true, 5),
	REP(rep_outsb, 1, false, 5), REP(rep_outsw, 2, false, 5),
	REP(rep_outsw_2, 2, false, 5), REP(rep_outsl, 4, false, 5),
	REP(rep_outsl_fs, 4, false, 5, .segment = true),
	REP(rep_insw_67, 2, true, 5, .address32 = true),
	REP(rep_outsl_67, 4, false, 5, .address32 = true),
	/* Backwards; more than the GHCB's buffer holds; nothing at all */
	REP(rep_insb, 1, true, 5, .down = true), REP(rep_insl, 4, true, 5, .down = true),
	REP(rep_outsw, 2, false, 5, .down = true),
	REP(rep_insb, 1, true, 5000), REP(rep_outsb, 1, false, 5000),
	REP(rep_insw, 2, true, 2033, .down = true),
	REP(rep_outsl, 4, false, 1017, .down = true),
	REP(rep_outsl_67, 4, false, 1017, .down = true, .address32 = true),
	REP(rep_insb, 1, true, 0), REP(rep_outsl, 4, false, 0),
};

const unsigned int locore_nr_forms = sizeof(locore_forms) / sizeof(locore_forms[0]);

#define DATA		((u8 *)LOCORE_BUFFER + 0x8000)
#define GUARD		0xcc
#define FS_BASE		0x10000
#define GARBAGE		0xdeadbeef00000000
#define RAX_BEFORE	0x1122334455667788

/* The k'th byte that goes through the port, where it is in memory. */
static u8 *byte_at(const struct locore_form *form, u32 k)
{
	u32 element = k / form->size;

	if (form->down)
		element = form->count - 1 - element;
	return DATA + element * form->size + k % form->size;
}

static void run_form(unsigned int index)
{
	const struct locore_form *form = &locore_forms[index];
	u16 port = locore_form_port(index);
	u32 bytes = form->size * form->count, k, value = 0;
	u64 start = (u64)DATA + (form->down && form->count ? bytes - form->size : 0);
	long moved = form->down ? -(long)bytes : (long)bytes;
	u64 rax = RAX_BEFORE, rcx, rdx = GARBAGE | port, rsi, rdi;
	u64 rax_after, rcx_after, index_after, vcs, other = 0x7777777777777777;
	u64 high = form->address32 ? GARBAGE : 0;

	for (k = 0; k < bytes + 32; k++)
		DATA[(long)k - 16] = GUARD;
	for (k = 0; k < form->size; k++)
		value |= (u32)locore_pattern(port, k) << k * 8;
	for (k = 0; k < bytes && form->string && !form->in; k++)
		*byte_at(form, k) = locore_pattern(port, k);

	if (!form->string && !form->in)
		rax = (rax >> form->size * 8) << form->size * 8 | value;
	rax_after = rax;
	if (!form->string && form->in)
		rax_after = form->size == 4 ? value :
			    (rax >> form->size * 8) << form->size * 8 | value;
	rcx = form->rep ? high | form->count : 0x0123456789abcdef;
	/* ECX and the index become 64-bit by zeros, if there was anything to do. */
	rcx_after = form->rep ? 0 : rcx;
	start -= form->segment ? FS_BASE : 0;
	index_after = form->string ? start + moved : start | high;
	rsi = form->in ? other : start | high;
	rdi = form->in ? start | high : other;

	vcs = locore_vcs;
	asm volatile("test %[down], %[down]; jz 1f; std; 1: call *%[code]; cld"
		     : "+a"(rax), "+c"(rcx), "+d"(rdx), "+S"(rsi), "+D"(rdi)
		     : [down] "r"((u32)form->down), [code] "r"(form->code) : "memory", "cc");
	if (form->count)
		GUEST_ASSERT_EQ(locore_vcs - vcs, 1);
	if (rax != rax_after || rcx != rcx_after || rdx != (GARBAGE | port) ||
	    rsi != (form->in ? other : index_after) || rdi != (form->in ? index_after : other)) {
		guest_print("RAX %x RCX %x", rax, rcx);
		guest_print("RSI %x RDI %x", rsi, rdi);
		guest_fail(form->name, index, "registers after it", rdx, index_after);
	}
	for (k = 0; k < bytes && form->string && form->in; k++)
		if (*byte_at(form, k) != locore_pattern(port, k))
			guest_fail(form->name, index, "what came: byte, value", k,
				   *byte_at(form, k));
	for (k = 0; k < 16; k++)
		if (DATA[(long)k - 16] != GUARD || DATA[bytes + k] != GUARD)
			guest_fail(form->name, index, "memory beside it", k, bytes);
}

static void ioio_part(void)
{
	unsigned int i;

	wrmsr(FS_BASE_MSR, FS_BASE);
	for (i = 0; i < locore_nr_forms; i++)
		run_form(i);
	GUEST_ASSERT_EQ(locore_last_vc, 0x7b);
}

/* ---- VMMCALL and user mode ---- */

#define HC_POLL		1	/* KVM_HC_VAPIC_POLL_IRQ: does nothing, well */
#define HC_NONE		0x7fff0000

static u64 vmmcall(u64 rax)
{
	asm volatile(".byte 0x0f, 0x01, 0xd9" : "+a"(rax) : "b"(1), "c"(2), "d"(3) : "memory");
	return rax;
}

static void vmmcall_part(void)
{
	u64 before = locore_vcs;

	GUEST_ASSERT_EQ(vmmcall(HC_POLL), 0);
	GUEST_ASSERT_EQ(locore_last_vc, 0x81);
	GUEST_ASSERT_EQ(locore_vcs - before, 1);
	GUEST_ASSERT_EQ(vmmcall(HC_NONE), -1000ULL);	/* -KVM_ENOSYS */
}

extern const char user_cpuid[], user_rdmsr[], user_wrmsr[], user_in[], user_out[], user_outsb[],
	user_vmmcall[], user_vmgexit[];

/* How it came back is in the variable user; the number of #VCs meanwhile. */
static u64 run_user(const char *code, u64 iopl, u64 rax, u64 rcx, u64 rdx)
{
	struct locore_frame frame = {
		.rip = (u64)code, .cs = LOCORE_USER_CS, .rflags = 2 | iopl,
		.rsp = USER_STACK, .ss = LOCORE_USER_DS,
		.rax = rax, .rcx = rcx, .rdx = rdx, .rsi = (u64)DATA,
	};
	u64 before = locore_vcs;

	locore_enter_user(&frame);
	GUEST_ASSERT_EQ(user.cs, LOCORE_USER_CS);
	return locore_vcs - before;
}

/* Port 0x7f8 is no form's: the host fails if it hears of it. */
#define USER_PORT 0x7f8

static void user_part(void)
{
	static const char *const ports[] = { user_in, user_out, user_outsb };
	union ghcb_page *ghcb = (union ghcb_page *)LOCORE_GHCB;
	unsigned int i;
	u32 r[4];

	/* CPUID is for everyone. */
	cpuid(0x80000002, 0, r);
	GUEST_ASSERT_EQ(run_user(user_cpuid, 0, 0x80000002, 0, 0), 1);
	GUEST_ASSERT_EQ(user.vector, LOCORE_SYSCALL);
	GUEST_ASSERT_EQ(user.rax, r[0]);
	GUEST_ASSERT_EQ(user.rbx, r[1]);
	GUEST_ASSERT_EQ(user.rcx, r[2]);
	GUEST_ASSERT_EQ(user.rdx, r[3]);

	/* MSRs: the privilege comes before the intercept. */
	GUEST_ASSERT_EQ(run_user(user_rdmsr, 0, 0, 0x250, 0), 0);
	GUEST_ASSERT_EQ(user.vector, 13);
	GUEST_ASSERT_EQ(user.error, 0);
	GUEST_ASSERT_EQ(user.rip, (u64)user_rdmsr);
	GUEST_ASSERT_EQ(run_user(user_wrmsr, 0, 0x06060606, 0x250, 0x06060606), 0);
	GUEST_ASSERT_EQ(user.vector, 13);
	GUEST_ASSERT_EQ(user.rip, (u64)user_wrmsr);
	GUEST_ASSERT_EQ(rdmsr(0x250), 0x0605040100060504);

	for (i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		/* Ports: so does IOPL ... */
		GUEST_ASSERT_EQ(run_user(ports[i], 0, 0x55, 1, USER_PORT), 0);
		GUEST_ASSERT_EQ(user.vector, 13);
		GUEST_ASSERT_EQ(user.rip, (u64)ports[i]);
		/* ... and where IOPL allows them, the handler does not. */
		GUEST_ASSERT_EQ(run_user(ports[i], RFLAGS_IOPL3, 0x55, 1, USER_PORT), 1);
		GUEST_ASSERT_EQ(user.vector, 29);
		GUEST_ASSERT_EQ(user.error, 0x7b);
		GUEST_ASSERT_EQ(user.rip, (u64)ports[i]);
		GUEST_ASSERT_EQ(user.rax, 0x55);
		GUEST_ASSERT_EQ(user.rsi, (u64)DATA);
		GUEST_ASSERT(user_refused);
	}

	/* The host gets the CPL, and refuses. */
	GUEST_ASSERT_EQ(run_user(user_vmmcall, 0, HC_POLL, 0, 0), 1);
	GUEST_ASSERT_EQ(user.vector, LOCORE_SYSCALL);
	GUEST_ASSERT_EQ(user.rax, -1ULL);		/* -KVM_EPERM */

	/* VMGEXIT has no privilege: the host finds no event in the page, and says so there. */
	cpuid(0, 0, r);
	GUEST_ASSERT_EQ(run_user(user_vmgexit, 0, 0x1234, 0x5678, 0), 0);
	GUEST_ASSERT_EQ(user.vector, LOCORE_SYSCALL);
	GUEST_ASSERT_EQ(user.rax, 0x1234);
	GUEST_ASSERT_EQ(user.rcx, 0x5678);
	GUEST_ASSERT_EQ((u32)ghcb->q[GHCB_INFO1], 2);
}

/* ---- VMGEXIT's encodings, for the host to count ---- */

#define TIMES 10

static void count_part(void)
{
	u64 before = locore_vcs, syncs = 1;
	unsigned int i;

	guest_sync(0);
	for (i = 0; i < TIMES; i++) {
		wrmsr(GHCB_MSR, 0x002);
		asm volatile(".byte 0xf3, 0x0f, 0x01, 0xd9" ::: "memory");
		GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), locore_sev_info);
	}
	GUEST_ASSERT_EQ(locore_vcs - before, syncs++);
	guest_sync(1);
	for (i = 0; i < TIMES; i++) {
		wrmsr(GHCB_MSR, 0x002);
		asm volatile(".byte 0xf2, 0x0f, 0x01, 0xd9" ::: "memory");
		GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), locore_sev_info);
	}
	GUEST_ASSERT_EQ(locore_vcs - before, syncs++);
	guest_sync(2);
	for (i = 0; i < TIMES; i++)
		vmmcall(HC_POLL);
	GUEST_ASSERT_EQ(locore_vcs - before, syncs++ + TIMES);
	guest_sync(3);
}

void locore_main(u64 order)
{
	struct locore_report *report = (struct locore_report *)LOCORE_REPORT;
	u32 r[4];

	guest_cpus[0].self = &guest_cpus[0];
	load_tables();
	report_early(report);

	switch (order) {
	case ORDER_LATE_WBINVD:
		asm volatile("wbinvd");
		break;
	case ORDER_LATE_NO_XCR0:
		locore_omit_xcr0 = true;
		cpuid(0xd, 0, r);
		break;
	case ORDER_LATE_NO_RAX:
		locore_omit_rax = true;
		wrmsr(0x250, 0);
		break;
	case ORDER_COUNT:
		count_part();
		guest_done();
	case ORDER_BOOT:
	case ORDER_VERSION_2:
		/* On either side of the shared page everything is private. */
		*(volatile u64 *)(LOCORE_GHCB - 8) = LOCORE_SECRET;
		*(volatile u64 *)(LOCORE_GHCB + 0x1000) = LOCORE_SECRET;
		report->secret = LOCORE_SECRET;
		guest_sync(0);
		cpuid_part(report);
		msr_part();
		vmmcall_part();
		ioio_part();
		user_part();
		GUEST_ASSERT_EQ(guest_cpus[0].vc_count, 0);	/* guest/vc.c: not used */
		guest_done();
	}
	guest_fail(__FILE__, __LINE__, "went on", order, locore_last_vc);
}
