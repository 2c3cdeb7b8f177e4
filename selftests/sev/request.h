/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * request.h - a GHCB request, and the refusals of one.
 */
#ifndef SELFTESTS_SEV_REQUEST_H
#define SELFTESTS_SEV_REQUEST_H

#include "guest.h"

/* SW_EXITINFO2 of a request that is refused, by the GHCB specification */
#define ERR_USAGE	2
#define ERR_SCRATCH	3
#define ERR_MISSING	4
#define ERR_INPUT	5
#define ERR_EVENT	6

/* The host refused: SW_EXITINFO1 2 and this reason, and both can be read. */
static inline void refused(u64 reason)
{
	union ghcb_page *g = guest_ghcb();

	GUEST_ASSERT_EQ((u32)g->q[GHCB_INFO1], 2);
	GUEST_ASSERT_EQ(g->q[GHCB_INFO2], reason);
	GUEST_ASSERT(ghcb_valid(g, GHCB_INFO1));
	GUEST_ASSERT(ghcb_valid(g, GHCB_INFO2));
}

static inline union ghcb_page *begin(u64 code, u64 info1, u64 info2)
{
	ghcb_register();
	ghcb_begin(guest_ghcb(), code, info1, info2);
	return guest_ghcb();
}

#endif
