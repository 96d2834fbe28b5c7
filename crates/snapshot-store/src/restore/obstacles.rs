//! What stands in the way of a clone of a database, found before one is made.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Finding;
use super::clone::{BYTEWISE, OtherFamilies, REVERSE, is_linked, walk};
use crate::open::{self, OpenError};
use crate::options_file::OptionsFile;
use crate::publish;
use crate::wal;

/// Finds what stands in the way of a clone of the database `dir` into the directory `scratch`, where a link is
/// tried; returns the bytes that are copied.
pub(super) fn find(
    dir: &Path,
    scratch: Option<&Path>,
    others: &OtherFamilies,
    findings: &mut Vec<Finding>,
) -> io::Result<u64> {
    findings.extend(mount_point(dir)?);
    if let Err(error) = families(dir, others, findings) {
        findings.push(error.into());
    }
    let (mut copied, mut logs) = (0, 0);
    // A file that is linked: one of another owner than this user, if there is one.
    let mut linked: Option<(bool, PathBuf)> = None;
    let user = rustix::process::geteuid().as_raw();
    walk(dir, &mut |path, metadata| {
        let path = path.to_path_buf();
        if metadata.is_dir() {
        } else if !metadata.is_file() {
            findings.push(Finding::NotPlain { path });
        } else if is_linked(&path) {
            linked = linked.take().max(Some((metadata.uid() != user, path)));
        } else {
            copied += metadata.len();
            let is_log = path.extension().is_some_and(|it| it == "log");
            logs += if is_log { metadata.len() } else { 0 };
        }
        Ok(())
    })?;
    if let (Some(scratch), Some((_, file))) = (scratch, linked)
        && let Err(source) = fs::hard_link(file, scratch.join("link"))
    {
        let path = dir.to_path_buf();
        findings.push(Finding::CannotLink { path, source });
    }
    let (needed, available) = (logs.saturating_add(logs / 8), free_memory());
    if needed > available {
        findings.push(Finding::TooLittleMemory {
            path: dir.to_path_buf(),
            needed,
            available,
        });
    }
    Ok(copied)
}

/// Whether no other directory can take the place of `path`.
pub(super) fn mount_point(path: &Path) -> io::Result<Option<Finding>> {
    let found = publish::is_mount_point(path)?;
    let path = path.to_path_buf();
    Ok(found.then_some(Finding::MountPoint { path }))
}

/// What RocksDB would not open, or end the process for.
fn families(
    dir: &Path,
    others: &OtherFamilies,
    findings: &mut Vec<Finding>,
) -> Result<(), OpenError> {
    OptionsFile::newest(dir)?;
    for family in wal::read_manifest(dir)?.families.into_values() {
        if let Err(error) = open::require_family_files(dir, &family) {
            findings.push(error.into());
        }
        let known = ["", BYTEWISE, REVERSE].contains(&family.comparator.as_str());
        if !known && others.of(&family.name).is_none() {
            findings.push(Finding::Comparator {
                path: dir.to_path_buf(),
                family: family.name,
                comparator: family.comparator,
            });
        }
    }
    Ok(())
}

/// Bytes of memory that are free; all there could be if the kernel does not tell.
fn free_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mut lines = text.lines();
    let free = lines.find_map(|line| line.strip_prefix("MemAvailable:")?.strip_suffix("kB"));
    let kilobytes = free.and_then(|free| free.trim().parse::<u64>().ok());
    kilobytes.map_or(u64::MAX, |kilobytes| kilobytes.saturating_mul(1024))
}
