/* minwindef.h - Windows' names of C types. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef OPENWHP_MINWINDEF_H
#define OPENWHP_MINWINDEF_H

#pragma GCC system_header

#include <openwhp_compiler.h>
#include <openwhp_windows_types.h>
#include <basetsd.h>
#include <sal.h>
#include <stdarg.h>

#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0A00
#endif
#ifndef WINVER
#define WINVER _WIN32_WINNT
#endif
#ifndef NULL
#ifdef __cplusplus
#define NULL 0
#else
#define NULL ((void *)0)
#endif
#endif

#ifndef CONST
#define CONST const
#endif
#undef FAR
#undef NEAR
#define FAR
#define NEAR
#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif
#ifndef OPTIONAL
#define OPTIONAL
#endif
#undef WINAPI
#undef CALLBACK
#define WINAPI __stdcall
#define CALLBACK __stdcall
#define APIENTRY WINAPI
#define WINAPIV __cdecl
#define PASCAL __stdcall
#define CDECL __cdecl
#define WINBASEAPI
#define WINUSERAPI
#define WINADVAPI
#define MAX_PATH 260

typedef char CHAR, *PCHAR, *LPCH, *PCH, *PSTR, *LPSTR, *NPSTR;
typedef const char *PCSTR, *LPCSTR, *LPCCH, *PCCH;
typedef signed char SCHAR, *PSCHAR;
typedef unsigned char UCHAR, *PUCHAR;
typedef CHAR CCHAR;
typedef short SHORT, *PSHORT;
typedef USHORT *PUSHORT;
typedef int INT, *PINT, *LPINT;
typedef unsigned int UINT, *PUINT;
typedef LONG *PLONG, *LPLONG;
typedef ULONG *PULONG;
typedef LONGLONG *PLONGLONG;
typedef ULONGLONG *PULONGLONG;
typedef ULONGLONG DWORDLONG, *PDWORDLONG;
typedef float FLOAT, *PFLOAT;
typedef double DOUBLE;
typedef BOOL *PBOOL, *LPBOOL;
typedef BOOLEAN *PBOOLEAN;
typedef BYTE *PBYTE, *LPBYTE;
typedef WORD *PWORD, *LPWORD;
typedef DWORD *PDWORD, *LPDWORD;
typedef PVOID LPVOID;
typedef void *PVOID64;
typedef const void *LPCVOID, *PCVOID;
typedef HANDLE *PHANDLE, *LPHANDLE;
typedef HRESULT *PHRESULT;
typedef LONG NTSTATUS, *PNTSTATUS;

typedef WCHAR *PWCHAR, *LPWCH, *PWCH, *PWSTR, *LPWSTR;
typedef const WCHAR *PCWSTR, *LPCWSTR, *LPCWCH, *PCWCH;
#ifdef UNICODE
typedef WCHAR TCHAR, *PTCHAR, TBYTE;
typedef LPWSTR PTSTR, LPTSTR;
typedef LPCWSTR PCTSTR, LPCTSTR;
#define OPENWHP_TEXT(text) L##text
#else
typedef char TCHAR, *PTCHAR;
typedef unsigned char TBYTE;
typedef LPSTR PTSTR, LPTSTR;
typedef LPCSTR PCTSTR, LPCTSTR;
#define OPENWHP_TEXT(text) text
#endif
#define TEXT(text) OPENWHP_TEXT(text)
#define __TEXT(text) OPENWHP_TEXT(text)

typedef UINT_PTR WPARAM;
typedef LONG_PTR LPARAM;
typedef LONG_PTR LRESULT;
typedef WORD ATOM;
typedef WORD LANGID;
typedef DWORD LCID;
typedef DWORD COLORREF;
typedef DWORD ACCESS_MASK, *PACCESS_MASK;

#define DECLARE_HANDLE(name)                                                                    \
    struct name##__ {                                                                           \
        int unused;                                                                             \
    };                                                                                          \
    typedef struct name##__ *name
DECLARE_HANDLE(HINSTANCE);
DECLARE_HANDLE(HWND);
DECLARE_HANDLE(HKEY);
DECLARE_HANDLE(HRSRC);
typedef HINSTANCE HMODULE;
typedef HANDLE HLOCAL;
typedef HANDLE HGLOBAL;

typedef INT_PTR(WINAPI *FARPROC)();
typedef INT_PTR(WINAPI *PROC)();

#define LOWORD(l) ((WORD)((DWORD_PTR)(l)&0xffff))
#define HIWORD(l) ((WORD)((DWORD_PTR)(l) >> 16 & 0xffff))
#define LOBYTE(w) ((BYTE)((DWORD_PTR)(w)&0xff))
#define HIBYTE(w) ((BYTE)((DWORD_PTR)(w) >> 8 & 0xff))
#define MAKEWORD(a, b) ((WORD)((BYTE)(a) | (WORD)((BYTE)(b)) << 8))
#define MAKELONG(a, b) ((LONG)((WORD)(a) | (DWORD)((WORD)(b)) << 16))

typedef struct _FILETIME {
    DWORD dwLowDateTime;
    DWORD dwHighDateTime;
} FILETIME, *PFILETIME, *LPFILETIME;

/* In C++, functions instead of macros: the C++ library has members of these names. */
#ifndef NOMINMAX
#ifdef __cplusplus
extern "C++" {
template <class A, class B>
constexpr auto min(const A &a, const B &b) -> decltype(true ? a + 0 : b + 0) { return a < b ? a : b; }
template <class A, class B>
constexpr auto max(const A &a, const B &b) -> decltype(true ? a + 0 : b + 0) { return a > b ? a : b; }
}
#else
#ifndef max
#define max(a, b) (((a) > (b)) ? (a) : (b))
#endif
#ifndef min
#define min(a, b) (((a) < (b)) ? (a) : (b))
#endif
#endif
#endif

#endif
