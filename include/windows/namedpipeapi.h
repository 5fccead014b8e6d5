/*
 * namedpipeapi.h - pipes
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_NAMEDPIPEAPI_H
#define OPENWHP_NAMEDPIPEAPI_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>
#include <minwinbase.h>

#ifdef __cplusplus
extern "C" {
#endif

BOOL WINAPI CreatePipe(PHANDLE reader, PHANDLE writer, LPSECURITY_ATTRIBUTES attributes, DWORD size);
BOOL WINAPI PeekNamedPipe(HANDLE pipe, LPVOID buffer, DWORD size, LPDWORD copied, LPDWORD available, LPDWORD left);

#ifdef __cplusplus
}
#endif

#endif
