/*
 * Round trip of one exit by kind, through the C interface. Prints lines "KIND NANOSECONDS".
 *
 *     cc -O2 exits.c -I../../../include -L DIR -Wl,-rpath,DIR -lWinHvPlatform
 *
 * The guest is a loop of two instructions in real mode, in one page at 0x1000; nothing else is mapped. With
 * -DEMULATED and -lWinHvEmulation the library's instruction emulator finishes the instructions, as kinds of their own.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "bench.h"
#ifdef EMULATED
#include "WinHvEmulation.h"
#endif

enum { PAGE = 0x1000, CODE = 0x1000 };

struct kind {
    const char *name;
    unsigned char code[8];
    unsigned skip; /* from the RIP of the exit to the next instruction */
    WHV_RUN_VP_EXIT_REASON reason;
};

/* Each ends in a jump back to its first byte. */
static const struct kind KINDS[] = {
#ifdef EMULATED
    {"port-emulated", {0xE6, 0x80, 0xEB, 0xFC}, 2, WHvRunVpExitReasonX64IoPortAccess},
    {"mmio-write-emulated", {0xA2, 0x00, 0x80, 0xEB, 0xFB}, 3, WHvRunVpExitReasonMemoryAccess},
    {"mmio-read-emulated", {0xA0, 0x00, 0x80, 0xEB, 0xFB}, 3, WHvRunVpExitReasonMemoryAccess},
#else
    {"port", {0xE6, 0x80, 0xEB, 0xFC}, 2, WHvRunVpExitReasonX64IoPortAccess},           /* out 0x80, al */
    {"mmio-write", {0xA2, 0x00, 0x80, 0xEB, 0xFB}, 3, WHvRunVpExitReasonMemoryAccess}, /* mov [0x8000], al */
    {"mmio-read", {0xA0, 0x00, 0x80, 0xEB, 0xFB}, 3, WHvRunVpExitReasonMemoryAccess},  /* mov al, [0x8000] */
    {"msr", {0x0F, 0x32, 0xEB, 0xFC}, 2, WHvRunVpExitReasonX64MsrAccess},              /* rdmsr */
    {"cpuid", {0x0F, 0xA2, 0xEB, 0xFC}, 2, WHvRunVpExitReasonX64Cpuid},
    {"hlt", {0xF4, 0xEB, 0xFD}, 0, WHvRunVpExitReasonX64Halt},
    {"cancel", {0xEB, 0xFE}, 0, WHvRunVpExitReasonCanceled},
#endif
};

static void prepare(WHV_PARTITION_HANDLE partition)
{
    WHV_REGISTER_NAME rcx = WHvX64RegisterRcx;
    WHV_REGISTER_VALUE value;
    real_mode(partition, CODE, 0);
    memset(&value, 0, sizeof value);
    value.Reg64 = 0x12345678; /* a model-specific register that nobody implements */
    check(WHvSetVirtualProcessorRegisters(partition, 0, &rcx, 1, &value), "RCX");
}

#ifdef EMULATED

static WHV_EMULATOR_HANDLE Emulator;

static HRESULT CALLBACK port(VOID *context, WHV_EMULATOR_IO_ACCESS_INFO *access)
{
    (void)context;
    access->Data = 0;
    return S_OK;
}

static HRESULT CALLBACK memory(VOID *context, WHV_EMULATOR_MEMORY_ACCESS_INFO *access)
{
    (void)context;
    memset(access->Data, 0, sizeof access->Data);
    return S_OK;
}

static HRESULT CALLBACK get_registers(VOID *context, const WHV_REGISTER_NAME *names, UINT32 count,
                                      WHV_REGISTER_VALUE *values)
{
    return WHvGetVirtualProcessorRegisters(context, 0, names, count, values);
}

static HRESULT CALLBACK set_registers(VOID *context, const WHV_REGISTER_NAME *names, UINT32 count,
                                      const WHV_REGISTER_VALUE *values)
{
    return WHvSetVirtualProcessorRegisters(context, 0, names, count, values);
}

static HRESULT CALLBACK translate(VOID *context, WHV_GUEST_VIRTUAL_ADDRESS gva, WHV_TRANSLATE_GVA_FLAGS flags,
                                  WHV_TRANSLATE_GVA_RESULT_CODE *code, WHV_GUEST_PHYSICAL_ADDRESS *gpa)
{
    WHV_TRANSLATE_GVA_RESULT result;
    HRESULT status = WHvTranslateGva(context, 0, gva, flags, &result, gpa);
    *code = result.ResultCode;
    return status;
}

static void start(void)
{
    static const WHV_EMULATOR_CALLBACKS CALLBACKS = {sizeof CALLBACKS, 0,         port, memory,
                                                     get_registers,    set_registers, translate};
    check(WHvEmulatorCreateEmulator(&CALLBACKS, &Emulator), "emulator");
}

/* Answers like a virtual machine monitor that leaves the instruction to the emulator. */
static void answer(WHV_PARTITION_HANDLE partition, const struct kind *kind, const WHV_RUN_VP_EXIT_CONTEXT *e)
{
    WHV_EMULATOR_STATUS status;
    if (kind->reason == WHvRunVpExitReasonX64IoPortAccess)
        check(WHvEmulatorTryIoEmulation(Emulator, partition, &e->VpContext, &e->IoPortAccess, &status), "emulate");
    else
        check(WHvEmulatorTryMmioEmulation(Emulator, partition, &e->VpContext, &e->MemoryAccess, &status), "emulate");
    if (!status.EmulationSuccessful) {
        fprintf(stderr, "exits: %s: emulator status 0x%x\n", kind->name, (unsigned)status.AsUINT32);
        exit(1);
    }
}

#else

static void start(void) {}

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

#endif

static void measure(WHV_PARTITION_HANDLE partition, const struct kind *kind, unsigned count)
{
    WHV_RUN_VP_EXIT_CONTEXT exit_context;
    prepare(partition);
    double begin = thread_ns();
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
    printf("%s %.1f\n", kind->name, (thread_ns() - begin) / count);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
    unsigned char *page = allocate(PAGE);
    if (count == 0)
        return 2;
    start();
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        WHV_PARTITION_HANDLE partition;
        memcpy(page, KINDS[i].code, sizeof KINDS[i].code);
        partition = create(WHvX64LocalApicEmulationModeNone, page, CODE, PAGE);
        measure(partition, &KINDS[i], count);
        check(WHvDeletePartition(partition), "delete");
    }
    return 0;
}
