/*
 * winnt.h - constants, structures and interlocked operations.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_WINNT_H
#define OPENWHP_WINNT_H

#pragma GCC system_header

#include <minwindef.h>
#include <guiddef.h>
#include <ctype.h>
#include <string.h>
#include <winerror.h>

#ifdef __cplusplus
#define EXTERN_C extern "C"
#define EXTERN_C_START extern "C" {
#define EXTERN_C_END }
#else
#define EXTERN_C extern
#define EXTERN_C_START
#define EXTERN_C_END
#endif
#define STDMETHODCALLTYPE __stdcall
#undef STDAPICALLTYPE
#define STDAPICALLTYPE __stdcall
#define STDAPI EXTERN_C HRESULT STDAPICALLTYPE
#define NTAPI __stdcall
#define NTSYSAPI
#define NTSYSCALLAPI

#define DECLSPEC_IMPORT
#define DECLSPEC_NORETURN __attribute__((__noreturn__))
#define DECLSPEC_NOINLINE __attribute__((__noinline__))
#define DECLSPEC_ALIGN(x) __attribute__((__aligned__(x)))
#define DECLSPEC_CACHEALIGN DECLSPEC_ALIGN(64)
#define DECLSPEC_SELECTANY __attribute__((__weak__))
#define DECLSPEC_NOTHROW
#define DECLSPEC_DEPRECATED
#define FORCEINLINE __forceinline
#define CFORCEINLINE __forceinline
#define STKALIGN
#define RESTRICTED_POINTER __restrict
#define UNALIGNED
#define DUMMYUNIONNAME
#define DUMMYUNIONNAME2
#define DUMMYSTRUCTNAME
#define DUMMYSTRUCTNAME2

#define ANYSIZE_ARRAY 1
#define UNREFERENCED_PARAMETER(p) ((void)(p))
#define DBG_UNREFERENCED_PARAMETER(p) ((void)(p))
#define DBG_UNREFERENCED_LOCAL_VARIABLE(v) ((void)(v))
#define DEFAULT_UNREACHABLE default: __builtin_unreachable()


#define FIELD_OFFSET(type, field) ((LONG)(LONG_PTR)offsetof(type, field))
#define UFIELD_OFFSET(type, field) ((DWORD)(LONG_PTR)offsetof(type, field))
#define RTL_FIELD_SIZE(type, field) (sizeof(((type *)0)->field))
#define RTL_SIZEOF_THROUGH_FIELD(type, field) (offsetof(type, field) + RTL_FIELD_SIZE(type, field))
#define RTL_NUMBER_OF(array) (sizeof(array) / sizeof((array)[0]))
#define ARRAYSIZE(array) RTL_NUMBER_OF(array)
#define _ARRAYSIZE(array) RTL_NUMBER_OF(array)
#define CONTAINING_RECORD(address, type, field) ((type *)((PCHAR)(address)-offsetof(type, field)))

#define MINCHAR 0x80
#define MAXCHAR 0x7f
#define MINSHORT 0x8000
#define MAXSHORT 0x7fff
#define MINLONG 0x80000000
#define MAXLONG 0x7fffffff
#define MAXLONGLONG 0x7fffffffffffffffLL
#define MAXBYTE 0xff
#define MAXWORD 0xffff
#define MAXDWORD 0xffffffff
#define MAXUINT ((UINT)~(UINT)0)
#define MAXULONG ((ULONG)~(ULONG)0)
#define MAXULONG32 MAXULONG
#define MAXUINT8 ((UINT8)~(UINT8)0)
#define MAXUINT16 ((UINT16)~(UINT16)0)
#define MAXUINT32 ((UINT32)~(UINT32)0)
#define MAXUINT64 ((UINT64)~(UINT64)0)
#define MAXULONG64 MAXUINT64
#define MAXINT32 0x7fffffff
#define MAXULONGLONG MAXUINT64
#define MAXDWORD64 MAXUINT64
#define MAXULONG_PTR ((ULONG_PTR)~(ULONG_PTR)0)
#define MAXDWORD_PTR MAXULONG_PTR
#define MAXSIZE_T MAXULONG_PTR
#define MAXSSIZE_T ((SSIZE_T)(MAXSIZE_T >> 1))

typedef union _LARGE_INTEGER {
    __extension__ struct {
        DWORD LowPart;
        LONG HighPart;
    };
    struct {
        DWORD LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
    __extension__ struct {
        DWORD LowPart;
        DWORD HighPart;
    };
    struct {
        DWORD LowPart;
        DWORD HighPart;
    } u;
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef LUID *PLUID;

typedef struct DECLSPEC_ALIGN(16) _M128A {
    ULONGLONG Low;
    LONGLONG High;
} M128A, *PM128A;

typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink;
    struct _LIST_ENTRY *Blink;
} LIST_ENTRY, *PLIST_ENTRY;

typedef struct _SINGLE_LIST_ENTRY {
    struct _SINGLE_LIST_ENTRY *Next;
} SINGLE_LIST_ENTRY, *PSINGLE_LIST_ENTRY;

typedef struct _PROCESSOR_NUMBER {
    WORD Group;
    BYTE Number;
    BYTE Reserved;
} PROCESSOR_NUMBER, *PPROCESSOR_NUMBER;

typedef struct _GROUP_AFFINITY {
    KAFFINITY Mask;
    WORD Group;
    WORD Reserved[3];
} GROUP_AFFINITY, *PGROUP_AFFINITY;

/* ---- Rights ---- */
#define DELETE 0x00010000
#define READ_CONTROL 0x00020000
#define WRITE_DAC 0x00040000
#define WRITE_OWNER 0x00080000
#define SYNCHRONIZE 0x00100000
#define STANDARD_RIGHTS_REQUIRED 0x000F0000
#define STANDARD_RIGHTS_READ READ_CONTROL
#define STANDARD_RIGHTS_ALL 0x001F0000
#define GENERIC_READ 0x80000000
#define GENERIC_WRITE 0x40000000
#define GENERIC_EXECUTE 0x20000000
#define GENERIC_ALL 0x10000000
#define MAXIMUM_ALLOWED 0x02000000
#define EVENT_MODIFY_STATE 0x0002
#define EVENT_ALL_ACCESS 0x1F0003
#define MUTEX_ALL_ACCESS 0x1F0001
#define SEMAPHORE_ALL_ACCESS 0x1F0003
#define SEMAPHORE_MODIFY_STATE 0x0002
#define TIMER_ALL_ACCESS 0x1F0003
#define THREAD_ALL_ACCESS 0x1FFFFF
#define PROCESS_TERMINATE 0x0001
#define PROCESS_VM_OPERATION 0x0008
#define PROCESS_VM_READ 0x0010
#define PROCESS_VM_WRITE 0x0020
#define PROCESS_DUP_HANDLE 0x0040
#define PROCESS_QUERY_INFORMATION 0x0400
#define PROCESS_QUERY_LIMITED_INFORMATION 0x1000
#define PROCESS_ALL_ACCESS 0x1FFFFF
#define DUPLICATE_CLOSE_SOURCE 0x00000001
#define DUPLICATE_SAME_ACCESS 0x00000002
#define HANDLE_FLAG_INHERIT 0x00000001
#define HANDLE_FLAG_PROTECT_FROM_CLOSE 0x00000002

/* ---- Memory ---- */
#define PAGE_NOACCESS 0x01
#define PAGE_READONLY 0x02
#define PAGE_READWRITE 0x04
#define PAGE_WRITECOPY 0x08
#define PAGE_EXECUTE 0x10
#define PAGE_EXECUTE_READ 0x20
#define PAGE_EXECUTE_READWRITE 0x40
#define PAGE_EXECUTE_WRITECOPY 0x80
#define PAGE_GUARD 0x100
#define PAGE_NOCACHE 0x200
#define PAGE_WRITECOMBINE 0x400
#define MEM_COMMIT 0x00001000
#define MEM_RESERVE 0x00002000
#define MEM_REPLACE_PLACEHOLDER 0x00004000
#define MEM_RESERVE_PLACEHOLDER 0x00040000
#define MEM_DECOMMIT 0x00004000
#define MEM_RELEASE 0x00008000
#define MEM_FREE 0x00010000
#define MEM_PRIVATE 0x00020000
#define MEM_MAPPED 0x00040000
#define MEM_RESET 0x00080000
#define MEM_TOP_DOWN 0x00100000
#define MEM_WRITE_WATCH 0x00200000
#define MEM_PHYSICAL 0x00400000
#define MEM_DIFFERENT_IMAGE_BASE_OK 0x00800000
#define MEM_RESET_UNDO 0x01000000
#define MEM_IMAGE 0x01000000
#define MEM_LARGE_PAGES 0x20000000
#define MEM_4MB_PAGES 0x80000000
#define SECTION_QUERY 0x0001
#define SECTION_MAP_WRITE 0x0002
#define SECTION_MAP_READ 0x0004
#define SECTION_MAP_EXECUTE 0x0008
#define SECTION_EXTEND_SIZE 0x0010
#define SECTION_MAP_EXECUTE_EXPLICIT 0x0020
#define SECTION_ALL_ACCESS 0x000F001F
#define SEC_FILE 0x00800000
#define SEC_IMAGE 0x01000000
#define SEC_RESERVE 0x04000000
#define SEC_COMMIT 0x08000000
#define SEC_NOCACHE 0x10000000
#define SEC_LARGE_PAGES 0x80000000

typedef struct _MEMORY_BASIC_INFORMATION {
    PVOID BaseAddress;
    PVOID AllocationBase;
    DWORD AllocationProtect;
    WORD PartitionId;
    SIZE_T RegionSize;
    DWORD State;
    DWORD Protect;
    DWORD Type;
} MEMORY_BASIC_INFORMATION, *PMEMORY_BASIC_INFORMATION;

/* ---- Files ---- */
#define FILE_READ_DATA 0x0001
#define FILE_WRITE_DATA 0x0002
#define FILE_APPEND_DATA 0x0004
#define FILE_READ_ATTRIBUTES 0x0080
#define FILE_WRITE_ATTRIBUTES 0x0100
#define FILE_GENERIC_READ 0x00120089
#define FILE_GENERIC_WRITE 0x00120116
#define FILE_ALL_ACCESS 0x001F01FF
#define FILE_SHARE_READ 0x00000001
#define FILE_SHARE_WRITE 0x00000002
#define FILE_SHARE_DELETE 0x00000004
#define FILE_ATTRIBUTE_READONLY 0x00000001
#define FILE_ATTRIBUTE_HIDDEN 0x00000002
#define FILE_ATTRIBUTE_SYSTEM 0x00000004
#define FILE_ATTRIBUTE_DIRECTORY 0x00000010
#define FILE_ATTRIBUTE_ARCHIVE 0x00000020
#define FILE_ATTRIBUTE_NORMAL 0x00000080
#define FILE_ATTRIBUTE_TEMPORARY 0x00000100

/* ---- Processor ---- */
#define PROCESSOR_ARCHITECTURE_INTEL 0
#define PROCESSOR_ARCHITECTURE_AMD64 9
#define PROCESSOR_ARCHITECTURE_ARM64 12
#define PROCESSOR_ARCHITECTURE_UNKNOWN 0xFFFF
#define PROCESSOR_AMD_X8664 8664
#define PF_FLOATING_POINT_PRECISION_ERRATA 0
#define PF_COMPARE_EXCHANGE_DOUBLE 2
#define PF_MMX_INSTRUCTIONS_AVAILABLE 3
#define PF_XMMI_INSTRUCTIONS_AVAILABLE 6
#define PF_RDTSC_INSTRUCTION_AVAILABLE 8
#define PF_PAE_ENABLED 9
#define PF_XMMI64_INSTRUCTIONS_AVAILABLE 10
#define PF_NX_ENABLED 12
#define PF_SSE3_INSTRUCTIONS_AVAILABLE 13
#define PF_COMPARE_EXCHANGE128 14
#define PF_XSAVE_ENABLED 17
#define PF_SECOND_LEVEL_ADDRESS_TRANSLATION 20
#define PF_VIRT_FIRMWARE_ENABLED 21
#define PF_RDWRFSGSBASE_AVAILABLE 22
#define PF_SSSE3_INSTRUCTIONS_AVAILABLE 36
#define PF_SSE4_1_INSTRUCTIONS_AVAILABLE 37
#define PF_SSE4_2_INSTRUCTIONS_AVAILABLE 38
#define PF_AVX_INSTRUCTIONS_AVAILABLE 39
#define PF_AVX2_INSTRUCTIONS_AVAILABLE 40
#define PF_AVX512F_INSTRUCTIONS_AVAILABLE 41

/* ---- Languages ---- */
#define LANG_NEUTRAL 0x00
#define LANG_ENGLISH 0x09
#define SUBLANG_NEUTRAL 0x00
#define SUBLANG_DEFAULT 0x01
#define SUBLANG_ENGLISH_US 0x01
#define MAKELANGID(p, s) ((WORD)((WORD)(s) << 10 | (WORD)(p)))
#define LANG_SYSTEM_DEFAULT MAKELANGID(LANG_NEUTRAL, SUBLANG_DEFAULT)
#define LANG_USER_DEFAULT MAKELANGID(LANG_NEUTRAL, SUBLANG_DEFAULT)

/* ---- Memory blocks ---- */
#define RtlEqualMemory(a, b, size) (!memcmp((a), (b), (size)))
#define RtlMoveMemory(to, from, size) memmove((to), (from), (size))
#define RtlCopyMemory(to, from, size) memcpy((to), (from), (size))
#define RtlFillMemory(to, size, byte) memset((to), (byte), (size))
#define RtlZeroMemory(to, size) memset((to), 0, (size))
#define MoveMemory RtlMoveMemory
#define CopyMemory RtlCopyMemory
#define FillMemory RtlFillMemory
#define ZeroMemory RtlZeroMemory
#define EqualMemory RtlEqualMemory

__forceinline PVOID RtlSecureZeroMemory(PVOID memory, SIZE_T size) {
    volatile char *at = (volatile char *)memory;
    while (size--) *at++ = 0;
    return memory;
}
#define SecureZeroMemory RtlSecureZeroMemory

/* ---- Locks in memory ---- */
typedef struct _RTL_SRWLOCK {
    PVOID Ptr;
} RTL_SRWLOCK, *PRTL_SRWLOCK;
#define RTL_SRWLOCK_INIT                                                                        \
    { 0 }
typedef struct _RTL_CONDITION_VARIABLE {
    PVOID Ptr;
} RTL_CONDITION_VARIABLE, *PRTL_CONDITION_VARIABLE;
#define RTL_CONDITION_VARIABLE_INIT                                                             \
    { 0 }
typedef union _RTL_RUN_ONCE {
    PVOID Ptr;
} RTL_RUN_ONCE, *PRTL_RUN_ONCE;
#define RTL_RUN_ONCE_INIT                                                                       \
    { 0 }
typedef struct _RTL_CRITICAL_SECTION {
    PVOID DebugInfo;
    LONG LockCount;
    LONG RecursionCount;
    HANDLE OwningThread;
    HANDLE LockSemaphore;
    ULONG_PTR SpinCount;
} RTL_CRITICAL_SECTION, *PRTL_CRITICAL_SECTION;

/* ---- Interlocked operations: full barriers, on whatever the pointer points to ---- */
#ifdef __cplusplus
extern "C++" {
#define OPENWHP_INTERLOCKED_1(name, result)                                                     \
    template <class T>                                                                          \
    inline T name(T volatile *target) {                                                         \
        return result;                                                                          \
    }
#define OPENWHP_INTERLOCKED_2(name, result)                                                     \
    template <class T, class V>                                                                 \
    inline T name(T volatile *target, V value) {                                                \
        return result;                                                                          \
    }
template <class T, class V, class C>
inline T OpenwhpCompareExchange(T volatile *target, V value, C comparand) {
    T expected = (T)comparand;
    __atomic_compare_exchange_n(target, &expected, (T)value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}
OPENWHP_INTERLOCKED_1(OpenwhpIncrement, __atomic_add_fetch(target, (T)1, __ATOMIC_SEQ_CST))
OPENWHP_INTERLOCKED_1(OpenwhpDecrement, __atomic_sub_fetch(target, (T)1, __ATOMIC_SEQ_CST))
OPENWHP_INTERLOCKED_2(OpenwhpExchange, __atomic_exchange_n(target, (T)value, __ATOMIC_SEQ_CST))
OPENWHP_INTERLOCKED_2(OpenwhpExchangeAdd, __atomic_fetch_add(target, (T)value, __ATOMIC_SEQ_CST))
OPENWHP_INTERLOCKED_2(OpenwhpAdd, __atomic_add_fetch(target, (T)value, __ATOMIC_SEQ_CST))
OPENWHP_INTERLOCKED_2(OpenwhpAnd, __atomic_fetch_and(target, (T)value, __ATOMIC_SEQ_CST))
OPENWHP_INTERLOCKED_2(OpenwhpOr, __atomic_fetch_or(target, (T)value, __ATOMIC_SEQ_CST))
OPENWHP_INTERLOCKED_2(OpenwhpXor, __atomic_fetch_xor(target, (T)value, __ATOMIC_SEQ_CST))
}
#else
#define OPENWHP_VALUE(target) __typeof__(*(target) + 0)
#define OpenwhpIncrement(target) __atomic_add_fetch((target), 1, __ATOMIC_SEQ_CST)
#define OpenwhpDecrement(target) __atomic_sub_fetch((target), 1, __ATOMIC_SEQ_CST)
#define OpenwhpExchange(target, value) __atomic_exchange_n((target), (value), __ATOMIC_SEQ_CST)
#define OpenwhpExchangeAdd(target, value) __atomic_fetch_add((target), (value), __ATOMIC_SEQ_CST)
#define OpenwhpAdd(target, value) __atomic_add_fetch((target), (value), __ATOMIC_SEQ_CST)
#define OpenwhpAnd(target, value) __atomic_fetch_and((target), (value), __ATOMIC_SEQ_CST)
#define OpenwhpOr(target, value) __atomic_fetch_or((target), (value), __ATOMIC_SEQ_CST)
#define OpenwhpXor(target, value) __atomic_fetch_xor((target), (value), __ATOMIC_SEQ_CST)
#define OpenwhpCompareExchange(target, value, comparand)                                        \
    __extension__({                                                                             \
        __typeof__(target) openwhp_target = (target);                                           \
        __typeof__(__sync_val_compare_and_swap(openwhp_target, *openwhp_target, *openwhp_target)) openwhp_expected = (comparand); \
        __sync_val_compare_and_swap(openwhp_target, openwhp_expected, (value));                 \
    })
#endif
#define InterlockedIncrement OpenwhpIncrement
#define _InterlockedIncrement OpenwhpIncrement
#define InterlockedIncrement8 OpenwhpIncrement
#define _InterlockedIncrement8 OpenwhpIncrement
#define InterlockedIncrement16 OpenwhpIncrement
#define _InterlockedIncrement16 OpenwhpIncrement
#define InterlockedIncrement64 OpenwhpIncrement
#define _InterlockedIncrement64 OpenwhpIncrement
#define InterlockedIncrementAcquire OpenwhpIncrement
#define _InterlockedIncrementAcquire OpenwhpIncrement
#define InterlockedIncrementRelease OpenwhpIncrement
#define _InterlockedIncrementRelease OpenwhpIncrement
#define InterlockedIncrementNoFence OpenwhpIncrement
#define _InterlockedIncrementNoFence OpenwhpIncrement
#define InterlockedIncrementAcquire64 OpenwhpIncrement
#define _InterlockedIncrementAcquire64 OpenwhpIncrement
#define InterlockedIncrementRelease64 OpenwhpIncrement
#define _InterlockedIncrementRelease64 OpenwhpIncrement
#define InterlockedIncrementNoFence64 OpenwhpIncrement
#define _InterlockedIncrementNoFence64 OpenwhpIncrement
#define InterlockedDecrement OpenwhpDecrement
#define _InterlockedDecrement OpenwhpDecrement
#define InterlockedDecrement8 OpenwhpDecrement
#define _InterlockedDecrement8 OpenwhpDecrement
#define InterlockedDecrement16 OpenwhpDecrement
#define _InterlockedDecrement16 OpenwhpDecrement
#define InterlockedDecrement64 OpenwhpDecrement
#define _InterlockedDecrement64 OpenwhpDecrement
#define InterlockedDecrementAcquire OpenwhpDecrement
#define _InterlockedDecrementAcquire OpenwhpDecrement
#define InterlockedDecrementRelease OpenwhpDecrement
#define _InterlockedDecrementRelease OpenwhpDecrement
#define InterlockedDecrementNoFence OpenwhpDecrement
#define _InterlockedDecrementNoFence OpenwhpDecrement
#define InterlockedDecrementAcquire64 OpenwhpDecrement
#define _InterlockedDecrementAcquire64 OpenwhpDecrement
#define InterlockedDecrementRelease64 OpenwhpDecrement
#define _InterlockedDecrementRelease64 OpenwhpDecrement
#define InterlockedDecrementNoFence64 OpenwhpDecrement
#define _InterlockedDecrementNoFence64 OpenwhpDecrement
#define InterlockedExchange OpenwhpExchange
#define _InterlockedExchange OpenwhpExchange
#define InterlockedExchange8 OpenwhpExchange
#define _InterlockedExchange8 OpenwhpExchange
#define InterlockedExchange16 OpenwhpExchange
#define _InterlockedExchange16 OpenwhpExchange
#define InterlockedExchange64 OpenwhpExchange
#define _InterlockedExchange64 OpenwhpExchange
#define InterlockedExchangeAcquire OpenwhpExchange
#define _InterlockedExchangeAcquire OpenwhpExchange
#define InterlockedExchangeRelease OpenwhpExchange
#define _InterlockedExchangeRelease OpenwhpExchange
#define InterlockedExchangeNoFence OpenwhpExchange
#define _InterlockedExchangeNoFence OpenwhpExchange
#define InterlockedExchangeAcquire64 OpenwhpExchange
#define _InterlockedExchangeAcquire64 OpenwhpExchange
#define InterlockedExchangeRelease64 OpenwhpExchange
#define _InterlockedExchangeRelease64 OpenwhpExchange
#define InterlockedExchangeNoFence64 OpenwhpExchange
#define _InterlockedExchangeNoFence64 OpenwhpExchange
#define InterlockedExchangePointer OpenwhpExchange
#define _InterlockedExchangePointer OpenwhpExchange
#define InterlockedExchangeAdd OpenwhpExchangeAdd
#define _InterlockedExchangeAdd OpenwhpExchangeAdd
#define InterlockedExchangeAdd8 OpenwhpExchangeAdd
#define _InterlockedExchangeAdd8 OpenwhpExchangeAdd
#define InterlockedExchangeAdd16 OpenwhpExchangeAdd
#define _InterlockedExchangeAdd16 OpenwhpExchangeAdd
#define InterlockedExchangeAdd64 OpenwhpExchangeAdd
#define _InterlockedExchangeAdd64 OpenwhpExchangeAdd
#define InterlockedExchangeAddAcquire OpenwhpExchangeAdd
#define _InterlockedExchangeAddAcquire OpenwhpExchangeAdd
#define InterlockedExchangeAddRelease OpenwhpExchangeAdd
#define _InterlockedExchangeAddRelease OpenwhpExchangeAdd
#define InterlockedExchangeAddNoFence OpenwhpExchangeAdd
#define _InterlockedExchangeAddNoFence OpenwhpExchangeAdd
#define InterlockedExchangeAddAcquire64 OpenwhpExchangeAdd
#define _InterlockedExchangeAddAcquire64 OpenwhpExchangeAdd
#define InterlockedExchangeAddRelease64 OpenwhpExchangeAdd
#define _InterlockedExchangeAddRelease64 OpenwhpExchangeAdd
#define InterlockedExchangeAddNoFence64 OpenwhpExchangeAdd
#define _InterlockedExchangeAddNoFence64 OpenwhpExchangeAdd
#define InterlockedAdd OpenwhpAdd
#define _InterlockedAdd OpenwhpAdd
#define InterlockedAdd8 OpenwhpAdd
#define _InterlockedAdd8 OpenwhpAdd
#define InterlockedAdd16 OpenwhpAdd
#define _InterlockedAdd16 OpenwhpAdd
#define InterlockedAdd64 OpenwhpAdd
#define _InterlockedAdd64 OpenwhpAdd
#define InterlockedAddAcquire OpenwhpAdd
#define _InterlockedAddAcquire OpenwhpAdd
#define InterlockedAddRelease OpenwhpAdd
#define _InterlockedAddRelease OpenwhpAdd
#define InterlockedAddAcquire64 OpenwhpAdd
#define _InterlockedAddAcquire64 OpenwhpAdd
#define InterlockedAddRelease64 OpenwhpAdd
#define _InterlockedAddRelease64 OpenwhpAdd
#define InterlockedAnd OpenwhpAnd
#define _InterlockedAnd OpenwhpAnd
#define InterlockedAnd8 OpenwhpAnd
#define _InterlockedAnd8 OpenwhpAnd
#define InterlockedAnd16 OpenwhpAnd
#define _InterlockedAnd16 OpenwhpAnd
#define InterlockedAnd64 OpenwhpAnd
#define _InterlockedAnd64 OpenwhpAnd
#define InterlockedAndAcquire OpenwhpAnd
#define _InterlockedAndAcquire OpenwhpAnd
#define InterlockedAndRelease OpenwhpAnd
#define _InterlockedAndRelease OpenwhpAnd
#define InterlockedAndAcquire64 OpenwhpAnd
#define _InterlockedAndAcquire64 OpenwhpAnd
#define InterlockedAndRelease64 OpenwhpAnd
#define _InterlockedAndRelease64 OpenwhpAnd
#define InterlockedOr OpenwhpOr
#define _InterlockedOr OpenwhpOr
#define InterlockedOr8 OpenwhpOr
#define _InterlockedOr8 OpenwhpOr
#define InterlockedOr16 OpenwhpOr
#define _InterlockedOr16 OpenwhpOr
#define InterlockedOr64 OpenwhpOr
#define _InterlockedOr64 OpenwhpOr
#define InterlockedOrAcquire OpenwhpOr
#define _InterlockedOrAcquire OpenwhpOr
#define InterlockedOrRelease OpenwhpOr
#define _InterlockedOrRelease OpenwhpOr
#define InterlockedOrAcquire64 OpenwhpOr
#define _InterlockedOrAcquire64 OpenwhpOr
#define InterlockedOrRelease64 OpenwhpOr
#define _InterlockedOrRelease64 OpenwhpOr
#define InterlockedXor OpenwhpXor
#define _InterlockedXor OpenwhpXor
#define InterlockedXor8 OpenwhpXor
#define _InterlockedXor8 OpenwhpXor
#define InterlockedXor16 OpenwhpXor
#define _InterlockedXor16 OpenwhpXor
#define InterlockedXor64 OpenwhpXor
#define _InterlockedXor64 OpenwhpXor
#define InterlockedXorAcquire OpenwhpXor
#define _InterlockedXorAcquire OpenwhpXor
#define InterlockedXorRelease OpenwhpXor
#define _InterlockedXorRelease OpenwhpXor
#define InterlockedXorAcquire64 OpenwhpXor
#define _InterlockedXorAcquire64 OpenwhpXor
#define InterlockedXorRelease64 OpenwhpXor
#define _InterlockedXorRelease64 OpenwhpXor
#define InterlockedCompareExchange OpenwhpCompareExchange
#define _InterlockedCompareExchange OpenwhpCompareExchange
#define InterlockedCompareExchange8 OpenwhpCompareExchange
#define _InterlockedCompareExchange8 OpenwhpCompareExchange
#define InterlockedCompareExchange16 OpenwhpCompareExchange
#define _InterlockedCompareExchange16 OpenwhpCompareExchange
#define InterlockedCompareExchange64 OpenwhpCompareExchange
#define _InterlockedCompareExchange64 OpenwhpCompareExchange
#define InterlockedCompareExchangeAcquire OpenwhpCompareExchange
#define _InterlockedCompareExchangeAcquire OpenwhpCompareExchange
#define InterlockedCompareExchangeRelease OpenwhpCompareExchange
#define _InterlockedCompareExchangeRelease OpenwhpCompareExchange
#define InterlockedCompareExchangeNoFence OpenwhpCompareExchange
#define _InterlockedCompareExchangeNoFence OpenwhpCompareExchange
#define InterlockedCompareExchangeAcquire64 OpenwhpCompareExchange
#define _InterlockedCompareExchangeAcquire64 OpenwhpCompareExchange
#define InterlockedCompareExchangeRelease64 OpenwhpCompareExchange
#define _InterlockedCompareExchangeRelease64 OpenwhpCompareExchange
#define InterlockedCompareExchangeNoFence64 OpenwhpCompareExchange
#define _InterlockedCompareExchangeNoFence64 OpenwhpCompareExchange
#define InterlockedCompareExchangePointer OpenwhpCompareExchange
#define _InterlockedCompareExchangePointer OpenwhpCompareExchange

#define MemoryBarrier() __sync_synchronize()
#if defined(__x86_64__)
#define YieldProcessor() __builtin_ia32_pause()
#else
#define YieldProcessor() __asm__ __volatile__("yield")
#endif

/* Bits. The index may be any integer: Windows' is a 32-bit long. */
#define BitScanForward _BitScanForward
#define BitScanReverse _BitScanReverse
#define BitScanForward64 _BitScanForward64
#define BitScanReverse64 _BitScanReverse64
#define BitTest _bittest
#define BitTest64 _bittest64
#define PopulationCount64(x) __builtin_popcountll(x)

#endif
