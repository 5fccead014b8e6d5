/* guiddef.h - identifiers. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef OPENWHP_GUIDDEF_H
#define OPENWHP_GUIDDEF_H

#pragma GCC system_header

#include <openwhp_windows_types.h>
#include <string.h>

typedef GUID *LPGUID;
typedef const GUID *LPCGUID;
typedef GUID IID, *LPIID;
typedef GUID CLSID, *LPCLSID;

#ifdef __cplusplus
#define REFGUID const GUID &
#define REFIID const IID &
#define REFCLSID const CLSID &
static inline int IsEqualGUID(REFGUID a, REFGUID b) { return !memcmp(&a, &b, sizeof(GUID)); }
inline bool operator==(REFGUID a, REFGUID b) { return IsEqualGUID(a, b) != 0; }
inline bool operator!=(REFGUID a, REFGUID b) { return IsEqualGUID(a, b) == 0; }
#define OPENWHP_GUID_LINKAGE extern "C"
#else
#define REFGUID const GUID *
#define REFIID const IID *
#define REFCLSID const CLSID *
#define IsEqualGUID(a, b) (!memcmp(a, b, sizeof(GUID)))
#define OPENWHP_GUID_LINKAGE extern
#endif
#define IsEqualIID(a, b) IsEqualGUID(a, b)
#define IsEqualCLSID(a, b) IsEqualGUID(a, b)

#ifdef INITGUID
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8)                            \
    OPENWHP_GUID_LINKAGE const GUID name __attribute__((__weak__));                             \
    const GUID name = {l, w1, w2, {b1, b2, b3, b4, b5, b6, b7, b8}}
#else
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8) OPENWHP_GUID_LINKAGE const GUID name
#endif

#endif
