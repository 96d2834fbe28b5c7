//! No library names an option of a command: whoever links the library, or reads a node's log, has none.

use anyhow::Result;

use super::Findings;
use crate::repo::Repo;

/// Whose words may come from anything that links them.
const LIBRARIES: [&str; 4] = [
    "crates/snapshot-format/src/",
    "crates/snapshot-store/src/",
    "crates/snapshot-tools/src/",
    "crates/node-hook/src/",
];

pub(super) fn check(repo: &Repo) -> Result<Findings> {
    let mut findings = Findings::default();
    for (path, text) in repo.with_extension("rs") {
        if LIBRARIES.iter().any(|library| path.starts_with(library)) {
            judge(path, text, &mut findings);
        }
    }
    Ok(findings)
}

fn judge(path: &str, text: &str, findings: &mut Findings) {
    for (index, line) in text.lines().enumerate() {
        if !line.trim_start().starts_with("//") && names_option(line) {
            findings.error(format!(
                "{path}:{}: names an option: advise in crates/snapshot-cli/src/hint.rs instead",
                index + 1
            ));
        }
    }
}

/// Whether a word of `line` begins with two hyphens and a letter.
fn names_option(line: &str) -> bool {
    line.match_indices("--").any(|(at, hyphens)| {
        let before = line.get(..at).and_then(|before| before.chars().last());
        let rest = line.get(at + hyphens.len()..).unwrap_or_default();
        before.is_none_or(|c| " \"`('".contains(c))
            && rest.starts_with(|c: char| c.is_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_strings_and_not_in_comments() {
        let found = |text: &str| {
            let mut findings = Findings::default();
            judge("a.rs", text, &mut findings);
            findings.errors.len()
        };
        assert_eq!(
            found("#[error(\"use --force\")]\n    \"--db is\"\n `--x`"),
            3
        );
        assert_eq!(
            found("// use --force\n/// `--db`\nlet a = b - -c;\n\"a--b\"\n\"-- \""),
            0
        );
    }
}
