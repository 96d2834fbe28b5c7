//! Rows of all three tables in one set of columns: what queries, spreadsheets and other programs take.
//!
//! How columns are written, and where to, is for others.

use std::fmt;

use serde::Serialize;
use serde::ser::Serializer;
use snapshot_format::{BlobId, Epoch, ObjectId, Record, Table, TransactionDigest};

use crate::fields::{FieldValue, fields};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text: a name, or an ID in the form that Walrus and Sui print.
    Text,
    /// An epoch, a u32.
    Epoch,
    /// A u64.
    Number,
    /// Yes or no.
    Flag,
}

/// Number of columns.
pub const COLUMNS: usize = 12;

/// The columns with their names, which are those of `docs/format.md`, "Values".
pub const NAMES: [(&str, ColumnKind); COLUMNS] = [
    ("table", ColumnKind::Text),
    ("key", ColumnKind::Text),
    ("blob_id", ColumnKind::Text),
    ("registered_epoch", ColumnKind::Epoch),
    ("certified_epoch", ColumnKind::Epoch),
    ("start_epoch", ColumnKind::Epoch),
    ("end_epoch", ColumnKind::Epoch),
    ("deletable", ColumnKind::Flag),
    ("deleted", ColumnKind::Flag),
    ("storage_pool_id", ColumnKind::Text),
    ("event_tx_digest", ColumnKind::Text),
    ("event_seq", ColumnKind::Number),
];

/// What a row has in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// There is no value: the row says so, or its table has no such column.
    Null,
    /// A table.
    Table(Table),
    /// An object ID.
    Object(ObjectId),
    /// A blob ID.
    Blob(BlobId),
    /// A transaction digest.
    Transaction(TransactionDigest),
    /// An epoch.
    Epoch(Epoch),
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
}

impl Cell {
    /// Whether there is no value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// Nothing where there is no value.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Table(table) => table.fmt(f),
            Self::Object(id) => id.fmt(f),
            Self::Blob(id) => id.fmt(f),
            Self::Transaction(digest) => digest.fmt(f),
            Self::Epoch(epoch) => epoch.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Epoch(epoch) => serializer.serialize_u32(epoch.0),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            text => serializer.collect_str(text),
        }
    }
}

/// A row in columns. As JSON it is an object that has all of them, so that a reader that learns the columns from
/// the first rows misses none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns([Cell; COLUMNS]);

impl Columns {
    /// The row `key` with the value `record`.
    #[must_use]
    pub fn new(key: ObjectId, record: &Record) -> Self {
        let mut columns = Self([Cell::Null; COLUMNS]);
        columns.set("table", Cell::Table(record.table()));
        columns.set("key", Cell::Object(key));
        for field in fields(record) {
            let cell = match field.value {
                FieldValue::Blob(id) => Cell::Blob(id),
                FieldValue::Object(id) => Cell::Object(id),
                FieldValue::Epoch(Some(epoch)) => Cell::Epoch(epoch),
                FieldValue::Epoch(None) => Cell::Null,
                FieldValue::Flag(flag) => Cell::Flag(flag),
                FieldValue::Event(event) => {
                    columns.set("event_tx_digest", Cell::Transaction(event.tx_digest));
                    columns.set("event_seq", Cell::Number(event.event_seq));
                    continue;
                }
            };
            columns.set(field.name, cell);
        }
        columns
    }

    /// The cells, in the order of [`NAMES`].
    #[must_use]
    pub const fn cells(&self) -> &[Cell; COLUMNS] {
        &self.0
    }

    fn set(&mut self, name: &str, cell: Cell) {
        let mut places = NAMES.iter().zip(&mut self.0);
        if let Some((_, place)) = places.find(|((column, _), _)| *column == name) {
            *place = cell;
        }
    }
}

impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cells = NAMES.iter().zip(&self.0);
        serializer.collect_map(cells.map(|((name, _), cell)| (name, cell)))
    }
}

#[cfg(test)]
mod tests {
    use snapshot_format::{
        EventId, PerObjectBlobInfo, PerObjectBlobInfoV1, PerObjectPooledBlobInfo,
        PerObjectPooledBlobInfoV1, StoragePoolInfo, StoragePoolInfoV1,
    };

    use super::*;

    /// A field that has no column would be lost in silence.
    #[test]
    fn every_field_of_every_table_has_a_column() {
        let event = EventId {
            tx_digest: TransactionDigest::new([3; 32]),
            event_seq: 4,
        };
        let objects = Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(PerObjectBlobInfoV1 {
            blob_id: BlobId::new([1; 32]),
            registered_epoch: Epoch(1),
            certified_epoch: Some(Epoch(2)),
            end_epoch: Epoch(9),
            deletable: true,
            event,
            deleted: false,
        }));
        let pooled = PerObjectPooledBlobInfo::V1(PerObjectPooledBlobInfoV1 {
            blob_id: BlobId::new([1; 32]),
            registered_epoch: Epoch(1),
            certified_epoch: Some(Epoch(2)),
            storage_pool_id: ObjectId::new([7; 32]),
            event,
        });
        let pools = Record::StoragePoolInfo(StoragePoolInfo::V1(StoragePoolInfoV1 {
            start_epoch: Epoch(1),
            end_epoch: Epoch(5),
        }));
        for record in [objects, Record::PerObjectPooledBlobInfo(pooled), pools] {
            let columns = Columns::new(ObjectId::new([9; 32]), &record);
            let events = fields(&record)
                .iter()
                .filter(|field| matches!(field.value, FieldValue::Event(_)))
                .count();
            let there = columns.cells().iter().filter(|cell| !cell.is_empty());
            // Table and key on top; an event takes two columns.
            assert_eq!(there.count(), fields(&record).len() + 2 + events);
        }
    }
}
