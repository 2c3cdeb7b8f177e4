/*
 * vepyc: the secure processor's commands about guests.
 *
 * A guest is a key, a policy, a state (LUPDATE, LSECRET, RUNNING), the digest
 * of what it was launched with, and at most one ASID. The table of commands
 * has checked that the guest exists and that its state allows the command.
 * Not modelled: sending and receiving guests, and key sharing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include "qemu/guest-random.h"
#include "cpu.h"
#include "trace.h"
#include "vepyc-psp.h"

#include <openssl/crypto.h>

/* Write into a guest's memory under its key; leave ciphertext in DRAM. */
static void guest_write(SevGuest *g, hwaddr pa, const uint8_t *buf, size_t len)
{
    hwaddr page;

    vepyc_mem_write(pa, buf, len, g->key);
    for (page = pa & TARGET_PAGE_MASK; page < pa + len;
         page += TARGET_PAGE_SIZE) {
        vepyc_mem_map(NULL, page, NULL);
    }
}

static SevRet guest_range(uint64_t pa, uint32_t len)
{
    if (!len || len % 16) {
        return SEV_INVALID_LEN;
    }
    if (pa % 16 || !vepyc_mem_is_ram(pa, len)) {
        return SEV_INVALID_ADDRESS;
    }
    return SEV_SUCCESS;
}

SevGuest *psp_guest_of(VepycPspState *s, uint32_t handle)
{
    return handle && handle <= s->max_guests ? s->guest[handle - 1] : NULL;
}

static void guest_forget_session(SevGuest *g)
{
    OPENSSL_cleanse(g->tek, sizeof(g->tek));
    OPENSSL_cleanse(g->tik, sizeof(g->tik));
    g->has_session = false;
}

static void asid_release(VepycPspState *s, SevGuest *g)
{
    if (!g->asid) {
        return;
    }
    vepyc_key_evict(g->key);
    vepyc_key_bind(g->asid, NULL);
    s->asid[g->asid] = ASID_DIRTY;
    g->asid = 0;
    /* Lines of this key may sit in any cache from now on. */
    bitmap_zero(s->wbinvd, s->max_cores);
}

static void guest_free(VepycPspState *s, uint32_t handle)
{
    SevGuest *g = psp_guest_of(s, handle);

    if (!g) {
        return;
    }
    asid_release(s, g);
    guest_forget_session(g);
    vepyc_key_free(g->key);
    EVP_MD_CTX_free(g->ld);
    g_free(g);
    s->guest[handle - 1] = NULL;
    s->guests--;
    if (!s->guests && s->state == PLAT_WORKING) {
        s->state = PLAT_INIT;
    }
}

void psp_guests_free(VepycPspState *s)
{
    uint32_t handle;

    for (handle = 1; handle <= s->max_guests; handle++) {
        guest_free(s, handle);
    }
}

SevRet psp_cmd_decommission(VepycPspState *s, CmdBuf *b)
{
    uint32_t handle = le32_to_cpu(b->handle);

    if (psp_guest_of(s, handle)->asid) {
        return SEV_ACTIVE;
    }
    guest_free(s, handle);
    return SEV_SUCCESS;
}

SevRet psp_cmd_activate(VepycPspState *s, CmdBuf *b)
{
    SevGuest *g = psp_guest_of(s, le32_to_cpu(b->handle));
    uint32_t asid = le32_to_cpu(b->activate.asid);

    if (g->asid) {
        return SEV_ACTIVE;
    }
    if (!asid || asid > VEPYC_MAX_ASID ||
        (asid < VEPYC_MIN_SEV_ASID && !(g->policy & POLICY_ES))) {
        return SEV_INVALID_ASID;
    }
    if (s->asid[asid] == ASID_OWNED) {
        return SEV_ASID_OWNED;
    }
    if (s->asid[asid] == ASID_DIRTY) {
        return SEV_DFFLUSH_REQUIRED;
    }
    s->asid[asid] = ASID_OWNED;
    g->asid = asid;
    vepyc_key_bind(asid, g->key);
    return SEV_SUCCESS;
}

SevRet psp_cmd_deactivate(VepycPspState *s, CmdBuf *b)
{
    /* An inactive guest is left as it is, and that is no error. */
    asid_release(s, psp_guest_of(s, le32_to_cpu(b->handle)));
    return SEV_SUCCESS;
}

SevRet psp_cmd_guest_status(VepycPspState *s, CmdBuf *b)
{
    SevGuest *g = psp_guest_of(s, le32_to_cpu(b->handle));

    b->guest.policy = cpu_to_le32(g->policy);
    b->guest.asid = cpu_to_le32(g->asid);
    b->guest.state = g->state;
    return SEV_SUCCESS;
}

static SevRet session_open(VepycPspState *s, CmdBuf *b, uint32_t policy,
                           uint8_t tek[16], uint8_t tik[16])
{
    uint8_t z[EC_BYTES], master[16], kek[16], kik[16], tk[32];
    uint32_t le_policy = cpu_to_le32(policy);
    SevSession session;
    SevCert cert;
    uint32_t algo;

    if (le32_to_cpu(b->start.cert_len) != sizeof(cert) ||
        le32_to_cpu(b->start.session_len) != sizeof(session)) {
        return SEV_INVALID_LEN;
    }
    if (!psp_fw_read(psp_real_pa(b->start.cert_pa), &cert, sizeof(cert)) ||
        !psp_fw_read(psp_real_pa(b->start.session_pa), &session,
                     sizeof(session))) {
        return SEV_INVALID_ADDRESS;
    }
    /* Its signature is not checked: the guest's owner may be anyone. */
    algo = le32_to_cpu(cert.algo);
    if (le32_to_cpu(cert.version) != 1 ||
        le32_to_cpu(cert.usage) != USAGE_PDH ||
        (algo != ALGO_ECDH_SHA256 && algo != ALGO_ECDH_SHA384) ||
        le32_to_cpu(cert.curve) != CURVE_P384 ||
        !psp_ecdh(s->pdh.pkey, &cert, z)) {
        return SEV_INVALID_CERTIFICATE;
    }
    psp_kdf(master, z, sizeof(z), "sev-master-secret", session.nonce,
            sizeof(session.nonce));
    psp_kdf(kek, master, sizeof(master), "sev-kek", NULL, 0);
    psp_kdf(kik, master, sizeof(master), "sev-kik", NULL, 0);
    if (!psp_hmac_is(kik, sizeof(kik), session.wrap_tk, sizeof(session.wrap_tk),
                     session.wrap_mac)) {
        return SEV_BAD_MEASUREMENT;
    }
    psp_aes_ctr(kek, session.wrap_iv, tk, session.wrap_tk, sizeof(tk));
    if (!psp_hmac_is(tk + 16, 16, &le_policy, sizeof(le_policy),
                     session.policy_mac)) {
        return SEV_BAD_MEASUREMENT;
    }
    memcpy(tek, tk, 16);
    memcpy(tik, tk + 16, 16);
    return SEV_SUCCESS;
}

static uint32_t handle_new(VepycPspState *s)
{
    uint32_t i;

    /* The next one, not the lowest: a stale handle is refused. */
    for (i = 0; i < s->max_guests; i++) {
        uint32_t handle = (s->last_handle + i) % s->max_guests + 1;

        if (!s->guest[handle - 1]) {
            s->last_handle = handle;
            return handle;
        }
    }
    return 0;
}

SevRet psp_cmd_launch_start(VepycPspState *s, CmdBuf *b)
{
    uint32_t policy = le32_to_cpu(b->start.policy);
    uint8_t tek[16], tik[16];
    bool session = b->start.cert_pa || b->start.session_pa;
    uint32_t handle;
    SevGuest *g;
    SevRet ret;

    if (b->start.handle) {
        /* To share the key of that guest. */
        return psp_guest_of(s, le32_to_cpu(b->start.handle)) ?
               SEV_UNSUPPORTED : SEV_INVALID_GUEST;
    }
    if (POLICY_MAJOR(policy) > API_MAJOR ||
        (POLICY_MAJOR(policy) == API_MAJOR &&
         POLICY_MINOR(policy) > API_MINOR) ||
        ((policy & POLICY_ES) && !s->es)) {
        return SEV_POLICY_FAILURE;
    }
    if (session) {
        ret = session_open(s, b, policy, tek, tik);
        if (ret != SEV_SUCCESS) {
            return ret;
        }
    } else {
        /* Nobody will ever know them. */
        qemu_guest_getrandom_nofail(tek, sizeof(tek));
        qemu_guest_getrandom_nofail(tik, sizeof(tik));
    }
    handle = handle_new(s);
    if (!handle) {
        return SEV_RESOURCE_LIMIT;
    }
    g = g_new0(SevGuest, 1);
    g->state = GST_LUPDATE;
    g->policy = policy;
    g->key = vepyc_key_new();
    g->has_session = session;
    memcpy(g->tek, tek, sizeof(tek));
    memcpy(g->tik, tik, sizeof(tik));
    g->ld = EVP_MD_CTX_new();
    psp_check(g->ld && EVP_DigestInit_ex(g->ld, EVP_sha256(), NULL), "SHA-256");
    s->guest[handle - 1] = g;
    s->guests++;
    s->state = PLAT_WORKING;
    b->start.handle = cpu_to_le32(handle);
    return SEV_SUCCESS;
}

/* The digest of all that was measured until now. */
static void trace_update(SevGuest *g, hwaddr pa, uint32_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t digest[32];
    char hex[2 * sizeof(digest) + 1];
    int i;

    psp_check(ctx && EVP_MD_CTX_copy_ex(ctx, g->ld) &&
              EVP_DigestFinal_ex(ctx, digest, NULL), "SHA-256");
    EVP_MD_CTX_free(ctx);
    for (i = 0; i < sizeof(digest); i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    trace_vepyc_psp_update(pa, len, hex);
}

/* Measure, and encipher in place. */
static void launch_update(SevGuest *g, hwaddr pa, uint32_t len)
{
    uint8_t buf[TARGET_PAGE_SIZE];
    hwaddr start = pa;
    uint32_t total = len;

    while (len) {
        uint32_t n = MIN(len, TARGET_PAGE_SIZE - (pa & ~TARGET_PAGE_MASK));

        vepyc_mem_read(pa, buf, n, NULL);
        psp_check(EVP_DigestUpdate(g->ld, buf, n), "SHA-256");
        guest_write(g, pa, buf, n);
        pa += n;
        len -= n;
    }
    if (trace_event_get_state_backends(TRACE_VEPYC_PSP_UPDATE)) {
        trace_update(g, start, total);
    }
}

SevRet psp_cmd_launch_update_data(VepycPspState *s, CmdBuf *b)
{
    SevGuest *g = psp_guest_of(s, le32_to_cpu(b->handle));
    hwaddr pa = psp_real_pa(b->update.pa);
    uint32_t len = le32_to_cpu(b->update.len);
    SevRet ret = guest_range(pa, len);

    if (ret == SEV_SUCCESS) {
        launch_update(g, pa, len);
    }
    return ret;
}

SevRet psp_cmd_launch_update_vmsa(VepycPspState *s, CmdBuf *b)
{
    SevGuest *g = psp_guest_of(s, le32_to_cpu(b->handle));
    hwaddr pa = psp_real_pa(b->update.pa);

    if (!(g->policy & POLICY_ES)) {
        return SEV_POLICY_FAILURE;
    }
    if (le32_to_cpu(b->update.len) != VMSA_SIZE) {
        return SEV_INVALID_LEN;
    }
    if (pa % VMSA_SIZE || !vepyc_mem_is_ram(pa, VMSA_SIZE)) {
        return SEV_INVALID_ADDRESS;
    }
    launch_update(g, pa, VMSA_SIZE);
    vepyc_vmsa_seal(pa, g->key);
    return SEV_SUCCESS;
}

SevRet psp_cmd_launch_measure(VepycPspState *s, CmdBuf *b)
{
    SevGuest *g = psp_guest_of(s, le32_to_cpu(b->handle));
    uint8_t head[] = { 4, API_MAJOR, API_MINOR, API_BUILD };
    uint32_t policy = cpu_to_le32(g->policy), len = b->update.len;
    hwaddr pa = psp_real_pa(b->update.pa);
    SevMeasure m;
    struct iovec iov[] = {
        { head, sizeof(head) },
        { &policy, sizeof(policy) },
        { g->digest, sizeof(g->digest) },
        { m.mnonce, sizeof(m.mnonce) },
    };

    b->update.len = cpu_to_le32(sizeof(m));
    if (le32_to_cpu(len) < sizeof(m)) {
        return SEV_INVALID_LEN;
    }
    if (!vepyc_mem_is_ram(pa, sizeof(m))) {
        return SEV_INVALID_ADDRESS;
    }
    psp_check(EVP_DigestFinal_ex(g->ld, g->digest, NULL), "SHA-256");
    qemu_guest_getrandom_nofail(m.mnonce, sizeof(m.mnonce));
    psp_hmac(g->tik, sizeof(g->tik), m.measure, iov, ARRAY_SIZE(iov));
    memcpy(g->measure, m.measure, sizeof(g->measure));
    psp_fw_write(pa, &m, sizeof(m));
    g->state = GST_LSECRET;
    return SEV_SUCCESS;
}

SevRet psp_cmd_launch_update_secret(VepycPspState *s, CmdBuf *b)
{
    SevGuest *g = psp_guest_of(s, le32_to_cpu(b->handle));
    uint32_t guest_len = le32_to_cpu(b->secret.guest_len);
    uint32_t trans_len = le32_to_cpu(b->secret.trans_len);
    hwaddr guest_pa = psp_real_pa(b->secret.guest_pa);
    g_autofree uint8_t *data = NULL;
    g_autofree uint8_t *plain = NULL;
    uint8_t one = 1, mac[32];
    SevSecretHdr hdr;
    SevRet ret;

    if (!g->has_session) {
        return SEV_INVALID_GUEST_STATE;
    }
    if (le32_to_cpu(b->secret.hdr_len) != sizeof(hdr) ||
        trans_len != guest_len || guest_len > SECRET_MAX) {
        return SEV_INVALID_LEN;
    }
    ret = guest_range(guest_pa, guest_len);
    if (ret != SEV_SUCCESS) {
        return ret;
    }
    data = g_malloc(trans_len);
    if (!psp_fw_read(psp_real_pa(b->secret.hdr_pa), &hdr, sizeof(hdr)) ||
        !psp_fw_read(psp_real_pa(b->secret.trans_pa), data, trans_len)) {
        return SEV_INVALID_ADDRESS;
    }
    if (hdr.flags) {
        return SEV_INVALID_PARAM;
    }
    struct iovec iov[] = {
        { &one, sizeof(one) },
        { &hdr.flags, sizeof(hdr.flags) },
        { hdr.iv, sizeof(hdr.iv) },
        { &b->secret.guest_len, sizeof(uint32_t) },
        { &b->secret.trans_len, sizeof(uint32_t) },
        { data, trans_len },
        { g->measure, sizeof(g->measure) },
    };
    psp_hmac(g->tik, sizeof(g->tik), mac, iov, ARRAY_SIZE(iov));
    if (CRYPTO_memcmp(mac, hdr.mac, sizeof(mac))) {
        return SEV_BAD_MEASUREMENT;
    }
    plain = g_malloc(trans_len);
    psp_aes_ctr(g->tek, hdr.iv, plain, data, trans_len);
    guest_write(g, guest_pa, plain, guest_len);
    return SEV_SUCCESS;
}

SevRet psp_cmd_launch_finish(VepycPspState *s, CmdBuf *b)
{
    SevGuest *g = psp_guest_of(s, le32_to_cpu(b->handle));

    guest_forget_session(g);
    g->state = GST_RUNNING;
    return SEV_SUCCESS;
}

SevRet psp_cmd_attestation_report(VepycPspState *s, CmdBuf *b)
{
    SevGuest *g = psp_guest_of(s, le32_to_cpu(b->handle));
    uint32_t len = b->report.len;
    SevReport r = { 0 };
    SevRet ret;

    memcpy(r.mnonce, b->report.mnonce, sizeof(r.mnonce));
    memcpy(r.digest, g->digest, sizeof(r.digest));
    r.policy = cpu_to_le32(g->policy);
    r.sig_usage = cpu_to_le32(USAGE_PEK);
    r.sig_algo = cpu_to_le32(ALGO_ECDSA_SHA256);
    psp_ecdsa_sign(s->pek.pkey, &r, REPORT_SIGNED, r.r, r.s);
    ret = psp_fw_blob_out(b->report.pa, &len, &r, sizeof(r));
    b->report.len = len;
    return ret;
}

static SevRet dbg_crypt(VepycPspState *s, CmdBuf *b, bool decrypt)
{
    SevGuest *g = psp_guest_of(s, le32_to_cpu(b->handle));
    hwaddr src = psp_real_pa(b->dbg.src), dst = psp_real_pa(b->dbg.dst);
    uint32_t len = le32_to_cpu(b->dbg.len);
    uint8_t buf[TARGET_PAGE_SIZE];
    SevRet ret;

    if (g->policy & POLICY_NODBG) {
        return SEV_POLICY_FAILURE;
    }
    ret = guest_range(src, len);
    if (ret == SEV_SUCCESS) {
        ret = guest_range(dst, len);
    }
    if (ret != SEV_SUCCESS) {
        return ret;
    }
    while (len) {
        uint32_t n = MIN(len, sizeof(buf));

        vepyc_mem_read(src, buf, n, decrypt ? g->key : NULL);
        if (decrypt) {
            vepyc_mem_write(dst, buf, n, NULL);
        } else {
            guest_write(g, dst, buf, n);
        }
        src += n;
        dst += n;
        len -= n;
    }
    return SEV_SUCCESS;
}

SevRet psp_cmd_dbg_decrypt(VepycPspState *s, CmdBuf *b)
{
    return dbg_crypt(s, b, true);
}

SevRet psp_cmd_dbg_encrypt(VepycPspState *s, CmdBuf *b)
{
    return dbg_crypt(s, b, false);
}
