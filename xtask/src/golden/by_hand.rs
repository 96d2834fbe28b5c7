//! Vectors assembled by hand: hex with comments, which is only converted here.
//!
//! An encoder cannot vouch for itself. These files are written from `docs/format.md`, checksum
//! included, and nothing here computes a byte of them.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::vector::Vector;

/// The directory of the hex files, below that of the version.
pub(super) const DIRECTORY: &str = "by-hand";

/// All hex files of a directory as accepted vectors, by name.
///
/// # Errors
///
/// If the directory or a file cannot be read, a file is not hex, or the decoder rejects it.
pub(super) fn vectors(directory: &Path) -> Result<Vec<Vector>> {
    let listed = std::fs::read_dir(directory)
        .with_context(|| format!("cannot list {}", directory.display()))?;
    let mut paths = listed
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(|path| vector(path)).collect()
}

fn vector(path: &Path) -> Result<Vector> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let Some(name) = stem.filter(|_| path.extension().is_some_and(|end| end == "hex")) else {
        bail!("{} is not a hex file", path.display());
    };
    let bytes = parse(&text).with_context(|| path.display().to_string())?;
    let ids: &[_] = if name.starts_with("sealed") {
        &["SF-020", "SF-040", "SF-060", "SF-100"]
    } else {
        &["SF-030", "SF-040", "SF-060", "SF-100"]
    };
    Vector::accepted(
        name.to_owned(),
        "assembled by hand from docs/format.md",
        &format!("origin    converted from {DIRECTORY}/{name}.hex"),
        ids,
        bytes,
    )
}

/// The bytes of hex digits with white space between them and comments from `#` to the end of a line.
fn parse(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split('#').next().unwrap_or_default();
        for word in code.split_ascii_whitespace() {
            let word = hex::decode(word).with_context(|| format!("line {number}: `{word}`"))?;
            bytes.extend(word);
        }
    }
    ensure!(!bytes.is_empty(), "there are no bytes");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_white_space_are_no_bytes() {
        let text = "# 00 a comment\n b1 0b1f05  # magic\n\n\t01 # 02\n";
        assert_eq!(parse(text).unwrap(), [0xb1, 0x0b, 0x1f, 0x05, 0x01]);
    }

    #[test]
    fn what_is_not_hex_is_named_with_its_line() {
        let error = format!("{:#}", parse("00\n0g\n").unwrap_err());
        assert!(error.contains("line 2") && error.contains("0g"), "{error}");
        assert!(parse("00 0").is_err() && parse("# 00\n").is_err());
    }
}
