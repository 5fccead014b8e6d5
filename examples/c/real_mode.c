/*
 * A machine in real mode: adds the numbers 1 to 10, stores the sum, and stops at a breakpoint.
 *
 *     cc real_mode.c -o real_mode $(pkg-config --cflags --libs winhvplatform)
 *
 * The guest's memory is only reserved at first. A page becomes real when the guest touches it: the access comes
 * back as an exit, the program makes the page accessible, and the instruction starts again.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _DEFAULT_SOURCE
#include <openwhp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 0x1000, MEMORY = 0x10000, CODE = 0x1000, STACK_TOP = 0x9000 };

static const UINT8 guest_code[] = {
    0x31, 0xC0,             /* 1000: xor ax, ax        */
    0xB9, 0x0A, 0x00,       /* 1002: mov cx, 10        */
    0x01, 0xC8,             /* 1005: add ax, cx        */
    0xE2, 0xFC,             /* 1007: loop 1005         */
    0xA3, 0x00, 0x50,       /* 1009: mov [0x5000], ax  */
    0x50,                   /* 100c: push ax           */
    0x5B,                   /* 100d: pop bx            */
    0xCC                    /* 100e: int3              */
};

static void check(HRESULT result, const char *what) {
    char text[256];
    if (SUCCEEDED(result)) return;
    openwhp_last_error_text(text, sizeof text);
    fprintf(stderr, "%s failed with 0x%08x: %s\n", what, (unsigned)result, text);
    exit(1);
}

static void make_accessible(UINT8 *memory, UINT64 gpa) {
    if (gpa >= MEMORY || mprotect(memory + gpa / PAGE * PAGE, PAGE, PROT_READ | PROT_WRITE) != 0) {
        fprintf(stderr, "no memory at 0x%llx\n", (unsigned long long)gpa);
        exit(1);
    }
}

static WHV_PARTITION_HANDLE create_partition(void) {
    WHV_PARTITION_HANDLE partition;
    WHV_PARTITION_PROPERTY property;

    check(WHvCreatePartition(&partition), "creating the partition");

    memset(&property, 0, sizeof property);
    property.ProcessorCount = 1;
    check(WHvSetPartitionProperty(partition, WHvPartitionPropertyCodeProcessorCount, &property, sizeof property),
          "setting the processor count");

    memset(&property, 0, sizeof property);
    property.ExtendedVmExits.ExceptionExit = 1;
    check(WHvSetPartitionProperty(partition, WHvPartitionPropertyCodeExtendedVmExits, &property, sizeof property),
          "switching exception exits on");

    memset(&property, 0, sizeof property);
    property.ExceptionExitBitmap = (UINT64)1 << WHvX64ExceptionTypeBreakpointTrap;
    check(WHvSetPartitionProperty(partition, WHvPartitionPropertyCodeExceptionExitBitmap, &property, sizeof property),
          "choosing the breakpoint exception");

    check(WHvSetupPartition(partition), "setting the partition up");
    return partition;
}

static void set_start_state(WHV_PARTITION_HANDLE partition) {
    const WHV_REGISTER_NAME names[] = {WHvX64RegisterCs, WHvX64RegisterRip, WHvX64RegisterRsp, WHvX64RegisterRflags};
    WHV_REGISTER_VALUE values[4];

    memset(values, 0, sizeof values);
    values[0].Segment.Limit = 0xFFFF;
    values[0].Segment.SegmentType = 11; /* code, readable, accessed */
    values[0].Segment.NonSystemSegment = 1;
    values[0].Segment.Present = 1;
    values[1].Reg64 = CODE;
    values[2].Reg64 = STACK_TOP;
    values[3].Reg64 = 2;
    check(WHvSetVirtualProcessorRegisters(partition, 0, names, 4, values), "setting registers");
}

/* Runs until the breakpoint. */
static void run(WHV_PARTITION_HANDLE partition, UINT8 *memory) {
    WHV_RUN_VP_EXIT_CONTEXT exit_context;

    for (;;) {
        check(WHvRunVirtualProcessor(partition, 0, &exit_context, sizeof exit_context), "running");
        switch (exit_context.ExitReason) {
        case WHvRunVpExitReasonMemoryAccess:
            printf("page 0x%llx is touched\n", (unsigned long long)(exit_context.MemoryAccess.Gpa / PAGE * PAGE));
            make_accessible(memory, exit_context.MemoryAccess.Gpa);
            break;
        case WHvRunVpExitReasonException:
            printf("exception %u at 0x%llx\n", (unsigned)exit_context.VpException.ExceptionType,
                   (unsigned long long)exit_context.VpContext.Rip);
            return;
        default:
            fprintf(stderr, "unexpected exit 0x%x\n", (unsigned)exit_context.ExitReason);
            exit(1);
        }
    }
}

int main(void) {
    const WHV_REGISTER_NAME names[] = {WHvX64RegisterRax, WHvX64RegisterRbx, WHvX64RegisterRcx, WHvX64RegisterRip};
    WHV_REGISTER_VALUE values[4];
    WHV_CAPABILITY capability;
    WHV_PARTITION_HANDLE partition;
    UINT16 sum;
    UINT8 *memory;

    check(WHvGetCapability(WHvCapabilityCodeHypervisorPresent, &capability, sizeof capability, NULL), "asking");
    if (!capability.HypervisorPresent) return 1;

    memory = (UINT8 *)mmap(NULL, MEMORY, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 1;
    make_accessible(memory, CODE);
    memcpy(memory + CODE, guest_code, sizeof guest_code);

    partition = create_partition();
    check(WHvMapGpaRange(partition, memory, 0, MEMORY,
                         WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagWrite | WHvMapGpaRangeFlagExecute),
          "mapping memory");
    check(WHvCreateVirtualProcessor(partition, 0, 0), "creating the processor");
    set_start_state(partition);
    run(partition, memory);

    check(WHvGetVirtualProcessorRegisters(partition, 0, names, 4, values), "reading registers");
    printf("ax = %u, bx = %u, cx = %u, ip = 0x%x\n", (unsigned)values[0].Reg16, (unsigned)values[1].Reg16,
           (unsigned)values[2].Reg16, (unsigned)values[3].Reg16);
    memcpy(&sum, memory + 0x5000, sizeof sum);
    printf("stored sum = %u\n", (unsigned)sum);

    check(WHvDeleteVirtualProcessor(partition, 0), "deleting the processor");
    check(WHvDeletePartition(partition), "deleting the partition");
    munmap(memory, MEMORY);
    return 0;
}
