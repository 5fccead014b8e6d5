/* Locks in memory, slots, one-time initialization. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <process.h>
#include <windows.h>
#include "check.h"

#define THREADS 4
#define ROUNDS 5000

static SRWLOCK slim = SRWLOCK_INIT;
static CRITICAL_SECTION section;
static CONDITION_VARIABLE changed = CONDITION_VARIABLE_INIT;
static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static LONG counters[3], initializations;
static DWORD slot;
static int queue;

static BOOL CALLBACK initialize(PINIT_ONCE state, PVOID parameter, PVOID *context) {
    UNREFERENCED_PARAMETER(state);
    InterlockedIncrement(&initializations);
    Sleep(5);
    *context = parameter;
    return TRUE;
}

static unsigned __stdcall work(void *parameter) {
    PVOID context = NULL;
    CHECK(InitOnceExecuteOnce(&once, initialize, (PVOID)0x1230, &context) && context == (PVOID)0x1230);
    CHECK(TlsGetValue(slot) == NULL && TlsSetValue(slot, parameter));
    for (int i = 0; i < ROUNDS; i++) {
        AcquireSRWLockExclusive(&slim);
        counters[0]++;
        ReleaseSRWLockExclusive(&slim);
        EnterCriticalSection(&section);
        EnterCriticalSection(&section);
        counters[1]++;
        LeaveCriticalSection(&section);
        LeaveCriticalSection(&section);
        InterlockedIncrement(&counters[2]);
        AcquireSRWLockShared(&slim);
        ReleaseSRWLockShared(&slim);
    }
    CHECK(TlsGetValue(slot) == parameter);
    return 0;
}

static unsigned __stdcall consume(void *parameter) {
    int taken = 0;
    UNREFERENCED_PARAMETER(parameter);
    AcquireSRWLockExclusive(&slim);
    while (taken < 100) {
        while (queue == 0) CHECK(SleepConditionVariableSRW(&changed, &slim, INFINITE, 0));
        taken += queue;
        queue = 0;
    }
    ReleaseSRWLockExclusive(&slim);
    return taken;
}

static void condition(void) {
    HANDLE consumer = (HANDLE)_beginthreadex(NULL, 0, consume, NULL, 0, NULL);
    DWORD code = 0;
    for (int i = 0; i < 100; i++) {
        AcquireSRWLockExclusive(&slim);
        queue++;
        ReleaseSRWLockExclusive(&slim);
        WakeConditionVariable(&changed);
    }
    CHECK(WaitForSingleObject(consumer, INFINITE) == WAIT_OBJECT_0 && GetExitCodeThread(consumer, &code) && code == 100);
    CloseHandle(consumer);
    EnterCriticalSection(&section);
    CHECK(FAILS_WITH(ERROR_TIMEOUT, SleepConditionVariableCS(&changed, &section, 5)));
    LeaveCriticalSection(&section);
}

static LONG volatile word;
static unsigned __stdcall change(void *parameter) {
    UNREFERENCED_PARAMETER(parameter);
    Sleep(5);
    InterlockedExchange(&word, 1);
    WakeByAddressAll((PVOID)&word);
    return 0;
}

static void address(void) {
    LONG zero = 0;
    HANDLE changer = (HANDLE)_beginthreadex(NULL, 0, change, NULL, 0, NULL);
    while (word == 0) CHECK(WaitOnAddress(&word, &zero, sizeof(word), INFINITE));
    CHECK(WaitForSingleObject(changer, INFINITE) == WAIT_OBJECT_0 && CloseHandle(changer));
    zero = 1;
    CHECK(FAILS_WITH(ERROR_TIMEOUT, WaitOnAddress(&word, &zero, sizeof(word), 5)));
}

static void interlocked(void) {
    LONG value = 5;
    LONG64 wide = 1;
    PVOID pointer = NULL;
    DWORD index = 99;

    CHECK(InterlockedCompareExchange(&value, 7, 5) == 5 && value == 7);
    CHECK(InterlockedCompareExchange(&value, 9, 5) == 7 && value == 7);
    CHECK(InterlockedExchangeAdd(&value, 3) == 7 && InterlockedDecrement(&value) == 9);
    CHECK(InterlockedOr(&value, 6) == 9 && InterlockedAnd(&value, 3) == 15 && value == 3);
    CHECK(InterlockedIncrement64(&wide) == 2 && InterlockedExchange64(&wide, 1LL << 40) == 2 && wide == 1LL << 40);
    CHECK(InterlockedCompareExchangePointer(&pointer, &wide, NULL) == NULL && pointer == &wide);
    CHECK(_BitScanForward(&index, 0x50) && index == 4 && _BitScanReverse64(&index, 1ULL << 40) && index == 40);
    CHECK(!_BitScanForward(&index, 0) && index == 40);
    CHECK(_byteswap_ulong(0x12345678) == 0x78563412 && _rotl(0x80000001, 1) == 3);
}

int main(void) {
    HANDLE threads[THREADS];

    slot = TlsAlloc();
    CHECK(slot != TLS_OUT_OF_INDEXES && InitializeCriticalSectionAndSpinCount(&section, 100));
    for (ULONG_PTR i = 0; i < THREADS; i++) threads[i] = (HANDLE)_beginthreadex(NULL, 0, work, (void *)(i + 1), 0, NULL);
    CHECK(WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE) == WAIT_OBJECT_0);
    for (int i = 0; i < THREADS; i++) CHECK(CloseHandle(threads[i]));
    for (int i = 0; i < 3; i++) CHECK(counters[i] == THREADS * ROUNDS);
    CHECK(initializations == 1 && TlsFree(slot) && FAILS_WITH(ERROR_INVALID_PARAMETER, TlsSetValue(slot, NULL)));
    CHECK(TryAcquireSRWLockExclusive(&slim) && !TryAcquireSRWLockShared(&slim));
    ReleaseSRWLockExclusive(&slim);
    condition();
    address();
    interlocked();
    DeleteCriticalSection(&section);
    return failures != 0;
}
