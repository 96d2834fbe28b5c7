//! Just enough of Rust's lexical grammar to look at code without its comments and strings, and to
//! tell test code from the rest.
//!
//! No parsing: what this cannot tell apart, the checks built on it must not depend on.

/// Replaces comments and the contents of string and character literals by spaces.
///
/// Line ends stay and lengths are kept, so a position in the result is one in the source.
pub(crate) fn code_only(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    let mut after_word = false;
    while let Some(first) = rest.chars().next() {
        let (length, is_code) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (block_comment(rest), false)
        } else if let Some(length) = (!after_word).then(|| prefixed_string(rest)).flatten() {
            (length, false)
        } else if first == '"' {
            (quoted(rest, '"'), false)
        } else if first == '\'' {
            char_literal(rest).map_or((1, true), |length| (length, false))
        } else {
            (first.len_utf8(), true)
        };
        let (taken, tail) = rest.split_at(length.max(first.len_utf8()));
        if is_code {
            out.push_str(taken);
        } else {
            // Byte for byte, so that a position in the one is the same position in the other.
            out.extend(
                taken
                    .bytes()
                    .map(|byte| if byte == b'\n' { '\n' } else { ' ' }),
            );
        }
        after_word = is_code && is_word(first);
        rest = tail;
    }
    out
}

/// The part of a file that only tests see: all of it under `tests/`, else from the first
/// `#[cfg(test)]` on (this workspace keeps test modules last).
pub(crate) fn test_part<'a>(path: &str, source: &'a str) -> &'a str {
    if is_test_file(path) {
        return source;
    }
    code_only(source)
        .find("#[cfg(test)]")
        .and_then(|at| source.get(at..))
        .unwrap_or("")
}

/// Whether a whole file is test code.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The 1-based line of a byte position.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

/// The positions where `word` stands as a whole word.
pub(crate) fn find_word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| {
            let before = code.get(..at).and_then(|text| text.chars().next_back());
            let after = code
                .get(at + word.len()..)
                .and_then(|text| text.chars().next());
            let glued_after = word.ends_with(is_word) && after.is_some_and(is_word);
            !(glued_after || before.is_some_and(is_word))
        })
}

/// Whether a character can be part of an identifier.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a raw, byte or C string literal, or `None` when none starts here.
fn prefixed_string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c"].into_iter().find(|prefix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(['"', '#', '\'']))
    })?;
    let rest = text.strip_prefix(prefix)?;
    if prefix == "b" && rest.starts_with('\'') {
        return char_literal(rest).map(|length| length + 1);
    }
    if !prefix.ends_with('r') {
        return rest
            .starts_with('"')
            .then(|| prefix.len() + quoted(rest, '"'));
    }
    let hashes = rest.find(|c| c != '#')?;
    // `r#name` is an identifier, not a string.
    let body = rest.get(hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body
        .find(&close)
        .map_or(body.len(), |end| end + close.len());
    Some(prefix.len() + hashes + 1 + end)
}

/// The length of a literal that starts with `quote` and ends at the next unescaped one.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The length of a character literal, or `None` for a lifetime.
fn char_literal(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return Some(quoted(text, '\''));
    }
    let (at, second) = chars.next()?;
    (second == '\'').then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        code_only(source)
            .split(|c| !is_word(c))
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn comments_and_literals_disappear_and_code_stays() {
        let source = r####"
            let a = "in \" string"; // in line
            /* in /* nested */ block */ let b = 'c';
            let c = r#"in "raw" "#; let d = b"bytes"; let e = b'x'; let f = '\'';
            let g: &'static str = c"cstr"; let r#type = r##"in "# raw"##; let number = var"tail";
        "####;
        let want = "let a let b let c let d let e let f let g static str let r type let number var";
        assert_eq!(words(source).join(" "), want);
    }

    #[test]
    fn lines_keep_their_numbers() {
        let code = code_only("a /*\n\n*/ b \"x\ny\" c");
        assert_eq!(code.find('c').map(|at| line_of(&code, at)), Some(4));
    }

    #[test]
    fn unfinished_literals_end_with_the_file() {
        for source in ["\"abc", "r#\"abc", "/* abc", "'\\", "b\"x", "'", "\"\\"] {
            assert_eq!(code_only(source).len(), source.len());
        }
    }

    #[test]
    fn whole_words_only() {
        let count = |code, word| find_word(code, word).count();
        assert_eq!(count("x my_x x1 (x) x", "x"), 3);
        assert_eq!(count("dbg!(a) xdbg!(b)", "dbg!"), 1);
    }

    #[test]
    fn test_code_is_told_from_the_rest() {
        assert_eq!(test_part("crates/a/tests/x.rs", "all"), "all");
        assert_eq!(
            test_part("crates/a/src/x.rs", "no #[cfg(test)] yes"),
            "#[cfg(test)] yes"
        );
        assert_eq!(test_part("crates/a/src/x.rs", "none"), "");
    }
}
