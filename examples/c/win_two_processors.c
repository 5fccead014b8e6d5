/*
 * Two processors on two threads, written as for Windows. The first counts to a million, tells its program through an
 * event and halts; the second spins until it is cancelled.
 *
 *     cc win_two_processors.c -o win_two_processors $(pkg-config --cflags --libs winhvplatform-windows)
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include <stdio.h>
#include <process.h>
#include <windows.h>
#include <WinHvPlatform.h>

#define MEMORY_SIZE 0x10000
#define COUNTER_CODE 0x1000
#define SPINNER_CODE 0x2000
#define COUNTER_WORD 0x3000
#define SPINNER_WORD 0x3004
#define DONE_PORT 0x10

static const BYTE Counter[] = {
    0x66, 0xB9, 0x40, 0x42, 0x0F, 0x00, /* mov ecx, 1000000          */
    0x66, 0xFF, 0x06, 0x00, 0x30,       /* inc dword [0x3000]        */
    0x66, 0x49,                         /* dec ecx                   */
    0x75, 0xF7,                         /* jnz -9                    */
    0xE6, DONE_PORT,                    /* out DONE_PORT, al         */
    0xF4                                /* hlt                       */
};

static const BYTE Spinner[] = {
    0x66, 0xFF, 0x06, 0x04, 0x30, /* inc dword [0x3004] */
    0xEB, 0xF9                    /* jmp -7             */
};

typedef struct _PROCESSOR {
    WHV_PARTITION_HANDLE Partition;
    UINT32 Index;
    UINT16 Start;
    HANDLE Started;
    HANDLE Done;
} PROCESSOR, *PPROCESSOR;

static void SetStartState(PPROCESSOR Processor) {
    WHV_REGISTER_NAME Names[] = {WHvX64RegisterCs, WHvX64RegisterRip};
    WHV_REGISTER_VALUE Values[2];

    ZeroMemory(Values, sizeof(Values));
    Values[0].Segment.Limit = 0xFFFF;
    Values[0].Segment.Attributes = 0x9B;
    Values[1].Reg64 = Processor->Start;
    WHvSetVirtualProcessorRegisters(Processor->Partition, Processor->Index, Names, 2, Values);
}

static void SkipInstruction(PPROCESSOR Processor, const WHV_RUN_VP_EXIT_CONTEXT *Exit) {
    WHV_REGISTER_NAME Name = WHvX64RegisterRip;
    WHV_REGISTER_VALUE Value;

    ZeroMemory(&Value, sizeof(Value));
    Value.Reg64 = Exit->VpContext.Rip + Exit->VpContext.InstructionLength;
    WHvSetVirtualProcessorRegisters(Processor->Partition, Processor->Index, &Name, 1, &Value);
}

/* Runs a processor until it halts, is cancelled or fails; the exit reason is the thread's exit code. */
static unsigned __stdcall RunProcessor(void *Parameter) {
    PPROCESSOR Processor = (PPROCESSOR)Parameter;
    WHV_RUN_VP_EXIT_CONTEXT Exit;

    SetStartState(Processor);
    SetEvent(Processor->Started);
    for (;;) {
        if (FAILED(WHvRunVirtualProcessor(Processor->Partition, Processor->Index, &Exit, sizeof(Exit)))) {
            return (unsigned)-1;
        }
        if (Exit.ExitReason != WHvRunVpExitReasonX64IoPortAccess) {
            return (unsigned)Exit.ExitReason;
        }
        SetEvent(Processor->Done);
        SkipInstruction(Processor, &Exit);
    }
}

int main(void) {
    WHV_PARTITION_HANDLE Partition;
    PROCESSOR Processors[2];
    HANDLE Threads[2], Started[2];
    HANDLE Done = CreateEvent(NULL, TRUE, FALSE, NULL);
    UINT32 Count = 2;
    DWORD Code;
    PBYTE Memory = (PBYTE)VirtualAlloc(NULL, MEMORY_SIZE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

    if (Memory == NULL || Done == NULL) return 1;
    CopyMemory(Memory + COUNTER_CODE, Counter, sizeof(Counter));
    CopyMemory(Memory + SPINNER_CODE, Spinner, sizeof(Spinner));
    if (FAILED(WHvCreatePartition(&Partition)) ||
        FAILED(WHvSetPartitionProperty(Partition, WHvPartitionPropertyCodeProcessorCount, &Count, sizeof(Count))) ||
        FAILED(WHvSetupPartition(Partition)) ||
        FAILED(WHvMapGpaRange(Partition, Memory, 0, MEMORY_SIZE,
                              WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagWrite | WHvMapGpaRangeFlagExecute))) {
        return 1;
    }

    for (UINT32 Index = 0; Index < Count; Index++) {
        PPROCESSOR Processor = &Processors[Index];
        Processor->Partition = Partition;
        Processor->Index = Index;
        Processor->Start = Index == 0 ? COUNTER_CODE : SPINNER_CODE;
        Processor->Started = Started[Index] = CreateEvent(NULL, FALSE, FALSE, NULL);
        Processor->Done = Done;
        if (FAILED(WHvCreateVirtualProcessor(Partition, Index, 0))) return 1;
        Threads[Index] = (HANDLE)_beginthreadex(NULL, 0, RunProcessor, Processor, 0, NULL);
    }
    if (WaitForMultipleObjects(2, Started, TRUE, INFINITE) == WAIT_OBJECT_0) printf("both processors are started\n");

    /* A manual-reset event stays set: waiting twice works. */
    WaitForSingleObject(Done, INFINITE);
    if (WaitForSingleObject(Done, 0) == WAIT_OBJECT_0) printf("counted to %lu\n", *(PULONG)(Memory + COUNTER_WORD));

    while (*(volatile ULONG *)(Memory + SPINNER_WORD) == 0) Sleep(1);
    if (WaitForSingleObject(Threads[1], 10) == WAIT_TIMEOUT) printf("the second processor still spins\n");
    WHvCancelRunVirtualProcessor(Partition, 1, 0);
    WaitForSingleObject(Threads[1], INFINITE);
    GetExitCodeThread(Threads[1], &Code);
    printf("the second processor left: %s\n", Code == WHvRunVpExitReasonCanceled ? "cancelled" : "otherwise");

    /* The first halted. */
    WaitForSingleObject(Threads[0], INFINITE);
    GetExitCodeThread(Threads[0], &Code);
    printf("the first processor left: %s\n", Code == WHvRunVpExitReasonX64Halt ? "halted" : "otherwise");

    WHvDeletePartition(Partition);
    for (int i = 0; i < 2; i++) {
        CloseHandle(Threads[i]);
        CloseHandle(Started[i]);
    }
    CloseHandle(Done);
    VirtualFree(Memory, 0, MEM_RELEASE);
    return 0;
}
