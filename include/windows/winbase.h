/*
 * winbase.h - the rest
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_WINBASE_H
#define OPENWHP_WINBASE_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>
#include <minwinbase.h>

#include <consoleapi.h>
#include <debugapi.h>
#include <errhandlingapi.h>
#include <fileapi.h>
#include <handleapi.h>
#include <heapapi.h>
#include <libloaderapi.h>
#include <memoryapi.h>
#include <namedpipeapi.h>
#include <processenv.h>
#include <processthreadsapi.h>
#include <profileapi.h>
#include <realtimeapiset.h>
#include <stringapiset.h>
#include <synchapi.h>
#include <sysinfoapi.h>
#include <threadpoollegacyapiset.h>

#define LMEM_FIXED 0x0000
#define LMEM_ZEROINIT 0x0040
#define LPTR 0x0040
#define GMEM_FIXED 0x0000
#define GMEM_ZEROINIT 0x0040
#define GPTR 0x0040
#define FORMAT_MESSAGE_ALLOCATE_BUFFER 0x00000100
#define FORMAT_MESSAGE_IGNORE_INSERTS 0x00000200
#define FORMAT_MESSAGE_FROM_STRING 0x00000400
#define FORMAT_MESSAGE_FROM_HMODULE 0x00000800
#define FORMAT_MESSAGE_FROM_SYSTEM 0x00001000
#define FORMAT_MESSAGE_ARGUMENT_ARRAY 0x00002000
#define FORMAT_MESSAGE_MAX_WIDTH_MASK 0x000000FF
#define ALL_PROCESSOR_GROUPS 0xFFFF
#define EXCEPTION_ACCESS_VIOLATION 0xC0000005

#ifdef __cplusplus
extern "C" {
#endif

DWORD WINAPI FormatMessageA(DWORD flags, LPCVOID source, DWORD code, DWORD language, LPSTR buffer, DWORD size,
                            va_list *arguments);
DWORD WINAPI FormatMessageW(DWORD flags, LPCVOID source, DWORD code, DWORD language, LPWSTR buffer, DWORD size,
                            va_list *arguments);
HLOCAL WINAPI LocalAlloc(UINT flags, SIZE_T size);
HLOCAL WINAPI LocalReAlloc(HLOCAL memory, SIZE_T size, UINT flags);
HLOCAL WINAPI LocalFree(HLOCAL memory);
DWORD WINAPI GetActiveProcessorCount(WORD group);

static __inline__ HGLOBAL GlobalAlloc(UINT flags, SIZE_T size) { return LocalAlloc(flags, size); }
static __inline__ HGLOBAL GlobalFree(HGLOBAL memory) { return LocalFree(memory); }
SIZE_T WINAPI LocalSize(HLOCAL memory);
UINT WINAPI GetWindowsDirectoryW(LPWSTR buffer, UINT size);
static __inline__ int lstrlenA(LPCSTR text) { return text ? (int)strlen(text) : 0; }
static __inline__ int lstrlenW(LPCWSTR text) {
    int length = 0;
    while (text && text[length]) length++;
    return length;
}
static __inline__ DECLSPEC_NORETURN VOID FatalAppExitA(UINT action, LPCSTR text) {
    (void)action;
    OutputDebugStringA(text);
    ExitProcess(255);
}

#ifdef __cplusplus
}
#endif

#ifdef UNICODE
#define FormatMessage FormatMessageW
#define lstrlen lstrlenW
#else
#define FormatMessage FormatMessageA
#define lstrlen lstrlenA
#endif

#endif
