/* WinError.h - another spelling of winerror.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <winerror.h>
