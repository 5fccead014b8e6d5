/*
 * A device on a thread of its own, written as for Windows. The guest rings a doorbell by a store that causes no exit; the
 * device answers through memory and signals a trigger, which interrupts the guest without the processor's thread.
 *
 *     cc win_doorbell.c -o win_doorbell $(pkg-config --cflags --libs winhvplatform-windows)
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include <stdio.h>
#include <windows.h>
#include <WinHvPlatform.h>

#define MEMORY_SIZE 0x10000
#define CODE 0x1000
#define HANDLER 0x1100
#define REQUEST 0x3000
#define ANSWER 0x3002
#define STACK 0x7000
#define DOORBELL 0x8000
#define VECTOR 0x41
#define APIC_BASE 0xFEE00000
#define REQUESTS 3
#define ANSWER_PORT 0x10
#define DONE_PORT 0x11

/* FS reaches the local APIC: its hidden base is set from outside. */
static const BYTE Code[] = {
    0x66, 0x64, 0xC7, 0x06, 0xF0, 0x00, 0xFF, 0x01, 0x00, 0x00, /* mov dword fs:[0xf0], 0x1ff ; APIC on */
    0xB9, REQUESTS, 0x00,                                       /* mov cx, 3                    */
    0xFA,                                                       /* again: cli                   */
    0x89, 0x0E, 0x00, 0x30,                                     /* mov [0x3000], cx             */
    0xC7, 0x06, 0x00, 0x80, 0x01, 0x00,                         /* mov word [0x8000], 1 ; ring  */
    0xFB,                                                       /* sti                          */
    0xF4,                                                       /* hlt                          */
    0xE2, 0xF1,                                                 /* loop again                   */
    0xE6, DONE_PORT,                                            /* out DONE_PORT, al            */
    0xF4                                                        /* hlt                          */
};

static const BYTE Handler[] = {
    0xA1, 0x02, 0x30,                                           /* mov ax, [0x3002]             */
    0xE7, ANSWER_PORT,                                          /* out ANSWER_PORT, ax          */
    0x66, 0x64, 0xC7, 0x06, 0xB0, 0x00, 0x00, 0x00, 0x00, 0x00, /* mov dword fs:[0xb0], 0 ; end of interrupt */
    0xCF                                                        /* iret                         */
};

typedef struct _DEVICE {
    PBYTE Memory;
    HANDLE Rung;
    HANDLE Interrupt;
} DEVICE, *PDEVICE;

static void Check(HRESULT Result, PCSTR What) {
    if (FAILED(Result)) {
        fprintf(stderr, "%s: 0x%08lx\n", What, Result);
        ExitProcess(1);
    }
}

static DWORD WINAPI RunDevice(LPVOID Parameter) {
    PDEVICE Device = (PDEVICE)Parameter;

    for (int i = 0; i < REQUESTS; i++) {
        WaitForSingleObject(Device->Rung, INFINITE);
        USHORT Request = *(volatile USHORT *)(Device->Memory + REQUEST);
        *(volatile USHORT *)(Device->Memory + ANSWER) = (USHORT)(Request * Request);
        printf("the device squares %u\n", Request);
        SetEvent(Device->Interrupt);
    }
    return 0;
}

static WHV_PARTITION_HANDLE CreateMachine(PBYTE Memory) {
    static const WHV_REGISTER_NAME Names[] = {WHvX64RegisterCs, WHvX64RegisterRip, WHvX64RegisterRsp, WHvX64RegisterFs};
    WHV_REGISTER_VALUE Values[ARRAYSIZE(Names)];
    WHV_PARTITION_PROPERTY Property;
    WHV_PARTITION_HANDLE Partition;

    Check(WHvCreatePartition(&Partition), "partition");
    ZeroMemory(&Property, sizeof(Property));
    Property.ProcessorCount = 1;
    Check(WHvSetPartitionProperty(Partition, WHvPartitionPropertyCodeProcessorCount, &Property, sizeof(Property)), "count");
    Property.LocalApicEmulationMode = WHvX64LocalApicEmulationModeXApic;
    Check(WHvSetPartitionProperty(Partition, WHvPartitionPropertyCodeLocalApicEmulationMode, &Property, sizeof(Property)),
          "APIC");
    Check(WHvSetupPartition(Partition), "setup");
    Check(WHvMapGpaRange(Partition, Memory, 0, MEMORY_SIZE,
                         WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagWrite | WHvMapGpaRangeFlagExecute),
          "memory");
    Check(WHvCreateVirtualProcessor(Partition, 0, 0), "processor");

    ZeroMemory(Values, sizeof(Values));
    Values[0].Segment.Limit = 0xFFFF;
    Values[0].Segment.Attributes = 0x9B;
    Values[1].Reg64 = CODE;
    Values[2].Reg64 = STACK;
    Values[3].Segment.Base = APIC_BASE;
    Values[3].Segment.Limit = 0xFFFF;
    Values[3].Segment.Attributes = 0x93;
    Check(WHvSetVirtualProcessorRegisters(Partition, 0, Names, ARRAYSIZE(Names), Values), "registers");
    return Partition;
}

static void SkipInstruction(WHV_PARTITION_HANDLE Partition, const WHV_RUN_VP_EXIT_CONTEXT *Exit) {
    WHV_REGISTER_NAME Name = WHvX64RegisterRip;
    WHV_REGISTER_VALUE Value;

    ZeroMemory(&Value, sizeof(Value));
    Value.Reg64 = Exit->VpContext.Rip + Exit->VpContext.InstructionLength;
    Check(WHvSetVirtualProcessorRegisters(Partition, 0, &Name, 1, &Value), "RIP");
}

int main(void) {
    PBYTE Memory = (PBYTE)VirtualAlloc(NULL, MEMORY_SIZE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    WHV_DOORBELL_MATCH_DATA Match;
    WHV_TRIGGER_PARAMETERS Parameters;
    WHV_TRIGGER_HANDLE Trigger;
    WHV_PARTITION_HANDLE Partition;
    WHV_RUN_VP_EXIT_CONTEXT Exit;
    DEVICE Device;
    HANDLE Thread;

    if (Memory == NULL) return 1;
    CopyMemory(Memory + CODE, Code, sizeof(Code));
    CopyMemory(Memory + HANDLER, Handler, sizeof(Handler));
    *(PUSHORT)(Memory + VECTOR * 4) = HANDLER;
    Partition = CreateMachine(Memory);

    Device.Memory = Memory;
    Device.Rung = CreateEvent(NULL, FALSE, FALSE, NULL);
    ZeroMemory(&Match, sizeof(Match));
    Match.GuestAddress = DOORBELL;
    Check(WHvRegisterPartitionDoorbellEvent(Partition, &Match, Device.Rung), "doorbell");

    ZeroMemory(&Parameters, sizeof(Parameters));
    Parameters.TriggerType = WHvTriggerTypeInterrupt;
    Parameters.Interrupt.Type = WHvX64InterruptTypeFixed;
    Parameters.Interrupt.Vector = VECTOR;
    Check(WHvCreateTrigger(Partition, &Parameters, &Trigger, &Device.Interrupt), "trigger");

    Thread = CreateThread(NULL, 0, RunDevice, &Device, 0, NULL);
    for (;;) {
        Check(WHvRunVirtualProcessor(Partition, 0, &Exit, sizeof(Exit)), "run");
        if (Exit.ExitReason != WHvRunVpExitReasonX64IoPortAccess) {
            printf("unexpected exit 0x%x\n", Exit.ExitReason);
            return 1;
        }
        if (Exit.IoPortAccess.PortNumber == DONE_PORT) break;
        printf("the guest reads %I64u\n", Exit.IoPortAccess.Rax & 0xFFFF);
        SkipInstruction(Partition, &Exit);
    }
    WaitForSingleObject(Thread, INFINITE);
    printf("done\n");

    Check(WHvUnregisterPartitionDoorbellEvent(Partition, &Match), "unregister");
    Check(WHvDeleteTrigger(Partition, Trigger), "delete trigger");
    Check(WHvDeletePartition(Partition), "delete");
    CloseHandle(Device.Interrupt);
    CloseHandle(Device.Rung);
    CloseHandle(Thread);
    VirtualFree(Memory, 0, MEM_RELEASE);
    return 0;
}
