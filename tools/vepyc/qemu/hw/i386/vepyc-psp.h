/*
 * vepyc: what the files of the secure processor share.
 *
 * vepyc-psp.c           the PCI device, and the table of commands
 * vepyc-psp-platform.c  commands about the platform; its keys and certificates
 * vepyc-psp-guest.c     commands about guests: ASIDs, launch, debugging
 * vepyc-psp-crypto.c    what is needed of libcrypto
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_I386_VEPYC_PSP_H
#define HW_I386_VEPYC_PSP_H

#include "hw/i386/vepyc.h"
#include "hw/pci/pci_device.h"
#include "qemu/iov.h"
#include "qemu/units.h"

#include <openssl/evp.h>

#define TYPE_VEPYC_PSP "vepyc-psp"
OBJECT_DECLARE_SIMPLE_TYPE(VepycPspState, VEPYC_PSP)

#define API_MAJOR       1
#define API_MINOR       55
#define API_BUILD       21

/* --- what the firmware answers ------------------------------------------ */

typedef enum SevRet {
    SEV_SUCCESS,
    SEV_INVALID_PLATFORM_STATE,
    SEV_INVALID_GUEST_STATE,
    SEV_INVALID_CONFIG,
    SEV_INVALID_LEN,
    SEV_ALREADY_OWNED,
    SEV_INVALID_CERTIFICATE,
    SEV_POLICY_FAILURE,
    SEV_INACTIVE,
    SEV_INVALID_ADDRESS,
    SEV_BAD_SIGNATURE,
    SEV_BAD_MEASUREMENT,
    SEV_ASID_OWNED,
    SEV_INVALID_ASID,
    SEV_WBINVD_REQUIRED,
    SEV_DFFLUSH_REQUIRED,
    SEV_INVALID_GUEST,
    SEV_INVALID_COMMAND,
    SEV_ACTIVE,
    SEV_HWERROR_PLATFORM,
    SEV_HWERROR_UNSAFE,
    SEV_UNSUPPORTED,
    SEV_INVALID_PARAM,
    SEV_RESOURCE_LIMIT,
    SEV_SECURE_DATA_INVALID,
} SevRet;

enum { PLAT_UNINIT, PLAT_INIT, PLAT_WORKING };

enum { GST_UNINIT, GST_LUPDATE, GST_LSECRET, GST_RUNNING };

#define POLICY_NODBG    (1 << 0)
#define POLICY_ES       (1 << 2)
#define POLICY_MAJOR(p) (((p) >> 16) & 0xff)
#define POLICY_MINOR(p) (((p) >> 24) & 0xff)

#define INIT_ES         (1 << 0)
#define TMR_SIZE        (1 * MiB)
#define NV_SIZE         (32 * KiB)
#define ID_SIZE         64
#define SECRET_MAX      (16 * KiB)
#define VMSA_SIZE       4096

/* --- blobs -------------------------------------------------------------- */

#define CURVE_P384      2
#define EC_BYTES        48
#define EC_FIELD        72

#define USAGE_ASK       0x13
#define USAGE_INVALID   0x1000
#define USAGE_OCA       0x1001
#define USAGE_PEK       0x1002
#define USAGE_PDH       0x1003
#define USAGE_CEK       0x1004

#define ALGO_INVALID        0
#define ALGO_RSA_SHA256     1
#define ALGO_ECDSA_SHA256   2
#define ALGO_ECDH_SHA256    3
#define ALGO_ECDH_SHA384    0x103

typedef struct QEMU_PACKED SevSig {
    uint32_t usage;
    uint32_t algo;
    uint8_t r[EC_FIELD];            /* little-endian, as all numbers here */
    uint8_t s[EC_FIELD];
    uint8_t rsvd[512 - 2 * EC_FIELD];
} SevSig;

typedef struct QEMU_PACKED SevCert {
    uint32_t version;
    uint8_t api_major;
    uint8_t api_minor;
    uint8_t rsvd[2];
    uint32_t usage;
    uint32_t algo;
    uint32_t curve;
    uint8_t qx[EC_FIELD];
    uint8_t qy[EC_FIELD];
    uint8_t rsvd2[1028 - 4 - 2 * EC_FIELD];
    SevSig sig[2];
} SevCert;
QEMU_BUILD_BUG_ON(sizeof(SevCert) != 2084);

#define CERT_SIGNED     offsetof(SevCert, sig)

typedef struct QEMU_PACKED SevChain {
    SevCert pek, oca, cek;
} SevChain;

typedef struct QEMU_PACKED SevSession {
    uint8_t nonce[16];
    uint8_t wrap_tk[32];            /* TEK, TIK */
    uint8_t wrap_iv[16];
    uint8_t wrap_mac[32];
    uint8_t policy_mac[32];
} SevSession;

typedef struct QEMU_PACKED SevMeasure {
    uint8_t measure[32];
    uint8_t mnonce[16];
} SevMeasure;

typedef struct QEMU_PACKED SevSecretHdr {
    uint32_t flags;
    uint8_t iv[16];
    uint8_t mac[32];
} SevSecretHdr;

typedef struct QEMU_PACKED SevReport {
    uint8_t mnonce[16];
    uint8_t digest[32];
    uint32_t policy;
    uint32_t sig_usage;
    uint32_t sig_algo;
    uint32_t rsvd;
    uint8_t r[EC_FIELD];
    uint8_t s[EC_FIELD];
} SevReport;

#define REPORT_SIGNED   offsetof(SevReport, sig_usage)

/* --- command buffers ---------------------------------------------------- */

typedef union CmdBuf {
    /* The handle comes first wherever there is one. */
    uint32_t handle;
    struct QEMU_PACKED {
        uint32_t flags, rsvd;
        uint64_t tmr_pa;
        uint32_t tmr_len;
    } init;
    struct QEMU_PACKED {
        uint32_t length, flags;
        uint64_t tmr_pa;
        uint32_t tmr_len, rsvd;
        uint64_t nv_pa;
        uint32_t nv_len;
    } init_ex;
    struct QEMU_PACKED {
        uint8_t major, minor, state;
        uint32_t flags;
        uint8_t build;
        uint32_t guests;
    } status;
    struct QEMU_PACKED {
        uint64_t pa;
        uint32_t len;
    } blob;                         /* PEK_CSR, GET_ID, DOWNLOAD_FIRMWARE */
    struct QEMU_PACKED {
        uint64_t pdh_pa;
        uint32_t pdh_len, rsvd;
        uint64_t chain_pa;
        uint32_t chain_len;
    } export;
    struct QEMU_PACKED {
        uint32_t handle, asid;
    } activate;
    struct QEMU_PACKED {
        uint32_t handle, policy, asid;
        uint8_t state;
    } guest;
    struct QEMU_PACKED {
        uint32_t handle, policy;
        uint64_t cert_pa;
        uint32_t cert_len, rsvd;
        uint64_t session_pa;
        uint32_t session_len;
    } start;
    struct QEMU_PACKED {
        uint32_t handle, rsvd;
        uint64_t pa;
        uint32_t len;
    } update;                       /* and MEASURE */
    struct QEMU_PACKED {
        uint32_t handle, rsvd;
        uint64_t hdr_pa;
        uint32_t hdr_len, rsvd2;
        uint64_t guest_pa;
        uint32_t guest_len, rsvd3;
        uint64_t trans_pa;
        uint32_t trans_len;
    } secret;
    struct QEMU_PACKED {
        uint32_t handle, rsvd;
        uint64_t pa;
        uint8_t mnonce[16];
        uint32_t len;
    } report;
    struct QEMU_PACKED {
        uint32_t handle, rsvd;
        uint64_t src, dst;
        uint32_t len;
    } dbg;
} CmdBuf;

/* --- state -------------------------------------------------------------- */

typedef struct SevGuest {
    int state;
    uint32_t policy;
    uint32_t asid;                  /* 0: not active */
    VepycKey *key;
    bool has_session;
    uint8_t tek[16], tik[16];
    EVP_MD_CTX *ld;
    uint8_t digest[32];             /* the finished LD */
    uint8_t measure[32];
} SevGuest;

typedef struct SevKeyPair {
    uint8_t scalar[EC_BYTES];       /* big-endian */
    EVP_PKEY *pkey;
    SevCert cert;
} SevKeyPair;

/* What an ASID is fit for. */
enum { ASID_CLEAN, ASID_OWNED, ASID_DIRTY };

struct VepycPspState {
    PCIDevice parent_obj;

    MemoryRegion mmio;
    uint32_t inten, intsts, cmdresp, addr_lo, addr_hi;

    int state;
    bool es;
    uint32_t max_guests, guests, last_handle;
    SevGuest **guest;
    uint8_t asid[VEPYC_MAX_ASID + 1];

    bool wbinvd_strict;
    unsigned long *wbinvd;          /* cores that did since DEACTIVATE */
    unsigned max_cores;

    bool identity;                  /* the keys below exist */
    SevKeyPair cek, oca, pek, pdh;
    uint8_t id[ID_SIZE];
};

extern VepycPspState *vepyc_psp;        /* the only one, or NULL */

/* --- vepyc-psp-crypto.c ------------------------------------------------- */

/* libcrypto failed at something that cannot fail. */
void psp_check(bool ok, const char *what);
void psp_hmac(const uint8_t *key, size_t key_len, uint8_t out[32],
              const struct iovec *iov, int n);
bool psp_hmac_is(const uint8_t *key, size_t key_len, const void *data,
                 size_t len, const uint8_t want[32]);
void psp_kdf(uint8_t out[16], const uint8_t *key, size_t key_len,
             const char *label, const void *context, size_t context_len);
void psp_aes_ctr(const uint8_t key[16], const uint8_t iv[16],
                 uint8_t *out, const uint8_t *in, int len);
bool psp_ec_scalar_valid(const SevKeyPair *kp);
void psp_ec_random_scalar(SevKeyPair *kp);
void psp_ec_from_scalar(SevKeyPair *kp);
void psp_ecdsa_sign(EVP_PKEY *pkey, const void *msg, size_t len,
                    uint8_t r[EC_FIELD], uint8_t s[EC_FIELD]);
bool psp_ecdh(EVP_PKEY *own, const SevCert *peer, uint8_t z[EC_BYTES]);

/* --- vepyc-psp-platform.c ----------------------------------------------- */

hwaddr psp_real_pa(uint64_t pa);
bool psp_fw_read(uint64_t pa, void *buf, uint32_t len);
bool psp_fw_write(uint64_t pa, const void *buf, uint32_t len);
SevRet psp_fw_blob_out(uint64_t pa, uint32_t *len, const void *blob,
                       uint32_t blob_len);

SevRet psp_cmd_init(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_init_ex(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_shutdown(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_factory_reset(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_platform_status(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_pek_gen(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_pek_csr(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_pdh_cert_export(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_pdh_gen(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_df_flush(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_download_firmware(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_get_id(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_nop(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_unsupported(VepycPspState *s, CmdBuf *b);

/* --- vepyc-psp-guest.c -------------------------------------------------- */

SevGuest *psp_guest_of(VepycPspState *s, uint32_t handle);
void psp_guests_free(VepycPspState *s);

SevRet psp_cmd_decommission(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_activate(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_deactivate(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_guest_status(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_launch_start(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_launch_update_data(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_launch_update_vmsa(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_launch_measure(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_launch_update_secret(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_launch_finish(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_attestation_report(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_dbg_decrypt(VepycPspState *s, CmdBuf *b);
SevRet psp_cmd_dbg_encrypt(VepycPspState *s, CmdBuf *b);

#endif
