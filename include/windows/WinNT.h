/* WinNT.h - another spelling of winnt.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <winnt.h>
