/* winhvplatform.h - another spelling of WinHvPlatform.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <WinHvPlatform.h>
