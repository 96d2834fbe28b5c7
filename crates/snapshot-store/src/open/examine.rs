//! What is looked at before RocksDB opens a database, as it would not notice, or end the process.
//!
//! Nothing here writes or calls RocksDB.

use std::fs;
use std::path::Path;

use rocksdb::DBRecoveryMode;

use super::{OpenError, OpenWarning, WalRecovery, unreadable};
use crate::options_file::{OptionsFile, OptionsFileError};
use crate::schema::ColumnFamily;
use crate::wal::{self, Family, Manifest, TableFiles, WalError};

/// What is wrong with the write-ahead log and tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    None,
    /// The last record of the last log is incomplete, and nothing else; it alone is dropped.
    TornTail,
    /// Whatever it is, all from there on is dropped.
    FromThereOn {
        torn: bool,
    },
}

impl Damage {
    /// What `recovery` makes of a log that does not read whole, if it tolerates that.
    fn tolerated(error: &WalError, recovery: WalRecovery) -> Option<Self> {
        let torn = matches!(error, WalError::TornTail { .. });
        match recovery {
            WalRecovery::TolerateTornTail if torn => Some(Self::TornTail),
            WalRecovery::PointInTime if !matches!(error, WalError::Io { .. }) => {
                Some(Self::FromThereOn { torn })
            }
            _ => None,
        }
    }

    /// The mode in which RocksDB reads the logs: lenient only where damage was found and is tolerated.
    pub(super) const fn mode(self) -> DBRecoveryMode {
        match self {
            Self::None => DBRecoveryMode::AbsoluteConsistency,
            Self::TornTail => DBRecoveryMode::TolerateCorruptedTailRecords,
            Self::FromThereOn { .. } => DBRecoveryMode::PointInTime,
        }
    }

    /// Whether there is an incomplete last record and nothing else.
    pub(super) const fn is_torn_tail(self) -> bool {
        matches!(self, Self::TornTail | Self::FromThereOn { torn: true })
    }
}

/// Refuses logs elsewhere, which RocksDB would read the tables without. A checkpoint has its own,
/// whatever the node's options say.
pub(super) fn require_own_logs(path: &Path) -> Result<(), OpenError> {
    if wal::opened_for_writing(path).is_none() {
        return Ok(());
    }
    let options = match OptionsFile::newest(path) {
        Ok(options) => options.unwrap_or_default(),
        // What it says is not needed to read tables, and a log that is missing shows without it.
        Err(OptionsFileError::Malformed { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let own = fs::canonicalize(path).map_err(unreadable(path))?;
    match options.wal_dir {
        Some(wal_dir) if fs::canonicalize(&wal_dir).ok() != Some(own) => {
            Err(OpenError::LogsElsewhere {
                path: path.to_path_buf(),
                wal_dir,
                options: options.path,
            })
        }
        _ => Ok(()),
    }
}

/// Refuses a database of which table files are missing or elsewhere, before RocksDB ends the process or
/// blames its manifest.
pub(super) fn require_files(
    path: &Path,
    column_families: &[ColumnFamily],
) -> Result<(), OpenError> {
    let Some(manifest) = known_manifest(path)? else {
        return Ok(());
    };
    let names = column_families.iter().map(|family| family.name());
    for family in names
        .chain(["default"])
        .filter_map(|name| manifest.family(name))
    {
        require_family_files(path, family)?;
    }
    Ok(())
}

/// As [`require_files`], for one column family of the database's manifest.
pub(crate) fn require_family_files(path: &Path, family: &Family) -> Result<(), OpenError> {
    let other = family.tables.values().map(|file| file.path_id);
    if let Some(path_id) = other.max().filter(|path_id| *path_id > 0) {
        return Err(OpenError::OtherPath {
            path: path.to_path_buf(),
            family: family.name.clone(),
            path_id,
        });
    }
    let tables = family.tables.keys();
    let blobs = family.blob_files();
    let mut files = tables
        .map(|number| format!("{number:06}.sst"))
        .chain(blobs.map(|number| format!("{number:06}.blob")))
        .map(|name| path.join(name));
    if let Some(file) = files.find(|file| !file.exists()) {
        return Err(OpenError::MissingFile {
            file,
            family: family.name.clone(),
        });
    }
    for (number, table) in &family.tables {
        let file = path.join(format!("{number:06}.sst"));
        let got = fs::metadata(&file).map_err(unreadable(&file))?.len();
        if got != table.size {
            return Err(OpenError::WrongSize {
                file,
                family: family.name.clone(),
                expected: table.size,
                got,
            });
        }
    }
    Ok(())
}

/// The manifest, unless a newer RocksDB wrote it.
pub(super) fn known_manifest(path: &Path) -> Result<Option<Manifest>, OpenError> {
    match wal::read_manifest(path) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(WalError::UnknownField { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Checks the files whose damage RocksDB would not notice, and tells what is tolerated.
pub(super) fn verify_logs(
    path: &Path,
    wal_recovery: WalRecovery,
    live: bool,
    warnings: &mut Vec<OpenWarning>,
) -> Result<Damage, OpenError> {
    wal::verify_manifest(path)?;
    let files = wal::compare_table_files(path)?;
    let logs = verify_whole_logs(path);
    // A checkpoint has no write-ahead log, and nothing but the files it needs.
    let unfinished = live || !matches!(logs, Ok(0));
    let damage = match logs {
        Ok(_) => Damage::None,
        Err(error) => match Damage::tolerated(&error, wal_recovery) {
            Some(damage) => {
                let cause = error.to_string();
                warnings.push(OpenWarning::DamagedWal { cause });
                damage
            }
            None => return Err(error.into()),
        },
    };
    match files {
        TableFiles::Compared {
            manifest,
            unreferenced: files,
        } if !files.is_empty() => {
            if !unfinished {
                return Err(OpenError::UnreferencedFiles { manifest, files });
            }
            warnings.push(OpenWarning::UnreferencedFiles { manifest, files });
        }
        TableFiles::Compared { .. } => {}
        TableFiles::NotCompared { manifest, tag } => {
            warnings.push(OpenWarning::UncheckedManifest { manifest, tag });
        }
    }
    Ok(damage)
}

/// Verifies all logs, and that all are there; returns their length in bytes.
fn verify_whole_logs(path: &Path) -> Result<u64, WalError> {
    match wal::read_manifest(path) {
        Ok(manifest) => wal::require_logs(path, &manifest)?,
        Err(WalError::UnknownField { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(wal::verify_wals(path)?.bytes)
}
