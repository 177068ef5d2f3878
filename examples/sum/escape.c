/* Names in lines, escaped as coreutils does it.  SPDX-License-Identifier: MIT */
#include "sum.h"
#include <string.h>

bool name_needs_escape(const char *name)
{
    return strpbrk(name, "\n\r\\") != NULL;
}

size_t name_escape(char *to, const char *name)
{
    size_t length = 0;
    for (; *name != '\0'; name++) {
        bool special = *name == '\n' || *name == '\r' || *name == '\\';
        if (special) to[length++] = '\\';
        to[length++] = *name == '\n' ? 'n' : *name == '\r' ? 'r' : *name;
    }
    to[length] = '\0';
    return length;
}

/* False if it is not what name_escape writes. */
bool name_unescape(char *name)
{
    char *to = name;
    for (; *name != '\0'; name++) {
        if (*name != '\\') {
            *to++ = *name;
            continue;
        }
        switch (*++name) {
        case 'n':
            *to++ = '\n';
            break;
        case 'r':
            *to++ = '\r';
            break;
        case '\\':
            *to++ = '\\';
            break;
        default:
            return false;
        }
    }
    *to = '\0';
    return true;
}
