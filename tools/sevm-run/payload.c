// SPDX-License-Identifier: GPL-2.0-only
/*
 * payload.c - flat payloads: a file that is put at 1 MiB and entered at its
 * first byte, in 64-bit mode with 4 GiB identity-mapped, interrupts off:
 *
 *	RDI	the C-bit's mask, 0 in a plain guest
 *	RSI	number of vCPUs
 *	RDX	bytes of memory				(plain guests only)
 *	RSP	0x1f000, with 20 KiB below it
 *	R8	a GHCB page, mapped shared		(SEV-ES only)
 *	R9	the AP page with the jump table	(SEV-ES only; firmware/ap.S)
 *	R11	a GHCB page for each AP, consecutive	(SEV-ES only)
 *	RBP	the bring-up page, 0: none		(SEV-ES only; firmware/ap_page.S)
 *
 * The first vCPU of a SEV-ES guest came through firmware/bsp.S: the jump table
 * is registered, the GHCB's address is in its MSR. With the bring-up page its APs
 * are stopped, and start by the page alone. Memory that is not the file
 * holds zeros in a plain guest and garbage in a SEV-ES guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sevm-run.h"

/* The whole file, in memory of its own. */
void *file_read(const char *path, size_t max, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	struct stat st;
	uint8_t *data;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		die(EXIT_USAGE, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || !st.st_size || (uint64_t)st.st_size > max)
		die(EXIT_USAGE, "%s: not a regular file of 1 to %zu bytes", path, max);
	data = malloc(st.st_size);
	if (!data)
		die(EXIT_HOST, "no memory for %s", path);
	while (done < (size_t)st.st_size) {
		n = read(fd, data + done, st.st_size - done);
		if (n < 0)
			die(EXIT_USAGE, "%s: %s", path, strerror(errno));
		if (!n)
			break;
		done += n;
	}
	close(fd);
	*size = done;
	return data;
}

uint64_t payload_load(struct vm *vm)
{
	size_t size;
	void *data = file_read(vm->opt->payload, vm->low_size, &size);

	memcpy(vm_piece(vm, GPA_PAYLOAD, size), data, size);
	free(data);
	return GPA_PAYLOAD;
}
