/*
 * threadpoollegacyapiset.h - timer queues.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_THREADPOOLLEGACYAPISET_H
#define OPENWHP_THREADPOOLLEGACYAPISET_H

#pragma GCC system_header

#include <winnt.h>

#define WT_EXECUTEDEFAULT 0x00000000
#define WT_EXECUTEINTIMERTHREAD 0x00000020
#define WT_EXECUTELONGFUNCTION 0x00000010
#define WT_EXECUTEONLYONCE 0x00000008

typedef VOID(NTAPI *WAITORTIMERCALLBACK)(PVOID parameter, BOOLEAN fired);

#ifdef __cplusplus
extern "C" {
#endif

HANDLE WINAPI CreateTimerQueue(VOID);
BOOL WINAPI CreateTimerQueueTimer(PHANDLE timer, HANDLE queue, WAITORTIMERCALLBACK procedure, PVOID parameter,
                                  DWORD due_ms, DWORD period_ms, ULONG flags);
BOOL WINAPI DeleteTimerQueueTimer(HANDLE queue, HANDLE timer, HANDLE completion);
BOOL WINAPI DeleteTimerQueueEx(HANDLE queue, HANDLE completion);
BOOL WINAPI DeleteTimerQueue(HANDLE queue);

#ifdef __cplusplus
}
#endif

#endif
