/*
 * winver.h - resources and versions of files: there are none here
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_WINVER_H
#define OPENWHP_WINVER_H

#pragma GCC system_header

#include <errhandlingapi.h>
#include <libloaderapi.h>
#include <winerror.h>

typedef struct tagVS_FIXEDFILEINFO {
    DWORD dwSignature;
    DWORD dwStrucVersion;
    DWORD dwFileVersionMS;
    DWORD dwFileVersionLS;
    DWORD dwProductVersionMS;
    DWORD dwProductVersionLS;
    DWORD dwFileFlagsMask;
    DWORD dwFileFlags;
    DWORD dwFileOS;
    DWORD dwFileType;
    DWORD dwFileSubtype;
    DWORD dwFileDateMS;
    DWORD dwFileDateLS;
} VS_FIXEDFILEINFO;

#define MAKEINTRESOURCEA(i) ((LPSTR)(ULONG_PTR)(WORD)(i))
#define MAKEINTRESOURCEW(i) ((LPWSTR)(ULONG_PTR)(WORD)(i))
#define VS_VERSION_INFO 1

static __inline__ HRSRC FindResourceA(HMODULE module, LPCSTR name, LPCSTR type) {
    (void)module, (void)name, (void)type;
    SetLastError(ERROR_RESOURCE_DATA_NOT_FOUND);
    return NULL;
}
static __inline__ HRSRC FindResourceW(HMODULE module, LPCWSTR name, LPCWSTR type) {
    (void)module, (void)name, (void)type;
    SetLastError(ERROR_RESOURCE_DATA_NOT_FOUND);
    return NULL;
}
static __inline__ HGLOBAL LoadResource(HMODULE module, HRSRC resource) {
    (void)module, (void)resource;
    SetLastError(ERROR_RESOURCE_DATA_NOT_FOUND);
    return NULL;
}
static __inline__ LPVOID LockResource(HGLOBAL resource) { return (LPVOID)resource; }
static __inline__ BOOL FreeResource(HGLOBAL resource) { return (void)resource, FALSE; }
#define UnlockResource(resource) ((void)(resource), 0)
static __inline__ DWORD SizeofResource(HMODULE module, HRSRC resource) { return (void)module, (void)resource, 0; }
static __inline__ DWORD GetFileVersionInfoSizeA(LPCSTR file, LPDWORD handle) {
    (void)file;
    if (handle) *handle = 0;
    SetLastError(ERROR_RESOURCE_DATA_NOT_FOUND);
    return 0;
}
static __inline__ DWORD GetFileVersionInfoSizeW(LPCWSTR file, LPDWORD handle) {
    (void)file;
    return GetFileVersionInfoSizeA(NULL, handle);
}
static __inline__ BOOL GetFileVersionInfoW(LPCWSTR file, DWORD handle, DWORD size, LPVOID data) {
    (void)file, (void)handle, (void)size, (void)data;
    SetLastError(ERROR_RESOURCE_DATA_NOT_FOUND);
    return FALSE;
}
static __inline__ BOOL VerQueryValueW(LPCVOID block, LPCWSTR name, LPVOID *value, UINT *length) {
    (void)block, (void)name, (void)value, (void)length;
    return FALSE;
}

#ifdef UNICODE
#define MAKEINTRESOURCE MAKEINTRESOURCEW
#define FindResource FindResourceW
#define RT_VERSION MAKEINTRESOURCEW(16)
#else
#define MAKEINTRESOURCE MAKEINTRESOURCEA
#define FindResource FindResourceA
#define RT_VERSION MAKEINTRESOURCEA(16)
#endif

#endif
