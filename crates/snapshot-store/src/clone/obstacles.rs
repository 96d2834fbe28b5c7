//! What stands in the way of a clone, found before one is made.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::Obstacle;
use super::{BYTEWISE, OtherFamilies, REVERSE, is_linked, walk};
use crate::open;
use crate::options_file::OptionsFile;
use crate::publish;
use crate::wal;

/// What a database's directory holds.
#[derive(Debug, Default)]
struct Survey {
    /// Bytes that a clone copies.
    copied: u64,
    /// Bytes of these that are write-ahead logs.
    logs: u64,
    /// A file that is linked: one of another owner than this user, if there is one.
    linked: Option<PathBuf>,
    foreign: bool,
}

/// Finds what stands in the way of a clone of the database `dir` into the directory `scratch`, where a link is
/// tried; returns the bytes that are copied.
///
/// # Errors
///
/// If the database cannot be looked at.
pub(crate) fn find(
    dir: &Path,
    scratch: Option<&Path>,
    others: &OtherFamilies,
    obstacles: &mut Vec<Obstacle>,
) -> io::Result<u64> {
    obstacles.extend(mount_point(dir)?);
    match OptionsFile::newest(dir) {
        Ok(_) => families(dir, others, obstacles),
        Err(error) => obstacles.push(error.into()),
    }
    let mut survey = Survey::default();
    let user = rustix::process::geteuid().as_raw();
    walk(dir, &mut |path, metadata| {
        let foreign = metadata.uid() != user;
        if metadata.is_dir() {
        } else if !metadata.is_file() {
            let path = path.to_path_buf();
            obstacles.push(Obstacle::NotPlain { path });
        } else if !is_linked(path) {
            survey.copied += metadata.len();
            let is_log = path.extension().is_some_and(|it| it == "log");
            survey.logs += if is_log { metadata.len() } else { 0 };
        } else if survey.linked.is_none() || foreign && !survey.foreign {
            survey.linked = Some(path.to_path_buf());
            survey.foreign = foreign;
        }
        Ok(())
    })?;
    let path = || dir.to_path_buf();
    if let (Some(scratch), Some(file)) = (scratch, survey.linked)
        && let Err(source) = fs::hard_link(file, scratch.join("link"))
    {
        obstacles.push(Obstacle::CannotLink {
            path: path(),
            source,
        });
    }
    let (needed, available) = (survey.logs.saturating_add(survey.logs / 8), free_memory());
    if needed > available {
        obstacles.push(Obstacle::TooLittleMemory {
            path: path(),
            needed,
            available,
        });
    }
    Ok(survey.copied)
}

/// Whether no other directory can take the place of `path`.
pub(crate) fn mount_point(path: &Path) -> io::Result<Option<Obstacle>> {
    let found = publish::is_mount_point(path)?;
    let path = path.to_path_buf();
    Ok(found.then_some(Obstacle::MountPoint { path }))
}

/// What RocksDB would not open, or end the process for.
fn families(dir: &Path, others: &OtherFamilies, obstacles: &mut Vec<Obstacle>) {
    let manifest = match wal::read_manifest(dir) {
        Ok(manifest) => manifest,
        Err(error) => return obstacles.push(error.into()),
    };
    for family in manifest.families.into_values() {
        if let Err(error) = open::require_family_files(dir, &family) {
            obstacles.push(Obstacle::Files(Box::new(error)));
        }
        let known = ["", BYTEWISE, REVERSE].contains(&family.comparator.as_str());
        if !known && others.of(&family.name).is_none() {
            obstacles.push(Obstacle::Comparator {
                path: dir.to_path_buf(),
                family: family.name,
                comparator: family.comparator,
            });
        }
    }
}

/// Bytes of memory that are free; all there could be if the kernel does not tell.
fn free_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes =
        free.and_then(|free| free.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.map_or(u64::MAX, |kilobytes| kilobytes.saturating_mul(1024))
}
