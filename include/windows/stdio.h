/*
 * stdio.h - the host's, with formatted output by Microsoft's rules: "l" is 32 bits, I64 and I32 are sizes, %ls and %S
 * take UTF-16. The host's own functions of these names stay undeclared.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#pragma GCC system_header

#ifndef OPENWHP_STDIO_H
#define printf openwhp_host_printf
#define fprintf openwhp_host_fprintf
#define sprintf openwhp_host_sprintf
#define snprintf openwhp_host_snprintf
#define vprintf openwhp_host_vprintf
#define vfprintf openwhp_host_vfprintf
#define vsprintf openwhp_host_vsprintf
#define vsnprintf openwhp_host_vsnprintf
#endif
#include_next <stdio.h>
#ifndef OPENWHP_STDIO_H
#undef printf
#undef fprintf
#undef sprintf
#undef snprintf
#undef vprintf
#undef vfprintf
#undef vsprintf
#undef vsnprintf
#endif

/* Other headers of the host ask for parts of this one: wait for the whole. */
#if defined(_STDIO_H) && !defined(OPENWHP_STDIO_H)
#define OPENWHP_STDIO_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

int openwhp_vfprintf(FILE *stream, const char *format, va_list arguments);
int openwhp_vsnprintf(char *buffer, size_t size, const char *format, va_list arguments);

static __inline__ int vfprintf(FILE *stream, const char *format, va_list arguments) {
    return openwhp_vfprintf(stream, format, arguments);
}
static __inline__ int vprintf(const char *format, va_list arguments) {
    return openwhp_vfprintf(stdout, format, arguments);
}
static __inline__ int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments) {
    return openwhp_vsnprintf(buffer, size, format, arguments);
}
static __inline__ int vsprintf(char *buffer, const char *format, va_list arguments) {
    return openwhp_vsnprintf(buffer, SIZE_MAX, format, arguments);
}
/* Too small a buffer is emptied; Windows would end the program. */
static __inline__ int vsprintf_s(char *buffer, size_t size, const char *format, va_list arguments) {
    int length = openwhp_vsnprintf(buffer, size, format, arguments);
    if (length >= 0 && (size_t)length < size) return length;
    if (buffer && size) *buffer = 0;
    return -1;
}
/* Cuts the text; a count of -1, _TRUNCATE, means as much as fits. */
static __inline__ int _vsnprintf_s(char *buffer, size_t size, size_t count, const char *format, va_list arguments) {
    size_t room = count == (size_t)-1 || count >= size ? size : count + 1;
    int length = openwhp_vsnprintf(buffer, room, format, arguments);
    return length >= 0 && (size_t)length < room ? length : -1;
}
/* Leaves out the final zero if there is no room for it, as this function always did. */
static __inline__ int _vsnprintf(char *buffer, size_t size, const char *format, va_list arguments) {
    int length;
    char last;
    va_list again;
    va_copy(again, arguments);
    length = openwhp_vsnprintf(buffer, size, format, arguments);
    if (buffer && length >= 0 && (size_t)length >= size && size) {
        /* One byte more than fits is formatted apart. */
        char *whole = (char *)__builtin_malloc((size_t)length + 1);
        openwhp_vsnprintf(whole, (size_t)length + 1, format, again);
        last = whole[size - 1];
        __builtin_free(whole);
        buffer[size - 1] = last;
    }
    va_end(again);
    return length >= 0 && (size_t)length <= size ? length : -1;
}
static __inline__ int _vscprintf(const char *format, va_list arguments) {
    return openwhp_vsnprintf(NULL, 0, format, arguments);
}

#define OPENWHP_VARIADIC(last, call)                                                            \
    {                                                                                           \
        int openwhp_length;                                                                     \
        va_list arguments;                                                                      \
        va_start(arguments, last);                                                              \
        openwhp_length = call;                                                                  \
        va_end(arguments);                                                                      \
        return openwhp_length;                                                                  \
    }
static __inline__ int printf(const char *format, ...)
    OPENWHP_VARIADIC(format, vprintf(format, arguments))
static __inline__ int fprintf(FILE *stream, const char *format, ...)
    OPENWHP_VARIADIC(format, vfprintf(stream, format, arguments))
static __inline__ int sprintf(char *buffer, const char *format, ...)
    OPENWHP_VARIADIC(format, vsprintf(buffer, format, arguments))
static __inline__ int snprintf(char *buffer, size_t size, const char *format, ...)
    OPENWHP_VARIADIC(format, vsnprintf(buffer, size, format, arguments))
static __inline__ int printf_s(const char *format, ...)
    OPENWHP_VARIADIC(format, vprintf(format, arguments))
static __inline__ int fprintf_s(FILE *stream, const char *format, ...)
    OPENWHP_VARIADIC(format, vfprintf(stream, format, arguments))
static __inline__ int sprintf_s(char *buffer, size_t size, const char *format, ...)
    OPENWHP_VARIADIC(format, vsprintf_s(buffer, size, format, arguments))
static __inline__ int _snprintf(char *buffer, size_t size, const char *format, ...)
    OPENWHP_VARIADIC(format, _vsnprintf(buffer, size, format, arguments))
static __inline__ int _snprintf_s(char *buffer, size_t size, size_t count, const char *format, ...)
    OPENWHP_VARIADIC(format, _vsnprintf_s(buffer, size, count, format, arguments))
static __inline__ int _scprintf(const char *format, ...)
    OPENWHP_VARIADIC(format, _vscprintf(format, arguments))

static __inline__ int fopen_s(FILE **stream, const char *name, const char *mode) {
    if (!stream || !name || !mode) return EINVAL;
    *stream = fopen(name, mode);
    return *stream ? 0 : errno;
}
static __inline__ FILE *_fsopen(const char *name, const char *mode, int sharing) {
    (void)sharing;
    return fopen(name, mode);
}

#ifdef __cplusplus
}

extern "C++" {
template <size_t size, class... Arguments>
inline int sprintf_s(char (&buffer)[size], const char *format, Arguments... arguments) {
    return sprintf_s(buffer, size, format, arguments...);
}
template <size_t size>
inline int vsprintf_s(char (&buffer)[size], const char *format, va_list arguments) {
    return vsprintf_s(buffer, size, format, arguments);
}
template <size_t size, class... Arguments>
inline int _snprintf_s(char (&buffer)[size], size_t count, const char *format, Arguments... arguments) {
    return _snprintf_s(buffer, size, count, format, arguments...);
}
}
#endif

#define _fileno fileno
#define _fdopen fdopen
#define _popen popen
#define _pclose pclose
#define _fseeki64 fseeko
#define _ftelli64 ftello
#define _flushall() fflush(NULL)
#define _getc_nolock getc_unlocked
#define _putc_nolock putc_unlocked

#include <openwhp_crt.h>

#endif
