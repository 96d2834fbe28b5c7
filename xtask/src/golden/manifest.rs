//! The list of a version's vectors: one line each, to be compared with `diff`.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};

use super::mutant::xxh64;
use super::vector::{Kind, Outcome, Vector};

/// The file's name in the directory of its version.
pub(super) const NAME: &str = "MANIFEST";

const COLUMNS: &str = "# file\tbytes\txxh64 of file\toutcome\tsection\toffset\trequirements\n";

/// A line of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The path below the version's directory.
    pub(super) file: String,
    pub(super) bytes: usize,
    /// `0x` in front tells it from a snapshot's digest.
    pub(super) xxh64: String,
    /// The digest of an accepted file, the error of a rejected one.
    pub(super) outcome: String,
    /// Section and byte offset of the error.
    pub(super) fault: Option<(String, u64)>,
    pub(super) requirements: Vec<String>,
}

impl Line {
    pub(super) fn of(vector: &Vector) -> Self {
        let (outcome, fault) = columns(&vector.outcome);
        Self {
            file: format!("{}.bin", vector.path()),
            bytes: vector.bytes.len(),
            xxh64: hash(&vector.bytes),
            outcome,
            fault,
            requirements: vector
                .requirements
                .iter()
                .map(|id| (*id).to_owned())
                .collect(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        if self.file.starts_with(Kind::Accept.name()) {
            Kind::Accept
        } else {
            Kind::Reject
        }
    }

    /// Whether `bytes` are those the line is about.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes.len() && self.xxh64 == hash(bytes)
    }

    /// Whether `outcome` is the one the line tells.
    pub(super) fn tells(&self, outcome: &Outcome) -> bool {
        let accepted = matches!(outcome, Outcome::Accepted { .. });
        (self.kind() == Kind::Accept) == accepted
            && columns(outcome) == (self.outcome.clone(), self.fault.clone())
    }
}

fn columns(outcome: &Outcome) -> (String, Option<(String, u64)>) {
    match outcome {
        Outcome::Accepted { digest } => (digest.clone(), None),
        Outcome::Rejected {
            error,
            section,
            offset,
            ..
        } => (error.clone(), Some((section.clone(), *offset))),
    }
}

fn hash(bytes: &[u8]) -> String {
    format!("0x{:016x}", xxh64(bytes))
}

/// The manifest's text, one line for each vector, by file name.
pub(super) fn render(vectors: &[Vector]) -> String {
    let mut lines: Vec<Line> = vectors.iter().map(Line::of).collect();
    lines.sort_by(|one, other| one.file.cmp(&other.file));
    let mut text = COLUMNS.to_owned();
    for line in lines {
        let (section, offset) = match line.fault {
            Some((section, offset)) => (section, offset.to_string()),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let ids = line.requirements.join(",");
        let (file, bytes, xxh64, outcome) = (line.file, line.bytes, line.xxh64, line.outcome);
        let _infallible = writeln!(
            text,
            "{file}\t{bytes}\t{xxh64}\t{outcome}\t{section}\t{offset}\t{ids}"
        );
    }
    text
}

/// Reads a manifest's text.
///
/// # Errors
///
/// If a line does not have the columns.
pub(super) fn parse(text: &str) -> Result<Vec<Line>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| parse_line(line).with_context(|| format!("{NAME}: `{line}`")))
        .collect()
}

fn parse_line(line: &str) -> Result<Line> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [file, bytes, xxh64, outcome, section, offset, ids] = columns.as_slice() else {
        anyhow::bail!("expected 7 columns, got {}", columns.len());
    };
    ensure!(
        file.starts_with("accept/") || file.starts_with("reject/"),
        "neither accept/ nor reject/"
    );
    let fault = match *offset {
        "-" => None,
        offset => Some(((*section).to_owned(), offset.parse().context("offset")?)),
    };
    Ok(Line {
        file: (*file).to_owned(),
        bytes: bytes.parse().context("bytes")?,
        xxh64: (*xxh64).to_owned(),
        outcome: (*outcome).to_owned(),
        fault,
        requirements: ids.split(',').map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(kind: Kind, name: &str, bytes: &[u8]) -> Vector {
        Vector {
            kind,
            name: name.to_owned(),
            about: String::new(),
            origin: Vec::new(),
            edited: Vec::new(),
            requirements: vec!["SF-070", "SF-083"],
            bytes: bytes.to_vec(),
            outcome: Outcome::of(bytes),
        }
    }

    #[test]
    fn what_is_rendered_is_read_again() {
        let vectors = [
            vector(Kind::Reject, "b", b"\xb1"),
            vector(Kind::Reject, "a", b""),
        ];
        let lines = parse(&render(&vectors)).unwrap();
        assert_eq!(lines, [Line::of(&vectors[1]), Line::of(&vectors[0])]);
        assert_eq!(lines[0].xxh64, "0xef46db3751d8e999");
    }

    #[test]
    fn a_line_tells_of_other_bytes_and_another_outcome() {
        let vector = vector(Kind::Reject, "a", b"\xb1");
        let line = Line::of(&vector);
        assert!(line.is_of(b"\xb1") && !line.is_of(b"\xb2") && !line.is_of(b""));
        assert!(line.tells(&vector.outcome) && !line.tells(&Outcome::of(b"")));
        let accepted = Outcome::Accepted {
            digest: line.outcome.clone(),
        };
        assert!(!line.tells(&accepted));
    }

    #[test]
    fn a_damaged_manifest_is_an_error() {
        for text in [
            "x",
            "accept/a.bin\t1\t0x0\t0\t-\t-",
            "other/a.bin\t1\t0x0\t0\t-\t-\t-",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
