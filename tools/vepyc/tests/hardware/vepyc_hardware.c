// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the emulated processor, by VMRUN itself: no hypervisor in between.
 *
 * Reading /proc/vepyc-hardware runs the cases, on one CPU, and gives TAP. The
 * guest is a few bytes of real mode code; fresh() makes it anew for each case,
 * so that cases do not depend on each other. What is expected is what AMD's
 * manual says (volume 2, chapter 15), or what vepyc promises beyond it: that a
 * forgotten TLB flush and a wrong clean bit show. No SEV-ES guest runs here:
 * that takes the secure processor, and sevm's own tests do it.
 */

#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/pkru.h>
#include <asm/svm.h>
#include <asm/trap_pf.h>

/* The guest's memory, one page each; HOLE's entry has a reserved bit. */
enum { LOW, CODE, DATA, HOLE };

#define ASID		1000	/* has no key, and never will have */
#define SEV_ASID	100
#define SEV_ES_ASID	5
#define VECTOR		0x20
#define HANDLER		0x10	/* where in CODE */
#define A		0xaa	/* what is in the page at DATA, */
#define B		0xbb	/* and in one that could be there */

#define NPT(page)	(__pa(page) | 7)
#define PERMISSION_MAP	2	/* as an order: 16K, for the larger of both maps */

static struct vmcb *vmcb, *before;
static void *host, *vmsa, *low, *code, *page_a, *page_b, *map;
static u64 *npt[4];
static bool failed;

/* --- a guest ----------------------------------------------------------- */

static void intercept(int bit)
{
	vmcb->control.intercepts[bit / 32] |= BIT(bit % 32);
}

static void segment(struct vmcb_seg *s, u16 selector, u16 attrib)
{
	*s = (struct vmcb_seg){ selector, attrib, 0xffff, selector << 4 };
}

/* mov 0,%bl; vmmcall; jmp 0 - and VMMCALL where VECTOR's handler is */
static const u8 read_data[] = { 0x8a, 0x1e, 0, 0, 0x0f, 0x01, 0xd9, 0xeb, 0xf7 };
static const u8 vmmcall[] = { 0x0f, 0x01, 0xd9 };

static void fresh(void)
{
	struct vmcb_control_area *c = &vmcb->control;
	struct vmcb_save_area *s = &vmcb->save;

	memset(vmcb, 0, PAGE_SIZE);
	intercept(INTERCEPT_VMRUN);
	intercept(INTERCEPT_VMMCALL);
	intercept(INTERCEPT_HLT);
	intercept(INTERCEPT_SHUTDOWN);
	c->int_ctl = V_INTR_MASKING_MASK;	/* L1's interrupts wait */
	c->asid = ASID;
	c->tlb_ctl = TLB_CONTROL_FLUSH_ASID;
	c->nested_ctl = SVM_NESTED_CTL_NP_ENABLE;
	c->nested_cr3 = __pa(npt[0]);
	c->iopm_base_pa = __pa(map);
	c->msrpm_base_pa = __pa(map);
	c->vmsa_pa = __pa(vmsa);

	s->efer = EFER_SVME;
	s->cr0 = X86_CR0_CD | X86_CR0_NW | X86_CR0_ET;
	s->rflags = X86_EFLAGS_FIXED;
	s->dr6 = 0xffff0ff0;
	s->dr7 = 0x400;
	s->g_pat = 0x0007040600070406;
	s->rsp = 0xf00;
	segment(&s->cs, CODE << 8, 0x9b);
	segment(&s->ds, DATA << 8, 0x93);
	segment(&s->es, 0, 0x93);
	segment(&s->fs, 0, 0x93);
	segment(&s->gs, 0, 0x93);
	segment(&s->ss, 0, 0x93);
	segment(&s->tr, 0, 0x8b);
	segment(&s->ldtr, 0, 0x82);
	s->gdtr.limit = 0xffff;
	s->idtr.limit = 0xffff;

	npt[3][LOW] = NPT(low);
	npt[3][CODE] = NPT(code);
	npt[3][DATA] = NPT(page_a);
	npt[3][HOLE] = NPT(page_b) | BIT_ULL(45);	/* the key takes bits 43 to 47 */
	memcpy(code, read_data, sizeof(read_data));
}

/*
 * What KVM does around VMRUN. A SEV-ES exit loads all of the host's state from
 * its save area, VMLOAD's share too, and XCR0 and PKRU: they have to be there,
 * and the VMCB gets no VMSAVE. Gives what the guest has in RBX.
 */
static noinline u64 run(void)
{
	struct sev_es_save_area *area = host + offsetof(struct vmcb, save);
	u64 plain = !(vmcb->control.nested_ctl & SVM_NESTED_CTL_SEV_ES_ENABLE);
	u64 rax = __pa(vmcb), rbx = 0, rcx = 0, rdx = 0, rsi = __pa(host), rdi = plain;

	kernel_fpu_begin();
	local_irq_disable();
	asm volatile("vmsave" : : "a"(__pa(host)) : "memory");
	area->xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	area->pkru = read_pkru();
	asm volatile("push %%rbp\n\t"
		     "push %%rsi\n\t"
		     "push %%rdi\n\t"
		     "clgi\n\t"
		     "test %%rdi, %%rdi\n\t"
		     "jz 1f\n\t"
		     "vmload\n"
		     "1:\tvmrun\n\t"
		     "pop %%rdi\n\t"
		     "test %%rdi, %%rdi\n\t"
		     "jz 2f\n\t"
		     "vmsave\n"
		     "2:\tpop %%rax\n\t"
		     "vmload\n\t"
		     "stgi\n\t"
		     "pop %%rbp"
		     : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+S"(rsi), "+D"(rdi)
		     : : "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	local_irq_enable();
	kernel_fpu_end();
	vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
	return rbx;
}

static u64 run_again(void)
{
	vmcb->save.rip = 0;
	return run();
}

static u64 exit_code(void)
{
	return (u64)vmcb->control.exit_code_hi << 32 | vmcb->control.exit_code;
}

static void expect(struct seq_file *tap, const char *what, u64 is, u64 should)
{
	if (is == should)
		return;
	failed = true;
	seq_printf(tap, "# %s: is 0x%llx, should be 0x%llx\n", what, is, should);
}

/* --- what VMRUN refuses ------------------------------------------------ */

struct poke {
	u16 offset;
	u8 size;
	u64 value;
};

#define CONTROL(field, value)	{ offsetof(struct vmcb, control.field), \
				  sizeof_field(struct vmcb, control.field), value }
#define SAVE(field, value)	{ offsetof(struct vmcb, save.field), \
				  sizeof_field(struct vmcb, save.field), value }
#define LONG_MODE		SAVE(efer, EFER_SVME | EFER_LME)
#define INJECT(type, vector)	CONTROL(event_inj, SVM_EVTINJ_VALID | (type) | (vector))

#define NP	SVM_NESTED_CTL_NP_ENABLE
#define SEV	SVM_NESTED_CTL_SEV_ENABLE
#define SEV_ES	SVM_NESTED_CTL_SEV_ES_ENABLE

static const struct {
	const char *name;
	struct poke poke[4];
} refused[] = {
	{ "ASID 0", { CONTROL(asid, 0) } },
	{ "an ASID that is too big", { CONTROL(asid, 40000) } },	/* there are 32768 */
	{ "no intercept of VMRUN", { CONTROL(intercepts[INTERCEPT_VMRUN / 32], 0) } },
	{ "an MSR map beyond memory", { CONTROL(msrpm_base_pa, ~0xfffULL) } },
	{ "an I/O map beyond memory", { CONTROL(iopm_base_pa, ~0xfffULL) } },
	{ "no EFER.SVME", { SAVE(efer, 0) } },
	{ "a reserved bit of EFER", { SAVE(efer, EFER_SVME | BIT_ULL(63)) } },
	{ "CR0.NW without CD", { SAVE(cr0, X86_CR0_NW | X86_CR0_ET) } },
	{ "an upper bit of CR0", { SAVE(cr0, X86_CR0_ET | BIT_ULL(32)) } },
	{ "a reserved bit of CR4", { SAVE(cr4, BIT_ULL(30)) } },
	{ "an upper bit of DR6", { SAVE(dr6, BIT_ULL(32)) } },
	{ "an upper bit of DR7", { SAVE(dr7, BIT_ULL(32)) } },
	{ "long mode without PAE",
	  { LONG_MODE, SAVE(cr0, X86_CR0_PG | X86_CR0_ET | X86_CR0_PE) } },
	{ "long mode without PE",
	  { LONG_MODE, SAVE(cr0, X86_CR0_PG | X86_CR0_ET), SAVE(cr4, X86_CR4_PAE) } },
	{ "long mode with CS.L and CS.D",
	  { LONG_MODE, SAVE(cr0, X86_CR0_PG | X86_CR0_ET | X86_CR0_PE),
	    SAVE(cr4, X86_CR4_PAE), SAVE(cs.attrib, 0x69b) } },
	{ "an NMI injected as exception", { INJECT(SVM_EVTINJ_TYPE_EXEPT, 2) } },
	{ "exception 32 injected", { INJECT(SVM_EVTINJ_TYPE_EXEPT, 32) } },
	{ "an event of reserved type", { INJECT(1 << SVM_EVTINJ_TYPE_SHIFT, VECTOR) } },
	{ "SEV without nested paging", { CONTROL(nested_ctl, SEV), CONTROL(asid, SEV_ASID) } },
	{ "SEV without a key", { CONTROL(nested_ctl, NP | SEV), CONTROL(asid, SEV_ASID) } },
	{ "SEV with an ASID that has no key", { CONTROL(nested_ctl, NP | SEV) } },
	{ "SEV with an ASID for SEV-ES",
	  { CONTROL(nested_ctl, NP | SEV), CONTROL(asid, SEV_ES_ASID) } },
	{ "SEV-ES without SEV", { CONTROL(nested_ctl, NP | SEV_ES), CONTROL(asid, SEV_ES_ASID) } },
	{ "SEV-ES without a key",
	  { CONTROL(nested_ctl, NP | SEV | SEV_ES), CONTROL(asid, SEV_ES_ASID),
	    CONTROL(virt_ext, LBR_CTL_ENABLE_MASK) } },
};

static void refuse(struct seq_file *tap, int number)
{
	const struct poke *p = refused[number].poke;

	fresh();
	for (; p < refused[number].poke + 4 && p->size; p++)
		memcpy((void *)vmcb + p->offset, &p->value, p->size);
	memcpy(before, vmcb, PAGE_SIZE);
	run();
	expect(tap, "exit code", exit_code(), ~0ULL);
	expect(tap, "save area changed",
	       !!memcmp(&vmcb->save, &before->save, sizeof(vmcb->save)), false);
}

/* --- what an exit says of an instruction ------------------------------- */

#define GPR(n)		(BIT_ULL(63) | (n))	/* of a MOV from or to CRn */
#define BYTES(...)	.code = { __VA_ARGS__ }, .len = sizeof((u8[]){ __VA_ARGS__ })

static const struct {
	const char *name;
	int bit;
	u8 code[8], len;
	u32 exit;
	u64 info;
} intercepted[] = {
	{ "CPUID", INTERCEPT_CPUID, BYTES(0x0f, 0xa2), SVM_EXIT_CPUID },
	{ "RDTSC", INTERCEPT_RDTSC, BYTES(0x0f, 0x31), SVM_EXIT_RDTSC },
	{ "HLT", INTERCEPT_HLT, BYTES(0xf4), SVM_EXIT_HLT },
	{ "WBINVD", INTERCEPT_WBINVD, BYTES(0x0f, 0x09), SVM_EXIT_WBINVD },
	{ "mov %cr0, %ebx", INTERCEPT_CR0_READ, BYTES(0x0f, 0x20, 0xc3),
	  SVM_EXIT_READ_CR0, GPR(3) },
	{ "mov %edi, %cr4", INTERCEPT_CR4_WRITE, BYTES(0x0f, 0x22, 0xe7),
	  SVM_EXIT_WRITE_CR4, GPR(7) },
	{ "mov %dr7, %esi", INTERCEPT_DR7_READ, BYTES(0x0f, 0x21, 0xfe), SVM_EXIT_READ_DR7, 6 },
	{ "int $0x41", INTERCEPT_INTn, BYTES(0xcd, 0x41), SVM_EXIT_SWINT, 0x41 },
	{ "int3 is an exception", INTERCEPT_EXCEPTION_OFFSET + 3, BYTES(0xcc),
	  SVM_EXIT_EXCP_BASE + 3 },
	{ "invlpg (%bx)", INTERCEPT_INVLPG, BYTES(0x0f, 0x01, 0x3f), SVM_EXIT_INVLPG,
	  DATA << PAGE_SHIFT },
	{ "RDMSR", INTERCEPT_MSR_PROT, BYTES(0x0f, 0x32), SVM_EXIT_MSR, 0 },
	{ "WRMSR", INTERCEPT_MSR_PROT, BYTES(0x0f, 0x30), SVM_EXIT_MSR, 1 },
	{ "in $0x70, %al", INTERCEPT_IOIO_PROT, BYTES(0xe4, 0x70), SVM_EXIT_IOIO,
	  0x70 << 16 | 1 << SVM_IOIO_ASIZE_SHIFT | 1 << SVM_IOIO_SIZE_SHIFT | SVM_IOIO_TYPE_MASK },
	{ "out %eax, %dx", INTERCEPT_IOIO_PROT, BYTES(0x66, 0xef), SVM_EXIT_IOIO,
	  1 << SVM_IOIO_ASIZE_SHIFT | 4 << SVM_IOIO_SIZE_SHIFT },
	{ "outsw %fs:(%si), %dx", INTERCEPT_IOIO_PROT, BYTES(0x64, 0x6f), SVM_EXIT_IOIO,
	  4 << 10 | 1 << SVM_IOIO_ASIZE_SHIFT | 2 << SVM_IOIO_SIZE_SHIFT | SVM_IOIO_STR_MASK },
};

static void decode(struct seq_file *tap, int number)
{
	fresh();
	memcpy(code, intercepted[number].code, intercepted[number].len);
	intercept(intercepted[number].bit);
	run();
	expect(tap, "exit code", exit_code(), intercepted[number].exit);
	expect(tap, "EXITINFO1", vmcb->control.exit_info_1, intercepted[number].info);
	expect(tap, "RIP", vmcb->save.rip, 0);
	expect(tap, "next RIP", vmcb->control.next_rip, intercepted[number].len);
	if (intercepted[number].exit == SVM_EXIT_IOIO)
		expect(tap, "EXITINFO2", vmcb->control.exit_info_2, intercepted[number].len);
}

/* --- what takes more than one VMRUN, or more to set up ------------------ */

static void runs(struct seq_file *tap)
{
	expect(tap, "BL", run(), A);
	expect(tap, "exit code", exit_code(), SVM_EXIT_VMMCALL);
	expect(tap, "RIP", vmcb->save.rip, 4);
	expect(tap, "next RIP", vmcb->control.next_rip, 7);
	expect(tap, "an interrupt flag", vmcb->control.int_state, 0);
}

/* What the refused guests in long mode lack: else they would not be refused for that. */
static void long_mode(struct seq_file *tap)
{
	vmcb->save.efer |= EFER_LME;
	vmcb->save.cr0 = X86_CR0_PG | X86_CR0_ET | X86_CR0_PE;
	vmcb->save.cr4 = X86_CR4_PAE;
	vmcb->save.cs.attrib = 0x29b;
	run();
	expect(tap, "exit code, for want of page tables", exit_code(), SVM_EXIT_SHUTDOWN);
}

static void tlb_stale(struct seq_file *tap)
{
	run();
	npt[3][DATA] = NPT(page_b);
	expect(tap, "BL", run_again(), A);
}

static void tlb_flush(struct seq_file *tap, u8 how)
{
	run();
	npt[3][DATA] = NPT(page_b);
	vmcb->control.tlb_ctl = how;
	expect(tap, "BL", run_again(), B);
}

static void tlb_flush_all(struct seq_file *tap)
{
	tlb_flush(tap, TLB_CONTROL_FLUSH_ALL_ASID);
}

static void tlb_flush_asid(struct seq_file *tap)
{
	tlb_flush(tap, TLB_CONTROL_FLUSH_ASID);
}

static void tlb_flush_local(struct seq_file *tap)
{
	tlb_flush(tap, TLB_CONTROL_FLUSH_ASID_LOCAL);
}

static void tlb_flush_other(struct seq_file *tap)
{
	run();
	npt[3][DATA] = NPT(page_b);
	vmcb->control.asid = ASID + 1;
	vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ASID;
	expect(tap, "BL of the other", run_again(), B);
	vmcb->control.asid = ASID;
	expect(tap, "BL of the first", run_again(), A);
}

static void tlb_invlpga(struct seq_file *tap)
{
	run();
	npt[3][DATA] = NPT(page_b);
	asm volatile("invlpga" : : "a"((u64)DATA << PAGE_SHIFT), "c"(ASID) : "memory");
	expect(tap, "BL", run_again(), B);
}

static void clean_segments(struct seq_file *tap)
{
	run();
	vmcb->save.ds.base = CODE << PAGE_SHIFT;
	vmcb->control.clean = BIT(8);
	expect(tap, "BL, the bit set", run_again(), A);
	vmcb->save.ds.base = CODE << PAGE_SHIFT;
	vmcb->control.clean = 0;
	expect(tap, "BL, the bit clear", run_again(), read_data[0]);
}

static void clean_intercepts(struct seq_file *tap)
{
	memcpy(code, "\x0f\xa2\x0f\x01\xd9", 5);	/* cpuid; vmmcall */
	run();
	expect(tap, "exit code before", exit_code(), SVM_EXIT_VMMCALL);
	intercept(INTERCEPT_CPUID);
	vmcb->control.clean = BIT(0);
	run_again();
	expect(tap, "exit code, the bit set", exit_code(), SVM_EXIT_VMMCALL);
	vmcb->control.clean = 0;
	run_again();
	expect(tap, "exit code, the bit clear", exit_code(), SVM_EXIT_CPUID);
}

static void npf(struct seq_file *tap, u64 info)
{
	vmcb->save.ds.base = HOLE << PAGE_SHIFT;
	run();
	expect(tap, "exit code", exit_code(), SVM_EXIT_NPF);
	expect(tap, "EXITINFO1", vmcb->control.exit_info_1, info);
	expect(tap, "EXITINFO2", vmcb->control.exit_info_2, HOLE << PAGE_SHIFT);
	expect(tap, "instruction bytes", vmcb->control.insn_len, 15);
	expect(tap, "other bytes", !!memcmp(vmcb->control.insn_bytes, code, 15), false);
}

static void npf_reserved(struct seq_file *tap)
{
	npf(tap, BIT_ULL(32) | X86_PF_RSVD | X86_PF_USER | X86_PF_PROT);
}

static void npf_absent(struct seq_file *tap)
{
	npt[3][HOLE] = 0;
	npf(tap, BIT_ULL(32) | X86_PF_USER);
}

static void npf_write(struct seq_file *tap)
{
	((u8 *)code)[0] = 0x88;				/* mov %bl,0 */
	npt[3][HOLE] = NPT(page_b) & ~2ULL;
	npf(tap, BIT_ULL(32) | X86_PF_USER | X86_PF_WRITE | X86_PF_PROT);
}

static void npt_c_bit(struct seq_file *tap)
{
	vmcb->save.ds.base = HOLE << PAGE_SHIFT;
	npt[3][HOLE] = NPT(page_b) | BIT_ULL(51);
	expect(tap, "BL", run(), B);
	expect(tap, "exit code", exit_code(), SVM_EXIT_VMMCALL);
}

static void state_if(struct seq_file *tap)
{
	vmcb->save.rflags |= X86_EFLAGS_IF;
	run();
	expect(tap, "interrupt state", vmcb->control.int_state, SVM_GUEST_INTERRUPT_MASK);
}

static void state_shadow(struct seq_file *tap)
{
	memcpy(code, "\xfb\xf4", 2);			/* sti; hlt */
	run();
	expect(tap, "exit code", exit_code(), SVM_EXIT_HLT);
	expect(tap, "RIP", vmcb->save.rip, 1);
	expect(tap, "interrupt state", vmcb->control.int_state,
	       SVM_GUEST_INTERRUPT_MASK | SVM_INTERRUPT_SHADOW_MASK);
}

static void window(struct seq_file *tap)
{
	intercept(INTERCEPT_VINTR);
	vmcb->control.int_ctl |= V_IRQ_MASK | V_INTR_PRIO_MASK;
	run();
	expect(tap, "exit code without IF", exit_code(), SVM_EXIT_VMMCALL);
	vmcb->save.rflags |= X86_EFLAGS_IF;
	vmcb->control.int_state = SVM_INTERRUPT_SHADOW_MASK;
	run_again();
	expect(tap, "exit code with IF", exit_code(), SVM_EXIT_VINTR);
	expect(tap, "RIP, behind the shadow", vmcb->save.rip, 4);
}

static void handled(struct seq_file *tap)
{
	expect(tap, "exit code", exit_code(), SVM_EXIT_VMMCALL);
	expect(tap, "RIP, in the handler", vmcb->save.rip, HANDLER);
	expect(tap, "RSP, of a frame", vmcb->save.rsp, 0xf00 - 6);
	expect(tap, "IF", vmcb->save.rflags & X86_EFLAGS_IF, 0);
}

static void virtual_irq(struct seq_file *tap)
{
	vmcb->save.rflags |= X86_EFLAGS_IF;
	vmcb->control.int_ctl |= V_IRQ_MASK | V_INTR_PRIO_MASK;
	vmcb->control.int_vector = VECTOR;
	run();
	handled(tap);
	expect(tap, "V_IRQ", vmcb->control.int_ctl & V_IRQ_MASK, 0);
}

static void inject(struct seq_file *tap)
{
	vmcb->save.rflags |= X86_EFLAGS_IF;
	vmcb->control.event_inj = SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_INTR | VECTOR;
	run();
	handled(tap);
	expect(tap, "EVENTINJ", vmcb->control.event_inj & SVM_EVTINJ_VALID, 0);
	expect(tap, "EXITINTINFO", vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID, 0);
}

static void inject_npf(struct seq_file *tap)
{
	u32 event = SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_INTR | VECTOR;

	vmcb->save.rflags |= X86_EFLAGS_IF;
	vmcb->control.event_inj = event;
	npt[3][LOW] = 0;
	run();
	expect(tap, "exit code", exit_code(), SVM_EXIT_NPF);
	expect(tap, "EXITINTINFO", vmcb->control.exit_int_info, event);
	expect(tap, "EVENTINJ", vmcb->control.event_inj & SVM_EVTINJ_VALID, 0);
	npt[3][LOW] = NPT(low);
	vmcb->control.event_inj = vmcb->control.exit_int_info;
	run();
	handled(tap);
}

static const struct {
	const char *name;
	void (*test)(struct seq_file *tap);
} sequence[] = {
	{ "VMRUN until VMMCALL", runs },
	{ "VMRUN in long mode", long_mode },
	{ "TLB: without a flush, the old page", tlb_stale },
	{ "TLB: flush of all", tlb_flush_all },
	{ "TLB: flush of the ASID", tlb_flush_asid },
	{ "TLB: flush of the ASID, local", tlb_flush_local },
	{ "TLB: a flush of another ASID is none", tlb_flush_other },
	{ "TLB: INVLPGA", tlb_invlpga },
	{ "clean bits: segments", clean_segments },
	{ "clean bits: intercepts", clean_intercepts },
	{ "#NPF: reserved bit", npf_reserved },
	{ "#NPF: not present", npf_absent },
	{ "#NPF: a write", npf_write },
	{ "NPT: the C-bit is not reserved", npt_c_bit },
	{ "interrupt state: IF", state_if },
	{ "interrupt state: shadow of STI", state_shadow },
	{ "VINTR: the window opens behind the shadow", window },
	{ "V_IRQ is taken", virtual_irq },
	{ "EVENTINJ: an interrupt", inject },
	{ "EVENTINJ: an #NPF on the way, then again", inject_npf },
};

/* --- the file ----------------------------------------------------------- */

static void verdict(struct seq_file *tap, int number, const char *group, const char *name)
{
	seq_printf(tap, "%sok %d - %s%s\n", failed ? "not " : "", number, group, name);
	failed = false;
}

static int show(struct seq_file *tap, void *unused)
{
	static DEFINE_MUTEX(one);
	u64 efer, hsave;
	int i, count = 0;

	seq_printf(tap, "1..%zu\n",
		   ARRAY_SIZE(refused) + ARRAY_SIZE(intercepted) + ARRAY_SIZE(sequence));
	mutex_lock(&one);
	migrate_disable();
	rdmsrl(MSR_EFER, efer);
	rdmsrl(MSR_VM_HSAVE_PA, hsave);
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	wrmsrl(MSR_VM_HSAVE_PA, __pa(host));

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		refuse(tap, i);
		verdict(tap, ++count, "VMRUN refuses ", refused[i].name);
	}
	for (i = 0; i < ARRAY_SIZE(intercepted); i++) {
		decode(tap, i);
		verdict(tap, ++count, "intercept: ", intercepted[i].name);
	}
	for (i = 0; i < ARRAY_SIZE(sequence); i++) {
		fresh();
		sequence[i].test(tap);
		verdict(tap, ++count, "", sequence[i].name);
	}

	wrmsrl(MSR_VM_HSAVE_PA, hsave);
	wrmsrl(MSR_EFER, efer);
	migrate_enable();
	mutex_unlock(&one);
	return 0;
}

/* Of a size that will do: seq_file would call show() once more for a larger one. */
static int open(struct inode *inode, struct file *file)
{
	return single_open_size(file, show, NULL, SZ_64K);
}

static const struct proc_ops ops = {
	.proc_open	= open,
	.proc_read	= seq_read,
	.proc_release	= single_release,
};

static void **const pages[] = {
	(void **)&vmcb, (void **)&before, &host, &vmsa, &low, &code, &page_a, &page_b,
	(void **)&npt[0], (void **)&npt[1], (void **)&npt[2], (void **)&npt[3],
};

static void give_back(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		free_page((unsigned long)*pages[i]);
	free_pages((unsigned long)map, PERMISSION_MAP);
}

static int __init hardware_init(void)
{
	bool all;
	int i;

	if (!boot_cpu_has(X86_FEATURE_SVM))
		return -ENODEV;
	map = (void *)__get_free_pages(GFP_KERNEL, PERMISSION_MAP);
	all = map;
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		*pages[i] = (void *)get_zeroed_page(GFP_KERNEL);
		all = all && *pages[i];
	}
	if (!all)
		goto no_memory;

	memset(map, 0xff, PAGE_SIZE << PERMISSION_MAP);
	for (i = 0; i < 3; i++)
		npt[i][0] = NPT(npt[i + 1]);
	memset(page_a, A, PAGE_SIZE);
	memset(page_b, B, PAGE_SIZE);
	((u32 *)low)[VECTOR] = (CODE << 8) << 16 | HANDLER;
	memcpy(code + HANDLER, vmmcall, sizeof(vmmcall));
	if (!proc_create("vepyc-hardware", 0400, NULL, &ops))
		goto no_memory;
	return 0;

no_memory:
	give_back();
	return -ENOMEM;
}

static void __exit hardware_exit(void)
{
	remove_proc_entry("vepyc-hardware", NULL);
	give_back();
}

module_init(hardware_init);
module_exit(hardware_exit);
MODULE_DESCRIPTION("Tests of vepyc's processor, by VMRUN");
MODULE_LICENSE("GPL");
