/* Intrin.h - another spelling of intrin.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <intrin.h>
