//! Runs every case on every engine.

use libtest_mimic::Arguments;
use libtest_mimic::Completion;
use libtest_mimic::Trial;
use openwhp_conformance::Engine;
use openwhp_conformance::cases;
use openwhp_conformance::coverage::Outcome;

fn main() {
    let engines = Engine::all().unwrap_or_else(|reason| panic!("no engine to test: {reason}"));
    let mut trials = Vec::new();
    for engine in engines {
        for case in cases::all() {
            let name = format!("{}::{}::{}", engine.name, case.subject, case.name);
            let trial = Trial::ignorable_test(name, move || match Outcome::of(|| (case.body)(&engine)) {
                Outcome::Passed => Ok(Completion::Completed),
                Outcome::Skipped(reason) => Ok(Completion::ignored_with(reason)),
                Outcome::Failed(message) => Err(format!("{message} [{}]", case.source).into()),
            });
            trials.push(trial);
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
