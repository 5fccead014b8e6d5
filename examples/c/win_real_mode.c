/*
 * A machine in real mode, written as for Windows: adds the numbers 1 to 10, stores the sum, prints it through a port.
 *
 *     cc win_real_mode.c -o win_real_mode $(pkg-config --cflags --libs winhvplatform-windows)
 *
 * The guest's memory is reserved, not committed. A page that the guest touches comes back as an exit; the program
 * commits it, and the instruction starts again.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include <stdio.h>
#include <Windows.h>
#include <WinHvPlatform.h>

#pragma comment(lib, "WinHvPlatform.lib")

#define GUEST_PAGE 0x1000
#define GUEST_MEMORY 0x10000
#define GUEST_CODE 0x1000
#define GUEST_STACK 0x9000
#define PRINT_PORT 0x0E9

static const BYTE GuestCode[] = {
    0x31, 0xC0,       /* 1000: xor ax, ax        */
    0xB9, 0x0A, 0x00, /* 1002: mov cx, 10        */
    0x01, 0xC8,       /* 1005: add ax, cx        */
    0xE2, 0xFC,       /* 1007: loop 1005         */
    0xA3, 0x00, 0x50, /* 1009: mov [0x5000], ax  */
    0x50,             /* 100c: push ax           */
    0x5B,             /* 100d: pop bx            */
    0xBA, 0xE9, 0x00, /* 100e: mov dx, 0xe9      */
    0xEF,             /* 1011: out dx, ax        */
    0xF4              /* 1012: hlt               */
};

static void Check(HRESULT Result, PCSTR What) {
    CHAR Text[256];

    if (SUCCEEDED(Result)) {
        return;
    }
    if (FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, (DWORD)Result, 0, Text,
                       ARRAYSIZE(Text), NULL) == 0) {
        strcpy_s(Text, sizeof(Text), "unknown error\n");
    }
    fprintf(stderr, "%s: 0x%08lx %s", What, Result, Text);
    ExitProcess(1);
}

static WHV_PARTITION_HANDLE CreateMachine(LPVOID Memory) {
    WHV_PARTITION_HANDLE Partition;
    WHV_PARTITION_PROPERTY Property;

    Check(WHvCreatePartition(&Partition), "WHvCreatePartition");
    ZeroMemory(&Property, sizeof(Property));
    Property.ProcessorCount = 1;
    Check(WHvSetPartitionProperty(Partition, WHvPartitionPropertyCodeProcessorCount, &Property, sizeof(Property)),
          "WHvSetPartitionProperty");
    Check(WHvSetupPartition(Partition), "WHvSetupPartition");
    Check(WHvMapGpaRange(Partition, Memory, 0, GUEST_MEMORY,
                         WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagWrite | WHvMapGpaRangeFlagExecute),
          "WHvMapGpaRange");
    Check(WHvCreateVirtualProcessor(Partition, 0, 0), "WHvCreateVirtualProcessor");
    return Partition;
}

static void SetStartState(WHV_PARTITION_HANDLE Partition) {
    static const WHV_REGISTER_NAME Names[] = {WHvX64RegisterCs, WHvX64RegisterRip, WHvX64RegisterRsp};
    WHV_REGISTER_VALUE Values[ARRAYSIZE(Names)];

    ZeroMemory(Values, sizeof(Values));
    Values[0].Segment.Limit = 0xFFFF;
    Values[0].Segment.Attributes = 0x9B;
    Values[1].Reg64 = GUEST_CODE;
    Values[2].Reg64 = GUEST_STACK;
    Check(WHvSetVirtualProcessorRegisters(Partition, 0, Names, ARRAYSIZE(Names), Values), "registers");
}

static void Commit(PBYTE Memory, WHV_GUEST_PHYSICAL_ADDRESS Gpa) {
    PBYTE Page = Memory + Gpa / GUEST_PAGE * GUEST_PAGE;

    printf("page 0x%I64x is touched\n", Gpa / GUEST_PAGE * GUEST_PAGE);
    if (VirtualAlloc(Page, GUEST_PAGE, MEM_COMMIT, PAGE_READWRITE) == NULL) {
        Check(HRESULT_FROM_WIN32(GetLastError()), "VirtualAlloc");
    }
}

static void Print(WHV_PARTITION_HANDLE Partition, const WHV_RUN_VP_EXIT_CONTEXT *Exit) {
    WHV_REGISTER_NAME Name = WHvX64RegisterRip;
    WHV_REGISTER_VALUE Rip;

    printf("port 0x%x: %I64u\n", Exit->IoPortAccess.PortNumber, Exit->IoPortAccess.Rax);
    ZeroMemory(&Rip, sizeof(Rip));
    Rip.Reg64 = Exit->VpContext.Rip + Exit->VpContext.InstructionLength;
    Check(WHvSetVirtualProcessorRegisters(Partition, 0, &Name, 1, &Rip), "RIP");
}

int main(void) {
    WHV_PARTITION_HANDLE Partition;
    WHV_RUN_VP_EXIT_CONTEXT Exit;
    PBYTE Memory;
    BOOL Running = TRUE;

    Memory = (PBYTE)VirtualAlloc(NULL, GUEST_MEMORY, MEM_RESERVE, PAGE_READWRITE);
    if (Memory == NULL || VirtualAlloc(Memory + GUEST_CODE, GUEST_PAGE, MEM_COMMIT, PAGE_READWRITE) == NULL) {
        return 1;
    }
    CopyMemory(Memory + GUEST_CODE, GuestCode, sizeof(GuestCode));

    Partition = CreateMachine(Memory);
    SetStartState(Partition);
    while (Running) {
        Check(WHvRunVirtualProcessor(Partition, 0, &Exit, sizeof(Exit)), "WHvRunVirtualProcessor");
        switch (Exit.ExitReason) {
        case WHvRunVpExitReasonMemoryAccess:
            Commit(Memory, Exit.MemoryAccess.Gpa);
            break;
        case WHvRunVpExitReasonX64IoPortAccess:
            Print(Partition, &Exit);
            break;
        case WHvRunVpExitReasonX64Halt:
            printf("halted at 0x%I64x, %u is stored\n", Exit.VpContext.Rip, *(PUSHORT)(Memory + 0x5000));
            Running = FALSE;
            break;
        default:
            printf("unexpected exit 0x%x\n", Exit.ExitReason);
            return 1;
        }
    }
    WHvDeletePartition(Partition);
    VirtualFree(Memory, 0, MEM_RELEASE);
    return 0;
}
