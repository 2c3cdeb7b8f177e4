/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * firmware.h - the guest-side parts that sevm-run puts into a SEV-ES guest.
 *
 * Shared by C and assembly. Both parts are position independent and take
 * what they need in registers, which the VMM sets before the launch (so it is
 * all in the measured VMSAs), see bsp.S and ap.S.
 */
#ifndef SEVM_FIRMWARE_H
#define SEVM_FIRMWARE_H

/* The AP page: offsets in it. The first two are the GHCB specification's. */
#define AP_TABLE_IP	0x00	/* u16: where APs jump to ... */
#define AP_TABLE_CS	0x02	/* u16: ... in real mode */
#define AP_VERSION	0x04	/* u16: GHCB protocol version, written by bsp.S */
#define AP_ENTRY	0x10	/* first instruction of an AP's VMSA */

/* Termination: the reason set is ours, the codes say what the firmware met. */
#define FW_TERM_SET		0x5
#define FW_TERM_PROTOCOL	0x01	/* no GHCB version in common with the host */
#define FW_TERM_JUMP_TABLE	0x02	/* the host refused the AP jump table */

/* The GHCB, as far as the firmware uses it. */
#define MSR_GHCB		0xc0010130
#define GHCB_MSR_SEV_INFO_RESP	0x001
#define GHCB_MSR_SEV_INFO_REQ	0x002
#define GHCB_MSR_AP_HOLD_REQ	0x006
#define GHCB_MSR_AP_HOLD_RESP	0x007
#define GHCB_MSR_TERM_REQ	0x100

#define GHCB_SW_EXITCODE	0x390
#define GHCB_SW_EXITINFO1	0x398
#define GHCB_SW_EXITINFO2	0x3a0
#define GHCB_VALID_EXIT		0x3fe	/* byte of the bitmap with those three */
#define GHCB_VALID_EXIT_BITS	0x1c
#define GHCB_VERSION		0xffa

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
