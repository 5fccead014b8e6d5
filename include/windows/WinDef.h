/* WinDef.h - another spelling of windef.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <windef.h>
