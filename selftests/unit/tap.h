/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tap.h - Test Anything Protocol, version 13, for the unit tests.
 *
 *	tap_ok(cond, "what is true, %d", n);	one line, ok or not ok
 *	tap_eq(got, want, "what");		the same, and shows both numbers
 *	return tap_done();			the plan; exit status 0 or 1
 */
#ifndef SEVM_UNIT_TAP_H
#define SEVM_UNIT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 2, 3), unused))
static bool tap_ok(bool ok, const char *fmt, ...)
{
	va_list ap;

	if (!tap_count++)
		printf("TAP version 13\n");
	printf("%s %d ", ok ? "ok" : "not ok", tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	tap_failed += !ok;
	return ok;
}

__attribute__((format(printf, 1, 2), unused))
static void tap_note(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

#define tap_eq(got, want, ...) do {					\
	unsigned long long _got = (got), _want = (want);		\
									\
	if (!tap_ok(_got == _want, __VA_ARGS__))			\
		tap_note("got 0x%llx, want 0x%llx", _got, _want);	\
} while (0)

__attribute__((unused))
static int tap_done(void)
{
	printf("1..%d\n", tap_count);
	fflush(stdout);
	return tap_failed || !tap_count;
}

#endif /* SEVM_UNIT_TAP_H */
