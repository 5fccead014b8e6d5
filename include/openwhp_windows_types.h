/*
 * openwhp_windows_types.h - the few Windows types, macros and result codes that the interface needs, for Linux.
 *
 * A program that brings its own windows.h (one that defines these types) includes it first, or defines
 * OPENWHP_HAVE_WINDOWS_TYPES; then only what that header lacks is added here.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_WINDOWS_TYPES_H
#define OPENWHP_WINDOWS_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* Instruction set of the partitions: that of the target unless chosen. */
#if !defined(OPENWHP_ABI_X64) && !defined(OPENWHP_ABI_ARM64)
#if defined(__aarch64__) || defined(_M_ARM64)
#define OPENWHP_ABI_ARM64 1
#else
#define OPENWHP_ABI_X64 1
#endif
#endif
#if defined(OPENWHP_ABI_X64) && defined(OPENWHP_ABI_ARM64)
#error "choose one of OPENWHP_ABI_X64 and OPENWHP_ABI_ARM64"
#endif

/* Unnamed structures and bit fields wider than int are extensions that every compiler here has. */
#if defined(__GNUC__)
#define OPENWHP_EXTENSION __extension__
#define OPENWHP_ALIGNED(n) __attribute__((aligned(n)))
#define OPENWHP_PACKED __attribute__((packed))
#else
#define OPENWHP_EXTENSION
#define OPENWHP_ALIGNED(n) __declspec(align(n))
#define OPENWHP_PACKED
#endif

#if defined(_WINDEF_) || defined(_MINWINDEF_) || defined(_WINDOWS_)
#define OPENWHP_HAVE_WINDOWS_TYPES 1
#endif

#ifndef OPENWHP_HAVE_WINDOWS_TYPES

/* LONG, ULONG and DWORD are 32 bits wide, whatever the width of C's long. */
#ifndef VOID
#define VOID void
#endif
typedef void *PVOID;
typedef void *HANDLE;
typedef int32_t BOOL;
typedef uint8_t BOOLEAN;
typedef uint8_t BYTE;
typedef int8_t INT8;
typedef int16_t INT16;
typedef int32_t INT32;
typedef int64_t INT64;
typedef uint8_t UINT8;
typedef uint16_t UINT16;
typedef uint32_t UINT32;
typedef uint64_t UINT64;
typedef uint16_t USHORT;
typedef uint16_t WORD;
typedef int32_t LONG;
typedef uint32_t ULONG;
typedef uint32_t DWORD;
typedef int64_t LONGLONG;
typedef uint64_t ULONGLONG;
typedef uint64_t DWORD64;
typedef uint64_t ULONG64;
typedef size_t SIZE_T;
typedef uintptr_t ULONG_PTR;
typedef int32_t HRESULT;
#if defined(__SIZEOF_WCHAR_T__) && __SIZEOF_WCHAR_T__ == 2
typedef wchar_t WCHAR; /* -fshort-wchar: then L"text" is UTF-16 as on Windows */
#elif defined(__cplusplus)
typedef char16_t WCHAR;
#else
typedef uint16_t WCHAR;
#endif

typedef struct _GUID {
    UINT32 Data1;
    UINT16 Data2;
    UINT16 Data3;
    UINT8 Data4[8];
} GUID;

typedef struct _LUID {
    DWORD LowPart;
    LONG HighPart;
} LUID;

typedef enum _DEVICE_POWER_STATE {
    PowerDeviceUnspecified = 0,
    PowerDeviceD0 = 1,
    PowerDeviceD1 = 2,
    PowerDeviceD2 = 3,
    PowerDeviceD3 = 4,
    PowerDeviceMaximum = 5
} DEVICE_POWER_STATE;

#endif /* OPENWHP_HAVE_WINDOWS_TYPES */

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif
#ifndef INVALID_HANDLE_VALUE
#define INVALID_HANDLE_VALUE ((HANDLE)(intptr_t)-1)
#endif

/* Calling conventions and annotations mean nothing here. */
#ifndef WINAPI
#define WINAPI
#endif
#ifndef STDAPICALLTYPE
#define STDAPICALLTYPE
#endif
#ifndef CALLBACK
#define CALLBACK
#endif
#ifndef _In_
#define _In_
#endif
#ifndef _In_opt_
#define _In_opt_
#endif
#ifndef _Out_
#define _Out_
#endif
#ifndef _Out_opt_
#define _Out_opt_
#endif
#ifndef _Inout_
#define _Inout_
#endif
#ifndef _In_reads_
#define _In_reads_(count)
#endif
#ifndef _In_reads_bytes_
#define _In_reads_bytes_(size)
#endif
#ifndef _Out_writes_
#define _Out_writes_(count)
#endif
#ifndef _Out_writes_bytes_
#define _Out_writes_bytes_(size)
#endif
#ifndef _Out_writes_bytes_to_
#define _Out_writes_bytes_to_(size, written)
#endif

#ifndef C_ASSERT
#if defined(__cplusplus)
#define C_ASSERT(condition) static_assert(condition, #condition)
#else
#define C_ASSERT(condition) _Static_assert(condition, #condition)
#endif
#endif

#ifndef DEFINE_ENUM_FLAG_OPERATORS
#if defined(__cplusplus)
#define DEFINE_ENUM_FLAG_OPERATORS(type)                                                        \
    inline constexpr type operator|(type a, type b) { return type(int(a) | int(b)); }           \
    inline constexpr type operator&(type a, type b) { return type(int(a) & int(b)); }           \
    inline constexpr type operator^(type a, type b) { return type(int(a) ^ int(b)); }           \
    inline constexpr type operator~(type a) { return type(~int(a)); }                           \
    inline type &operator|=(type &a, type b) { return a = a | b; }                              \
    inline type &operator&=(type &a, type b) { return a = a & b; }                              \
    inline type &operator^=(type &a, type b) { return a = a ^ b; }
#else
#define DEFINE_ENUM_FLAG_OPERATORS(type)
#endif
#endif

/* ---- Result codes ---- */

#ifndef SUCCEEDED
#define SUCCEEDED(hr) (((HRESULT)(hr)) >= 0)
#endif
#ifndef FAILED
#define FAILED(hr) (((HRESULT)(hr)) < 0)
#endif
#ifndef HRESULT_FROM_WIN32
#define HRESULT_FROM_WIN32(error)                                                               \
    ((HRESULT)(error) <= 0 ? (HRESULT)(error) : (HRESULT)(((uint32_t)(error) & 0x0000FFFFu) | 0x80070000u))
#endif

/* Win32 codes that appear wrapped in HRESULT_FROM_WIN32. */
#ifndef ERROR_INVALID_DATA
#define ERROR_INVALID_DATA 13
#endif
#ifndef ERROR_NOT_SUPPORTED
#define ERROR_NOT_SUPPORTED 50
#endif
#ifndef ERROR_PROC_NOT_FOUND
#define ERROR_PROC_NOT_FOUND 127
#endif
#ifndef ERROR_NOT_FOUND
#define ERROR_NOT_FOUND 1168
#endif
#ifndef ERROR_INVALID_STATE
#define ERROR_INVALID_STATE 5023
#endif

#ifndef S_OK
#define S_OK ((HRESULT)0x00000000)
#endif
#ifndef E_NOTIMPL
#define E_NOTIMPL ((HRESULT)0x80004001)
#endif
#ifndef E_POINTER
#define E_POINTER ((HRESULT)0x80004003)
#endif
#ifndef E_FAIL
#define E_FAIL ((HRESULT)0x80004005)
#endif
#ifndef E_UNEXPECTED
#define E_UNEXPECTED ((HRESULT)0x8000FFFF)
#endif
#ifndef E_ACCESSDENIED
#define E_ACCESSDENIED ((HRESULT)0x80070005)
#endif
#ifndef E_HANDLE
#define E_HANDLE ((HRESULT)0x80070006)
#endif
#ifndef E_OUTOFMEMORY
#define E_OUTOFMEMORY ((HRESULT)0x8007000E)
#endif
#ifndef E_INVALIDARG
#define E_INVALIDARG ((HRESULT)0x80070057)
#endif

#ifndef WHV_E_UNKNOWN_CAPABILITY
#define WHV_E_UNKNOWN_CAPABILITY ((HRESULT)0x80370300)
#endif
#ifndef WHV_E_INSUFFICIENT_BUFFER
#define WHV_E_INSUFFICIENT_BUFFER ((HRESULT)0x80370301)
#endif
#ifndef WHV_E_UNKNOWN_PROPERTY
#define WHV_E_UNKNOWN_PROPERTY ((HRESULT)0x80370302)
#endif
#ifndef WHV_E_UNSUPPORTED_HYPERVISOR_CONFIG
#define WHV_E_UNSUPPORTED_HYPERVISOR_CONFIG ((HRESULT)0x80370303)
#endif
#ifndef WHV_E_INVALID_PARTITION_CONFIG
#define WHV_E_INVALID_PARTITION_CONFIG ((HRESULT)0x80370304)
#endif
#ifndef WHV_E_GPA_RANGE_NOT_FOUND
#define WHV_E_GPA_RANGE_NOT_FOUND ((HRESULT)0x80370305)
#endif
#ifndef WHV_E_VP_ALREADY_EXISTS
#define WHV_E_VP_ALREADY_EXISTS ((HRESULT)0x80370306)
#endif
#ifndef WHV_E_VP_DOES_NOT_EXIST
#define WHV_E_VP_DOES_NOT_EXIST ((HRESULT)0x80370307)
#endif
#ifndef WHV_E_INVALID_VP_STATE
#define WHV_E_INVALID_VP_STATE ((HRESULT)0x80370308)
#endif
#ifndef WHV_E_INVALID_VP_REGISTER_NAME
#define WHV_E_INVALID_VP_REGISTER_NAME ((HRESULT)0x80370309)
#endif
#ifndef WHV_E_UNSUPPORTED_PROCESSOR_CONFIG
#define WHV_E_UNSUPPORTED_PROCESSOR_CONFIG ((HRESULT)0x80370310)
#endif

/* Hypervisor statuses; HRESULT_FROM_WIN32 leaves them as they are. */
#ifndef ERROR_VID_PARTITION_ALREADY_EXISTS
#define ERROR_VID_PARTITION_ALREADY_EXISTS ((HRESULT)0xC0370008)
#endif
#ifndef ERROR_HV_INVALID_HYPERCALL_CODE
#define ERROR_HV_INVALID_HYPERCALL_CODE ((HRESULT)0xC0350002)
#endif
#ifndef ERROR_HV_INVALID_HYPERCALL_INPUT
#define ERROR_HV_INVALID_HYPERCALL_INPUT ((HRESULT)0xC0350003)
#endif
#ifndef ERROR_HV_INVALID_ALIGNMENT
#define ERROR_HV_INVALID_ALIGNMENT ((HRESULT)0xC0350004)
#endif
#ifndef ERROR_HV_INVALID_PARAMETER
#define ERROR_HV_INVALID_PARAMETER ((HRESULT)0xC0350005)
#endif
#ifndef ERROR_HV_ACCESS_DENIED
#define ERROR_HV_ACCESS_DENIED ((HRESULT)0xC0350006)
#endif
#ifndef ERROR_HV_INVALID_PARTITION_STATE
#define ERROR_HV_INVALID_PARTITION_STATE ((HRESULT)0xC0350007)
#endif
#ifndef ERROR_HV_OPERATION_DENIED
#define ERROR_HV_OPERATION_DENIED ((HRESULT)0xC0350008)
#endif
#ifndef ERROR_HV_UNKNOWN_PROPERTY
#define ERROR_HV_UNKNOWN_PROPERTY ((HRESULT)0xC0350009)
#endif
#ifndef ERROR_HV_PROPERTY_VALUE_OUT_OF_RANGE
#define ERROR_HV_PROPERTY_VALUE_OUT_OF_RANGE ((HRESULT)0xC035000A)
#endif
#ifndef ERROR_HV_INSUFFICIENT_MEMORY
#define ERROR_HV_INSUFFICIENT_MEMORY ((HRESULT)0xC035000B)
#endif
#ifndef ERROR_HV_INVALID_PARTITION_ID
#define ERROR_HV_INVALID_PARTITION_ID ((HRESULT)0xC035000D)
#endif
#ifndef ERROR_HV_INVALID_VP_INDEX
#define ERROR_HV_INVALID_VP_INDEX ((HRESULT)0xC035000E)
#endif
#ifndef ERROR_HV_NOT_FOUND
#define ERROR_HV_NOT_FOUND ((HRESULT)0xC0350010)
#endif
#ifndef ERROR_HV_INVALID_PORT_ID
#define ERROR_HV_INVALID_PORT_ID ((HRESULT)0xC0350011)
#endif
#ifndef ERROR_HV_INVALID_CONNECTION_ID
#define ERROR_HV_INVALID_CONNECTION_ID ((HRESULT)0xC0350012)
#endif
#ifndef ERROR_HV_INSUFFICIENT_BUFFERS
#define ERROR_HV_INSUFFICIENT_BUFFERS ((HRESULT)0xC0350013)
#endif
#ifndef ERROR_HV_NOT_ACKNOWLEDGED
#define ERROR_HV_NOT_ACKNOWLEDGED ((HRESULT)0xC0350014)
#endif
#ifndef ERROR_HV_INVALID_VP_STATE
#define ERROR_HV_INVALID_VP_STATE ((HRESULT)0xC0350015)
#endif
#ifndef ERROR_HV_INVALID_SAVE_RESTORE_STATE
#define ERROR_HV_INVALID_SAVE_RESTORE_STATE ((HRESULT)0xC0350017)
#endif
#ifndef ERROR_HV_INVALID_SYNIC_STATE
#define ERROR_HV_INVALID_SYNIC_STATE ((HRESULT)0xC0350018)
#endif
#ifndef ERROR_HV_OBJECT_IN_USE
#define ERROR_HV_OBJECT_IN_USE ((HRESULT)0xC0350019)
#endif
#ifndef ERROR_HV_NO_DATA
#define ERROR_HV_NO_DATA ((HRESULT)0xC035001B)
#endif
#ifndef ERROR_HV_INACTIVE
#define ERROR_HV_INACTIVE ((HRESULT)0xC035001C)
#endif
#ifndef ERROR_HV_NO_RESOURCES
#define ERROR_HV_NO_RESOURCES ((HRESULT)0xC035001D)
#endif
#ifndef ERROR_HV_FEATURE_UNAVAILABLE
#define ERROR_HV_FEATURE_UNAVAILABLE ((HRESULT)0xC035001E)
#endif
#ifndef ERROR_HV_PROCESSOR_FEATURE_NOT_SUPPORTED
#define ERROR_HV_PROCESSOR_FEATURE_NOT_SUPPORTED ((HRESULT)0xC0350020)
#endif
#ifndef ERROR_HV_INSUFFICIENT_BUFFER
#define ERROR_HV_INSUFFICIENT_BUFFER ((HRESULT)0xC0350033)
#endif
#ifndef ERROR_HV_CPUID_FEATURE_VALIDATION
#define ERROR_HV_CPUID_FEATURE_VALIDATION ((HRESULT)0xC035003C)
#endif
#ifndef ERROR_HV_CPUID_XSAVE_FEATURE_VALIDATION
#define ERROR_HV_CPUID_XSAVE_FEATURE_VALIDATION ((HRESULT)0xC035003D)
#endif
#ifndef ERROR_HV_INVALID_REGISTER_VALUE
#define ERROR_HV_INVALID_REGISTER_VALUE ((HRESULT)0xC0350050)
#endif
#ifndef ERROR_HV_INVALID_VTL_STATE
#define ERROR_HV_INVALID_VTL_STATE ((HRESULT)0xC0350051)
#endif
#ifndef ERROR_HV_INVALID_DEVICE_ID
#define ERROR_HV_INVALID_DEVICE_ID ((HRESULT)0xC0350057)
#endif
#ifndef ERROR_HV_INVALID_DEVICE_STATE
#define ERROR_HV_INVALID_DEVICE_STATE ((HRESULT)0xC0350058)
#endif

#endif
