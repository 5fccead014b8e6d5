/* SAL.h - another spelling of sal.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <sal.h>
