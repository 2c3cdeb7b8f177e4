// SPDX-License-Identifier: GPL-2.0-only
/*
 * measure.c - the launch measurement that the guest's owner expects, and the
 * comparison. docs/measurement.md has the formula.
 *
 * The digest of the guest's memory is taken from our own copy before the launch
 * enciphers it in place.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sevm-run.h"

struct digest {
	EVP_MD_CTX *ctx;
};

static void crypto_failed(void)
{
	die(EXIT_HOST, "OpenSSL failed");
}

/* Of all pieces, in the order of the launch; not yet the VMSAs. */
struct digest *digest_pieces(struct vm *vm)
{
	struct digest *digest = malloc(sizeof(*digest));
	unsigned int i;

	if (!digest)
		die(EXIT_HOST, "no memory");
	digest->ctx = EVP_MD_CTX_new();
	if (!digest->ctx || EVP_DigestInit_ex(digest->ctx, EVP_sha256(), NULL) <= 0)
		crypto_failed();
	for (i = 0; i < vm->nr_pieces; i++) {
		struct piece *p = &vm->pieces[i];

		if (EVP_DigestUpdate(digest->ctx, vm_memory(vm, p->gpa, p->size), p->size) <= 0)
			crypto_failed();
	}
	return digest;
}

static void launch_digest(uint8_t out[32], struct vm *vm, const struct digest *digest,
			  const struct vmsa_habits *habits)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t page[PAGE_SIZE];
	unsigned int i;

	if (!ctx || EVP_MD_CTX_copy_ex(ctx, digest->ctx) <= 0)
		crypto_failed();
	for (i = 0; i < vm->opt->cpus; i++) {
		vmsa_build(page, &vm->vcpus[i], habits);
		if (EVP_DigestUpdate(ctx, page, sizeof(page)) <= 0)
			crypto_failed();
	}
	if (EVP_DigestFinal_ex(ctx, out, NULL) <= 0)
		crypto_failed();
	EVP_MD_CTX_free(ctx);
}

static void print_hex(const char *what, const uint8_t *data, size_t size)
{
	char text[2 * 32 + 1];
	size_t i;

	for (i = 0; i < size && i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	note("%s %s", what, text);
}

/*
 * Is it what the firmware must say of this guest? The host's CR4.MCE and the
 * generation of the hypervisor show in a VMSA: the likely ones are tried first.
 */
bool measure_check(struct vm *vm, const struct digest *digest,
		   const struct session *session, const uint8_t api[3],
		   const struct measurement *measurement)
{
	uint8_t message[4 + 4 + 32 + 16], mac[32], ld[32], first[32];
	struct vmsa_habits habits;
	unsigned int i;

	print_hex("launch measurement", measurement->mac, sizeof(measurement->mac));
	for (i = 0; i < 4; i++) {
		habits.machine_checks = !(i & 1);
		habits.fpu = vm->typed ^ (i >> 1);
		launch_digest(ld, vm, digest, &habits);
		if (!i)
			memcpy(first, ld, sizeof(first));

		message[0] = 4;
		memcpy(message + 1, api, 3);
		memcpy(message + 4, &vm->opt->policy, 4);
		memcpy(message + 8, ld, sizeof(ld));
		memcpy(message + 40, measurement->nonce, sizeof(measurement->nonce));
		if (!HMAC(EVP_sha256(), session->tik, sizeof(session->tik),
			  message, sizeof(message), mac, NULL))
			crypto_failed();
		if (CRYPTO_memcmp(mac, measurement->mac, sizeof(mac)))
			continue;
		print_hex("launch measurement verified; the launch digest is", ld, sizeof(ld));
		if (vm->opt->verbose)
			note("VMSA: CR4.MCE %s, x87 and SSE %s",
			     habits.machine_checks ? "set by the host" : "clear",
			     habits.fpu ? "in their reset state" : "zero");
		return true;
	}
	print_hex("launch measurement WRONG; the launch digest should be", first, sizeof(first));
	return false;
}
