/*
 * stringapiset.h - conversions between UTF-8 and UTF-16
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_STRINGAPISET_H
#define OPENWHP_STRINGAPISET_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>
#include <minwinbase.h>

#ifndef CP_UTF8
#define CP_ACP 0
#define CP_UTF8 65001
#endif
#define MB_ERR_INVALID_CHARS 8
#define WC_ERR_INVALID_CHARS 0x80

#ifdef __cplusplus
extern "C" {
#endif

int openwhp_widen(LPCSTR text, int length, LPWSTR buffer, int size);
int openwhp_narrow(LPCWSTR text, int length, LPSTR buffer, int size);

/* Every code page is UTF-8 here. */
static __inline__ int MultiByteToWideChar(UINT page, DWORD flags, LPCSTR text, int length, LPWSTR buffer, int size) {
    (void)page, (void)flags;
    return openwhp_widen(text, length, buffer, size);
}
static __inline__ int WideCharToMultiByte(UINT page, DWORD flags, LPCWSTR text, int length, LPSTR buffer, int size,
                                          LPCSTR replacement, BOOL *replaced) {
    (void)page, (void)flags, (void)replacement;
    if (replaced) *replaced = FALSE;
    return openwhp_narrow(text, length, buffer, size);
}

#ifdef __cplusplus
}
#endif

#endif
