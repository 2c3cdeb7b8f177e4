// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - the VM: device, memory, vCPUs and their first state.
 *
 * It knows KVM's ABI and how a guest enters (64-bit, identity-mapped), and
 * nothing of what the guest is. Guest memory is reached through vm_memory()
 * alone. What a SEV-ES guest must find in place is registered by vm_piece().
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sevm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../firmware/ap_page.h"
#include "../firmware/firmware.h"
#include "sevm-run.h"

#define CR0_PE		BIT(0)
#define CR0_ET		BIT(4)
#define CR0_NE		BIT(5)
#define CR0_PG		BIT(31)
#define CR4_PAE		BIT(5)
#define EFER_LME	BIT(8)
#define EFER_LMA	BIT(10)

#define APICBASE_X2APIC	BIT(10)

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_WRITE	BIT_ULL(1)
#define PTE_LARGE	BIT_ULL(7)

#define MSR_MTRR_DEF_TYPE	0x2ff
#define MTRR_ENABLED_WB		0x806

static void create_memory(struct vm *vm)
{
	uint64_t size = vm->opt->memory;
	struct kvm_userspace_memory_region slot = { 0 };

	vm->low_size = size < GPA_HOLE ? size : GPA_HOLE;
	vm->ram = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm->ram == MAP_FAILED)
		die(EXIT_HOST, "%llu MiB of memory: %s",
		    (unsigned long long)(size / MiB), strerror(errno));
	if (vm->opt->huge_pages)
		madvise(vm->ram, size, MADV_HUGEPAGE);

	slot.memory_size = vm->low_size;
	slot.userspace_addr = (uintptr_t)vm->ram;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot))
		die(EXIT_HOST, "KVM_SET_USER_MEMORY_REGION: %s", strerror(errno));
	if (size == vm->low_size)
		return;
	slot.slot = 1;
	slot.guest_phys_addr = 4 * GiB;
	slot.memory_size = size - vm->low_size;
	slot.userspace_addr += vm->low_size;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot))
		die(EXIT_HOST, "KVM_SET_USER_MEMORY_REGION (above 4 GiB): %s",
		    strerror(errno));
}

/* From here on vCPUs, but for the first, are created stopped. */
static void enable_ap_page(struct vm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = SEVM_CAP_AP_PAGE, .args = { GPA_BRINGUP_PAGE, AP_PAGE_PROTOCOL },
	};

	if (ioctl(vm->dev, KVM_CHECK_EXTENSION, SEVM_CAP_AP_PAGE) < AP_PAGE_PROTOCOL)
		die(EXIT_HOST, "%s has no AP bring-up page: no --ap-bringup page",
		    vm->opt->device);
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		die(EXIT_HOST, "KVM_ENABLE_CAP of the AP bring-up page: %s", strerror(errno));
}

void vm_create(struct vm *vm, const struct options *opt)
{
	unsigned long type = KVM_X86_DEFAULT_VM;
	int version;

	memset(vm, 0, sizeof(*vm));
	vm->opt = opt;
	vm->sev = -1;
	pthread_mutex_init(&vm->end_lock, NULL);
	vm->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->stop_fd < 0)
		die(EXIT_HOST, "eventfd: %s", strerror(errno));

	vm->dev = open(opt->device, O_RDWR | O_CLOEXEC);
	if (vm->dev < 0)
		die(EXIT_HOST, "%s: %s%s", opt->device, strerror(errno),
		    errno == ENOENT ? " (is the module loaded? see sevm-check)" : "");
	version = ioctl(vm->dev, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		die(EXIT_HOST, "%s speaks version %d of KVM's ABI, not %d",
		    opt->device, version, KVM_API_VERSION);
	vm->run_size = ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vm->run_size < (int)sizeof(struct kvm_run))
		die(EXIT_HOST, "KVM_GET_VCPU_MMAP_SIZE: %s", strerror(errno));

	vm->sevm = ioctl(vm->dev, KVM_CHECK_EXTENSION, SEVM_CAP_AP_JUMP_TABLE) > 0;

	/* Typed VMs with KVM_SEV_INIT2 came with Linux 6.10. */
	if (opt->protected &&
	    ioctl(vm->dev, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES) &
	    (1 << KVM_X86_SEV_ES_VM)) {
		vm->typed = true;
		type = KVM_X86_SEV_ES_VM;
	}
	vm->fd = ioctl(vm->dev, KVM_CREATE_VM, type);
	if (vm->fd < 0)
		die(EXIT_HOST, "KVM_CREATE_VM: %s%s", strerror(errno),
		    errno == EBUSY ? " (another hypervisor has the CPUs)" : "");
	if (opt->protected)
		launch_init(vm);

	/* Only VMX needs it, but a VMM that has an irqchip calls it. */
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000UL) && errno != ENOTTY)
		die(EXIT_HOST, "KVM_SET_TSS_ADDR: %s", strerror(errno));
	irq_init(vm);
	create_memory(vm);
	if (opt->ap_page)
		enable_ap_page(vm);
}

void vm_create_vcpus(struct vm *vm)
{
	struct kvm_cpuid2 *supported = cpuid_supported(vm);
	unsigned int i;

	vm->vcpus = calloc(vm->opt->cpus, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		die(EXIT_HOST, "no memory");
	for (i = 0; i < vm->opt->cpus; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];

		vcpu->vm = vm;
		vcpu->id = i;
		vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)i);
		if (vcpu->fd < 0)
			die(EXIT_HOST, "KVM_CREATE_VCPU %u: %s", i, strerror(errno));
		vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE,
				 MAP_SHARED, vcpu->fd, 0);
		if (vcpu->run == MAP_FAILED)
			die(EXIT_HOST, "mapping vCPU %u: %s", i, strerror(errno));
		cpuid_set(vcpu, supported);
	}
	free(supported);
}

/* The host's view of [gpa, gpa + size), which must be RAM in one piece. */
void *vm_memory(struct vm *vm, uint64_t gpa, uint64_t size)
{
	uint64_t high = vm->opt->memory - vm->low_size;

	if (size <= vm->low_size && gpa <= vm->low_size - size)
		return vm->ram + gpa;
	if (gpa >= 4 * GiB && size <= high && gpa - 4 * GiB <= high - size)
		return vm->ram + vm->low_size + (gpa - 4 * GiB);
	die(EXIT_USAGE, "the guest needs more --memory: 0x%llx bytes at 0x%llx are not all in it",
	    (unsigned long long)size, (unsigned long long)gpa);
}

/*
 * The same for something that the guest must find at its start. The rest of
 * the last page is part of it.
 */
void *vm_piece(struct vm *vm, uint64_t gpa, uint64_t size)
{
	struct piece *piece = &vm->pieces[vm->nr_pieces];
	unsigned int i;

	size = (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
	if (vm->nr_pieces == MAX_PIECES || gpa % PAGE_SIZE || !size)
		die(EXIT_HOST, "internal: bad piece at 0x%llx", (unsigned long long)gpa);
	for (i = 0; i < vm->nr_pieces; i++)
		if (gpa < vm->pieces[i].gpa + vm->pieces[i].size &&
		    vm->pieces[i].gpa < gpa + size)
			die(EXIT_USAGE, "the guest needs more --memory: parts overlap at 0x%llx",
			    (unsigned long long)gpa);
	piece->gpa = gpa;
	piece->size = size;
	vm->nr_pieces++;
	return vm_memory(vm, gpa, size);
}

/* One GHCB for the BSP's stub, and below it one for each AP. */
uint64_t vm_first_ghcb(const struct vm *vm)
{
	return GPA_GHCB - (vm->opt->cpus - 1) * PAGE_SIZE;
}

/*
 * Identity-map 4 GiB: 2 MiB pages, the first 2 MiB by 4 KiB pages so that the
 * GHCBs can be shared. All else, the tables too, is private.
 */
void vm_page_tables(struct vm *vm)
{
	uint64_t *tables = vm_piece(vm, GPA_PAGE_TABLES, 7 * PAGE_SIZE);
	uint64_t *pml4 = tables, *pdpt = tables + 512, *pd = tables + 2 * 512;
	uint64_t *pt = tables + 6 * 512;
	uint64_t flags = PTE_PRESENT | PTE_WRITE | vm->cbit;
	uint64_t i;

	pml4[0] = (GPA_PAGE_TABLES + 1 * PAGE_SIZE) | flags;
	for (i = 0; i < 4; i++)
		pdpt[i] = (GPA_PAGE_TABLES + (2 + i) * PAGE_SIZE) | flags;
	for (i = 0; i < 4 * 512; i++)
		pd[i] = i * 2 * MiB | flags | PTE_LARGE;
	pd[0] = (GPA_PAGE_TABLES + 6 * PAGE_SIZE) | flags;
	for (i = 0; i < 512; i++)
		pt[i] = i * PAGE_SIZE | flags;
	for (i = vm_first_ghcb(vm); i <= GPA_GHCB; i += PAGE_SIZE)
		pt[i / PAGE_SIZE] &= ~vm->cbit;
}

static void set_msrs(struct vcpu *vcpu)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entry[1];
	} msrs = {
		.header.nmsrs = 1,
		/* Linux 6.1 takes memory without MTRRs for uncached, and dies. */
		.entry = { { .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED_WB } },
	};

	if (ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) != 1)
		die(EXIT_HOST, "KVM_SET_MSRS (MTRRdefType) on vCPU %u: %s",
		    vcpu->id, strerror(errno));
}

/* 64-bit mode on the page tables of vm_page_tables(). */
static void set_bsp(struct vm *vm, struct vcpu *vcpu, uint64_t rip)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 0x10, .type = 11,
		.present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 0x18, .type = 3,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs *sregs = &vcpu->sregs;
	struct kvm_regs *regs = &vcpu->regs;

	sregs->cs = code;
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
	sregs->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
	sregs->cr3 = GPA_PAGE_TABLES | vm->cbit;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;

	/* Linux: RSI. Payloads: RDI, RSI, RDX and the stack; see payload.c. */
	regs->rflags = 2;
	regs->rip = rip;
	regs->rsp = GPA_STACK_TOP;
	regs->rsi = GPA_ZERO_PAGE;
	if (vm->opt->payload) {
		regs->rdi = vm->cbit;
		regs->rsi = vm->opt->cpus;
		regs->rdx = vm->opt->memory;
	}
	if (vm->opt->protected) {
		regs->rip = GPA_BSP_STUB;
		regs->r8 = GPA_GHCB;
		regs->r9 = GPA_AP_PAGE;
		regs->r10 = rip;
		regs->r11 = vm_first_ghcb(vm);
		regs->r12 = vm->opt->cpus - 1;
	}
	/* Linux's APs are parked by the stub; a payload has them as they are. */
	if (vm->opt->ap_page) {
		regs->rbp = GPA_BRINGUP_PAGE;
		regs->r14 = vm->opt->kernel ? GPA_BRINGUP_PAGE : 0;
	}
}

/* The reset state, except that the first SIPI starts it in the AP page. */
static void set_protected_ap(struct vm *vm, struct vcpu *vcpu)
{
	vcpu->sregs.cs.base = GPA_AP_PAGE;
	vcpu->sregs.cs.selector = GPA_AP_PAGE >> 4;
	vcpu->regs.rip = AP_ENTRY;
	vcpu->regs.rbx = vm_first_ghcb(vm) + (vcpu->id - 1) * PAGE_SIZE;
}

/*
 * What docs/ap-bringup.md says of an AP at its launch. The hypervisor made it so;
 * it is written down here for the measurement, not set.
 */
static void expect_page_ap(struct vcpu *vcpu)
{
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = AP_PAGE_DATA32, .type = 3,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs *sregs = &vcpu->sregs;

	sregs->cs = data;
	sregs->cs.selector = AP_PAGE_CODE32;
	sregs->cs.type = 11;
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
	sregs->tr = (struct kvm_segment){ .limit = 0x67, .type = 11, .present = 1 };
	sregs->ldt = (struct kvm_segment){ .unusable = 1 };
	sregs->gdt = (struct kvm_dtable){ 0 };
	sregs->idt = (struct kvm_dtable){ 0 };
	sregs->cr0 = CR0_PE | CR0_ET;
	sregs->cr3 = 0;
	sregs->cr4 = 0;
	sregs->efer = 0;
	vcpu->regs = (struct kvm_regs){
		.rip = GPA_BRINGUP_PAGE + AP_PAGE_ENTRY, .rflags = 2,
		.rbx = GPA_BRINGUP_PAGE, .rsi = vcpu->id,
	};
}

/* The first state of all vCPUs. A plain guest's APs wait for SIPI as they are. */
void vm_set_vcpus(struct vm *vm, uint64_t rip)
{
	unsigned int i;

	for (i = 0; i < vm->opt->cpus; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];

		if (ioctl(vcpu->fd, KVM_GET_SREGS, &vcpu->sregs) ||
		    ioctl(vcpu->fd, KVM_GET_REGS, &vcpu->regs))
			die(EXIT_HOST, "reading the registers of vCPU %u: %s",
			    i, strerror(errno));
		/* Without an emulator a plain guest cannot use an APIC in xAPIC mode. */
		if (!vm->opt->protected)
			vcpu->sregs.apic_base |= APICBASE_X2APIC;
		if (i && vm->opt->ap_page) {
			expect_page_ap(vcpu);
			set_msrs(vcpu);
			continue;
		}
		if (!i) {
			memset(&vcpu->regs, 0, sizeof(vcpu->regs));
			set_bsp(vm, vcpu, rip);
		} else if (vm->opt->protected) {
			set_protected_ap(vm, vcpu);
		}
		if (ioctl(vcpu->fd, KVM_SET_SREGS, &vcpu->sregs))
			die(EXIT_HOST, "KVM_SET_SREGS on vCPU %u: %s", i, strerror(errno));
		if (ioctl(vcpu->fd, KVM_SET_REGS, &vcpu->regs))
			die(EXIT_HOST, "KVM_SET_REGS on vCPU %u: %s", i, strerror(errno));
		set_msrs(vcpu);
	}
}
