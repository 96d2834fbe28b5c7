//! `cargo xtask test`: everything that has to hold before a change lands, in steps.
//!
//! Everything that links RocksDB is built in the release profile and for the whole workspace: another
//! profile, or another selection of packages with other features, would compile its C++ again.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{faults, second_opinion, setup, structure};
use crate::sh::{self, Cmd};
use crate::{golden, repo, say};

/// What to run.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Run only this step (may be given several times)
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Leave this step out (may be given several times)
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
    /// Go on after a step that failed
    #[arg(long)]
    keep_going: bool,
    /// Print the steps and stop
    #[arg(long)]
    list: bool,
}

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<()>,
}

/// Cheap ones first; those that need RocksDB last.
const STEPS: &[Step] = &[
    Step {
        name: "setup",
        what: "what a build needs is there",
        run: setup::run,
    },
    Step {
        name: "fmt",
        what: "the code is formatted",
        run: fmt,
    },
    Step {
        name: "structure",
        what: "boundaries, policies, requirements, links",
        run: structure::run,
    },
    Step {
        name: "dev-tests",
        what: "snapshot-format and xtask with debug assertions",
        run: dev_tests,
    },
    Step {
        name: "golden",
        what: "the encoder still writes the golden vectors",
        run: golden_check,
    },
    Step {
        name: "second-decoder",
        what: "the Python decoder agrees on every vector",
        run: second_opinion::run,
    },
    Step {
        name: "clippy",
        what: "no lints",
        run: clippy,
    },
    Step {
        name: "doc-tests",
        what: "examples in the documentation run",
        run: doc_tests,
    },
    Step {
        name: "tests",
        what: "all tests, against a real RocksDB",
        run: tests,
    },
    Step {
        name: "faults",
        what: "some of the fault campaign",
        run: faults::run_bounded,
    },
    Step {
        name: "rustdoc",
        what: "the documentation builds without a broken link",
        run: rustdoc,
    },
    Step {
        name: "deny",
        what: "cargo-deny, where it is installed",
        run: deny,
    },
];

/// Runs the chosen steps and closes with one line for each.
///
/// # Errors
///
/// When a step fails, or a step is named that does not exist.
pub(crate) fn run(options: &Options) -> Result<()> {
    check_names(options)?;
    if options.list {
        for step in STEPS {
            say::line(&format!("{:<15} {}", step.name, step.what));
        }
        return Ok(());
    }
    let mut outcomes = Vec::new();
    let mut stopped = false;
    for step in STEPS {
        if stopped || !is_chosen(options, step.name) {
            outcomes.push((step, Outcome::NotRun));
            continue;
        }
        if step.name != "setup" {
            say::heading(&format!("{}: {}", step.name, step.what));
        }
        let start = Instant::now();
        let outcome = match (step.run)() {
            Ok(()) => Outcome::Passed(start.elapsed()),
            Err(error) => {
                eprintln!("error: {} failed: {error:#}", step.name);
                stopped = !options.keep_going;
                Outcome::Failed(start.elapsed())
            }
        };
        outcomes.push((step, outcome));
    }
    close(&outcomes)
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

fn close(outcomes: &[(&Step, Outcome)]) -> Result<()> {
    say::heading("summary");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (step, outcome) in outcomes {
        let (word, time) = match outcome {
            Outcome::Passed(time) => ("ok", Some(time)),
            Outcome::Failed(time) => ("FAILED", Some(time)),
            Outcome::NotRun => ("not run", None),
        };
        match outcome {
            Outcome::Passed(_) => passed += 1,
            Outcome::Failed(_) => failed += 1,
            Outcome::NotRun => skipped += 1,
        }
        let time = time.map_or_else(String::new, |time| say::duration(*time));
        say::note(format!("{:<15} {word:<8} {time:>12}", step.name).trim_end());
    }
    say::line(&format!(
        "steps: {passed} passed, {failed} failed, {skipped} skipped"
    ));
    if failed > 0 {
        bail!("{failed} steps failed; run one again with `cargo xtask test --only STEP`");
    }
    Ok(())
}

fn check_names(options: &Options) -> Result<()> {
    for name in options.only.iter().chain(&options.skip) {
        if !STEPS.iter().any(|step| step.name == name) {
            let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
            bail!("no step `{name}`; there are: {}", names.join(", "));
        }
    }
    Ok(())
}

fn is_chosen(options: &Options, name: &str) -> bool {
    let wanted = options.only.is_empty() || options.only.iter().any(|only| only == name);
    wanted && !options.skip.iter().any(|skip| skip == name)
}

fn cargo(args: &[&str]) -> Result<Cmd> {
    Ok(Cmd::cargo().args(args).dir(repo::root()?))
}

fn fmt() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?.run()
}

fn clippy() -> Result<()> {
    setup::warn_if_cold()?;
    cargo(&[
        "clippy",
        "--locked",
        "--release",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])?
    .run()
}

fn tests() -> Result<()> {
    setup::warn_if_cold()?;
    run_tests(&["--locked", "--release", "--workspace"])
}

/// Overflow checks and debug assertions on, in the one crate where the bytes are decided.
fn dev_tests() -> Result<()> {
    run_tests(&[
        "--locked",
        "--package",
        "snapshot-format",
        "--package",
        "xtask",
    ])
}

fn run_tests(selection: &[&str]) -> Result<()> {
    let nextest = sh::version_line(&Cmd::cargo().args(["nextest", "--version"])).is_some();
    let runner: &[&str] = if nextest {
        &["nextest", "run", "--no-fail-fast"]
    } else {
        // Not doc tests: those are a step of their own, which nextest would leave out.
        &["test", "--no-fail-fast", "--lib", "--bins", "--tests"]
    };
    cargo(runner)?.args(selection).run()
}

fn doc_tests() -> Result<()> {
    setup::warn_if_cold()?;
    cargo(&["test", "--locked", "--release", "--workspace", "--doc"])?.run()
}

fn rustdoc() -> Result<()> {
    setup::warn_if_cold()?;
    cargo(&["doc", "--locked", "--release", "--workspace", "--no-deps"])?
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()
}

fn golden_check() -> Result<()> {
    golden::run(true, false)
}

fn deny() -> Result<()> {
    if sh::version_line(&Cmd::cargo().args(["deny", "--version"])).is_none() {
        say::note(
            "cargo-deny is not installed: the structure step has checked all of deny.toml but advisories",
        );
        return Ok(());
    }
    cargo(&["deny", "--locked", "check"])?.run()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(only: &[&str], skip: &[&str]) -> Options {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Options {
            only: own(only),
            skip: own(skip),
            ..Options::default()
        }
    }

    #[test]
    fn steps_are_chosen_by_name() {
        let chosen = |options: &Options| {
            STEPS
                .iter()
                .map(|step| step.name)
                .filter(|name| is_chosen(options, name))
                .collect::<Vec<_>>()
        };
        assert_eq!(chosen(&options(&[], &[])).len(), STEPS.len());
        assert_eq!(chosen(&options(&["fmt", "clippy"], &["fmt"])), ["clippy"]);
        assert_eq!(chosen(&options(&[], &["fmt"])).len(), STEPS.len() - 1);
    }

    #[test]
    fn a_step_that_does_not_exist_is_an_error() {
        assert!(check_names(&options(&["fmt"], &["clippy"])).is_ok());
        assert!(check_names(&options(&["fnt"], &[])).is_err());
        assert!(check_names(&options(&[], &["fnt"])).is_err());
    }

    #[test]
    fn one_failed_step_fails_the_run() {
        let step = &STEPS[0];
        let time = Duration::from_secs(1);
        assert!(close(&[(step, Outcome::Passed(time)), (step, Outcome::NotRun)]).is_ok());
        assert!(close(&[(step, Outcome::Passed(time)), (step, Outcome::Failed(time))]).is_err());
    }
}
