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

#define MSR_VM_CR		0xc0010114
#define VM_CR_SVMDIS		(1u << 4)
#define MSR_SYSCFG		0xc0010010
#define SYSCFG_MEM_ENCRYPT	(1u << 23)
#define SYSCFG_SNP		(1u << 24)

/* What a missing thing costs. */
enum need {
	NOTHING,		/* nothing: only said */
	ES,			/* SEV-ES guests */
	ALL,			/* all guests */
};

static bool lacks_es, lacks_all, quiet;

__attribute__((format(printf, 4, 5)))
static void say(bool good, enum need need, const char *what, const char *fmt, ...)
{
	const char *mark = good ? "ok" : need == NOTHING ? "--" : "no";
	va_list args;

	lacks_all |= !good && need == ALL;
	lacks_es |= !good && need != NOTHING;
	if (quiet)
		return;
	printf("%s  %-22s ", mark, what);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
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
		say(false, ALL, "processor", "%s: sevm needs AMD-V, that is an AMD processor", vendor);
		return false;
	}
	say(true, ALL, "processor", "%s", vendor);
	return true;
}

static bool check_svm(void)
{
	uint64_t vm_cr;

	if (!(cpuid(0x80000001).ecx & 1u << 2)) {
		say(false, ALL, "SVM", "CPUID does not show it: turn SVM on in the firmware's set-up, or use a host with nested virtualisation");
		return false;
	}
	if (!read_msr(MSR_VM_CR, &vm_cr))
		say(true, ALL, "SVM", "in CPUID; whether the firmware disabled it is not known (modprobe msr, as root)");
	else if (vm_cr & VM_CR_SVMDIS)
		say(false, ALL, "SVM", "disabled by the firmware (VM_CR.SVMDIS): turn SVM on in its set-up");
	else
		say(true, ALL, "SVM", "enabled by the firmware");
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
		{ 3, ES, "next RIP", "the hardware must advance RIP: a SEV-ES guest's is hidden" },
		{ 7, ES, "decode assists", "SEV-ES exits are decoded by the hardware" },
		{ 6, ES, "flush by ASID", "a SEV-ES guest keeps its ASID" },
	};
	uint32_t edx = cpuid(0x8000000a).edx;
	size_t i;

	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (edx & 1u << features[i].bit)
			say(true, features[i].need, features[i].name, "present");
		else
			say(false, features[i].need, features[i].name, "absent: %s", features[i].why);
	}
}

static void check_sev(void)
{
	struct regs r = cpuid(0x8000001f);
	uint32_t cbit = r.ebx & 0x3f, reduction = r.ebx >> 6 & 0x3f;
	uint32_t raw = cpuid(0x80000008).eax & 0xff, bits, first;
	uint64_t syscfg;

	if (!(r.eax & 1u << 1)) {
		say(false, ES, "SEV", "not in CPUID: this processor (an EPYC is needed) or its firmware's set-up lacks it");
		return;
	}
	say(true, ES, "SEV", "ASIDs 1 to %u", r.ecx);
	if (!(r.eax & 1u << 3)) {
		say(false, ES, "SEV-ES", "not in CPUID: an EPYC 7002 or newer is needed");
		return;
	}
	if (r.edx > 1)
		say(true, ES, "SEV-ES", "ASIDs 1 to %u", r.edx - 1);
	else
		say(false, ES, "SEV-ES", "no ASIDs left for it: raise \"minimum SEV non-ES ASID\" in the firmware's set-up");

	if (!read_msr(MSR_SYSCFG, &syscfg))
		say(false, NOTHING, "memory encryption", "SYSCFG cannot be read (modprobe msr, as root)");
	else if (syscfg & SYSCFG_MEM_ENCRYPT)
		say(true, ES, "memory encryption", "on (SYSCFG)");
	else
		say(false, ES, "memory encryption", "off: turn on SMEE (or \"transparent SME\") in the firmware's set-up");

	/* MMIO of a SEV-ES guest needs a reserved bit in the nested page tables. */
	bits = raw - reduction;
	first = bits == cbit ? bits + 1 : bits;
	if (first <= 51)
		say(true, ES, "reserved address bits", "%u to 51 of %u (C-bit %u, reduction %u)",
		    first, raw, cbit, reduction);
	else
		say(false, ES, "reserved address bits", "none (%u bits, C-bit %u, reduction %u): MMIO cannot be reflected; lower the address width in the firmware's set-up",
		    raw, cbit, reduction);
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

static void check_kernel(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;
	char path[256];

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	if (major > 6 || (major == 6 && minor >= 1))
		say(true, ALL, "kernel", "%s", u.release);
	else
		say(false, ALL, "kernel", "%s: sevm needs Linux 6.1 or newer", u.release);

	snprintf(path, sizeof(path), "/lib/modules/%s/build/Makefile", u.release);
	if (exists(path))
		say(true, NOTHING, "kernel headers", "/lib/modules/%s/build", u.release);
	else
		say(false, NOTHING, "kernel headers", "not installed: to build sevm, apt-get install linux-headers-%s",
		    u.release);
}

static void check_signing(void)
{
	char line[128] = "", enforce[8] = "N";
	bool locked;

	read_line("/sys/kernel/security/lockdown", line, sizeof(line));
	read_line("/sys/module/module/parameters/sig_enforce", enforce, sizeof(enforce));
	locked = strstr(line, "[integrity]") || strstr(line, "[confidentiality]");
	if (locked || enforce[0] == 'Y')
		say(false, NOTHING, "module signing", "enforced (%s): sign sevm.ko with an enrolled key (mokutil), or turn Secure Boot off",
		    locked ? "lockdown" : "module.sig_enforce");
	else
		say(true, NOTHING, "module signing", "unsigned modules are accepted");
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

/* KVM enables SVM while it has a VM, and always where it was told to. */
static void check_kvm(void)
{
	int users = module_users("kvm_amd");
	char eager[8] = "N";

	read_line("/sys/module/kvm/parameters/enable_virt_at_load", eager, sizeof(eager));
	if (users < 0)
		say(true, ALL, "kvm_amd", "not loaded");
	else if (users > 0)
		say(false, ALL, "kvm_amd", "in use by %d: end its VMs first, two hypervisors cannot share the CPUs", users);
	else if (eager[0] == 'Y')
		say(false, ALL, "kvm_amd", "holds SVM from its load on: rmmod kvm_amd, or modprobe kvm enable_virt_at_load=0");
	else
		say(true, ALL, "kvm_amd", "loaded, idle");
}

static void check_module(void)
{
	int fd;

	if (module_users("sevm") < 0) {
		say(false, NOTHING, "sevm", "not loaded: insmod sevm.ko");
		return;
	}
	fd = open("/dev/sevm", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		say(false, NOTHING, "sevm", "loaded, but /dev/sevm: %s", strerror(errno));
	else
		say(true, NOTHING, "sevm", "loaded, /dev/sevm opens");
	if (fd >= 0)
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
		say(false, ES, "SEV firmware", "PLATFORM_STATUS: %s (firmware error 0x%x); see dmesg | grep ccp",
		    strerror(errno), cmd.error);
		return;
	}
	say(true, ES, "SEV firmware", "API %u.%u build %u, %s, %u guests",
	    status.api_major, status.api_minor, status.build,
	    status.state < 3 ? states[status.state] : "in an unknown state",
	    status.guest_count);
	if (status.state && !(status.flags & SEV_STATUS_FLAGS_CONFIG_ES))
		say(false, ES, "SEV firmware: ES", "initialised without SEV-ES: reload ccp with no guest running");
}

static void check_psp(void)
{
	uint64_t syscfg;
	int fd;

	/* Newer firmware refuses SEV-ES guests beside SNP (AMD-SB-3023). */
	if (read_msr(MSR_SYSCFG, &syscfg) && (syscfg & SYSCFG_SNP))
		say(false, NOTHING, "SEV-SNP", "on: newer firmware then refuses SEV-ES guests; boot without SNP");

	fd = open("/dev/sev", O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		say(true, ES, "/dev/sev", "opens");
		platform_status(fd);
		close(fd);
		return;
	}
	if (errno == ENOENT)
		say(false, ES, "/dev/sev", "absent: %s", module_users("ccp") < 0 ?
		    "modprobe ccp" : "ccp is loaded but found no secure processor with SEV (dmesg | grep ccp)");
	else
		say(false, errno == EACCES ? NOTHING : ES, "/dev/sev", "%s%s", strerror(errno),
		    errno == EACCES ? ": run this as root to see more" : "");
}

static void check_memlock(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur == RLIM_INFINITY || !geteuid())
		say(true, NOTHING, "locked memory", "%s", geteuid() ? "unlimited" :
		    "unlimited (root)");
	else
		say(false, NOTHING, "locked memory", "at most %llu MiB: a SEV-ES guest's memory is pinned; raise `ulimit -l` above it",
		    (unsigned long long)limit.rlim_cur >> 20);
}

static const char usage[] =
"sevm-check [-q]\n"
"\n"
"Says what this host has and lacks for sevm, and what to do. Run it as root to\n"
"let it see all. -q: no output.\n"
"\n"
"Exit status: 0 SEV-ES guests can run, 1 plain guests only, 2 none.\n";

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "qh")) != -1) {
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
	if (!quiet)
		puts(lacks_all ? "This host cannot run guests with sevm." :
		     lacks_es ? "This host can run plain guests with sevm, no SEV-ES guests." :
		     "This host can run SEV-ES guests with sevm.");
	return lacks_all ? 2 : lacks_es ? 1 : 0;
}
