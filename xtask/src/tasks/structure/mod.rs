//! Checks of the repository itself: that the boundaries hold which ARCHITECTURE.md draws and no
//! compiler enforces.
//!
//! One file per check. Each judges plain data in a function without side effects, so its unit tests
//! can show that it fails when it should.

mod advice;
mod ascii;
mod dependencies;
mod forbidden;
mod format_purity;
mod links;
mod modules;
mod policy;
mod requirements;
mod rust_source;
mod spdx;

use anyhow::{Result, bail};

use crate::repo::Repo;
use crate::say;

/// What a check found.
#[derive(Debug, Default)]
struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    fn error(&mut self, text: impl Into<String>) {
        self.errors.push(text.into());
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }
}

type Check = fn(&Repo) -> Result<Findings>;

/// Every check, with what holds when it passes.
const CHECKS: &[(&str, Check)] = &[
    (
        "crates depend on each other only along the permitted arrows",
        dependencies::arrows,
    ),
    (
        "what each crate pulls in: snapshot-format listed crates only",
        dependencies::trees,
    ),
    (
        "one RocksDB, the version that storage nodes link",
        dependencies::rocksdb_version,
    ),
    (
        "deny.toml: sources, licences, bans, duplicate versions",
        policy::check,
    ),
    (
        "snapshot-format does no I/O and has no unsafe code",
        format_purity::check,
    ),
    (
        "every requirement has a test, every named one exists",
        requirements::check,
    ),
    (
        "modules say what they are for, and stay short",
        modules::check,
    ),
    (
        "no ignored, unfinished, sleeping or toothless tests",
        forbidden::check,
    ),
    ("libraries name no option of a command", advice::check),
    ("sources are ASCII", ascii::check),
    ("links between documents lead somewhere", links::check),
];

/// Runs every check and prints one line for each.
///
/// # Errors
///
/// When a check cannot run, or finds something.
pub(crate) fn run() -> Result<()> {
    let repo = Repo::load()?;
    let mut failed = 0;
    for (what, check) in CHECKS {
        let findings = check(&repo)?;
        say::note(&format!(
            "{} {what}",
            if findings.errors.is_empty() {
                "ok  "
            } else {
                "FAIL"
            }
        ));
        for warning in &findings.warnings {
            say::note(&format!("       warning: {warning}"));
        }
        for error in &findings.errors {
            say::note(&format!("       {error}"));
        }
        failed += usize::from(!findings.errors.is_empty());
    }
    if failed > 0 {
        bail!(
            "{failed} of {} structure checks failed; each line above says what to change",
            CHECKS.len()
        );
    }
    Ok(())
}
