//! The merge operands a node writes (`docs/tables.md`, "Merge operands"): their types, and their
//! strict reading in place.
//!
//! What an operand does to a row stands with the operator of its table. Writing goes through serde,
//! reading is by hand: two independent accounts of the same bytes, and the reading is on the path of
//! every row that is still unmerged.

use std::fmt;

use serde::{Deserialize, Serialize};
use snapshot_format::{BlobId, Epoch, EventId, Fields, ObjectId, ValueError};

/// What happened to a blob object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChangeType {
    /// It came into being.
    Register,
    /// A quorum of the network stores its blob.
    Certify,
    /// Its end was put off.
    Extend,
    /// Its owner deleted it.
    Delete {
        /// Whether it was certified until then.
        was_certified: bool,
    },
}

impl fmt::Display for ChangeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Register => "register",
            Self::Certify => "certify",
            Self::Extend => "extend",
            Self::Delete { .. } => "delete",
        })
    }
}

/// What an event says of a blob object that owns its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChangeInfo {
    /// The blob the object stands for.
    pub blob_id: BlobId,
    /// Whether the owner may delete the object.
    pub deletable: bool,
    /// The epoch of the event.
    pub epoch: Epoch,
    /// The first epoch in which the object is no longer stored.
    pub end_epoch: Epoch,
    /// The event.
    pub status_event: EventId,
}

/// What an event says of a blob object in a storage pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PooledInfo {
    /// The blob the object stands for.
    pub blob_id: BlobId,
    /// The epoch of the event.
    pub epoch: Epoch,
    /// The pool that stores the object.
    pub storage_pool_id: ObjectId,
    /// The event.
    pub status_event: EventId,
}

/// An operand of `per_object_blob_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PerObjectOperand {
    /// What happened.
    pub change_type: ChangeType,
    /// To what.
    pub change_info: ChangeInfo,
}

/// An operand of `per_object_pooled_blob_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PooledOperand {
    /// The only variant so far.
    V1 {
        /// What happened.
        change_type: ChangeType,
        /// To what.
        change_info: PooledInfo,
    },
}

/// An operand of `storage_pool_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StoragePoolOperand {
    /// The pool came into being.
    Create {
        /// The first epoch in which it stores blobs.
        start_epoch: Epoch,
        /// The first epoch in which it no longer does.
        end_epoch: Epoch,
    },
    /// Its end was put off.
    Extend {
        /// The first epoch in which it no longer stores blobs.
        end_epoch: Epoch,
    },
}

/// An operand of `aggregate_blob_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlobInfoOperand {
    /// The node stored the blob's metadata, or dropped it.
    MarkMetadataStored(bool),
    /// The blob ID turned out not to be that of its blob.
    MarkInvalid {
        /// The epoch of the event.
        epoch: Epoch,
        /// The event.
        status_event: EventId,
    },
    /// An event about an object that owns its storage.
    ChangeStatus {
        /// What happened.
        change_type: ChangeType,
        /// To what.
        change_info: ChangeInfo,
    },
    /// Garbage collection dropped a deletable object at its end.
    DeletableExpired {
        /// Whether the object was certified.
        was_certified: bool,
    },
    /// Garbage collection dropped a permanent object at its end.
    PermanentExpired {
        /// Whether the object was certified.
        was_certified: bool,
    },
    /// An event about an object in a storage pool.
    PooledBlobChangeStatus {
        /// What happened.
        change_type: ChangeType,
        /// To what.
        change_info: PooledInfo,
    },
    /// Garbage collection dropped a pooled object at the end of its pool.
    PoolExpired {
        /// The pool.
        storage_pool_id: ObjectId,
        /// Whether the object was certified.
        was_certified: bool,
    },
}

/// An operand of `event_cursor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CursorOperand {
    /// The last event processed.
    pub event_id: EventId,
    /// How many events were processed since the operand before.
    pub increment: u64,
}

/// Declares `decode` and `encode` of an operand by its `read`.
macro_rules! codec {
    ($($operand:ty),+ $(,)?) => {$(
        impl $operand {
            /// Decodes the operand strictly, without allocating.
            ///
            /// # Errors
            ///
            /// If `bytes` are not the canonical BCS of a known variant.
            #[inline]
            pub fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
                Fields::read_all(bytes, Self::read)
            }

            /// The canonical BCS of the operand.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                bcs::to_bytes(self)
                    .expect("integers, booleans, arrays and enums always have a BCS form")
            }
        }
    )+};
}

codec!(
    PerObjectOperand,
    PooledOperand,
    StoragePoolOperand,
    BlobInfoOperand,
    CursorOperand
);

impl ChangeType {
    #[inline]
    fn read(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        match fields.variant()? {
            0 => Ok(Self::Register),
            1 => Ok(Self::Certify),
            2 => Ok(Self::Extend),
            3 => Ok(Self::Delete {
                was_certified: fields.bool("was_certified")?,
            }),
            got => Err(ValueError::UnknownVariant { got }),
        }
    }
}

impl ChangeInfo {
    #[inline]
    fn read(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        Ok(Self {
            blob_id: fields.blob_id("blob_id")?,
            deletable: fields.bool("deletable")?,
            epoch: fields.epoch("epoch")?,
            end_epoch: fields.epoch("end_epoch")?,
            status_event: fields.event_id("status_event")?,
        })
    }
}

impl PooledInfo {
    #[inline]
    fn read(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        Ok(Self {
            blob_id: fields.blob_id("blob_id")?,
            epoch: fields.epoch("epoch")?,
            storage_pool_id: fields.object_id("storage_pool_id")?,
            status_event: fields.event_id("status_event")?,
        })
    }
}

impl PerObjectOperand {
    #[inline]
    fn read(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        Ok(Self {
            change_type: ChangeType::read(fields)?,
            change_info: ChangeInfo::read(fields)?,
        })
    }
}

impl PooledOperand {
    #[inline]
    fn read(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        match fields.variant()? {
            0 => Ok(Self::V1 {
                change_type: ChangeType::read(fields)?,
                change_info: PooledInfo::read(fields)?,
            }),
            got => Err(ValueError::UnknownVariant { got }),
        }
    }
}

impl StoragePoolOperand {
    #[inline]
    fn read(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        match fields.variant()? {
            0 => Ok(Self::Create {
                start_epoch: fields.epoch("start_epoch")?,
                end_epoch: fields.epoch("end_epoch")?,
            }),
            1 => Ok(Self::Extend {
                end_epoch: fields.epoch("end_epoch")?,
            }),
            got => Err(ValueError::UnknownVariant { got }),
        }
    }
}

impl BlobInfoOperand {
    #[inline]
    fn read(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        Ok(match fields.variant()? {
            0 => Self::MarkMetadataStored(fields.bool("is_metadata_stored")?),
            1 => Self::MarkInvalid {
                epoch: fields.epoch("epoch")?,
                status_event: fields.event_id("status_event")?,
            },
            2 => Self::ChangeStatus {
                change_type: ChangeType::read(fields)?,
                change_info: ChangeInfo::read(fields)?,
            },
            3 => Self::DeletableExpired {
                was_certified: fields.bool("was_certified")?,
            },
            4 => Self::PermanentExpired {
                was_certified: fields.bool("was_certified")?,
            },
            5 => Self::PooledBlobChangeStatus {
                change_type: ChangeType::read(fields)?,
                change_info: PooledInfo::read(fields)?,
            },
            6 => Self::PoolExpired {
                storage_pool_id: fields.object_id("storage_pool_id")?,
                was_certified: fields.bool("was_certified")?,
            },
            got => return Err(ValueError::UnknownVariant { got }),
        })
    }
}

impl CursorOperand {
    #[inline]
    fn read(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        Ok(Self {
            event_id: fields.event_id("event_id")?,
            increment: fields.u64("increment")?,
        })
    }
}
