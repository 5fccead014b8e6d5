/* malloc.h - the host's, with what Microsoft's has more. SPDX-License-Identifier: MIT OR Apache-2.0 */
#pragma GCC system_header
#include_next <malloc.h>
#include <alloca.h>
#include <openwhp_crt.h>
