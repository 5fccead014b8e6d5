/*
 * synchapi.h - events, locks, waiting
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_SYNCHAPI_H
#define OPENWHP_SYNCHAPI_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>
#include <minwinbase.h>

#define INFINITE 0xFFFFFFFFu
#define WAIT_OBJECT_0 0u
#define WAIT_ABANDONED 0x80u
#define WAIT_ABANDONED_0 0x80u
#define WAIT_IO_COMPLETION 0xC0u
#define WAIT_FAILED 0xFFFFFFFFu
#define MAXIMUM_WAIT_OBJECTS 64
#define CREATE_EVENT_MANUAL_RESET 1
#define CREATE_EVENT_INITIAL_SET 2
#define CREATE_MUTEX_INITIAL_OWNER 1
#define CREATE_WAITABLE_TIMER_MANUAL_RESET 1
#define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 2
#define CONDITION_VARIABLE_LOCKMODE_SHARED 1
#define INIT_ONCE_CHECK_ONLY 1
#define INIT_ONCE_ASYNC 2

typedef RTL_SRWLOCK SRWLOCK, *PSRWLOCK;
#define SRWLOCK_INIT RTL_SRWLOCK_INIT
typedef RTL_CONDITION_VARIABLE CONDITION_VARIABLE, *PCONDITION_VARIABLE;
#define CONDITION_VARIABLE_INIT RTL_CONDITION_VARIABLE_INIT
typedef RTL_RUN_ONCE INIT_ONCE, *PINIT_ONCE, *LPINIT_ONCE;
#define INIT_ONCE_STATIC_INIT RTL_RUN_ONCE_INIT
typedef BOOL(WINAPI *PINIT_ONCE_FN)(PINIT_ONCE once, PVOID parameter, PVOID *context);
typedef VOID(CALLBACK *PTIMERAPCROUTINE)(LPVOID argument, DWORD low, DWORD high);

#ifdef __cplusplus
extern "C" {
#endif

HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES security, BOOL manual_reset, BOOL set, LPCSTR name);
HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES security, BOOL manual_reset, BOOL set, LPCWSTR name);
HANDLE WINAPI CreateEventExA(LPSECURITY_ATTRIBUTES security, LPCSTR name, DWORD flags, DWORD access);
HANDLE WINAPI CreateEventExW(LPSECURITY_ATTRIBUTES security, LPCWSTR name, DWORD flags, DWORD access);
HANDLE WINAPI OpenEventA(DWORD access, BOOL inherit, LPCSTR name);
HANDLE WINAPI OpenEventW(DWORD access, BOOL inherit, LPCWSTR name);
BOOL WINAPI SetEvent(HANDLE event);
BOOL WINAPI ResetEvent(HANDLE event);
HANDLE WINAPI CreateSemaphoreA(LPSECURITY_ATTRIBUTES security, LONG count, LONG limit, LPCSTR name);
HANDLE WINAPI CreateSemaphoreW(LPSECURITY_ATTRIBUTES security, LONG count, LONG limit, LPCWSTR name);
HANDLE WINAPI CreateSemaphoreExW(LPSECURITY_ATTRIBUTES security, LONG count, LONG limit, LPCWSTR name, DWORD flags,
                                 DWORD access);
BOOL WINAPI ReleaseSemaphore(HANDLE semaphore, LONG count, LPLONG previous);
HANDLE WINAPI CreateMutexA(LPSECURITY_ATTRIBUTES security, BOOL owned, LPCSTR name);
HANDLE WINAPI CreateMutexW(LPSECURITY_ATTRIBUTES security, BOOL owned, LPCWSTR name);
HANDLE WINAPI CreateMutexExW(LPSECURITY_ATTRIBUTES security, LPCWSTR name, DWORD flags, DWORD access);
BOOL WINAPI ReleaseMutex(HANDLE mutex);
HANDLE WINAPI CreateWaitableTimerA(LPSECURITY_ATTRIBUTES security, BOOL manual_reset, LPCSTR name);
HANDLE WINAPI CreateWaitableTimerW(LPSECURITY_ATTRIBUTES security, BOOL manual_reset, LPCWSTR name);
HANDLE WINAPI CreateWaitableTimerExW(LPSECURITY_ATTRIBUTES security, LPCWSTR name, DWORD flags, DWORD access);
BOOL WINAPI SetWaitableTimer(HANDLE timer, const LARGE_INTEGER *due, LONG period_ms, PTIMERAPCROUTINE procedure,
                             LPVOID argument, BOOL resume);
BOOL WINAPI CancelWaitableTimer(HANDLE timer);
DWORD WINAPI WaitForSingleObject(HANDLE handle, DWORD milliseconds);
DWORD WINAPI WaitForSingleObjectEx(HANDLE handle, DWORD milliseconds, BOOL alertable);
DWORD WINAPI WaitForMultipleObjects(DWORD count, const HANDLE *handles, BOOL all, DWORD milliseconds);
DWORD WINAPI WaitForMultipleObjectsEx(DWORD count, const HANDLE *handles, BOOL all, DWORD milliseconds, BOOL alertable);
DWORD WINAPI SignalObjectAndWait(HANDLE set, HANDLE awaited, DWORD milliseconds, BOOL alertable);
VOID WINAPI Sleep(DWORD milliseconds);
DWORD WINAPI SleepEx(DWORD milliseconds, BOOL alertable);

VOID WINAPI InitializeCriticalSection(LPCRITICAL_SECTION section);
BOOL WINAPI InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION section, DWORD spins);
BOOL WINAPI InitializeCriticalSectionEx(LPCRITICAL_SECTION section, DWORD spins, DWORD flags);
DWORD WINAPI SetCriticalSectionSpinCount(LPCRITICAL_SECTION section, DWORD spins);
VOID WINAPI EnterCriticalSection(LPCRITICAL_SECTION section);
BOOL WINAPI TryEnterCriticalSection(LPCRITICAL_SECTION section);
VOID WINAPI LeaveCriticalSection(LPCRITICAL_SECTION section);
VOID WINAPI DeleteCriticalSection(LPCRITICAL_SECTION section);
VOID WINAPI InitializeSRWLock(PSRWLOCK lock);
VOID WINAPI AcquireSRWLockExclusive(PSRWLOCK lock);
VOID WINAPI AcquireSRWLockShared(PSRWLOCK lock);
VOID WINAPI ReleaseSRWLockExclusive(PSRWLOCK lock);
VOID WINAPI ReleaseSRWLockShared(PSRWLOCK lock);
BOOLEAN WINAPI TryAcquireSRWLockExclusive(PSRWLOCK lock);
BOOLEAN WINAPI TryAcquireSRWLockShared(PSRWLOCK lock);
VOID WINAPI InitializeConditionVariable(PCONDITION_VARIABLE variable);
VOID WINAPI WakeConditionVariable(PCONDITION_VARIABLE variable);
VOID WINAPI WakeAllConditionVariable(PCONDITION_VARIABLE variable);
BOOL WINAPI SleepConditionVariableCS(PCONDITION_VARIABLE variable, PCRITICAL_SECTION section, DWORD milliseconds);
BOOL WINAPI SleepConditionVariableSRW(PCONDITION_VARIABLE variable, PSRWLOCK lock, DWORD milliseconds, ULONG flags);
VOID WINAPI InitOnceInitialize(PINIT_ONCE once);
BOOL WINAPI InitOnceExecuteOnce(PINIT_ONCE once, PINIT_ONCE_FN procedure, PVOID parameter, LPVOID *context);
BOOL WINAPI WaitOnAddress(volatile VOID *address, PVOID undesired, SIZE_T size, DWORD milliseconds);
VOID WINAPI WakeByAddressSingle(PVOID address);
VOID WINAPI WakeByAddressAll(PVOID address);

#ifdef __cplusplus
}
#endif

#ifdef UNICODE
#define CreateEvent CreateEventW
#define CreateEventEx CreateEventExW
#define OpenEvent OpenEventW
#define CreateSemaphore CreateSemaphoreW
#define CreateMutex CreateMutexW
#define CreateWaitableTimer CreateWaitableTimerW
#else
#define CreateEvent CreateEventA
#define CreateEventEx CreateEventExA
#define OpenEvent OpenEventA
#define CreateSemaphore CreateSemaphoreA
#define CreateMutex CreateMutexA
#define CreateWaitableTimer CreateWaitableTimerA
#endif
#define CreateSemaphoreEx CreateSemaphoreExW
#define CreateMutexEx CreateMutexExW
#define CreateWaitableTimerEx CreateWaitableTimerExW

#endif
