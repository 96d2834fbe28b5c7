//! The value of `aggregate_blob_info`: what a node knows of one blob ID over all objects that stand
//! for it (`docs/tables.md`, "Values").
//!
//! Types and their bytes only. How operands change a row stands in `merge::aggregate`, how rows are
//! rebuilt from a snapshot with `restore`.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use snapshot_format::{Epoch, EventId, Fields, ValueError};

/// What a node knows of one blob ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlobInfo {
    /// No object in a storage pool ever stood for the blob.
    V1(BlobInfoV1),
    /// One did.
    V2(BlobInfoV2),
}

/// Version 1 of [`BlobInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlobInfoV1 {
    /// The blob ID is not that of its blob, for good.
    Invalid {
        /// The epoch of the event that said so.
        epoch: Epoch,
        /// The event.
        event: EventId,
    },
    /// The blob ID is not known to be invalid.
    Valid(ValidBlobInfoV1),
}

/// Version 2 of [`BlobInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlobInfoV2 {
    /// The blob ID is not that of its blob, for good.
    Invalid {
        /// The epoch of the event that said so.
        epoch: Epoch,
        /// The event.
        event: EventId,
    },
    /// The blob ID is not known to be invalid.
    Valid(ValidBlobInfoV2),
}

/// The counts of a blob ID that is not invalid, version 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ValidBlobInfoV1 {
    /// Whether this node stores the blob's metadata.
    pub is_metadata_stored: bool,
    /// Deletable objects.
    pub count_deletable_total: u32,
    /// Deletable objects that are certified.
    pub count_deletable_certified: u32,
    /// Permanent objects.
    pub permanent_total: Option<PermanentBlobInfo>,
    /// Permanent objects that are certified.
    pub permanent_certified: Option<PermanentBlobInfo>,
    /// Since when the blob is certified.
    pub initial_certified_epoch: Option<Epoch>,
    /// The latest end epoch seen on a deletable object.
    pub latest_seen_deletable_registered_end_epoch: Option<Epoch>,
    /// The latest end epoch seen on a certified deletable object.
    pub latest_seen_deletable_certified_end_epoch: Option<Epoch>,
}

/// The counts of a blob ID that is not invalid, version 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ValidBlobInfoV2 {
    /// Whether this node stores the blob's metadata.
    pub is_metadata_stored: bool,
    /// Since when the blob is certified.
    pub initial_certified_epoch: Option<Epoch>,
    /// Deletable objects.
    pub count_deletable_total: u32,
    /// Deletable objects that are certified.
    pub count_deletable_certified: u32,
    /// Permanent objects.
    pub permanent_total: Option<PermanentBlobInfo>,
    /// Permanent objects that are certified.
    pub permanent_certified: Option<PermanentBlobInfo>,
    /// Objects in storage pools.
    pub count_pooled_refs_total: u32,
    /// Objects in storage pools that are certified.
    pub count_pooled_refs_certified: u32,
}

/// Some permanent objects of one blob ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PermanentBlobInfo {
    /// How many.
    pub count: NonZeroU32,
    /// The latest of their end epochs.
    pub end_epoch: Epoch,
    /// The event that brought it.
    pub event: EventId,
}

impl BlobInfo {
    /// Length in bytes of the longest value: V1, certified, with permanent and deletable objects.
    pub const MAX_LEN: usize = 126;

    /// Decodes a value strictly, without allocating.
    ///
    /// # Errors
    ///
    /// If `value` is not the canonical BCS of a known variant.
    pub fn decode(value: &[u8]) -> Result<Self, ValueError> {
        Fields::read_all(value, |fields| match fields.variant()? {
            0 => BlobInfoV1::read(fields).map(Self::V1),
            1 => BlobInfoV2::read(fields).map(Self::V2),
            got => Err(ValueError::UnknownVariant { got }),
        })
    }

    /// The canonical BCS of the value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(Self::MAX_LEN);
        self.encode_into(&mut value);
        value
    }

    /// Appends the canonical BCS of the value to `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        bcs::serialize_into(out, self)
            .expect("integers, byte strings, options and enums always have a BCS form");
    }

    /// Whether the blob ID was marked invalid.
    #[must_use]
    pub const fn is_invalid(&self) -> bool {
        matches!(
            self,
            Self::V1(BlobInfoV1::Invalid { .. }) | Self::V2(BlobInfoV2::Invalid { .. })
        )
    }

    /// Whether some object of the blob is registered in `epoch`, as far as the counts tell.
    ///
    /// Objects past their end count until garbage collection has told the row.
    #[must_use]
    pub fn is_registered_at(&self, epoch: Epoch) -> bool {
        match self {
            Self::V1(BlobInfoV1::Valid(row)) => row.is_registered_at(epoch),
            Self::V2(BlobInfoV2::Valid(row)) => row.is_registered_at(epoch),
            Self::V1(BlobInfoV1::Invalid { .. }) | Self::V2(BlobInfoV2::Invalid { .. }) => false,
        }
    }

    /// Whether the blob is certified in `epoch`, as far as the counts tell.
    ///
    /// Objects past their end count until garbage collection has told the row.
    #[must_use]
    pub fn is_certified_at(&self, epoch: Epoch) -> bool {
        match self {
            Self::V1(BlobInfoV1::Valid(row)) => row.is_certified_at(epoch),
            Self::V2(BlobInfoV2::Valid(row)) => row.is_certified_at(epoch),
            Self::V1(BlobInfoV1::Invalid { .. }) | Self::V2(BlobInfoV2::Invalid { .. }) => false,
        }
    }
}

impl ValidBlobInfoV1 {
    /// See [`BlobInfo::is_registered_at`].
    #[must_use]
    pub fn is_registered_at(&self, epoch: Epoch) -> bool {
        ends_after(self.permanent_total, epoch)
            || (self.count_deletable_total > 0
                && self
                    .latest_seen_deletable_registered_end_epoch
                    .is_some_and(|end| end > epoch))
    }

    /// See [`BlobInfo::is_certified_at`].
    #[must_use]
    pub fn is_certified_at(&self, epoch: Epoch) -> bool {
        let deletable = self.count_deletable_certified > 0
            && self
                .latest_seen_deletable_certified_end_epoch
                .is_some_and(|end| end > epoch);
        self.initial_certified_epoch
            .is_some_and(|since| since <= epoch)
            && (deletable || ends_after(self.permanent_certified, epoch))
    }
}

impl ValidBlobInfoV2 {
    /// See [`BlobInfo::is_registered_at`].
    #[must_use]
    pub fn is_registered_at(&self, epoch: Epoch) -> bool {
        self.count_deletable_total > 0
            || self.count_pooled_refs_total > 0
            || ends_after(self.permanent_total, epoch)
    }

    /// See [`BlobInfo::is_certified_at`].
    #[must_use]
    pub fn is_certified_at(&self, epoch: Epoch) -> bool {
        self.initial_certified_epoch
            .is_some_and(|since| since <= epoch)
            && (self.count_deletable_certified > 0
                || self.count_pooled_refs_certified > 0
                || ends_after(self.permanent_certified, epoch))
    }
}

impl From<ValidBlobInfoV1> for ValidBlobInfoV2 {
    /// The same counts, without what only version 1 has, and without pooled objects.
    fn from(v1: ValidBlobInfoV1) -> Self {
        Self {
            is_metadata_stored: v1.is_metadata_stored,
            initial_certified_epoch: v1.initial_certified_epoch,
            count_deletable_total: v1.count_deletable_total,
            count_deletable_certified: v1.count_deletable_certified,
            permanent_total: v1.permanent_total,
            permanent_certified: v1.permanent_certified,
            count_pooled_refs_total: 0,
            count_pooled_refs_certified: 0,
        }
    }
}

impl From<BlobInfoV1> for BlobInfoV2 {
    /// The same row, without what only version 1 has, and without pooled objects.
    fn from(v1: BlobInfoV1) -> Self {
        match v1 {
            BlobInfoV1::Invalid { epoch, event } => Self::Invalid { epoch, event },
            BlobInfoV1::Valid(row) => Self::Valid(row.into()),
        }
    }
}

fn ends_after(permanent: Option<PermanentBlobInfo>, epoch: Epoch) -> bool {
    permanent.is_some_and(|permanent| permanent.end_epoch > epoch)
}

impl BlobInfoV1 {
    fn read(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        match fields.variant()? {
            0 => Ok(Self::Invalid {
                epoch: fields.epoch("epoch")?,
                event: fields.event_id("event")?,
            }),
            1 => ValidBlobInfoV1::read(fields).map(Self::Valid),
            got => Err(ValueError::UnknownVariant { got }),
        }
    }
}

impl BlobInfoV2 {
    fn read(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        match fields.variant()? {
            0 => Ok(Self::Invalid {
                epoch: fields.epoch("epoch")?,
                event: fields.event_id("event")?,
            }),
            1 => ValidBlobInfoV2::read(fields).map(Self::Valid),
            got => Err(ValueError::UnknownVariant { got }),
        }
    }
}

impl ValidBlobInfoV1 {
    fn read(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        Ok(Self {
            is_metadata_stored: fields.bool("is_metadata_stored")?,
            count_deletable_total: fields.u32("count_deletable_total")?,
            count_deletable_certified: fields.u32("count_deletable_certified")?,
            permanent_total: fields.option("permanent_total", PermanentBlobInfo::read)?,
            permanent_certified: fields.option("permanent_certified", PermanentBlobInfo::read)?,
            initial_certified_epoch: fields.option("initial_certified_epoch", Fields::epoch)?,
            latest_seen_deletable_registered_end_epoch: fields
                .option("latest_seen_deletable_registered_end_epoch", Fields::epoch)?,
            latest_seen_deletable_certified_end_epoch: fields
                .option("latest_seen_deletable_certified_end_epoch", Fields::epoch)?,
        })
    }
}

impl ValidBlobInfoV2 {
    fn read(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        Ok(Self {
            is_metadata_stored: fields.bool("is_metadata_stored")?,
            initial_certified_epoch: fields.option("initial_certified_epoch", Fields::epoch)?,
            count_deletable_total: fields.u32("count_deletable_total")?,
            count_deletable_certified: fields.u32("count_deletable_certified")?,
            permanent_total: fields.option("permanent_total", PermanentBlobInfo::read)?,
            permanent_certified: fields.option("permanent_certified", PermanentBlobInfo::read)?,
            count_pooled_refs_total: fields.u32("count_pooled_refs_total")?,
            count_pooled_refs_certified: fields.u32("count_pooled_refs_certified")?,
        })
    }
}

impl PermanentBlobInfo {
    fn read(fields: &mut Fields<'_>, field: &'static str) -> Result<Self, ValueError> {
        Ok(Self {
            count: NonZeroU32::new(fields.u32(field)?).ok_or(ValueError::Invalid {
                what: "count of permanent objects is 0",
            })?,
            end_epoch: fields.epoch(field)?,
            event: fields.event_id(field)?,
        })
    }
}
