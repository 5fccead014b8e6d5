/* process.h - threads of the C runtime. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef OPENWHP_PROCESS_H
#define OPENWHP_PROCESS_H

#pragma GCC system_header

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <processthreadsapi.h>
#include <handleapi.h>

typedef unsigned(__stdcall *_beginthreadex_proc_type)(void *);
typedef void(__cdecl *_beginthread_proc_type)(void *);

static __inline__ uintptr_t _beginthreadex(void *security, unsigned stack_size, _beginthreadex_proc_type procedure,
                                           void *parameter, unsigned flags, unsigned *id) {
    return (uintptr_t)CreateThread((LPSECURITY_ATTRIBUTES)security, stack_size, (LPTHREAD_START_ROUTINE)procedure,
                                   parameter, flags, (LPDWORD)id);
}
static __inline__ void _endthreadex(unsigned code) { ExitThread(code); }

/* The handle is the thread's own: it is closed already for whoever looks at it later, as on Windows. */
struct openwhp_thread {
    _beginthread_proc_type procedure;
    void *parameter;
};
static __inline__ DWORD openwhp_run_thread(LPVOID start) {
    struct openwhp_thread thread = *(struct openwhp_thread *)start;
    free(start);
    thread.procedure(thread.parameter);
    return 0;
}
static __inline__ uintptr_t _beginthread(_beginthread_proc_type procedure, unsigned stack_size, void *parameter) {
    struct openwhp_thread *start = (struct openwhp_thread *)malloc(sizeof *start);
    HANDLE thread;
    if (!start) return (uintptr_t)-1;
    start->procedure = procedure;
    start->parameter = parameter;
    thread = CreateThread(NULL, stack_size, openwhp_run_thread, start, 0, NULL);
    if (!thread) {
        free(start);
        return (uintptr_t)-1;
    }
    CloseHandle(thread);
    return (uintptr_t)thread;
}
static __inline__ void _endthread(void) { ExitThread(0); }

#define _getpid getpid
#define _execvp execvp

#endif
