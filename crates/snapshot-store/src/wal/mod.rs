//! A strict, independent check of RocksDB's log files: the write-ahead logs and the manifest.
//!
//! RocksDB 8.10 misses damage even with absolute consistency: a type byte that a flipped bit turned
//! into one for recycled files ends the file before its checksum is looked at, records of zero type
//! and length are skipped, and blocks or whole files that are gone go unnoticed because sequence
//! numbers are not compared. Each of these shortens a table without an error, so the files are read
//! here first.
//!
//! Nothing here writes, links RocksDB or decodes operations; memory is one block of 32 KiB however
//! long a record of a write-ahead log is, and one record of the manifest.
//!
//! What it cannot see: the loss of whole records at the end of the last file, or of the manifest
//! unless [`compare_table_files`] finds files it does not know, and of the first files, which look like logs that end, or begin, there; and a block lost from the
//! inside of one record of more than 64 KiB, whose operations then do not decode when RocksDB
//! replays them. That logs are missing altogether shows in the manifest ([`require_logs`]).

mod error;
mod manifest;
mod physical;
mod records;
mod sequence;
mod version_edit;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

pub use self::error::{Fault, LogKind, WalError};
pub use self::manifest::{
    Family, LiveFile, Manifest, TableFiles, compare_table_files, read_manifest,
};
use self::records::{Log, read_log};
use self::sequence::Chain;

/// What the write-ahead logs of a database hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalSummary {
    /// Log files, empty ones included.
    pub files: u64,
    /// Bytes of those files, without the tails of recycled ones.
    pub bytes: u64,
    /// Write batches.
    pub batches: u64,
    /// Operations in the batches of uncompressed files.
    pub operations: u64,
    /// Sequence number of the first such operation.
    pub first_sequence: Option<u64>,
    /// Sequence number of the last such operation.
    pub last_sequence: Option<u64>,
    /// Compressed files: their records are intact, but their sequence numbers were not compared.
    pub unsequenced_files: u64,
    /// Files that end with intact records of the older file they were recycled from.
    pub recycled_tails: u64,
}

/// What the manifest of a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestSummary {
    /// The file that `CURRENT` names.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its records.
    pub records: u64,
}

/// Verifies all write-ahead logs of the database directory `dir`.
///
/// Every file must be whole, and every batch must start with the sequence number that the batch
/// before it, in the same file or an earlier one, leads to. A directory without logs, such as a
/// checkpoint, passes with an empty summary.
///
/// # Errors
///
/// [`WalError`] for the first byte, in the order of the file numbers, that breaks this, or if the
/// directory or a file cannot be read.
pub fn verify_wals(dir: &Path) -> Result<WalSummary, WalError> {
    let mut verifier = WalVerifier::new();
    let files = wal_files(dir)?;
    let last = files.last().map(|(number, _)| *number);
    for (number, path) in files {
        let source = File::open(&path).map_err(|source| io_error(&path, source))?;
        verifier
            .file(&path, number, source)
            .map_err(|error| match error {
                WalError::Damaged {
                    path,
                    offset,
                    fault,
                    ..
                } if Some(number) == last && fault.is_end_of_file() => WalError::TornTail {
                    path,
                    offset,
                    fault,
                },
                error => error,
            })?;
    }
    Ok(verifier.finish())
}

/// Cuts an incomplete last record off the last log in the directory `dir`, a copy of a database's, so that all
/// logs are whole. Other damage stays.
///
/// # Errors
///
/// If a file cannot be read or cut.
pub(crate) fn cut_torn_tail(dir: &Path) -> Result<(), WalError> {
    loop {
        let (path, end) = match verify_wals(dir) {
            Err(WalError::TornTail {
                path,
                fault: Fault::Unfinished { started },
                ..
            }) => (path, started),
            Err(WalError::TornTail { path, offset, .. }) => (path, offset),
            Err(error @ WalError::Io { .. }) => return Err(error),
            Ok(_) | Err(_) => return Ok(()),
        };
        // Shorter each time: what was complete fragments of an incomplete record is cut next.
        let file = File::options().write(true).open(&path);
        file.and_then(|file| file.set_len(end))
            .map_err(|source| io_error(&path, source))?;
    }
}

/// What shows that the database in the directory `dir` was ever opened for writing: the name of a file that
/// no checkpoint has.
#[must_use]
pub fn opened_for_writing(dir: &Path) -> Option<&'static str> {
    const WITNESSES: [&str; 3] = ["LOCK", "IDENTITY", "LOG"];

    WITNESSES
        .into_iter()
        .find(|name| dir.join(name).symlink_metadata().is_ok())
}

/// Refuses the database directory `dir` if a write-ahead log is not there that `manifest` shows to be needed.
///
/// A checkpoint may have none, as it was never open for writing. Whether logs are missing between
/// others is for [`verify_wals`] to say.
///
/// # Errors
///
/// [`WalError`] with what is missing, or if the directory cannot be read.
pub fn require_logs(dir: &Path, manifest: &Manifest) -> Result<(), WalError> {
    let logs: BTreeMap<u64, PathBuf> = wal_files(dir)?.into_iter().collect();
    let path_of = |number| dir.join(format!("{number:06}.log"));
    let missing = |number| WalError::MissingLog {
        path: path_of(number),
        manifest: manifest.path.clone(),
    };
    for (number, synced) in &manifest.tracked_logs {
        let path = logs.get(number).ok_or_else(|| missing(*number))?;
        let got = fs::metadata(path)
            .map_err(|source| io_error(path, source))?
            .len();
        if let Some(expected) = synced.filter(|synced| *synced > got) {
            return Err(WalError::ShortLog {
                path: path.clone(),
                manifest: manifest.path.clone(),
                expected,
                got,
            });
        }
    }
    let Some(witness) = opened_for_writing(dir) else {
        return Ok(());
    };
    let Some(newest) = logs.keys().next_back() else {
        return Err(WalError::NoLog {
            dir: dir.to_path_buf(),
            witness,
        });
    };
    if *newest < manifest.max_log_number() {
        return Err(missing(manifest.max_log_number()));
    }
    let mut needed = manifest.needed_logs();
    match needed.find(|number| !logs.contains_key(number)) {
        Some(number) => Err(missing(number)),
        None => Ok(()),
    }
}

/// Verifies the manifest that `CURRENT` names in the database directory `dir`.
///
/// # Errors
///
/// [`WalError`] if `CURRENT` does not name a manifest, if the manifest is not whole or holds no
/// record, or if either cannot be read.
pub fn verify_manifest(dir: &Path) -> Result<ManifestSummary, WalError> {
    let path = current_manifest(dir)?;
    let source = File::open(&path).map_err(|source| io_error(&path, source))?;
    verify_manifest_log(&path, source)
}

/// Verifies a manifest read from `source`; `path` is only named in errors and in the summary.
///
/// # Errors
///
/// [`WalError`] if the manifest is not whole, holds no record, or cannot be read.
pub fn verify_manifest_log<R: Read>(path: &Path, source: R) -> Result<ManifestSummary, WalError> {
    // A manifest is never recycled, so its records carry no number.
    let log = Log {
        path,
        kind: LogKind::Manifest,
        number: 0,
    };
    let contents = read_log(log, source, |_| Ok(()))?;
    if contents.records == 0 {
        return Err(WalError::EmptyManifest {
            path: path.to_path_buf(),
        });
    }
    let (bytes, records) = (contents.bytes, contents.records);
    Ok(ManifestSummary {
        path: path.to_path_buf(),
        bytes,
        records,
    })
}

/// Verifies write-ahead logs one by one, in the order of their numbers.
#[derive(Debug, Default)]
pub struct WalVerifier {
    summary: WalSummary,
    chain: Chain,
}

impl WalVerifier {
    /// Starts before the first file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Verifies the next file, read from `source`; `path` is only named in errors.
    ///
    /// # Errors
    ///
    /// [`WalError`] if the file is not whole, does not continue the files before it, or cannot be
    /// read. The verifier is of no use after that.
    pub fn file<R: Read>(&mut self, path: &Path, number: u64, source: R) -> Result<(), WalError> {
        let log = Log {
            path,
            kind: LogKind::Wal,
            number,
        };
        self.chain.begin_file();
        let chain = &mut self.chain;
        let contents = read_log(log, source, |record| {
            if record.compressed {
                Ok(())
            } else {
                chain.push(log, record)
            }
        })?;
        if contents.compressed {
            self.chain.interrupt();
        }
        self.summary.files += 1;
        self.summary.bytes += contents.bytes;
        self.summary.batches += contents.records;
        self.summary.unsequenced_files += u64::from(contents.compressed);
        self.summary.recycled_tails += u64::from(contents.recycled_tail);
        Ok(())
    }

    /// Returns what the files held.
    #[must_use]
    pub fn finish(self) -> WalSummary {
        let (first_sequence, last_sequence) = self.chain.range();
        let operations = self.chain.operations();
        WalSummary {
            operations,
            first_sequence,
            last_sequence,
            ..self.summary
        }
    }
}

/// The write-ahead logs in `dir`, in the order of their numbers.
fn wal_files(dir: &Path) -> Result<Vec<(u64, PathBuf)>, WalError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(|source| io_error(dir, source))? {
        let name = entry.map_err(|source| io_error(dir, source))?.file_name();
        let Some(digits) = name.to_str().and_then(|name| name.strip_suffix(".log")) else {
            continue;
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let path = dir.join(&name);
        // RocksDB reads the number and opens the file of that number, whatever this one is called.
        let number = digits.parse::<u64>().map_err(|_| WalError::FileName {
            path: path.clone(),
            expected: "six digits and .log".to_owned(),
        })?;
        let expected = format!("{number:06}.log");
        if name.to_str() != Some(expected.as_str()) {
            return Err(WalError::FileName { path, expected });
        }
        files.push((number, path));
    }
    files.sort_unstable();
    Ok(files)
}

/// The manifest that `CURRENT` names.
fn current_manifest(dir: &Path) -> Result<PathBuf, WalError> {
    /// More than the longest valid content, `MANIFEST-`, 20 digits and a line feed.
    const LIMIT: u64 = 64;

    let path = dir.join("CURRENT");
    let mut bytes = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(LIMIT).read_to_end(&mut bytes))
        .map_err(|source| io_error(&path, source))?;
    let text = String::from_utf8_lossy(&bytes);
    let name = text.strip_suffix('\n').filter(|name| {
        let number = name
            .strip_prefix("MANIFEST-")
            .and_then(|digits| digits.parse::<u64>().ok());
        number.is_some_and(|number| **name == format!("MANIFEST-{number:06}"))
    });
    match name {
        Some(name) => Ok(dir.join(name)),
        None => Err(WalError::Current {
            path,
            got: text.into_owned(),
        }),
    }
}

fn io_error(path: &Path, source: std::io::Error) -> WalError {
    WalError::Io {
        path: path.to_path_buf(),
        source,
    }
}
