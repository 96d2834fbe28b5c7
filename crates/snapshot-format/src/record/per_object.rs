//! `PerObjectBlobInfo`, the value of `per_object_blob_info`.

use serde::{Deserialize, Serialize};

use crate::id::{BlobId, Epoch, EventId};
use crate::value::{Fields, ValueError};

/// What a node knows of one blob object that owns its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PerObjectBlobInfo {
    /// The only variant so far.
    V1(PerObjectBlobInfoV1),
}

/// Version 1 of [`PerObjectBlobInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PerObjectBlobInfoV1 {
    /// The blob the object stands for.
    pub blob_id: BlobId,
    /// The epoch in which the object was registered.
    pub registered_epoch: Epoch,
    /// The epoch in which it was certified, if it was.
    pub certified_epoch: Option<Epoch>,
    /// The first epoch in which it is no longer stored.
    pub end_epoch: Epoch,
    /// Whether the owner may delete it before that.
    pub deletable: bool,
    /// The last event about the object.
    pub event: EventId,
    /// Whether it was deleted.
    pub deleted: bool,
}

impl PerObjectBlobInfo {
    /// Length in bytes of the longest V1 value (a certified one).
    pub const MAX_LEN: usize = 89;

    /// Decodes a value strictly, without allocating.
    ///
    /// # Errors
    ///
    /// If `value` is not the canonical BCS of a known variant.
    #[inline]
    pub fn decode(value: &[u8]) -> Result<Self, ValueError> {
        Self::read(value)
    }

    /// As [`Self::decode`]; always inlined, so that who only checks a value does not build it.
    #[inline(always)]
    pub(super) fn read(value: &[u8]) -> Result<Self, ValueError> {
        let mut fields = Fields::new(value);
        fields.variant_v1()?;
        let v1 = PerObjectBlobInfoV1 {
            blob_id: fields.blob_id("blob_id")?,
            registered_epoch: fields.epoch("registered_epoch")?,
            certified_epoch: fields.option("certified_epoch", Fields::epoch)?,
            end_epoch: fields.epoch("end_epoch")?,
            deletable: fields.bool("deletable")?,
            event: fields.event_id("event")?,
            deleted: fields.bool("deleted")?,
        };
        fields.end()?;
        Ok(Self::V1(v1))
    }

    /// The canonical BCS of the value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        super::to_bcs(self, Self::MAX_LEN)
    }
}
