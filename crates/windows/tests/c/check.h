/* check.h - counts and prints checks that fail. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

static int failures;

#define CHECK(condition)                                                                        \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            failures++;                                                                         \
            printf("%s:%d: %s (last error %lu)\n", __FILE__, __LINE__, #condition, GetLastError()); \
        }                                                                                       \
    } while (0)

#define FAILS_WITH(code, call) (SetLastError(0), !(call) && GetLastError() == (code))
