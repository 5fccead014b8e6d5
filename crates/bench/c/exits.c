/*
 * Round trip of one exit by kind, through the C interface. Prints lines "KIND NANOSECONDS".
 *
 *     cc -O2 exits.c -I../../../include -L DIR -Wl,-rpath,DIR -lWinHvPlatform
 *
 * The guest is a loop of two instructions in real mode, in one page at 0x1000; nothing else is mapped.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE
#include "WinHvPlatform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 0x1000, CODE = 0x1000 };

struct kind {
    const char *name;
    unsigned char code[8];
    unsigned skip; /* from the RIP of the exit to the next instruction */
    WHV_RUN_VP_EXIT_REASON reason;
};

/* Each ends in a jump back to its first byte. */
static const struct kind KINDS[] = {
    {"port", {0xE6, 0x80, 0xEB, 0xFC}, 2, WHvRunVpExitReasonX64IoPortAccess},           /* out 0x80, al */
    {"mmio-write", {0xA2, 0x00, 0x80, 0xEB, 0xFB}, 3, WHvRunVpExitReasonMemoryAccess}, /* mov [0x8000], al */
    {"mmio-read", {0xA0, 0x00, 0x80, 0xEB, 0xFB}, 3, WHvRunVpExitReasonMemoryAccess},  /* mov al, [0x8000] */
    {"msr", {0x0F, 0x32, 0xEB, 0xFC}, 2, WHvRunVpExitReasonX64MsrAccess},              /* rdmsr */
    {"cpuid", {0x0F, 0xA2, 0xEB, 0xFC}, 2, WHvRunVpExitReasonX64Cpuid},
    {"hlt", {0xF4, 0xEB, 0xFD}, 0, WHvRunVpExitReasonX64Halt},
    {"cancel", {0xEB, 0xFE}, 0, WHvRunVpExitReasonCanceled},
};

static void check(HRESULT result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "exits: %s: 0x%08x\n", what, (unsigned)result);
        exit(1);
    }
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* other load on the host does not count */
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static WHV_PARTITION_HANDLE create(unsigned char *page)
{
    WHV_PARTITION_HANDLE partition;
    WHV_PARTITION_PROPERTY property;
    check(WHvCreatePartition(&partition), "create");
    memset(&property, 0, sizeof property);
    property.ProcessorCount = 1;
    check(WHvSetPartitionProperty(partition, WHvPartitionPropertyCodeProcessorCount, &property,
                                  sizeof property.ProcessorCount),
          "processor count");
    memset(&property, 0, sizeof property);
    property.ExtendedVmExits.X64CpuidExit = 1;
    property.ExtendedVmExits.X64MsrExit = 1;
    check(WHvSetPartitionProperty(partition, WHvPartitionPropertyCodeExtendedVmExits, &property,
                                  sizeof property.ExtendedVmExits),
          "exits");
    check(WHvSetupPartition(partition), "set up");
    check(WHvMapGpaRange(partition, page, CODE, PAGE,
                         WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagWrite | WHvMapGpaRangeFlagExecute),
          "map");
    check(WHvCreateVirtualProcessor(partition, 0, 0), "processor");
    return partition;
}

static void prepare(WHV_PARTITION_HANDLE partition)
{
    static const WHV_REGISTER_NAME NAMES[] = {WHvX64RegisterCs, WHvX64RegisterDs, WHvX64RegisterRip,
                                              WHvX64RegisterRflags, WHvX64RegisterRcx};
    WHV_REGISTER_VALUE values[5];
    memset(values, 0, sizeof values);
    values[0].Segment.Limit = values[1].Segment.Limit = 0xFFFF;
    values[0].Segment.Attributes = 0x9B;
    values[1].Segment.Attributes = 0x93;
    values[2].Reg64 = CODE;
    values[3].Reg64 = 2;
    values[4].Reg64 = 0x12345678; /* a model-specific register that nobody implements */
    check(WHvSetVirtualProcessorRegisters(partition, 0, NAMES, 5, values), "registers");
}

/* Answers like a virtual machine monitor: next instruction, and a result where one is expected. */
static void answer(WHV_PARTITION_HANDLE partition, const struct kind *kind, const WHV_RUN_VP_EXIT_CONTEXT *e)
{
    static const WHV_REGISTER_NAME NAMES[] = {WHvX64RegisterRip, WHvX64RegisterRax, WHvX64RegisterRdx,
                                              WHvX64RegisterRbx, WHvX64RegisterRcx};
    WHV_REGISTER_VALUE values[5];
    UINT32 count = kind->reason == WHvRunVpExitReasonX64Cpuid          ? 5
                   : kind->reason == WHvRunVpExitReasonX64MsrAccess    ? 3
                   : kind->reason == WHvRunVpExitReasonMemoryAccess    ? 2
                   : kind->reason == WHvRunVpExitReasonX64IoPortAccess ? 1
                                                                       : 0;
    if (count == 0)
        return;
    memset(values, 0, sizeof values);
    values[0].Reg64 = e->VpContext.Rip + kind->skip;
    check(WHvSetVirtualProcessorRegisters(partition, 0, NAMES, count, values), "answer");
}

static void measure(WHV_PARTITION_HANDLE partition, const struct kind *kind, unsigned count)
{
    WHV_RUN_VP_EXIT_CONTEXT exit_context;
    prepare(partition);
    double start = now_ns();
    for (unsigned i = 0; i < count; i++) {
        if (kind->reason == WHvRunVpExitReasonCanceled)
            check(WHvCancelRunVirtualProcessor(partition, 0, 0), "cancel");
        check(WHvRunVirtualProcessor(partition, 0, &exit_context, sizeof exit_context), "run");
        if (exit_context.ExitReason != kind->reason) {
            fprintf(stderr, "exits: %s: exit reason 0x%x\n", kind->name, (unsigned)exit_context.ExitReason);
            exit(1);
        }
        answer(partition, kind, &exit_context);
    }
    printf("%s %.1f\n", kind->name, (now_ns() - start) / count);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
    unsigned char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || count == 0)
        return 2;
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        WHV_PARTITION_HANDLE partition;
        memcpy(page, KINDS[i].code, sizeof KINDS[i].code);
        partition = create(page);
        measure(partition, &KINDS[i], count);
        check(WHvDeletePartition(partition), "delete");
    }
    return 0;
}
