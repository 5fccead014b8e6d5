/* WinUser.h - another spelling of winuser.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <winuser.h>
