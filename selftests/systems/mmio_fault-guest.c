// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmio_fault-guest.c - the guest: its #VC handler, and what it does to deserve
 * #VCs.
 *
 * The handler trusts nobody: it finds the physical address in the guest's own
 * page tables, with the permissions of whoever accessed, reads no instruction
 * and no page table from a device, and asks for MMIO only where a mapping says
 * that it is no private memory.
 */
#include <string.h>

#include "guest.h"
#include "mmio_fault.h"

#define PTE_PRESENT	1UL
#define PTE_WRITE	2UL
#define PTE_USER	4UL
#define PTE_LARGE	0x80UL
#define PTE_ADDRESS	0xffffffffff000UL

#define FAULT_USER	4	/* page fault error code */
#define FAULT_RESERVED	8
#define FAULT_FETCH	16

/* For RIP-relative operands */
asm(".globl mmio_window; .set mmio_window, 0x7f000000");

static u8 stubs[GUEST_MAX_VCPUS][MMIO_STUB_SIZE];
static u64 skip;		/* unless 0: answer a #VC by going on, this many bytes later */
static bool terminate;		/* when the handler is at its end */
static bool refuse_users;

/* --- the guest's memory ------------------------------------------------------- */

static bool is_user(const struct guest_regs *r)
{
	return r->cs & 3;
}

static bool is_memory(u64 gpa)
{
	return gpa < GUEST_MEMORY;
}

static u64 read_cr3(void)
{
	u64 cr3;

	asm volatile("mov %%cr3, %0" : "=r"(cr3));
	return cr3;
}

static void write_cr3(u64 cr3)
{
	asm volatile("mov %0, %%cr3" :: "r"(cr3) : "memory");
}

/* As the CPU does it, but that tables must be memory. False: it would fault. */
static bool walk(u64 address, bool write, bool user, u64 *gpa, bool *private)
{
	u64 need = PTE_PRESENT | (write ? PTE_WRITE : 0) | (user ? PTE_USER : 0);
	u64 table = read_cr3() & PTE_ADDRESS & ~guest_cbit, entry, offset;
	int shift;

	for (shift = 39; ; shift -= 9) {
		if (!is_memory(table))
			return false;
		entry = ((volatile u64 *)table)[address >> shift & 511];
		if ((entry & need) != need)
			return false;
		if (shift == 12 || (shift < 39 && entry & PTE_LARGE))
			break;
		table = entry & PTE_ADDRESS & ~guest_cbit;
	}
	offset = address & ((1UL << shift) - 1);
	*gpa = (entry & PTE_ADDRESS & ~guest_cbit & ~((1UL << shift) - 1)) | offset;
	*private = entry & guest_cbit;
	return true;
}

/* Bytes up to the end of the page, n at most. */
static unsigned int piece(u64 address, unsigned int n)
{
	u64 left = 0x1000 - (address & 0xfff);

	return n < left ? n : left;
}

static unsigned int fetch(const struct guest_regs *r, u8 *bytes, unsigned int n)
{
	unsigned int done = 0, now;
	bool private;
	u64 gpa;

	while (done < n) {
		if (!walk(r->rip + done, false, is_user(r), &gpa, &private) || !is_memory(gpa))
			break;
		now = piece(r->rip + done, n - done);
		memcpy(bytes + done, (void *)(r->rip + done), now);
		done += now;
	}
	return done;
}

static bool check(const struct guest_regs *r, u64 address, unsigned int n, bool write)
{
	bool private;
	u64 gpa;

	while (n) {
		unsigned int now = piece(address, n);

		if (!walk(address, write, is_user(r), &gpa, &private) ||
		    (!is_memory(gpa) && private))
			return false;
		address += now;
		n -= now;
	}
	return true;
}

static bool event(u64 gpa, u8 *data, unsigned int n, bool write)
{
	union ghcb_page *g = guest_ghcb();

	ghcb_register();
	ghcb_begin(g, write ? 0x80000002 : 0x80000001, gpa, n);
	ghcb_set(g, GHCB_SCRATCH, (u64)g + GHCB_BUFFER);
	if (write)
		memcpy((void *)g->buffer, data, n);
	vmgexit();
	if ((u32)g->q[GHCB_INFO1])
		return false;
	if (!write)
		memcpy(data, (void *)g->buffer, n);
	return true;
}

static bool access(const struct guest_regs *r, u64 address, void *data, unsigned int n,
		   bool write)
{
	u8 *at = data;
	bool private;
	u64 gpa;

	while (n) {
		unsigned int now = piece(address, n);

		if (!walk(address, write, is_user(r), &gpa, &private))
			return false;
		if (!is_memory(gpa)) {
			if (private || !event(gpa, at, now, write))
				return false;
		} else if (write) {
			memcpy((void *)address, at, now);
		} else {
			memcpy(at, (void *)address, now);
		}
		address += now;
		at += now;
		n -= now;
	}
	return true;
}

static const struct mmio_memory guest_memory = { fetch, check, access };

/* --- exceptions --------------------------------------------------------------- */

/*
 * What cannot be emulated becomes the fault that it would be without MMIO: the
 * error code of a #VC says 0x400 for all of them.
 */
bool mmio_guest_vc(struct guest_regs *r)
{
	struct guest_cpu *cpu = guest_cpu();
	enum mmio_outcome outcome;

	if (r->error != 0x400)
		return false;
	cpu->vc_count++;
	cpu->last_vc = r->error;
	if (skip) {
		r->rip += skip;
		return true;
	}
	if (refuse_users && is_user(r))
		outcome = MMIO_REFUSED;
	else
		outcome = mmio_emulate(r, &guest_memory, stubs[cpu->index]);
	if (outcome == MMIO_DONE)
		return true;
	if (terminate)
		guest_terminate(TERMINATION_SET, outcome);
	r->vector = outcome == MMIO_UNKNOWN ? 6 : 14;
	r->error = outcome == MMIO_NO_FETCH ? FAULT_FETCH : FAULT_RESERVED;
	if (is_user(r))
		r->error |= FAULT_USER;
	return false;
}

/* The end of mmio_run_user() */
static bool on_breakpoint(struct guest_regs *r)
{
	if (!is_user(r))
		return false;
	r->rip = (u64)mmio_run_user_end;
	r->cs = GUEST_CS;
	r->ss = GUEST_DS;
	return true;
}

/* --- the window ----------------------------------------------------------------- */

static u64 window_gpa(unsigned int page, bool device)
{
	if (!device)
		return RAM_PAGES + page * 0x1000;
	if (page == 1)
		return DEVICE + DEVICE_PAGE_1;
	if (page == 2)
		return DEVICE + DEVICE_PAGE_2;
	return SIDE_PAGES + page * 0x1000;
}

static void map_window(bool device)
{
	volatile u64 *table = (u64 *)WINDOW_TABLE;
	unsigned int i;

	for (i = 0; i < WINDOW_PAGES; i++)
		table[i] = window_gpa(i, device) | PTE_PRESENT | PTE_WRITE |
			   (i == SUPERVISOR_PAGE ? 0 : PTE_USER);
	((volatile u64 *)GUEST_PD)[WINDOW >> 21] =
		WINDOW_TABLE | PTE_PRESENT | PTE_WRITE | PTE_USER | guest_cbit;
	write_cr3(read_cr3());
}

/* Page 4 begins as the device does, and then differs: for CMPS. */
static void fill_window(void)
{
	u64 i;

	for (i = 0; i < WINDOW_PAGES * 0x1000; i++)
		((u8 *)RAM_PAGES)[i] = mmio_pattern(i);
	for (i = 0; i < 4; i++)
		((u8 *)RAM_PAGES)[0x4000 + i] = mmio_pattern(0x1000 + i);
	memcpy((void *)SIDE_PAGES, (void *)RAM_PAGES, WINDOW_PAGES * 0x1000);
}

static void begin(void)
{
	guest_set_handler(29, mmio_guest_vc);
	guest_set_handler(3, on_breakpoint);
	fill_window();
	map_window(true);
}

/* --- every kind of access -------------------------------------------------------- */

static const struct guest_regs initial = {
	.rax = 0x8182838485868788, .rbx = 0x1112131415161718, .rcx = 0x2122232425262728,
	.rdx = 0x3132333435363738, .rbp = 0x4142434445464748, .rsi = WINDOW_PAGE(4),
	.rdi = WINDOW_PAGE(1), .r8 = 3, .r9 = 0x45, .r10 = 0x9192939495969798,
	.r11 = 0xa1a2a3a4a5a6a7a8, .r12 = 0xb1b2b3b4b5b6b7b8, .r13 = 0xc1c2c3c4c5c6c7c8,
	.r14 = 0xd1d2d3d4d5d6d7d8, .r15 = 0xe1e2e3e4e5e6e7e8, .rflags = 3,
};

static void run(struct guest_regs *r, const void *code, enum mmio_way way)
{
	if (way == WAY_USER)
		mmio_run_user(r, code);
	else
		mmio_run(r, code);
}

/* The registers must come out as they do when all is memory: what the CPU says. */
void mmio_guest_accesses(unsigned long cpu)
{
	enum mmio_way way = guest_arg(0);
	const struct mmio_access *a;

	begin();
	for (a = mmio_accesses; a < mmio_accesses_end; a++) {
		u64 row = a - mmio_accesses;
		struct guest_regs ram = initial, device = initial;
		unsigned int i;

		fill_window();
		map_window(false);
		run(&ram, a->code, way);
		map_window(true);
		guest_sync(2 * row);
		guest_cpu()->last_vc = 0;
		run(&device, a->code, way);
		if (guest_cpu()->last_vc != (guest_es && *a->log ? 0x400 : 0))
			guest_fail(a->text, row, "#VC", guest_cpu()->last_vc, 0);
		for (i = 0; i < 15; i++)
			if (((u64 *)&ram)[i] != ((u64 *)&device)[i])
				guest_fail(a->text, i, "a register: RAM, MMIO",
					   ((u64 *)&ram)[i], ((u64 *)&device)[i]);
		if (ram.rflags != device.rflags)
			guest_fail(a->text, row, "RFLAGS: RAM, MMIO", ram.rflags, device.rflags);
		guest_sync(2 * row + 1);
	}
}

/* --- exits ------------------------------------------------------------------------ */

static void touch(u64 address)
{
	asm volatile("mov (%0), %%eax" :: "D"(address) : "eax", "memory");
}

#define TOUCH_LENGTH	2

static void count_in(u64 hole, u64 touches, u64 asked)
{
	u64 before, i;

	skip = TOUCH_LENGTH;
	guest_sync(0);
	touch(hole + 0x450);
	guest_sync(1);
	before = guest_cpu()->vc_count;
	for (i = 0; i < touches; i++)
		touch(hole + (i * 8 & 0xfff));
	GUEST_ASSERT_EQ(guest_cpu()->vc_count - before, touches);
	guest_sync(2);
	skip = 0;
	for (i = 0; i < asked; i++)
		*(volatile u32 *)hole = i;
	guest_sync(3);
}

/* Once as a rehearsal: all memory that it takes is mapped then. */
void mmio_guest_count(unsigned long cpu)
{
	begin();
	touch(GUEST_PD + (FRESH_HOLE >> 30) * 0x1000);
	count_in(DEVICE, 1, 1);
	count_in(FRESH_HOLE, guest_arg(0), guest_arg(1));
}

void mmio_guest_recognisable(unsigned long cpu)
{
	struct guest_regs r = initial;
	unsigned int i;

	begin();
	for (i = 0; i < 3; i++) {
		r.rdi = DEVICE + 8 - RECOGNISABLE;
		mmio_run(&r, mmio_recognisable);
		GUEST_ASSERT_EQ(r.rax, guest_arg(0));
	}
}

/* --- what no handler can decode --------------------------------------------------- */

static void expect_fault(u64 vector, u64 error, u64 got)
{
	GUEST_ASSERT_EQ(got, vector);
	GUEST_ASSERT_EQ(guest_cpu()->try_error, error);
	GUEST_ASSERT_EQ(guest_cpu()->last_vc, 0x400);
	guest_cpu()->last_vc = 0;
}

static void fetch_at(u64 rip, enum mmio_way way)
{
	struct guest_regs r = initial;

	expect_fault(14, FAULT_FETCH | (way == WAY_USER ? FAULT_USER : 0),
		     guest_try(run(&r, (void *)rip, way)));
	GUEST_ASSERT_EQ(guest_cpu()->try_rip, rip);
}

/* Code that is in memory up to the last byte before the device. */
static void put_code(const u8 *code, unsigned int n)
{
	memcpy((u8 *)CODE_PAGE + 0x1000 - n, code, n);
	*(volatile u64 *)WINDOW_TABLE = CODE_PAGE | PTE_PRESENT | PTE_WRITE | PTE_USER | guest_cbit;
	write_cr3(read_cr3());
}

void mmio_guest_fetch(unsigned long cpu)
{
	static const u8 half[] = { 0x8b, 0x87 };	/* mov disp32(%rdi), %eax, no disp32 */
	unsigned int i;

	begin();
	for (i = 0; i < 100; i++) {
		fetch_at(WINDOW_PAGE(1) + i, WAY_KERNEL);
		fetch_at(WINDOW_PAGE(1) + i, WAY_USER);
		if (!i)
			guest_sync(0);
	}
	guest_sync(1);
	put_code(half, sizeof(half));
	fetch_at(WINDOW_PAGE(1) - sizeof(half), WAY_KERNEL);
	fetch_at(WINDOW_PAGE(1) - sizeof(half), WAY_USER);
}

void mmio_guest_edge(unsigned long cpu)
{
	static const u8 whole[] = { 0x8a, 0x47, 0x00, 0xc3 };	/* mov 0(%rdi), %al; ret */
	struct guest_regs r = initial;

	begin();
	put_code(whole, sizeof(whole));
	mmio_run(&r, (void *)(WINDOW_PAGE(1) - sizeof(whole)));
	GUEST_ASSERT_EQ(r.rax, (initial.rax & ~0xffUL) | mmio_pattern(0x1000));
	mmio_run_user(&r, (void *)(WINDOW_PAGE(1) - sizeof(whole)));
}

static void walk_through(u64 address)
{
	struct guest_regs r = initial;

	expect_fault(14, FAULT_RESERVED, guest_try(touch(address)));
	expect_fault(14, FAULT_RESERVED, guest_try(*(volatile u8 *)address = 1));
	r.rsi = address;
	r.rdi = WINDOW_PAGE(4);
	expect_fault(14, FAULT_RESERVED | FAULT_USER, guest_try(mmio_run_user(&r, mmio_movsb)));
	fetch_at(address, WAY_KERNEL);
	fetch_at(address, WAY_USER);
}

/* Pages whose page table, or page directory, would be in the device. */
void mmio_guest_walk(unsigned long cpu)
{
	volatile u64 *pd = (u64 *)GUEST_PD, *pdpt = (u64 *)GUEST_PDPT;
	const u64 through[] = { WINDOW + 0x200000, 6UL << 30 };
	unsigned int i;

	begin();
	pd[through[0] >> 21] = DEVICE | PTE_PRESENT | PTE_WRITE | PTE_USER;
	pdpt[through[1] >> 30] = (DEVICE + 0x1000) | PTE_PRESENT | PTE_WRITE | PTE_USER;
	write_cr3(read_cr3());
	for (i = 0; i < 50; i++) {
		walk_through(through[0] + i * 0x1008);
		walk_through(through[1] + i * 0x1008);
		if (!i)
			guest_sync(0);
	}
	guest_sync(1);
	/* With a table in memory it is as any other. */
	pd[through[0] >> 21] = WINDOW_TABLE | PTE_PRESENT | PTE_WRITE | PTE_USER | guest_cbit;
	write_cr3(read_cr3());
	GUEST_ASSERT_EQ(*(volatile u8 *)(through[0] + 0x3007), mmio_pattern(0x3007));
}

/* A user's MOVS: from the device, which it may read, to where it may not write. */
void mmio_guest_protected_page(unsigned long cpu)
{
	volatile u8 *page = (u8 *)WINDOW_PAGE(SUPERVISOR_PAGE);
	struct guest_regs r = initial;
	u8 before;

	begin();
	before = *page;
	r.rsi = WINDOW_PAGE(1) + 0x10;
	r.rdi = (u64)page;
	expect_fault(14, FAULT_RESERVED | FAULT_USER, guest_try(mmio_run_user(&r, mmio_movsb)));
	GUEST_ASSERT_EQ(*page, before);
	guest_sync(0);
	r = initial;
	r.rsi = WINDOW_PAGE(1) + 0x10;
	r.rdi = (u64)page;
	mmio_run(&r, mmio_movsb);
	GUEST_ASSERT_EQ(*page, mmio_pattern(0x1010));
}

/* A kernel that does no MMIO for its users: OpenBSD */
void mmio_guest_refused_user(unsigned long cpu)
{
	struct guest_regs r = initial;

	begin();
	refuse_users = true;
	r.rsi = WINDOW_PAGE(1);
	r.rdi = WINDOW_PAGE(4);
	expect_fault(14, FAULT_RESERVED | FAULT_USER, guest_try(mmio_run_user(&r, mmio_movsb)));
	GUEST_ASSERT_EQ(guest_cpu()->try_rip, (u64)mmio_movsb);
	guest_sync(0);
	mmio_run(&r, mmio_movsb);
	GUEST_ASSERT_EQ(*(volatile u8 *)WINDOW_PAGE(4), mmio_pattern(0x1000));
}

void mmio_guest_terminate(unsigned long cpu)
{
	begin();
	terminate = true;
	mmio_run(&(struct guest_regs) { 0 }, (void *)WINDOW_PAGE(1));
}

void mmio_guest_stack(unsigned long cpu)
{
	begin();
	mmio_stack_at(DEVICE + 0x4000);
}

void mmio_guest_tables(unsigned long cpu)
{
	begin();
	mmio_tables_at(DEVICE);
}

void mmio_guest_plain_fetch(unsigned long cpu)
{
	begin();
	mmio_run(&(struct guest_regs) { 0 }, (void *)(WINDOW_PAGE(1) + 0x40));
}

void mmio_guest_plain_walk(unsigned long cpu)
{
	begin();
	((volatile u64 *)GUEST_PD)[(WINDOW >> 21) + 1] =
		(DEVICE + 0x1000) | PTE_PRESENT | PTE_WRITE | PTE_USER;
	write_cr3(read_cr3());
	touch(WINDOW + 0x203004);
}
