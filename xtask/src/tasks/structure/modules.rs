//! Every module opens with `//!`, and files stay short enough to be read in one sitting.

use anyhow::Result;

use super::Findings;
use super::rust_source::is_test_file;
use crate::repo::Repo;

/// Past this many lines a file wants a second look.
const WARN_LINES: usize = 400;

/// Past this many it is split.
const MAX_LINES: usize = 600;

pub(super) fn check(repo: &Repo) -> Result<Findings> {
    let mut findings = Findings::default();
    for (path, text) in repo.with_extension("rs") {
        if !text.trim_start().starts_with("//!") {
            findings.error(format!(
                "{path}: does not open with `//!`: what lives here, and what must not"
            ));
        }
        let lines = text.lines().count();
        if is_test_file(path) || path.contains("/benches/") {
            continue;
        }
        if lines > MAX_LINES {
            findings.error(format!(
                "{path}: {lines} lines, the limit is {MAX_LINES}; split it"
            ));
        } else if lines > WARN_LINES {
            findings.warn(format!(
                "{path}: {lines} lines; past {WARN_LINES} it wants a second look"
            ));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_without_its_comment_is_found() {
        let repo = Repo::from([
            ("crates/a/src/x.rs", "use std::fmt;\n"),
            ("crates/a/src/y.rs", "//! Y.\n"),
        ]);
        let findings = check(&repo).unwrap();
        assert_eq!(findings.errors.len(), 1, "{findings:?}");
        assert!(
            findings.errors[0].starts_with("crates/a/src/x.rs:"),
            "{findings:?}"
        );
    }

    #[test]
    fn long_files_warn_and_then_fail() {
        let lines = |count: usize| format!("//! Long.\n{}", "\n".repeat(count - 1));
        let [full, long, huge] = [WARN_LINES, WARN_LINES + 1, MAX_LINES + 1].map(lines);
        let repo = Repo::from([
            ("crates/a/src/full.rs", full.as_str()),
            ("crates/a/src/long.rs", &long),
            ("crates/a/src/huge.rs", &huge),
            ("crates/a/tests/huge.rs", &huge),
        ]);
        let findings = check(&repo).unwrap();
        assert_eq!(
            (findings.errors.len(), findings.warnings.len()),
            (1, 1),
            "{findings:?}"
        );
        assert!(
            findings.errors[0].starts_with("crates/a/src/huge.rs"),
            "{findings:?}"
        );
        assert!(
            findings.warnings[0].starts_with("crates/a/src/long.rs"),
            "{findings:?}"
        );
    }
}
