//! Which table files the manifest knows, so that a manifest which ends too early is noticed.
//!
//! A manifest cut between two records is a sound manifest of an earlier moment. What gives it away
//! are the table files of the later moment, which then belong to nothing. Framing is checked in
//! [`super::records`] before any record is looked at here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::{Fault, LogKind, WalError};
use super::physical::{PhysicalReader, Role};
use super::records::Log;
use super::version_edit::{Edit, EditError};
use super::{current_manifest, io_error};

/// The column family that every database has, and its ID.
const DEFAULT_NAME: &str = "default";
const DEFAULT_FAMILY: u32 = 0;

/// How the table files of a directory compare with its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableFiles {
    /// Both were read.
    Compared {
        /// The manifest.
        manifest: PathBuf,
        /// The `NNNNNN.sst` files that no column family has, by number.
        unreferenced: Vec<PathBuf>,
    },
    /// The manifest has a field of a newer RocksDB, so it cannot be told which files are known.
    NotCompared {
        /// The manifest.
        manifest: PathBuf,
        /// The tag of that field.
        tag: u32,
    },
}

/// Finds the table files in the database directory `dir` that its manifest does not know.
///
/// That a file the manifest knows is missing is for RocksDB to say, when it opens the file.
///
/// # Errors
///
/// [`WalError`] if the manifest is damaged, or it or the directory cannot be read.
pub fn compare_table_files(dir: &Path) -> Result<TableFiles, WalError> {
    // First the files, then the manifest: files that a running node adds meanwhile do not show.
    let files = table_files(dir)?;
    match read_manifest(dir) {
        Ok(manifest) => Ok(TableFiles::Compared {
            unreferenced: unreferenced(&manifest, files),
            manifest: manifest.path,
        }),
        Err(WalError::UnknownField { path, tag }) => Ok(TableFiles::NotCompared {
            manifest: path,
            tag,
        }),
        Err(error) => Err(error),
    }
}

/// Which of `files` no column family has.
fn unreferenced(manifest: &Manifest, files: BTreeMap<u64, PathBuf>) -> Vec<PathBuf> {
    let tables = manifest.families.values().map(|family| &family.tables);
    let live: BTreeSet<u64> = tables.flat_map(BTreeMap::keys).copied().collect();
    let unknown = files
        .into_iter()
        .filter(|(number, _)| !live.contains(number));
    unknown.map(|(_, path)| path).collect()
}

/// The files named `NNNNNN.sst` in `dir`, by number.
fn table_files(dir: &Path) -> Result<BTreeMap<u64, PathBuf>, WalError> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(|source| io_error(dir, source))? {
        let name = entry.map_err(|source| io_error(dir, source))?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_suffix(".sst"))
            .and_then(|digits| digits.parse::<u64>().ok())
            .filter(|number| name.to_str() == Some(format!("{number:06}.sst").as_str()));
        if let Some(number) = number {
            files.insert(number, dir.join(name));
        }
    }
    Ok(files)
}

/// What the manifest of a database says of its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// The file that `CURRENT` names.
    pub path: PathBuf,
    /// Its number. Files with a higher one were made after it was begun.
    pub number: u64,
    /// The column families by their ID.
    pub families: BTreeMap<u32, Family>,
    /// Logs below this number are no longer needed.
    pub min_log_number: u64,
    /// Logs that must be there, where the database keeps track of them, and their synced size.
    pub tracked_logs: BTreeMap<u64, Option<u64>>,
    /// Whether a column family was dropped since the manifest was begun.
    dropped_family: bool,
}

/// What the manifest says of a column family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// Its name.
    pub name: String,
    /// The name of its comparator.
    pub comparator: String,
    /// The log from which on its rows may be in no table file.
    pub log_number: u64,
    /// Its table files, by number.
    pub tables: BTreeMap<u64, LiveFile>,
    /// The blobs in each of its blob files, and how many of them are garbage.
    blobs: BTreeMap<u64, (u64, u64)>,
}

/// A table file that belongs to the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveFile {
    /// Its level.
    pub level: u32,
    /// Which of the database's paths it is in: 0 is the database directory, unless the options say
    /// otherwise.
    pub path_id: u32,
    /// Its length in bytes.
    pub size: u64,
    /// The blob file with the lowest number that it refers to.
    pub oldest_blob_file: Option<u64>,
}

impl Manifest {
    /// The column family called `name`.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.values().find(|family| family.name == name)
    }

    /// Logs that must be there, as far as that is certain.
    ///
    /// A number above the manifest's own was given to a log while the manifest was in use; a lower one may stand
    /// for the first log after a recovery, which then got the next number that was free. Column families
    /// without rows in memory need no log, which shows in [`Self::min_log_number`] unless one was dropped since.
    pub(super) fn needed_logs(&self) -> impl Iterator<Item = u64> + '_ {
        let numbers = self.families.values().map(|family| family.log_number);
        numbers.filter(|number| {
            !self.dropped_family && *number > self.number && *number >= self.min_log_number
        })
    }

    /// The largest log number of a column family. A database that is open for writing has a log of this
    /// number or a higher one.
    #[must_use]
    pub fn max_log_number(&self) -> u64 {
        let numbers = self.families.values().map(|family| family.log_number);
        numbers.max().unwrap_or(0)
    }
}

impl Family {
    /// The numbers of its blob files that hold a value.
    pub fn blob_files(&self) -> impl Iterator<Item = u64> + '_ {
        let tables = self.tables.values();
        let oldest = tables.filter_map(|table| table.oldest_blob_file).min();
        let oldest = oldest.unwrap_or(u64::MAX);
        self.blobs
            .iter()
            .filter(move |(number, (blobs, garbage))| **number >= oldest && garbage < blobs)
            .map(|(number, _)| *number)
    }
}

/// Reads the manifest that `CURRENT` names in the database directory `dir`.
///
/// # Errors
///
/// [`WalError`] if it is damaged, cannot be read, or has a field of a newer RocksDB
/// ([`WalError::UnknownField`]).
pub fn read_manifest(dir: &Path) -> Result<Manifest, WalError> {
    let path = current_manifest(dir)?;
    let source = File::open(&path).map_err(|source| io_error(&path, source))?;
    let files = live_files(&path, source)?;
    Ok(Manifest {
        number: manifest_number(&path),
        path,
        ..files
    })
}

/// The number in a manifest's name, which [`current_manifest`] has checked.
fn manifest_number(path: &Path) -> u64 {
    path.file_name()
        .and_then(|name| name.to_str()?.strip_prefix("MANIFEST-")?.parse().ok())
        .unwrap_or(0)
}

/// The files that a manifest leaves.
fn live_files<R: Read>(path: &Path, source: R) -> Result<Manifest, WalError> {
    let log = Log {
        path,
        kind: LogKind::Manifest,
        number: 0,
    };
    let mut reader = PhysicalReader::new(source, log.kind, log.number);
    let mut live = Live::default();
    let mut record = Vec::new();
    let mut started = 0;
    while let Some(physical) = reader.next().map_err(|stop| log.stopped(stop))? {
        if matches!(physical.role, Role::Full | Role::First) {
            record.clear();
            started = physical.offset;
        }
        record.extend_from_slice(physical.payload);
        if matches!(physical.role, Role::Full | Role::Last) {
            match Edit::decode(&record) {
                Ok(edit) => live.push(edit),
                Err(EditError::UnknownTag(tag)) => {
                    return Err(WalError::UnknownField {
                        path: path.to_path_buf(),
                        tag,
                    });
                }
                Err(EditError::Malformed(tag)) => {
                    return Err(log.damaged(started, Fault::VersionEdit { tag }));
                }
            }
        }
    }
    Ok(live.files)
}

/// The files of each column family after the edits so far.
#[derive(Default)]
struct Live {
    files: Manifest,
    /// Edits of an atomic group whose last one has not been seen. If it never comes, RocksDB drops
    /// the group.
    group: Vec<Edit>,
}

impl Live {
    fn push(&mut self, edit: Edit) {
        match edit.remaining {
            None => self.apply(edit),
            Some(remaining) => {
                self.group.push(edit);
                if remaining == 0 {
                    for edit in std::mem::take(&mut self.group) {
                        self.apply(edit);
                    }
                }
            }
        }
    }

    fn apply(&mut self, edit: Edit) {
        let files = &mut self.files;
        files.min_log_number = files.min_log_number.max(edit.min_log_number.unwrap_or(0));
        for (number, synced) in edit.added_logs {
            let known = files.tracked_logs.entry(number).or_default();
            *known = synced.max(*known);
        }
        if let Some(number) = edit.deleted_logs {
            files.tracked_logs = files.tracked_logs.split_off(&number);
        }
        if edit.drops_column_family {
            files.families.remove(&edit.column_family);
            files.dropped_family = true;
            return;
        }
        let family = files.families.entry(edit.column_family).or_default();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if edit.column_family == DEFAULT_FAMILY {
            DEFAULT_NAME.clone_into(&mut family.name);
        }
        if let Some(name) = edit.adds_column_family {
            family.name = text(name);
        }
        if let Some(comparator) = edit.comparator {
            family.comparator = text(comparator);
        }
        family.log_number = family.log_number.max(edit.log_number.unwrap_or(0));
        // In this order: a file that moves to another level is deleted and added in one edit.
        for number in &edit.deleted {
            family.tables.remove(number);
        }
        family.tables.extend(edit.added);
        let blobs = edit.added_blobs.into_iter();
        family
            .blobs
            .extend(blobs.map(|(number, blobs)| (number, (blobs, 0))));
        for (number, more) in edit.garbage {
            if let Some((_, garbage)) = family.blobs.get_mut(&number) {
                *garbage += more;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(column_family: u32, deleted: &[u64], added: &[u64]) -> Edit {
        Edit {
            column_family,
            deleted: deleted.to_vec(),
            added: added
                .iter()
                .map(|number| (*number, LiveFile::default()))
                .collect(),
            ..Edit::default()
        }
    }

    fn live(edits: impl IntoIterator<Item = Edit>) -> Vec<u64> {
        let mut live = Live::default();
        edits.into_iter().for_each(|edit| live.push(edit));
        let mut numbers: Vec<u64> = live
            .files
            .families
            .values()
            .flat_map(|family| family.tables.keys().copied())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn additions_without_deletions_over_all_column_families() {
        let edits = [
            edit(0, &[], &[1, 2]),
            edit(7, &[], &[3]),
            edit(0, &[1], &[4]),
        ];
        assert_eq!(live(edits), [2, 3, 4]);
    }

    #[test]
    fn a_file_that_changes_its_level_stays() {
        assert_eq!(live([edit(0, &[], &[1]), edit(0, &[1], &[1])]), [1]);
    }

    #[test]
    fn the_files_of_a_dropped_column_family_go() {
        let dropped = Edit {
            drops_column_family: true,
            ..edit(7, &[], &[])
        };
        let edits = [edit(0, &[], &[1]), edit(7, &[], &[2, 3]), dropped];
        assert_eq!(live(edits), [1]);
    }

    #[test]
    fn an_atomic_group_counts_when_it_is_complete() {
        let in_group = |remaining, edit| Edit {
            remaining: Some(remaining),
            ..edit
        };
        let first = in_group(1, edit(0, &[1], &[2]));
        let last = in_group(0, edit(7, &[], &[3]));
        let before = edit(0, &[], &[1]);
        assert_eq!(live([before.clone(), first.clone()]), [1]);
        assert_eq!(live([before, first, last]), [2, 3]);
    }
}
