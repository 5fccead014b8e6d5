/* Events, semaphores, mutexes, timers, threads and what waiting for them means. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <windows.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <openwhp.h>
#include "check.h"

static void events(void) {
    HANDLE automatic = CreateEventA(NULL, FALSE, TRUE, NULL);
    HANDLE manual = CreateEventW(NULL, TRUE, FALSE, NULL);
    HANDLE copy = NULL;

    CHECK(WaitForSingleObject(automatic, 0) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(automatic, 0) == WAIT_TIMEOUT);
    CHECK(SetEvent(automatic) && SetEvent(automatic));
    CHECK(WaitForSingleObject(automatic, INFINITE) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(automatic, 5) == WAIT_TIMEOUT);
    CHECK(SetEvent(manual));
    CHECK(WaitForSingleObject(manual, 0) == WAIT_OBJECT_0 && WaitForSingleObject(manual, 0) == WAIT_OBJECT_0);
    CHECK(ResetEvent(manual) && WaitForSingleObject(manual, 0) == WAIT_TIMEOUT);

    CHECK(DuplicateHandle(GetCurrentProcess(), manual, GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS));
    CHECK(CloseHandle(manual) && SetEvent(copy) && WaitForSingleObject(copy, 0) == WAIT_OBJECT_0);
    CHECK(CloseHandle(copy) && CloseHandle(automatic));
    CHECK(FAILS_WITH(ERROR_INVALID_HANDLE, CloseHandle(automatic)));
    CHECK(FAILS_WITH(ERROR_INVALID_HANDLE, SetEvent((HANDLE)0x7777)));
    CHECK(WaitForSingleObject((HANDLE)0x7777, 0) == WAIT_FAILED && GetLastError() == ERROR_INVALID_HANDLE);
}

/* An event handle is its eventfd, whoever made it. */
static void descriptors(void) {
    HANDLE event = CreateEvent(NULL, FALSE, FALSE, NULL), other;
    BOOL was_set = FALSE;
    int raw = eventfd(0, EFD_CLOEXEC);

    CHECK(eventfd_write((int)(intptr_t)event, 1) == 0 && WaitForSingleObject(event, 0) == WAIT_OBJECT_0);
    CHECK(openwhp_event_set(event) == S_OK && WaitForSingleObject(event, 0) == WAIT_OBJECT_0);
    CHECK(SetEvent(event) && openwhp_event_wait(event, 0, &was_set) == S_OK && was_set);
    CHECK(openwhp_event_create(&other) == S_OK && SetEvent(other) && WaitForSingleObject(other, 0) == WAIT_OBJECT_0);
    CHECK(SetEvent((HANDLE)(intptr_t)raw) && WaitForSingleObject((HANDLE)(intptr_t)raw, 0) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject((HANDLE)(intptr_t)raw, 0) == WAIT_TIMEOUT);
    CHECK(CloseHandle(other) && CloseHandle(event) && CloseHandle((HANDLE)(intptr_t)raw));
}

static void names(void) {
    HANDLE first = CreateEventA(NULL, TRUE, FALSE, "name"), second, third;

    CHECK(GetLastError() == ERROR_SUCCESS);
    second = CreateEventA(NULL, TRUE, FALSE, "name");
    CHECK(second && second != first && GetLastError() == ERROR_ALREADY_EXISTS);
    CHECK(SetEvent(first) && WaitForSingleObject(second, 0) == WAIT_OBJECT_0);
    CHECK(FAILS_WITH(ERROR_INVALID_HANDLE, CreateMutexA(NULL, FALSE, "name")));
    CHECK(CloseHandle(first));
    third = OpenEventA(EVENT_ALL_ACCESS, FALSE, "name");
    CHECK(third && WaitForSingleObject(third, 0) == WAIT_OBJECT_0);
    CHECK(CloseHandle(second) && CloseHandle(third));
    CHECK(FAILS_WITH(ERROR_FILE_NOT_FOUND, OpenEventA(EVENT_ALL_ACCESS, FALSE, "name")));
}

static void semaphores(void) {
    HANDLE semaphore = CreateSemaphore(NULL, 1, 3, NULL);
    LONG previous = -1;

    CHECK(ReleaseSemaphore(semaphore, 2, &previous) && previous == 1);
    CHECK(FAILS_WITH(ERROR_TOO_MANY_POSTS, ReleaseSemaphore(semaphore, 1, NULL)));
    for (int i = 0; i < 3; i++) CHECK(WaitForSingleObject(semaphore, 0) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(semaphore, 0) == WAIT_TIMEOUT);
    CHECK(CloseHandle(semaphore));
    CHECK(FAILS_WITH(ERROR_INVALID_PARAMETER, CreateSemaphore(NULL, 2, 1, NULL)));
}

static DWORD WINAPI take_and_leave(LPVOID mutex) { return WaitForSingleObject(mutex, INFINITE); }
static DWORD WINAPI try_release(LPVOID mutex) { return ReleaseMutex(mutex) ? 0 : GetLastError(); }

static DWORD run(LPTHREAD_START_ROUTINE procedure, LPVOID parameter) {
    DWORD code = 0;
    HANDLE thread = CreateThread(NULL, 0, procedure, parameter, 0, NULL);
    CHECK(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0);
    CHECK(GetExitCodeThread(thread, &code) && CloseHandle(thread));
    return code;
}

static void mutexes(void) {
    HANDLE mutex = CreateMutex(NULL, TRUE, NULL);

    CHECK(WaitForSingleObject(mutex, 0) == WAIT_OBJECT_0);
    CHECK(run(try_release, mutex) == ERROR_NOT_OWNER);
    CHECK(ReleaseMutex(mutex) && ReleaseMutex(mutex));
    CHECK(FAILS_WITH(ERROR_NOT_OWNER, ReleaseMutex(mutex)));
    CHECK(run(take_and_leave, mutex) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(mutex, INFINITE) == WAIT_ABANDONED);
    CHECK(ReleaseMutex(mutex) && WaitForSingleObject(mutex, 0) == WAIT_OBJECT_0);
    CHECK(ReleaseMutex(mutex) && CloseHandle(mutex));
}

static void timers(void) {
    HANDLE timer = CreateWaitableTimer(NULL, FALSE, NULL);
    LARGE_INTEGER due;

    due.QuadPart = -50000; /* 5 ms from now */
    CHECK(WaitForSingleObject(timer, 0) == WAIT_TIMEOUT);
    CHECK(SetWaitableTimer(timer, &due, 0, NULL, NULL, FALSE));
    CHECK(WaitForSingleObject(timer, 2000) == WAIT_OBJECT_0 && WaitForSingleObject(timer, 0) == WAIT_TIMEOUT);
    due.QuadPart = -100000000;
    CHECK(SetWaitableTimer(timer, &due, 0, NULL, NULL, FALSE) && CancelWaitableTimer(timer));
    CHECK(WaitForSingleObject(timer, 10) == WAIT_TIMEOUT && CloseHandle(timer));
}

static volatile LONG calls;
static VOID CALLBACK on_timer(PVOID event, BOOLEAN fired) {
    if (fired && InterlockedIncrement(&calls) == 3) SetEvent(event);
}

static void timer_queues(void) {
    HANDLE queue = CreateTimerQueue(), enough = CreateEvent(NULL, FALSE, FALSE, NULL), timer = NULL, later = NULL;
    LONG seen;

    CHECK(queue && CreateTimerQueueTimer(&timer, queue, on_timer, enough, 1, 1, WT_EXECUTEDEFAULT));
    CHECK(WaitForSingleObject(enough, 2000) == WAIT_OBJECT_0);
    CHECK(DeleteTimerQueueTimer(queue, timer, INVALID_HANDLE_VALUE));
    seen = calls;
    Sleep(5);
    CHECK(calls == seen && FAILS_WITH(ERROR_INVALID_HANDLE, DeleteTimerQueueTimer(queue, timer, NULL)));
    CHECK(CreateTimerQueueTimer(&later, queue, on_timer, enough, 100000, 0, WT_EXECUTEONLYONCE));
    CHECK(DeleteTimerQueueEx(queue, enough) && WaitForSingleObject(enough, 0) == WAIT_OBJECT_0);
    CHECK(CloseHandle(later) && CloseHandle(enough));
}

static void several(void) {
    HANDLE handles[3];
    for (int i = 0; i < 3; i++) handles[i] = CreateEvent(NULL, FALSE, FALSE, NULL);

    CHECK(WaitForMultipleObjects(3, handles, FALSE, 5) == WAIT_TIMEOUT);
    SetEvent(handles[2]);
    SetEvent(handles[1]);
    CHECK(WaitForMultipleObjects(3, handles, FALSE, INFINITE) == WAIT_OBJECT_0 + 1);
    CHECK(WaitForMultipleObjects(3, handles, TRUE, 0) == WAIT_TIMEOUT);
    CHECK(WaitForSingleObject(handles[2], 0) == WAIT_OBJECT_0); /* waiting for all took none */
    for (int i = 0; i < 3; i++) SetEvent(handles[i]);
    CHECK(WaitForMultipleObjects(3, handles, TRUE, INFINITE) == WAIT_OBJECT_0);
    CHECK(WaitForMultipleObjects(3, handles, FALSE, 0) == WAIT_TIMEOUT);
    CHECK(WaitForMultipleObjects(0, handles, FALSE, 0) == WAIT_FAILED && GetLastError() == ERROR_INVALID_PARAMETER);
    CHECK(WaitForMultipleObjects(65, handles, FALSE, 0) == WAIT_FAILED);
    CHECK(SignalObjectAndWait(handles[0], handles[0], 0, FALSE) == WAIT_OBJECT_0);
    for (int i = 0; i < 3; i++) CHECK(CloseHandle(handles[i]));
}

static void leave(DWORD code) { ExitThread(code); }
static DWORD WINAPI leaves(LPVOID code) {
    leave((DWORD)(ULONG_PTR)code);
    return 0;
}
static DWORD WINAPI identity(LPVOID parameter) {
    UNREFERENCED_PARAMETER(parameter);
    return GetCurrentThreadId();
}
static volatile LONG ran;
static DWORD WINAPI sets(LPVOID parameter) {
    InterlockedExchange(&ran, 1);
    return (DWORD)(ULONG_PTR)parameter;
}

static void threads(void) {
    DWORD id = 0, code = 0;
    HANDLE thread = CreateThread(NULL, 1 << 16, identity, NULL, 0, &id), self;

    CHECK(thread && id && id != GetCurrentThreadId() && GetThreadId(thread) == id);
    CHECK(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0 && WaitForSingleObject(thread, 0) == WAIT_OBJECT_0);
    CHECK(GetExitCodeThread(thread, &code) && code == id && CloseHandle(thread));
    CHECK(run(leaves, (LPVOID)42) == 42);

    thread = CreateThread(NULL, 0, sets, (LPVOID)5, CREATE_SUSPENDED, NULL);
    CHECK(WaitForSingleObject(thread, 10) == WAIT_TIMEOUT && ran == 0);
    CHECK(GetExitCodeThread(thread, &code) && code == STILL_ACTIVE);
    CHECK(ResumeThread(thread) == 1 && WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0 && ran == 1);
    CHECK(ResumeThread(thread) == 0 && CloseHandle(thread));

    CHECK(SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_NORMAL));
    CHECK(GetThreadPriority(GetCurrentThread()) == THREAD_PRIORITY_NORMAL);
    CHECK(SetThreadAffinityMask(GetCurrentThread(), ~(DWORD_PTR)0) != 0);
    CHECK(DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &self, 0, FALSE, 0));
    CHECK(GetThreadId(self) == GetCurrentThreadId() && CloseHandle(self));
    CHECK(FAILS_WITH(ERROR_INVALID_PARAMETER, CreateThread(NULL, 0, NULL, NULL, 0, NULL)));
}

static void processes(void) {
    HANDLE process = OpenProcess(PROCESS_ALL_ACCESS, FALSE, GetCurrentProcessId());
    DWORD code = 0;

    CHECK(process && GetProcessId(process) == GetCurrentProcessId());
    CHECK(WaitForSingleObject(process, 0) == WAIT_TIMEOUT);
    CHECK(GetExitCodeProcess(process, &code) && code == STILL_ACTIVE && CloseHandle(process));
    CHECK(FAILS_WITH(ERROR_INVALID_PARAMETER, OpenProcess(PROCESS_ALL_ACCESS, FALSE, 0x7fffffff)));
    CHECK(CloseHandle(GetCurrentProcess()) && CloseHandle(GetCurrentThread()));
}

int main(void) {
    events();
    descriptors();
    names();
    semaphores();
    mutexes();
    timers();
    timer_queues();
    several();
    threads();
    processes();
    return failures != 0;
}
