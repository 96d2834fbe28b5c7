//! What every honest node must have at a boundary: an account of the three tables in memory.
//!
//! It shares nothing with the nodes but the events and the types of the rows: no RocksDB, no merge
//! operator, no garbage collection of `gc`. What it says of an event stands in `docs/tables.md`.

use std::collections::BTreeMap;
use std::convert::Infallible;

use snapshot_format::{
    BlobId, ChunkPosition, CountedHeader, EncodeError, Encoded, Encoder, Epoch, EventCursor,
    Header, ObjectId, PerObjectBlobInfo, PerObjectBlobInfoV1, PerObjectPooledBlobInfo,
    PerObjectPooledBlobInfoV1, PerTable, Record, SealedHeader, StoragePoolInfo, StoragePoolInfoV1,
    Table,
};

use crate::event::{Event, EventKind};

/// The rows of the three tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    objects: BTreeMap<ObjectId, PerObjectBlobInfoV1>,
    pooled: BTreeMap<ObjectId, PerObjectPooledBlobInfoV1>,
    pools: BTreeMap<ObjectId, StoragePoolInfoV1>,
}

/// What a node's snapshot of a boundary must be, byte for byte.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// The boundary's epoch.
    pub(crate) epoch: Epoch,
    /// In the sealed framing.
    pub(crate) sealed: Encoded<Vec<u8>>,
    /// In the counted framing.
    pub(crate) counted: Encoded<Vec<u8>>,
}

impl Model {
    /// Applies one event that is no boundary.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event.kind {
            EventKind::BlobRegistered { blob, deletable } => {
                let row = PerObjectBlobInfoV1 {
                    blob_id: blob.blob_id,
                    registered_epoch: blob.epoch,
                    certified_epoch: None,
                    end_epoch: blob.end_epoch,
                    deletable,
                    event: event.id,
                    deleted: false,
                };
                self.objects.insert(blob.object_id, row);
            }
            EventKind::BlobCertified {
                blob, is_extension, ..
            } => {
                if let Some(row) = self.objects.get_mut(&blob.object_id) {
                    row.event = event.id;
                    if is_extension {
                        row.end_epoch = blob.end_epoch;
                    } else {
                        row.certified_epoch = Some(blob.epoch);
                    }
                }
            }
            EventKind::BlobDeleted { blob, .. } => {
                self.objects.remove(&blob.object_id);
            }
            EventKind::PooledBlobRegistered { blob } => {
                let row = PerObjectPooledBlobInfoV1 {
                    blob_id: blob.blob_id,
                    registered_epoch: blob.epoch,
                    certified_epoch: None,
                    storage_pool_id: blob.storage_pool_id,
                    event: event.id,
                };
                self.pooled.insert(blob.object_id, row);
            }
            EventKind::PooledBlobCertified { blob } => {
                if let Some(row) = self.pooled.get_mut(&blob.object_id) {
                    row.event = event.id;
                    row.certified_epoch = Some(blob.epoch);
                }
            }
            EventKind::PooledBlobDeleted { blob, .. } => {
                self.pooled.remove(&blob.object_id);
            }
            EventKind::StoragePoolCreated {
                storage_pool_id,
                start_epoch,
                end_epoch,
            } => {
                let row = StoragePoolInfoV1 {
                    start_epoch,
                    end_epoch,
                };
                self.pools.insert(storage_pool_id, row);
            }
            EventKind::StoragePoolExtended {
                storage_pool_id,
                end_epoch,
            } => {
                if let Some(row) = self.pools.get_mut(&storage_pool_id) {
                    row.end_epoch = row.end_epoch.max(end_epoch);
                }
            }
            EventKind::InvalidBlobId { .. } | EventKind::EpochChangeStart { .. } => {}
        }
    }

    /// Begins `epoch` with `event`, and says what a snapshot of the boundary is.
    pub(crate) fn begin_epoch(
        &mut self,
        epoch: Epoch,
        event: &Event,
    ) -> Result<Expected, EncodeError<Infallible>> {
        self.pools.retain(|_, pool| pool.end_epoch > epoch);
        self.objects.retain(|_, row| row.end_epoch > epoch);
        let pools = &self.pools;
        self.pooled
            .retain(|_, row| pools.contains_key(&row.storage_pool_id));
        let [sealed, counted] = headers(epoch, event);
        Ok(Expected {
            epoch,
            sealed: self.encode(&sealed)?,
            counted: self.encode(&counted)?,
        })
    }

    fn encode(&self, header: &Header) -> Result<Encoded<Vec<u8>>, EncodeError<Infallible>> {
        let mut encoder = match header {
            Header::Sealed(header) => Encoder::sealed(Vec::new(), header)?,
            Header::Counted(header) => Encoder::counted(Vec::new(), header, self.counts())?,
        };
        for table in header.framing().tables() {
            match table {
                Table::PerObjectBlobInfo => {
                    for (id, row) in &self.objects {
                        let row = PerObjectBlobInfo::V1(*row);
                        encoder.record(id, &Record::PerObjectBlobInfo(row))?;
                    }
                }
                Table::PerObjectPooledBlobInfo => {
                    for (id, row) in &self.pooled {
                        let row = PerObjectPooledBlobInfo::V1(*row);
                        encoder.record(id, &Record::PerObjectPooledBlobInfo(row))?;
                    }
                }
                Table::StoragePoolInfo => {
                    for (id, row) in &self.pools {
                        let row = StoragePoolInfo::V1(*row);
                        encoder.record(id, &Record::StoragePoolInfo(row))?;
                    }
                }
            }
        }
        encoder.finish()
    }

    fn counts(&self) -> PerTable<u64> {
        PerTable {
            per_object_blob_info: self.objects.len() as u64,
            per_object_pooled_blob_info: self.pooled.len() as u64,
            storage_pool_info: self.pools.len() as u64,
        }
    }
}

/// The headers of a boundary's snapshot, sealed and counted.
pub(crate) fn headers(epoch: Epoch, event: &Event) -> [Header; 2] {
    let element_index = event.index + 1;
    let sealed = SealedHeader {
        epoch,
        event_cursor: EventCursor {
            event_id: Some(event.id),
            element_index,
        },
        prev_snapshot_blob_id: BlobId::ZERO,
        chunk: ChunkPosition::WHOLE,
    };
    let counted = CountedHeader {
        epoch,
        event_id: event.id,
        next_event_index: element_index,
    };
    [Header::Sealed(sealed), Header::Counted(counted)]
}
