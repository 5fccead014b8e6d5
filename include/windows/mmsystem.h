/* mmsystem.h - the multimedia clock. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <timeapi.h>
