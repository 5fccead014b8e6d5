//! The extensions of `openwhp.h`. They belong to this library, whatever engine is tested.

use std::ptr::null_mut;
use std::ptr::without_provenance_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::windows::HANDLE;

use super::cases;
use crate::Engine;
use crate::call;

cases! { "extension":
    the_last_error_says_what_was_wrong from "openwhp.h",
    an_unknown_engine_is_refused from "openwhp.h",
    an_event_is_set_once_and_taken_once from "docs/event-handles.md",
    a_wait_sees_a_later_signal from "docs/event-handles.md",
    a_handle_that_is_no_event_is_refused from "docs/event-handles.md",
}

fn create() -> HANDLE {
    let mut event = null_mut();
    // SAFETY: the pointer is a local variable.
    assert_eq!(unsafe { WinHvPlatform::openwhp_event_create(&raw mut event) }, S_OK);
    assert!(event as usize > 0);
    event
}

fn set(event: HANDLE) -> HRESULT {
    // SAFETY: the function takes no pointers to memory.
    unsafe { WinHvPlatform::openwhp_event_set(event) }
}

fn reset(event: HANDLE) -> HRESULT {
    // SAFETY: the function takes no pointers to memory.
    unsafe { WinHvPlatform::openwhp_event_reset(event) }
}

fn close(event: HANDLE) -> HRESULT {
    // SAFETY: the function takes no pointers to memory.
    unsafe { WinHvPlatform::openwhp_event_close(event) }
}

fn wait(event: HANDLE, timeout_ms: u32) -> bool {
    let mut was_set = 7;
    // SAFETY: the pointer is a local variable.
    assert_eq!(unsafe { WinHvPlatform::openwhp_event_wait(event, timeout_ms, &raw mut was_set) }, S_OK);
    assert!([0, 1].contains(&was_set));
    was_set == 1
}

fn the_last_error_says_what_was_wrong(engine: &Engine) {
    let linked = crate::Api::linked();
    let _ = engine;
    assert_eq!(call!(linked, WHvSetupPartition(null_mut())), E_INVALIDARG);
    let mut text = [0xAA_u8; 8];
    // SAFETY: the buffer has the size given.
    let length = unsafe { WinHvPlatform::openwhp_last_error_text(text.as_mut_ptr().cast(), text.len()) };
    assert!(length > text.len());
    assert_eq!(text[7], 0);
    assert_eq!(&text[..7], b"the par");
    // SAFETY: no buffer of no size.
    assert_eq!(unsafe { WinHvPlatform::openwhp_last_error_text(null_mut(), 0) }, length);
}

fn an_unknown_engine_is_refused(_: &Engine) {
    // SAFETY: the function takes no pointers.
    assert_eq!(unsafe { WinHvPlatform::openwhp_set_engine(99) }, E_INVALIDARG);
}

fn an_event_is_set_once_and_taken_once(_: &Engine) {
    let event = create();
    assert!(!wait(event, 0));
    assert_eq!(set(event), S_OK);
    assert_eq!(set(event), S_OK);
    assert!(wait(event, 0));
    assert!(!wait(event, 1));
    assert_eq!(set(event), S_OK);
    assert_eq!(reset(event), S_OK);
    assert!(!wait(event, 0));
    assert_eq!(close(event), S_OK);
}

fn a_wait_sees_a_later_signal(_: &Engine) {
    let event = create() as usize;
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || wait(without_provenance_mut(event), u32::MAX));
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert_eq!(set(without_provenance_mut(event)), S_OK);
        assert!(waiter.join().expect("the thread ends"));
    });
    assert_eq!(close(without_provenance_mut(event)), S_OK);
}

fn a_handle_that_is_no_event_is_refused(_: &Engine) {
    for handle in [0, 1, 0x7FFF_0000, usize::MAX] {
        assert_eq!(set(without_provenance_mut(handle)), E_HANDLE, "{handle:#x}");
        assert_eq!(reset(without_provenance_mut(handle)), E_HANDLE, "{handle:#x}");
    }
}
