//! A node's tables: opening them, applying events to them, reading them back.
//!
//! The write path is a node's: merge operands, one batch per event, everything through the
//! write-ahead log. When an event comes, and what goes with it, is `node`'s business; what garbage
//! collection deletes, that of `gc`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::{
    BottommostLevelCompaction, CompactOptions, DB, FlushOptions, Options, ReadOptions, WriteBatch,
};
use snapshot_format::{BlobId, EventId, PerTable, ValueError};
use snapshot_store::cursor::EventCursor;
use snapshot_store::merge::{BlobInfoOperand, CursorOperand, MergeFailures};
use snapshot_store::schema::{ColumnFamily, EVENT_CURSOR_KEY, LATEST_HANDLED_EVENT_INDEX_KEY};

use crate::error::NodeError;
use crate::event::Event;
use crate::families::{self, Tuning};
use crate::writes::{Write, writes};

/// Whether an event was applied to the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was.
    Now,
    /// It had been before, and nothing was written.
    Before,
}

/// The open tables of one node.
///
/// Dropping them closes the database as a crash would: nothing is flushed, and what was not is in the
/// write-ahead log.
#[derive(Debug)]
pub struct Tables {
    db: Arc<DB>,
    path: PathBuf,
    failures: MergeFailures,
    latest_handled_event_index: Option<u64>,
}

impl Tables {
    /// Opens the tables in the directory `path`, and creates what is missing.
    ///
    /// # Errors
    ///
    /// If RocksDB cannot open the database, or it is not one of a node.
    pub fn open(path: &Path, tuning: Tuning) -> Result<Self, NodeError> {
        let failures = MergeFailures::new();
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        // Small databases that come and go by the thousand: threads and statistics would be most of it.
        options.set_max_file_opening_threads(1);
        options.set_stats_dump_period_sec(0);
        let families = families::descriptors(tuning, &failures);
        let db = DB::open_cf_descriptors(&options, path, families).map_err(|source| {
            NodeError::Database {
                action: "open",
                path: path.to_path_buf(),
                source,
            }
        })?;
        let mut tables = Self {
            db: Arc::new(db),
            path: path.to_path_buf(),
            failures,
            latest_handled_event_index: None,
        };
        tables.latest_handled_event_index = tables.read_latest_handled_event_index()?;
        tables.init_status()?;
        Ok(tables)
    }

    /// Applies an event: all its rows and the latest handled event index in one batch, or nothing if
    /// it was applied before. An `EpochChangeStart` writes nothing here.
    ///
    /// # Errors
    ///
    /// If the batch cannot be written.
    pub fn apply(&mut self, event: &Event) -> Result<Applied, NodeError> {
        if self
            .latest_handled_event_index
            .is_some_and(|latest| event.index <= latest)
        {
            return Ok(Applied::Before);
        }
        let writes = writes(event);
        if writes.is_empty() {
            return Ok(Applied::Now);
        }
        let mut batch = WriteBatch::default();
        for write in writes {
            self.add(&mut batch, &write)?;
        }
        let latest = self.family(ColumnFamily::LatestHandledEventIndex.name())?;
        batch.put_cf(
            latest,
            LATEST_HANDLED_EVENT_INDEX_KEY,
            event.index.to_le_bytes(),
        );
        self.write(batch)?;
        self.latest_handled_event_index = Some(event.index);
        Ok(Applied::Now)
    }

    /// The index of the latest event applied.
    #[must_use]
    pub const fn latest_handled_event_index(&self) -> Option<u64> {
        self.latest_handled_event_index
    }

    /// Moves the event cursor on by `increment` events, the last of which is `event_id`.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn advance_cursor(&self, event_id: EventId, increment: u64) -> Result<(), NodeError> {
        let mut batch = WriteBatch::default();
        let operand = CursorOperand {
            event_id,
            increment,
        }
        .encode();
        batch.merge_cf(
            self.family(ColumnFamily::EventCursor.name())?,
            EVENT_CURSOR_KEY,
            operand,
        );
        self.write(batch)
    }

    /// The event cursor, unless no event was ever completed.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn event_cursor(&self) -> Result<Option<EventCursor>, NodeError> {
        let table = ColumnFamily::EventCursor;
        self.get(table, EVENT_CURSOR_KEY)?
            .map(|value| EventCursor::decode(&value))
            .transpose()
            .map_err(|source| value_error(table.name(), EVENT_CURSOR_KEY, source))
    }

    /// The merged value of one row.
    ///
    /// # Errors
    ///
    /// If it cannot be read or merged.
    pub fn get(&self, table: ColumnFamily, key: &[u8]) -> Result<Option<Vec<u8>>, NodeError> {
        self.db
            .get_cf(self.family(table.name())?, key)
            .map_err(|source| self.read_error(table, source))
    }

    /// Hands all merged rows of a table to `visit`, in the order of their keys, from one consistent
    /// view: `visit` may write.
    ///
    /// # Errors
    ///
    /// The first error of `visit`, or of reading.
    pub fn scan(
        &self,
        table: ColumnFamily,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), NodeError>,
    ) -> Result<(), NodeError> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        let mut rows = self
            .db
            .raw_iterator_cf_opt(self.family(table.name())?, options);
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            visit(key, value)?;
            rows.next();
        }
        rows.status()
            .map_err(|source| self.read_error(table, source))
    }

    /// How many rows the three tables of a snapshot have.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn count_rows(&self) -> Result<PerTable<u64>, NodeError> {
        let mut counts = PerTable::default();
        for table in snapshot_format::Table::ALL {
            self.scan(table.into(), |_, _| {
                counts[table] += 1;
                Ok(())
            })?;
        }
        Ok(counts)
    }

    /// Stores what this node stores of a blob, and says so in the aggregate row.
    pub(crate) fn store_blob(&self, blob_id: &BlobId) -> Result<(), NodeError> {
        let data = families::blob_data(blob_id);
        if data.is_empty() {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        for (family, value) in data {
            batch.put_cf(self.family(family)?, blob_id, value);
        }
        let mark = Write::aggregate(blob_id, &BlobInfoOperand::MarkMetadataStored(true));
        self.add(&mut batch, &mark)?;
        self.write(batch)
    }

    /// Adds a write to a batch.
    pub(crate) fn add(&self, batch: &mut WriteBatch, write: &Write) -> Result<(), NodeError> {
        let family = self.family(write.table.name())?;
        match &write.operand {
            Some(operand) => batch.merge_cf(family, write.key, operand),
            None => batch.delete_cf(family, write.key),
        }
        Ok(())
    }

    /// Writes a batch, through the write-ahead log.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), NodeError> {
        self.db
            .write(batch)
            .map_err(|source| self.database_error("write to", source))
    }

    /// Flushes the memtables of these column families into SST files of level 0.
    ///
    /// # Errors
    ///
    /// If RocksDB cannot.
    pub fn flush<'a>(&self, families: impl IntoIterator<Item = &'a str>) -> Result<(), NodeError> {
        let families = families
            .into_iter()
            .map(|name| self.family(name))
            .collect::<Result<Vec<_>, _>>()?;
        self.db
            .flush_cfs_opt(&families, &FlushOptions::default())
            .map_err(|source| self.database_error("flush", source))
    }

    /// Flushes and compacts everything: no merge operand, no tombstone, nothing in level 0 remains.
    ///
    /// # Errors
    ///
    /// If RocksDB cannot.
    pub fn compact(&self) -> Result<(), NodeError> {
        self.flush(families::all())?;
        let mut options = CompactOptions::default();
        // A file that is only moved down would keep its operands.
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        for name in families::all() {
            let family = self.family(name)?;
            self.db
                .compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
        }
        self.failures
            .last()
            .map_or(Ok(()), |failure| Err(NodeError::Merge { failure }))
    }

    /// The database itself.
    #[must_use]
    pub const fn database(&self) -> &Arc<DB> {
        &self.db
    }

    /// The directory of the database.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The rows that could not be merged so far; of a node that works, none.
    #[must_use]
    pub const fn merge_failures(&self) -> &MergeFailures {
        &self.failures
    }

    pub(crate) fn family(&self, name: &str) -> Result<&rocksdb::ColumnFamily, NodeError> {
        self.db
            .cf_handle(name)
            .ok_or_else(|| NodeError::MissingColumnFamily {
                path: self.path.clone(),
                name: name.to_owned(),
            })
    }

    pub(crate) fn database_error(&self, action: &'static str, source: rocksdb::Error) -> NodeError {
        NodeError::Database {
            action,
            path: self.path.clone(),
            source,
        }
    }

    /// RocksDB does not say which row could not be merged, the operators do.
    fn read_error(&self, table: ColumnFamily, source: rocksdb::Error) -> NodeError {
        self.failures
            .last()
            .filter(|failure| failure.column_family == table)
            .map_or_else(
                || self.database_error("read", source),
                |failure| NodeError::Merge { failure },
            )
    }

    fn read_latest_handled_event_index(&self) -> Result<Option<u64>, NodeError> {
        let table = ColumnFamily::LatestHandledEventIndex;
        let Some(value) = self.get(table, LATEST_HANDLED_EVENT_INDEX_KEY)? else {
            return Ok(None);
        };
        let bytes = <[u8; 8]>::try_from(value.as_slice()).map_err(|_| {
            let source = ValueError::Invalid {
                what: "an event index has 8 bytes",
            };
            value_error(table.name(), LATEST_HANDLED_EVENT_INDEX_KEY, source)
        })?;
        Ok(Some(u64::from_le_bytes(bytes)))
    }

    fn init_status(&self) -> Result<(), NodeError> {
        let family = self.family(families::NODE_STATUS)?;
        let found = self
            .db
            .get_cf(family, b"")
            .map_err(|e| self.database_error("read", e))?;
        if found.is_some() {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        batch.put_cf(family, b"", b"active");
        self.write(batch)
    }
}

pub(crate) fn value_error(table: &'static str, key: &[u8], source: ValueError) -> NodeError {
    let key = key.iter().fold(String::from("0x"), |text, byte| {
        text + &format!("{byte:02x}")
    });
    NodeError::Value { table, key, source }
}
