/* winhvplatformdefs.h - another spelling of WinHvPlatformDefs.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <WinHvPlatformDefs.h>
