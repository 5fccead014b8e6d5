/* io.h - descriptors of the C runtime. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef OPENWHP_IO_H
#define OPENWHP_IO_H

#pragma GCC system_header

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#include <openwhp_crt.h>

#ifndef _O_RDONLY
#define _O_RDONLY O_RDONLY
#define _O_WRONLY O_WRONLY
#define _O_RDWR O_RDWR
#define _O_CREAT O_CREAT
#define _O_TRUNC O_TRUNC
#define _O_EXCL O_EXCL
#define _O_APPEND O_APPEND
#define _O_BINARY 0
#define _O_TEXT 0
#define _O_U16TEXT 0
#define _O_U8TEXT 0
#define O_BINARY 0
#define O_TEXT 0
#define _S_IREAD S_IRUSR
#define _S_IWRITE S_IWUSR
#endif

#define _open open
#define _close close
#define _read read
#define _write write
#define _lseek lseek
#define _lseeki64 lseek
#define _access access
#define _unlink unlink
#define _isatty isatty
#define _dup dup
#define _dup2 dup2
#define _chsize_s(fd, size) ftruncate((fd), (size))

static __inline__ long long _filelengthi64(int fd) {
    struct stat status;
    return fstat(fd, &status) ? -1 : (long long)status.st_size;
}
static __inline__ long _filelength(int fd) { return (long)_filelengthi64(fd); }
/* Text and binary are one. */
static __inline__ int _setmode(int fd, int mode) { return (void)fd, mode; }

#endif
