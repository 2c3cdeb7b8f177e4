/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * firmware.h - the guest-side parts that sevm-run puts into a SEV-ES guest.
 *
 * Shared by C and assembly. All parts are position independent and take
 * what they need in registers, which the VMM sets before the launch (so it is
 * all in the measured VMSAs), see bsp.S and ap.S.
 */
#ifndef SEVM_FIRMWARE_H
#define SEVM_FIRMWARE_H

/* The AP page: offsets in it. The first two are the GHCB specification's. */
#define AP_TABLE_IP	0x00	/* u16: where APs jump to ... */
#define AP_TABLE_CS	0x02	/* u16: ... in real mode */
#define AP_VERSION	0x04	/* u16: GHCB protocol version, written by bsp.S */
#define AP_PARKED	0x06	/* u16: how many APs have come here */
#define AP_ENTRY	0x10	/* first instruction of an AP's VMSA */

/* Termination: the reason set is ours, the codes say what the firmware met. */
#define FW_TERM_SET		0x5
#define FW_TERM_PROTOCOL	0x01	/* no GHCB version in common with the host */
#define FW_TERM_JUMP_TABLE	0x02	/* the host refused the AP jump table */

#define FW_TERM_AP_PAGE		0x03	/* an AP did not come up by the bring-up page */

/* The GHCB, as far as the firmware uses it. */
#define MSR_GHCB		0xc0010130
#define GHCB_MSR_SEV_INFO_RESP	0x001
#define GHCB_MSR_SEV_INFO_REQ	0x002
#define GHCB_MSR_AP_HOLD_REQ	0x006
#define GHCB_MSR_AP_HOLD_RESP	0x007
#define GHCB_MSR_TERM_REQ	0x100

#define GHCB_CPL		0x0cb
#define GHCB_RAX		0x1f8
#define GHCB_RCX		0x308
#define GHCB_RDX		0x310
#define GHCB_RSI		0x330
#define GHCB_RDI		0x338
#define GHCB_SW_EXITCODE	0x390
#define GHCB_SW_EXITINFO1	0x398
#define GHCB_SW_EXITINFO2	0x3a0
#define GHCB_VALID_CPL		0x3f3	/* bytes of the bitmap, and the bits there */
#define GHCB_VALID_CPL_BIT	0x02
#define GHCB_VALID_RAX		0x3f7
#define GHCB_VALID_RAX_BIT	0x80
#define GHCB_VALID_CD		0x3fc	/* RCX, RDX, RSI, RDI */
#define GHCB_VALID_CD_BITS	0x06
#define GHCB_VALID_SD_BITS	0xc0
#define GHCB_VALID_EXIT		0x3fe	/* byte of the bitmap with those three */
#define GHCB_VALID_EXIT_BITS	0x1c
#define GHCB_VERSION		0xffa

#define GHCB_NAE_IOIO		0x7b
#define GHCB_NAE_MSR		0x7c
#define GHCB_NAE_VMMCALL	0x81
#define GHCB_NAE_AP_HOLD	0x80000004
#define GHCB_NAE_AP_JUMP_TABLE	0x80000005
#define GHCB_AP_JUMP_TABLE_SET	0

#define GHCB_OUR_MAX_VERSION	2

#ifdef __ASSEMBLER__
.macro VMGEXIT
	rep; vmmcall
.endm
#else
extern const unsigned char sevm_firmware_bsp[], sevm_firmware_bsp_end[];
extern const unsigned char sevm_firmware_ap[], sevm_firmware_ap_end[];
#endif

#endif /* SEVM_FIRMWARE_H */
