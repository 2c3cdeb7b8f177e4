/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ap_page.h - the alternative AP bring-up page: where what is in it.
 *
 * Protocol version 1, specified in docs/ap-bringup.md. Shared by C, assembly,
 * the VMM that puts ap_page.S into the guest, and the guest that fills it in.
 */
#ifndef SEVM_AP_PAGE_H
#define SEVM_AP_PAGE_H

#define AP_PAGE_PROTOCOL	1
#define AP_PAGE_SIZE		0x1000

/* The first 16 bytes are the same in every version of the protocol. */
#define AP_PAGE_STATUS		0x000	/* u32: AP_PAGE_EMPTY ... */
#define AP_PAGE_VCPU		0x004	/* u32: the vCPU that is wanted */
#define AP_PAGE_VERSION		0x008	/* u32: AP_PAGE_PROTOCOL */
#define AP_PAGE_FLAGS		0x00c	/* u32: 0 */

/* The wanted state: u64 where nothing else is said */
#define AP_PAGE_CR0		0x010
#define AP_PAGE_CR3		0x018
#define AP_PAGE_CR4		0x020
#define AP_PAGE_EFER		0x028
#define AP_PAGE_GDTR		0x036	/* u16 limit, u64 base */
#define AP_PAGE_IDTR		0x046	/* u16 limit, u64 base */
#define AP_PAGE_FS_BASE		0x050	/* long mode only */
#define AP_PAGE_GS_BASE		0x058	/* long mode only */
#define AP_PAGE_DS		0x060	/* u16 selectors */
#define AP_PAGE_ES		0x062
#define AP_PAGE_FS		0x064
#define AP_PAGE_GS		0x066
#define AP_PAGE_R15		0x068	/* from here on in the order of a stack */
#define AP_PAGE_R14		0x070
#define AP_PAGE_R13		0x078
#define AP_PAGE_R12		0x080
#define AP_PAGE_R11		0x088
#define AP_PAGE_R10		0x090
#define AP_PAGE_R9		0x098
#define AP_PAGE_R8		0x0a0
#define AP_PAGE_RBP		0x0a8
#define AP_PAGE_RDI		0x0b0
#define AP_PAGE_RSI		0x0b8
#define AP_PAGE_RDX		0x0c0
#define AP_PAGE_RCX		0x0c8
#define AP_PAGE_RBX		0x0d0
#define AP_PAGE_RAX		0x0d8
#define AP_PAGE_RIP		0x0e0	/* the entry; then as IRETQ has it */
#define AP_PAGE_CS		0x0e8
#define AP_PAGE_RFLAGS		0x0f0
#define AP_PAGE_RSP		0x0f8
#define AP_PAGE_SS		0x100
#define AP_PAGE_STATE_END	0x108

/* The trampoline's own: not to be written */
#define AP_PAGE_GDT		0x180	/* with the selectors below */
#define AP_PAGE_CODE32		0x08
#define AP_PAGE_DATA32		0x10
#define AP_PAGE_CODE64		0x18
#define AP_PAGE_GDT_LIMIT	0x2f
#define AP_PAGE_ENTRY		0x200	/* where each AP starts */

/* AP_PAGE_STATUS */
#define AP_PAGE_EMPTY		0	/* nobody is wanted */
#define AP_PAGE_FILLED		1	/* by the guest, after all else */
#define AP_PAGE_TAKEN		2	/* by the vCPU that is wanted */
#define AP_PAGE_READY		3	/* it has all it needs: the page is free */
#define AP_PAGE_BAD_VERSION	0x80000001	/* unknown to this trampoline */
#define AP_PAGE_BAD_STATE	0x80000002	/* no such state, or flags not 0 */

/* Bytes below the wanted SS:RSP that the trampoline writes to */
#define AP_PAGE_STACK		0xa0

/* The hypercall: Xen's numbers. RAX, RDI the operation, RSI the vCPU's ID. */
#define AP_PAGE_HYPERCALL	24	/* __HYPERVISOR_vcpu_op */
#define AP_PAGE_UP		1	/* VCPUOP_up */
#define AP_PAGE_DOWN		2	/* VCPUOP_down */
#define AP_PAGE_IS_UP		3	/* VCPUOP_is_up */

#ifndef __ASSEMBLER__
#include <stdint.h>

struct ap_page_table {
	uint8_t pad[6];
	uint16_t limit;
	uint64_t base;
};

struct ap_page {
	volatile uint32_t status;
	uint32_t vcpu;
	uint32_t version;
	uint32_t flags;
	uint64_t cr0, cr3, cr4, efer;
	struct ap_page_table gdtr, idtr;
	uint64_t fs_base, gs_base;
	uint16_t ds, es, fs, gs;
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* The page's first bytes, to be copied to its start: ap_page.S */
extern const unsigned char sevm_firmware_ap_page[], sevm_firmware_ap_page_end[];
#endif

#endif /* SEVM_AP_PAGE_H */
