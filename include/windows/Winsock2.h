/* Winsock2.h - what there is of it is in winsock2.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <winsock2.h>
