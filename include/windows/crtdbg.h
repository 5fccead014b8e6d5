/* crtdbg.h - checks of the C runtime. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef OPENWHP_CRTDBG_H
#define OPENWHP_CRTDBG_H

#include <assert.h>

#define _ASSERT(condition) assert(condition)
#define _ASSERTE(condition) assert(condition)
#define _CrtDumpMemoryLeaks() 0
#define _CrtSetDbgFlag(flags) ((void)(flags), 0)
#define _CRTDBG_ALLOC_MEM_DF 1
#define _CRTDBG_LEAK_CHECK_DF 32

#endif
