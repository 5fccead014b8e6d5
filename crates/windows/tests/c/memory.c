/* Virtual memory, sections, and both as a guest's memory. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <windows.h>
#include <WinHvPlatform.h>
#include "check.h"

#define PAGE 0x1000
#define ALL_RIGHTS (WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagWrite | WHvMapGpaRangeFlagExecute)

static DWORD state(LPCVOID address, PSIZE_T size, PDWORD protection) {
    MEMORY_BASIC_INFORMATION info;
    CHECK(VirtualQuery(address, &info, sizeof(info)) == sizeof(info));
    if (size) *size = info.RegionSize;
    if (protection) *protection = info.Protect;
    return info.State;
}

static void reserve_and_commit(void) {
    PBYTE base = (PBYTE)VirtualAlloc(NULL, 0x20000, MEM_RESERVE, PAGE_NOACCESS);
    SIZE_T size = 0;
    DWORD protection = 0, before = 0;

    CHECK(base && (ULONG_PTR)base % 0x10000 == 0);
    CHECK(state(base + 0x123, &size, NULL) == MEM_RESERVE && size == 0x20000);
    CHECK(VirtualAlloc(base + 0x1800, 0x1000, MEM_COMMIT, PAGE_READWRITE) == base + 0x1000);
    CHECK(state(base, &size, NULL) == MEM_RESERVE && size == 0x1000);
    CHECK(state(base + 0x1000, &size, &protection) == MEM_COMMIT && size == 0x2000 && protection == PAGE_READWRITE);
    base[0x1000] = 7;
    CHECK(VirtualProtect(base + 0x1000, PAGE, PAGE_READONLY, &before) && before == PAGE_READWRITE);
    CHECK(base[0x1000] == 7 && state(base + 0x1000, &size, &protection) == MEM_COMMIT && protection == PAGE_READONLY);
    CHECK(FAILS_WITH(ERROR_INVALID_ADDRESS, VirtualProtect(base, 3 * PAGE, PAGE_READONLY, &before)));
    CHECK(FAILS_WITH(ERROR_NOACCESS, VirtualProtect(base + 0x1000, PAGE, PAGE_READONLY, NULL)));
    CHECK(VirtualFree(base + 0x1000, PAGE, MEM_DECOMMIT) && state(base + 0x1000, NULL, NULL) == MEM_RESERVE);
    CHECK(VirtualAlloc(base + 0x1000, PAGE, MEM_COMMIT, PAGE_READWRITE) && base[0x1000] == 0);
    CHECK(FAILS_WITH(ERROR_INVALID_PARAMETER, VirtualFree(base, PAGE, MEM_RELEASE)));
    CHECK(FAILS_WITH(ERROR_INVALID_ADDRESS, VirtualFree(base + 0x10000, 0, MEM_RELEASE)));
    CHECK(FAILS_WITH(ERROR_INVALID_ADDRESS, VirtualAlloc(base, 0x30000, MEM_COMMIT, PAGE_READWRITE)));
    CHECK(FAILS_WITH(ERROR_INVALID_ADDRESS, VirtualAlloc(base, 0x1000, MEM_RESERVE, PAGE_READWRITE)));
    CHECK(VirtualFree(base, 0, MEM_RELEASE) && state(base, NULL, NULL) == MEM_FREE);
    CHECK(VirtualAlloc(base + 0x800, 0x1000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) == base);
    base[0x17FF] = 1;
    CHECK(VirtualFree(base, 0, MEM_RELEASE));
    CHECK(FAILS_WITH(ERROR_INVALID_ADDRESS, VirtualFree(base, 0, MEM_RELEASE)));

    CHECK(FAILS_WITH(ERROR_INVALID_PARAMETER, VirtualAlloc(NULL, 0, MEM_COMMIT, PAGE_READWRITE)));
    CHECK(FAILS_WITH(ERROR_INVALID_PARAMETER, VirtualAlloc(NULL, PAGE, MEM_COMMIT, 3)));
    CHECK(FAILS_WITH(ERROR_INVALID_PARAMETER, VirtualAlloc(NULL, PAGE, 0, PAGE_READWRITE)));
    CHECK(FAILS_WITH(ERROR_PRIVILEGE_NOT_HELD,
                     VirtualAlloc(NULL, PAGE, MEM_RESERVE | MEM_COMMIT | MEM_LARGE_PAGES, PAGE_READWRITE)));
    base = (PBYTE)VirtualAlloc(NULL, 1ULL << 38, MEM_RESERVE, PAGE_READWRITE);
    CHECK(base && VirtualAlloc(base + (1ULL << 37), PAGE, MEM_COMMIT, PAGE_READWRITE) && VirtualFree(base, 0, MEM_RELEASE));
    base = (PBYTE)VirtualAllocEx(GetCurrentProcess(), NULL, PAGE, MEM_COMMIT, PAGE_READWRITE);
    CHECK(base && VirtualFreeEx(GetCurrentProcess(), base, 0, MEM_RELEASE));
    CHECK(FAILS_WITH(ERROR_INVALID_HANDLE, VirtualAllocEx((HANDLE)0x7777, NULL, PAGE, MEM_COMMIT, PAGE_READWRITE)));
}

static void sections(void) {
    HANDLE section = CreateFileMapping(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 0x20000, NULL);
    PBYTE first = (PBYTE)MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, 0);
    PBYTE second = (PBYTE)MapViewOfFile(section, FILE_MAP_READ, 0, 0x10000, PAGE);
    PBYTE copy = (PBYTE)MapViewOfFile(section, FILE_MAP_COPY, 0, 0, PAGE);
    MEMORY_BASIC_INFORMATION info;

    CHECK(first && second && copy);
    first[0x10000] = 9;
    copy[0] = 1;
    CHECK(second[0] == 9 && first[0] == 0);
    CHECK(VirtualQuery(first, &info, sizeof(info)) && info.Type == MEM_MAPPED && info.RegionSize == 0x20000);
    CHECK(FAILS_WITH(ERROR_MAPPED_ALIGNMENT, MapViewOfFile(section, FILE_MAP_READ, 0, PAGE, PAGE)));
    CHECK(FAILS_WITH(ERROR_ACCESS_DENIED, MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0x30000)));
    CHECK(FAILS_WITH(ERROR_INVALID_ADDRESS, VirtualFree(first, 0, MEM_RELEASE)));
    CHECK(CloseHandle(section) && UnmapViewOfFile(first) && UnmapViewOfFile(second) && UnmapViewOfFile(copy));
    CHECK(FAILS_WITH(ERROR_INVALID_ADDRESS, UnmapViewOfFile(first)));
    CHECK(FAILS_WITH(ERROR_INVALID_PARAMETER, CreateFileMapping(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 0, NULL)));
}

static WHV_PARTITION_HANDLE machine(PVOID memory, UINT64 size) {
    static const WHV_REGISTER_NAME names[] = {WHvX64RegisterCs, WHvX64RegisterRip, WHvX64RegisterRax};
    WHV_REGISTER_VALUE values[3];
    WHV_PARTITION_HANDLE partition;
    UINT32 count = 1;

    ZeroMemory(values, sizeof(values));
    values[0].Segment.Limit = 0xFFFF;
    values[0].Segment.Attributes = 0x9B;
    values[1].Reg64 = 0x100;
    CHECK(WHvCreatePartition(&partition) == S_OK);
    CHECK(WHvSetPartitionProperty(partition, WHvPartitionPropertyCodeProcessorCount, &count, sizeof(count)) == S_OK);
    CHECK(WHvSetupPartition(partition) == S_OK);
    CHECK(WHvMapGpaRange(partition, memory, 0, size, ALL_RIGHTS) == S_OK);
    CHECK(WHvCreateVirtualProcessor(partition, 0, 0) == S_OK);
    CHECK(WHvSetVirtualProcessorRegisters(partition, 0, names, 3, values) == S_OK);
    return partition;
}

/* mov byte [0x3000], 5 ; mov al, [0x5000] ; inc byte [0x3000] ; hlt */
static const BYTE code[] = {0xC6, 0x06, 0x00, 0x30, 0x05, 0xA0, 0x00, 0x50, 0xFE, 0x06, 0x00, 0x30, 0xF4};

/* The guest touches reserved pages; each comes back as an exit, and is committed. */
static void guest_touches_reserved_pages(void) {
    PBYTE memory = (PBYTE)VirtualAlloc(NULL, 0x10000, MEM_RESERVE, PAGE_READWRITE);
    WHV_RUN_VP_EXIT_CONTEXT exit_context;
    WHV_PARTITION_HANDLE partition;
    UINT64 touched[4];
    int count = 0;
    DWORD before;

    CHECK(VirtualAlloc(memory, PAGE, MEM_COMMIT, PAGE_READWRITE) == memory);
    CopyMemory(memory + 0x100, code, sizeof(code));
    partition = machine(memory, 0x10000);
    for (;;) {
        CHECK(WHvRunVirtualProcessor(partition, 0, &exit_context, sizeof(exit_context)) == S_OK);
        if (exit_context.ExitReason != WHvRunVpExitReasonMemoryAccess || count == 4) break;
        touched[count++] = exit_context.MemoryAccess.Gpa;
        CHECK(VirtualAlloc(memory + exit_context.MemoryAccess.Gpa, 1, MEM_COMMIT, PAGE_READWRITE) != NULL);
    }
    CHECK(exit_context.ExitReason == WHvRunVpExitReasonX64Halt && count == 2);
    CHECK(touched[0] == 0x3000 && touched[1] == 0x5000 && memory[0x3000] == 6);

    /* Pages that are taken away or protected come back too. */
    CHECK(VirtualFree(memory + 0x5000, PAGE, MEM_DECOMMIT) && VirtualProtect(memory + 0x3000, 1, PAGE_READONLY, &before));
    CHECK(WHvDeletePartition(partition) == S_OK);
    partition = machine(memory, 0x10000);
    CHECK(WHvRunVirtualProcessor(partition, 0, &exit_context, sizeof(exit_context)) == S_OK);
    CHECK(exit_context.ExitReason == WHvRunVpExitReasonMemoryAccess && exit_context.MemoryAccess.Gpa == 0x3000);
    CHECK(VirtualProtect(memory + 0x3000, 1, PAGE_READWRITE, &before));
    CHECK(WHvRunVirtualProcessor(partition, 0, &exit_context, sizeof(exit_context)) == S_OK);
    CHECK(exit_context.ExitReason == WHvRunVpExitReasonMemoryAccess && exit_context.MemoryAccess.Gpa == 0x5000);
    CHECK(WHvDeletePartition(partition) == S_OK && VirtualFree(memory, 0, MEM_RELEASE));
}

static void guest_uses_a_section(void) {
    HANDLE section = CreateFileMapping(INVALID_HANDLE_VALUE, NULL, PAGE_EXECUTE_READWRITE, 0, 0x10000, NULL);
    PBYTE memory = (PBYTE)MapViewOfFile(section, FILE_MAP_ALL_ACCESS | FILE_MAP_EXECUTE, 0, 0, 0);
    PBYTE other = (PBYTE)MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    WHV_RUN_VP_EXIT_CONTEXT exit_context;
    WHV_PARTITION_HANDLE partition;

    CopyMemory(memory + 0x100, code, sizeof(code));
    partition = machine(memory, 0x10000);
    CHECK(WHvRunVirtualProcessor(partition, 0, &exit_context, sizeof(exit_context)) == S_OK);
    CHECK(exit_context.ExitReason == WHvRunVpExitReasonX64Halt && other[0x3000] == 6);
    CHECK(WHvDeletePartition(partition) == S_OK && UnmapViewOfFile(memory) && UnmapViewOfFile(other));
    CHECK(CloseHandle(section));
}

int main(void) {
    reserve_and_commit();
    sections();
    guest_touches_reserved_pages();
    guest_uses_a_section();
    return failures != 0;
}
