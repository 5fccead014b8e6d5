/* tchar.h - names that are narrow or wide by _UNICODE. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef OPENWHP_TCHAR_H
#define OPENWHP_TCHAR_H

#pragma GCC system_header

#include <openwhp_crt.h>

#ifdef _UNICODE
#define OPENWHP_T(text) L##text
#define _TCHAR wchar_t
#define _tprintf wprintf
#define _ftprintf fwprintf
#define _stprintf_s swprintf_s
#define _tprintf_s wprintf_s
#define _tcslen wcslen
#define _tcscpy wcscpy
#define _tcscat wcscat
#define _tcscmp wcscmp
#define _tcsicmp _wcsicmp
#define _tcschr wcschr
#define _tcsrchr wcsrchr
#define _tcscpy_s wcscpy_s
#define _tcscat_s wcscat_s
#define _ttoi _wtoi
#define _tcstoul wcstoul
#define _putts _putws
#define _fputts fputws
#else
#define OPENWHP_T(text) text
#define _TCHAR char
#define _tmain main
#define _tprintf printf
#define _ftprintf fprintf
#define _stprintf_s sprintf_s
#define _tprintf_s printf_s
#define _tcslen strlen
#define _tcscpy strcpy
#define _tcscat strcat
#define _tcscmp strcmp
#define _tcsicmp _stricmp
#define _tcschr strchr
#define _tcsrchr strrchr
#define _tcscpy_s strcpy_s
#define _tcscat_s strcat_s
#define _ttoi atoi
#define _tcstoul strtoul
#define _putts puts
#define _fputts fputs
#endif
#define _T(text) OPENWHP_T(text)
#define _TEXT(text) OPENWHP_T(text)

#endif
