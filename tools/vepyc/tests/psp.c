// SPDX-License-Identifier: GPL-2.0-only
/*
 * psp.c - the emulated secure processor, command by command, error by error.
 *
 * Drives the registers from user space, without the ccp driver, which is
 * loaded and idle: it has the platform initialised and all ASIDs clean.
 * Physical addresses come from /proc/self/pagemap, contiguous memory is a huge
 * page. The owner's side of a session is sevm-run's session.c. Needs root, and
 * iomem=relaxed on L1's command line. Prints TAP.
 *
 * psp-run builds and runs it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../sevm-run/sevm-run.h"

enum {		/* the firmware's answers */
	OK, PLATFORM_STATE, GUEST_STATE, CONFIG, LEN, OWNED, CERTIFICATE, POLICY, INACTIVE,
	ADDRESS, SIGNATURE, BAD_MEASUREMENT, ASID_OWNED, ASID, WBINVD, DFFLUSH, GUEST, COMMAND,
	ACTIVE,
	UNSUPPORTED = 0x15, PARAM, RESOURCE,
};

enum {
	INIT = 1, SHUTDOWN, FACTORY_RESET, STATUS,
	PDH_CERT_EXPORT = 8, DF_FLUSH = 0xa, DOWNLOAD, GET_ID,
	DECOMMISSION = 0x20, ACTIVATE, DEACTIVATE, GUEST_STATUS,
	LAUNCH_START = 0x30, UPDATE_DATA, UPDATE_VMSA, MEASURE, SECRET, FINISH, REPORT,
	SEND_START = 0x40, DBG_DECRYPT = 0x60, DBG_ENCRYPT,
};

#define CMDRESP		0x10980
#define ADDR_LO		0x109e0
#define ADDR_HI		0x109e4
#define MEMORY		(2u << 20)
#define PAGE		4096

#pragma pack(push, 1)

struct status {
	uint8_t major, minor, state;
	uint32_t flags;
	uint8_t build;
	uint32_t guests;
};

struct init {
	uint32_t flags, pad;
	uint64_t tmr;
	uint32_t len;
};

struct export {
	uint64_t pdh;
	uint32_t pdh_len, pad;
	uint64_t chain;
	uint32_t chain_len;
};

struct blob {
	uint64_t pa;
	uint32_t len;
};

struct start {
	uint32_t handle, policy;
	uint64_t cert;
	uint32_t cert_len, pad;
	uint64_t session;
	uint32_t session_len;
};

struct update {			/* and MEASURE */
	uint32_t handle, pad;
	uint64_t pa;
	uint32_t len;
};

struct activate {
	uint32_t handle, asid;
};

struct guest {
	uint32_t handle, policy, asid;
	uint8_t state;
};

struct secret {
	uint32_t handle, pad1;
	uint64_t hdr;
	uint32_t hdr_len, pad2;
	uint64_t guest;
	uint32_t guest_len, pad3;
	uint64_t trans;
	uint32_t trans_len;
};

struct report {
	uint32_t handle, pad;
	uint64_t pa;
	uint8_t nonce[16];
	uint32_t len;
};

struct debug {
	uint32_t handle, pad;
	uint64_t from, to;
	uint32_t len;
};

#pragma pack(pop)

static uint8_t *registers;
static uint8_t *memory;			/* the second half is ours, the first the TMR */
static uint64_t memory_pa;
static uint8_t *command, *one, *two, *data, *vmsa;
static uint8_t pdh[SEV_CERT_SIZE];
static int count, failed;

static void verdict(bool good, int line, const char *what, unsigned long got, unsigned long want)
{
	count++;
	if (good)
		return;
	failed++;
	printf("# psp.c:%d: %s: %#lx, not %#lx\n", line, what, got, want);
}

#define EQ(e, w) do {							\
	unsigned long g_ = (e), w_ = (w);				\
									\
	verdict(g_ == w_, __LINE__, #e, g_, w_);			\
} while (0)
#define SAME(a, b, n) verdict(!memcmp(a, b, n), __LINE__, #a " is " #b, 1, 0)
#define DIFFER(a, b, n) verdict(memcmp(a, b, n), __LINE__, #a " is not " #b, 0, 1)

static void give_up(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t pa_of(const void *p)
{
	return memory_pa + ((const uint8_t *)p - memory);
}

static uint32_t reg_read(unsigned int reg)
{
	return __atomic_load_n((uint32_t *)(registers + reg), __ATOMIC_SEQ_CST);
}

static void reg_write(unsigned int reg, uint32_t value)
{
	__atomic_store_n((uint32_t *)(registers + reg), value, __ATOMIC_RELEASE);
}

static unsigned int issue(unsigned int id, uint64_t pa)
{
	uint32_t response;

	reg_write(ADDR_LO, pa);
	reg_write(ADDR_HI, pa >> 32);
	reg_write(CMDRESP, id << 16);	/* no interrupt: ccp expects none */
	do
		response = reg_read(CMDRESP);
	while (!(response >> 31));
	return response & 0xffff;
}

static unsigned int psp_(unsigned int id, void *buffer, size_t size)
{
	unsigned int ret;

	memcpy(command, buffer, size);
	ret = issue(id, pa_of(command));
	memcpy(buffer, command, size);
	return ret;
}

#define PSP(id, buffer) psp_(id, &(buffer), sizeof(buffer))

static void hmac(uint8_t *mac, const uint8_t *key, const void *message, size_t size)
{
	if (!HMAC(EVP_sha256(), key, 16, message, size, mac, NULL))
		give_up("HMAC");
}

static void aes_ctr(uint8_t *out, const uint8_t *key, const uint8_t *iv, const void *in, int size)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	if (!ctx || EVP_EncryptInit_ex(ctx, EVP_aes_128_ctr(), NULL, key, iv) <= 0 ||
	    EVP_EncryptUpdate(ctx, out, &n, in, size) <= 0)
		give_up("AES");
	EVP_CIPHER_CTX_free(ctx);
}

/* The kernel executes WBINVD everywhere when a VMM unregisters memory of a SEV guest. */
static void wbinvd_everywhere(void)
{
	int sev = open("/dev/sev", O_RDWR), kvm = open("/dev/kvm", O_RDWR);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	struct kvm_sev_cmd init = { .id = KVM_SEV_INIT, .sev_fd = sev };
	struct kvm_enc_region region = { .addr = (uint64_t)data, .size = PAGE };

	if (vm < 0 || ioctl(vm, KVM_MEMORY_ENCRYPT_OP, &init) ||
	    ioctl(vm, KVM_MEMORY_ENCRYPT_REG_REGION, &region) ||
	    ioctl(vm, KVM_MEMORY_ENCRYPT_UNREG_REGION, &region))
		give_up("KVM SEV");
	close(vm);
	close(kvm);
	close(sev);
}

static void set_up(void)
{
	int fd = -1, pagemap = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;
	glob_t found;
	FILE *file;
	size_t i;

	glob("/sys/bus/pci/drivers/ccp/*/resource2", 0, NULL, &found);
	for (i = 0; i < found.gl_pathc; i++)
		fd = open(found.gl_pathv[i], O_RDWR | O_SYNC);
	registers = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (registers == MAP_FAILED)
		give_up("the registers (is iomem=relaxed set?)");
	file = fopen("/proc/sys/vm/nr_hugepages", "w");
	if (!file || fputs("4", file) < 0 || fclose(file))
		give_up("nr_hugepages");
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (memory == MAP_FAILED)
		give_up("a huge page");
	memset(memory, 0, MEMORY);
	if (pread(pagemap, &entry, 8, (uintptr_t)memory / PAGE * 8) != 8)
		give_up("pagemap");
	memory_pa = (entry & ((1ULL << 55) - 1)) * PAGE;
	command = memory + MEMORY / 2;
	one = command + 0x10000;
	two = command + 0x20000;
	data = command + 0x30000;
	vmsa = command + 0x40000;
}

static struct status status(void)
{
	struct status s = { 0 };

	EQ(PSP(STATUS, s), OK);
	return s;
}

static void unknown_and_hostile(void)
{
	struct status s = status();
	struct guest g = { 0 };

	EQ(s.major, 1);
	EQ(s.minor, 55);
	EQ(s.build, 21);
	EQ(s.state, 1);
	EQ(s.flags, 0x100);
	EQ(s.guests, 0);
	EQ(issue(0x7f, 0), COMMAND);
	EQ(issue(STATUS, ~0ULL), ADDRESS);
	EQ(issue(STATUS, 0xdeadbeef000), ADDRESS);
	EQ(issue(STATUS, pa_of(command) | 1ULL << 51), OK);	/* the encryption bit is ignored */
	EQ(issue(INIT, pa_of(command)), PLATFORM_STATE);
	EQ(issue(FACTORY_RESET, 0), PLATFORM_STATE);
	EQ(issue(DOWNLOAD, pa_of(command)), PLATFORM_STATE);
	EQ(PSP(GUEST_STATUS, g), GUEST);
	g.handle = ~0;
	EQ(PSP(GUEST_STATUS, g), GUEST);
}

static void blobs(void)
{
	struct export e = { 0 };
	struct blob id = { 0 };

	EQ(PSP(PDH_CERT_EXPORT, e), LEN);
	EQ(e.pdh_len, SEV_CERT_SIZE);
	EQ(e.chain_len, SEV_CHAIN_SIZE);
	e.pdh = pa_of(one);
	e.chain = 1ULL << 50;
	EQ(PSP(PDH_CERT_EXPORT, e), ADDRESS);
	e.chain = pa_of(two);
	EQ(PSP(PDH_CERT_EXPORT, e), OK);
	memcpy(pdh, one, SEV_CERT_SIZE);
	EQ(PSP(GET_ID, id), LEN);
	EQ(id.len, 64);
}

static uint32_t launch_start(struct session *session, uint32_t policy)
{
	struct start s = { .policy = policy, .cert = pa_of(one), .cert_len = SEV_CERT_SIZE,
			   .session = pa_of(two), .session_len = sizeof(session->blob) };

	if (!session_make(session, pdh, policy))
		give_up("session_make");
	memcpy(one, session->cert, SEV_CERT_SIZE);
	memcpy(two, session->blob, sizeof(session->blob));

	two[20] ^= 1;			/* the wrapped keys */
	EQ(PSP(LAUNCH_START, s), BAD_MEASUREMENT);
	two[20] ^= 1;
	s.policy = policy ^ 1;
	EQ(PSP(LAUNCH_START, s), BAD_MEASUREMENT);
	s.policy = policy | 2 << 16;	/* API 2 */
	EQ(PSP(LAUNCH_START, s), POLICY);
	s.policy = policy;
	s.session_len--;
	EQ(PSP(LAUNCH_START, s), LEN);
	s.session_len++;
	one[20] ^= 1;			/* not on the curve any more */
	EQ(PSP(LAUNCH_START, s), CERTIFICATE);
	one[20] ^= 1;
	one[16] = 1;			/* P-256 */
	EQ(PSP(LAUNCH_START, s), CERTIFICATE);
	one[16] = 2;
	s.handle = 77;			/* to share a key with */
	EQ(PSP(LAUNCH_START, s), GUEST);
	s.handle = 0;
	EQ(PSP(LAUNCH_START, s), OK);
	EQ(status().state, 2);
	return s.handle;
}

static void measured_launch(void)
{
	uint32_t policy = 5;		/* ES, no debugging */
	struct session session;
	uint32_t handle = launch_start(&session, policy);
	struct guest g = { .handle = handle };
	struct activate a = { handle, 0 };
	struct update u = { handle, 0, pa_of(data), PAGE };
	struct update m = { .handle = handle };
	struct secret s = { .handle = handle, .hdr = pa_of(one), .hdr_len = 52,
			    .guest = pa_of(data) + PAGE, .guest_len = 16,
			    .trans = pa_of(two), .trans_len = 16 };
	struct report r = { handle, 0, pa_of(one), "a nonce", 0 };
	struct debug d = { handle, 0, pa_of(data), pa_of(one), 16 };
	uint8_t plain[2 * PAGE], page[PAGE], mac[32], wanted[32];
	uint8_t message[1 + 4 + 16 + 4 + 4 + 16 + 32];
	uint8_t head[56] = { 4, 1, 55, 21 };
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int i;

	EQ(PSP(GUEST_STATUS, g), OK);
	EQ(g.policy, policy);
	EQ(g.asid, 0);
	EQ(g.state, 1);
	EQ(PSP(UPDATE_DATA, u), INACTIVE);
	EQ(PSP(ACTIVATE, a), ASID);
	a.asid = 510;
	EQ(PSP(ACTIVATE, a), ASID);
	a.asid = 5;
	EQ(PSP(ACTIVATE, a), OK);
	EQ(PSP(ACTIVATE, a), ACTIVE);
	EQ(PSP(DECOMMISSION, handle), ACTIVE);

	RAND_bytes(plain, sizeof(plain));
	memcpy(data, plain, sizeof(plain));
	u.len = 24;
	EQ(PSP(UPDATE_DATA, u), LEN);
	u.len = 0;
	EQ(PSP(UPDATE_DATA, u), LEN);
	u.len = 16;
	u.pa += 8;
	EQ(PSP(UPDATE_DATA, u), ADDRESS);
	u.pa = 1ULL << 46;
	EQ(PSP(UPDATE_DATA, u), ADDRESS);
	u.pa = pa_of(data) + 4000;	/* across pages; what is beside it stays */
	u.len = 192;
	EQ(PSP(UPDATE_DATA, u), OK);
	SAME(data, plain, 4000);
	SAME(data + 4192, plain + 4192, 4000);
	for (i = 4000; i < 4192; i += 16)
		DIFFER(data + i, plain + i, 16);

	RAND_bytes(page, PAGE);
	memcpy(vmsa, page, PAGE);
	u.pa = pa_of(vmsa) + 16;
	u.len = PAGE;
	EQ(PSP(UPDATE_VMSA, u), ADDRESS);
	u.pa = pa_of(vmsa);
	u.len = PAGE - 16;
	EQ(PSP(UPDATE_VMSA, u), LEN);
	u.len = PAGE;
	EQ(PSP(UPDATE_VMSA, u), OK);
	DIFFER(vmsa, page, 16);
	EQ(PSP(FINISH, handle), GUEST_STATE);
	EQ(PSP(SECRET, s), GUEST_STATE);

	EQ(PSP(MEASURE, m), LEN);
	EQ(m.len, 48);
	m.pa = pa_of(one);
	EQ(PSP(MEASURE, m), OK);
	EVP_DigestInit(md, EVP_sha256());
	EVP_DigestUpdate(md, plain + 4000, 192);
	EVP_DigestUpdate(md, page, PAGE);
	memcpy(head + 4, &policy, 4);
	EVP_DigestFinal(md, head + 8, NULL);
	memcpy(head + 40, one + 32, 16);
	hmac(wanted, session.tik, head, sizeof(head));
	SAME(wanted, one, 32);
	EQ(PSP(MEASURE, m), GUEST_STATE);
	EQ(PSP(UPDATE_VMSA, u), GUEST_STATE);

	/* header: flags, iv, mac */
	memset(one, 0, 4);
	RAND_bytes(one + 4, 16);
	aes_ctr(two, session.tek, one + 4, "a secret, 16 by.", 16);
	message[0] = 1;
	memcpy(message + 1, one, 20);
	memcpy(message + 21, &s.guest_len, 4);
	memcpy(message + 25, &s.trans_len, 4);
	memcpy(message + 29, two, 16);
	memcpy(message + 45, wanted, 32);
	hmac(mac, session.tik, message, sizeof(message));
	memcpy(one + 20, mac, 32);
	one[20] ^= 1;
	EQ(PSP(SECRET, s), BAD_MEASUREMENT);
	one[20] ^= 1;
	s.hdr_len--;
	EQ(PSP(SECRET, s), LEN);
	s.hdr_len++;
	EQ(PSP(SECRET, s), OK);

	EQ(PSP(DBG_DECRYPT, d), POLICY);
	EQ(PSP(REPORT, r), LEN);
	EQ(PSP(REPORT, r), OK);		/* the length is filled in by now */
	SAME(one + 16, head + 8, 32);
	EQ(PSP(FINISH, handle), OK);
	EQ(PSP(GUEST_STATUS, g), OK);
	EQ(g.state, 3);
	EQ(g.asid, 5);
	EQ(PSP(SEND_START, g), UNSUPPORTED);
	EQ(PSP(DEACTIVATE, handle), OK);
	EQ(PSP(DECOMMISSION, handle), OK);
	EQ(PSP(DECOMMISSION, handle), GUEST);
	EVP_MD_CTX_free(md);
}

static void ciphertext(void)
{
	struct start start = { 0 };	/* no session, a plain SEV guest */
	uint8_t plain[PAGE], cipher[PAGE];
	struct activate a = { 0, 5 };
	struct secret s = { 0 };
	struct update u, m;
	struct debug d;

	EQ(PSP(LAUNCH_START, start), OK);
	a.handle = start.handle;
	s.handle = start.handle;
	EQ(PSP(ACTIVATE, a), ASID);	/* SEV-ES only */
	a.asid = 100;
	EQ(PSP(ACTIVATE, a), OK);
	u = (struct update){ start.handle, 0, pa_of(data), PAGE };
	m = u;
	EQ(PSP(UPDATE_VMSA, u), POLICY);

	RAND_bytes(plain, PAGE);
	memcpy(data, plain, PAGE);
	EQ(PSP(UPDATE_DATA, u), OK);
	memcpy(cipher, data, PAGE);
	DIFFER(cipher, plain, 16);
	d = (struct debug){ start.handle, 0, pa_of(data), pa_of(one), PAGE };
	EQ(PSP(DBG_DECRYPT, d), OK);
	SAME(one, plain, PAGE);
	SAME(data, cipher, PAGE);

	/* moved ciphertext is noise, replayed ciphertext is not, a flipped bit costs its block */
	memcpy(data + PAGE, cipher, PAGE);
	d.from += PAGE;
	EQ(PSP(DBG_DECRYPT, d), OK);
	DIFFER(one, plain, 16);
	d.from -= PAGE;
	memset(data, 0, PAGE);
	EQ(PSP(DBG_DECRYPT, d), OK);
	memcpy(data, cipher, PAGE);
	EQ(PSP(DBG_DECRYPT, d), OK);
	SAME(one, plain, PAGE);
	data[100] ^= 1;
	EQ(PSP(DBG_DECRYPT, d), OK);
	SAME(one, plain, 96);
	DIFFER(one + 96, plain + 96, 16);
	SAME(one + 112, plain + 112, PAGE - 112);

	memset(two, 0x5a, PAGE);
	d = (struct debug){ start.handle, 0, pa_of(two), pa_of(data) + 64, 32 };
	EQ(PSP(DBG_ENCRYPT, d), OK);
	d = (struct debug){ start.handle, 0, pa_of(data), pa_of(one), 96 };
	EQ(PSP(DBG_DECRYPT, d), OK);
	SAME(one, plain, 64);
	SAME(one + 64, two, 32);
	d.len = 8;
	EQ(PSP(DBG_DECRYPT, d), LEN);
	d.len = 0xfffffff0;
	EQ(PSP(DBG_DECRYPT, d), ADDRESS);
	d.from = ~0xfULL;
	EQ(PSP(DBG_DECRYPT, d), ADDRESS);

	EQ(PSP(MEASURE, m), OK);
	EQ(m.len, 48);
	EQ(PSP(SECRET, s), GUEST_STATE);	/* no owner has the keys */
	EQ(PSP(DEACTIVATE, start.handle), OK);
	EQ(PSP(DECOMMISSION, start.handle), OK);
}

static void asids(void)
{
	struct start first = { .policy = 4 }, second = { .policy = 4 };
	struct activate a;

	wbinvd_everywhere();
	EQ(issue(DF_FLUSH, 0), OK);
	EQ(PSP(LAUNCH_START, first), OK);
	EQ(PSP(LAUNCH_START, second), OK);
	DIFFER(&first.handle, &second.handle, 4);
	a = (struct activate){ first.handle, 7 };
	EQ(PSP(ACTIVATE, a), OK);
	a.handle = second.handle;
	EQ(PSP(ACTIVATE, a), ASID_OWNED);
	EQ(PSP(DEACTIVATE, first.handle), OK);
	EQ(PSP(DEACTIVATE, first.handle), OK);
	EQ(PSP(ACTIVATE, a), DFFLUSH);
	EQ(issue(DF_FLUSH, 0), WBINVD);
	EQ(PSP(ACTIVATE, a), DFFLUSH);
	wbinvd_everywhere();
	EQ(PSP(ACTIVATE, a), DFFLUSH);
	EQ(issue(DF_FLUSH, 0), OK);
	EQ(PSP(ACTIVATE, a), OK);
	EQ(PSP(DEACTIVATE, second.handle), OK);
	EQ(PSP(DECOMMISSION, second.handle), OK);
	EQ(PSP(DECOMMISSION, first.handle), OK);
	EQ(status().guests, 0);
	EQ(status().state, 1);
}

static void handles_run_out(void)
{
	struct start s;
	unsigned int n = 0, ret;

	do {
		s = (struct start){ 0 };
		ret = PSP(LAUNCH_START, s);
	} while (!ret && ++n < 5000);
	EQ(ret, RESOURCE);
	EQ(status().guests, n);
}

/* The last: ccp does not know of it. */
static void shutdown_and_init(void)
{
	struct init i = { 1, 0, memory_pa + PAGE, MEMORY / 2 };
	struct blob image = { pa_of(one), 4096 };

	EQ(issue(SHUTDOWN, 0), OK);
	EQ(status().state, 0);
	EQ(status().guests, 0);
	EQ(issue(SHUTDOWN, 0), PLATFORM_STATE);
	EQ(issue(DF_FLUSH, 0), PLATFORM_STATE);
	EQ(PSP(DOWNLOAD, image), SIGNATURE);
	EQ(issue(FACTORY_RESET, 0), OK);
	EQ(PSP(INIT, i), ADDRESS);
	i.tmr = memory_pa;
	i.len = PAGE;
	EQ(PSP(INIT, i), LEN);
	i.len = MEMORY / 2;
	i.flags = 3;
	EQ(PSP(INIT, i), PARAM);
	i.flags = 1;
	EQ(PSP(INIT, i), OK);
	EQ(issue(DF_FLUSH, 0), WBINVD);
	EQ(status().state, 1);
}

/* Random commands with more or less random buffers: the machine survives. */
static void noise(void)
{
	int i;

	srand(1);
	for (i = 0; i < 20000; i++) {
		RAND_bytes(command, 64);
		if (rand() & 1)
			*(uint32_t *)command = rand() % 40;
		if (rand() & 1)
			*(uint64_t *)(command + 8) = pa_of(one) + (rand() & 0xfff0);
		if (rand() & 1)
			*(uint32_t *)(command + 16) = rand() & 0xfff0;
		/* Commands that write where they are told to are given no place outside. */
		if (*(uint64_t *)(command + 8) >> 32 == 0)
			*(uint64_t *)(command + 8) = pa_of(one);
		*(uint64_t *)(command + 16) |= 1ULL << 60;
		issue(rand() % 0x70, rand() & 3 ? pa_of(command) : ~0ULL << (rand() & 63));
	}
	EQ(status().major, 1);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} part[] = {
		{ "unknown and hostile commands", unknown_and_hostile },
		{ "blobs", blobs },
		{ "a measured launch", measured_launch },
		{ "ciphertext", ciphertext },
		{ "ASIDs", asids },
		{ "handles run out", handles_run_out },
		{ "shutdown and init", shutdown_and_init },
		{ "noise", noise },
		{ NULL, NULL },
	};
	int i, before;

	setvbuf(stdout, NULL, _IOLBF, 0);
	set_up();
	for (i = 0; part[i].run; i++) {
		before = failed;
		part[i].run();
		printf("%sok %d - %s\n", failed > before ? "not " : "", i + 1, part[i].name);
	}
	printf("1..%d\n", i);
	printf("# %d checks, %d failed\n", count, failed);
	return !!failed;
}
