/* The texts and names of results.  SPDX-License-Identifier: MIT */
#include <errno.h>
#include <ferry/error.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    const char *name, *text;
} errors[] = {
#define ROW(name, code, text) {code, "FERRY_E_" #name, text},
    FERRY_ERRORS(ROW)
#undef ROW
};

enum { ERROR_COUNT = sizeof errors / sizeof errors[0] };

/* The index of one of ferry's own codes, -1 for anything else. */
static int own(int rc)
{
    for (int i = 0; i < ERROR_COUNT; i++)
        if (errors[i].code == rc) return i;
    return -1;
}

#ifdef __GLIBC__
/* strerror would write the number of an unknown error into a buffer that threads
 * share. */
#define ERRNO_TEXT(number) strerrordesc_np(number)
#define ERRNO_NAME(number) strerrorname_np(number)
#else
#define ERRNO_TEXT(number) strerror(number)
#define ERRNO_NAME(number) NULL
#endif

const char *ferry_strerror(int rc)
{
    if (rc >= 0) return "success";
    if (rc == -ECANCELED) return "a cancel scope around the call is cancelled";
    if (rc == -ETIMEDOUT) return "the deadline has passed";
    int index = own(rc);
    if (index >= 0) return errors[index].text;
    const char *text = rc == INT_MIN ? NULL : ERRNO_TEXT(-rc);
    return text ? text : "an error of the program's own";
}

const char *ferry_error_name(int rc)
{
    if (rc == 0) return "OK";
    int index = own(rc);
    if (index >= 0) return errors[index].name;
    return rc > 0 || rc == INT_MIN ? NULL : ERRNO_NAME(-rc);
}

int ferry_exit_status(int rc)
{
    if (rc >= 0) return rc > 255 ? 255 : rc;
    const char *name = ferry_error_name(rc);
    if (name) fprintf(stderr, "error: %s (%s)\n", ferry_strerror(rc), name);
    else fprintf(stderr, "error: %s (%d)\n", ferry_strerror(rc), rc);
    return 1;
}
