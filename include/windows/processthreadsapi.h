/*
 * processthreadsapi.h - processes, threads, slots
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_PROCESSTHREADSAPI_H
#define OPENWHP_PROCESSTHREADSAPI_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>
#include <minwinbase.h>

#define CREATE_SUSPENDED 0x00000004
#define STACK_SIZE_PARAM_IS_A_RESERVATION 0x00010000
#define THREAD_PRIORITY_LOWEST (-2)
#define THREAD_PRIORITY_BELOW_NORMAL (-1)
#define THREAD_PRIORITY_NORMAL 0
#define THREAD_PRIORITY_ABOVE_NORMAL 1
#define THREAD_PRIORITY_HIGHEST 2
#define THREAD_PRIORITY_TIME_CRITICAL 15
#define THREAD_PRIORITY_IDLE (-15)
#define THREAD_PRIORITY_ERROR_RETURN 0x7fffffff
#define NORMAL_PRIORITY_CLASS 0x00000020
#define IDLE_PRIORITY_CLASS 0x00000040
#define HIGH_PRIORITY_CLASS 0x00000080
#define REALTIME_PRIORITY_CLASS 0x00000100
#define ABOVE_NORMAL_PRIORITY_CLASS 0x00008000
#define TLS_OUT_OF_INDEXES 0xFFFFFFFFu

#ifdef __cplusplus
extern "C" {
#endif

HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES security, SIZE_T stack_size, LPTHREAD_START_ROUTINE procedure,
                           LPVOID parameter, DWORD flags, LPDWORD id);
DECLSPEC_NORETURN VOID WINAPI ExitThread(DWORD code);
BOOL WINAPI TerminateThread(HANDLE thread, DWORD code);
DWORD WINAPI ResumeThread(HANDLE thread);
DWORD WINAPI SuspendThread(HANDLE thread);
BOOL WINAPI GetExitCodeThread(HANDLE thread, LPDWORD code);
DWORD WINAPI GetThreadId(HANDLE thread);
DWORD WINAPI GetCurrentThreadId(VOID);
DWORD WINAPI GetCurrentProcessId(VOID);
DWORD WINAPI GetProcessId(HANDLE process);
BOOL WINAPI SetThreadPriority(HANDLE thread, int priority);
int WINAPI GetThreadPriority(HANDLE thread);
BOOL WINAPI SetThreadPriorityBoost(HANDLE thread, BOOL disabled);
DWORD_PTR WINAPI SetThreadAffinityMask(HANDLE thread, DWORD_PTR mask);
BOOL WINAPI GetProcessAffinityMask(HANDLE process, PDWORD_PTR own, PDWORD_PTR machine);
BOOL WINAPI SetProcessAffinityMask(HANDLE process, DWORD_PTR mask);
DWORD WINAPI SetThreadIdealProcessor(HANDLE thread, DWORD processor);
BOOL WINAPI SetPriorityClass(HANDLE process, DWORD priority_class);
HRESULT WINAPI SetThreadDescription(HANDLE thread, PCWSTR description);
BOOL WINAPI SwitchToThread(VOID);
HANDLE WINAPI OpenProcess(DWORD access, BOOL inherit, DWORD id);
BOOL WINAPI TerminateProcess(HANDLE process, UINT code);
BOOL WINAPI GetExitCodeProcess(HANDLE process, LPDWORD code);
DECLSPEC_NORETURN VOID WINAPI ExitProcess(UINT code);
BOOL WINAPI FlushInstructionCache(HANDLE process, LPCVOID address, SIZE_T size);
BOOL WINAPI IsProcessorFeaturePresent(DWORD feature);
DWORD WINAPI GetCurrentProcessorNumber(VOID);
DWORD WINAPI TlsAlloc(VOID);
LPVOID WINAPI TlsGetValue(DWORD index);
BOOL WINAPI TlsSetValue(DWORD index, LPVOID value);
BOOL WINAPI TlsFree(DWORD index);

static __inline__ HANDLE GetCurrentProcess(VOID) { return (HANDLE)(LONG_PTR)-1; }
static __inline__ HANDLE GetCurrentThread(VOID) { return (HANDLE)(LONG_PTR)-2; }
static __inline__ VOID GetCurrentProcessorNumberEx(PPROCESSOR_NUMBER number) {
    number->Group = 0;
    number->Number = (BYTE)GetCurrentProcessorNumber();
    number->Reserved = 0;
}

#ifdef __cplusplus
}
#endif

#endif
