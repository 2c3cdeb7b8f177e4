// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - makes, runs and ends the VMs of the tests. The launch is in launch.c.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../guest/guest.h"
#include "launch.h"
#include "vm.h"

#define STOP_SIGNAL	SIGUSR1
#define LEAF		0x83ULL		/* present, writable, 2 MiB */
#define TABLE		0x07ULL		/* user too: tests that go to user mode */

static void on_stop(int signal)
{
	(void)signal;
}

int device_open(void)
{
	int fd = open(test_device, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		FAIL("%s: %s", test_device, strerror(errno));
	return fd;
}

bool device_is_sevm(void)
{
	return strstr(test_device, "sevm");
}

bool device_has_init2(int dev)
{
	int types = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);

	return types > 0 && types & 1 << KVM_X86_SEV_ES_VM;
}

static int try_es_init(int dev)
{
	struct kvm_sev_cmd cmd = { .id = KVM_SEV_ES_INIT, .sev_fd = -1 };
	int sev = open("/dev/sev", O_RDWR | O_CLOEXEC), vm, r = -1;

	if (sev < 0)
		return -1;
	vm = ioctl(dev, KVM_CREATE_VM, 0);
	if (vm >= 0) {
		cmd.sev_fd = sev;
		r = ioctl(vm, KVM_MEMORY_ENCRYPT_OP, &cmd);
		close(vm);
	}
	close(sev);
	return r;
}

bool device_has_es(int dev)
{
	return device_has_init2(dev) || !try_es_init(dev);
}

void *vm_memory(u64 size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		FAIL("mmap of %#llx bytes: %s", (unsigned long long)size, strerror(errno));
	return p;
}

static void set_slot(struct vm *vm, unsigned int slot, u64 gpa, u64 size,
		     void *memory, u32 flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .userspace_addr = (u64)memory,
	};

	ASSERT_OK(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region));
}

void vm_add_slot(struct vm *vm, u64 gpa, u64 size, void *memory, u32 flags)
{
	set_slot(vm, vm->slots++, gpa, size, memory, flags);
}

void vm_delete_slot(struct vm *vm, unsigned int slot)
{
	set_slot(vm, slot, 0, 0, NULL, 0);
}

static void write_page_tables(struct vm *vm, u64 cbit)
{
	u64 *pml4 = vm_shared(vm, GUEST_PML4), *pdpt = vm_shared(vm, GUEST_PDPT);
	u64 *pd = vm_shared(vm, GUEST_PD);
	u64 i;

	pml4[0] = GUEST_PDPT | TABLE | cbit;
	for (i = 0; i < GUEST_MAPPED_GIB; i++)
		pdpt[i] = (GUEST_PD + i * 0x1000) | TABLE | cbit;
	for (i = 0; i < GUEST_MAPPED_GIB * 512; i++) {
		u64 gpa = i << 21;
		bool shared = gpa == GUEST_SHARED || gpa >= GUEST_MMIO;

		pd[i] = gpa | LEAF | 4 | (shared ? 0 : cbit);
	}
}

/* This program, as it was linked, becomes the guest's: text, data and zeroed bss. */
static void load_program(struct vm *vm)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	Elf64_Phdr ph[16];
	Elf64_Ehdr eh;
	unsigned int i;

	ASSERT(fd >= 0);
	ASSERT_EQ(pread(fd, &eh, sizeof(eh), 0), sizeof(eh));
	ASSERT(eh.e_type == ET_EXEC && eh.e_phnum <= 16);
	ASSERT_EQ(pread(fd, ph, eh.e_phnum * sizeof(ph[0]), eh.e_phoff),
		  eh.e_phnum * sizeof(ph[0]));
	for (i = 0; i < eh.e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		ASSERT(ph[i].p_vaddr >= GUEST_SHARED_END &&
		       ph[i].p_vaddr + ph[i].p_memsz <= GUEST_PRIVATE_DATA);
		ASSERT_EQ(pread(fd, vm->memory + ph[i].p_vaddr, ph[i].p_filesz,
				ph[i].p_offset), ph[i].p_filesz);
		launch_add(vm, ph[i].p_vaddr, ph[i].p_memsz);
	}
	close(fd);
}

static void set_cpuid(struct vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	unsigned int i;

	cpuid->nent = 256;
	ASSERT_OK(ioctl(vcpu->vm->dev, KVM_GET_SUPPORTED_CPUID, cpuid));
	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 1) {
			e->ebx = (e->ebx & 0xffffff) | vcpu->index << 24;
			e->ecx |= 1u << 31 | 1u << 24 | 1u << 21;
		} else if (e->function == 0xb) {
			e->edx = vcpu->index;
		} else if (e->function == 0x80000001) {
			e->ecx &= ~(1u << 2);	/* SVM */
		}
	}
	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid));
	free(cpuid);
}

static void set_registers(struct vcpu *vcpu, void (*fn)(unsigned long), u64 cbit)
{
	struct kvm_segment data = {
		.selector = GUEST_DS, .type = 3, .present = 1, .s = 1, .db = 1,
		.g = 1, .limit = 0xffffffff,
	};
	struct kvm_regs regs = {
		.rip = (u64)guest_start, .rflags = 2, .rdi = vcpu->index,
		.rsi = (u64)fn, .rsp = GUEST_STACK_TOP(vcpu->index),
	};
	struct kvm_sregs sregs;

	ASSERT_OK(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs));
	sregs.ds = data;
	sregs.es = data;
	sregs.ss = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.gs.base = (u64)&guest_cpus[vcpu->index];
	sregs.cs = data;
	sregs.cs.selector = GUEST_CS;
	sregs.cs.type = 11;
	sregs.cs.db = 0;
	sregs.cs.l = 1;
	sregs.gdt.base = (u64)guest_gdt[vcpu->index];
	sregs.gdt.limit = sizeof(guest_gdt[0]) - 1;
	sregs.cr0 = 0x80010033;
	sregs.cr3 = GUEST_PML4 | cbit;
	sregs.cr4 = 0x620;	/* PAE, OSFXSR, OSXMMEXCPT */
	sregs.efer = 0x500;
	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
}

/* fn NULL: it keeps the registers that it was created with. */
static void add_vcpu(struct vm *vm, unsigned int index, void (*fn)(unsigned long), u64 cbit)
{
	struct vcpu *vcpu = &vm->vcpu[index];
	int size = ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);

	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->ucall = vm_shared(vm, GUEST_UCALL(index));
	ASSERT_OK(vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)index));
	ASSERT(size > 0);
	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	ASSERT(vcpu->run != MAP_FAILED);
	set_cpuid(vcpu);
	if (fn)
		set_registers(vcpu, fn, cbit);
}

static void add_irqchip(struct vm *vm, enum vm_irqchip kind)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };

	if (kind == IRQCHIP_KERNEL)
		ASSERT_OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	else if (kind == IRQCHIP_SPLIT)
		ASSERT_OK(ioctl(vm->fd, KVM_ENABLE_CAP, &split));
}

struct vm *vm_create(void (*fn)(unsigned long), const struct vm_options *given)
{
	static const struct vm_options defaults;
	const struct vm_options *options = given ?: &defaults;
	struct vm *vm = calloc(1, sizeof(*vm));
	struct sigaction action = { .sa_handler = on_stop };
	u64 cbit = 0;
	unsigned int i;

	sigaction(STOP_SIGNAL, &action, NULL);
	vm->dev = device_open();
	vm->sev_fd = -1;
	vm->vcpus = options->vcpus ?: 1;
	vm->protected = !options->plain;
	vm->policy = options->policy ?: 5;
	vm->memory = vm_memory(GUEST_MEMORY);
	if (vm->protected) {
		vm->sev_fd = sev_open();
		vm->init2 = device_has_init2(vm->dev) && !options->legacy;
		if (options->ghcb_version > 1 && !vm->init2)
			test_skip("no GHCB version %u without KVM_SEV_INIT2",
				  options->ghcb_version);
		cbit = launch_cbit();
	}
	vm->fd = ioctl(vm->dev, KVM_CREATE_VM, vm->init2 ? KVM_X86_SEV_ES_VM : 0L);
	if (vm->fd < 0)
		FAIL("KVM_CREATE_VM: %s", strerror(errno));
	if (vm->protected)
		launch_init(vm, options->ghcb_version);
	ASSERT_OK(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000));
	add_irqchip(vm, options->irqchip);
	vm_add_slot(vm, 0, GUEST_MEMORY, vm->memory, 0);
	write_page_tables(vm, cbit);
	launch_add(vm, GUEST_PML4, (2 + GUEST_MAPPED_GIB) * 0x1000);
	load_program(vm);
	*(volatile u64 *)vm_shared(vm, (u64)&guest_es) = vm->protected;
	*(volatile u64 *)vm_shared(vm, (u64)&guest_cbit) = cbit;
	if (options->prepare)
		options->prepare(vm);
	for (i = 0; i < vm->vcpus; i++)
		add_vcpu(vm, i, i && options->aps_as_created ? NULL : fn, cbit);
	if (vm->protected && !options->no_launch)
		vm_launch(vm);
	return vm;
}

void vm_free(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->vcpus; i++) {
		vcpu_stop(&vm->vcpu[i]);
		munmap(vm->vcpu[i].run, ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0));
		close(vm->vcpu[i].fd);
	}
	close(vm->fd);
	close(vm->dev);
	if (vm->sev_fd >= 0)
		close(vm->sev_fd);
	munmap(vm->memory, GUEST_MEMORY);
	free(vm);
}

int vcpu_run_once(struct vcpu *vcpu)
{
	return ioctl(vcpu->fd, KVM_RUN, 0);
}

static bool is_ucall(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	return run->exit_reason == KVM_EXIT_IO && run->io.port == GUEST_UCALL_PORT &&
	       run->io.direction == KVM_EXIT_IO_OUT;
}

/* Run to the next exit that the guest did not make by printing; false: stopped. */
static bool run_to_event(struct vcpu *vcpu)
{
	for (;;) {
		if (vcpu_run_once(vcpu)) {
			if (errno == EINTR && vcpu->stop)
				return false;
			if (errno == EINTR || errno == EAGAIN)
				continue;
			FAIL("vCPU %u: KVM_RUN: %s", vcpu->index, strerror(errno));
		}
		if (!is_ucall(vcpu))
			return true;
		switch (vcpu->ucall->cmd) {
		case UCALL_FAIL:
			FAIL("vCPU %u: %.500s", vcpu->index, vcpu->ucall->msg);
		case UCALL_PRINT:
			test_note("vCPU %u: %.500s", vcpu->index, vcpu->ucall->msg);
			continue;
		default:
			return true;
		}
	}
}

static void fail_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->exit_reason == KVM_EXIT_SYSTEM_EVENT)
		FAIL("vCPU %u: system event %u, data %#llx", vcpu->index,
		     run->system_event.type, run->system_event.data[0]);
	if (run->exit_reason == KVM_EXIT_IO)
		FAIL("vCPU %u: port %#x, direction %u", vcpu->index, run->io.port,
		     run->io.direction);
	if (run->exit_reason == KVM_EXIT_MMIO)
		FAIL("vCPU %u: MMIO at %#llx, %u bytes, write %u", vcpu->index,
		     run->mmio.phys_addr, run->mmio.len, run->mmio.is_write);
	FAIL("vCPU %u: exit reason %u", vcpu->index, run->exit_reason);
}

unsigned int vcpu_run(struct vcpu *vcpu)
{
	while (run_to_event(vcpu)) {
		if (is_ucall(vcpu))
			return vcpu->ucall->cmd;
		if (!vcpu->on_exit)
			fail_exit(vcpu);
		vcpu->on_exit(vcpu);
	}
	return UCALL_NONE;
}

u32 vcpu_run_to_exit(struct vcpu *vcpu)
{
	if (run_to_event(vcpu) && is_ucall(vcpu))
		FAIL("vCPU %u: ucall %lu (stage %lu) where an exit was due",
		     vcpu->index, vcpu->ucall->cmd, vcpu->ucall->args[0]);
	return vcpu->run->exit_reason;
}

static void *thread(void *arg)
{
	struct vcpu *vcpu = arg;

	while (vcpu_run(vcpu) == UCALL_SYNC)
		;
	return NULL;
}

void vcpu_start(struct vcpu *vcpu)
{
	vcpu->stop = false;
	ASSERT_EQ(pthread_create(&vcpu->thread, NULL, thread, vcpu), 0);
	vcpu->started = true;
}

void vcpu_join(struct vcpu *vcpu)
{
	ASSERT_EQ(pthread_join(vcpu->thread, NULL), 0);
	vcpu->started = false;
}

void vcpu_stop(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	__atomic_store_n(&vcpu->stop, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, STOP_SIGNAL);
	vcpu_join(vcpu);
	vcpu->run->immediate_exit = 0;
}

void vm_run(struct vm *vm)
{
	unsigned int i;

	for (i = 1; i < vm->vcpus; i++)
		vcpu_start(&vm->vcpu[i]);
	while (vcpu_run(&vm->vcpu[0]) == UCALL_SYNC)
		;
	for (i = 1; i < vm->vcpus; i++)
		vcpu_stop(&vm->vcpu[i]);
}

void run_guest(void (*fn)(unsigned long), const struct vm_options *options)
{
	struct vm *vm = vm_create(fn, options);

	vm_run(vm);
	vm_free(vm);
}

u32 vcpu_mp_state(struct vcpu *vcpu)
{
	struct kvm_mp_state state;

	ASSERT_OK(ioctl(vcpu->fd, KVM_GET_MP_STATE, &state));
	return state.mp_state;
}

void vcpu_set_mp_state(struct vcpu *vcpu, u32 value)
{
	struct kvm_mp_state state = { value };

	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_MP_STATE, &state));
}

static u64 read_stat(int fd, const char *name)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	u64 value = 0;
	bool found = false;
	size_t size;
	u32 i;

	ASSERT_OK(fd);
	ASSERT_EQ(pread(fd, &header, sizeof(header), 0), sizeof(header));
	size = sizeof(*desc) + header.name_size;
	desc = calloc(1, size);
	for (i = 0; i < header.num_desc && !found; i++) {
		ASSERT_EQ(pread(fd, desc, size, header.desc_offset + i * size), size);
		if (strcmp(desc->name, name))
			continue;
		found = true;
		ASSERT_EQ(pread(fd, &value, 8, header.data_offset + desc->offset), 8);
	}
	free(desc);
	close(fd);
	if (!found)
		test_skip("no counter %s", name);
	return value;
}

u64 vm_stat(struct vm *vm, const char *name)
{
	return read_stat(ioctl(vm->fd, KVM_GET_STATS_FD, NULL), name);
}

u64 vcpu_stat(struct vcpu *vcpu, const char *name)
{
	return read_stat(ioctl(vcpu->fd, KVM_GET_STATS_FD, NULL), name);
}
