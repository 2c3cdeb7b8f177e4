/*
 * vepyc: the secure processor's cryptography: thin wrappers of libcrypto.
 *
 * Random numbers come from QEMU's own source, so that a run with -seed repeats
 * (but for the nonces of signatures, which are libcrypto's).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/guest-random.h"
#include "vepyc-psp.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>

void psp_check(bool ok, const char *what)
{
    if (!ok) {
        error_report("vepyc-psp: libcrypto: %s failed", what);
        abort();
    }
}

void psp_hmac(const uint8_t *key, size_t key_len, uint8_t out[32],
              const struct iovec *iov, int n)
{
    g_autoptr(GByteArray) msg = g_byte_array_new();
    int i;

    for (i = 0; i < n; i++) {
        g_byte_array_append(msg, iov[i].iov_base, iov[i].iov_len);
    }
    psp_check(HMAC(EVP_sha256(), key, key_len, msg->data, msg->len, out, NULL),
              "HMAC-SHA-256");
}

bool psp_hmac_is(const uint8_t *key, size_t key_len, const void *data,
                 size_t len, const uint8_t want[32])
{
    struct iovec iov = { (void *)data, len };
    uint8_t mac[32];

    psp_hmac(key, key_len, mac, &iov, 1);
    return !CRYPTO_memcmp(mac, want, sizeof(mac));
}

/* NIST SP 800-108 in counter mode with HMAC-SHA-256, one block, 16 bytes. */
void psp_kdf(uint8_t out[16], const uint8_t *key, size_t key_len,
             const char *label, const void *context, size_t context_len)
{
    uint32_t i = cpu_to_le32(1), bits = cpu_to_le32(128);
    uint8_t mac[32];
    struct iovec iov[] = {
        { &i, sizeof(i) },
        { (void *)label, strlen(label) + 1 },   /* with its zero */
        { (void *)context, context_len },
        { &bits, sizeof(bits) },
    };

    psp_hmac(key, key_len, mac, iov, ARRAY_SIZE(iov));
    memcpy(out, mac, 16);
}

void psp_aes_ctr(const uint8_t key[16], const uint8_t iv[16],
                 uint8_t *out, const uint8_t *in, int len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;

    psp_check(ctx &&
              EVP_EncryptInit_ex(ctx, EVP_aes_128_ctr(), NULL, key, iv) &&
              EVP_EncryptUpdate(ctx, out, &n, in, len) && n == len,
              "AES-128-CTR");
    EVP_CIPHER_CTX_free(ctx);
}

static EVP_PKEY *ec_from_point(const uint8_t *point, size_t len, BIGNUM *priv)
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;

    psp_check(bld && ctx &&
              OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                              "P-384", 0) &&
              OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
                                               point, len) &&
              (!priv || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY,
                                               priv)) &&
              (params = OSSL_PARAM_BLD_to_param(bld)) &&
              EVP_PKEY_fromdata_init(ctx) > 0, "EC parameters");
    /* A point that is not on the curve fails here. */
    if (EVP_PKEY_fromdata(ctx, &pkey,
                          priv ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                          params) <= 0) {
        pkey = NULL;
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* A scalar that comes from outside may be anything. */
bool psp_ec_scalar_valid(const SevKeyPair *kp)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp384r1);
    BIGNUM *d = BN_bin2bn(kp->scalar, EC_BYTES, NULL);
    bool ok;

    psp_check(group && d, "EC scalar");
    ok = !BN_is_zero(d) && BN_cmp(d, EC_GROUP_get0_order(group)) < 0;
    BN_clear_free(d);
    EC_GROUP_free(group);
    return ok;
}

/* The key pair and its public half in the certificate, from the scalar. */
void psp_ec_from_scalar(SevKeyPair *kp)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp384r1);
    EC_POINT *pub = EC_POINT_new(group);
    BIGNUM *d = BN_bin2bn(kp->scalar, EC_BYTES, NULL);
    BIGNUM *x = BN_new(), *y = BN_new();
    uint8_t point[1 + 2 * EC_BYTES];

    psp_check(group && pub && d && x && y &&
              EC_POINT_mul(group, pub, d, NULL, NULL, NULL) &&
              EC_POINT_get_affine_coordinates(group, pub, x, y, NULL) &&
              BN_bn2lebinpad(x, kp->cert.qx, EC_FIELD) == EC_FIELD &&
              BN_bn2lebinpad(y, kp->cert.qy, EC_FIELD) == EC_FIELD &&
              EC_POINT_point2oct(group, pub, POINT_CONVERSION_UNCOMPRESSED,
                                 point, sizeof(point), NULL) == sizeof(point),
              "P-384");
    EVP_PKEY_free(kp->pkey);
    kp->pkey = ec_from_point(point, sizeof(point), d);
    psp_check(kp->pkey, "P-384 key pair");
    BN_free(x);
    BN_free(y);
    BN_clear_free(d);
    EC_POINT_free(pub);
    EC_GROUP_free(group);
}

void psp_ec_random_scalar(SevKeyPair *kp)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp384r1);
    BN_CTX *bn = BN_CTX_new();
    BIGNUM *n = BN_dup(EC_GROUP_get0_order(group)), *d;
    uint8_t raw[EC_BYTES + 8];      /* longer than the order: hardly a bias */

    qemu_guest_getrandom_nofail(raw, sizeof(raw));
    d = BN_bin2bn(raw, sizeof(raw), NULL);
    psp_check(bn && n && d && BN_sub_word(n, 1) && BN_mod(d, d, n, bn) &&
              BN_add_word(d, 1) &&
              BN_bn2binpad(d, kp->scalar, EC_BYTES) == EC_BYTES, "EC scalar");
    BN_clear_free(d);
    BN_free(n);
    BN_CTX_free(bn);
    EC_GROUP_free(group);
}

void psp_ecdsa_sign(EVP_PKEY *pkey, const void *msg, size_t len,
                    uint8_t r[EC_FIELD], uint8_t s[EC_FIELD])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t der[256];
    const uint8_t *p = der;
    size_t n = sizeof(der);
    ECDSA_SIG *sig = NULL;

    psp_check(ctx &&
              EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) > 0 &&
              EVP_DigestSign(ctx, der, &n, msg, len) > 0 &&
              (sig = d2i_ECDSA_SIG(NULL, &p, n)) &&
              BN_bn2lebinpad(ECDSA_SIG_get0_r(sig), r, EC_FIELD) == EC_FIELD &&
              BN_bn2lebinpad(ECDSA_SIG_get0_s(sig), s, EC_FIELD) == EC_FIELD,
              "ECDSA");
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
}

/* The x coordinate of the shared point, big-endian; false: a bad public key. */
bool psp_ecdh(EVP_PKEY *own, const SevCert *peer, uint8_t z[EC_BYTES])
{
    uint8_t point[1 + 2 * EC_BYTES] = { 4 };
    EVP_PKEY_CTX *ctx;
    EVP_PKEY *pub;
    size_t n = EC_BYTES;
    bool ok;
    int i;

    if (!buffer_is_zero(peer->qx + EC_BYTES, EC_FIELD - EC_BYTES) ||
        !buffer_is_zero(peer->qy + EC_BYTES, EC_FIELD - EC_BYTES)) {
        return false;
    }
    for (i = 0; i < EC_BYTES; i++) {
        point[1 + i] = peer->qx[EC_BYTES - 1 - i];
        point[1 + EC_BYTES + i] = peer->qy[EC_BYTES - 1 - i];
    }
    pub = ec_from_point(point, sizeof(point), NULL);
    if (!pub) {
        return false;
    }
    ctx = EVP_PKEY_CTX_new(own, NULL);
    psp_check(ctx && EVP_PKEY_derive_init(ctx) > 0, "ECDH");
    ok = EVP_PKEY_derive_set_peer(ctx, pub) > 0 &&
         EVP_PKEY_derive(ctx, z, &n) > 0 && n == EC_BYTES;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pub);
    return ok;
}
