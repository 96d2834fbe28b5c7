//! The consistent, ordered scan of a key range of a table.

use rocksdb::{DBRawIteratorWithThreadMode, ReadOptions};
use snapshot_format::ObjectId;

use crate::limits::LimitError;
use crate::merge::MergeFailure;
use crate::open::Database;
use crate::plan::KeyRange;
use crate::schema::ColumnFamily;

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The database was opened without the table.
    #[error("table {table} was not opened")]
    NotOpened {
        /// The table.
        table: ColumnFamily,
    },
    /// The operands of a row do not make a value.
    #[error("cannot merge the row {failure}; the database is damaged, or newer software wrote it")]
    Merge {
        /// The table.
        table: ColumnFamily,
        /// The row's key and the cause.
        failure: Box<MergeFailure>,
    },
    /// The system grants too little.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A scanning thread panicked, which is a bug.
    #[error("a scanning thread panicked; this is a bug, please report it")]
    Thread,
    /// RocksDB failed: a block or file is damaged, missing or unreadable.
    #[error(
        "cannot read {table} {}: {source}; the database is damaged, take another copy of it",
        after.map_or_else(|| "from its start".to_owned(), |key| format!("after key {key}"))
    )]
    RocksDb {
        /// The table.
        table: ColumnFamily,
        /// The last key that was read before.
        after: Option<ObjectId>,
        /// Why.
        source: rocksdb::Error,
    },
}

impl ScanError {
    /// Says up to which key a table was read.
    #[must_use]
    pub(crate) fn after(self, key: Option<ObjectId>) -> Self {
        match self {
            Self::RocksDb {
                table,
                after: None,
                source,
            } => Self::RocksDb {
                table,
                after: key,
                source,
            },
            other => other,
        }
    }
}

/// A row's key and value, as RocksDB holds them until the cursor moves on.
pub(crate) type Row<'a> = (&'a [u8], &'a [u8]);

/// A cursor over the rows of a key range. All cursors of a [`Database`] see the same rows.
pub(crate) struct RangeScan<'a> {
    database: &'a Database,
    table: ColumnFamily,
    iterator: DBRawIteratorWithThreadMode<'a, rocksdb::DB>,
    started: bool,
}

impl<'a> RangeScan<'a> {
    /// A cursor in front of the first row of `range`.
    ///
    /// # Errors
    ///
    /// If the table's column family was not opened.
    pub(crate) fn new(
        database: &'a Database,
        table: ColumnFamily,
        range: &KeyRange,
    ) -> Result<Self, ScanError> {
        let mut options = ReadOptions::default();
        options.set_verify_checksums(true);
        // Each block is read once.
        options.fill_cache(false);
        options.set_total_order_seek(true);
        if let Some(lower) = range.lower {
            options.set_iterate_lower_bound(lower);
        }
        if let Some(upper) = range.upper {
            options.set_iterate_upper_bound(upper);
        }
        let handle = database
            .handle(table)
            .ok_or(ScanError::NotOpened { table })?;
        let iterator = database.rocksdb().raw_iterator_cf_opt(handle, options);
        Ok(Self {
            database,
            table,
            iterator,
            started: false,
        })
    }

    /// The next row: its key and value.
    ///
    /// # Errors
    ///
    /// If the row cannot be read. No row is ever left out.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>, ScanError> {
        if self.started {
            self.iterator.next();
        } else {
            self.started = true;
            self.iterator.seek_to_first();
        }
        match self.iterator.item() {
            Some(row) => Ok(Some(row)),
            None => Self::end(&self.iterator, self.database, self.table).map(|()| None),
        }
    }

    /// Whether the iterator stopped because there are no more rows.
    #[cold]
    fn end(
        iterator: &DBRawIteratorWithThreadMode<'a, rocksdb::DB>,
        database: &Database,
        table: ColumnFamily,
    ) -> Result<(), ScanError> {
        iterator
            .status()
            .map_err(|source| unreadable(database, table, source))
    }
}

/// The value of one row, wherever no cursor is.
pub(crate) fn get(
    database: &Database,
    table: ColumnFamily,
    key: &[u8],
) -> Result<Option<Vec<u8>>, ScanError> {
    let handle = database
        .handle(table)
        .ok_or(ScanError::NotOpened { table })?;
    database
        .rocksdb()
        .get_cf(handle, key)
        .map_err(|source| unreadable(database, table, source))
}

/// What RocksDB's error means.
fn unreadable(database: &Database, table: ColumnFamily, source: rocksdb::Error) -> ScanError {
    match database.merge_failures().last_in(table) {
        Some(failure) => ScanError::Merge {
            table,
            failure: Box::new(failure),
        },
        None => ScanError::RocksDb {
            table,
            after: None,
            source,
        },
    }
}
