// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - sevm-run's options and its life from beginning to end.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sevm-run.h"

static const char usage[] =
"sevm-run [OPTION...] PAYLOAD\n"
"sevm-run [OPTION...] --kernel BZIMAGE [--initrd FILE] [--append TEXT]\n"
"sevm-run --session NAME [--pdh FILE] [--policy P]\n"
"\n"
"Runs a guest on sevm (or KVM): a flat 64-bit PAYLOAD, or a Linux kernel. Or makes\n"
"its owner's session with the SEV firmware, for another VMM.\n"
"\n"
"  --device PATH         the hypervisor (default /dev/sevm; /dev/kvm works too)\n"
"  --cpus N              vCPUs, 1 to 128 (default 1)\n"
"  --memory M            MiB, or with suffix M or G (default 256)\n"
"  --protected           a SEV-ES guest (the default)\n"
"  --plain               not one\n"
"  --policy P            of the SEV-ES launch (default 0x5: ES, no debugging)\n"
"  --ghcb-version N      newest GHCB protocol to offer, 1 or 2\n"
"  --ap-bringup jump-table|page  how the first vCPU starts the others: INIT-SIPI and\n"
"                        the AP jump table (the default), or the bring-up page\n"
"                        (docs/ap-bringup.md; sevm only)\n"
"  --irqchip kernel|split  where the IOAPIC is (default: in the kernel, but for a\n"
"                        plain guest on sevm, which could not reach it there)\n"
"  --huge-pages          ask for transparent huge pages\n"
"  --kernel BZIMAGE      boot this Linux kernel\n"
"  --initrd FILE         with this initial RAM disk\n"
"  --append TEXT         after \"" LINUX_CMDLINE "\"\n"
"  --stats               print the hypervisor's counters at the end\n"
"  --timeline[=FILE]     print at the end who started which vCPU and when; as a\n"
"                        picture if FILE ends in .svg. May be given twice. Needs\n"
"                        sevm, tracefs and root\n"
"  --timeout S           end after S seconds\n"
"  --session NAME        no guest, but the session of one for QEMU: NAME_session.b64,\n"
"                        NAME_godh.b64 (the owner's certificate); and the owner's\n"
"                        keys, NAME_tek.bin, NAME_tik.bin\n"
"  --pdh FILE            with the platform of this PDH certificate (default: this\n"
"                        host's)\n"
"  -v, --verbose         more messages\n"
"  -h, --help            this text\n"
"\n"
"The guest's serial port is on stdin and stdout; on a terminal ^A x ends the\n"
"guest. Messages of sevm-run are on stderr.\n"
"\n"
"Exit status: what the guest wrote to port 0xf4, or\n"
"  0  the guest powered off\n"
"  1  it reset itself or met a triple fault (a Linux panic ends so)\n"
"  2  wrong usage, or files that do not fit\n"
"  3  it asked for its termination through the GHCB\n"
"  4  the host, the hypervisor or the SEV firmware failed\n"
"  5  the launch measurement is not the expected one; the guest did not run\n"
"  124 timeout; 128+N signal N, or ^A x (130)\n";

void note(const char *fmt, ...)
{
	va_list args;

	console_flush();
	flockfile(stderr);
	va_start(args, fmt);
	fputs("sevm-run: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	funlockfile(stderr);
}

void die(int status, const char *fmt, ...)
{
	va_list args;

	console_restore();
	va_start(args, fmt);
	fputs("sevm-run: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(status);
}

static unsigned long long parse_number(const char *name, const char *text,
				       unsigned long long min, unsigned long long max)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || value < min || value > max)
		die(EXIT_USAGE, "--%s: a number from %llu to %llu, not \"%s\"",
		    name, min, max, text);
	return value;
}

static uint64_t memory_size(const char *text)
{
	char digits[24];
	size_t length = strlen(text);
	uint64_t unit = 1;

	if (length && length < sizeof(digits)) {
		if (text[length - 1] == 'G' || text[length - 1] == 'g')
			unit = 1024;
		if (unit > 1 || text[length - 1] == 'M' || text[length - 1] == 'm')
			length--;
		memcpy(digits, text, length);
		digits[length] = '\0';
		text = digits;
	}
	return parse_number("memory", text, unit > 1 ? 1 : 4, 1024 * 1024 / unit) * unit * MiB;
}

enum {
	OPT_DEVICE = 256, OPT_CPUS, OPT_MEMORY, OPT_PROTECTED, OPT_PLAIN, OPT_POLICY,
	OPT_GHCB, OPT_AP_BRINGUP, OPT_IRQCHIP, OPT_HUGE, OPT_KERNEL, OPT_INITRD, OPT_APPEND,
	OPT_STATS, OPT_TIMELINE, OPT_TIMEOUT, OPT_SESSION, OPT_PDH
};

static const struct option longopts[] = {
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "protected", no_argument, NULL, OPT_PROTECTED },
	{ "plain", no_argument, NULL, OPT_PLAIN },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "ghcb-version", required_argument, NULL, OPT_GHCB },
	{ "ap-bringup", required_argument, NULL, OPT_AP_BRINGUP },
	{ "irqchip", required_argument, NULL, OPT_IRQCHIP },
	{ "huge-pages", no_argument, NULL, OPT_HUGE },
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "append", required_argument, NULL, OPT_APPEND },
	{ "stats", no_argument, NULL, OPT_STATS },
	{ "timeline", optional_argument, NULL, OPT_TIMELINE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "session", required_argument, NULL, OPT_SESSION },
	{ "pdh", required_argument, NULL, OPT_PDH },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static void parse(struct options *opt, int argc, char **argv)
{
	int c;

	*opt = (struct options){
		.device = "/dev/sevm", .cpus = 1, .memory = 256 * MiB,
		.protected = true, .policy = 5,
	};
	while ((c = getopt_long(argc, argv, "vh", longopts, NULL)) != -1) {
		switch (c) {
		case OPT_DEVICE:
			opt->device = optarg;
			break;
		case OPT_CPUS:
			opt->cpus = parse_number("cpus", optarg, 1, MAX_CPUS);
			break;
		case OPT_MEMORY:
			opt->memory = memory_size(optarg);
			break;
		case OPT_PROTECTED:
			opt->protected = true;
			break;
		case OPT_PLAIN:
			opt->protected = false;
			break;
		case OPT_POLICY:
			opt->policy = parse_number("policy", optarg, 0, UINT32_MAX);
			break;
		case OPT_GHCB:
			opt->ghcb_version = parse_number("ghcb-version", optarg, 1, 2);
			break;
		case OPT_AP_BRINGUP:
			if (strcmp(optarg, "page") && strcmp(optarg, "jump-table"))
				die(EXIT_USAGE, "--ap-bringup: jump-table or page");
			opt->ap_page = *optarg == 'p';
			break;
		case OPT_IRQCHIP:
			if (strcmp(optarg, "kernel") && strcmp(optarg, "split"))
				die(EXIT_USAGE, "--irqchip: kernel or split");
			opt->irqchip = *optarg == 's' ? IRQCHIP_SPLIT : IRQCHIP_KERNEL;
			break;
		case OPT_HUGE:
			opt->huge_pages = true;
			break;
		case OPT_KERNEL:
			opt->kernel = optarg;
			break;
		case OPT_INITRD:
			opt->initrd = optarg;
			break;
		case OPT_APPEND:
			opt->append = optarg;
			break;
		case OPT_STATS:
			opt->stats = true;
			break;
		case OPT_TIMELINE:
			timeline_option(optarg);
			break;
		case OPT_TIMEOUT:
			opt->timeout = parse_number("timeout", optarg, 1, 1000000);
			break;
		case OPT_SESSION:
			opt->session = optarg;
			break;
		case OPT_PDH:
			opt->pdh = optarg;
			break;
		case 'v':
			opt->verbose++;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			die(EXIT_USAGE, "see sevm-run --help");
		}
	}
	if (optind < argc)
		opt->payload = argv[optind++];
	if (optind < argc || !!opt->payload + !!opt->kernel + !!opt->session != 1)
		die(EXIT_USAGE, "one PAYLOAD, one --kernel or one --session; see sevm-run --help");
	if (opt->pdh && !opt->session)
		die(EXIT_USAGE, "--pdh goes with --session");
	if (opt->payload && (opt->initrd || opt->append))
		die(EXIT_USAGE, "--initrd and --append go with --kernel");
	if (opt->ghcb_version && !opt->protected)
		die(EXIT_USAGE, "--ghcb-version goes with --protected");
	if (opt->ap_page && !opt->protected)
		die(EXIT_USAGE, "--ap-bringup page goes with --protected");
}

/* The vCPU threads inherit this: signals are for the main thread to read. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	struct options opt;
	struct vm vm;
	uint64_t entry;

	parse(&opt, argc, argv);
	if (opt.session) {
		owner_session(&opt);
		return EXIT_SUCCESS;
	}
	vm_create(&vm, &opt);
	timeline_open(&vm);
	vm_create_vcpus(&vm);
	entry = opt.kernel ? linux_load(&vm) : payload_load(&vm);
	vm_page_tables(&vm);
	vm_set_vcpus(&vm, entry);
	if (opt.protected)
		launch_guest(&vm);
	if (opt.stats)
		stats_open(&vm);

	block_signals();
	console_start();
	timeline_start(&vm);
	run_start(&vm);
	console_wait(&vm);
	run_stop(&vm);
	timeline_stop(&vm);
	console_flush();
	console_restore();

	if (vm.status || opt.verbose)
		note("%s", vm.reason);
	if (vm.timed_out || (vm.status && opt.verbose))
		run_where(&vm);
	if (opt.stats)
		stats_print(&vm);
	timeline_print();
	return vm.status;
}
