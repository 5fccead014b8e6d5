/*
 * What the measuring programs share: a checked call, clocks, a partition with one processor.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_BENCH_H
#define OPENWHP_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "WinHvPlatform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static inline void check(HRESULT result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: 0x%08x\n", what, (unsigned)result);
        exit(1);
    }
}

static inline double clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Processor time of this thread: other load on the host does not count. */
static inline double thread_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

static inline unsigned char *allocate(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("memory");
        exit(1);
    }
    return memory;
}

/* A partition with one processor in reset state, and `size` bytes of memory at `gpa`. */
static inline WHV_PARTITION_HANDLE create(WHV_X64_LOCAL_APIC_EMULATION_MODE apic, void *memory, UINT64 gpa, UINT64 size)
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
    memset(&property, 0, sizeof property);
    property.LocalApicEmulationMode = apic;
    check(WHvSetPartitionProperty(partition, WHvPartitionPropertyCodeLocalApicEmulationMode, &property,
                                  sizeof property.LocalApicEmulationMode),
          "APIC");
    check(WHvSetupPartition(partition), "set up");
    check(WHvMapGpaRange(partition, memory, gpa, size,
                         WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagWrite | WHvMapGpaRangeFlagExecute),
          "map");
    check(WHvCreateVirtualProcessor(partition, 0, 0), "processor");
    return partition;
}

/* Real mode with these segment bases, in front of the instruction at `rip`. */
static inline void real_mode(WHV_PARTITION_HANDLE partition, UINT64 rip, UINT64 ds)
{
    static const WHV_REGISTER_NAME NAMES[] = {WHvX64RegisterCs, WHvX64RegisterDs,  WHvX64RegisterEs,    WHvX64RegisterSs,
                                              WHvX64RegisterRip, WHvX64RegisterRsp, WHvX64RegisterRflags};
    WHV_REGISTER_VALUE values[7];
    memset(values, 0, sizeof values);
    for (int i = 0; i < 4; i++) {
        values[i].Segment.Limit = 0xFFFF;
        values[i].Segment.Attributes = i == 0 ? 0x9B : 0x93;
    }
    values[1].Segment.Base = ds;
    values[4].Reg64 = rip;
    values[5].Reg64 = 0x8000;
    values[6].Reg64 = 2;
    check(WHvSetVirtualProcessorRegisters(partition, 0, NAMES, 7, values), "registers");
}

#endif
