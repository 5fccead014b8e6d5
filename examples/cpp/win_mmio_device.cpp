/*
 * A device behind memory, in C++, written as for Windows. The guest stores, adds to memory and copies strings; the
 * instruction emulator takes each of these apart into accesses of the device and of ordinary memory.
 *
 *     c++ -std=c++17 win_mmio_device.cpp -o win_mmio_device $(pkg-config --cflags --libs winhvplatform-windows)
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define NOMINMAX
#include <Windows.h>
#include <WinHvPlatform.h>
#include <WinHvEmulation.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#pragma comment(lib, "WinHvPlatform.lib")
#pragma comment(lib, "WinHvEmulation.lib")

namespace {

constexpr UINT64 MemorySize = 0x10000;
constexpr UINT64 CodeAddress = 0x1000;
constexpr UINT64 ResultAddress = 0x3000;
constexpr UINT64 DeviceAddress = 0xD0000000;

/* FS reaches the device: its hidden base is set from outside. */
constexpr BYTE GuestCode[] = {
    0x66, 0x64, 0xC7, 0x06, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, // mov dword fs:[0], 5
    0x66, 0x64, 0x83, 0x06, 0x00, 0x00, 0x03,                   // add dword fs:[0], 3
    0x66, 0x64, 0xA1, 0x00, 0x00,                               // mov eax, fs:[0]
    0x66, 0xA3, 0x00, 0x30,                                     // mov [0x3000], eax
    0xBE, 0x10, 0x00,                                           // mov si, 0x10
    0xBF, 0x10, 0x30,                                           // mov di, 0x3010
    0xB9, 0x04, 0x00,                                           // mov cx, 4
    0x64, 0xF3, 0x66, 0xA5,                                     // rep movsd from fs:si
    0xF4                                                        // hlt
};

void Check(HRESULT result, const char *what) {
    if (FAILED(result)) {
        char text[64];
        sprintf_s(text, "%s: 0x%08lx", what, result);
        throw std::runtime_error(text);
    }
}

struct MemoryReleaser {
    void operator()(BYTE *memory) const { VirtualFree(memory, 0, MEM_RELEASE); }
};

/* One register that keeps what is stored, and a table of squares. */
class Device {
public:
    UINT64 Read(UINT64 offset) const { return offset == 0 ? m_register : (offset / 4 - 3) * (offset / 4 - 3); }
    void Write(UINT64 offset, UINT64 value) {
        if (offset == 0) m_register = value;
    }

private:
    UINT64 m_register = 0;
};

class Machine {
public:
    Machine() {
        m_memory.reset(static_cast<BYTE *>(VirtualAlloc(nullptr, MemorySize, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE)));
        if (!m_memory) throw std::bad_alloc();
        std::copy(std::begin(GuestCode), std::end(GuestCode), m_memory.get() + CodeAddress);

        Check(WHvCreatePartition(&m_partition), "WHvCreatePartition");
        UINT32 count = 1;
        Check(WHvSetPartitionProperty(m_partition, WHvPartitionPropertyCodeProcessorCount, &count, sizeof(count)), "count");
        Check(WHvSetupPartition(m_partition), "WHvSetupPartition");
        Check(WHvMapGpaRange(m_partition, m_memory.get(), 0, MemorySize,
                             WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagWrite | WHvMapGpaRangeFlagExecute),
              "WHvMapGpaRange");
        Check(WHvCreateVirtualProcessor(m_partition, 0, 0), "WHvCreateVirtualProcessor");

        WHV_EMULATOR_CALLBACKS callbacks = {};
        callbacks.Size = sizeof(callbacks);
        callbacks.WHvEmulatorIoPortCallback = IoPort;
        callbacks.WHvEmulatorMemoryCallback = Memory;
        callbacks.WHvEmulatorGetVirtualProcessorRegisters = GetRegisters;
        callbacks.WHvEmulatorSetVirtualProcessorRegisters = SetRegisters;
        callbacks.WHvEmulatorTranslateGvaPage = Translate;
        Check(WHvEmulatorCreateEmulator(&callbacks, &m_emulator), "WHvEmulatorCreateEmulator");
    }

    ~Machine() {
        if (m_emulator) WHvEmulatorDestroyEmulator(m_emulator);
        if (m_partition) WHvDeletePartition(m_partition);
    }

    Machine(const Machine &) = delete;
    Machine &operator=(const Machine &) = delete;

    void SetStartState() {
        const std::array<WHV_REGISTER_NAME, 3> names = {WHvX64RegisterCs, WHvX64RegisterRip, WHvX64RegisterFs};
        std::array<WHV_REGISTER_VALUE, 3> values = {};
        values[0].Segment.Limit = 0xFFFF;
        values[0].Segment.Attributes = 0x9B;
        values[1].Reg64 = CodeAddress;
        values[2].Segment.Base = DeviceAddress;
        values[2].Segment.Limit = 0xFFFF;
        values[2].Segment.Attributes = 0x93;
        Check(WHvSetVirtualProcessorRegisters(m_partition, 0, names.data(), static_cast<UINT32>(names.size()), values.data()),
              "WHvSetVirtualProcessorRegisters");
    }

    /* Runs until the guest halts. */
    void Run() {
        for (;;) {
            WHV_RUN_VP_EXIT_CONTEXT exit = {};
            Check(WHvRunVirtualProcessor(m_partition, 0, &exit, sizeof(exit)), "WHvRunVirtualProcessor");
            if (exit.ExitReason == WHvRunVpExitReasonX64Halt) return;
            if (exit.ExitReason != WHvRunVpExitReasonMemoryAccess) throw std::runtime_error("unexpected exit");
            m_exits++;
            WHV_EMULATOR_STATUS status = {};
            Check(WHvEmulatorTryMmioEmulation(m_emulator, this, &exit.VpContext, &exit.MemoryAccess, &status),
                  "WHvEmulatorTryMmioEmulation");
            if (!status.EmulationSuccessful) throw std::runtime_error("emulation failed");
        }
    }

    UINT32 Word(UINT64 address) const { return *reinterpret_cast<const UINT32 *>(m_memory.get() + address); }
    unsigned Exits() const { return m_exits; }

private:
    static Machine &From(VOID *context) { return *static_cast<Machine *>(context); }

    static HRESULT CALLBACK IoPort(VOID *, WHV_EMULATOR_IO_ACCESS_INFO *) { return E_NOTIMPL; }

    static HRESULT CALLBACK Memory(VOID *context, WHV_EMULATOR_MEMORY_ACCESS_INFO *access) {
        Machine &machine = From(context);
        const bool write = access->Direction != 0;
        if (access->GpaAddress + access->AccessSize <= MemorySize) {
            BYTE *memory = machine.m_memory.get() + access->GpaAddress;
            if (write) CopyMemory(memory, access->Data, access->AccessSize);
            else CopyMemory(access->Data, memory, access->AccessSize);
            return S_OK;
        }
        const UINT64 offset = access->GpaAddress - DeviceAddress;
        UINT64 value = 0;
        if (write) {
            CopyMemory(&value, access->Data, access->AccessSize);
            machine.m_device.Write(offset, value);
        } else {
            value = machine.m_device.Read(offset);
            CopyMemory(access->Data, &value, access->AccessSize);
        }
        std::cout << (write ? "write " : "read ") << value << " at " << offset << "\n";
        return S_OK;
    }

    static HRESULT CALLBACK GetRegisters(VOID *context, const WHV_REGISTER_NAME *names, UINT32 count,
                                         WHV_REGISTER_VALUE *values) {
        return WHvGetVirtualProcessorRegisters(From(context).m_partition, 0, names, count, values);
    }

    static HRESULT CALLBACK SetRegisters(VOID *context, const WHV_REGISTER_NAME *names, UINT32 count,
                                         const WHV_REGISTER_VALUE *values) {
        return WHvSetVirtualProcessorRegisters(From(context).m_partition, 0, names, count, values);
    }

    static HRESULT CALLBACK Translate(VOID *context, WHV_GUEST_VIRTUAL_ADDRESS gva, WHV_TRANSLATE_GVA_FLAGS flags,
                                      WHV_TRANSLATE_GVA_RESULT_CODE *code, WHV_GUEST_PHYSICAL_ADDRESS *gpa) {
        WHV_TRANSLATE_GVA_RESULT result = {};
        const HRESULT outcome = WHvTranslateGva(From(context).m_partition, 0, gva, flags, &result, gpa);
        *code = result.ResultCode;
        return outcome;
    }

    std::unique_ptr<BYTE[], MemoryReleaser> m_memory;
    WHV_PARTITION_HANDLE m_partition = nullptr;
    WHV_EMULATOR_HANDLE m_emulator = nullptr;
    Device m_device;
    unsigned m_exits = 0;
};

} // namespace

int main() {
    try {
        Machine machine;
        machine.SetStartState();
        machine.Run();
        std::cout << "stored " << machine.Word(ResultAddress) << ", copied";
        for (UINT64 i = 0; i < 4; i++) std::cout << " " << machine.Word(ResultAddress + 0x10 + 4 * i);
        std::cout << ", " << machine.Exits() << " exits\n";
    } catch (const std::exception &error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
    return 0;
}
