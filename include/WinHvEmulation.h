/*
 * WinHvEmulation.h - the instruction emulator of the Windows Hypervisor Platform interface, for Linux.
 *
 *     cc program.c $(pkg-config --cflags --libs winhvemulation)
 *
 * An emulator finishes the instruction behind a memory access or port exit. It works through five callbacks and never
 * calls the platform, so a program may answer them from any processor; most pass the register and translation
 * callbacks straight on to WHvGetVirtualProcessorRegisters, WHvSetVirtualProcessorRegisters and WHvTranslateGva.
 *
 * One emulator serves one call at a time: make one for each virtual processor. x64 only.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_WINHVEMULATION_H
#define OPENWHP_WINHVEMULATION_H

#include "WinHvPlatform.h"

#if !defined(OPENWHP_ABI_X64)
#error "the instruction emulator exists for x64 partitions only"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What became of an emulation: exactly one bit is set. */
OPENWHP_EXTENSION typedef union WHV_EMULATOR_STATUS {
    struct {
        UINT32 EmulationSuccessful : 1;
        /* Undefined, no access to memory or ports, or nothing that can be finished outside its processor. */
        UINT32 InternalEmulationFailure : 1;
        UINT32 IoPortCallbackFailed : 1;
        UINT32 MemoryCallbackFailed : 1;
        /* Also when a page table cannot be read. */
        UINT32 TranslateGvaPageCallbackFailed : 1;
        UINT32 TranslateGvaPageCallbackGpaIsNotAligned : 1;
        UINT32 GetVirtualProcessorRegistersCallbackFailed : 1;
        UINT32 SetVirtualProcessorRegistersCallbackFailed : 1;
        /* The exit interrupted the delivery of an event; nothing was done, running again delivers it. */
        UINT32 InterruptCausedIntercept : 1;
        /* The instruction faults while another exception waits for delivery. */
        UINT32 GuestCannotBeFaulted : 1;
        UINT32 Reserved : 22;
    };
    UINT32 AsUINT32;
} WHV_EMULATOR_STATUS;

/* A memory access, device or not: 1 to 8 bytes that do not cross a page. */
typedef struct WHV_EMULATOR_MEMORY_ACCESS_INFO {
    WHV_GUEST_PHYSICAL_ADDRESS GpaAddress;
    UINT8 Direction; /* 0 read, 1 write */
    UINT8 AccessSize;
    UINT8 Data[8];
} WHV_EMULATOR_MEMORY_ACCESS_INFO;

/* A port access; the data is in the low bytes. */
typedef struct WHV_EMULATOR_IO_ACCESS_INFO {
    UINT8 Direction; /* 0 in, 1 out */
    UINT16 Port;
    UINT16 AccessSize; /* 1, 2 or 4 */
    UINT32 Data;
} WHV_EMULATOR_IO_ACCESS_INFO;

/* Accesses a port. Anything but S_OK ends the emulation, here and below; registers are unchanged then. */
typedef HRESULT(CALLBACK *WHV_EMULATOR_IO_PORT_CALLBACK)(
    _In_ VOID *Context,
    _Inout_ WHV_EMULATOR_IO_ACCESS_INFO *IoAccess);

/* Accesses guest physical memory, for every operand of the instruction: devices and ordinary memory. */
typedef HRESULT(CALLBACK *WHV_EMULATOR_MEMORY_CALLBACK)(
    _In_ VOID *Context,
    _Inout_ WHV_EMULATOR_MEMORY_ACCESS_INFO *MemoryAccess);

/* Reads registers, as WHvGetVirtualProcessorRegisters does. */
typedef HRESULT(CALLBACK *WHV_EMULATOR_GET_VIRTUAL_PROCESSOR_REGISTERS_CALLBACK)(
    _In_ VOID *Context,
    _In_ const WHV_REGISTER_NAME *RegisterNames,
    _In_ UINT32 RegisterCount,
    _Out_ WHV_REGISTER_VALUE *RegisterValues);

/* Writes registers, as WHvSetVirtualProcessorRegisters does. Called once, with everything that changed. */
typedef HRESULT(CALLBACK *WHV_EMULATOR_SET_VIRTUAL_PROCESSOR_REGISTERS_CALLBACK)(
    _In_ VOID *Context,
    _In_ const WHV_REGISTER_NAME *RegisterNames,
    _In_ UINT32 RegisterCount,
    _In_ const WHV_REGISTER_VALUE *RegisterValues);

/* Translates the linear address of a page, as WHvTranslateGva does. The result is a page's address. */
typedef HRESULT(CALLBACK *WHV_EMULATOR_TRANSLATE_GVA_PAGE_CALLBACK)(
    _In_ VOID *Context,
    _In_ WHV_GUEST_VIRTUAL_ADDRESS Gva,
    _In_ WHV_TRANSLATE_GVA_FLAGS TranslateFlags,
    _Out_ WHV_TRANSLATE_GVA_RESULT_CODE *TranslationResult,
    _Out_ WHV_GUEST_PHYSICAL_ADDRESS *Gpa);

/* The callbacks, all of them required. Size is that of the structure, Reserved is 0. */
typedef struct WHV_EMULATOR_CALLBACKS {
    UINT32 Size;
    UINT32 Reserved;
    WHV_EMULATOR_IO_PORT_CALLBACK WHvEmulatorIoPortCallback;
    WHV_EMULATOR_MEMORY_CALLBACK WHvEmulatorMemoryCallback;
    WHV_EMULATOR_GET_VIRTUAL_PROCESSOR_REGISTERS_CALLBACK WHvEmulatorGetVirtualProcessorRegisters;
    WHV_EMULATOR_SET_VIRTUAL_PROCESSOR_REGISTERS_CALLBACK WHvEmulatorSetVirtualProcessorRegisters;
    WHV_EMULATOR_TRANSLATE_GVA_PAGE_CALLBACK WHvEmulatorTranslateGvaPage;
} WHV_EMULATOR_CALLBACKS;

/* An emulator. */
typedef VOID *WHV_EMULATOR_HANDLE;

/* Makes an emulator. The table of callbacks is copied. */
HRESULT WINAPI WHvEmulatorCreateEmulator(
    _In_ const WHV_EMULATOR_CALLBACKS *Callbacks,
    _Out_ WHV_EMULATOR_HANDLE *Emulator);

/* Destroys an emulator. */
HRESULT WINAPI WHvEmulatorDestroyEmulator(
    _In_ WHV_EMULATOR_HANDLE Emulator);

/*
 * Finishes the instruction of a port exit. The result is S_OK whenever the arguments are good; what became of the
 * instruction is in the status. Context is passed on to the callbacks.
 *
 * On success RIP is behind the instruction, or an exception of the instruction's is pending. A string instruction with a
 * repeat prefix is completed; after some megabytes RIP may stay at it with everything else updated, and the guest goes
 * on by itself.
 */
HRESULT WINAPI WHvEmulatorTryIoEmulation(
    _In_ WHV_EMULATOR_HANDLE Emulator,
    _In_ VOID *Context,
    _In_ const WHV_VP_EXIT_CONTEXT *VpContext,
    _In_ const WHV_X64_IO_PORT_ACCESS_CONTEXT *IoInstructionContext,
    _Out_ WHV_EMULATOR_STATUS *EmulatorReturnStatus);

/* Finishes the instruction of a memory access exit, in the same way. */
HRESULT WINAPI WHvEmulatorTryMmioEmulation(
    _In_ WHV_EMULATOR_HANDLE Emulator,
    _In_ VOID *Context,
    _In_ const WHV_VP_EXIT_CONTEXT *VpContext,
    _In_ const WHV_MEMORY_ACCESS_CONTEXT *MmioInstructionContext,
    _Out_ WHV_EMULATOR_STATUS *EmulatorReturnStatus);

/* ---- Presence queries: on Linux a declared function is always there ---- */

static inline BOOLEAN IsWHvEmulatorCreateEmulatorPresent(void) { return 1; }
static inline BOOLEAN IsWHvEmulatorDestroyEmulatorPresent(void) { return 1; }
static inline BOOLEAN IsWHvEmulatorTryIoEmulationPresent(void) { return 1; }
static inline BOOLEAN IsWHvEmulatorTryMmioEmulationPresent(void) { return 1; }

#ifdef __cplusplus
}
#endif

#endif
