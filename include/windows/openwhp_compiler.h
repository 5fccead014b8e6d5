/*
 * openwhp_compiler.h - words of Microsoft's compilers, for gcc and clang.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_COMPILER_H
#define OPENWHP_COMPILER_H

#pragma GCC system_header

/* Integers. 64-bit ones have the type of uint64_t and size_t, so that all of them mix as they do on Windows. */
#undef __int8
#undef __int16
#undef __int32
#undef __int64
#define __int8 char
#define __int16 short
#define __int32 int
#define __int64 long
#define _int64 long

/* Calling conventions: there is one. */
#undef __cdecl
#undef __stdcall
#undef __fastcall
#undef __thiscall
#undef __vectorcall
#define __cdecl
#define __stdcall
#define __fastcall
#define __thiscall
#define __vectorcall
#define _cdecl
#define _stdcall

#undef __unaligned
#undef __ptr32
#undef __ptr64
#undef __w64
#define __unaligned
#define __ptr32
#define __ptr64
#define __w64

#undef __forceinline
#define __forceinline __inline__ __attribute__((__always_inline__))
#define _inline __inline__

/* __declspec(x) is one of these. */
#undef __declspec
#define __declspec(x) OPENWHP_DECLSPEC_##x
#define OPENWHP_DECLSPEC_dllexport __attribute__((__visibility__("default")))
#define OPENWHP_DECLSPEC_dllimport
#define OPENWHP_DECLSPEC_noinline __attribute__((__noinline__))
#define OPENWHP_DECLSPEC_noreturn __attribute__((__noreturn__))
#define OPENWHP_DECLSPEC__Noreturn __attribute__((__noreturn__))
#define OPENWHP_DECLSPEC_align(n) __attribute__((__aligned__(n)))
#define OPENWHP_DECLSPEC_thread __thread
#define OPENWHP_DECLSPEC_selectany __attribute__((__weak__))
#define OPENWHP_DECLSPEC_deprecated __attribute__((__deprecated__))
#define OPENWHP_DECLSPEC_restrict
#define OPENWHP_DECLSPEC_noalias
#define OPENWHP_DECLSPEC_nothrow
#define OPENWHP_DECLSPEC_novtable
#define OPENWHP_DECLSPEC_safebuffers
#define OPENWHP_DECLSPEC_allocator
#define OPENWHP_DECLSPEC_naked __attribute__((__naked__))
#define OPENWHP_DECLSPEC_uuid(x)
#define OPENWHP_DECLSPEC_code_seg(x) __attribute__((__section__(x)))
#define OPENWHP_DECLSPEC_allocate(x) __attribute__((__section__(x)))

#undef __assume
#define __assume(condition) ((condition) ? (void)0 : __builtin_unreachable())
#undef __noop
#define __noop(...) ((void)0)
#undef __debugbreak
#define __debugbreak() __builtin_trap()
#define OPENWHP_PRAGMA(x) _Pragma(#x)
#undef __pragma
#define __pragma(x) OPENWHP_PRAGMA(x)
#ifndef __FUNCSIG__
#define __FUNCSIG__ __PRETTY_FUNCTION__
#endif

/* The target, as Microsoft's compilers name it. */
#if defined(__x86_64__)
#ifndef _M_X64
#define _M_X64 100
#endif
#ifndef _M_AMD64
#define _M_AMD64 100
#endif
#ifndef _AMD64_
#define _AMD64_
#endif
#elif defined(__aarch64__)
#ifndef _M_ARM64
#define _M_ARM64 1
#endif
#ifndef _ARM64_
#define _ARM64_
#endif
#endif

#endif
