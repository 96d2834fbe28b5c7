//! `cargo xtask regen-golden`: the files under `golden-vectors/`, and the rule that they only grow.
//!
//! Vectors of the current version are made here and written or compared; those of all versions are
//! decoded from disk. `golden-vectors/README.md` says what the files are for.

mod accept;
mod by_hand;
mod content;
mod disk;
mod dump;
mod fields;
mod manifest;
mod mutant;
mod reject;
mod vector;

#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use snapshot_format::limits::VERSION;

use self::vector::{Kind, Outcome, Vector};
use crate::{repo, say};

/// Writes the vectors of the current format version, or checks them and those of all versions.
///
/// # Errors
///
/// With `check`, if a file is missing, is not wanted or differs, or a decoder would judge a vector
/// otherwise. Without it, if a vector would change or disappear and `allow_break` is not given;
/// nothing is written then.
pub(crate) fn run(check: bool, allow_break: bool) -> Result<()> {
    run_in(&repo::root()?.join("golden-vectors"), check, allow_break)
}

fn run_in(golden: &Path, check: bool, allow_break: bool) -> Result<()> {
    let directory = golden.join(format!("v{VERSION}"));
    let vectors = vectors(&directory)?;
    let wanted = disk::render(&vectors);
    let on_disk = disk::read(&directory)?;
    let differences = disk::differences(&on_disk, &wanted);
    if check {
        fail_if_any(
            &differences,
            &format!("golden-vectors/v{VERSION} is not what `cargo xtask regen-golden` writes"),
        )?;
        decode_all(golden)?;
    } else {
        let breaks = disk::breaks(&on_disk, &wanted)?;
        if !allow_break {
            fail_if_any(
                &breaks,
                &format!(
                    "vectors of version {VERSION} are released and stay; give the format a new \
                     version, or --allow-break if the version was never released"
                ),
            )?;
        }
        disk::write(&directory, &on_disk, &wanted)?;
        say::note(&format!("{} files written or removed", differences.len()));
    }
    let count = |kind| vectors.iter().filter(|vector| vector.kind == kind).count();
    say::note(&format!(
        "version {VERSION}: {} vectors to accept, {} to reject",
        count(Kind::Accept),
        count(Kind::Reject)
    ));
    Ok(())
}

/// All vectors of the current version.
fn vectors(directory: &Path) -> Result<Vec<Vector>> {
    let mut vectors = accept::vectors()?;
    vectors.extend(by_hand::vectors(&directory.join(by_hand::DIRECTORY))?);
    let rejected = reject::vectors(&vectors)?;
    vectors.extend(rejected);
    let mut names: Vec<String> = vectors.iter().map(Vector::path).collect();
    names.sort();
    if let Some([twice, _]) = names.array_windows().find(|[one, other]| one == other) {
        bail!("two vectors are called {twice}");
    }
    Ok(vectors)
}

/// Decodes the vectors on disk of every version, as its manifest lists them.
fn decode_all(golden: &Path) -> Result<()> {
    let mut findings = Vec::new();
    let listed =
        std::fs::read_dir(golden).with_context(|| format!("cannot list {}", golden.display()))?;
    for entry in listed {
        let directory = entry?.path();
        if directory.is_dir() {
            let version = directory.file_name().unwrap_or_default().display();
            let found = decode_version(&directory).with_context(|| version.to_string())?;
            findings.extend(
                found
                    .into_iter()
                    .map(|finding| format!("{version}/{finding}")),
            );
        }
    }
    fail_if_any(&findings, "the decoder and a MANIFEST disagree")
}

fn decode_version(directory: &Path) -> Result<Vec<String>> {
    let path = directory.join(manifest::NAME);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let mut findings = Vec::new();
    for line in manifest::parse(&text)? {
        let bytes = std::fs::read(directory.join(&line.file))
            .with_context(|| format!("cannot read {}", line.file))?;
        let outcome = Outcome::of(&bytes);
        if !line.is_of(&bytes) {
            findings.push(format!("{}: other bytes than listed", line.file));
        } else if !line.tells(&outcome) {
            findings.push(format!("{}: the decoder says {outcome:?}", line.file));
        }
    }
    Ok(findings)
}

fn fail_if_any(findings: &[String], what: &str) -> Result<()> {
    for finding in findings {
        say::note(finding);
    }
    if findings.is_empty() {
        Ok(())
    } else {
        bail!("{what}: {} findings, listed above", findings.len())
    }
}
