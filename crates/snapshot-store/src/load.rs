//! A snapshot file to a new database: its three tables as sorted files, ingested without copying.
//!
//! Rows come in key order, so they go straight into SST files, which RocksDB then takes over by their
//! name: no write-ahead log, no memtable, memory bounded by one block. Other tables, and databases that
//! exist, are not for here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamilyDescriptor, DB, IngestExternalFileOptions, Options, SstFileWriter};
use snapshot_format::{Entry, Event, NotWhole, PerTable, Table};

use crate::merge::MergeFailures;
use crate::progress::Progress;
use crate::schema::{self, ColumnFamily};
use crate::summary::SnapshotSummary;
use crate::verify::{VerifyError, decode_file};

/// Why a snapshot could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The snapshot cannot be read, or is not sound.
    #[error(transparent)]
    Snapshot(#[from] VerifyError),
    /// The snapshot is one chunk of several.
    #[error("{}: {source}", path.display())]
    NotWhole {
        /// The file.
        path: PathBuf,
        /// Which chunk it is.
        source: NotWhole,
    },
    /// The directory is there already. It is left as it is.
    #[error("{} already exists; name a directory that does not", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// A directory cannot be made or cleared.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was done.
        action: &'static str,
        /// To which directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// RocksDB cannot write or take over a file.
    #[error("RocksDB cannot {action} {}: {source}", path.display())]
    RocksDb {
        /// What was done.
        action: &'static str,
        /// The file, or the database.
        path: PathBuf,
        /// Why.
        source: rocksdb::Error,
    },
}

/// What was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSummary {
    /// The snapshot.
    pub snapshot: SnapshotSummary,
    /// SST files of each table. An empty table has none.
    pub files: PerTable<u64>,
    /// Bytes of the SST files of each table.
    pub bytes: PerTable<u64>,
}

/// Bytes of keys and values after which an SST file ends: as a node cuts its own.
const FILE_BYTES: u64 = 64 << 20;

/// Where SST files are made, inside the new database's directory: on the same file system, so that
/// they can be taken over by name.
const STAGING: &str = "load.tmp";

/// Loads the snapshot file `snapshot` into a new database in the directory `dir`, which must not exist.
///
/// `progress` advances in bytes of the snapshot. The database is made only once the whole file has
/// proved sound.
///
/// # Errors
///
/// If the snapshot is not whole and sound, `dir` exists, or something cannot be written. `dir` is then
/// removed again, unless it was there before.
pub fn bulk_load(
    snapshot: &Path,
    dir: &Path,
    progress: &Progress,
) -> Result<LoadSummary, LoadError> {
    fs::create_dir(dir).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => LoadError::Exists {
            path: dir.to_path_buf(),
        },
        _ => io_error("create", dir)(source),
    })?;
    let loaded = load_into(snapshot, dir, progress);
    if loaded.is_err() {
        // The error at hand matters more than one of clearing up.
        let _ = fs::remove_dir_all(dir);
    }
    loaded
}

fn load_into(snapshot: &Path, dir: &Path, progress: &Progress) -> Result<LoadSummary, LoadError> {
    let staging = dir.join(STAGING);
    fs::create_dir(&staging).map_err(io_error("create", &staging))?;

    let failures = MergeFailures::new();
    let options = PerTable::from_fn(|table| schema::writer_options(table.into(), &failures));
    let mut files = SortedFiles::new(&staging, &options);
    let mut failure = None;
    let summary = decode_file(snapshot, progress, |event| {
        if failure.is_none() {
            failure = files.event(event).err();
        }
    })?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    summary
        .header
        .require_whole()
        .map_err(|source| LoadError::NotWhole {
            path: snapshot.to_path_buf(),
            source,
        })?;

    let (paths, bytes) = (files.paths, files.bytes);
    ingest(dir, &paths)?;
    fs::remove_dir_all(&staging).map_err(io_error("remove", &staging))?;
    let files = PerTable::from_fn(|table| paths[table].len() as u64);
    Ok(LoadSummary {
        snapshot: summary,
        files,
        bytes,
    })
}

/// Makes the database and has it take over the files.
fn ingest(dir: &Path, paths: &PerTable<Vec<PathBuf>>) -> Result<(), LoadError> {
    let failures = MergeFailures::new();
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_error_if_exists(true);
    let descriptors = Table::ALL.map(ColumnFamily::from).map(|family| {
        ColumnFamilyDescriptor::new(family.name(), schema::writer_options(family, &failures))
    });
    let db = DB::open_cf_descriptors(&options, dir, descriptors)
        .map_err(rocksdb_error("create", dir))?;

    let mut by_name = IngestExternalFileOptions::default();
    by_name.set_move_files(true);
    for (table, paths) in paths.iter().filter(|(_, paths)| !paths.is_empty()) {
        // All were just created under their names.
        if let Some(handle) = db.cf_handle(table.name()) {
            db.ingest_external_file_cf_opts(handle, &by_name, paths.clone())
                .map_err(rocksdb_error("ingest files into", dir))?;
        }
    }
    Ok(())
}

/// The SST files of all tables, written one after the other.
struct SortedFiles<'a> {
    staging: &'a Path,
    options: &'a PerTable<Options>,
    open: Option<OpenFile<'a>>,
    paths: PerTable<Vec<PathBuf>>,
    bytes: PerTable<u64>,
}

/// The file that is being written.
struct OpenFile<'a> {
    writer: SstFileWriter<'a>,
    path: PathBuf,
    /// Bytes of keys and values so far.
    content: u64,
}

impl<'a> SortedFiles<'a> {
    fn new(staging: &'a Path, options: &'a PerTable<Options>) -> Self {
        Self {
            staging,
            options,
            open: None,
            paths: PerTable::default(),
            bytes: PerTable::default(),
        }
    }

    fn event(&mut self, event: Event<'_>) -> Result<(), LoadError> {
        match event {
            Event::Header(_) | Event::SectionStart(_) => Ok(()),
            Event::Entry(entry) => self.put(&entry),
            Event::SectionEnd(table) => self.close(table),
        }
    }

    fn put(&mut self, entry: &Entry<'_>) -> Result<(), LoadError> {
        let mut file = match self.open.take() {
            Some(file) => file,
            None => self.create(entry.table)?,
        };
        file.writer
            .put(entry.key, entry.value)
            .map_err(rocksdb_error("write", &file.path))?;
        file.content += (entry.key.as_bytes().len() + entry.value.len()) as u64;
        let full = file.content >= FILE_BYTES;
        self.open = Some(file);
        if full {
            self.close(entry.table)
        } else {
            Ok(())
        }
    }

    fn create(&self, table: Table) -> Result<OpenFile<'a>, LoadError> {
        let number = self.paths[table].len();
        let path = self.staging.join(format!("{table}-{number:06}.sst"));
        let writer = SstFileWriter::create(&self.options[table]);
        writer.open(&path).map_err(rocksdb_error("create", &path))?;
        Ok(OpenFile {
            writer,
            path,
            content: 0,
        })
    }

    /// Finishes the open file. None is open where the table is empty, or ended with a full file.
    fn close(&mut self, table: Table) -> Result<(), LoadError> {
        if let Some(OpenFile {
            mut writer, path, ..
        }) = self.open.take()
        {
            writer.finish().map_err(rocksdb_error("finish", &path))?;
            self.bytes[table] += writer.file_size();
            self.paths[table].push(path);
        }
        Ok(())
    }
}

fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> LoadError {
    move |source| LoadError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}

fn rocksdb_error(action: &'static str, path: &Path) -> impl Fn(rocksdb::Error) -> LoadError {
    move |source| LoadError::RocksDb {
        action,
        path: path.to_path_buf(),
        source,
    }
}
