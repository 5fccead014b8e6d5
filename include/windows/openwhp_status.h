/* openwhp_status.h - the status codes that winnt.h has. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <ntstatus.h>
