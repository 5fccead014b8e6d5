/*
 * wchar.h - the host's, with functions for the 16-bit wchar_t of -fshort-wchar: the host's own are for 32 bits, and
 * stay undeclared.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#pragma GCC system_header

#if __SIZEOF_WCHAR_T__ != 2
#include_next <wchar.h>
#else

#ifndef OPENWHP_WCHAR_H
#define wcslen openwhp_host_wcslen
#define wcsnlen openwhp_host_wcsnlen
#define wcscpy openwhp_host_wcscpy
#define wcsncpy openwhp_host_wcsncpy
#define wcscat openwhp_host_wcscat
#define wcsncat openwhp_host_wcsncat
#define wcscmp openwhp_host_wcscmp
#define wcsncmp openwhp_host_wcsncmp
#define wcschr openwhp_host_wcschr
#define wcsrchr openwhp_host_wcsrchr
#define wcsstr openwhp_host_wcsstr
#define wcsspn openwhp_host_wcsspn
#define wcscspn openwhp_host_wcscspn
#define wcspbrk openwhp_host_wcspbrk
#define wcsdup openwhp_host_wcsdup
#define wcscasecmp openwhp_host_wcscasecmp
#define wcsncasecmp openwhp_host_wcsncasecmp
#define wmemcpy openwhp_host_wmemcpy
#define wmemmove openwhp_host_wmemmove
#define wmemset openwhp_host_wmemset
#define wmemcmp openwhp_host_wmemcmp
#define wmemchr openwhp_host_wmemchr
#define wcstol openwhp_host_wcstol
#define wcstoul openwhp_host_wcstoul
#define wcstoll openwhp_host_wcstoll
#define wcstoull openwhp_host_wcstoull
#define wcstod openwhp_host_wcstod
#define fputws openwhp_host_fputws
#define fputwc openwhp_host_fputwc
#define putwc openwhp_host_putwc
#define putwchar openwhp_host_putwchar
#define wprintf openwhp_host_wprintf
#define fwprintf openwhp_host_fwprintf
#define swprintf openwhp_host_swprintf
#define vwprintf openwhp_host_vwprintf
#define vfwprintf openwhp_host_vfwprintf
#define vswprintf openwhp_host_vswprintf
#endif
#include_next <wchar.h>
#ifndef OPENWHP_WCHAR_H
#undef wcslen
#undef wcsnlen
#undef wcscpy
#undef wcsncpy
#undef wcscat
#undef wcsncat
#undef wcscmp
#undef wcsncmp
#undef wcschr
#undef wcsrchr
#undef wcsstr
#undef wcsspn
#undef wcscspn
#undef wcspbrk
#undef wcsdup
#undef wcscasecmp
#undef wcsncasecmp
#undef wmemcpy
#undef wmemmove
#undef wmemset
#undef wmemcmp
#undef wmemchr
#undef wcstol
#undef wcstoul
#undef wcstoll
#undef wcstoull
#undef wcstod
#undef fputws
#undef fputwc
#undef putwc
#undef putwchar
#undef wprintf
#undef fwprintf
#undef swprintf
#undef vwprintf
#undef vfwprintf
#undef vswprintf
#endif

/* Other headers of the host ask for parts of this one: wait for the whole. */
#if defined(_WCHAR_H) && !defined(OPENWHP_WCHAR_H)
#define OPENWHP_WCHAR_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

int openwhp_vfwprintf(FILE *stream, const wchar_t *format, va_list arguments);
int openwhp_vsnwprintf(wchar_t *buffer, size_t size, const wchar_t *format, va_list arguments);
int openwhp_fputws(const wchar_t *text, FILE *stream);

static __inline__ size_t wcslen(const wchar_t *text) {
    size_t length = 0;
    while (text[length]) length++;
    return length;
}
static __inline__ size_t wcsnlen(const wchar_t *text, size_t limit) {
    size_t length = 0;
    while (length < limit && text[length]) length++;
    return length;
}
static __inline__ wchar_t *wmemcpy(wchar_t *to, const wchar_t *from, size_t count) {
    return (wchar_t *)memcpy(to, from, count * sizeof(wchar_t));
}
static __inline__ wchar_t *wmemmove(wchar_t *to, const wchar_t *from, size_t count) {
    return (wchar_t *)memmove(to, from, count * sizeof(wchar_t));
}
static __inline__ wchar_t *wmemset(wchar_t *to, wchar_t unit, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] = unit;
    return to;
}
static __inline__ int wmemcmp(const wchar_t *a, const wchar_t *b, size_t count) {
    for (; count; a++, b++, count--)
        if (*a != *b) return *a < *b ? -1 : 1;
    return 0;
}
static __inline__ wchar_t *wmemchr(const wchar_t *text, wchar_t unit, size_t count) {
    for (; count; text++, count--)
        if (*text == unit) return (wchar_t *)text;
    return NULL;
}
static __inline__ wchar_t *wcscpy(wchar_t *to, const wchar_t *from) { return wmemcpy(to, from, wcslen(from) + 1); }
static __inline__ wchar_t *wcsncpy(wchar_t *to, const wchar_t *from, size_t count) {
    size_t length = wcsnlen(from, count);
    wmemcpy(to, from, length);
    wmemset(to + length, 0, count - length);
    return to;
}
static __inline__ wchar_t *wcscat(wchar_t *to, const wchar_t *from) {
    wcscpy(to + wcslen(to), from);
    return to;
}
static __inline__ wchar_t *wcsncat(wchar_t *to, const wchar_t *from, size_t count) {
    size_t end = wcslen(to), length = wcsnlen(from, count);
    wmemcpy(to + end, from, length);
    to[end + length] = 0;
    return to;
}
static __inline__ int wcscmp(const wchar_t *a, const wchar_t *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b ? 0 : *a < *b ? -1 : 1;
}
static __inline__ int wcsncmp(const wchar_t *a, const wchar_t *b, size_t count) {
    while (count && *a && *a == *b) a++, b++, count--;
    return !count || *a == *b ? 0 : *a < *b ? -1 : 1;
}
static __inline__ wchar_t openwhp_lower(wchar_t unit) { return unit >= L'A' && unit <= L'Z' ? (wchar_t)(unit + 32) : unit; }
static __inline__ int wcscasecmp(const wchar_t *a, const wchar_t *b) {
    while (*a && openwhp_lower(*a) == openwhp_lower(*b)) a++, b++;
    return (int)openwhp_lower(*a) - (int)openwhp_lower(*b);
}
static __inline__ int wcsncasecmp(const wchar_t *a, const wchar_t *b, size_t count) {
    while (count && *a && openwhp_lower(*a) == openwhp_lower(*b)) a++, b++, count--;
    return count ? (int)openwhp_lower(*a) - (int)openwhp_lower(*b) : 0;
}
static __inline__ wchar_t *wcschr(const wchar_t *text, wchar_t unit) {
    for (;; text++) {
        if (*text == unit) return (wchar_t *)text;
        if (!*text) return NULL;
    }
}
static __inline__ wchar_t *wcsrchr(const wchar_t *text, wchar_t unit) {
    const wchar_t *found = NULL;
    do {
        if (*text == unit) found = text;
    } while (*text++);
    return (wchar_t *)found;
}
static __inline__ wchar_t *wcsstr(const wchar_t *text, const wchar_t *part) {
    size_t length = wcslen(part);
    do {
        if (!wcsncmp(text, part, length)) return (wchar_t *)text;
    } while (*text++);
    return NULL;
}
static __inline__ size_t wcscspn(const wchar_t *text, const wchar_t *set) {
    size_t length = 0;
    while (text[length] && !wcschr(set, text[length])) length++;
    return length;
}
static __inline__ size_t wcsspn(const wchar_t *text, const wchar_t *set) {
    size_t length = 0;
    while (text[length] && wcschr(set, text[length])) length++;
    return length;
}
static __inline__ wchar_t *wcspbrk(const wchar_t *text, const wchar_t *set) {
    text += wcscspn(text, set);
    return *text ? (wchar_t *)text : NULL;
}
static __inline__ wchar_t *wcsdup(const wchar_t *text) {
    size_t size = (wcslen(text) + 1) * sizeof(wchar_t);
    wchar_t *copy = (wchar_t *)malloc(size);
    return copy ? (wchar_t *)memcpy(copy, text, size) : NULL;
}

/* Numbers are ASCII: they are converted through a narrow copy. */
static __inline__ char *openwhp_digits(const wchar_t *text, char *narrow, size_t size) {
    size_t length = 0;
    for (; length < size - 1 && text[length] && text[length] < 128; length++) narrow[length] = (char)text[length];
    narrow[length] = 0;
    return narrow;
}
#define OPENWHP_WIDE_NUMBER(type, name, call)                                                   \
    static __inline__ type name {                                                               \
        char narrow[128], *after;                                                               \
        type value = call;                                                                      \
        if (end) *end = (wchar_t *)text + (after - narrow);                                     \
        return value;                                                                           \
    }
OPENWHP_WIDE_NUMBER(long, wcstol(const wchar_t *text, wchar_t **end, int base),
                    strtol(openwhp_digits(text, narrow, sizeof narrow), &after, base))
OPENWHP_WIDE_NUMBER(unsigned long, wcstoul(const wchar_t *text, wchar_t **end, int base),
                    strtoul(openwhp_digits(text, narrow, sizeof narrow), &after, base))
OPENWHP_WIDE_NUMBER(long long, wcstoll(const wchar_t *text, wchar_t **end, int base),
                    strtoll(openwhp_digits(text, narrow, sizeof narrow), &after, base))
OPENWHP_WIDE_NUMBER(unsigned long long, wcstoull(const wchar_t *text, wchar_t **end, int base),
                    strtoull(openwhp_digits(text, narrow, sizeof narrow), &after, base))
OPENWHP_WIDE_NUMBER(double, wcstod(const wchar_t *text, wchar_t **end),
                    strtod(openwhp_digits(text, narrow, sizeof narrow), &after))

static __inline__ int fputws(const wchar_t *text, FILE *stream) { return openwhp_fputws(text, stream); }
static __inline__ wint_t fputwc(wchar_t unit, FILE *stream) {
    wchar_t text[2] = {unit, 0};
    return openwhp_fputws(text, stream) < 0 ? (wint_t)-1 : unit;
}
static __inline__ wint_t putwc(wchar_t unit, FILE *stream) { return fputwc(unit, stream); }
static __inline__ wint_t putwchar(wchar_t unit) { return fputwc(unit, stdout); }
static __inline__ int _putws(const wchar_t *text) { return openwhp_fputws(text, stdout) < 0 || putchar('\n') < 0 ? -1 : 0; }

static __inline__ int vfwprintf(FILE *stream, const wchar_t *format, va_list arguments) {
    return openwhp_vfwprintf(stream, format, arguments);
}
static __inline__ int vwprintf(const wchar_t *format, va_list arguments) {
    return openwhp_vfwprintf(stdout, format, arguments);
}
/* A text that does not fit is an error for wide output, unlike narrow. */
static __inline__ int vswprintf(wchar_t *buffer, size_t size, const wchar_t *format, va_list arguments) {
    int length = openwhp_vsnwprintf(buffer, size, format, arguments);
    return length >= 0 && (size_t)length < size ? length : -1;
}
static __inline__ int vswprintf_s(wchar_t *buffer, size_t size, const wchar_t *format, va_list arguments) {
    int length = vswprintf(buffer, size, format, arguments);
    if (length < 0 && buffer && size) *buffer = 0;
    return length;
}
static __inline__ int _vsnwprintf(wchar_t *buffer, size_t size, const wchar_t *format, va_list arguments) {
    return vswprintf(buffer, size, format, arguments);
}
static __inline__ int wprintf(const wchar_t *format, ...)
    OPENWHP_VARIADIC(format, vwprintf(format, arguments))
static __inline__ int fwprintf(FILE *stream, const wchar_t *format, ...)
    OPENWHP_VARIADIC(format, vfwprintf(stream, format, arguments))
static __inline__ int swprintf(wchar_t *buffer, size_t size, const wchar_t *format, ...)
    OPENWHP_VARIADIC(format, vswprintf(buffer, size, format, arguments))
static __inline__ int wprintf_s(const wchar_t *format, ...)
    OPENWHP_VARIADIC(format, vwprintf(format, arguments))
static __inline__ int fwprintf_s(FILE *stream, const wchar_t *format, ...)
    OPENWHP_VARIADIC(format, vfwprintf(stream, format, arguments))
static __inline__ int swprintf_s(wchar_t *buffer, size_t size, const wchar_t *format, ...)
    OPENWHP_VARIADIC(format, vswprintf_s(buffer, size, format, arguments))
static __inline__ int _snwprintf(wchar_t *buffer, size_t size, const wchar_t *format, ...)
    OPENWHP_VARIADIC(format, _vsnwprintf(buffer, size, format, arguments))

static __inline__ int wcscpy_s(wchar_t *to, size_t size, const wchar_t *from) {
    if (!to || !size) return EINVAL;
    if (!from || wcslen(from) >= size) {
        *to = 0;
        return from ? ERANGE : EINVAL;
    }
    wcscpy(to, from);
    return 0;
}
static __inline__ int wcscat_s(wchar_t *to, size_t size, const wchar_t *from) {
    size_t used = to ? wcsnlen(to, size) : size;
    return used < size ? wcscpy_s(to + used, size - used, from) : EINVAL;
}
static __inline__ int wcsncpy_s(wchar_t *to, size_t size, const wchar_t *from, size_t count) {
    size_t length;
    if (!to || !size || !from) return EINVAL;
    length = wcsnlen(from, count);
    if (length >= size) {
        if (count != (size_t)-1) return *to = 0, ERANGE;
        length = size - 1;
    }
    wmemcpy(to, from, length);
    to[length] = 0;
    return 0;
}

#define _wcsdup wcsdup
#define _wcsicmp wcscasecmp
#define _wcsnicmp wcsncasecmp
#define _wtoi(text) ((int)wcstol((text), NULL, 10))
#define _wcstoui64 wcstoull
#define _wcstoi64 wcstoll

#ifdef __cplusplus
}

extern "C++" {
template <size_t size>
inline int wcscpy_s(wchar_t (&to)[size], const wchar_t *from) {
    return wcscpy_s(to, size, from);
}
template <size_t size>
inline int wcscat_s(wchar_t (&to)[size], const wchar_t *from) {
    return wcscat_s(to, size, from);
}
template <size_t size, class... Arguments>
inline int swprintf_s(wchar_t (&buffer)[size], const wchar_t *format, Arguments... arguments) {
    return swprintf_s(buffer, size, format, arguments...);
}
}
#endif

#endif
#endif
