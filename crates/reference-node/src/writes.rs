//! What an event writes (`docs/tables.md`, "Merge operands"): a pure function, no database.

use snapshot_format::{BlobId, EventId, ObjectId};
use snapshot_store::merge::{
    BlobInfoOperand, ChangeInfo, ChangeType, PerObjectOperand, PooledInfo, PooledOperand,
    StoragePoolOperand,
};
use snapshot_store::schema::ColumnFamily;

use crate::event::{BlobObject, Event, EventKind, PooledBlobObject};

/// One write to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) table: ColumnFamily,
    pub(crate) key: [u8; 32],
    /// The merge operand, or nothing to delete the row.
    pub(crate) operand: Option<Vec<u8>>,
}

impl Write {
    /// Deletes a row of a table whose key is an object ID.
    pub(crate) const fn delete(table: ColumnFamily, object_id: &ObjectId) -> Self {
        Self {
            table,
            key: *object_id.as_bytes(),
            operand: None,
        }
    }

    pub(crate) fn aggregate(blob_id: &BlobId, operand: &BlobInfoOperand) -> Self {
        Self {
            table: ColumnFamily::AggregateBlobInfo,
            key: *blob_id.as_bytes(),
            operand: Some(operand.encode()),
        }
    }

    fn merge(table: ColumnFamily, object_id: &ObjectId, operand: Vec<u8>) -> Self {
        Self {
            table,
            key: *object_id.as_bytes(),
            operand: Some(operand),
        }
    }
}

/// What `event` writes, apart from the latest handled event index that goes with it. Nothing for an
/// `EpochChangeStart`, which does not count as handled.
pub(crate) fn writes(event: &Event) -> Vec<Write> {
    let id = event.id;
    match &event.kind {
        EventKind::BlobRegistered { blob, deletable } => {
            object(ChangeType::Register, blob, *deletable, id)
        }
        EventKind::BlobCertified {
            blob,
            deletable,
            is_extension,
        } => {
            let change = if *is_extension {
                ChangeType::Extend
            } else {
                ChangeType::Certify
            };
            object(change, blob, *deletable, id)
        }
        EventKind::BlobDeleted {
            blob,
            was_certified,
        } => {
            let change_type = ChangeType::Delete {
                was_certified: *was_certified,
            };
            let change_info = change_info(blob, true, id);
            let operand = BlobInfoOperand::ChangeStatus {
                change_type,
                change_info,
            };
            vec![
                Write::delete(ColumnFamily::PerObjectBlobInfo, &blob.object_id),
                Write::aggregate(&blob.blob_id, &operand),
            ]
        }
        EventKind::InvalidBlobId { blob_id, epoch } => {
            let operand = BlobInfoOperand::MarkInvalid {
                epoch: *epoch,
                status_event: id,
            };
            vec![Write::aggregate(blob_id, &operand)]
        }
        EventKind::PooledBlobRegistered { blob } => pooled(ChangeType::Register, blob, id),
        EventKind::PooledBlobCertified { blob } => pooled(ChangeType::Certify, blob, id),
        EventKind::PooledBlobDeleted {
            blob,
            was_certified,
        } => {
            let change_type = ChangeType::Delete {
                was_certified: *was_certified,
            };
            let change_info = pooled_info(blob, id);
            let operand = BlobInfoOperand::PooledBlobChangeStatus {
                change_type,
                change_info,
            };
            vec![
                Write::delete(ColumnFamily::PerObjectPooledBlobInfo, &blob.object_id),
                Write::aggregate(&blob.blob_id, &operand),
            ]
        }
        EventKind::StoragePoolCreated {
            storage_pool_id,
            start_epoch,
            end_epoch,
        } => {
            let (start_epoch, end_epoch) = (*start_epoch, *end_epoch);
            pool(
                storage_pool_id,
                &StoragePoolOperand::Create {
                    start_epoch,
                    end_epoch,
                },
            )
        }
        EventKind::StoragePoolExtended {
            storage_pool_id,
            end_epoch,
        } => pool(
            storage_pool_id,
            &StoragePoolOperand::Extend {
                end_epoch: *end_epoch,
            },
        ),
        EventKind::EpochChangeStart { .. } => Vec::new(),
    }
}

fn object(change_type: ChangeType, blob: &BlobObject, deletable: bool, id: EventId) -> Vec<Write> {
    let change_info = change_info(blob, deletable, id);
    let operand = PerObjectOperand {
        change_type,
        change_info,
    }
    .encode();
    vec![
        Write::merge(ColumnFamily::PerObjectBlobInfo, &blob.object_id, operand),
        Write::aggregate(
            &blob.blob_id,
            &BlobInfoOperand::ChangeStatus {
                change_type,
                change_info,
            },
        ),
    ]
}

fn pooled(change_type: ChangeType, blob: &PooledBlobObject, id: EventId) -> Vec<Write> {
    let change_info = pooled_info(blob, id);
    let operand = PooledOperand::V1 {
        change_type,
        change_info,
    }
    .encode();
    vec![
        Write::merge(
            ColumnFamily::PerObjectPooledBlobInfo,
            &blob.object_id,
            operand,
        ),
        Write::aggregate(
            &blob.blob_id,
            &BlobInfoOperand::PooledBlobChangeStatus {
                change_type,
                change_info,
            },
        ),
    ]
}

fn pool(storage_pool_id: &ObjectId, operand: &StoragePoolOperand) -> Vec<Write> {
    vec![Write::merge(
        ColumnFamily::StoragePoolInfo,
        storage_pool_id,
        operand.encode(),
    )]
}

const fn change_info(blob: &BlobObject, deletable: bool, status_event: EventId) -> ChangeInfo {
    ChangeInfo {
        blob_id: blob.blob_id,
        deletable,
        epoch: blob.epoch,
        end_epoch: blob.end_epoch,
        status_event,
    }
}

const fn pooled_info(blob: &PooledBlobObject, status_event: EventId) -> PooledInfo {
    PooledInfo {
        blob_id: blob.blob_id,
        epoch: blob.epoch,
        storage_pool_id: blob.storage_pool_id,
        status_event,
    }
}
