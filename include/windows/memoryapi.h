/*
 * memoryapi.h - virtual memory, sections
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_MEMORYAPI_H
#define OPENWHP_MEMORYAPI_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>
#include <minwinbase.h>

#define FILE_MAP_COPY 0x00000001
#define FILE_MAP_WRITE 0x00000002
#define FILE_MAP_READ 0x00000004
#define FILE_MAP_EXECUTE 0x00000020
#define FILE_MAP_ALL_ACCESS 0x000F001F
#define FILE_MAP_LARGE_PAGES 0x20000000

typedef struct _WIN32_MEMORY_RANGE_ENTRY {
    PVOID VirtualAddress;
    SIZE_T NumberOfBytes;
} WIN32_MEMORY_RANGE_ENTRY, *PWIN32_MEMORY_RANGE_ENTRY;

typedef struct _MEM_EXTENDED_PARAMETER {
    DWORD64 Type;
    DWORD64 Value;
} MEM_EXTENDED_PARAMETER, *PMEM_EXTENDED_PARAMETER;

#ifdef __cplusplus
extern "C" {
#endif

LPVOID WINAPI VirtualAlloc(LPVOID address, SIZE_T size, DWORD type, DWORD protection);
LPVOID WINAPI VirtualAllocEx(HANDLE process, LPVOID address, SIZE_T size, DWORD type, DWORD protection);
PVOID WINAPI VirtualAlloc2(HANDLE process, PVOID address, SIZE_T size, ULONG type, ULONG protection,
                           MEM_EXTENDED_PARAMETER *parameters, ULONG count);
BOOL WINAPI VirtualFree(LPVOID address, SIZE_T size, DWORD type);
BOOL WINAPI VirtualFreeEx(HANDLE process, LPVOID address, SIZE_T size, DWORD type);
BOOL WINAPI VirtualProtect(LPVOID address, SIZE_T size, DWORD protection, PDWORD before);
BOOL WINAPI VirtualProtectEx(HANDLE process, LPVOID address, SIZE_T size, DWORD protection, PDWORD before);
SIZE_T WINAPI VirtualQuery(LPCVOID address, PMEMORY_BASIC_INFORMATION answer, SIZE_T size);
SIZE_T WINAPI VirtualQueryEx(HANDLE process, LPCVOID address, PMEMORY_BASIC_INFORMATION answer, SIZE_T size);
BOOL WINAPI VirtualLock(LPVOID address, SIZE_T size);
BOOL WINAPI VirtualUnlock(LPVOID address, SIZE_T size);
BOOL WINAPI PrefetchVirtualMemory(HANDLE process, ULONG_PTR count, PWIN32_MEMORY_RANGE_ENTRY ranges, ULONG flags);
SIZE_T WINAPI GetLargePageMinimum(VOID);
BOOL WINAPI ReadProcessMemory(HANDLE process, LPCVOID address, LPVOID buffer, SIZE_T size, SIZE_T *read);
BOOL WINAPI WriteProcessMemory(HANDLE process, LPVOID address, LPCVOID buffer, SIZE_T size, SIZE_T *written);
HANDLE WINAPI CreateFileMappingA(HANDLE file, LPSECURITY_ATTRIBUTES security, DWORD protection, DWORD size_high,
                                 DWORD size_low, LPCSTR name);
HANDLE WINAPI CreateFileMappingW(HANDLE file, LPSECURITY_ATTRIBUTES security, DWORD protection, DWORD size_high,
                                 DWORD size_low, LPCWSTR name);
HANDLE WINAPI OpenFileMappingA(DWORD access, BOOL inherit, LPCSTR name);
HANDLE WINAPI OpenFileMappingW(DWORD access, BOOL inherit, LPCWSTR name);
LPVOID WINAPI MapViewOfFile(HANDLE section, DWORD access, DWORD offset_high, DWORD offset_low, SIZE_T size);
LPVOID WINAPI MapViewOfFileEx(HANDLE section, DWORD access, DWORD offset_high, DWORD offset_low, SIZE_T size,
                              LPVOID address);
PVOID WINAPI MapViewOfFile3(HANDLE section, HANDLE process, PVOID address, ULONG64 offset, SIZE_T size, ULONG type,
                            ULONG protection, MEM_EXTENDED_PARAMETER *parameters, ULONG count);
BOOL WINAPI UnmapViewOfFile(LPCVOID address);
BOOL WINAPI UnmapViewOfFile2(HANDLE process, PVOID address, ULONG flags);
BOOL WINAPI FlushViewOfFile(LPCVOID address, SIZE_T size);

#ifdef __cplusplus
}
#endif

#ifdef UNICODE
#define CreateFileMapping CreateFileMappingW
#define OpenFileMapping OpenFileMappingW
#else
#define CreateFileMapping CreateFileMappingA
#define OpenFileMapping OpenFileMappingA
#endif

#endif
