/*
 * winuser.h - messages and formatting, for programs with no window
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_WINUSER_H
#define OPENWHP_WINUSER_H

#pragma GCC system_header

#include <minwindef.h>
#include <winnt.h>
#include <minwinbase.h>

#include <stdarg.h>
#include <stdio.h>
#include <wchar.h>

#define MB_OK 0x0000
#define MB_OKCANCEL 0x0001
#define MB_YESNO 0x0004
#define MB_ICONERROR 0x0010
#define MB_ICONHAND 0x0010
#define MB_ICONWARNING 0x0030
#define MB_ICONINFORMATION 0x0040
#define IDOK 1
#define SW_HIDE 0
#define SW_SHOW 5

#define VK_BACK 0x08
#define VK_TAB 0x09
#define VK_RETURN 0x0D
#define VK_SHIFT 0x10
#define VK_CONTROL 0x11
#define VK_MENU 0x12
#define VK_ESCAPE 0x1B
#define VK_SPACE 0x20
#define VK_PRIOR 0x21
#define VK_NEXT 0x22
#define VK_END 0x23
#define VK_HOME 0x24
#define VK_LEFT 0x25
#define VK_UP 0x26
#define VK_RIGHT 0x27
#define VK_DOWN 0x28
#define VK_INSERT 0x2D
#define VK_DELETE 0x2E
#define VK_F1 0x70
#define VK_F2 0x71
#define VK_F3 0x72
#define VK_F4 0x73
#define VK_F5 0x74
#define VK_F6 0x75
#define VK_F7 0x76
#define VK_F8 0x77
#define VK_F9 0x78
#define VK_F10 0x79
#define VK_F11 0x7A
#define VK_F12 0x7B

/* There is no window: the text goes to standard error. */
static __inline__ int MessageBoxA(HWND window, LPCSTR text, LPCSTR title, UINT type) {
    (void)window, (void)type;
    fprintf(stderr, "%s: %s\n", title ? title : "Error", text ? text : "");
    return IDOK;
}
static __inline__ int wvsprintfA(LPSTR buffer, LPCSTR format, va_list arguments) {
    return vsnprintf(buffer, 1024, format, arguments);
}
static __inline__ int wsprintfA(LPSTR buffer, LPCSTR format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = wvsprintfA(buffer, format, arguments);
    va_end(arguments);
    return length;
}
#if __SIZEOF_WCHAR_T__ == 2
static __inline__ int MessageBoxW(HWND window, LPCWSTR text, LPCWSTR title, UINT type) {
    (void)window, (void)type;
    fprintf(stderr, "%ls: %ls\n", title ? (const wchar_t *)title : L"Error",
            text ? (const wchar_t *)text : L"");
    return IDOK;
}
static __inline__ int wsprintfW(LPWSTR buffer, LPCWSTR format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vswprintf(buffer, 1024, format, arguments);
    va_end(arguments);
    return length;
}
#endif

#ifdef UNICODE
#define MessageBox MessageBoxW
#define wsprintf wsprintfW
#else
#define MessageBox MessageBoxA
#define wsprintf wsprintfA
#endif

#endif
