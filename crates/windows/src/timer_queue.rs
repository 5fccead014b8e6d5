//! Timer queues: procedures that are called when a time is over, each timer on a thread of its own.

#![expect(unsafe_code, reason = "calls the program's procedures")]

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use rustix::event::EventfdFlags;
use rustix::event::eventfd;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::error::ERROR_INVALID_HANDLE;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::error::ERROR_IO_PENDING;
use crate::events;
use crate::handles;
use crate::object::Object;

/// Waits for running procedures, where an event's handle could stand.
const WAIT_FOR_CALLBACKS: usize = usize::MAX;
const WT_EXECUTEONLYONCE: u32 = 8;

type Procedure = unsafe extern "C-unwind" fn(*mut c_void, u8);

/// A queue: what lets all its timers be deleted together.
#[derive(Debug, Default)]
pub(crate) struct TimerQueue {
    timers: Mutex<Vec<Arc<QueueTimer>>>,
}

/// A timer of a queue.
#[derive(Debug, Default)]
pub(crate) struct QueueTimer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_deleted: bool,
    is_calling: bool,
}

impl QueueTimer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until a moment; `false` if the timer was deleted.
    fn sleep_until(&self, end: Instant) -> bool {
        let mut state = self.lock();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if state.is_deleted || left.is_zero() {
                state.is_calling = !state.is_deleted;
                return !state.is_deleted;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn called(&self) {
        self.lock().is_calling = false;
        self.changed.notify_all();
    }

    /// No call begins any more; says whether one is under way.
    fn delete(&self) -> bool {
        let mut state = self.lock();
        state.is_deleted = true;
        self.changed.notify_all();
        state.is_calling
    }

    fn wait_for_call(&self) {
        let mut state = self.lock();
        while state.is_calling {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A pointer that the program lets another thread have.
struct Parameter(*mut c_void);

// SAFETY: the program gives the pointer to a procedure that runs on another thread, and knows that.
unsafe impl Send for Parameter {}

fn start(
    timer: Arc<QueueTimer>,
    procedure: Procedure,
    parameter: Parameter,
    due: Duration,
    period: Duration,
) -> Outcome {
    let first = Instant::now() + due;
    std::thread::Builder::new().name("timer".to_owned()).spawn(move || {
        let parameter = parameter;
        let mut next = first;
        while timer.sleep_until(next) {
            // SAFETY: the program gave the procedure and its parameter for this.
            unsafe { procedure(parameter.0, 1) };
            timer.called();
            if period.is_zero() {
                break;
            }
            next += period;
        }
    })?;
    Ok(())
}

fn create_timer(
    queue: usize,
    procedure: usize,
    parameter: *mut c_void,
    times: [u32; 2],
    flags: u32,
) -> Outcome<usize> {
    if procedure == 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: the program passes the address of a procedure of this type.
    let procedure = unsafe { std::mem::transmute::<usize, Procedure>(procedure) };
    let [due, period] = times.map(|milliseconds| Duration::from_millis(u64::from(milliseconds)));
    let period = if flags & WT_EXECUTEONLYONCE != 0 { Duration::ZERO } else { period };
    let timer = Arc::new(QueueTimer::default());
    if queue != 0 {
        let entry = handles::find(queue)?;
        let Object::TimerQueue(queue) = &*entry.object else { return Err(ERROR_INVALID_HANDLE) };
        queue.timers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&timer));
    }
    let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let handle = handles::insert(fd, Object::QueueTimer(Arc::clone(&timer)))?;
    start(timer, procedure, Parameter(parameter), due, period).inspect_err(|_| handles::forget(handle))?;
    Ok(handle)
}

/// Deletes timers, then waits for their calls, sets an event, or says that calls are under way.
fn delete(timers: &[Arc<QueueTimer>], completion: usize) -> Outcome {
    let calling = timers.iter().filter(|timer| timer.delete()).count() > 0;
    if completion == 0 {
        return if calling { Err(ERROR_IO_PENDING) } else { Ok(()) };
    }
    timers.iter().for_each(|timer| timer.wait_for_call());
    if completion != WAIT_FOR_CALLBACKS {
        events::signal(&handles::find(completion)?)?;
    }
    Ok(())
}

fn delete_queue(queue: usize, completion: usize) -> Outcome {
    let entry = handles::find(queue)?;
    let Object::TimerQueue(timers) = &*entry.object else { return Err(ERROR_INVALID_HANDLE) };
    let timers = std::mem::take(&mut *timers.timers.lock().unwrap_or_else(PoisonError::into_inner));
    handles::forget(queue);
    delete(&timers, completion)
}

exports! {
    /// Creates a timer queue.
    fn CreateTimerQueue() -> usize = 0 => {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        handles::insert(fd, Object::TimerQueue(TimerQueue::default()))
    }

    /// Starts a timer, of a queue or of none. A period of 0 calls once.
    fn CreateTimerQueueTimer(
        timer: *mut usize,
        queue: usize,
        procedure: usize,
        parameter: *mut c_void,
        due_ms: u32,
        period_ms: u32,
        flags: u32,
    ) -> i32 = FALSE => {
        let timer = timer.required()?;
        timer.set(create_timer(queue, procedure, parameter.pointer(), [due_ms, period_ms], flags)?);
        Ok(TRUE)
    }

    /// Ends a timer.
    fn DeleteTimerQueueTimer(queue: usize, timer: usize, completion: usize) -> i32 = FALSE => {
        let entry = handles::find(timer)?;
        let Object::QueueTimer(found) = &*entry.object else { return Err(ERROR_INVALID_HANDLE) };
        handles::forget(timer);
        delete(&[Arc::clone(found)], completion)?;
        Ok(TRUE)
    }

    /// Ends a queue with its timers.
    fn DeleteTimerQueueEx(queue: usize, completion: usize) -> i32 = FALSE => {
        delete_queue(queue, completion)?;
        Ok(TRUE)
    }

    /// Ends a queue with its timers, without waiting.
    fn DeleteTimerQueue(queue: usize) -> i32 = FALSE => {
        delete_queue(queue, 0)?;
        Ok(TRUE)
    }
}
