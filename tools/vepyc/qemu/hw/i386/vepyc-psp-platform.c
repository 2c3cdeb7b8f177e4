/*
 * vepyc: the secure processor's commands about the platform.
 *
 * The platform's keys and certificates, its states (UNINIT, INIT, WORKING),
 * and the rule that an ASID is clean only after WBINVD on every core and
 * DF_FLUSH. No chain of certificates leads to AMD: the chip's own carries no
 * signature. Not modelled: certificates from an external owner, and the
 * protection of the trusted memory region.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "cpu.h"
#include "hw/core/cpu.h"
#include "vepyc-psp.h"

/* --- helpers of all commands -------------------------------------------- */

/* Firmware ignores the encryption bit of the addresses that it is given. */
hwaddr psp_real_pa(uint64_t pa)
{
    return le64_to_cpu(pa) & ~VEPYC_CBIT;
}

bool psp_fw_read(uint64_t pa, void *buf, uint32_t len)
{
    if (!vepyc_mem_is_ram(pa, len)) {
        return false;
    }
    vepyc_mem_read(pa, buf, len, NULL);
    return true;
}

bool psp_fw_write(uint64_t pa, const void *buf, uint32_t len)
{
    if (!vepyc_mem_is_ram(pa, len)) {
        return false;
    }
    vepyc_mem_write(pa, buf, len, NULL);
    return true;
}

/*
 * A blob for the caller. Too small a buffer, or none, makes the firmware say
 * which size it wants.
 */
SevRet psp_fw_blob_out(uint64_t pa, uint32_t *len, const void *blob,
                       uint32_t blob_len)
{
    uint32_t have = le32_to_cpu(*len);

    *len = cpu_to_le32(blob_len);
    if (have < blob_len) {
        return SEV_INVALID_LEN;
    }
    return psp_fw_write(psp_real_pa(pa), blob, blob_len) ?
           SEV_SUCCESS : SEV_INVALID_ADDRESS;
}

/* --- the platform's identity -------------------------------------------- */

static void cert_fill(SevKeyPair *kp, uint32_t usage, uint32_t algo)
{
    int i;

    memset(&kp->cert, 0, sizeof(kp->cert));
    kp->cert.version = cpu_to_le32(1);
    kp->cert.api_major = API_MAJOR;
    kp->cert.api_minor = API_MINOR;
    kp->cert.usage = cpu_to_le32(usage);
    kp->cert.algo = cpu_to_le32(algo);
    kp->cert.curve = cpu_to_le32(CURVE_P384);
    for (i = 0; i < 2; i++) {
        kp->cert.sig[i].usage = cpu_to_le32(USAGE_INVALID);
        kp->cert.sig[i].algo = cpu_to_le32(ALGO_INVALID);
    }
    psp_ec_from_scalar(kp);
}

static void cert_sign(SevCert *cert, int i, SevKeyPair *by, uint32_t usage)
{
    cert->sig[i].usage = cpu_to_le32(usage);
    cert->sig[i].algo = cpu_to_le32(ALGO_ECDSA_SHA256);
    psp_ecdsa_sign(by->pkey, cert, CERT_SIGNED, cert->sig[i].r, cert->sig[i].s);
}

static void pdh_certify(VepycPspState *s)
{
    cert_fill(&s->pdh, USAGE_PDH, ALGO_ECDH_SHA256);
    cert_sign(&s->pdh.cert, 0, &s->pek, USAGE_PEK);
}

/* All certificates, from the scalars. */
static void identity_certify(VepycPspState *s)
{
    cert_fill(&s->cek, USAGE_CEK, ALGO_ECDSA_SHA256);
    /* Where AMD's signature would be: there is none. */
    s->cek.cert.sig[0].usage = cpu_to_le32(USAGE_ASK);
    s->cek.cert.sig[0].algo = cpu_to_le32(ALGO_RSA_SHA256);
    cert_fill(&s->oca, USAGE_OCA, ALGO_ECDSA_SHA256);
    cert_sign(&s->oca.cert, 0, &s->oca, USAGE_OCA);
    cert_fill(&s->pek, USAGE_PEK, ALGO_ECDSA_SHA256);
    cert_sign(&s->pek.cert, 0, &s->oca, USAGE_OCA);
    cert_sign(&s->pek.cert, 1, &s->cek, USAGE_CEK);
    pdh_certify(s);
    s->identity = true;
}

static void identity_new(VepycPspState *s)
{
    psp_ec_random_scalar(&s->oca);
    psp_ec_random_scalar(&s->pek);
    psp_ec_random_scalar(&s->pdh);
    identity_certify(s);
}

/* --- caches ------------------------------------------------------------- */

/*
 * A core that is halted with interrupts off has been taken out of service,
 * and whoever did that flushed it (Linux does) or never started it.
 */
static bool core_parked(CPUState *cs)
{
    return cs->halted && !(X86_CPU(cs)->env.eflags & IF_MASK);
}

static bool all_cores_flushed(VepycPspState *s)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        if (cs->cpu_index < s->max_cores &&
            !test_bit(cs->cpu_index, s->wbinvd) && !core_parked(cs)) {
            return false;
        }
    }
    return true;
}

void vepyc_psp_wbinvd(CPUState *cs)
{
    if (vepyc_psp && cs->cpu_index < vepyc_psp->max_cores) {
        set_bit(cs->cpu_index, vepyc_psp->wbinvd);
    }
}

/* --- commands ----------------------------------------------------------- */

static SevRet platform_init(VepycPspState *s, uint32_t flags, uint64_t tmr_pa,
                            uint32_t tmr_len)
{
    int i;

    if (flags & ~INIT_ES) {
        return SEV_INVALID_PARAM;
    }
    if (flags & INIT_ES) {
        if (tmr_len < TMR_SIZE) {
            return SEV_INVALID_LEN;
        }
        if (tmr_pa % TMR_SIZE || !vepyc_mem_is_ram(tmr_pa, TMR_SIZE)) {
            return SEV_INVALID_ADDRESS;
        }
    }
    if (!s->identity) {
        identity_new(s);
    }
    s->es = flags & INIT_ES;
    s->state = PLAT_INIT;
    /* No ASID is fit for use before the first DF_FLUSH. */
    for (i = 1; i <= VEPYC_MAX_ASID; i++) {
        s->asid[i] = ASID_DIRTY;
    }
    bitmap_zero(s->wbinvd, s->max_cores);
    return SEV_SUCCESS;
}

SevRet psp_cmd_init(VepycPspState *s, CmdBuf *b)
{
    return platform_init(s, le32_to_cpu(b->init.flags),
                         psp_real_pa(b->init.tmr_pa),
                         le32_to_cpu(b->init.tmr_len));
}

/* The identity lives in the caller's memory, not in the device. */
#define NV_MAGIC "vepyc NV 1"

typedef struct QEMU_PACKED NvData {
    char magic[16];
    uint8_t oca[EC_BYTES], pek[EC_BYTES], pdh[EC_BYTES];
} NvData;

SevRet psp_cmd_init_ex(VepycPspState *s, CmdBuf *b)
{
    uint64_t nv_pa = psp_real_pa(b->init_ex.nv_pa);
    NvData nv;
    SevRet ret;

    if (le32_to_cpu(b->init_ex.length) != sizeof(b->init_ex) ||
        le32_to_cpu(b->init_ex.nv_len) != NV_SIZE) {
        return SEV_INVALID_LEN;
    }
    if (nv_pa % TARGET_PAGE_SIZE || !vepyc_mem_is_ram(nv_pa, NV_SIZE)) {
        return SEV_INVALID_ADDRESS;
    }
    psp_fw_read(nv_pa, &nv, sizeof(nv));
    if (strncmp(nv.magic, NV_MAGIC, sizeof(nv.magic))) {
        identity_new(s);
    } else {
        memcpy(s->oca.scalar, nv.oca, EC_BYTES);
        memcpy(s->pek.scalar, nv.pek, EC_BYTES);
        memcpy(s->pdh.scalar, nv.pdh, EC_BYTES);
        if (!psp_ec_scalar_valid(&s->oca) || !psp_ec_scalar_valid(&s->pek) ||
            !psp_ec_scalar_valid(&s->pdh)) {
            /* The next try starts afresh. */
            identity_new(s);
            memset(&nv, 0, sizeof(nv));
            psp_fw_write(nv_pa, &nv, sizeof(nv));
            return SEV_SECURE_DATA_INVALID;
        }
        identity_certify(s);
    }
    ret = platform_init(s, le32_to_cpu(b->init_ex.flags),
                        psp_real_pa(b->init_ex.tmr_pa),
                        le32_to_cpu(b->init_ex.tmr_len));
    if (ret == SEV_SUCCESS) {
        memset(&nv, 0, sizeof(nv));
        pstrcpy(nv.magic, sizeof(nv.magic), NV_MAGIC);
        memcpy(nv.oca, s->oca.scalar, EC_BYTES);
        memcpy(nv.pek, s->pek.scalar, EC_BYTES);
        memcpy(nv.pdh, s->pdh.scalar, EC_BYTES);
        psp_fw_write(nv_pa, &nv, sizeof(nv));
    }
    return ret;
}

SevRet psp_cmd_shutdown(VepycPspState *s, CmdBuf *b)
{
    psp_guests_free(s);
    s->state = PLAT_UNINIT;
    s->es = false;
    return SEV_SUCCESS;
}

SevRet psp_cmd_factory_reset(VepycPspState *s, CmdBuf *b)
{
    identity_new(s);
    return SEV_SUCCESS;
}

SevRet psp_cmd_platform_status(VepycPspState *s, CmdBuf *b)
{
    b->status.major = API_MAJOR;
    b->status.minor = API_MINOR;
    b->status.state = s->state;
    b->status.flags = cpu_to_le32(s->es ? 0x100 : 0);
    b->status.build = API_BUILD;
    b->status.guests = cpu_to_le32(s->guests);
    return SEV_SUCCESS;
}

SevRet psp_cmd_pek_gen(VepycPspState *s, CmdBuf *b)
{
    identity_new(s);
    return SEV_SUCCESS;
}

SevRet psp_cmd_pek_csr(VepycPspState *s, CmdBuf *b)
{
    SevCert csr = s->pek.cert;
    uint32_t len = b->blob.len;
    SevRet ret;
    int i;

    for (i = 0; i < 2; i++) {
        memset(&csr.sig[i], 0, sizeof(csr.sig[i]));
        csr.sig[i].usage = cpu_to_le32(USAGE_INVALID);
    }
    ret = psp_fw_blob_out(b->blob.pa, &len, &csr, sizeof(csr));
    b->blob.len = len;
    return ret;
}

SevRet psp_cmd_pdh_cert_export(VepycPspState *s, CmdBuf *b)
{
    SevChain chain = { s->pek.cert, s->oca.cert, s->cek.cert };
    uint32_t pdh_len = le32_to_cpu(b->export.pdh_len);
    uint32_t chain_len = le32_to_cpu(b->export.chain_len);

    b->export.pdh_len = cpu_to_le32(sizeof(SevCert));
    b->export.chain_len = cpu_to_le32(sizeof(SevChain));
    if (pdh_len < sizeof(SevCert) || chain_len < sizeof(SevChain)) {
        return SEV_INVALID_LEN;
    }
    if (!psp_fw_write(psp_real_pa(b->export.pdh_pa), &s->pdh.cert,
                      sizeof(SevCert)) ||
        !psp_fw_write(psp_real_pa(b->export.chain_pa), &chain, sizeof(chain))) {
        return SEV_INVALID_ADDRESS;
    }
    return SEV_SUCCESS;
}

SevRet psp_cmd_pdh_gen(VepycPspState *s, CmdBuf *b)
{
    psp_ec_random_scalar(&s->pdh);
    pdh_certify(s);
    return SEV_SUCCESS;
}

SevRet psp_cmd_df_flush(VepycPspState *s, CmdBuf *b)
{
    int i;

    if (s->wbinvd_strict && !all_cores_flushed(s)) {
        return SEV_WBINVD_REQUIRED;
    }
    for (i = 1; i <= VEPYC_MAX_ASID; i++) {
        if (s->asid[i] == ASID_DIRTY) {
            s->asid[i] = ASID_CLEAN;
        }
    }
    return SEV_SUCCESS;
}

/* No image is signed for this processor. */
SevRet psp_cmd_download_firmware(VepycPspState *s, CmdBuf *b)
{
    uint32_t len = le32_to_cpu(b->blob.len);

    if (!len || len > 1 * MiB) {
        return SEV_INVALID_LEN;
    }
    if (!vepyc_mem_is_ram(psp_real_pa(b->blob.pa), len)) {
        return SEV_INVALID_ADDRESS;
    }
    return SEV_BAD_SIGNATURE;
}

SevRet psp_cmd_get_id(VepycPspState *s, CmdBuf *b)
{
    uint32_t len = b->blob.len;
    SevRet ret = psp_fw_blob_out(b->blob.pa, &len, s->id, sizeof(s->id));

    b->blob.len = len;
    return ret;
}

SevRet psp_cmd_nop(VepycPspState *s, CmdBuf *b)
{
    return SEV_SUCCESS;
}

SevRet psp_cmd_unsupported(VepycPspState *s, CmdBuf *b)
{
    return SEV_UNSUPPORTED;
}
