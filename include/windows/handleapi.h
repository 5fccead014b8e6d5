/*
 * handleapi.h - handles
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_HANDLEAPI_H
#define OPENWHP_HANDLEAPI_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>
#include <minwinbase.h>

#ifndef INVALID_HANDLE_VALUE
#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)
#endif

#ifdef __cplusplus
extern "C" {
#endif

BOOL WINAPI CloseHandle(HANDLE handle);
BOOL WINAPI DuplicateHandle(HANDLE source_process, HANDLE source, HANDLE target_process, LPHANDLE target, DWORD access,
                            BOOL inherit, DWORD options);
BOOL WINAPI GetHandleInformation(HANDLE handle, LPDWORD flags);
BOOL WINAPI SetHandleInformation(HANDLE handle, DWORD mask, DWORD flags);
static __inline__ BOOL CompareObjectHandles(HANDLE a, HANDLE b) { return a == b; }

#ifdef __cplusplus
}
#endif

#endif
