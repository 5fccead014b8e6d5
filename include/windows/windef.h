/* windef.h - types of windows and points. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef OPENWHP_WINDEF_H
#define OPENWHP_WINDEF_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>

typedef struct tagPOINT {
    LONG x;
    LONG y;
} POINT, *PPOINT, *LPPOINT;

typedef struct tagRECT {
    LONG left;
    LONG top;
    LONG right;
    LONG bottom;
} RECT, *PRECT, *LPRECT;

typedef struct tagSIZE {
    LONG cx;
    LONG cy;
} SIZE, *PSIZE, *LPSIZE;

#endif
