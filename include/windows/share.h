/* share.h - sharing of files, which is not restricted here. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef OPENWHP_SHARE_H
#define OPENWHP_SHARE_H

#define _SH_DENYRW 0x10
#define _SH_DENYWR 0x20
#define _SH_DENYRD 0x30
#define _SH_DENYNO 0x40

#endif
