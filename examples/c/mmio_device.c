/*
 * A device in guest memory: accesses to it are finished by the instruction emulator.
 *
 *     cc mmio_device.c -o mmio_device $(pkg-config --cflags --libs winhvemulation)
 *
 * Nothing is mapped where the device's registers are, so each access leaves the processor. The emulator executes that
 * instruction, whatever it is, and asks this program for registers, translations, memory and ports. It asks for
 * ordinary memory too: the guest copies a text from there to the device with one instruction.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _DEFAULT_SOURCE
#include <WinHvEmulation.h>
#include <openwhp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    MEMORY = 0x10000,
    CODE = 0x1000,
    TEXT = 0x2000,
    DEVICE = 0xD0000,    /* the display: 256 bytes that are printed at a new line */
    COUNTER = 0xD0100    /* a 16-bit counter */
};

static const char text[] = "a text, straight from memory\n";

static const UINT8 guest_code[] = {
    0xFC,                                     /* cld                                 */
    0xBE, TEXT & 0xFF, TEXT >> 8,             /* mov si, TEXT                        */
    0x31, 0xFF,                               /* xor di, di                          */
    0xB9, sizeof text - 1, 0x00,              /* mov cx, length                      */
    0xF3, 0xA4,                               /* rep movsb: memory to device         */
    0x26, 0xC7, 0x06, 0x00, 0x01, 0x28, 0x00, /* mov word es:[0x100], 40             */
    0x26, 0x83, 0x06, 0x00, 0x01, 0x02,       /* add word es:[0x100], 2: read, write */
    0x26, 0xA1, 0x00, 0x01,                   /* mov ax, es:[0x100]                  */
    0xE7, 0x80,                               /* out 0x80, ax                        */
    0xF4                                      /* hlt                                 */
};

/* What the callbacks work with. */
typedef struct Machine {
    WHV_PARTITION_HANDLE partition;
    UINT8 *memory;
    char line[256];
    UINT16 counter;
} Machine;

static void check(HRESULT result, const char *what) {
    char message[256];
    if (SUCCEEDED(result)) return;
    openwhp_last_error_text(message, sizeof message);
    fprintf(stderr, "%s failed with 0x%08x: %s\n", what, (unsigned)result, message);
    exit(1);
}

/* ---- The device ---- */

static HRESULT write_device(Machine *machine, UINT64 address, const UINT8 *data, size_t size) {
    if (address == COUNTER && size == sizeof machine->counter) {
        memcpy(&machine->counter, data, size);
        printf("counter set to %u\n", machine->counter);
        return S_OK;
    }
    if (address < DEVICE || address - DEVICE + size > sizeof machine->line) return E_INVALIDARG;
    memcpy(machine->line + (address - DEVICE), data, size);
    if (data[size - 1] == '\n') {
        printf("display: %.*s", (int)(address - DEVICE + size), machine->line);
    }
    return S_OK;
}

static HRESULT read_device(const Machine *machine, UINT64 address, UINT8 *data, size_t size) {
    if (address != COUNTER || size != sizeof machine->counter) return E_INVALIDARG;
    memcpy(data, &machine->counter, size);
    return S_OK;
}

/* ---- What the emulator asks for ---- */

static HRESULT CALLBACK access_memory(VOID *context, WHV_EMULATOR_MEMORY_ACCESS_INFO *access) {
    Machine *machine = (Machine *)context;
    const UINT64 address = access->GpaAddress;
    const size_t size = access->AccessSize;

    if (address + size <= MEMORY) {
        UINT8 *place = machine->memory + address;
        if (access->Direction != 0) {
            memcpy(place, access->Data, size);
        } else {
            memcpy(access->Data, place, size);
        }
        return S_OK;
    }
    return access->Direction != 0 ? write_device(machine, address, access->Data, size)
                                  : read_device(machine, address, access->Data, size);
}

static HRESULT CALLBACK access_port(VOID *context, WHV_EMULATOR_IO_ACCESS_INFO *access) {
    (void)context;
    if (access->Direction != 1) return E_INVALIDARG;
    printf("port 0x%x: %u\n", access->Port, (unsigned)access->Data);
    return S_OK;
}

static HRESULT CALLBACK get_registers(
    VOID *context, const WHV_REGISTER_NAME *names, UINT32 count, WHV_REGISTER_VALUE *values) {
    const Machine *machine = (const Machine *)context;
    return WHvGetVirtualProcessorRegisters(machine->partition, 0, names, count, values);
}

static HRESULT CALLBACK set_registers(
    VOID *context, const WHV_REGISTER_NAME *names, UINT32 count, const WHV_REGISTER_VALUE *values) {
    const Machine *machine = (const Machine *)context;
    return WHvSetVirtualProcessorRegisters(machine->partition, 0, names, count, values);
}

static HRESULT CALLBACK translate(
    VOID *context, WHV_GUEST_VIRTUAL_ADDRESS page, WHV_TRANSLATE_GVA_FLAGS flags,
    WHV_TRANSLATE_GVA_RESULT_CODE *code, WHV_GUEST_PHYSICAL_ADDRESS *address) {
    const Machine *machine = (const Machine *)context;
    WHV_TRANSLATE_GVA_RESULT result;
    const HRESULT outcome = WHvTranslateGva(machine->partition, 0, page, flags, &result, address);
    if (SUCCEEDED(outcome)) *code = result.ResultCode;
    return outcome;
}

static WHV_EMULATOR_HANDLE create_emulator(void) {
    WHV_EMULATOR_CALLBACKS callbacks;
    WHV_EMULATOR_HANDLE emulator;

    memset(&callbacks, 0, sizeof callbacks);
    callbacks.Size = sizeof callbacks;
    callbacks.WHvEmulatorIoPortCallback = access_port;
    callbacks.WHvEmulatorMemoryCallback = access_memory;
    callbacks.WHvEmulatorGetVirtualProcessorRegisters = get_registers;
    callbacks.WHvEmulatorSetVirtualProcessorRegisters = set_registers;
    callbacks.WHvEmulatorTranslateGvaPage = translate;
    check(WHvEmulatorCreateEmulator(&callbacks, &emulator), "creating the emulator");
    return emulator;
}

/* ---- The machine ---- */

static void create_machine(Machine *machine) {
    const UINT32 processors = 1;

    memset(machine, 0, sizeof *machine);
    machine->memory = (UINT8 *)mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (machine->memory == MAP_FAILED) exit(1);
    memcpy(machine->memory + CODE, guest_code, sizeof guest_code);
    memcpy(machine->memory + TEXT, text, sizeof text);
    check(WHvCreatePartition(&machine->partition), "creating the partition");
    check(
        WHvSetPartitionProperty(
            machine->partition, WHvPartitionPropertyCodeProcessorCount, &processors, sizeof processors),
        "setting the processor count");
    check(WHvSetupPartition(machine->partition), "setting the partition up");
    check(
        WHvMapGpaRange(
            machine->partition, machine->memory, 0, MEMORY,
            (WHV_MAP_GPA_RANGE_FLAGS)(
                WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagWrite | WHvMapGpaRangeFlagExecute)),
        "mapping memory");
    check(WHvCreateVirtualProcessor(machine->partition, 0, 0), "creating the processor");
}

/* Real mode: code at CODE, DS at 0, ES at the device. */
static void set_start(const Machine *machine) {
    static const WHV_REGISTER_NAME names[] = { WHvX64RegisterRip, WHvX64RegisterCs, WHvX64RegisterEs };
    WHV_REGISTER_VALUE values[3];

    memset(values, 0, sizeof values);
    values[0].Reg64 = CODE;
    values[1].Segment.Limit = 0xFFFF;
    values[1].Segment.Attributes = 0x9B;
    values[2].Segment.Base = DEVICE;
    values[2].Segment.Limit = 0xFFFF;
    values[2].Segment.Selector = DEVICE >> 4;
    values[2].Segment.Attributes = 0x93;
    check(WHvSetVirtualProcessorRegisters(machine->partition, 0, names, 3, values), "setting registers");
}

int main(void) {
    Machine machine;
    WHV_EMULATOR_HANDLE emulator;

    create_machine(&machine);
    set_start(&machine);
    emulator = create_emulator();
    for (;;) {
        WHV_RUN_VP_EXIT_CONTEXT exit_context;
        WHV_EMULATOR_STATUS status;

        check(WHvRunVirtualProcessor(machine.partition, 0, &exit_context, sizeof exit_context), "running");
        if (exit_context.ExitReason == WHvRunVpExitReasonMemoryAccess) {
            check(
                WHvEmulatorTryMmioEmulation(
                    emulator, &machine, &exit_context.VpContext, &exit_context.MemoryAccess, &status),
                "emulating a memory access");
        } else if (exit_context.ExitReason == WHvRunVpExitReasonX64IoPortAccess) {
            check(
                WHvEmulatorTryIoEmulation(
                    emulator, &machine, &exit_context.VpContext, &exit_context.IoPortAccess, &status),
                "emulating a port access");
        } else {
            printf("exit reason %u\n", (unsigned)exit_context.ExitReason);
            break;
        }
        if (!status.EmulationSuccessful) {
            fprintf(stderr, "emulation failed with status 0x%x\n", (unsigned)status.AsUINT32);
            return 1;
        }
    }
    check(WHvEmulatorDestroyEmulator(emulator), "destroying the emulator");
    check(WHvDeletePartition(machine.partition), "deleting the partition");
    munmap(machine.memory, MEMORY);
    return 0;
}
