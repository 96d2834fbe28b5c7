//! The sources of snapshot-format: bytes in, bytes out, and nothing of the machine around them.

use anyhow::Result;

use super::Findings;
use super::rust_source::{code_only, find_word, is_word, line_of};
use crate::repo::Repo;

const SOURCES: &str = "crates/snapshot-format/src/";

/// Modules of `std` that reach outside the process, or make a result depend on more than its input.
const MODULES: [&str; 9] = [
    "env", "fs", "io", "net", "os", "path", "process", "thread", "time",
];

const WORDS: &[(&str, &str)] = &[
    (
        "unsafe",
        "the bytes are consensus-critical; there is a safe way",
    ),
    ("print!", "return it"),
    ("println!", "return it"),
    ("eprint!", "return it"),
    ("eprintln!", "return it"),
];

pub(super) fn check(repo: &Repo) -> Result<Findings> {
    let mut findings = Findings::default();
    let sources = repo
        .with_extension("rs")
        .filter(|(path, _)| path.starts_with(SOURCES));
    let mut seen = 0;
    for (path, text) in sources {
        judge(path, text, &mut findings);
        seen += 1;
    }
    if seen == 0 {
        findings.error(format!(
            "no sources under {SOURCES}; if the crate moved, move this check"
        ));
    }
    Ok(findings)
}

fn judge(path: &str, text: &str, findings: &mut Findings) {
    let code = code_only(text);
    for (at, module) in std_modules(&code) {
        if MODULES.contains(&module) || matches!(module, "" | "*") {
            let line = line_of(&code, at);
            findings.error(format!(
                "{path}:{line}: `std::{module}` has no place here; I/O lives in snapshot-store"
            ));
        }
    }
    for (word, advice) in WORDS {
        for at in find_word(&code, word) {
            findings.error(format!("{path}:{}: `{word}`: {advice}", line_of(&code, at)));
        }
    }
}

/// Every module of `std` that the code names, in paths and in grouped imports.
///
/// The empty name stands for `std` itself under another name.
fn std_modules(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for at in find_word(code, "std") {
        let rest = code.get(at + "std".len()..).unwrap_or("").trim_start();
        let Some(path) = rest.strip_prefix("::") else {
            // `use std as other;` and `extern crate std` would hide what follows.
            if rest.starts_with("as ")
                || code
                    .get(..at)
                    .is_some_and(|before| before.trim_end().ends_with("crate"))
            {
                found.push((at, ""));
            }
            continue;
        };
        match path.trim_start().strip_prefix('{') {
            Some(group) => found.extend(group_heads(group).into_iter().map(|head| (at, head))),
            None => found.push((at, head(path))),
        }
    }
    found
}

/// The first path segment of each item of `{a, b::c, d::{e, f}}`, given what follows the brace.
fn group_heads(group: &str) -> Vec<&str> {
    let mut heads = vec![head(group)];
    let mut depth = 0_usize;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.extend(group.get(at + 1..).map(head)),
            _ => {}
        }
    }
    // A trailing comma leaves an empty item, which is not an import.
    heads.retain(|head| !head.is_empty() && *head != "self");
    heads
}

fn head(path: &str) -> &str {
    let path = path.trim_start();
    let end = path.find(|c| !is_word(c) && c != '*').unwrap_or(path.len());
    path.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        check(&Repo::from([("crates/snapshot-format/src/x.rs", text)]))
            .unwrap()
            .errors
    }

    #[test]
    fn every_way_out_is_found() {
        let wrong = [
            "use std::fs;",
            "use std::{fmt, io};",
            "use std::{fmt::{self, Write}, collections::{BTreeMap}, net::IpAddr,};",
            "fn f() { ::std::thread::spawn(g); }",
            "let now = std :: time :: Instant::now();",
            "use std::env::var;",
            "use std::*;",
            "use std as other;",
            "extern crate std;",
            "fn f() { unsafe { g() } }",
            "println!(\"x\");",
        ];
        for text in wrong {
            assert_eq!(errors(text).len(), 1, "{text}: {:?}", errors(text));
        }
    }

    #[test]
    fn the_rest_of_std_is_fine() {
        let right = "
            //! No std::fs here, nothing unsafe.
            use std::{fmt::{self, Display}, error::Error, str::FromStr,};
            use core::time::Duration;
            fn f() { std::mem::take(x); my_std::fs(); let s = \"std::io\"; }
        ";
        assert_eq!(errors(right), Vec::<String>::new());
    }

    #[test]
    fn other_crates_are_not_its_business_and_a_missing_one_is() {
        let found = check(&Repo::from([(
            "crates/snapshot-store/src/x.rs",
            "use std::fs;",
        )]))
        .unwrap()
        .errors;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("no sources"), "{found:?}");
    }
}
