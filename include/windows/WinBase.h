/* WinBase.h - another spelling of winbase.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <winbase.h>
