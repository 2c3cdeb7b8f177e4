// SPDX-License-Identifier: GPL-2.0-only
/*
 * launch.c - the launch of a SEV-ES guest: the commands in their order.
 *
 * KVM_SEV_INIT2 (or KVM_SEV_ES_INIT) when the VM is made; when all is in
 * place: REG_REGION, LAUNCH_START, UPDATE_DATA for each piece, UPDATE_VMSA,
 * MEASURE, FINISH. Which order is right, the firmware decides.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/psp-sev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../firmware/ap_page.h"
#include "../firmware/firmware.h"
#include "sevm-run.h"

#define SEV_DEVICE	"/dev/sev"

static const char *firmware_error(uint32_t error)
{
	static const char *const names[] = {
		"SUCCESS", "INVALID_PLATFORM_STATE", "INVALID_GUEST_STATE",
		"INVALID_CONFIG", "INVALID_LEN", "ALREADY_OWNED",
		"INVALID_CERTIFICATE", "POLICY_FAILURE", "INACTIVE",
		"INVALID_ADDRESS", "BAD_SIGNATURE", "BAD_MEASUREMENT",
		"ASID_OWNED", "INVALID_ASID", "WBINVD_REQUIRED",
		"DFFLUSH_REQUIRED", "INVALID_GUEST", "INVALID_COMMAND", "ACTIVE",
		"HWERROR_PLATFORM", "HWERROR_UNSAFE", "UNSUPPORTED",
		"INVALID_PARAM", "RESOURCE_LIMIT", "SECURE_DATA_INVALID",
	};

	if (error < ARRAY_SIZE(names))
		return names[error];
	return "unknown";
}

static void sev_op(struct vm *vm, uint32_t id, const char *name, void *data)
{
	struct kvm_sev_cmd cmd = { .id = id, .data = (uintptr_t)data, .sev_fd = vm->sev };
	int error;

	if (!ioctl(vm->fd, KVM_MEMORY_ENCRYPT_OP, &cmd))
		return;
	error = errno;
	if (error == EIO)
		die(EXIT_HOST, "%s: the SEV firmware says 0x%x (%s)", name, cmd.error,
		    firmware_error(cmd.error));
	die(EXIT_HOST, "%s: %s%s", name, strerror(error),
	    error == ENOTTY ? " (no SEV-ES here; see sevm-check)" :
	    error == ENOMEM ? " (is the memlock limit below the guest's memory? see ulimit -l)" :
	    error == EBUSY ? " (no free ASID)" : "");
}

/* The C-bit's position is the host's: the guest finds the same in its CPUID. */
static uint64_t cbit_mask(void)
{
	unsigned int eax, ebx, ecx, edx;

	if (!__get_cpuid(0x8000001f, &eax, &ebx, &ecx, &edx) || !(eax & BIT(3)))
		die(EXIT_HOST, "this CPU has no SEV-ES (see sevm-check)");
	return 1ULL << (ebx & 0x3f);
}

static int open_sev(void)
{
	int fd = open(SEV_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die(EXIT_HOST, "%s: %s%s", SEV_DEVICE, strerror(errno),
		    errno == ENOENT ? " (no SEV firmware, or ccp is not loaded)" : "");
	return fd;
}

void launch_init(struct vm *vm)
{
	struct kvm_sev_init init = { .ghcb_version = vm->opt->ghcb_version };

	vm->cbit = cbit_mask();
	vm->sev = open_sev();
	if (vm->typed) {
		sev_op(vm, KVM_SEV_INIT2, "KVM_SEV_INIT2", &init);
		return;
	}
	if (vm->opt->ghcb_version > 1)
		die(EXIT_HOST, "%s has no KVM_SEV_INIT2: GHCB version 1 only",
		    vm->opt->device);
	sev_op(vm, KVM_SEV_ES_INIT, "KVM_SEV_ES_INIT", NULL);
}

static void register_region(struct vm *vm, uint8_t *at, uint64_t size)
{
	struct kvm_enc_region region = { .addr = (uintptr_t)at, .size = size };

	if (ioctl(vm->fd, KVM_MEMORY_ENCRYPT_REG_REGION, &region))
		die(EXIT_HOST, "pinning %llu MiB of guest memory: %s%s",
		    (unsigned long long)(size / MiB), strerror(errno),
		    errno == ENOMEM ? " (memlock limit? see ulimit -l)" : "");
}

static bool export_pdh(int sev, uint8_t *pdh)
{
	static uint8_t chain[SEV_CHAIN_SIZE];
	struct sev_user_data_pdh_cert_export export = {
		.pdh_cert_address = (uintptr_t)pdh, .pdh_cert_len = SEV_CERT_SIZE,
		.cert_chain_address = (uintptr_t)chain, .cert_chain_len = sizeof(chain),
	};
	struct sev_issue_cmd cmd = {
		.cmd = SEV_PDH_CERT_EXPORT, .data = (uintptr_t)&export,
	};

	if (!ioctl(sev, SEV_ISSUE_CMD, &cmd))
		return true;
	note("no session with the firmware: SEV_PDH_CERT_EXPORT: %s (0x%x)",
	     strerror(errno), cmd.error);
	return false;
}

/* This host's. */
uint8_t *platform_pdh(void)
{
	uint8_t *pdh = malloc(SEV_CERT_SIZE);
	int sev = open_sev();

	if (!pdh || !export_pdh(sev, pdh))
		die(EXIT_HOST, "no PDH certificate");
	close(sev);
	return pdh;
}

/* The owner's session; false if the platform's certificate is not to be had. */
static bool open_session(struct vm *vm, struct session *session)
{
	uint8_t pdh[SEV_CERT_SIZE];

	if (!export_pdh(vm->sev, pdh))
		return false;
	if (!session_make(session, pdh, vm->opt->policy)) {
		note("no session with the firmware: its PDH certificate is no good");
		return false;
	}
	return true;
}

static bool platform_api(struct vm *vm, uint8_t api[3])
{
	struct sev_user_data_status status = { 0 };
	struct sev_issue_cmd cmd = {
		.cmd = SEV_PLATFORM_STATUS, .data = (uintptr_t)&status,
	};

	if (ioctl(vm->sev, SEV_ISSUE_CMD, &cmd))
		return false;
	api[0] = status.api_major;
	api[1] = status.api_minor;
	api[2] = status.build;
	return true;
}

static void place_firmware(struct vm *vm)
{
	size_t bsp = sevm_firmware_bsp_end - sevm_firmware_bsp;
	size_t ap = sevm_firmware_ap_end - sevm_firmware_ap;
	size_t page = sevm_firmware_ap_page_end - sevm_firmware_ap_page;

	memcpy(vm_piece(vm, GPA_BSP_STUB, bsp), sevm_firmware_bsp, bsp);
	memcpy(vm_piece(vm, GPA_AP_PAGE, ap), sevm_firmware_ap, ap);
	if (vm->opt->ap_page)
		memcpy(vm_piece(vm, GPA_BRINGUP_PAGE, page), sevm_firmware_ap_page, page);
}

void launch_guest(struct vm *vm)
{
	struct kvm_sev_launch_start start = { .policy = vm->opt->policy };
	struct measurement measurement;
	struct kvm_sev_launch_measure measure = {
		.uaddr = (uintptr_t)&measurement, .len = sizeof(measurement),
	};
	struct digest *digest;
	struct session session;
	bool checkable;
	uint8_t api[3];
	unsigned int i;

	place_firmware(vm);
	digest = digest_pieces(vm);

	register_region(vm, vm->ram, vm->low_size);
	if (vm->opt->memory > vm->low_size)
		register_region(vm, vm->ram + vm->low_size, vm->opt->memory - vm->low_size);

	checkable = open_session(vm, &session);
	if (checkable) {
		start.dh_uaddr = (uintptr_t)session.cert;
		start.dh_len = sizeof(session.cert);
		start.session_uaddr = (uintptr_t)session.blob;
		start.session_len = sizeof(session.blob);
	}
	sev_op(vm, KVM_SEV_LAUNCH_START, "KVM_SEV_LAUNCH_START", &start);

	for (i = 0; i < vm->nr_pieces; i++) {
		struct piece *p = &vm->pieces[i];
		struct kvm_sev_launch_update_data update = {
			.uaddr = (uintptr_t)vm_memory(vm, p->gpa, p->size), .len = p->size,
		};

		if (vm->opt->verbose)
			note("launching 0x%llx bytes at 0x%llx",
			     (unsigned long long)p->size, (unsigned long long)p->gpa);
		sev_op(vm, KVM_SEV_LAUNCH_UPDATE_DATA, "KVM_SEV_LAUNCH_UPDATE_DATA", &update);
	}
	sev_op(vm, KVM_SEV_LAUNCH_UPDATE_VMSA, "KVM_SEV_LAUNCH_UPDATE_VMSA", NULL);
	sev_op(vm, KVM_SEV_LAUNCH_MEASURE, "KVM_SEV_LAUNCH_MEASURE", &measure);

	if (!checkable || !platform_api(vm, api))
		note("the launch measurement was not checked");
	else if (!measure_check(vm, digest, &session, api, &measurement))
		die(EXIT_MEASUREMENT, "the guest is not what it should be; it was not run");
	sev_op(vm, KVM_SEV_LAUNCH_FINISH, "KVM_SEV_LAUNCH_FINISH", NULL);
}
