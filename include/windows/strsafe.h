/*
 * strsafe.h - strings that know their buffers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_STRSAFE_H
#define OPENWHP_STRSAFE_H

#pragma GCC system_header

#include <minwindef.h>
#include <winerror.h>
#include <openwhp_crt.h>

#define STRSAFE_MAX_CCH 2147483647
#define STRSAFE_E_INSUFFICIENT_BUFFER ((HRESULT)0x8007007A)
#define STRSAFE_E_INVALID_PARAMETER ((HRESULT)0x80070057)
#define STRSAFE_E_END_OF_FILE ((HRESULT)0x80070026)

#define OPENWHP_STRSAFE(suffix, unit, narrow_cat, length_of, vformat)                           \
    static __inline__ HRESULT StringCchVPrintf##suffix(unit *to, size_t size, const unit *format, va_list arguments) { \
        int length;                                                                             \
        if (!to || !size || size > STRSAFE_MAX_CCH) return STRSAFE_E_INVALID_PARAMETER;         \
        length = vformat(to, size, format, arguments);                                          \
        return length >= 0 && (size_t)length < size ? S_OK : STRSAFE_E_INSUFFICIENT_BUFFER;     \
    }                                                                                           \
    static __inline__ HRESULT StringCchPrintf##suffix(unit *to, size_t size, const unit *format, ...) { \
        HRESULT result;                                                                         \
        va_list arguments;                                                                      \
        va_start(arguments, format);                                                            \
        result = StringCchVPrintf##suffix(to, size, format, arguments);                         \
        va_end(arguments);                                                                      \
        return result;                                                                          \
    }                                                                                           \
    static __inline__ HRESULT StringCbPrintf##suffix(unit *to, size_t size, const unit *format, ...) { \
        HRESULT result;                                                                         \
        va_list arguments;                                                                      \
        va_start(arguments, format);                                                            \
        result = StringCchVPrintf##suffix(to, size / sizeof(unit), format, arguments);          \
        va_end(arguments);                                                                      \
        return result;                                                                          \
    }                                                                                           \
    static __inline__ HRESULT StringCchCopy##suffix(unit *to, size_t size, const unit *from) {  \
        size_t i = 0;                                                                           \
        if (!to || !size || size > STRSAFE_MAX_CCH) return STRSAFE_E_INVALID_PARAMETER;         \
        for (; i < size - 1 && from[i]; i++) to[i] = from[i];                                   \
        to[i] = 0;                                                                              \
        return from[i] ? STRSAFE_E_INSUFFICIENT_BUFFER : S_OK;                                  \
    }                                                                                           \
    static __inline__ HRESULT StringCbCopy##suffix(unit *to, size_t size, const unit *from) {   \
        return StringCchCopy##suffix(to, size / sizeof(unit), from);                            \
    }                                                                                           \
    static __inline__ HRESULT StringCchLength##suffix(const unit *text, size_t limit, size_t *length) { \
        size_t i = 0;                                                                           \
        if (!text || limit > STRSAFE_MAX_CCH) return STRSAFE_E_INVALID_PARAMETER;               \
        while (i < limit && text[i]) i++;                                                       \
        if (length) *length = i;                                                                \
        return i < limit ? S_OK : STRSAFE_E_INVALID_PARAMETER;                                  \
    }                                                                                           \
    static __inline__ HRESULT StringCchCat##suffix(unit *to, size_t size, const unit *from) {   \
        size_t used = 0;                                                                        \
        if (!to || size > STRSAFE_MAX_CCH) return STRSAFE_E_INVALID_PARAMETER;                  \
        while (used < size && to[used]) used++;                                                 \
        return used < size ? StringCchCopy##suffix(to + used, size - used, from) : STRSAFE_E_INVALID_PARAMETER; \
    }                                                                                           \
    static __inline__ HRESULT StringCbCat##suffix(unit *to, size_t size, const unit *from) {    \
        return StringCchCat##suffix(to, size / sizeof(unit), from);                             \
    }

OPENWHP_STRSAFE(A, char, strcat, strlen, vsnprintf)
#if __SIZEOF_WCHAR_T__ == 2
OPENWHP_STRSAFE(W, wchar_t, wcscat, wcslen, vswprintf)
#endif

#ifdef UNICODE
#define StringCchPrintf StringCchPrintfW
#define StringCchVPrintf StringCchVPrintfW
#define StringCbPrintf StringCbPrintfW
#define StringCchCopy StringCchCopyW
#define StringCbCopy StringCbCopyW
#define StringCchLength StringCchLengthW
#define StringCchCat StringCchCatW
#define StringCbCat StringCbCatW
#else
#define StringCchPrintf StringCchPrintfA
#define StringCchVPrintf StringCchVPrintfA
#define StringCbPrintf StringCbPrintfA
#define StringCchCopy StringCchCopyA
#define StringCbCopy StringCbCopyA
#define StringCchLength StringCchLengthA
#define StringCchCat StringCchCatA
#define StringCbCat StringCbCatA
#endif

#endif
