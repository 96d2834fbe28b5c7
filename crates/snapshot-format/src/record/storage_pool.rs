//! `StoragePoolInfo`, the value of `storage_pool_info`.

use serde::{Deserialize, Serialize};

use crate::id::Epoch;
use crate::value::{Fields, ValueError};

/// What a node knows of one storage pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StoragePoolInfo {
    /// The only variant so far.
    V1(StoragePoolInfoV1),
}

/// Version 1 of [`StoragePoolInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StoragePoolInfoV1 {
    /// The first epoch in which the pool stores blobs.
    pub start_epoch: Epoch,
    /// The first epoch in which it no longer does.
    pub end_epoch: Epoch,
}

impl StoragePoolInfo {
    /// Length in bytes of a V1 value.
    pub const MAX_LEN: usize = 9;

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
        let v1 = StoragePoolInfoV1 {
            start_epoch: fields.epoch("start_epoch")?,
            end_epoch: fields.epoch("end_epoch")?,
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
