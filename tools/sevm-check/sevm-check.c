// SPDX-License-Identifier: GPL-2.0-only
/*
 * sevm-check - what this host has and lacks for sevm, one line for each.
 *
 * A check says "ok", "no" (with what it costs: SEV-ES guests, or all), or "--"
 * where it cannot tell or it does not matter yet; and behind it the reason and
 * what to do. It changes nothing on the host, and loads nothing.
 */
#include <cpuid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/psp-sev.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "util.h"

#define MSR_VM_CR		0xc0010114
#define VM_CR_SVMDIS		BIT(4)
#define MSR_SYSCFG		0xc0010010
#define SYSCFG_MEM_ENCRYPT	BIT(23)
#define SYSCFG_SNP		BIT(24)

/* What a missing thing costs. */
enum need {
	NOTHING,		/* nothing: only said */
	ES,			/* SEV-ES guests */
	ALL,			/* all guests */
};

static bool lacks_es, lacks_all, quiet;

static __printf(2, 3) void have(const char *what, const char *fmt, ...)
{
	va_list args;

	if (quiet)
		return;
	printf("ok  %-22s ", what);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

/* The reason is formatted; what to do about it is @todo. */
static __printf(4, 5) void lack(enum need need, const char *what, const char *todo,
				const char *fmt, ...)
{
	va_list args;

	lacks_all |= need == ALL;
	lacks_es |= need != NOTHING;
	if (quiet)
		return;
	printf("%s  %-22s ", need == NOTHING ? "--" : "no", what);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf(": %s\n", todo);
}

/* --- the processor ----------------------------------------------------------------- */

struct regs {
	uint32_t eax, ebx, ecx, edx;
};

static struct regs cpuid(uint32_t leaf)
{
	struct regs r = { 0 };
	uint32_t max = __get_cpuid_max(leaf & 0x80000000, NULL);

	if (max >= leaf)
		__cpuid_count(leaf, 0, r.eax, r.ebx, r.ecx, r.edx);
	return r;
}

static bool read_msr(uint32_t index, uint64_t *value)
{
	int fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = pread(fd, value, sizeof(*value), index) == sizeof(*value);
	close(fd);
	return ok;
}

static bool check_vendor(void)
{
	struct regs r = cpuid(0);
	char vendor[13] = "";

	memcpy(vendor, &r.ebx, 4);
	memcpy(vendor + 4, &r.edx, 4);
	memcpy(vendor + 8, &r.ecx, 4);
	if (strcmp(vendor, "AuthenticAMD") && strcmp(vendor, "HygonGenuine")) {
		lack(ALL, "processor", "sevm needs AMD-V, that is an AMD processor", "%s", vendor);
		return false;
	}
	have("processor", "%s", vendor);
	return true;
}

static bool check_svm(void)
{
	uint64_t vm_cr;

	if (!(cpuid(0x80000001).ecx & BIT(2))) {
		lack(ALL, "SVM", "turn it on in the firmware's set-up; a VM needs nesting",
		     "not in CPUID");
		return false;
	}
	if (!read_msr(MSR_VM_CR, &vm_cr))
		have("SVM", "in CPUID; to see if it is disabled, modprobe msr, as root");
	else if (vm_cr & VM_CR_SVMDIS)
		lack(ALL, "SVM", "turn it on in the firmware's set-up", "disabled (VM_CR)");
	else
		have("SVM", "enabled by the firmware");
	return true;
}

static void check_svm_features(void)
{
	static const struct {
		unsigned int bit;
		enum need need;
		const char *name, *why;
	} features[] = {
		{ 0, ALL, "nested paging", "all guests' memory is mapped with it" },
		{ 3, ES, "next RIP", "a SEV-ES guest's RIP is advanced by the hardware only" },
		{ 7, ES, "decode assists", "SEV-ES exits are decoded by the hardware" },
		{ 6, ES, "flush by ASID", "a SEV-ES guest keeps its ASID" },
	};
	uint32_t edx = cpuid(0x8000000a).edx;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		if (edx & BIT(features[i].bit))
			have(features[i].name, "present");
		else
			lack(features[i].need, features[i].name, features[i].why, "absent");
	}
}

/* MMIO of a SEV-ES guest needs a reserved bit in the nested page tables. */
static void check_reserved_bits(uint32_t ebx)
{
	uint32_t cbit = ebx & 0x3f, reduction = ebx >> 6 & 0x3f;
	uint32_t raw = cpuid(0x80000008).eax & 0xff, first = raw - reduction;

	first += first == cbit;
	if (first <= 51)
		have("reserved address bits", "%u to 51 of %u (C-bit %u, reduction %u)",
		     first, raw, cbit, reduction);
	else
		lack(ES, "reserved address bits",
		     "MMIO cannot be reflected; lower the address width in the firmware's set-up",
		     "none (%u bits, C-bit %u, reduction %u)", raw, cbit, reduction);
}

static void check_sev(void)
{
	struct regs r = cpuid(0x8000001f);
	uint64_t syscfg;

	if (!(r.eax & BIT(1))) {
		lack(ES, "SEV", "an EPYC is needed, with SEV on in the firmware's set-up",
		     "not in CPUID");
		return;
	}
	have("SEV", "ASIDs 1 to %u", r.ecx);
	if (!(r.eax & BIT(3))) {
		lack(ES, "SEV-ES", "an EPYC 7002 or newer is needed", "not in CPUID");
		return;
	}
	if (r.edx > 1)
		have("SEV-ES", "ASIDs 1 to %u", r.edx - 1);
	else
		lack(ES, "SEV-ES", "raise \"minimum SEV non-ES ASID\" in the firmware's set-up",
		     "no ASIDs left for it");

	if (!read_msr(MSR_SYSCFG, &syscfg))
		lack(NOTHING, "memory encryption", "modprobe msr, as root", "unknown");
	else if (syscfg & SYSCFG_MEM_ENCRYPT)
		have("memory encryption", "on (SYSCFG)");
	else
		lack(ES, "memory encryption", "turn SMEE on in the firmware's set-up", "off");
	check_reserved_bits(r.ebx);
}

/* --- the kernel --------------------------------------------------------------------- */

static bool read_line(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, line, size - 1);
	close(fd);
	if (n < 0)
		return false;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return true;
}

static bool exists(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

static bool kernel_is_at_least(unsigned int major, unsigned int minor)
{
	unsigned int has_major = 0, has_minor = 0;
	struct utsname u;

	uname(&u);
	return sscanf(u.release, "%u.%u", &has_major, &has_minor) == 2 &&
	       (has_major > major || (has_major == major && has_minor >= minor));
}

static void check_kernel(void)
{
	struct utsname u;
	char path[256];

	uname(&u);
	if (kernel_is_at_least(6, 1))
		have("kernel", "%s", u.release);
	else
		lack(ALL, "kernel", "sevm needs Linux 6.1 or newer", "%s", u.release);

	snprintf(path, sizeof(path), "/lib/modules/%s/build/Makefile", u.release);
	if (exists(path))
		have("kernel headers", "/lib/modules/%s/build", u.release);
	else
		lack(NOTHING, "kernel headers", "to build, apt-get install linux-headers-amd64",
		     "not installed for %s", u.release);
}

static void check_signing(void)
{
	char line[128] = "", enforce[8] = "N";
	bool locked;

	read_line("/sys/kernel/security/lockdown", line, sizeof(line));
	read_line("/sys/module/module/parameters/sig_enforce", enforce, sizeof(enforce));
	locked = strstr(line, "[integrity]") || strstr(line, "[confidentiality]");
	if (locked || enforce[0] == 'Y')
		lack(NOTHING, "module signing",
		     "sign sevm.ko with an enrolled key (mokutil), or turn Secure Boot off",
		     "enforced by %s", locked ? "lockdown" : "module.sig_enforce");
	else
		have("module signing", "unsigned modules are accepted");
}

/* How many users a module has; -1: not loaded. */
static int module_users(const char *name)
{
	char path[128], line[32];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	if (read_line(path, line, sizeof(line)))
		return atoi(line);
	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return exists(path) ? 0 : -1;
}

/*
 * KVM enables SVM while it has a VM, and always where it was told to. From 6.6
 * the kernel has one callback to turn SVM off in a crash, and warns when KVM
 * wants it while it is sevm's.
 */
static void check_kvm(void)
{
	bool warns = kernel_is_at_least(6, 6);
	int users = module_users("kvm_amd");
	char eager[8] = "N";

	read_line("/sys/module/kvm/parameters/enable_virt_at_load", eager, sizeof(eager));
	if (users < 0)
		have("kvm_amd", "not loaded%s", warns ?
		     "; leave it so while sevm has a VM: the kernel would warn" : "");
	else if (users > 0)
		lack(ALL, "kvm_amd", "end its VMs: two hypervisors cannot share the CPUs",
		     "in use by %d", users);
	else if (eager[0] == 'Y')
		lack(ALL, "kvm_amd", "rmmod kvm_amd, or modprobe kvm enable_virt_at_load=0",
		     "holds the CPUs' SVM, used or not");
	else
		have("kvm_amd", "loaded, idle%s", warns ?
		     "; give it no VM while sevm has one: the kernel would warn" : "");
}

static void check_module(void)
{
	int fd;

	if (module_users("sevm") < 0) {
		lack(NOTHING, "sevm", "insmod sevm.ko", "not loaded");
		return;
	}
	fd = open("/dev/sevm", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		lack(NOTHING, "sevm", strerror(errno), "loaded, but /dev/sevm does not open");
		return;
	}
	have("sevm", "loaded, /dev/sevm opens");
	close(fd);
}

/* --- the secure processor -------------------------------------------------------------- */

static void platform_status(int fd)
{
	static const char *const states[] = { "uninitialised", "initialised", "working" };
	struct sev_user_data_status status = { 0 };
	struct sev_issue_cmd cmd = {
		.cmd = SEV_PLATFORM_STATUS, .data = (uintptr_t)&status,
	};

	if (ioctl(fd, SEV_ISSUE_CMD, &cmd)) {
		lack(ES, "SEV firmware", "see dmesg | grep ccp", "no answer, %s (error 0x%x)",
		     strerror(errno), cmd.error);
		return;
	}
	have("SEV firmware", "API %u.%u build %u, %s, %u guests",
	     status.api_major, status.api_minor, status.build,
	     status.state < ARRAY_SIZE(states) ? states[status.state] : "in an unknown state",
	     status.guest_count);
	if (status.state && !(status.flags & SEV_STATUS_FLAGS_CONFIG_ES))
		lack(ES, "SEV firmware", "reload ccp while no guest runs",
		     "initialised without SEV-ES");
}

static void check_psp(void)
{
	uint64_t syscfg;
	int fd;

	/* AMD-SB-3023 */
	if (read_msr(MSR_SYSCFG, &syscfg) && (syscfg & SYSCFG_SNP))
		lack(NOTHING, "SEV-SNP", "boot without it if SEV-ES guests do not start",
		     "on, and newer firmware then refuses SEV-ES");

	fd = open("/dev/sev", O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		have("/dev/sev", "opens");
		platform_status(fd);
		close(fd);
	} else if (errno == EACCES) {
		lack(NOTHING, "/dev/sev", "run this as root to see more", "%s", strerror(errno));
	} else if (errno != ENOENT) {
		lack(ES, "/dev/sev", "see dmesg | grep ccp", "%s", strerror(errno));
	} else if (module_users("ccp") < 0) {
		lack(ES, "/dev/sev", "modprobe ccp", "absent");
	} else {
		lack(ES, "/dev/sev", "see dmesg | grep ccp",
		     "ccp is loaded, but found no secure processor with SEV");
	}
}

static void check_memlock(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (!geteuid())
		have("locked memory", "unlimited for root");
	else if (limit.rlim_cur == RLIM_INFINITY)
		have("locked memory", "unlimited");
	else
		lack(NOTHING, "locked memory",
		     "a SEV-ES guest's memory is pinned: raise `ulimit -l` above its size",
		     "at most %llu MiB", (unsigned long long)limit.rlim_cur >> 20);
}

static const char usage[] =
"sevm-check [-q]\n"
"\n"
"Says what this host has and lacks for sevm, and what to do. Run it as root to\n"
"let it see all. -q: no output.\n"
"\n"
"Exit status: 0 SEV-ES guests can run, 1 plain guests only, 2 none.\n";

static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "qh", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (c != 'q') {
			fputs(usage, stderr);
			return 64;
		}
		quiet = true;
	}
	if (check_vendor() && check_svm()) {
		check_svm_features();
		check_sev();
		check_psp();
	}
	check_kernel();
	check_signing();
	check_kvm();
	check_module();
	check_memlock();
	if (quiet)
		return lacks_all ? 2 : lacks_es;
	if (lacks_all)
		puts("This host cannot run guests with sevm.");
	else if (lacks_es)
		puts("This host can run plain guests with sevm, no SEV-ES guests.");
	else
		puts("This host can run SEV-ES guests with sevm.");
	return lacks_all ? 2 : lacks_es;
}
