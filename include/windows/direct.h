/* direct.h - folders. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef OPENWHP_DIRECT_H
#define OPENWHP_DIRECT_H

#pragma GCC system_header

#include <sys/stat.h>
#include <unistd.h>

#define _mkdir(name) mkdir((name), 0777)
#define _rmdir rmdir
#define _chdir chdir
#define _getcwd getcwd

#endif
