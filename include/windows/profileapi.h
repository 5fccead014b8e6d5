/*
 * profileapi.h - the performance counter
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_PROFILEAPI_H
#define OPENWHP_PROFILEAPI_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>
#include <minwinbase.h>

#ifdef __cplusplus
extern "C" {
#endif

BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER *count);
BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER *frequency);

#ifdef __cplusplus
}
#endif

#endif
