/*
 * intrin.h - intrinsics that gcc and clang spell differently.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_INTRIN_H
#define OPENWHP_INTRIN_H

#pragma GCC system_header

#include <openwhp_compiler.h>
#include <stdint.h>
#include <stdlib.h>
#include <openwhp_crt.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>

/* Microsoft's __cpuid takes an array and a leaf, that of cpuid.h five values: the number of arguments tells. */
static __inline__ void openwhp_cpuid(int *out, int leaf, int subleaf) {
    unsigned a, b, c, d;
    __cpuid_count(leaf, subleaf, a, b, c, d);
    out[0] = (int)a;
    out[1] = (int)b;
    out[2] = (int)c;
    out[3] = (int)d;
}
static __inline__ void openwhp_cpuid5(unsigned leaf, unsigned *a, unsigned *b, unsigned *c, unsigned *d) {
    __cpuid_count(leaf, 0, *a, *b, *c, *d);
}
#undef __cpuid
#undef __cpuidex
#define OPENWHP_CPUID_2(out, leaf) openwhp_cpuid((int *)(out), (int)(leaf), 0)
#define OPENWHP_CPUID_5(leaf, a, b, c, d) openwhp_cpuid5((leaf), &(a), &(b), &(c), &(d))
#define OPENWHP_CPUID_PICK(a, b, c, d, e, name, ...) name
#define __cpuid(...)                                                                            \
    OPENWHP_CPUID_PICK(__VA_ARGS__, OPENWHP_CPUID_5, OPENWHP_CPUID_4, OPENWHP_CPUID_3, OPENWHP_CPUID_2, x)(__VA_ARGS__)
#define __cpuidex(out, leaf, subleaf) openwhp_cpuid((int *)(out), (int)(leaf), (int)(subleaf))

#ifndef _xgetbv
static __inline__ uint64_t openwhp_xgetbv(unsigned index) {
    unsigned low, high;
    __asm__ __volatile__("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}
#define _xgetbv(index) openwhp_xgetbv(index)
#endif

static __inline__ void openwhp_movsb(unsigned char *to, const unsigned char *from, size_t count) {
    __asm__ __volatile__("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}
static __inline__ void openwhp_stosb(unsigned char *to, unsigned char byte, size_t count) {
    __asm__ __volatile__("rep stosb" : "+D"(to), "+c"(count) : "a"(byte) : "memory");
}
#define __movsb(to, from, count) openwhp_movsb((to), (from), (count))
#define __stosb(to, byte, count) openwhp_stosb((to), (byte), (count))
#define __nop() __asm__ __volatile__("nop")
#define __halt() __asm__ __volatile__("hlt")

static __inline__ uint64_t openwhp_umul128(uint64_t a, uint64_t b, void *high) {
    unsigned __int128 product = (unsigned __int128)a * b;
    *(uint64_t *)high = (uint64_t)(product >> 64);
    return (uint64_t)product;
}
#define _umul128(a, b, high) openwhp_umul128((a), (b), (high))
#define __umulh(a, b) ((uint64_t)((unsigned __int128)(uint64_t)(a) * (uint64_t)(b) >> 64))
#endif

#define _ReadWriteBarrier() __asm__ __volatile__("" : : : "memory")
#define _ReadBarrier() _ReadWriteBarrier()
#define _WriteBarrier() _ReadWriteBarrier()
#define _ReturnAddress() __builtin_return_address(0)
#define _AddressOfReturnAddress() ((void *)((char *)__builtin_frame_address(0) + sizeof(void *)))

#define OPENWHP_SCAN(index, mask, position) ((mask) ? (*(index) = (position), (unsigned char)1) : (unsigned char)0)
#define _BitScanForward(index, mask) OPENWHP_SCAN(index, (uint32_t)(mask), (unsigned)__builtin_ctz((uint32_t)(mask)))
#define _BitScanReverse(index, mask) OPENWHP_SCAN(index, (uint32_t)(mask), 31u - (unsigned)__builtin_clz((uint32_t)(mask)))
#define _BitScanForward64(index, mask)                                                          \
    OPENWHP_SCAN(index, (uint64_t)(mask), (unsigned)__builtin_ctzll((uint64_t)(mask)))
#define _BitScanReverse64(index, mask)                                                          \
    OPENWHP_SCAN(index, (uint64_t)(mask), 63u - (unsigned)__builtin_clzll((uint64_t)(mask)))

/* Bits of memory, any number of them. */
static __inline__ unsigned char openwhp_bit(const void *base, int64_t bit) {
    return (unsigned char)(((const unsigned char *)base)[bit >> 3] >> (bit & 7) & 1);
}
static __inline__ unsigned char openwhp_set_bit(void *base, int64_t bit, int value) {
    unsigned char *byte = (unsigned char *)base + (bit >> 3), old = openwhp_bit(base, bit);
    *byte = (unsigned char)((*byte & ~(1u << (bit & 7))) | (unsigned)(value & 1) << (bit & 7));
    return old;
}
static __inline__ unsigned char openwhp_locked_bit(void volatile *base, int64_t bit, int value) {
    unsigned char volatile *byte = (unsigned char volatile *)base + (bit >> 3);
    unsigned char mask = (unsigned char)(1u << (bit & 7));
    unsigned char old = value ? __atomic_fetch_or(byte, mask, __ATOMIC_SEQ_CST)
                              : __atomic_fetch_and(byte, (unsigned char)~mask, __ATOMIC_SEQ_CST);
    return (unsigned char)((old & mask) != 0);
}
#define _bittest(base, bit) openwhp_bit((base), (bit))
#define _bittest64(base, bit) openwhp_bit((base), (bit))
#define _bittestandset(base, bit) openwhp_set_bit((base), (bit), 1)
#define _bittestandset64(base, bit) openwhp_set_bit((base), (bit), 1)
#define _bittestandreset(base, bit) openwhp_set_bit((base), (bit), 0)
#define _bittestandreset64(base, bit) openwhp_set_bit((base), (bit), 0)
#define _bittestandcomplement(base, bit) openwhp_set_bit((base), (bit), !openwhp_bit((base), (bit)))
#define _interlockedbittestandset(base, bit) openwhp_locked_bit((base), (bit), 1)
#define _interlockedbittestandset64(base, bit) openwhp_locked_bit((base), (bit), 1)
#define _interlockedbittestandreset(base, bit) openwhp_locked_bit((base), (bit), 0)
#define _interlockedbittestandreset64(base, bit) openwhp_locked_bit((base), (bit), 0)
#define InterlockedBitTestAndSet(base, bit) openwhp_locked_bit((base), (bit), 1)
#define InterlockedBitTestAndReset(base, bit) openwhp_locked_bit((base), (bit), 0)
#define InterlockedBitTestAndSet64(base, bit) openwhp_locked_bit((base), (bit), 1)
#define InterlockedBitTestAndReset64(base, bit) openwhp_locked_bit((base), (bit), 0)

#define __popcnt16(x) ((unsigned short)__builtin_popcount((unsigned short)(x)))
#define __popcnt(x) ((unsigned)__builtin_popcount((uint32_t)(x)))
#define __popcnt64(x) ((uint64_t)__builtin_popcountll((uint64_t)(x)))
#define __lzcnt(x) ((x) ? (unsigned)__builtin_clz((uint32_t)(x)) : 32u)
#define __lzcnt64(x) ((x) ? (uint64_t)__builtin_clzll((uint64_t)(x)) : 64u)
#define _rotl8(x, n) ((uint8_t)((uint8_t)(x) << ((n)&7) | (uint8_t)(x) >> (-(n)&7)))
#define _rotr8(x, n) ((uint8_t)((uint8_t)(x) >> ((n)&7) | (uint8_t)(x) << (-(n)&7)))
#define _rotl16(x, n) ((uint16_t)((uint16_t)(x) << ((n)&15) | (uint16_t)(x) >> (-(n)&15)))
#define _rotr16(x, n) ((uint16_t)((uint16_t)(x) >> ((n)&15) | (uint16_t)(x) << (-(n)&15)))
#define _rotl64(x, n) ((uint64_t)((uint64_t)(x) << ((n)&63) | (uint64_t)(x) >> (-(n)&63)))
#define _rotr64(x, n) ((uint64_t)((uint64_t)(x) >> ((n)&63) | (uint64_t)(x) << (-(n)&63)))

#endif
