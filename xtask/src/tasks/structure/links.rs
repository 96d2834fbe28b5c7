//! Relative links in Markdown lead to a file of this repository, and to a heading that exists.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Findings;
use super::rust_source::line_of;
use crate::repo::Repo;

pub(super) fn check(repo: &Repo) -> Result<Findings> {
    let mut findings = Findings::default();
    for (path, text) in repo.with_extension("md") {
        let prose = without_code(text);
        for (at, target) in targets(&prose) {
            if let Err(problem) = judge(repo, path, target) {
                findings.error(format!(
                    "{path}:{}: link to `{target}`: {problem}",
                    line_of(&prose, at)
                ));
            }
        }
    }
    Ok(findings)
}

fn judge(repo: &Repo, from: &str, target: &str) -> Result<(), String> {
    if is_elsewhere(target) {
        return Ok(());
    }
    let (file, anchor) = target
        .split_once('#')
        .map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() {
        from.to_owned()
    } else {
        resolve(from, file)?
    };
    if !repo.has(&path) {
        return Err(format!("no such file ({path})"));
    }
    match anchor.filter(|_| path.ends_with(".md")) {
        Some(anchor) if !anchors(repo.text(&path).unwrap_or("")).contains(anchor) => {
            Err(format!("{path} has no heading #{anchor}"))
        }
        _ => Ok(()),
    }
}

fn is_elsewhere(target: &str) -> bool {
    let scheme = target.split_once(':').map_or("", |(scheme, _)| scheme);
    !scheme.is_empty()
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '-')
}

/// The repository path of `link` as written in the document `from`.
fn resolve(from: &str, link: &str) -> Result<String, String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if link.starts_with('/') {
        return Err(
            "starts at the root of a file system; write it relative to this document".to_owned(),
        );
    }
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop().ok_or("leads out of the repository")?;
            }
            name => parts.push(name),
        }
    }
    Ok(parts.join("/"))
}

/// Blanks fenced blocks and code spans; lengths stay, so positions hold.
fn without_code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut fence: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| trimmed.starts_with(mark));
        let inside = fence.is_some() || mark.is_some();
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        if inside {
            push_blank(&mut out, line);
        } else {
            push_without_spans(&mut out, line);
        }
    }
    out
}

fn push_without_spans(out: &mut String, line: &str) {
    let mut rest = line;
    while let Some(open) = rest.find('`') {
        let ticks = rest
            .get(open..)
            .map_or(0, |tail| tail.len() - tail.trim_start_matches('`').len());
        let body = open + ticks;
        let close = rest
            .get(body..)
            .and_then(|tail| tail.find(&"`".repeat(ticks)));
        let Some(end) = close.map(|close| body + close + ticks) else {
            break;
        };
        let (taken, tail) = rest.split_at(end);
        out.push_str(taken.get(..open).unwrap_or(""));
        push_blank(out, taken.get(open..).unwrap_or(""));
        rest = tail;
    }
    out.push_str(rest);
}

fn push_blank(out: &mut String, text: &str) {
    out.extend(
        text.bytes()
            .map(|byte| if byte == b'\n' { '\n' } else { ' ' }),
    );
}

/// The targets of `[text](target)` and `[label]: target`, with their positions.
fn targets(prose: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, _) in prose.match_indices("](") {
        let rest = prose.get(at + 2..).unwrap_or("");
        let end = rest.find(')').unwrap_or(0);
        found.extend(
            rest.get(..end)
                .and_then(first_word)
                .map(|target| (at, target)),
        );
    }
    let mut start = 0;
    for line in prose.split_inclusive('\n') {
        if line.starts_with('[') {
            let target = line
                .split_once("]:")
                .and_then(|(_, target)| first_word(target));
            found.extend(target.map(|target| (start, target)));
        }
        start += line.len();
    }
    found
}

fn first_word(text: &str) -> Option<&str> {
    text.split_whitespace()
        .next()
        .map(|word| word.trim_matches(['<', '>']))
}

/// The anchors that GitHub gives to the headings of a document.
fn anchors(text: &str) -> BTreeSet<String> {
    // Fences hold lines that look like headings; code spans belong to the heading they stand in.
    let prose = without_code(text);
    let mut anchors = BTreeSet::new();
    for (line, source) in prose.lines().zip(text.lines()) {
        if !line.starts_with('#') {
            continue;
        }
        let plain = slug(source.trim_start_matches('#').trim());
        let repeats = (1..).map(|n| format!("{plain}-{n}"));
        let anchor = std::iter::once(plain.clone())
            .chain(repeats)
            .find(|anchor| !anchors.contains(anchor));
        anchors.extend(anchor);
    }
    anchors
}

fn slug(heading: &str) -> String {
    // A link in a heading shows its text only.
    let mut shown = String::new();
    let mut rest = heading;
    while let Some((before, tail)) = rest.split_once("](") {
        shown.push_str(before);
        rest = tail.split_once(')').map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    let kept = |c: char| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => Some(c.to_ascii_lowercase()),
        _ => None,
    };
    shown.chars().filter_map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors<const N: usize>(files: [(&str, &str); N]) -> Vec<String> {
        check(&Repo::from(files)).unwrap().errors
    }

    #[test]
    fn good_links_pass() {
        let text = "# Top\n[a](docs/a.md) [b](docs/a.md#1-the-file-bytes) [c](#top) ![i](docs/i.png)\n\
            [dir](docs/) [web](https://x.example/y#z) `[no](nowhere)` [l]\n```\n[no](nowhere)\n# No heading\n```\n\n[l]: ./docs/a.md \"t\"\n";
        let files = [
            ("README.md", text),
            (
                "docs/a.md",
                "## 1. The file: `bytes`\n[up](../README.md#top)\n",
            ),
            ("docs/i.png", ""),
        ];
        assert_eq!(errors(files), Vec::<String>::new());
    }

    #[test]
    fn each_broken_link_is_found_with_its_line() {
        let wrong = [
            "[a](gone.md)",
            "[a](docs/a.md#gone)",
            "[a](#gone)",
            "[a](../outside.md)",
            "[a](/docs/a.md)",
            "[a]: gone.md",
            "![a](gone.png)",
            "[a](docs/a.md#no-heading)",
        ];
        for link in wrong {
            let text = format!("# Top\n\n{link}\n");
            let found = errors([
                ("README.md", &text),
                ("docs/a.md", "# A\n```\n# No heading\n```\n"),
            ]);
            assert_eq!(found.len(), 1, "{link}: {found:?}");
            assert!(
                found[0].starts_with("README.md:3: link to"),
                "{link}: {found:?}"
            );
        }
    }

    #[test]
    fn headings_that_repeat_get_numbers() {
        let found = anchors("# A b\n# A b\n# `x_y` [link](to) (z)\n");
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["a-b", "a-b-1", "x_y-link-z"]
        );
    }
}
