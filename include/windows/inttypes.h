/*
 * inttypes.h - the host's, with 64-bit formats that do not say "l", which is 32 bits wide here.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#pragma GCC system_header
#include_next <inttypes.h>
#ifndef OPENWHP_INTTYPES_H
#define OPENWHP_INTTYPES_H

#undef PRId64
#define PRId64 "lld"
#undef PRIi64
#define PRIi64 "lli"
#undef PRIu64
#define PRIu64 "llu"
#undef PRIx64
#define PRIx64 "llx"
#undef PRIX64
#define PRIX64 "llX"
#undef PRIo64
#define PRIo64 "llo"
#undef PRIdMAX
#define PRIdMAX "lld"
#undef PRIiMAX
#define PRIiMAX "lli"
#undef PRIuMAX
#define PRIuMAX "llu"
#undef PRIxMAX
#define PRIxMAX "llx"
#undef PRIXMAX
#define PRIXMAX "llX"
#undef PRIoMAX
#define PRIoMAX "llo"
#undef PRIdPTR
#define PRIdPTR "lld"
#undef PRIiPTR
#define PRIiPTR "lli"
#undef PRIuPTR
#define PRIuPTR "llu"
#undef PRIxPTR
#define PRIxPTR "llx"
#undef PRIXPTR
#define PRIXPTR "llX"
#undef PRIoPTR
#define PRIoPTR "llo"
#undef PRIdLEAST64
#define PRIdLEAST64 "lld"
#undef PRIiLEAST64
#define PRIiLEAST64 "lli"
#undef PRIuLEAST64
#define PRIuLEAST64 "llu"
#undef PRIxLEAST64
#define PRIxLEAST64 "llx"
#undef PRIXLEAST64
#define PRIXLEAST64 "llX"
#undef PRIoLEAST64
#define PRIoLEAST64 "llo"
#undef PRIdFAST64
#define PRIdFAST64 "lld"
#undef PRIiFAST64
#define PRIiFAST64 "lli"
#undef PRIuFAST64
#define PRIuFAST64 "llu"
#undef PRIxFAST64
#define PRIxFAST64 "llx"
#undef PRIXFAST64
#define PRIXFAST64 "llX"
#undef PRIoFAST64
#define PRIoFAST64 "llo"
#undef PRIdFAST32
#define PRIdFAST32 "lld"
#undef PRIiFAST32
#define PRIiFAST32 "lli"
#undef PRIuFAST32
#define PRIuFAST32 "llu"
#undef PRIxFAST32
#define PRIxFAST32 "llx"
#undef PRIXFAST32
#define PRIXFAST32 "llX"
#undef PRIoFAST32
#define PRIoFAST32 "llo"
#undef PRIdFAST16
#define PRIdFAST16 "lld"
#undef PRIiFAST16
#define PRIiFAST16 "lli"
#undef PRIuFAST16
#define PRIuFAST16 "llu"
#undef PRIxFAST16
#define PRIxFAST16 "llx"
#undef PRIXFAST16
#define PRIXFAST16 "llX"
#undef PRIoFAST16
#define PRIoFAST16 "llo"

#endif
