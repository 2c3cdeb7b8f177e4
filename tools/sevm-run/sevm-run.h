/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sevm-run.h - the small VMM: its objects, and what each file offers.
 *
 * One process is one VM. Until the vCPUs run, everything happens in the main
 * thread and an error ends the program (die()). Then each vCPU has a thread;
 * whoever sees the end calls vm_end(), and the main thread tidies up.
 */
#ifndef SEVM_RUN_H
#define SEVM_RUN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm_compat.h"
#include "util.h"

/* Exit statuses. The guest's own (port 0xf4) are whatever the guest says. */
enum {
	EXIT_OFF = 0,		/* power-off */
	EXIT_RESET = 1,		/* reset or triple fault: a Linux panic ends so */
	EXIT_USAGE = 2,
	EXIT_TERMINATED = 3,	/* the guest asked for its termination (GHCB) */
	EXIT_HOST = 4,		/* the host, the device or the firmware failed */
	EXIT_MEASUREMENT = 5,	/* not what this guest's owner would expect */
	EXIT_TIMEOUT = 124,
};

struct options {
	const char *device;
	unsigned int cpus;
	uint64_t memory;		/* bytes */
	bool protected;
	uint32_t policy;
	unsigned int ghcb_version;	/* 0: the hypervisor's choice */
	enum { IRQCHIP_AUTO, IRQCHIP_KERNEL, IRQCHIP_SPLIT } irqchip;
	bool ap_page;			/* --ap-bringup page */
	bool huge_pages;
	bool stats;
	unsigned int timeout;		/* seconds; 0: none */
	unsigned int verbose;
	const char *kernel;
	const char *initrd;
	const char *append;
	const char *payload;
	const char *session;		/* --session: no guest at all */
	const char *pdh;
};

/* Before what --append says. A panic shall reset at once: it ends sevm-run. */
#define LINUX_CMDLINE	"console=ttyS0 earlyprintk=serial,ttyS0 panic=-1"

#define MAX_CPUS	128
#define MAX_PIECES	16
#define PAGE_SIZE	4096ULL
#define MiB		BIT_ULL(20)
#define GiB		BIT_ULL(30)

/* Guest-physical layout below 1 MiB; what is not listed is free RAM. */
#define GPA_ZERO_PAGE	0x10000ULL	/* struct boot_params */
#define GPA_CMDLINE	0x11000ULL
#define GPA_PAGE_TABLES	0x12000ULL	/* PML4, PDPT, 4 page directories, 1 table */
#define GPA_BSP_STUB	0x19000ULL
#define GPA_STACK_TOP	0x1f000ULL	/* payloads only; below the GHCBs of 128 vCPUs */
#define GPA_GHCB	0x9e000ULL	/* the APs' GHCBs lie below */
#define GPA_AP_PAGE	0x9f000ULL
#define GPA_LOW_END	0xa0000ULL
#define GPA_ACPI	0xe0000ULL
#define GPA_ACPI_END	0xf0000ULL
#define GPA_BRINGUP_PAGE 0xf0000ULL	/* with --ap-bringup page */
#define GPA_PAYLOAD	0x100000ULL
#define GPA_HOLE	(3 * GiB)	/* of RAM, up to 4 GiB */

/* A range of guest memory that belongs to the launch, in pages. */
struct piece {
	uint64_t gpa;
	uint64_t size;
};

struct vcpu {
	struct vm *vm;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	struct kvm_regs regs;		/* as they were set, for the measurement */
	struct kvm_sregs sregs;
	uint64_t runs;
	uint64_t port_exits;
	uint64_t mmio_exits;
	uint32_t last_exit;
};

struct vm {
	const struct options *opt;
	int dev;			/* /dev/sevm or /dev/kvm */
	int fd;
	int sev;			/* /dev/sev, or -1 */
	bool sevm;			/* not KVM */
	bool split_irqchip;		/* the IOAPIC is in irq.c */
	bool typed;			/* KVM_X86_SEV_ES_VM and INIT2 */
	int run_size;
	struct vcpu *vcpus;

	uint8_t *ram;			/* low RAM, then that above 4 GiB */
	uint64_t low_size;
	uint64_t cbit;			/* mask; 0 in a plain guest */
	struct piece pieces[MAX_PIECES];
	unsigned int nr_pieces;

	int stop_fd;			/* eventfd: vm_end() was called */
	pthread_mutex_t end_lock;
	bool ending;
	bool timed_out;
	int status;
	char reason[256];
};

/* main.c */
__noreturn __printf(2, 3) void die(int status, const char *fmt, ...);
__printf(1, 2) void note(const char *fmt, ...);

/* vm.c: the VM and its vCPUs, as a hypervisor sees them */
void vm_create(struct vm *vm, const struct options *opt);
void vm_create_vcpus(struct vm *vm);
void vm_set_vcpus(struct vm *vm, uint64_t rip);
void *vm_memory(struct vm *vm, uint64_t gpa, uint64_t size);
void *vm_piece(struct vm *vm, uint64_t gpa, uint64_t size);
uint64_t vm_first_ghcb(const struct vm *vm);
void vm_page_tables(struct vm *vm);

/* cpuid.c */
struct kvm_cpuid2 *cpuid_supported(struct vm *vm);
void cpuid_set(struct vcpu *vcpu, const struct kvm_cpuid2 *supported);

/* run.c: the vCPU threads */
void run_start(struct vm *vm);
void run_stop(struct vm *vm);
void run_where(struct vm *vm);
__printf(3, 4) void vm_end(struct vm *vm, int status, const char *fmt, ...);

/* launch.c: SEV-ES, the host's part */
void launch_init(struct vm *vm);
void launch_guest(struct vm *vm);
uint8_t *platform_pdh(void);

/* session.c, vmsa.c, measure.c, owner.c: SEV-ES, the guest owner's part */
#define SEV_CERT_SIZE	2084
#define SEV_CHAIN_SIZE	(3 * SEV_CERT_SIZE)

struct session {
	uint8_t tek[16], tik[16];
	uint8_t cert[SEV_CERT_SIZE];
	uint8_t blob[128];
};

/* What LAUNCH_MEASURE answers. */
struct measurement {
	uint8_t mac[32];
	uint8_t nonce[16];
};

/* What a hypervisor may put into a VMSA beyond what the VMM set. */
struct vmsa_habits {
	bool machine_checks;		/* the host's CR4.MCE shows */
	bool fpu;			/* x87 and SSE in their reset state, not 0 */
};

struct digest;
bool session_make(struct session *session, const uint8_t *pdh, uint32_t policy);
void owner_session(const struct options *opt);
void vmsa_build(uint8_t *page, const struct vcpu *vcpu, const struct vmsa_habits *habits);
struct digest *digest_pieces(struct vm *vm);
bool measure_check(struct vm *vm, const struct digest *digest,
		   const struct session *session, const uint8_t api[3],
		   const struct measurement *measurement);

/* linux.c, payload.c, acpi.c: what runs. The entry point is the result. */
uint64_t linux_load(struct vm *vm);
uint64_t payload_load(struct vm *vm);
size_t acpi_build(uint8_t *at, size_t size, uint64_t gpa, unsigned int cpus);
void *file_read(const char *path, size_t max, size_t *size);

/* ports.c: the platform */
void port_access(struct vm *vm, bool out, uint16_t port, uint8_t size,
		 uint32_t count, void *data);
void mmio_access(struct vm *vm, bool write, uint64_t gpa, uint32_t size,
		 void *data);

void port_input(const uint8_t *data, size_t size);

/* assist.c */
bool assist(struct vcpu *vcpu);

/* irq.c */
void irq_init(struct vm *vm);
void irq_set(unsigned int pin, bool level);
bool irq_mmio(bool write, uint64_t gpa, uint32_t size, void *data);

/* serial.c */
uint8_t serial_read(unsigned int reg);
void serial_write(unsigned int reg, uint8_t value);
size_t serial_room(void);
void serial_input(const uint8_t *data, size_t size);

/* console.c: stdio */
void console_start(void);
void console_restore(void);
void console_put(uint8_t c);
void console_flush(void);
void console_wait(struct vm *vm);

/* timeline.c: --timeline. Nothing happens without it */
void timeline_option(const char *name);
void timeline_open(struct vm *vm);
void timeline_start(struct vm *vm);
void timeline_stop(struct vm *vm);
void timeline_print(void);

/* stats.c */
void stats_open(struct vm *vm);
void stats_print(struct vm *vm);

#endif /* SEVM_RUN_H */
