//! What the vectors hold: identifiers that show at a glance whether a byte is in its place, and rows.

use anyhow::Result;
use snapshot_format::{
    BlobId, CountedHeader, Encoder, Epoch, EventCursor, EventId, Framing, Header, ObjectId,
    PerObjectBlobInfo, PerObjectBlobInfoV1, PerObjectPooledBlobInfo, PerObjectPooledBlobInfoV1,
    PerTable, Record, SealedHeader, StoragePoolInfo, StoragePoolInfoV1, TransactionDigest,
};

/// 32 bytes that count up from `first`.
pub(super) fn counting(first: u8) -> [u8; 32] {
    let mut next = first;
    [(); 32].map(|()| {
        let byte = next;
        next = next.wrapping_add(1);
        byte
    })
}

/// An event whose digest counts up from `first`.
pub(super) fn event(first: u8, event_seq: u64) -> EventId {
    EventId {
        tx_digest: TransactionDigest::new(counting(first)),
        event_seq,
    }
}

/// Rows with their keys; those of one table are in key order.
pub(super) type Rows = Vec<([u8; 32], Record)>;

/// A row of `per_object_blob_info` whose fields the caller goes on to change.
pub(super) fn per_object(key: u8, blob: u8) -> ([u8; 32], PerObjectBlobInfoV1) {
    let row = PerObjectBlobInfoV1 {
        blob_id: BlobId::new(counting(blob)),
        registered_epoch: Epoch(21),
        certified_epoch: Some(Epoch(22)),
        end_epoch: Epoch(40),
        deletable: false,
        event: event(blob.wrapping_add(0x30), 2),
        deleted: false,
    };
    (counting(key), row)
}

/// A row of `per_object_pooled_blob_info` likewise.
pub(super) fn pooled(key: u8, blob: u8, pool: u8) -> ([u8; 32], PerObjectPooledBlobInfoV1) {
    let row = PerObjectPooledBlobInfoV1 {
        blob_id: BlobId::new(counting(blob)),
        registered_epoch: Epoch(23),
        certified_epoch: Some(Epoch(24)),
        storage_pool_id: ObjectId::new(counting(pool)),
        event: event(blob.wrapping_add(0x30), 1),
    };
    (counting(key), row)
}

/// A row of `storage_pool_info`.
pub(super) fn storage_pool(key: [u8; 32], start: u32, end: u32) -> ([u8; 32], Record) {
    let row = StoragePoolInfoV1 {
        start_epoch: Epoch(start),
        end_epoch: Epoch(end),
    };
    (key, Record::StoragePoolInfo(StoragePoolInfo::V1(row)))
}

pub(super) fn per_object_row((key, row): ([u8; 32], PerObjectBlobInfoV1)) -> ([u8; 32], Record) {
    (key, Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)))
}

pub(super) fn pooled_row((key, row): ([u8; 32], PerObjectPooledBlobInfoV1)) -> ([u8; 32], Record) {
    let record = PerObjectPooledBlobInfo::V1(row);
    (key, Record::PerObjectPooledBlobInfo(record))
}

/// Two rows in each table: a certified and an uncertified object, one of them deletable.
pub(super) fn typical() -> Rows {
    let (first, mut deletable) = per_object(0x10, 0xb0);
    deletable.deletable = true;
    let (second, mut registered) = per_object(0x40, 0xc1);
    registered.certified_epoch = None;
    registered.event.event_seq = 0;
    let (third, mut pooled_registered) = pooled(0x99, 0x6c, 0x5a);
    pooled_registered.certified_epoch = None;
    vec![
        per_object_row((first, deletable)),
        per_object_row((second, registered)),
        pooled_row(pooled(0x08, 0x7d, 0x30)),
        pooled_row((third, pooled_registered)),
        storage_pool(counting(0x30), 20, 46),
        storage_pool(counting(0x5a), 3, 29),
    ]
}

/// The header of a snapshot that was made from a checkpoint alone.
pub(super) fn offline(epoch: u32) -> SealedHeader {
    SealedHeader::offline(Epoch(epoch))
}

/// Where the counted vectors go on, and sealed ones with a cursor.
pub(super) fn cursor() -> EventCursor {
    EventCursor {
        event_id: Some(event(0xd4, 1)),
        element_index: 1_234_567_890_123,
    }
}

/// The counted header of an epoch, with [`cursor`].
pub(super) fn counted(epoch: u32) -> CountedHeader {
    CountedHeader {
        epoch: Epoch(epoch),
        event_id: event(0xd4, 1),
        next_event_index: cursor().element_index,
    }
}

/// A header of either framing for the same epoch; the sealed one has no cursor.
pub(super) fn header(framing: Framing, epoch: u32) -> Header {
    match framing {
        Framing::Sealed => Header::Sealed(offline(epoch)),
        Framing::Counted => Header::Counted(counted(epoch)),
    }
}

/// Encodes rows, which come in any order of tables.
///
/// # Errors
///
/// If the encoder refuses them.
pub(super) fn encode(header: &Header, rows: &Rows) -> Result<Vec<u8>> {
    let framing = header.framing();
    let mut encoder = match header {
        Header::Sealed(header) => Encoder::sealed(Vec::new(), header)?,
        Header::Counted(header) => {
            let count = |table| rows.iter().filter(|(_, row)| row.table() == table).count() as u64;
            Encoder::counted(Vec::new(), header, PerTable::from_fn(count))?
        }
    };
    for table in framing.tables() {
        for (key, row) in rows.iter().filter(|(_, row)| row.table() == table) {
            encoder.record(&ObjectId::new(*key), row)?;
        }
    }
    Ok(encoder.finish()?.sink)
}
