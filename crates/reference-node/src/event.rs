//! The events a node follows, typed.
//!
//! What an event does to the tables stands in `tables`, where a stream of them comes from in
//! `workload`.

use snapshot_format::{BlobId, Epoch, EventId, ObjectId};

/// One event of the global stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// Its place in the stream, from 0.
    pub index: u64,
    /// Its identity on Sui.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
}

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A blob object that owns its storage came into being.
    BlobRegistered {
        /// The object.
        blob: BlobObject,
        /// Whether its owner may delete it.
        deletable: bool,
    },
    /// A quorum of the network stores the object's blob, or its end was put off.
    BlobCertified {
        /// The object, with its new end.
        blob: BlobObject,
        /// Whether its owner may delete it.
        deletable: bool,
        /// Whether it was certified before and only its end is new.
        is_extension: bool,
    },
    /// Its owner deleted a deletable object.
    BlobDeleted {
        /// The object.
        blob: BlobObject,
        /// Whether it was certified.
        was_certified: bool,
    },
    /// A blob ID turned out not to be that of its blob.
    InvalidBlobId {
        /// The blob ID.
        blob_id: BlobId,
        /// The epoch of the event.
        epoch: Epoch,
    },
    /// A blob object in a storage pool came into being.
    PooledBlobRegistered {
        /// The object.
        blob: PooledBlobObject,
    },
    /// A quorum of the network stores the pooled object's blob.
    PooledBlobCertified {
        /// The object.
        blob: PooledBlobObject,
    },
    /// Its owner deleted a pooled object.
    PooledBlobDeleted {
        /// The object.
        blob: PooledBlobObject,
        /// Whether it was certified.
        was_certified: bool,
    },
    /// A storage pool came into being.
    StoragePoolCreated {
        /// The pool.
        storage_pool_id: ObjectId,
        /// The first epoch in which it stores blobs.
        start_epoch: Epoch,
        /// The first epoch in which it no longer does.
        end_epoch: Epoch,
    },
    /// The end of a storage pool was put off.
    StoragePoolExtended {
        /// The pool.
        storage_pool_id: ObjectId,
        /// The first epoch in which it no longer stores blobs.
        end_epoch: Epoch,
    },
    /// An epoch begins.
    EpochChangeStart {
        /// The epoch that begins.
        epoch: Epoch,
    },
}

/// A blob object that owns its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobObject {
    /// The object.
    pub object_id: ObjectId,
    /// The blob it stands for.
    pub blob_id: BlobId,
    /// The epoch of the event.
    pub epoch: Epoch,
    /// The first epoch in which the object is no longer stored.
    pub end_epoch: Epoch,
}

/// A blob object whose storage belongs to a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PooledBlobObject {
    /// The object.
    pub object_id: ObjectId,
    /// The blob it stands for.
    pub blob_id: BlobId,
    /// The epoch of the event.
    pub epoch: Epoch,
    /// The pool.
    pub storage_pool_id: ObjectId,
}

impl EventKind {
    /// The names of all kinds, in the order of their declaration.
    pub const NAMES: [&'static str; 10] = [
        "BlobRegistered",
        "BlobCertified",
        "BlobDeleted",
        "InvalidBlobID",
        "PooledBlobRegistered",
        "PooledBlobCertified",
        "PooledBlobDeleted",
        "StoragePoolCreated",
        "StoragePoolExtended",
        "EpochChangeStart",
    ];

    /// The event's name on Sui.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BlobRegistered { .. } => "BlobRegistered",
            Self::BlobCertified { .. } => "BlobCertified",
            Self::BlobDeleted { .. } => "BlobDeleted",
            Self::InvalidBlobId { .. } => "InvalidBlobID",
            Self::PooledBlobRegistered { .. } => "PooledBlobRegistered",
            Self::PooledBlobCertified { .. } => "PooledBlobCertified",
            Self::PooledBlobDeleted { .. } => "PooledBlobDeleted",
            Self::StoragePoolCreated { .. } => "StoragePoolCreated",
            Self::StoragePoolExtended { .. } => "StoragePoolExtended",
            Self::EpochChangeStart { .. } => "EpochChangeStart",
        }
    }

    /// The blob that a quorum stores as of this event, if the event says so for the first time of
    /// its object.
    #[must_use]
    pub const fn certified_blob(&self) -> Option<BlobId> {
        match self {
            Self::BlobCertified {
                blob,
                is_extension: false,
                ..
            } => Some(blob.blob_id),
            Self::PooledBlobCertified { blob } => Some(blob.blob_id),
            _ => None,
        }
    }
}
