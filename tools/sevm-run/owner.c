// SPDX-License-Identifier: GPL-2.0-only
/*
 * owner.c - --session: the owner's session for a guest that another VMM launches.
 *
 * Four files, named as AMD's and virtee's tools name them: two for the VMM, in
 * base64, which is what QEMU's sev-guest reads; and the two keys, which stay with
 * the owner. Nothing is checked but the certificate's form: whether the platform is
 * what it says is not decided here.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sevm-run.h"

#define BASE64_SIZE(n)	(((n) + 2) / 3 * 4)

static void save(const char *name, const char *suffix, mode_t mode,
		 const void *data, size_t size)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s_%s", name, suffix) < 0)
		die(EXIT_HOST, "no memory");
	/* A new file always: an old one may be open, or readable, for others. */
	if (unlink(path) && errno != ENOENT)
		die(EXIT_USAGE, "%s: %s", path, strerror(errno));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd))
		die(EXIT_USAGE, "%s: %s", path, strerror(errno));
	free(path);
}

static void save_base64(const char *name, const char *suffix, const uint8_t *data, int size)
{
	uint8_t text[BASE64_SIZE(SEV_CERT_SIZE) + 1];

	save(name, suffix, 0644, text, EVP_EncodeBlock(text, data, size));
}

void owner_session(const struct options *opt)
{
	struct session session;
	uint8_t *pdh;
	size_t size;

	if (opt->pdh) {
		pdh = file_read(opt->pdh, SEV_CERT_SIZE + SEV_CHAIN_SIZE + MiB, &size);
		if (size < SEV_CERT_SIZE)
			die(EXIT_USAGE, "%s: a PDH certificate has %d bytes", opt->pdh,
			    SEV_CERT_SIZE);
	} else {
		pdh = platform_pdh();
	}
	if (!session_make(&session, pdh, opt->policy))
		die(EXIT_USAGE, "%s: not a PDH certificate",
		    opt->pdh ?: "the answer of the secure processor");

	save(opt->session, "tek.bin", 0600, session.tek, sizeof(session.tek));
	save(opt->session, "tik.bin", 0600, session.tik, sizeof(session.tik));
	save_base64(opt->session, "godh.b64", session.cert, sizeof(session.cert));
	save_base64(opt->session, "session.b64", session.blob, sizeof(session.blob));
	free(pdh);
}
