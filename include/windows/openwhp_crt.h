/*
 * openwhp_crt.h - what Microsoft's C runtime has more than the host's.
 *
 * The checked functions return an error where Windows would end the program.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_CRT_H
#define OPENWHP_CRT_H

#pragma GCC system_header

#include <alloca.h>
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <wchar.h>
#include <openwhp_compiler.h>

#ifndef OPENWHP_HAVE_ERRNO_T
#define OPENWHP_HAVE_ERRNO_T
typedef int errno_t;
typedef size_t rsize_t;
#endif

#ifndef _countof
#define _countof(array) (sizeof(array) / sizeof((array)[0]))
#endif
#ifndef __min
#define __min(a, b) (((a) < (b)) ? (a) : (b))
#define __max(a, b) (((a) > (b)) ? (a) : (b))
#endif
#define _TRUNCATE ((size_t)-1)
#define _MAX_PATH 260
#define _MAX_FNAME 256
#define _MAX_EXT 256
#define _MAX_DIR 256
#define _MAX_DRIVE 3
#ifndef _CRT_UNUSED
#define _CRT_UNUSED(x) ((void)(x))
#endif
#define _ACRTIMP
#define _CRTIMP

#ifdef __cplusplus
extern "C" {
#endif

/* Functions, as some programs give the compiler's own names these meanings. */
static __inline__ unsigned short _byteswap_ushort(unsigned short value) { return __builtin_bswap16(value); }
static __inline__ uint32_t _byteswap_ulong(uint32_t value) { return __builtin_bswap32(value); }
static __inline__ uint64_t _byteswap_uint64(uint64_t value) { return __builtin_bswap64(value); }
static __inline__ errno_t memcpy_s(void *to, rsize_t size, const void *from, rsize_t count) {
    if (!count) return 0;
    if (!to) return EINVAL;
    if (!from || size < count) {
        memset(to, 0, size);
        return from ? ERANGE : EINVAL;
    }
    memcpy(to, from, count);
    return 0;
}
static __inline__ errno_t memmove_s(void *to, rsize_t size, const void *from, rsize_t count) {
    if (!count) return 0;
    if (!to || !from) return EINVAL;
    if (size < count) return ERANGE;
    memmove(to, from, count);
    return 0;
}
static __inline__ errno_t strcpy_s(char *to, rsize_t size, const char *from) {
    if (!to || !size) return EINVAL;
    if (!from || strlen(from) >= size) {
        *to = 0;
        return from ? ERANGE : EINVAL;
    }
    strcpy(to, from);
    return 0;
}
static __inline__ errno_t strcat_s(char *to, rsize_t size, const char *from) {
    size_t used = 0;
    if (!to) return EINVAL;
    while (used < size && to[used]) used++;
    return used < size ? strcpy_s(to + used, size - used, from) : EINVAL;
}
static __inline__ errno_t strncpy_s(char *to, rsize_t size, const char *from, rsize_t count) {
    size_t length = 0;
    if (!to || !size || !from) return EINVAL;
    while (length < count && from[length]) length++;
    if (length >= size) {
        *to = 0;
        if (count != _TRUNCATE) return ERANGE;
        length = size - 1;
    }
    memcpy(to, from, length);
    to[length] = 0;
    return 0;
}
static __inline__ errno_t strncat_s(char *to, rsize_t size, const char *from, rsize_t count) {
    size_t used = 0;
    if (!to) return EINVAL;
    while (used < size && to[used]) used++;
    return used < size ? strncpy_s(to + used, size - used, from, count) : EINVAL;
}
static __inline__ size_t strnlen_s(const char *text, size_t limit) {
    size_t length = 0;
    while (text && length < limit && text[length]) length++;
    return length;
}
static __inline__ char *strtok_s(char *text, const char *set, char **state) { return strtok_r(text, set, state); }
static __inline__ errno_t strerror_s(char *buffer, rsize_t size, int error) {
    return strncpy_s(buffer, size, strerror(error), _TRUNCATE);
}
static __inline__ errno_t localtime_s(struct tm *date, const time_t *time) {
    return localtime_r(time, date) ? 0 : EINVAL;
}
static __inline__ errno_t gmtime_s(struct tm *date, const time_t *time) { return gmtime_r(time, date) ? 0 : EINVAL; }
static __inline__ void *_aligned_malloc(size_t size, size_t alignment) {
    void *memory = NULL;
    if (alignment < sizeof(void *)) alignment = sizeof(void *);
    return posix_memalign(&memory, alignment, size ? size : 1) ? NULL : memory;
}
static __inline__ void _aligned_free(void *memory) { free(memory); }
static __inline__ errno_t _dupenv_s(char **value, size_t *size, const char *name) {
    const char *found = getenv(name);
    *value = found ? strdup(found) : NULL;
    if (size) *size = found ? strlen(found) + 1 : 0;
    return 0;
}
static __inline__ errno_t getenv_s(size_t *needed, char *buffer, rsize_t size, const char *name) {
    const char *found = getenv(name);
    *needed = found ? strlen(found) + 1 : 0;
    return !found || !buffer || !size ? 0 : strcpy_s(buffer, size, found);
}

#ifdef __cplusplus
}

extern "C++" {
template <size_t size>
inline errno_t strcpy_s(char (&to)[size], const char *from) {
    return strcpy_s(to, size, from);
}
template <size_t size>
inline errno_t strcat_s(char (&to)[size], const char *from) {
    return strcat_s(to, size, from);
}
template <size_t size>
inline errno_t strncpy_s(char (&to)[size], const char *from, size_t count) {
    return strncpy_s(to, size, from, count);
}
}
#endif

#define _stricmp strcasecmp
#define _strcmpi strcasecmp
#define stricmp strcasecmp
#define _strnicmp strncasecmp
#define strnicmp strncasecmp
#define _strdup strdup
#define _memicmp(a, b, size) strncasecmp((const char *)(a), (const char *)(b), (size))
#define _strtoui64 strtoull
#define _strtoi64 strtoll
#define _atoi64 atoll
#define _alloca alloca
#define _malloca(size) malloc(size)
#define _freea(memory) free(memory)
#define _msize malloc_usable_size
#define _putenv(text) putenv(text)
#define _rotl(x, n) ((uint32_t)((uint32_t)(x) << ((n)&31) | (uint32_t)(x) >> (-(n)&31)))
#define _rotr(x, n) ((uint32_t)((uint32_t)(x) >> ((n)&31) | (uint32_t)(x) << (-(n)&31)))
#define _time64 time
#define _set_invalid_parameter_handler(handler) ((void)(handler))

#endif
