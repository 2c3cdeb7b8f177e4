/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test.h - a test program: a list of cases, each run in a process of its own,
 * reported as TAP.
 *
 *	static void wakes_on_sipi(void) { ... ASSERT(x == 1); ... }
 *	TESTS = { CASE(wakes_on_sipi), ... };
 *
 * A case that returns has passed. Usage: PROGRAM [--device PATH] [--list] [CASE...]
 */
#ifndef SELFTESTS_TEST_H
#define SELFTESTS_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

struct test_case {
	const char *name;
	void (*run)(void);
	unsigned int seconds;	/* 0: the default limit */
};

extern const char *test_device;		/* /dev/sevm, /dev/kvm */
extern const struct test_case test_cases[];

#define TESTS		const struct test_case test_cases[]
#define CASE(f)		{ #f, f, 0 }
#define SLOW_CASE(f, s)	{ #f, f, s }
#define TESTS_END	{ NULL, NULL, 0 }

void __attribute__((noreturn, format(printf, 1, 2))) test_skip(const char *fmt, ...);
void __attribute__((noreturn, format(printf, 3, 4)))
test_fail(const char *file, int line, const char *fmt, ...);
/* A line of TAP diagnosis. */
void __attribute__((format(printf, 1, 2))) test_note(const char *fmt, ...);

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define ASSERT(c) do { if (!(c)) FAIL("%s", #c); } while (0)
#define ASSERT_EQ(a, b) do {						\
	unsigned long long a_ = (unsigned long long)(a);		\
	unsigned long long b_ = (unsigned long long)(b);		\
	if (a_ != b_)							\
		FAIL("%s == %s: %#llx, %#llx", #a, #b, a_, b_);		\
} while (0)
/* The call fails with that errno, and does nothing else. */
#define ASSERT_ERRNO(call, e) do {					\
	long r_;							\
	errno = 0;							\
	r_ = (call);							\
	if (r_ != -1 || errno != (e))					\
		FAIL("%s: %ld, errno %d, not %s", #call, r_, errno, #e); \
} while (0)
#define ASSERT_OK(call) do {						\
	long r_ = (call);						\
	if (r_ < 0)							\
		FAIL("%s: %ld, errno %d", #call, r_, errno);		\
} while (0)

#endif /* SELFTESTS_TEST_H */
