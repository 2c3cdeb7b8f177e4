/*
 * vepyc: the secure processor, with the SEV firmware.
 *
 * A PCI device that Linux's ccp driver takes for the one of a Rome or Milan
 * EPYC: the mailbox of the SEV firmware and nothing else (no crypto queues, no
 * TEE). A command runs to its end inside the write to the command register.
 *
 * What the firmware keeps to itself is modelled as the "SEV API" document, the
 * public tools that talk to it (AMD's sev-tool, virtee's sev) and Linux
 * describe it: the states of platform and guests, the rules for ASIDs, the
 * certificates, the session keys that the guest's owner wraps to the
 * platform's Diffie-Hellman key, and the measurement. What is not modelled
 * stands at the top of the files of the commands; nothing of SNP is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include "qemu/guest-random.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_ids.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "trace.h"
#include "vepyc-psp.h"

/* --- registers ---------------------------------------------------------- */

#define MMIO_BAR        2
#define MMIO_SIZE       (1 * MiB)
#define MSIX_BAR        5
#define MSIX_VECTORS    2

#define REG_INTEN       0x10690
#define REG_INTSTS      0x10694
#define REG_CMDRESP     0x10980
#define REG_ADDR_LO     0x109e0
#define REG_ADDR_HI     0x109e4
#define REG_BOOTLOADER  0x109ec
#define REG_FEATURE     0x109fc

#define INT_SEV_DONE    (1 << 1)

#define CMDRESP_IOC     (1 << 0)
#define CMDRESP_CMD(v)  (((v) >> 16) & 0x7ff)
#define CMDRESP_RESP    (1U << 31)

/* SEV; security attributes are in this register (or Linux asks the TEE). */
#define FEATURE         ((1 << 0) | (1 << 7))

VepycPspState *vepyc_psp;

/* --- dispatch ----------------------------------------------------------- */

#define P(state)        (1 << PLAT_##state)
#define P_ANY           (P(UNINIT) | P(INIT) | P(WORKING))
#define P_UP            (P(INIT) | P(WORKING))
#define G(state)        (1 << GST_##state)
#define G_ANY           (G(LUPDATE) | G(LSECRET) | G(RUNNING))
#define LEN(member)     sizeof(((CmdBuf *)NULL)->member)

typedef struct SevCmd {
    uint16_t id;
    const char *name;
    SevRet (*run)(VepycPspState *s, CmdBuf *b);
    size_t len;             /* of the command buffer */
    unsigned platform;      /* states of the platform that allow it */
    unsigned guest;         /* and of the guest; 0: there is no guest yet */
    bool active;            /* the guest must own an ASID */
    bool out;               /* the buffer is written back */
} SevCmd;

static const SevCmd commands[] = {
    { 0x01, "INIT", psp_cmd_init, LEN(init), P(UNINIT) },
    { 0x02, "SHUTDOWN", psp_cmd_shutdown, 0, P_UP },
    { 0x03, "FACTORY_RESET", psp_cmd_factory_reset, 0, P(UNINIT) },
    { 0x04, "PLATFORM_STATUS", psp_cmd_platform_status, LEN(status), P_ANY,
      .out = true },
    { 0x05, "PEK_GEN", psp_cmd_pek_gen, 0, P(INIT) },
    { 0x06, "PEK_CSR", psp_cmd_pek_csr, LEN(blob), P(INIT), .out = true },
    { 0x07, "PEK_CERT_IMPORT", psp_cmd_unsupported, 0, P(INIT) },
    { 0x08, "PDH_CERT_EXPORT", psp_cmd_pdh_cert_export, LEN(export), P_UP,
      .out = true },
    { 0x09, "PDH_GEN", psp_cmd_pdh_gen, 0, P_UP },
    { 0x0a, "DF_FLUSH", psp_cmd_df_flush, 0, P_UP },
    { 0x0b, "DOWNLOAD_FIRMWARE", psp_cmd_download_firmware, LEN(blob),
      P(UNINIT) },
    { 0x0c, "GET_ID", psp_cmd_get_id, LEN(blob), P_ANY, .out = true },
    { 0x0d, "INIT_EX", psp_cmd_init_ex, LEN(init_ex), P(UNINIT) },
    { 0x0e, "NOP", psp_cmd_nop, 0, P_ANY },
    { 0x20, "DECOMMISSION", psp_cmd_decommission, LEN(handle), P_UP, G_ANY },
    { 0x21, "ACTIVATE", psp_cmd_activate, LEN(activate), P_UP, G_ANY },
    { 0x22, "DEACTIVATE", psp_cmd_deactivate, LEN(handle), P_UP, G_ANY },
    { 0x23, "GUEST_STATUS", psp_cmd_guest_status, LEN(guest), P_UP, G_ANY,
      .out = true },
    { 0x30, "LAUNCH_START", psp_cmd_launch_start, LEN(start), P_UP,
      .out = true },
    { 0x31, "LAUNCH_UPDATE_DATA", psp_cmd_launch_update_data, LEN(update), P_UP,
      G(LUPDATE), .active = true },
    { 0x32, "LAUNCH_UPDATE_VMSA", psp_cmd_launch_update_vmsa, LEN(update), P_UP,
      G(LUPDATE), .active = true },
    { 0x33, "LAUNCH_MEASURE", psp_cmd_launch_measure, LEN(update), P_UP,
      G(LUPDATE), .out = true },
    { 0x34, "LAUNCH_UPDATE_SECRET", psp_cmd_launch_update_secret, LEN(secret),
      P_UP, G(LSECRET), .active = true },
    { 0x35, "LAUNCH_FINISH", psp_cmd_launch_finish, LEN(handle), P_UP,
      G(LSECRET) },
    { 0x36, "ATTESTATION_REPORT", psp_cmd_attestation_report, LEN(report), P_UP,
      G(LSECRET) | G(RUNNING), .out = true },
    { 0x40, "SEND_START", psp_cmd_unsupported, LEN(handle), P_UP, G_ANY },
    { 0x41, "SEND_UPDATE_DATA", psp_cmd_unsupported, LEN(handle), P_UP, G_ANY },
    { 0x42, "SEND_UPDATE_VMSA", psp_cmd_unsupported, LEN(handle), P_UP, G_ANY },
    { 0x43, "SEND_FINISH", psp_cmd_unsupported, LEN(handle), P_UP, G_ANY },
    { 0x44, "SEND_CANCEL", psp_cmd_unsupported, LEN(handle), P_UP, G_ANY },
    { 0x50, "RECEIVE_START", psp_cmd_unsupported, LEN(handle), P_UP },
    { 0x51, "RECEIVE_UPDATE_DATA", psp_cmd_unsupported, LEN(handle), P_UP,
      G_ANY },
    { 0x52, "RECEIVE_UPDATE_VMSA", psp_cmd_unsupported, LEN(handle), P_UP,
      G_ANY },
    { 0x53, "RECEIVE_FINISH", psp_cmd_unsupported, LEN(handle), P_UP, G_ANY },
    { 0x60, "DBG_DECRYPT", psp_cmd_dbg_decrypt, LEN(dbg), P_UP, G_ANY,
      .active = true },
    { 0x61, "DBG_ENCRYPT", psp_cmd_dbg_encrypt, LEN(dbg), P_UP, G_ANY,
      .active = true },
};

static SevRet check_and_run(VepycPspState *s, const SevCmd *cmd, CmdBuf *b)
{
    if (!(cmd->platform & (1 << s->state))) {
        return SEV_INVALID_PLATFORM_STATE;
    }
    if (cmd->guest) {
        SevGuest *g = psp_guest_of(s, le32_to_cpu(b->handle));

        if (!g) {
            return SEV_INVALID_GUEST;
        }
        if (!(cmd->guest & (1 << g->state))) {
            return SEV_INVALID_GUEST_STATE;
        }
        if (cmd->active && !g->asid) {
            return SEV_INACTIVE;
        }
    }
    return cmd->run(s, b);
}

static SevRet psp_command(VepycPspState *s, unsigned id)
{
    hwaddr pa = ((hwaddr)s->addr_hi << 32 | s->addr_lo) & ~VEPYC_CBIT;
    const SevCmd *cmd = NULL;
    uint32_t handle = 0, asid = 0;
    CmdBuf b = { 0 };
    SevGuest *g;
    SevRet ret;
    int i;

    for (i = 0; i < ARRAY_SIZE(commands); i++) {
        if (commands[i].id == id) {
            cmd = &commands[i];
        }
    }
    if (!cmd) {
        trace_vepyc_psp_unknown(id);
        return SEV_INVALID_COMMAND;
    }
    if (cmd->len && !psp_fw_read(pa, &b, cmd->len)) {
        return SEV_INVALID_ADDRESS;
    }
    if (cmd->guest) {
        handle = le32_to_cpu(b.handle);
        g = psp_guest_of(s, handle);
        asid = g ? g->asid : 0;
    }
    ret = check_and_run(s, cmd, &b);
    if (cmd->out) {
        psp_fw_write(pa, &b, cmd->len);
    }
    if (cmd->run == psp_cmd_launch_start) {
        handle = le32_to_cpu(b.handle);
    } else if (cmd->run == psp_cmd_activate) {
        asid = le32_to_cpu(b.activate.asid);
    }
    trace_vepyc_psp_command(cmd->name, handle, asid, ret, s->guests);
    return ret;
}

/* --- the device --------------------------------------------------------- */

static uint64_t psp_mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    VepycPspState *s = opaque;

    switch (addr) {
    case REG_INTEN:
        return s->inten;
    case REG_INTSTS:
        return s->intsts;
    case REG_CMDRESP:
        return s->cmdresp;
    case REG_ADDR_LO:
        return s->addr_lo;
    case REG_ADDR_HI:
        return s->addr_hi;
    case REG_FEATURE:
        return FEATURE;
    case REG_BOOTLOADER:
        return 0xffffffff;      /* no access */
    default:
        return 0;
    }
}

static void psp_mmio_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    VepycPspState *s = opaque;

    switch (addr) {
    case REG_INTEN:
        s->inten = val;
        break;
    case REG_INTSTS:
        s->intsts &= ~val;
        break;
    case REG_ADDR_LO:
        s->addr_lo = val;
        break;
    case REG_ADDR_HI:
        s->addr_hi = val;
        break;
    case REG_CMDRESP:
        if (val & CMDRESP_RESP) {
            break;
        }
        s->cmdresp = CMDRESP_RESP | (val & 0x07ff0000) |
                     psp_command(s, CMDRESP_CMD(val));
        if (val & CMDRESP_IOC) {
            s->intsts |= INT_SEV_DONE;
            if (s->inten & INT_SEV_DONE) {
                msix_notify(PCI_DEVICE(s), 0);
            }
        }
        break;
    }
}

static const MemoryRegionOps psp_mmio_ops = {
    .read = psp_mmio_read,
    .write = psp_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static void psp_realize(PCIDevice *dev, Error **errp)
{
    VepycPspState *s = VEPYC_PSP(dev);
    ERRP_GUARD();

    if (!s->max_guests || s->max_guests > 65536) {
        error_setg(errp, "vepyc-psp: max-guests must be 1 to 65536");
        return;
    }
    vepyc_mem_init(OBJECT(dev), errp);
    if (*errp) {
        return;
    }
    memory_region_init_io(&s->mmio, OBJECT(dev), &psp_mmio_ops, s,
                          "vepyc-psp", MMIO_SIZE);
    pci_register_bar(dev, MMIO_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->mmio);
    if (msix_init_exclusive_bar(dev, MSIX_VECTORS, MSIX_BAR, errp) < 0) {
        return;
    }
    msix_vector_use(dev, 0);

    s->guest = g_new0(SevGuest *, s->max_guests);
    s->max_cores = 4096;
    s->wbinvd = bitmap_new(s->max_cores);
    qemu_guest_getrandom_nofail(s->id, sizeof(s->id));
    psp_ec_random_scalar(&s->cek);  /* fused into the chip */
    object_property_add_uint32_ptr(OBJECT(dev), "guests", &s->guests,
                                   OBJ_PROP_FLAG_READ);
    vepyc_psp = s;
}

static void psp_reset(DeviceState *dev)
{
    VepycPspState *s = VEPYC_PSP(dev);

    psp_guests_free(s);
    s->state = PLAT_UNINIT;
    s->es = false;
    s->inten = s->intsts = s->addr_lo = s->addr_hi = 0;
    s->cmdresp = CMDRESP_RESP;      /* ready */
}

static const Property psp_properties[] = {
    /* Off: DF_FLUSH believes that all caches were written back. */
    DEFINE_PROP_BOOL("wbinvd-strict", VepycPspState, wbinvd_strict, true),
    DEFINE_PROP_UINT32("max-guests", VepycPspState, max_guests, 1024),
};

static const VMStateDescription psp_vmstate = {
    .name = TYPE_VEPYC_PSP,
    .unmigratable = 1,      /* keys and who owns which page */
};

static void psp_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);

    pc->realize = psp_realize;
    pc->vendor_id = PCI_VENDOR_ID_AMD;
    pc->device_id = 0x1486;
    pc->class_id = PCI_CLASS_CRYPT_OTHER;
    dc->desc = "vepyc: AMD secure processor with SEV firmware (emulated)";
    dc->hotpluggable = false;
    dc->vmsd = &psp_vmstate;
    device_class_set_legacy_reset(dc, psp_reset);
    device_class_set_props(dc, psp_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo psp_info = {
    .name = TYPE_VEPYC_PSP,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(VepycPspState),
    .class_init = psp_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { },
    },
};

static void psp_register(void)
{
    type_register_static(&psp_info);
}

type_init(psp_register)
