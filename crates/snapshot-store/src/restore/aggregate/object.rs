//! What `aggregate_blob_info` needs to know of one blob object, and its compact form on disk.
//!
//! The form never leaves the run that wrote it. How objects are counted stands in `tally`.

use snapshot_format::{
    BlobId, Epoch, EventId, ObjectId, PerObjectBlobInfo, PerObjectPooledBlobInfo, TransactionDigest,
};

/// A blob object that counts in the aggregate row of its blob ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobObject {
    /// It owns its storage, and its owner may delete it.
    Deletable {
        /// The epoch in which it was certified, if it was.
        certified_epoch: Option<Epoch>,
        /// The first epoch in which it is no longer stored.
        end_epoch: Epoch,
    },
    /// It owns its storage, and stays until it ends.
    Permanent(PermanentObject),
    /// Its storage belongs to a pool.
    Pooled {
        /// The epoch in which it was certified, if it was.
        certified_epoch: Option<Epoch>,
    },
}

/// A permanent blob object. Of several that end together, the one registered first gives the event, and
/// of those the one with the smallest object ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermanentObject {
    /// The object.
    pub object_id: ObjectId,
    /// The epoch in which it was registered.
    pub registered_epoch: Epoch,
    /// The epoch in which it was certified, if it was.
    pub certified_epoch: Option<Epoch>,
    /// The first epoch in which it is no longer stored.
    pub end_epoch: Epoch,
    /// The last event about it.
    pub event: EventId,
}

const DELETABLE: u8 = 0;
const PERMANENT: u8 = 1;
const POOLED: u8 = 2;

/// Set beside the kind of an object that is certified.
const CERTIFIED: u8 = 0x80;

impl BlobObject {
    /// The object of a row of `per_object_blob_info`, with its blob ID; nothing if the row is marked as
    /// deleted.
    #[must_use]
    pub fn owned(object_id: ObjectId, row: &PerObjectBlobInfo) -> Option<(BlobId, Self)> {
        let PerObjectBlobInfo::V1(row) = *row;
        let object = match row {
            _ if row.deleted => return None,
            _ if row.deletable => Self::Deletable {
                certified_epoch: row.certified_epoch,
                end_epoch: row.end_epoch,
            },
            _ => Self::Permanent(PermanentObject {
                object_id,
                registered_epoch: row.registered_epoch,
                certified_epoch: row.certified_epoch,
                end_epoch: row.end_epoch,
                event: row.event,
            }),
        };
        Some((row.blob_id, object))
    }

    /// The object of a row of `per_object_pooled_blob_info`, with its blob ID.
    #[must_use]
    pub const fn pooled(row: &PerObjectPooledBlobInfo) -> (BlobId, Self) {
        let PerObjectPooledBlobInfo::V1(row) = row;
        let certified_epoch = row.certified_epoch;
        (row.blob_id, Self::Pooled { certified_epoch })
    }

    /// The epoch in which the object was certified, if it was.
    #[must_use]
    pub const fn certified_epoch(&self) -> Option<Epoch> {
        match self {
            Self::Deletable {
                certified_epoch, ..
            }
            | Self::Pooled { certified_epoch }
            | Self::Permanent(PermanentObject {
                certified_epoch, ..
            }) => *certified_epoch,
        }
    }

    /// Appends blob ID and object to `out`.
    pub(super) fn write(&self, blob_id: &BlobId, out: &mut Vec<u8>) {
        let kind = match self {
            Self::Deletable { .. } => DELETABLE,
            Self::Permanent(_) => PERMANENT,
            Self::Pooled { .. } => POOLED,
        };
        let certified = self.certified_epoch();
        let flag = certified.map_or(0, |_| CERTIFIED);
        out.extend_from_slice(blob_id.as_bytes());
        out.push(kind | flag);
        out.extend_from_slice(&certified.unwrap_or_default().0.to_le_bytes());
        match self {
            Self::Pooled { .. } => {}
            Self::Deletable { end_epoch, .. } => out.extend_from_slice(&end_epoch.0.to_le_bytes()),
            Self::Permanent(object) => {
                out.extend_from_slice(&object.end_epoch.0.to_le_bytes());
                out.extend_from_slice(&object.registered_epoch.0.to_le_bytes());
                out.extend_from_slice(object.object_id.as_bytes());
                out.extend_from_slice(object.event.tx_digest.as_bytes());
                out.extend_from_slice(&object.event.event_seq.to_le_bytes());
            }
        }
    }

    /// Takes what [`write`](Self::write) appended from the front of `bytes`; nothing if they end within.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<(BlobId, Self)> {
        let blob_id = BlobId::new(take(bytes)?);
        let [kind] = take(bytes)?;
        let certified = epoch(bytes)?;
        let certified_epoch = (kind & CERTIFIED != 0).then_some(certified);
        let object = match kind & !CERTIFIED {
            DELETABLE => Self::Deletable {
                certified_epoch,
                end_epoch: epoch(bytes)?,
            },
            POOLED => Self::Pooled { certified_epoch },
            PERMANENT => Self::Permanent(PermanentObject {
                certified_epoch,
                end_epoch: epoch(bytes)?,
                registered_epoch: epoch(bytes)?,
                object_id: ObjectId::new(take(bytes)?),
                event: EventId {
                    tx_digest: TransactionDigest::new(take(bytes)?),
                    event_seq: u64::from_le_bytes(take(bytes)?),
                },
            }),
            _ => return None,
        };
        Some((blob_id, object))
    }
}

/// Length in bytes of the longest object that is written: a permanent one.
pub(super) const MAX_LEN: usize = 32 + 1 + 4 + 4 + 4 + 32 + 32 + 8;

fn epoch(bytes: &mut &[u8]) -> Option<Epoch> {
    take(bytes).map(u32::from_le_bytes).map(Epoch)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*array)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_read_back_as_they_were_written_and_never_half() {
        let permanent = |certified_epoch| {
            BlobObject::Permanent(PermanentObject {
                object_id: ObjectId::new([1; 32]),
                registered_epoch: Epoch(2),
                certified_epoch,
                end_epoch: Epoch(u32::MAX),
                event: EventId {
                    tx_digest: TransactionDigest::new([3; 32]),
                    event_seq: u64::MAX,
                },
            })
        };
        let deletable = |certified_epoch| BlobObject::Deletable {
            certified_epoch,
            end_epoch: Epoch(5),
        };
        let pooled = |certified_epoch| BlobObject::Pooled { certified_epoch };
        let blob_id = BlobId::new([9; 32]);
        for certified in [None, Some(Epoch(0)), Some(Epoch(u32::MAX))] {
            for object in [
                permanent(certified),
                deletable(certified),
                pooled(certified),
            ] {
                let mut bytes = Vec::new();
                object.write(&blob_id, &mut bytes);
                assert!(bytes.len() <= MAX_LEN);
                for cut in 0..bytes.len() {
                    assert_eq!(BlobObject::read(&mut &bytes[..cut]), None);
                }
                bytes.push(0);
                let mut rest = bytes.as_slice();
                assert_eq!(BlobObject::read(&mut rest), Some((blob_id, object)));
                assert_eq!(rest, [0]);
            }
        }
    }
}
