//! The files of a version: in memory as they must be, on disk as they are, and the rule that what was
//! released stays.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};

use super::vector::Vector;
use super::{by_hand, dump, manifest};

/// Files by their path below the version's directory, those assembled by hand aside.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The files that vectors make.
pub(super) fn render(vectors: &[Vector]) -> Files {
    let mut files = Files::new();
    for vector in vectors {
        files.insert(format!("{}.bin", vector.path()), vector.bytes.clone());
        files.insert(
            format!("{}.txt", vector.path()),
            dump::dump(vector).into_bytes(),
        );
    }
    files.insert(
        manifest::NAME.to_owned(),
        manifest::render(vectors).into_bytes(),
    );
    files
}

/// The files on disk; none if the directory does not exist.
///
/// # Errors
///
/// If one cannot be read.
pub(super) fn read(directory: &Path) -> Result<Files> {
    let mut files = Files::new();
    if directory.is_dir() {
        read_into(&mut files, directory, "")?;
    }
    Ok(files)
}

fn read_into(files: &mut Files, directory: &Path, prefix: &str) -> Result<()> {
    let cannot = || format!("cannot read {}", directory.display());
    for entry in std::fs::read_dir(directory).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let name = format!("{prefix}{}", entry.file_name().display());
        let path = entry.path();
        if !path.is_dir() {
            let bytes =
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.insert(name, bytes);
        } else if name != by_hand::DIRECTORY {
            read_into(files, &path, &format!("{name}/"))?;
        }
    }
    Ok(())
}

/// How what is on disk differs from what must be there, one line for each file.
pub(super) fn differences(on_disk: &Files, wanted: &Files) -> Vec<String> {
    let names: BTreeSet<&String> = on_disk.keys().chain(wanted.keys()).collect();
    let differences = names.into_iter().filter_map(|name| {
        let word = match (on_disk.get(name), wanted.get(name)) {
            (Some(old), Some(new)) if old == new => return None,
            (Some(_), Some(_)) => "differs",
            (None, _) => "is missing",
            (_, None) => "is not wanted",
        };
        Some(format!("{name} {word}"))
    });
    differences.collect()
}

/// Vectors of a released version that `wanted` would change or remove, one line for each.
///
/// A vector is known from its file and from the manifest, so one that was deleted by hand cannot come
/// back with other bytes. Dumps and the rest of a manifest's line may change.
///
/// # Errors
///
/// If the manifest on disk cannot be read.
pub(super) fn breaks(on_disk: &Files, wanted: &Files) -> Result<Vec<String>> {
    let mut breaks = BTreeSet::new();
    for (name, old) in on_disk.iter().filter(|(name, _)| name.ends_with(".bin")) {
        match wanted.get(name) {
            Some(new) if new == old => {}
            Some(_) => _ = breaks.insert(format!("{name} would change")),
            None => _ = breaks.insert(format!("{name} would disappear")),
        }
    }
    let text = on_disk
        .get(manifest::NAME)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let text = std::str::from_utf8(text).context("the MANIFEST is not text")?;
    for line in manifest::parse(text)? {
        match wanted.get(&line.file) {
            Some(new) if line.is_of(new) => {}
            Some(_) => _ = breaks.insert(format!("{} would change", line.file)),
            None => _ = breaks.insert(format!("{} would disappear", line.file)),
        }
    }
    Ok(breaks.into_iter().collect())
}

/// Makes the files on disk those wanted, touching only those that differ.
///
/// # Errors
///
/// If one cannot be written or removed.
pub(super) fn write(directory: &Path, on_disk: &Files, wanted: &Files) -> Result<()> {
    for (name, bytes) in wanted
        .iter()
        .filter(|(name, bytes)| on_disk.get(*name) != Some(bytes))
    {
        let path = directory.join(name);
        let cannot = || format!("cannot write {}", path.display());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(cannot)?;
        }
        std::fs::write(&path, bytes).with_context(cannot)?;
    }
    for name in on_disk.keys().filter(|name| !wanted.contains_key(*name)) {
        let path = directory.join(name);
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}
