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
    let manifest = current_manifest(dir)?;
    let source = File::open(&manifest).map_err(|source| io_error(&manifest, source))?;
    Ok(match live_numbers(&manifest, source)? {
        Ok(live) => TableFiles::Compared {
            unreferenced: files
                .into_iter()
                .filter(|(number, _)| !live.contains(number))
                .map(|(_, path)| path)
                .collect(),
            manifest,
        },
        Err(tag) => TableFiles::NotCompared { manifest, tag },
    })
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

/// The numbers of all table files that a manifest leaves, or the tag that is not known.
fn live_numbers<R: Read>(path: &Path, source: R) -> Result<Result<BTreeSet<u64>, u32>, WalError> {
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
                Err(EditError::UnknownTag(tag)) => return Ok(Err(tag)),
                Err(EditError::Malformed(tag)) => {
                    return Err(log.damaged(started, Fault::VersionEdit { tag }));
                }
            }
        }
    }
    Ok(Ok(live.numbers()))
}

/// The table files of each column family after the edits so far.
#[derive(Default)]
struct Live {
    families: BTreeMap<u32, BTreeSet<u64>>,
    /// Edits of an atomic group whose last one has not been seen. If it never comes, RocksDB drops
    /// the group.
    group: Vec<Edit>,
}

impl Live {
    fn push(&mut self, edit: Edit) {
        match edit.remaining {
            None => self.apply(&edit),
            Some(remaining) => {
                self.group.push(edit);
                if remaining == 0 {
                    for edit in std::mem::take(&mut self.group) {
                        self.apply(&edit);
                    }
                }
            }
        }
    }

    fn apply(&mut self, edit: &Edit) {
        if edit.drops_column_family {
            self.families.remove(&edit.column_family);
            return;
        }
        let files = self.families.entry(edit.column_family).or_default();
        // In this order: a file that moves to another level is deleted and added in one edit.
        for number in &edit.deleted {
            files.remove(number);
        }
        files.extend(&edit.added);
    }

    fn numbers(self) -> BTreeSet<u64> {
        self.families.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(column_family: u32, deleted: &[u64], added: &[u64]) -> Edit {
        Edit {
            column_family,
            deleted: deleted.to_vec(),
            added: added.to_vec(),
            ..Edit::default()
        }
    }

    fn live(edits: impl IntoIterator<Item = Edit>) -> Vec<u64> {
        let mut live = Live::default();
        edits.into_iter().for_each(|edit| live.push(edit));
        live.numbers().into_iter().collect()
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
