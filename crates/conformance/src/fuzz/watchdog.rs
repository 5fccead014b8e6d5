//! Gets processors out of runs that last too long.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::ThreadId;
use std::time::Duration;
use std::time::Instant;

use crate::api::Api;
use crate::call;

/// Longest run before it is cancelled.
const LIMIT: Duration = Duration::from_millis(2);

/// Knows which processors run, and what every thread is doing.
#[derive(Debug)]
pub(super) struct Watchdog {
    hang: Duration,
    runs: Mutex<Vec<(usize, u32, Instant)>>,
    calls: Mutex<HashMap<ThreadId, (&'static str, Instant)>>,
}

impl Watchdog {
    /// A watchdog that ends the process when work takes longer than `hang`.
    pub(super) fn new(hang: Duration) -> Self {
        Self { hang, runs: Mutex::default(), calls: Mutex::default() }
    }

    /// Notes that this thread begins a call of this kind.
    pub(super) fn note(&self, kind: &'static str) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.insert(std::thread::current().id(), (kind, Instant::now()));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(usize, u32, Instant)>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` while overlong runs are cancelled.
    pub(super) fn guard<T>(&self, api: Api, work: impl FnOnce() -> T) -> T {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let start = Instant::now();
                while !is_over.load(Ordering::Relaxed) {
                    std::thread::sleep(LIMIT / 2);
                    self.cancel_overlong(api);
                    if start.elapsed() > self.hang {
                        self.tell();
                        std::process::abort();
                    }
                }
            });
            let _end = End(&is_over);
            work()
        })
    }

    /// Says where everybody is, with the debugger's view if there is one on this machine.
    fn tell(&self) {
        eprintln!("a sequence hangs");
        for (partition, vp, since) in &*self.lock() {
            eprintln!(
                "  processor {vp} of partition {partition:#x} is inside a run for {:?}",
                since.elapsed()
            );
        }
        for (thread, (kind, since)) in &*self.calls.lock().unwrap_or_else(PoisonError::into_inner) {
            eprintln!("  {thread:?} began its last call ({kind}) {:?} ago", since.elapsed());
        }
        let mut gdb = std::process::Command::new("gdb");
        gdb.args(["-batch", "-ex", "thread apply all backtrace 40", "-p", &std::process::id().to_string()]);
        match gdb.output() {
            Ok(output) => eprintln!("{}", String::from_utf8_lossy(&output.stdout)),
            Err(error) => eprintln!("  no debugger to ask: {error}"),
        }
    }

    /// Does `work`, a run of this processor.
    pub(super) fn watch<T>(&self, partition: usize, vp: u32, work: impl FnOnce() -> T) -> T {
        let entry = (partition, vp, Instant::now());
        self.lock().push(entry);
        let result = work();
        self.lock().retain(|run| *run != entry);
        result
    }

    fn cancel_overlong(&self, api: Api) {
        let overlong: Vec<_> = self.lock().iter().filter(|run| run.2.elapsed() > LIMIT).copied().collect();
        for (partition, vp, _) in overlong {
            let partition = std::ptr::without_provenance_mut(partition);
            let _ = call!(api, WHvCancelRunVirtualProcessor(partition, vp, 0));
        }
    }
}

/// Ends the watch, also when the work panics.
pub(super) struct End<'a>(pub(super) &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
