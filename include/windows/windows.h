/*
 * windows.h - the part of Windows' interface that programs written for the Windows Hypervisor Platform use.
 *
 *     cc program.c $(pkg-config --cflags --libs winhvplatform-windows)
 *
 * The functions are in libopenwhp_windows. What differs from Windows is in docs/porting.md.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_WINDOWS_H
#define OPENWHP_WINDOWS_H

#pragma GCC system_header

#include <sdkddkver.h>
#include <windef.h>
#include <winnt.h>
#include <winbase.h>
#include <winuser.h>
#include <openwhp_crt.h>
#include <intrin.h>

#ifndef WIN32_NO_STATUS
#include <openwhp_status.h>
#endif
#ifndef WIN32_LEAN_AND_MEAN
#include <timeapi.h>
#include <winver.h>
#endif

#endif
