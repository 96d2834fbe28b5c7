//! A row field by field, with the names of `docs/format.md`, "Values": what people read and compare.

use std::fmt;

use serde::Serialize;
use snapshot_format::{
    BlobId, Epoch, EventId, ObjectId, PerObjectBlobInfo, PerObjectPooledBlobInfo, Record,
    StoragePoolInfo,
};

use crate::side::Sides;

/// A field of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name in `docs/format.md`.
    pub name: &'static str,
    /// What it says.
    pub value: FieldValue,
}

/// What a field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FieldValue {
    /// A blob ID.
    Blob(BlobId),
    /// An object ID.
    Object(ObjectId),
    /// An epoch, or none.
    Epoch(Option<Epoch>),
    /// Yes or no.
    Flag(bool),
    /// An event.
    Event(EventId),
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(id) => id.fmt(f),
            Self::Object(id) => id.fmt(f),
            Self::Epoch(Some(epoch)) => epoch.fmt(f),
            Self::Epoch(None) => f.write_str("none"),
            Self::Flag(flag) => flag.fmt(f),
            Self::Event(event) => event.fmt(f),
        }
    }
}

/// A field that two rows differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Its name in `docs/format.md`.
    pub field: &'static str,
    /// What each side says.
    #[serde(flatten)]
    pub values: Sides<FieldValue>,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.field, self.values.a, self.values.b)
    }
}

/// The fields of a row, in their order.
#[must_use]
pub fn fields(record: &Record) -> Vec<Field> {
    use FieldValue::{Blob, Event, Flag, Object};
    let epoch = |epoch: Epoch| FieldValue::Epoch(Some(epoch));
    let field = |(name, value)| Field { name, value };
    match record {
        Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) => [
            ("blob_id", Blob(row.blob_id)),
            ("registered_epoch", epoch(row.registered_epoch)),
            ("certified_epoch", FieldValue::Epoch(row.certified_epoch)),
            ("end_epoch", epoch(row.end_epoch)),
            ("deletable", Flag(row.deletable)),
            ("event", Event(row.event)),
            ("deleted", Flag(row.deleted)),
        ]
        .map(field)
        .to_vec(),
        Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row)) => [
            ("blob_id", Blob(row.blob_id)),
            ("registered_epoch", epoch(row.registered_epoch)),
            ("certified_epoch", FieldValue::Epoch(row.certified_epoch)),
            ("storage_pool_id", Object(row.storage_pool_id)),
            ("event", Event(row.event)),
        ]
        .map(field)
        .to_vec(),
        Record::StoragePoolInfo(StoragePoolInfo::V1(row)) => [
            ("start_epoch", epoch(row.start_epoch)),
            ("end_epoch", epoch(row.end_epoch)),
        ]
        .map(field)
        .to_vec(),
    }
}

/// The fields in which two rows of one table differ.
#[must_use]
pub fn changes(a: &Record, b: &Record) -> Vec<FieldChange> {
    let pairs = fields(a).into_iter().zip(fields(b));
    pairs
        .filter(|(a, b)| a.value != b.value)
        .map(|(a, b)| FieldChange {
            field: a.name,
            values: Sides {
                a: a.value,
                b: b.value,
            },
        })
        .collect()
}

/// All fields of a row on one line.
pub struct OneLine<'a>(pub &'a Record);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Field { name, value }) in fields(self.0).iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(f, "{separator}{name} {value}")?;
        }
        Ok(())
    }
}
