//! Sorted rows to SST files that a database takes over by their names.
//!
//! An empty table has no file: RocksDB refuses to write one without a row. Files are synced when they
//! are finished.

use std::fs::File;
use std::path::{Path, PathBuf};

use rocksdb::{Options, SstFileWriter};
use rustix::fs::Advice;

use super::error::{RestoreError, rocksdb_error};
use crate::merge::MergeFailures;
use crate::schema::{self, ColumnFamily};

/// Bytes of keys and values after which an SST file ends: as a node cuts its own.
const FILE_BYTES: u64 = 64 << 20;

/// The options that each column family is written with.
pub(crate) struct FamilyOptions([(ColumnFamily, Options); 6]);

impl FamilyOptions {
    pub(crate) fn new() -> Self {
        // Nothing is merged while files are written.
        let failures = MergeFailures::new();
        Self(ColumnFamily::ALL.map(|family| (family, schema::writer_options(family, &failures))))
    }

    fn of(&self, family: ColumnFamily) -> &Options {
        let [first, ..] = &self.0;
        let found = self.0.iter().find(|(of, _)| *of == family);
        &found.unwrap_or(first).1
    }
}

/// A file.
#[derive(Clone, Debug)]
pub(crate) struct SstFile {
    pub(crate) family: ColumnFamily,
    pub(crate) path: PathBuf,
    /// Its length; while it is written, the bytes of its keys and values.
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

/// Writes files one after the other: one for each column family, or more if they grow long.
pub(crate) struct SstWriter<'a> {
    dir: &'a Path,
    options: &'a FamilyOptions,
    /// What the names of its files begin with.
    name: String,
    /// The file that is being written.
    open: Option<(SstFileWriter<'a>, SstFile)>,
    files: Vec<SstFile>,
}

impl<'a> SstWriter<'a> {
    /// A writer into the directory `dir`, whose files' names begin with `name`.
    pub(crate) fn new(dir: &'a Path, options: &'a FamilyOptions, name: String) -> Self {
        Self {
            dir,
            options,
            name,
            open: None,
            files: Vec::new(),
        }
    }

    /// Appends a row. Keys must increase as long as the family stays the same.
    #[inline]
    pub(crate) fn put(
        &mut self,
        family: ColumnFamily,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), RestoreError> {
        let (mut writer, mut file) = match self.open.take() {
            Some(open) if open.1.family == family && open.1.bytes < FILE_BYTES => open,
            other => {
                self.open = other;
                self.close()?;
                self.create(family)?
            }
        };
        writer
            .put(key, value)
            .map_err(rocksdb_error("write", &file.path))?;
        file.bytes += (key.len() + value.len()) as u64;
        file.rows += 1;
        self.open = Some((writer, file));
        Ok(())
    }

    /// Finishes the open file, and hands out all.
    pub(crate) fn finish(mut self) -> Result<Vec<SstFile>, RestoreError> {
        self.close()?;
        Ok(self.files)
    }

    fn create(&self, family: ColumnFamily) -> Result<(SstFileWriter<'a>, SstFile), RestoreError> {
        let number = self.files.len();
        let path = self
            .dir
            .join(format!("{}-{number}-{family}.sst", self.name));
        let writer = SstFileWriter::create(self.options.of(family));
        writer.open(&path).map_err(rocksdb_error("create", &path))?;
        let file = SstFile {
            family,
            path,
            bytes: 0,
            rows: 0,
        };
        Ok((writer, file))
    }

    fn close(&mut self) -> Result<(), RestoreError> {
        if let Some((mut writer, mut file)) = self.open.take() {
            writer
                .finish()
                .map_err(rocksdb_error("finish", &file.path))?;
            prefetch(&file.path);
            file.bytes = writer.file_size();
            self.files.push(file);
        }
        Ok(())
    }
}

/// Has the kernel read a finished file again, without waiting: RocksDB drops it from the page cache, and
/// it is soon read back.
fn prefetch(path: &Path) {
    // Only advice: who reads it finds out what is wrong with it.
    let _ = File::open(path).map(|file| rustix::fs::fadvise(&file, 0, None, Advice::WillNeed));
}
