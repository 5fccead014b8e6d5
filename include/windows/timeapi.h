/*
 * timeapi.h - the multimedia clock
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_TIMEAPI_H
#define OPENWHP_TIMEAPI_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>
#include <minwinbase.h>

#include <sysinfoapi.h>

typedef UINT MMRESULT;
#define TIMERR_NOERROR 0

/* Timers here are as fine as the host's. */
static __inline__ MMRESULT timeBeginPeriod(UINT period) { return (void)period, TIMERR_NOERROR; }
static __inline__ MMRESULT timeEndPeriod(UINT period) { return (void)period, TIMERR_NOERROR; }
static __inline__ DWORD timeGetTime(VOID) { return GetTickCount(); }

#endif
