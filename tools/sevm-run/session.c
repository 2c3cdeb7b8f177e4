// SPDX-License-Identifier: GPL-2.0-only
/*
 * session.c - the guest owner's end of the key agreement with the SEV firmware.
 *
 * docs/measurement.md has the bytes. Here owner and host are the same program,
 * so this protects nothing; it makes the measurement one that can be checked.
 */
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#include "sevm-run.h"

#define EC_BYTES	48
#define EC_FIELD	72
#define POINT_BYTES	(1 + 2 * EC_BYTES)

/* struct of the certificate: offsets */
#define CERT_VERSION	0
#define CERT_USAGE	8
#define CERT_ALGORITHM	12
#define CERT_CURVE	16
#define CERT_QX		20
#define CERT_QY		92
#define CERT_SIG1	1044
#define CERT_SIG2	1564

#define USAGE_NONE	0x1000
#define USAGE_PDH	0x1003
#define ALGO_ECDH	0x3
#define CURVE_P384	2

/* ... and of the session blob */
#define BLOB_NONCE	0
#define BLOB_WRAP_TK	16
#define BLOB_WRAP_IV	48
#define BLOB_WRAP_MAC	64
#define BLOB_POLICY_MAC	96

static void put32(uint8_t *at, uint32_t value)
{
	at[0] = value;
	at[1] = value >> 8;
	at[2] = value >> 16;
	at[3] = value >> 24;
}

static uint32_t get32(const uint8_t *at)
{
	return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool hmac(uint8_t *mac, const uint8_t *key, const void *data, size_t size)
{
	return HMAC(EVP_sha256(), key, 16, data, size, mac, NULL);
}

/* NIST SP 800-108, counter mode, one block. */
static bool kdf(uint8_t out[16], const uint8_t *key, size_t key_size,
		const char *label, const uint8_t *context, size_t context_size)
{
	uint8_t message[64], mac[32];
	size_t n = 0;

	put32(message, 1);
	n += 4;
	memcpy(message + n, label, strlen(label) + 1);
	n += strlen(label) + 1;
	if (context_size)
		memcpy(message + n, context, context_size);
	n += context_size;
	put32(message + n, 128);
	n += 4;
	if (!HMAC(EVP_sha256(), key, key_size, message, n, mac, NULL))
		return false;
	memcpy(out, mac, 16);
	return true;
}

static bool wrap(uint8_t out[32], const uint8_t kek[16], const uint8_t iv[16],
		 const uint8_t in[32])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;
	bool ok;

	ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_128_ctr(), NULL, kek, iv) > 0 &&
	     EVP_EncryptUpdate(ctx, out, &n, in, 32) > 0 && n == 32;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static void reverse(uint8_t *to, const uint8_t *from, size_t size)
{
	while (size--)
		*to++ = from[size];
}

/* The platform's public key; NULL: not one. */
static EVP_PKEY *platform_key(const uint8_t *pdh, EVP_PKEY *like)
{
	uint8_t point[POINT_BYTES] = { 4 };
	EVP_PKEY *key = EVP_PKEY_new();

	if (get32(pdh + CERT_VERSION) != 1 || get32(pdh + CERT_USAGE) != USAGE_PDH ||
	    get32(pdh + CERT_CURVE) != CURVE_P384)
		goto bad;
	reverse(point + 1, pdh + CERT_QX, EC_BYTES);
	reverse(point + 1 + EC_BYTES, pdh + CERT_QY, EC_BYTES);
	if (key && EVP_PKEY_copy_parameters(key, like) > 0 &&
	    EVP_PKEY_set1_encoded_public_key(key, point, sizeof(point)) > 0)
		return key;
bad:
	EVP_PKEY_free(key);
	return NULL;
}

static bool agree(uint8_t z[EC_BYTES], EVP_PKEY *own, const uint8_t *pdh)
{
	EVP_PKEY *platform = platform_key(pdh, own);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);
	size_t n = EC_BYTES;
	bool ok;

	ok = platform && ctx && EVP_PKEY_derive_init(ctx) > 0 &&
	     EVP_PKEY_derive_set_peer(ctx, platform) > 0 &&
	     EVP_PKEY_derive(ctx, z, &n) > 0 && n == EC_BYTES;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(platform);
	return ok;
}

/* The owner's certificate is nothing but a public key. */
static bool certify(uint8_t *cert, EVP_PKEY *own)
{
	unsigned char *point = NULL;
	bool ok = EVP_PKEY_get1_encoded_public_key(own, &point) == POINT_BYTES;

	if (ok) {
		memset(cert, 0, SEV_CERT_SIZE);
		put32(cert + CERT_VERSION, 1);
		put32(cert + CERT_USAGE, USAGE_PDH);
		put32(cert + CERT_ALGORITHM, ALGO_ECDH);
		put32(cert + CERT_CURVE, CURVE_P384);
		reverse(cert + CERT_QX, point + 1, EC_BYTES);
		reverse(cert + CERT_QY, point + 1 + EC_BYTES, EC_BYTES);
		put32(cert + CERT_SIG1, USAGE_NONE);
		put32(cert + CERT_SIG2, USAGE_NONE);
	}
	OPENSSL_free(point);
	return ok;
}

/* Fresh keys, wrapped for the platform whose PDH certificate this is. */
bool session_make(struct session *session, const uint8_t *pdh, uint32_t policy)
{
	uint8_t z[EC_BYTES], master[16], kek[16], kik[16], tk[32] = { 0 }, policy_le[4];
	uint8_t *blob = session->blob;
	EVP_PKEY *own = EVP_EC_gen("P-384");
	bool ok;

	put32(policy_le, policy);
	ok = own && certify(session->cert, own) && agree(z, own, pdh) &&
	     RAND_bytes(tk, sizeof(tk)) > 0 &&
	     RAND_bytes(blob + BLOB_NONCE, 16) > 0 &&
	     RAND_bytes(blob + BLOB_WRAP_IV, 16) > 0 &&
	     kdf(master, z, sizeof(z), "sev-master-secret", blob + BLOB_NONCE, 16) &&
	     kdf(kek, master, sizeof(master), "sev-kek", NULL, 0) &&
	     kdf(kik, master, sizeof(master), "sev-kik", NULL, 0) &&
	     wrap(blob + BLOB_WRAP_TK, kek, blob + BLOB_WRAP_IV, tk) &&
	     hmac(blob + BLOB_WRAP_MAC, kik, blob + BLOB_WRAP_TK, sizeof(tk)) &&
	     hmac(blob + BLOB_POLICY_MAC, tk + 16, policy_le, sizeof(policy_le));
	memcpy(session->tek, tk, 16);
	memcpy(session->tik, tk + 16, 16);
	EVP_PKEY_free(own);
	return ok;
}
