//! Sources are ASCII: what a reviewer sees is what the compiler reads.

use anyhow::Result;

use super::Findings;
use super::rust_source::line_of;
use crate::repo::Repo;

const EXTENSIONS: [&str; 5] = ["rs", "py", "toml", "md", "sh"];

/// Scripts without an extension.
const ALSO: [&str; 1] = [".ci/run"];

pub(super) fn check(repo: &Repo) -> Result<Findings> {
    let mut findings = Findings::default();
    for extension in EXTENSIONS {
        for (path, text) in repo.with_extension(extension) {
            judge(path, text, &mut findings);
        }
    }
    for path in ALSO {
        judge(path, repo.text(path).unwrap_or(""), &mut findings);
    }
    let unreadable = |path: &&str| {
        EXTENSIONS
            .iter()
            .any(|end| path.ends_with(&format!(".{end}")))
            && repo.text(path).is_none()
    };
    for path in repo.paths().filter(unreadable) {
        findings.error(format!("{path}: is not even UTF-8"));
    }
    Ok(findings)
}

fn judge(path: &str, text: &str, findings: &mut Findings) {
    if let Some((at, c)) = text.char_indices().find(|(_, c)| !c.is_ascii()) {
        let line = line_of(text, at);
        findings.error(format!(
            "{path}:{line}: U+{:04X} is not ASCII; write it in ASCII or as an escape",
            u32::from(c)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_from_a_word_processor_is_found_with_its_line() {
        let repo = Repo::from([
            ("docs/a.md", "fine\nnot \u{2013} fine\n"),
            ("src/b.rs", "fine"),
            ("x.bin", "\u{2013}"),
        ]);
        let findings = check(&repo).unwrap();
        assert_eq!(findings.errors.len(), 1, "{findings:?}");
        assert!(
            findings.errors[0].starts_with("docs/a.md:2: U+2013"),
            "{findings:?}"
        );
    }

    #[test]
    fn scripts_without_an_extension_count() {
        assert_eq!(
            check(&Repo::from([(".ci/run", "\u{e9}")]))
                .unwrap()
                .errors
                .len(),
            1
        );
    }
}
