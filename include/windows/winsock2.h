/*
 * winsock2.h - sockets: the host's, whose functions have the same names
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_WINSOCK2_H
#define OPENWHP_WINSOCK2_H

#pragma GCC system_header

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>
#include <windows.h>

typedef UINT_PTR SOCKET;
typedef struct sockaddr SOCKADDR, *PSOCKADDR, *LPSOCKADDR;
typedef struct sockaddr_in SOCKADDR_IN, *PSOCKADDR_IN;
typedef struct addrinfo ADDRINFOA, *PADDRINFOA;
typedef struct pollfd WSAPOLLFD;

typedef struct WSAData {
    WORD wVersion;
    WORD wHighVersion;
} WSADATA, *LPWSADATA;

#define INVALID_SOCKET ((SOCKET)~(SOCKET)0)
#define SOCKET_ERROR (-1)
#define SD_RECEIVE SHUT_RD
#define SD_SEND SHUT_WR
#define SD_BOTH SHUT_RDWR
#define WSAEINTR EINTR
#define WSAEWOULDBLOCK EWOULDBLOCK
#define WSAEINPROGRESS EINPROGRESS
#define WSAECONNRESET ECONNRESET
#define WSAECONNABORTED ECONNABORTED
#define WSAENETDOWN ENETDOWN
#define WSAETIMEDOUT ETIMEDOUT
#define WSAECONNREFUSED ECONNREFUSED

static __inline__ int WSAStartup(WORD version, LPWSADATA data) {
    data->wVersion = data->wHighVersion = version;
    return 0;
}
static __inline__ int WSACleanup(void) { return 0; }
static __inline__ int WSAGetLastError(void) { return errno; }
static __inline__ void WSASetLastError(int error) { errno = error; }
static __inline__ int closesocket(SOCKET socket) { return close((int)socket); }
static __inline__ int ioctlsocket(SOCKET socket, long command, ULONG *value) {
    int argument = (int)*value, outcome = ioctl((int)socket, (unsigned long)command, &argument);
    *value = (ULONG)argument;
    return outcome;
}
#define WSAPoll(sockets, count, timeout) poll((sockets), (count), (timeout))

#endif
