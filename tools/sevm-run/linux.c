// SPDX-License-Identifier: GPL-2.0-only
/*
 * linux.c - the loader of a Linux bzImage, by the 64-bit boot protocol.
 *
 * The kernel's file is unmodified; all that firmware and boot loader would tell
 * it is in boot_params: command line, initrd, memory map, the ACPI tables. Of a
 * SEV-ES guest's memory only what is put here by vm_piece() is launched.
 */
#include <asm/bootparam.h>
#include <stdlib.h>
#include <string.h>

#include "../firmware/firmware.h"
#include "sevm-run.h"

#define HEADER_OFFSET		0x1f1
#define HEADER_MAGIC		0x53726448	/* "HdrS" */
#define PROTOCOL_2_12		0x020c		/* xloadflags, 64-bit entry */
#define ENTRY_64		0x200
#define E820_RAM		1
#define E820_RESERVED		2
#define E820_ACPI		3
#define ACPI_SIZE		(2 * PAGE_SIZE)

static void e820_add(struct boot_params *bp, uint64_t from, uint64_t to, uint32_t type)
{
	struct boot_e820_entry *e = &bp->e820_table[bp->e820_entries];

	if (from >= to)
		return;
	e->addr = from;
	e->size = to - from;
	e->type = type;
	bp->e820_entries++;
}

/*
 * The AP page and the GHCBs must not be RAM: Linux maps the page as if it were
 * a device's. The ACPI tables must be of type ACPI: Linux takes anything else
 * for shared memory.
 */
static void memory_map(struct vm *vm, struct boot_params *bp)
{
	uint64_t low = vm->opt->protected ? vm_first_ghcb(vm) : GPA_LOW_END;

	e820_add(bp, 0, low, E820_RAM);
	e820_add(bp, low, GPA_LOW_END, E820_RESERVED);
	e820_add(bp, GPA_ACPI, GPA_ACPI_END, E820_ACPI);
	e820_add(bp, GPA_ACPI_END, MiB, E820_RESERVED);
	e820_add(bp, MiB, vm->low_size, E820_RAM);
	e820_add(bp, 4 * GiB, 4 * GiB + vm->opt->memory - vm->low_size, E820_RAM);
}

static void command_line(struct vm *vm, struct setup_header *header)
{
	const char *append = vm->opt->append;
	char *at = vm_piece(vm, GPA_CMDLINE, PAGE_SIZE);
	size_t size = strlen(LINUX_CMDLINE) + (append ? 1 + strlen(append) : 0);

	if (size > header->cmdline_size || size >= PAGE_SIZE)
		die(EXIT_USAGE, "--append is too long");
	strcpy(at, LINUX_CMDLINE);
	if (append) {
		strcat(at, " ");
		strcat(at, append);
	}
	header->cmd_line_ptr = GPA_CMDLINE;
}

/* As high as the kernel can take it. */
static void initrd(struct vm *vm, struct setup_header *header, uint64_t kernel_end)
{
	uint64_t top = header->initrd_addr_max + 1ULL, gpa;
	size_t size;
	void *data = file_read(vm->opt->initrd, vm->low_size, &size);

	if (top > vm->low_size)
		top = vm->low_size;
	if (size > top)
		die(EXIT_USAGE, "%s does not fit into the guest's memory", vm->opt->initrd);
	gpa = (top - size) & ~(PAGE_SIZE - 1);
	if (gpa < kernel_end)
		die(EXIT_USAGE, "no room for %s behind the kernel: give the guest more --memory",
		    vm->opt->initrd);
	memcpy(vm_piece(vm, gpa, size), data, size);
	header->ramdisk_image = gpa;
	header->ramdisk_size = size;
	free(data);
}

static void check(const struct setup_header *header, size_t size, const char *path)
{
	if (header->header != HEADER_MAGIC || header->version < PROTOCOL_2_12 ||
	    !(header->xloadflags & XLF_KERNEL_64) || !(header->loadflags & LOADED_HIGH))
		die(EXIT_USAGE, "%s is not a 64-bit Linux bzImage", path);
	if (size <= (header->setup_sects + 1u) * 512 + ENTRY_64)
		die(EXIT_USAGE, "%s is cut short", path);
}

uint64_t linux_load(struct vm *vm)
{
	struct setup_header *header;
	struct boot_params *bp;
	size_t size, setup, end;
	uint8_t *file;
	uint64_t kernel;

	file = file_read(vm->opt->kernel, vm->low_size, &size);
	if (size < HEADER_OFFSET + sizeof(*header))
		die(EXIT_USAGE, "%s is not a Linux bzImage", vm->opt->kernel);

	bp = vm_piece(vm, GPA_ZERO_PAGE, sizeof(*bp));
	header = &bp->hdr;
	/* The header ends where the jump at its start leads. */
	end = 0x202 + file[0x201];
	if (end > HEADER_OFFSET + sizeof(*header))
		end = HEADER_OFFSET + sizeof(*header);
	memcpy(header, file + HEADER_OFFSET, end - HEADER_OFFSET);
	if (!header->setup_sects)
		header->setup_sects = 4;
	check(header, size, vm->opt->kernel);

	/* The kernel's decompressor needs init_size bytes there, not launched. */
	setup = (header->setup_sects + 1u) * 512;
	kernel = header->pref_address;
	if (kernel < MiB || kernel % PAGE_SIZE)
		die(EXIT_USAGE, "%s wants to be at 0x%llx", vm->opt->kernel,
		    (unsigned long long)kernel);
	vm_memory(vm, kernel, header->init_size);
	memcpy(vm_piece(vm, kernel, size - setup), file + setup, size - setup);
	free(file);

	header->type_of_loader = 0xff;
	header->code32_start = kernel;
	command_line(vm, header);
	if (vm->opt->initrd)
		initrd(vm, header, kernel + header->init_size);
	memory_map(vm, bp);
	acpi_build(vm_piece(vm, GPA_ACPI, ACPI_SIZE), ACPI_SIZE, GPA_ACPI, vm->opt->cpus);
	bp->acpi_rsdp_addr = GPA_ACPI;
	return kernel + ENTRY_64;
}
