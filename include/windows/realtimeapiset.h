/*
 * realtimeapiset.h - times without sleep
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_REALTIMEAPISET_H
#define OPENWHP_REALTIMEAPISET_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>
#include <minwinbase.h>

#ifdef __cplusplus
extern "C" {
#endif

BOOL WINAPI QueryUnbiasedInterruptTime(PULONGLONG time);

#ifdef __cplusplus
}
#endif

#endif
