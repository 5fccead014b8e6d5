/* conio.h - keys. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef OPENWHP_CONIO_H
#define OPENWHP_CONIO_H

#pragma GCC system_header

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif
int _kbhit(void);
int _getch(void);
int _getche(void);
#ifdef __cplusplus
}
#endif

#define _putch(c) putchar(c)
#define kbhit _kbhit
#define getch _getch
#define getche _getche
#define putch _putch

#endif
