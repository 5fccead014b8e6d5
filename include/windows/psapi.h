/*
 * psapi.h - what processes use
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_PSAPI_H
#define OPENWHP_PSAPI_H

#pragma GCC system_header

#include <handleapi.h>
#include <processthreadsapi.h>

#endif
