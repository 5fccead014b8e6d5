/*
 * debugapi.h - debuggers
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_DEBUGAPI_H
#define OPENWHP_DEBUGAPI_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>
#include <minwinbase.h>

#ifdef __cplusplus
extern "C" {
#endif

BOOL WINAPI IsDebuggerPresent(VOID);
VOID WINAPI OutputDebugStringA(LPCSTR text);
VOID WINAPI OutputDebugStringW(LPCWSTR text);
#define DebugBreak() __builtin_trap()

#ifdef __cplusplus
}
#endif

#ifdef UNICODE
#define OutputDebugString OutputDebugStringW
#else
#define OutputDebugString OutputDebugStringA
#endif

#endif
