/*
 * openwhp.h - what this implementation adds to the Windows Hypervisor Platform interface.
 *
 * Everything here has the prefix openwhp_ or OPENWHP_. None of it is needed to run a program written for Windows.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_H
#define OPENWHP_H

#include "WinHvPlatform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Why a call failed ---- */

/*
 * Text of the last failure on the calling thread, for a person to read: what was asked, what is allowed.
 *
 * Copies at most size bytes with a final zero byte into buffer and returns the length of the whole text without
 * it. Returns 0 when no call on this thread failed yet. buffer may be NULL when size is 0.
 */
size_t openwhp_last_error_text(char *buffer, size_t size);

/* ---- Engines ---- */

typedef enum openwhp_engine {
    OPENWHP_ENGINE_AUTO = 0, /* the best engine that this machine offers */
    OPENWHP_ENGINE_SOFT = 1  /* the software processor; works everywhere */
} openwhp_engine;

/*
 * Chooses the engine of partitions that this process creates from now on.
 * Returns E_INVALIDARG for a value that is not listed, HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED) for an engine that
 * this machine does not offer.
 */
HRESULT openwhp_set_engine(openwhp_engine engine);

/* ---- Events: a HANDLE here is the descriptor of an eventfd, see docs/event-handles.md ---- */

/* Creates an event, not set. Close it with openwhp_event_close or close(2). */
HRESULT openwhp_event_create(HANDLE *event);

/* Sets an event. Setting a set event changes nothing. */
HRESULT openwhp_event_set(HANDLE event);

/* Clears an event. */
HRESULT openwhp_event_reset(HANDLE event);

/*
 * Waits until an event is set, then clears it. timeout_ms counts milliseconds; 0xFFFFFFFF waits without limit.
 * Stores whether the event was set; a time-out is not a failure.
 */
HRESULT openwhp_event_wait(HANDLE event, uint32_t timeout_ms, BOOL *was_set);

/* Closes an event. */
HRESULT openwhp_event_close(HANDLE event);

/* ---- Registers that the interface has no name for; x64, where the processor has the state component ---- */

/*
 * The 128 bits from bit 128 * part on of vector register n: parts 1 to 3 of ZMM0 to ZMM15 (part 0 is the XMM register),
 * parts 0 to 3 of ZMM16 to ZMM31.
 */
#define OPENWHP_X64_REGISTER_VECTOR_PART(n, part) ((WHV_REGISTER_NAME)(0x4F570000 + 16 * (n) + (part)))

/* Opmask register n, 0 to 7. */
#define OPENWHP_X64_REGISTER_OPMASK(n) ((WHV_REGISTER_NAME)(0x4F570400 + (n)))

/* PKRU. */
#define OPENWHP_X64_REGISTER_PKRU ((WHV_REGISTER_NAME)0x4F570500)

#ifdef __cplusplus
}
#endif

#endif
