/* What the tests use of the Check library, for machines that have no such library.
 * SPDX-License-Identifier: MIT
 *
 * The names are Check's, and mean what Check's documentation says. Each test has a
 * process of its own, and a time; CK_FORK=no and CK_TIMEOUT_MULTIPLIER=N in the
 * environment are obeyed. */
#ifndef FERRY_TESTS_STANDIN_CHECK_H
#define FERRY_TESTS_STANDIN_CHECK_H

#include <stdint.h>
#include <string.h>

typedef struct Suite Suite;
typedef struct TCase TCase;
typedef struct SRunner SRunner;

typedef struct TTest {
    const char *name;
    void (*fn)(int i);
    const char *file;
    int line;
} TTest;

enum print_output { CK_NORMAL, CK_VERBOSE };
enum fork_status { CK_FORK, CK_NOFORK };

Suite *suite_create(const char *name);
void suite_add_tcase(Suite *suite, TCase *tests);

TCase *tcase_create(const char *name);
void tcase_set_timeout(TCase *tests, double seconds);
void tcase_add_loop_test(TCase *tests, const TTest *test, int start, int end);
#define tcase_add_test(tests, test) tcase_add_loop_test((tests), (test), 0, 1)

/* Frees the suite in the end, too. */
SRunner *srunner_create(Suite *suite);
enum fork_status srunner_fork_status(SRunner *runner);
void srunner_run_all(SRunner *runner, enum print_output output);
int srunner_ntests_run(SRunner *runner);
int srunner_ntests_failed(SRunner *runner);
void srunner_free(SRunner *runner);

#define START_TEST(name)                                                      \
    static void name##_run(int _i);                                           \
    static const TTest name##_test = {#name, name##_run, __FILE__, __LINE__}; \
    static const TTest *const name = &name##_test;                            \
    static void name##_run(int _i __attribute__((unused)))
#define END_TEST

_Noreturn void _ck_assert_failed(const char *file, int line, const char *what,
                                 const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define ck_assert_msg(condition, ...) \
    ((condition) ? (void)0            \
                 : _ck_assert_failed(__FILE__, __LINE__, #condition, __VA_ARGS__))
#define ck_assert(condition) ck_assert_msg(condition, "%s", "is not so")

#define CK_COMPARE(type, format, a, op, b)                                              \
    do {                                                                                \
        type ck__a = (a);                                                               \
        type ck__b = (b);                                                               \
        ck_assert_msg(ck__a op ck__b, "they are " format " and " format, ck__a, ck__b); \
    } while (0)

#define ck_assert_int_eq(a, b) CK_COMPARE(intmax_t, "%jd", a, ==, b)
#define ck_assert_int_ne(a, b) CK_COMPARE(intmax_t, "%jd", a, !=, b)
#define ck_assert_int_ge(a, b) CK_COMPARE(intmax_t, "%jd", a, >=, b)
#define ck_assert_int_le(a, b) CK_COMPARE(intmax_t, "%jd", a, <=, b)
#define ck_assert_uint_eq(a, b) CK_COMPARE(uintmax_t, "%ju", a, ==, b)
#define ck_assert_uint_ge(a, b) CK_COMPARE(uintmax_t, "%ju", a, >=, b)
#define ck_assert_uint_le(a, b) CK_COMPARE(uintmax_t, "%ju", a, <=, b)
#define ck_assert_ptr_eq(a, b) CK_COMPARE(const void *, "%p", a, ==, b)
#define ck_assert_ptr_null(a) ck_assert_msg((a) == NULL, "%s", "it is not")
#define ck_assert_ptr_nonnull(a) ck_assert_msg((a) != NULL, "%s", "it is")
#define ck_assert_str_eq(a, b)                                                          \
    do {                                                                                \
        const char *ck__a = (a), *ck__b = (b);                                          \
        ck_assert_msg(strcmp(ck__a, ck__b) == 0, "\"%s\" is not \"%s\"", ck__a, ck__b); \
    } while (0)

#endif
