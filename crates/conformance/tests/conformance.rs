//! Runs every case on every engine.

use libtest_mimic::Arguments;
use libtest_mimic::Trial;
use openwhp_conformance::Engine;
use openwhp_conformance::cases;

fn main() {
    let engines = Engine::all().unwrap_or_else(|reason| panic!("no engine to test: {reason}"));
    let mut trials = Vec::new();
    for engine in engines {
        for case in cases::all() {
            let name = format!("{}::{}::{}", engine.name, case.subject, case.name);
            let trial = Trial::test(name, move || {
                std::panic::catch_unwind(|| (case.body)(&engine))
                    .map_err(|cause| format!("{} [{}]", message(&*cause), case.source).into())
            });
            trials.push(trial);
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn message(cause: &(dyn std::any::Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().cloned();
    text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "the case failed".to_owned())
}
