/* StrSafe.h - another spelling of strsafe.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <strsafe.h>
