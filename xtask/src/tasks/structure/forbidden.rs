//! What no code, or no test, may contain: each of these makes a green run mean less.

use anyhow::Result;

use super::Findings;
use super::rust_source::{code_only, find_word, line_of, test_part};
use crate::repo::Repo;

/// Anywhere.
const IN_CODE: &[(&str, &str)] = &[
    ("todo!", "finish it, or leave it out"),
    ("unimplemented!", "finish it, or leave it out"),
    ("dbg!", "remove it"),
];

/// In tests, on top.
const IN_TESTS: &[(&str, &str)] = &[
    (
        "#[ignore",
        "a test that does not run proves nothing: fix it or delete it",
    ),
    ("should_panic", "assert on the error that is returned"),
    ("thread::sleep", "wait for the event, not for a time"),
];

pub(super) fn check(repo: &Repo) -> Result<Findings> {
    let mut findings = Findings::default();
    for (path, text) in repo.with_extension("rs") {
        let code = code_only(text);
        judge(path, &code, 0, IN_CODE, &mut findings);
        let tests = code_only(test_part(path, text));
        let lines_before = line_of(&code, code.len() - tests.len()) - 1;
        judge(path, &tests, lines_before, IN_TESTS, &mut findings);
        for at in bare_matches(&tests) {
            let line = lines_before + line_of(&tests, at);
            findings.error(format!(
                "{path}:{line}: bare `matches!` asserts nothing; write `assert!(matches!(..))`"
            ));
        }
    }
    Ok(findings)
}

fn judge(
    path: &str,
    code: &str,
    lines_before: usize,
    rules: &[(&str, &str)],
    findings: &mut Findings,
) {
    for (word, advice) in rules {
        for at in find_word(code, word) {
            let line = lines_before + line_of(code, at);
            findings.error(format!("{path}:{line}: `{word}`: {advice}"));
        }
    }
}

/// Positions of `matches!(..);` as a statement: its answer is thrown away.
fn bare_matches(code: &str) -> Vec<usize> {
    let starts_statement = |at: usize| {
        let before = code.get(..at).unwrap_or("").trim_end();
        before.is_empty() || before.ends_with([';', '{', '}'])
    };
    let is_discarded = |at: usize| {
        let call = code.get(at..).unwrap_or("");
        let mut depth = 0_usize;
        for (offset, c) in call.char_indices() {
            match c {
                '(' => depth += 1,
                ')' if depth > 1 => depth -= 1,
                ')' => {
                    return call
                        .get(offset + 1..)
                        .is_some_and(|rest| rest.trim_start().starts_with(';'));
                }
                _ => {}
            }
        }
        false
    };
    find_word(code, "matches!")
        .filter(|&at| starts_statement(at) && is_discarded(at))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(path: &str, text: &str) -> Vec<String> {
        check(&Repo::from([(path, text)])).unwrap().errors
    }

    #[test]
    fn each_forbidden_thing_is_found_in_a_test() {
        let wrong = [
            "#[ignore]",
            "#[ignore = \"slow\"]",
            "#[should_panic(expected = \"x\")]",
            "std::thread::sleep(d);",
            "fn f() { todo!() }",
            "fn f() { unimplemented!(\"x\") }",
            "fn f() { dbg!(1); }",
            "fn f() { g(); matches!(x, Some(_)); }",
            "fn f() { matches!(x, Some((_, y)) if y > (1)) ; }",
        ];
        for text in wrong {
            assert_eq!(errors("crates/a/tests/t.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_one_passes() {
        let right = "
            // todo! and #[ignore] in a comment
            fn f() { let a = \"dbg!(x) should_panic\"; my_todo!(); }
            fn g() -> bool { matches!(x, Some(_)) }
            fn h() { assert!(matches!(x, Some(_)), \"{x:?}\"); let b = matches!(x, None); }
        ";
        assert_eq!(errors("crates/a/tests/t.rs", right), Vec::<String>::new());
    }

    #[test]
    fn test_only_rules_leave_other_code_alone_and_know_their_line() {
        let text =
            "fn wait() { thread::sleep(d) }\n\n#[cfg(test)]\nmod tests {\n  thread::sleep(d)\n}";
        let found = errors("crates/a/src/x.rs", text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("crates/a/src/x.rs:5:"), "{found:?}");
    }
}
