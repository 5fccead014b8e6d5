/*
 * A machine in 64-bit mode: computes with 64-bit registers and stops at a breakpoint.
 *
 *     cc long_mode.c -o long_mode $(pkg-config --cflags --libs winhvplatform)
 *
 * The program writes the page tables: the code appears at a high linear address, far from where it lies in guest
 * physical memory.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _DEFAULT_SOURCE
#include <openwhp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LINEAR_CODE 0xFFFF800000001000ULL

enum {
    MEMORY = 0x10000,
    CODE = 0x1000,
    TABLES = 0x4000, /* four levels, one page each */
    DATA = 0x8000
};

static const UINT8 guest_code[] = {
    0x48, 0xB8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, /* mov rax, 0x1122334455667788 */
    0x48, 0x89, 0xC3,                                           /* mov rbx, rax                */
    0x48, 0x0F, 0xCB,                                           /* bswap rbx                   */
    0x49, 0x89, 0xC0,                                           /* mov r8, rax                 */
    0x49, 0x01, 0xD8,                                           /* add r8, rbx                 */
    0x4C, 0x89, 0x05, 0xE3, 0x6F, 0x00, 0x00,                   /* mov [rip + 0x6fe3], r8      */
    0xCC                                                        /* int3                        */
};

static void check(HRESULT result, const char *what) {
    char text[256];
    if (SUCCEEDED(result)) return;
    openwhp_last_error_text(text, sizeof text);
    fprintf(stderr, "%s failed with 0x%08x: %s\n", what, (unsigned)result, text);
    exit(1);
}

static void set_property(WHV_PARTITION_HANDLE partition, WHV_PARTITION_PROPERTY_CODE code, UINT64 value) {
    check(WHvSetPartitionProperty(partition, code, &value, sizeof value), "setting a property");
}

/* Maps 64 KiB of guest memory one to one at the top half of the address space. */
static void write_page_tables(UINT8 *memory) {
    const UINT64 present_writable = 3;
    UINT64 *level4 = (UINT64 *)(memory + TABLES);
    UINT64 *level3 = (UINT64 *)(memory + TABLES + 0x1000);
    UINT64 *level2 = (UINT64 *)(memory + TABLES + 0x2000);
    UINT64 *level1 = (UINT64 *)(memory + TABLES + 0x3000);

    level4[256] = (TABLES + 0x1000) | present_writable;
    level3[0] = (TABLES + 0x2000) | present_writable;
    level2[0] = (TABLES + 0x3000) | present_writable;
    for (UINT64 page = 0; page < MEMORY / 0x1000; page++) level1[page] = page << 12 | present_writable;
}

static WHV_REGISTER_VALUE segment(UINT16 selector, UINT16 attributes) {
    WHV_REGISTER_VALUE value;
    memset(&value, 0, sizeof value);
    value.Segment.Selector = selector;
    value.Segment.Limit = 0xFFFFFFFF;
    value.Segment.Attributes = attributes;
    return value;
}

static WHV_REGISTER_VALUE word(UINT64 bits) {
    WHV_REGISTER_VALUE value;
    memset(&value, 0, sizeof value);
    value.Reg64 = bits;
    return value;
}

static void enter_long_mode(WHV_PARTITION_HANDLE partition) {
    WHV_REGISTER_NAME names[9];
    WHV_REGISTER_VALUE values[9];
    UINT32 count = 0;

#define SET(name, value) (names[count] = (name), values[count++] = (value))
    SET(WHvX64RegisterCr3, word(TABLES));
    SET(WHvX64RegisterCr4, word(0x20));       /* physical-address extension        */
    SET(WHvX64RegisterEfer, word(0x500));     /* long mode enabled and active      */
    SET(WHvX64RegisterCr0, word(0x80000011)); /* paging, protection, extension type */
    SET(WHvX64RegisterCs, segment(0x08, 0xA09B));
    SET(WHvX64RegisterDs, segment(0x10, 0xC093));
    SET(WHvX64RegisterSs, segment(0x10, 0xC093));
    SET(WHvX64RegisterRip, word(LINEAR_CODE));
    SET(WHvX64RegisterRflags, word(2));
#undef SET
    check(WHvSetVirtualProcessorRegisters(partition, 0, names, count, values), "setting registers");
}

static void print_registers(WHV_PARTITION_HANDLE partition) {
    const WHV_REGISTER_NAME names[] = {WHvX64RegisterRax, WHvX64RegisterRbx, WHvX64RegisterR8, WHvX64RegisterRip};
    const char *labels[] = {"rax", "rbx", "r8 ", "rip"};
    WHV_REGISTER_VALUE values[4];

    check(WHvGetVirtualProcessorRegisters(partition, 0, names, 4, values), "reading registers");
    for (int i = 0; i < 4; i++) printf("%s = 0x%016llx\n", labels[i], (unsigned long long)values[i].Reg64);
}

int main(void) {
    WHV_RUN_VP_EXIT_CONTEXT exit_context;
    WHV_TRANSLATE_GVA_RESULT result;
    WHV_PARTITION_HANDLE partition;
    UINT64 gpa, sum;
    UINT8 *memory;

    memory = (UINT8 *)mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 1;
    memcpy(memory + CODE, guest_code, sizeof guest_code);
    write_page_tables(memory);

    check(WHvCreatePartition(&partition), "creating the partition");
    set_property(partition, WHvPartitionPropertyCodeProcessorCount, 1);
    set_property(partition, WHvPartitionPropertyCodeExtendedVmExits, 1 << 2); /* exceptions */
    set_property(partition, WHvPartitionPropertyCodeExceptionExitBitmap, 1 << WHvX64ExceptionTypeBreakpointTrap);
    check(WHvSetupPartition(partition), "setting the partition up");
    check(WHvMapGpaRange(partition, memory, 0, MEMORY,
                         WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagWrite | WHvMapGpaRangeFlagExecute),
          "mapping memory");
    check(WHvCreateVirtualProcessor(partition, 0, 0), "creating the processor");
    enter_long_mode(partition);

    check(WHvTranslateGva(partition, 0, LINEAR_CODE, WHvTranslateGvaFlagValidateExecute, &result, &gpa), "translating");
    printf("code at linear 0x%llx is at physical 0x%llx\n", LINEAR_CODE, (unsigned long long)gpa);

    check(WHvRunVirtualProcessor(partition, 0, &exit_context, sizeof exit_context), "running");
    if (exit_context.ExitReason != WHvRunVpExitReasonException) {
        fprintf(stderr, "unexpected exit 0x%x\n", (unsigned)exit_context.ExitReason);
        return 1;
    }
    printf("exception %u, long mode %s\n", (unsigned)exit_context.VpException.ExceptionType,
           exit_context.VpContext.ExecutionState.EferLma ? "active" : "off");
    print_registers(partition);
    memcpy(&sum, memory + DATA, sizeof sum);
    printf("stored sum = 0x%016llx\n", (unsigned long long)sum);

    check(WHvDeletePartition(partition), "deleting the partition");
    munmap(memory, MEMORY);
    return 0;
}
