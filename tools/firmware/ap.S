/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ap.S - the AP page: the AP jump table, and where the APs start and wait.
 *
 * The page goes, page aligned, below 1 MiB. Each AP's VMSA is the reset state
 * with CS.base = the page, IP = AP_ENTRY, EBX = a GHCB page prepared by bsp.S
 * for this AP alone, or 0. The first SIPI starts it here; its vector is not
 * used. With the bring-up page (ap_page.h) bsp.S starts it here, in the same
 * state. Real mode has no paging, so every access is to private memory.
 *
 * Linux writes the table before it sends a SIPI, and never comes back here:
 * its offline CPUs are held inside Linux. A SIPI that finds the table empty
 * must not send the AP into nowhere: the AP asks for a reset hold, by MSR where
 * the protocol has that (version 2), else with its prepared GHCB. A GHCB's
 * request works once; after it, and where a host knows neither, HLT: it ends
 * with INIT-SIPI too. Whatever ended a hold, the table decides.
 */
#include "firmware.h"

	.section .rodata
	.code16
	.balign	16
	.globl	sevm_firmware_ap, sevm_firmware_ap_end

sevm_firmware_ap:
	.word	0			/* AP_TABLE_IP */
	.word	0			/* AP_TABLE_CS */
	.word	0			/* AP_VERSION */
	.word	0			/* AP_PARKED */
	.org	sevm_firmware_ap + AP_ENTRY

	lock incw %cs:AP_PARKED
check:
	cmpl	$0, %cs:AP_TABLE_IP
	jne	go

	mov	$MSR_GHCB, %ecx
	xor	%edx, %edx
	cmpw	$2, %cs:AP_VERSION
	jb	hold_nae

	mov	$GHCB_MSR_AP_HOLD_REQ, %eax
	wrmsr
	VMGEXIT
	rdmsr
	and	$0xfff, %ax
	cmp	$GHCB_MSR_AP_HOLD_RESP, %ax
	je	check
	jmp	halt			/* the host lied about version 2 */

hold_nae:
	mov	%ebx, %eax
	test	%eax, %eax
	jz	halt
	xor	%ebx, %ebx		/* consumed */
	wrmsr
	VMGEXIT
	jmp	check

halt:
	hlt
	jmp	check

go:
	ljmpw	*%cs:AP_TABLE_IP
sevm_firmware_ap_end:

	.code64
	.section .note.GNU-stack, "", @progbits
