/* winhvemulation.h - another spelling of WinHvEmulation.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <WinHvEmulation.h>
