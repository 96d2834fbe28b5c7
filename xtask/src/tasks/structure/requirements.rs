//! Requirements carry ids (`PREFIX-nnn`) in the documents; tests name them.
//!
//! A requirement without a test fails, and so does an id that no document defines.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::Findings;
use super::rust_source::{is_test_file, is_word, line_of, test_part};
use crate::repo::Repo;

/// A kind of requirement and the document that owns it.
struct Kind {
    prefix: &'static str,
    document: &'static str,
    /// Whether the document must define at least one.
    required: bool,
}

const KINDS: &[Kind] = &[
    Kind {
        prefix: "SF",
        document: "docs/format.md",
        required: true,
    },
    Kind {
        prefix: "ST",
        document: "docs/tables.md",
        required: false,
    },
];

pub(super) fn check(repo: &Repo) -> Result<Findings> {
    let mut findings = Findings::default();
    for kind in KINDS {
        judge(kind, repo, &mut findings);
    }
    Ok(findings)
}

fn judge(kind: &Kind, repo: &Repo, findings: &mut Findings) {
    let defined: BTreeSet<u32> = ids(repo.text(kind.document).unwrap_or(""), kind.prefix)
        .into_iter()
        .map(|(_, id)| id)
        .collect();
    if defined.is_empty() && kind.required {
        findings.error(format!(
            "{} defines no requirement {}-nnn",
            kind.document, kind.prefix
        ));
    }
    let mut tested = BTreeSet::new();
    let mut named: BTreeMap<u32, String> = BTreeMap::new();
    for path in repo.paths().filter(|path| names_requirements(path)) {
        let text = repo.text(path).unwrap_or("");
        for (at, id) in ids(text, kind.prefix) {
            named
                .entry(id)
                .or_insert_with(|| format!("{path}:{}", line_of(text, at)));
        }
        tested.extend(
            ids(evidence(path, text), kind.prefix)
                .into_iter()
                .map(|(_, id)| id),
        );
    }
    for id in defined.difference(&tested) {
        findings.error(format!(
            "{}-{id:03} of {} is named by no test and no golden vector",
            kind.prefix, kind.document
        ));
    }
    for (id, place) in named.iter().filter(|(id, _)| !defined.contains(id)) {
        findings.error(format!(
            "{place}: {}-{id:03} is not in {}",
            kind.prefix, kind.document
        ));
    }
}

/// Everything that may name a requirement: code, documents, and the list of vectors.
fn names_requirements(path: &str) -> bool {
    path.ends_with(".rs") || path.ends_with(".py") || path.ends_with(".md") || is_manifest(path)
}

/// The part of a file whose naming a requirement counts as testing it.
fn evidence<'a>(path: &str, text: &'a str) -> &'a str {
    if is_manifest(path) {
        text
    } else if path.ends_with(".rs") && (is_test_file(path) || path.contains("/src/")) {
        test_part(path, text)
    } else {
        ""
    }
}

fn is_manifest(path: &str) -> bool {
    path.starts_with("golden-vectors/")
        && path
            .rsplit('/')
            .next()
            .is_some_and(|name| name.starts_with("MANIFEST"))
}

/// Every `PREFIX-nnn`, and `prefix_nnn` as in the name of a test function.
fn ids(text: &str, prefix: &str) -> Vec<(usize, u32)> {
    let in_a_name = format!("{}_", prefix.to_lowercase());
    let starts = [(format!("{prefix}-"), false), (in_a_name, true)];
    let mut found = Vec::new();
    for (start, inside_name) in &starts {
        for (at, _) in text.match_indices(start.as_str()) {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + start.len()..).unwrap_or("");
            let digits = after
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(after.len());
            let glued = before.is_some_and(|c| is_word(c) && !(*inside_name && c == '_'));
            if digits == 3 && !glued {
                found.extend(
                    after
                        .get(..digits)
                        .and_then(|number| number.parse().ok())
                        .map(|id| (at, id)),
                );
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    // Not the real prefixes: the check would take these for real requirements.
    const KIND: Kind = Kind {
        prefix: "ZZ",
        document: "docs/z.md",
        required: true,
    };

    fn errors<const N: usize>(files: [(&str, &str); N]) -> Vec<String> {
        let mut findings = Findings::default();
        judge(&KIND, &Repo::from(files), &mut findings);
        findings.errors
    }

    #[test]
    fn a_requirement_that_only_code_mentions_is_untested() {
        let found = errors([
            ("docs/z.md", "ZZ-001 and ZZ-002"),
            (
                "crates/a/src/x.rs",
                "// ZZ-001\n#[cfg(test)]\nmod tests { /* ZZ-002 */ }",
            ),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("ZZ-001 of docs/z.md is named by no test"),
            "{found:?}"
        );
    }

    #[test]
    fn tests_their_names_and_the_manifest_count() {
        let found = errors([
            ("docs/z.md", "ZZ-001 ZZ-002 ZZ-003"),
            ("crates/a/tests/x.rs", "// ZZ-001"),
            ("crates/a/tests/y.rs", "fn rejects_zz_002() {}"),
            ("golden-vectors/v1/MANIFEST", "reject/x.bin ZZ-003"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn an_id_that_the_document_does_not_define_is_found_with_its_place() {
        let found = errors([
            ("docs/z.md", "ZZ-001"),
            ("crates/a/tests/x.rs", "// ZZ-001\n// ZZ-404"),
            ("tools/d.py", "# ZZ-405"),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("crates/a/tests/x.rs:2: ZZ-404"),
            "{found:?}"
        );
        assert!(found[1].starts_with("tools/d.py:1: ZZ-405"), "{found:?}");
    }

    #[test]
    fn a_document_without_requirements_is_an_error_where_they_are_required() {
        assert_eq!(errors([("docs/z.md", "nothing")]).len(), 1);
    }

    #[test]
    fn only_three_digits_on_their_own_are_an_id() {
        let numbers = |text| {
            ids(text, "ZZ")
                .into_iter()
                .map(|(_, id)| id)
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers("ZZ-001, ZZ-0012, ZZ-12, XZZ-003, (ZZ-004)"), [1, 4]);
        assert_eq!(numbers("fn zz_005() fn a_zz_006_b() fn fuzz_007()"), [5, 6]);
    }
}
