/* Requests to the host, which runs the program: what only a client of the platform can do. */
#ifndef HOST_H
#define HOST_H
#include "test.h"

struct host_call {
    uint64_t code, in[7], out[8];
} __attribute__((aligned(16)));

enum {
    /* out: the host's clock, how much of it partition time was suspended for certain and at most (ns); reference time
       (100 ns) when the latest suspension began, when it ended, and after it, and how long that reading took (ns);
       how often suspending was refused because a processor ran. */
    HOST_CLOCK = 0x10,
    /* in: milliseconds; 0 if time goes on by the call, 1 by the next run. */
    HOST_SUSPEND = 0x11,
    /* The same by another thread of the host. in[2]: address of an int that the program sets when it has begun to run
       without exits; in[3]: of one that is set when it is over. */
    HOST_SUSPEND_LATER = 0x12,
    /* in: address or connection, length or 0 for any, whether the value counts, value, vector or 0, APIC ID, kind.
       out: status, number. */
    HOST_BELL = 0x20,
    /* in: number. out: status. */
    HOST_UNREGISTER = 0x21,
    /* in: number of a bell without a vector. out: how often it rang since the last time. */
    HOST_RINGS = 0x22,
    /* out: accesses that came out to the host; address, size, data of the latest, whether it was a write. */
    HOST_ACCESSES = 0x23,
    /* in: 1 to run the instruction that calls once more, number of vectors, vectors (2 is NMI). */
    HOST_RAISE = 0x30,
    /* in: count, vector: another thread of the host raises it, each time once the last was taken. */
    HOST_STORM = 0x31,
    /* out: events injected, windows for interrupts, for NMIs, windows that were none, events that wait. */
    HOST_INJECTED = 0x32,
    /* in: source, number of the first message, count. */
    HOST_POST = 0x40,
    /* out: messages posted, refused, exits that told of free slots, wrong ones, messages that wait. */
    HOST_POSTED = 0x41,
};
enum { BELL_DOORBELL, BELL_PORT, BELL_CONNECTION };
enum { BELL_CONFLICT = 1, BELL_BAD, BELL_NONE, BELL_IN_USE };

/* The call, with the address of the block in EAX. */
#define CALL_HOST "outl %%eax, $0xE8"
static inline void call_host(struct host_call *call) { asm volatile(CALL_HOST : : "a"(call) : "memory"); }

#endif
