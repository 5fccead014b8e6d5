/* Windows.h - another spelling of windows.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <windows.h>
