/* basetsd.h - integers as wide as pointers. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef OPENWHP_BASETSD_H
#define OPENWHP_BASETSD_H

#pragma GCC system_header

#include <openwhp_compiler.h>
#include <openwhp_windows_types.h>

typedef intptr_t INT_PTR, *PINT_PTR;
typedef uintptr_t UINT_PTR, *PUINT_PTR;
typedef intptr_t LONG_PTR, *PLONG_PTR;
typedef ULONG_PTR *PULONG_PTR;
typedef ULONG_PTR DWORD_PTR, *PDWORD_PTR;
typedef ULONG_PTR KAFFINITY, *PKAFFINITY;
typedef intptr_t SSIZE_T, *PSSIZE_T;
typedef SIZE_T *PSIZE_T;
typedef INT8 *PINT8;
typedef INT16 *PINT16;
typedef INT32 *PINT32;
typedef INT64 *PINT64;
typedef UINT8 *PUINT8;
typedef UINT16 *PUINT16;
typedef UINT32 *PUINT32;
typedef UINT64 *PUINT64;
typedef INT32 LONG32, *PLONG32;
typedef UINT32 ULONG32, *PULONG32;
typedef UINT32 DWORD32, *PDWORD32;
typedef INT64 LONG64, *PLONG64;
typedef ULONG64 *PULONG64;
typedef DWORD64 *PDWORD64;
typedef uint16_t UHALF_PTR;

#define PtrToUlong(p) ((ULONG)(ULONG_PTR)(p))
#define PtrToLong(p) ((LONG)(LONG_PTR)(p))
#define PtrToUint(p) ((UINT32)(UINT_PTR)(p))
#define UlongToPtr(u) ((VOID *)(ULONG_PTR)(u))
#define ULongToPtr(u) UlongToPtr(u)
#define LongToPtr(l) ((VOID *)(LONG_PTR)(l))
#define IntToPtr(i) ((VOID *)(INT_PTR)(i))
#define UIntToPtr(u) ((VOID *)(UINT_PTR)(u))
#define HandleToULong(h) ((ULONG)(ULONG_PTR)(h))
#define HandleToUlong(h) HandleToULong(h)
#define HandleToLong(h) ((LONG)(LONG_PTR)(h))
#define LongToHandle(l) ((HANDLE)(LONG_PTR)(l))
#define ULongToHandle(l) ((HANDLE)(ULONG_PTR)(l))

#endif
