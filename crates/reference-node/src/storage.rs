//! Where the entries of an open database are: in compacted SST files, in level 0, or only in the
//! write-ahead log.

use std::collections::BTreeMap;
use std::fs;
use std::ops::AddAssign;

use serde::Serialize;

use crate::error::NodeError;
use crate::families;
use crate::tables::Tables;

/// Where the entries of a database are, by column family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Storage {
    /// Files of the write-ahead log, old ones included.
    pub wal_files: u64,
    /// Their bytes.
    pub wal_bytes: u64,
    /// By the name of the column family.
    pub families: BTreeMap<String, FamilyStorage>,
}

/// Where the entries of one column family are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FamilyStorage {
    /// In SST files below level 0.
    pub compacted: SstFiles,
    /// In SST files of level 0, as they were flushed.
    pub level_0: SstFiles,
    /// Entries in no SST file: those of the memtable, and of the write-ahead log behind it.
    pub wal_entries: u64,
}

/// Some SST files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SstFiles {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their entries: values, merge operands and tombstones.
    pub entries: u64,
    /// Those of the entries that are merge operands.
    pub merge_operands: u64,
}

impl Storage {
    /// Looks where the entries of `tables` are.
    ///
    /// # Errors
    ///
    /// If RocksDB or the file system does not tell.
    pub fn of(tables: &Tables) -> Result<Self, NodeError> {
        let mut storage = Self::default();
        for name in families::all() {
            let family = FamilyStorage {
                wal_entries: memtable_entries(tables, name)?,
                ..FamilyStorage::default()
            };
            storage.families.insert(name.to_owned(), family);
        }
        storage.add_sst_files(tables)?;
        storage.add_merge_operands(tables)?;
        storage.add_wal(tables)?;
        Ok(storage)
    }

    /// The sum over all column families.
    #[must_use]
    pub fn total(&self) -> FamilyStorage {
        self.families
            .values()
            .fold(FamilyStorage::default(), |mut total, family| {
                total += *family;
                total
            })
    }

    fn add_sst_files(&mut self, tables: &Tables) -> Result<(), NodeError> {
        let files = tables
            .database()
            .live_files()
            .map_err(|source| tables.database_error("list the files of", source))?;
        for file in files {
            let family = self.families.entry(file.column_family_name).or_default();
            let level = if file.level == 0 {
                &mut family.level_0
            } else {
                &mut family.compacted
            };
            *level += SstFiles {
                files: 1,
                bytes: file.size as u64,
                entries: file.num_entries,
                merge_operands: 0,
            };
        }
        Ok(())
    }

    fn add_merge_operands(&mut self, tables: &Tables) -> Result<(), NodeError> {
        for (name, family) in &mut self.families {
            let all = merge_operands(tables, name, "rocksdb.aggregated-table-properties")?;
            let level_0 = merge_operands(
                tables,
                name,
                "rocksdb.aggregated-table-properties-at-level0",
            )?;
            family.level_0.merge_operands = level_0;
            family.compacted.merge_operands = all.saturating_sub(level_0);
        }
        Ok(())
    }

    fn add_wal(&mut self, tables: &Tables) -> Result<(), NodeError> {
        let error = |source| NodeError::Io {
            action: "list",
            path: tables.path().to_path_buf(),
            source,
        };
        for entry in fs::read_dir(tables.path()).map_err(error)? {
            let entry = entry.map_err(error)?;
            if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "log")
            {
                self.wal_files += 1;
                self.wal_bytes += entry.metadata().map_err(error)?.len();
            }
        }
        Ok(())
    }
}

impl AddAssign for FamilyStorage {
    fn add_assign(&mut self, other: Self) {
        self.compacted += other.compacted;
        self.level_0 += other.level_0;
        self.wal_entries += other.wal_entries;
    }
}

impl AddAssign for SstFiles {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.entries += other.entries;
        self.merge_operands += other.merge_operands;
    }
}

fn memtable_entries(tables: &Tables, family: &str) -> Result<u64, NodeError> {
    let handle = tables.family(family)?;
    let mut entries = 0;
    for property in [
        "rocksdb.num-entries-active-mem-table",
        "rocksdb.num-entries-imm-mem-tables",
    ] {
        let value = tables.database().property_int_value_cf(handle, property);
        entries += value
            .map_err(|e| tables.database_error("ask", e))?
            .unwrap_or(0);
    }
    Ok(entries)
}

/// The number of merge operands in SST files, which RocksDB tells only as part of a text.
fn merge_operands(tables: &Tables, family: &str, property: &str) -> Result<u64, NodeError> {
    const NAME: &str = "# merge operands=";
    let text = tables
        .database()
        .property_value_cf(tables.family(family)?, property)
        .map_err(|source| tables.database_error("ask", source))?
        .unwrap_or_default();
    let count = text
        .split(';')
        .find_map(|field| field.trim().strip_prefix(NAME)?.parse().ok());
    Ok(count.unwrap_or(0))
}
