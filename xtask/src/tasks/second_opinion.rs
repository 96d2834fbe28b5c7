//! The second decoder, `tools/snapshot_decoder.py`, over every golden vector.
//!
//! It is Python, written from the document alone. Where it and the vectors disagree, one of them, or
//! the document, is wrong.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::setup::python_command;
use crate::sh::{Captured, Cmd};
use crate::{repo, say};

/// The script, from the root of the repository.
const DECODER: &str = "tools/snapshot_decoder.py";

/// Rules about what is inside a header or a value. There one decoder names the whole, the other the
/// field, so their offsets may differ by up to [`WITHIN`].
const INNER_RULES: [&str; 2] = ["SF-073", "SF-080"];

/// The longest header or value, in bytes.
const WITHIN: u64 = 1 << 10;

/// The decoder, without its files. It writes no byte code beside itself.
pub(crate) fn decoder(python: Cmd, root: &Path) -> Cmd {
    python.arg("-B").arg(root.join(DECODER))
}

/// Runs the decoder's own tests, then the decoder over all vectors of all versions.
///
/// # Errors
///
/// When there are no vectors, or the decoder disagrees about one; every disagreement is named.
pub(crate) fn run() -> Result<()> {
    let root = repo::root()?;
    let python = python_command();
    let unittest = ["-B", "-m", "unittest", "discover", "-s", "tools"];
    python.clone().args(unittest).dir(&root).run()?;

    let decoder = decoder(python, &root);
    let mut disagreements = Vec::new();
    let (mut accepted, mut rejected) = (0, 0);
    for version in versions(&root.join("golden-vectors"))? {
        let path = version.join("MANIFEST");
        let manifest = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        for line in manifest.lines().filter(|line| !line.starts_with('#')) {
            let vector = Expected::parse(line)
                .with_context(|| format!("{}: cannot read `{line}`", path.display()))?;
            let verdict = decoder.clone().arg(version.join(vector.file)).capture()?;
            disagreements.extend(vector.judge(&verdict).err());
            match vector.fault {
                None => accepted += 1,
                Some(_) => rejected += 1,
            }
        }
    }
    ensure!(
        accepted > 0 && rejected > 0,
        "found {accepted} vectors to accept and {rejected} to reject; run `cargo xtask regen-golden`"
    );
    for disagreement in &disagreements {
        say::note(disagreement);
    }
    if !disagreements.is_empty() {
        let (wrong, all) = (disagreements.len(), accepted + rejected);
        bail!("the second decoder disagrees about {wrong} of {all} vectors, listed above");
    }
    say::note(&format!(
        "it accepts {accepted} vectors with their digests and rejects {rejected} for the same rules"
    ));
    Ok(())
}

/// The digests in a text: words of exactly 16 lower-case hex digits.
pub(crate) fn digests(text: &str) -> Vec<&str> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() == 16 && word.bytes().all(is_hex))
        .collect()
}

/// What a line of a MANIFEST says of a vector.
struct Expected<'a> {
    /// The path below the directory of the version.
    file: &'a str,
    /// The digest of an accepted file, the name of the error for a rejected one.
    outcome: &'a str,
    /// Where a rejected file is wrong, in bytes.
    fault: Option<u64>,
    /// The requirements it shows; one of them is the rule that it breaks.
    rules: &'a str,
}

impl<'a> Expected<'a> {
    fn parse(line: &'a str) -> Result<Self> {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, _, _, outcome, _, offset, rules] = columns.as_slice() else {
            bail!("expected 7 columns, got {}", columns.len());
        };
        let fault = match *offset {
            "-" => None,
            offset => Some(offset.parse().context("the offset is no number")?),
        };
        Ok(Self {
            file,
            outcome,
            fault,
            rules,
        })
    }

    fn judge(&self, verdict: &Captured) -> Result<(), String> {
        self.find_fault(verdict)
            .map_err(|problem| format!("{}: {problem}", self.file))
    }

    fn find_fault(&self, verdict: &Captured) -> Result<(), String> {
        let said = verdict.stderr.trim();
        match (verdict.code, self.fault) {
            // Python exits with 1 on a crash too, and a crash is no verdict.
            _ if said.contains("Traceback") => Err(format!("the decoder crashed: {said}")),
            (Some(0), None) if digests(&verdict.stdout).contains(&self.outcome) => Ok(()),
            (Some(0), None) => Err(format!(
                "accepted, but not with the digest {}: {}",
                self.outcome,
                verdict.stdout.trim()
            )),
            (Some(1), Some(offset)) => self.compare_reasons(offset, said),
            (Some(0), Some(_)) => Err(format!("accepted, but is wrong: {}", self.outcome)),
            (Some(1), None) => Err(format!("rejected, but is right: {said}")),
            (code, _) => Err(format!("neither accepted nor rejected ({code:?}): {said}")),
        }
    }

    /// The same rule, at the same place.
    fn compare_reasons(&self, offset: u64, said: &str) -> Result<(), String> {
        let Some(rule) = self.rules.split(',').find(|rule| said.contains(rule)) else {
            return Err(format!("not rejected for {}: {said}", self.rules));
        };
        let place = said
            .split_once(" at byte ")
            .and_then(|(_, rest)| rest.split(':').next()?.parse().ok());
        let slack = if INNER_RULES.contains(&rule) {
            WITHIN
        } else {
            0
        };
        match place {
            Some(place) if (offset..=offset + slack).contains(&place) => Ok(()),
            _ => Err(format!("not rejected at byte {offset}: {said}")),
        }
    }
}

/// The directories of the versions, sorted.
fn versions(vectors: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(vectors).with_context(|| format!("cannot list {}", vectors.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.is_dir());
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "accept/a.bin\t95\t0x11\t0123456789abcdef\t-\t-\tSF-020";
    const WRONG: &str = "reject/b.bin\t95\t0x11\tWrongTag\theader\t40\tSF-020,SF-074";
    const INNER: &str = "reject/c.bin\t95\t0x11\tInvalidValue\theader\t40\tSF-080";

    fn agrees(line: &str, code: i32, stdout: &str, stderr: &str) -> bool {
        let verdict = Captured {
            code: Some(code),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        Expected::parse(line).unwrap().judge(&verdict).is_ok()
    }

    #[test]
    fn an_accepted_vector_needs_exit_code_0_and_the_digest() {
        assert!(agrees(RIGHT, 0, "digest 0123456789abcdef\n", ""));
        assert!(!agrees(RIGHT, 0, "digest ffffffffffffffff\n", ""));
        assert!(!agrees(RIGHT, 1, "digest 0123456789abcdef\n", ""));
        assert!(!agrees(RIGHT, 2, "", "usage\n"));
    }

    #[test]
    fn a_rejected_vector_needs_exit_code_1_the_rule_and_the_place() {
        assert!(agrees(WRONG, 1, "", "b: SF-074: x at byte 40: y\n"));
        assert!(!agrees(WRONG, 0, "", "b: SF-074: x at byte 40: y\n"));
        assert!(!agrees(WRONG, 1, "", "b: SF-075: x at byte 40: y\n"));
        assert!(!agrees(WRONG, 1, "", "b: SF-074: x at byte 41: y\n"));
        assert!(!agrees(WRONG, 1, "", "b: SF-074\n"));
        assert!(!agrees(WRONG, 1, "", ""));
        assert!(!agrees(WRONG, 2, "", "usage\n"));
        let crash = "SF-074: x at byte 40: y\nTraceback (most recent call last):\nIndexError\n";
        assert!(!agrees(WRONG, 1, "", crash));
    }

    #[test]
    fn inside_a_header_or_a_value_the_place_may_be_the_field() {
        assert!(agrees(INNER, 1, "", "SF-080: x at byte 60: y"));
        assert!(!agrees(INNER, 1, "", "SF-080: x at byte 39: y"));
        assert!(!agrees(INNER, 1, "", "SF-080: x at byte 1065: y"));
    }

    #[test]
    fn a_damaged_manifest_is_an_error() {
        for line in [
            "accept/a.bin 0123456789abcdef",
            "a\tb\tc\td\te\tnumber\tg",
            "",
        ] {
            assert!(Expected::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn digests_are_words_of_16_hex_digits() {
        let text =
            "a=0123456789abcdef, \"fedcba9876543210\" 0123456789ABCDEF 0x0123456789abcdef 01";
        assert_eq!(digests(text), ["0123456789abcdef", "fedcba9876543210"]);
    }
}
