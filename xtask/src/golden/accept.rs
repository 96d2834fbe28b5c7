//! The vectors that a decoder accepts, but for those assembled by hand.

use anyhow::Result;
use snapshot_format::{
    BlobId, ChunkPosition, Epoch, Framing, Header, ObjectId, SealedHeader, Table, TransactionDigest,
};

use super::content::{
    self, Rows, counting, cursor, encode, event, header, offline, per_object, per_object_row,
    pooled, pooled_row, storage_pool, typical,
};
use super::vector::Vector;

const ENCODED: &str = "origin    encoded by snapshot-format";

/// All accepted vectors of the encoder, those of both framings and those of one.
///
/// # Errors
///
/// If the encoder refuses one, or the decoder rejects one.
pub(super) fn vectors() -> Result<Vec<Vector>> {
    let mut vectors = Vec::new();
    for framing in [Framing::Sealed, Framing::Counted] {
        for (name, about, requirements, header, rows) in both(framing) {
            let bytes = encode(&header, &rows)?;
            let name = format!("{framing}-{name}");
            vectors.push(Vector::accepted(name, about, ENCODED, requirements, bytes)?);
        }
    }
    for (name, about, requirements, header) in sealed_only() {
        let bytes = encode(&Header::Sealed(header), &typical())?;
        let name = format!("sealed-{name}");
        vectors.push(Vector::accepted(name, about, ENCODED, requirements, bytes)?);
    }
    Ok(vectors)
}

type Case = (
    &'static str,
    &'static str,
    &'static [&'static str],
    Header,
    Rows,
);

/// What both framings have.
fn both(framing: Framing) -> Vec<Case> {
    let layout: &[_] = match framing {
        Framing::Sealed => &["SF-010", "SF-020"],
        Framing::Counted => &["SF-010", "SF-030"],
    };
    let only = |table| {
        let rows = typical().into_iter();
        rows.filter(|(_, row)| row.table() == table).collect()
    };
    let plain = header(framing, 25);
    vec![
        ("empty", "no entries at all", layout, plain, Rows::new()),
        (
            "typical",
            "two entries in each table",
            layout,
            plain,
            typical(),
        ),
        (
            "pooled-only",
            "entries in per_object_pooled_blob_info alone",
            layout,
            plain,
            only(Table::PerObjectPooledBlobInfo),
        ),
        (
            "pools-only",
            "entries in storage_pool_info alone",
            layout,
            plain,
            only(Table::StoragePoolInfo),
        ),
        (
            "every-variant",
            "each kind of value: certified or not, deletable or not, deleted or not",
            &["SF-060"],
            plain,
            every_variant(),
        ),
        (
            "lowest",
            "every field as low as it can be, header included; keys all 0x00",
            &["SF-040", "SF-060"],
            lowest_header(framing),
            lowest(),
        ),
        (
            "highest",
            "every field as high as it can be, header included; keys all 0x00 and all 0xff",
            &["SF-040", "SF-060"],
            highest_header(framing),
            highest(),
        ),
        (
            "key-order",
            "keys whose order depends on the first or the last byte, and on bytes being unsigned",
            &["SF-077"],
            plain,
            key_order(),
        ),
        (
            "many",
            "258 storage pools: a count of two bytes",
            &["SF-076"],
            plain,
            many(),
        ),
    ]
}

type HeaderCase = (
    &'static str,
    &'static str,
    &'static [&'static str],
    SealedHeader,
);

/// Headers that only the sealed framing has, over the typical tables.
fn sealed_only() -> Vec<HeaderCase> {
    let mut with_cursor = offline(25);
    with_cursor.event_cursor = cursor();
    let mut with_prev_blob = with_cursor;
    with_prev_blob.prev_snapshot_blob_id = BlobId::new(counting(0x51));
    let mut chunk = with_prev_blob;
    chunk.chunk = ChunkPosition { index: 1, count: 3 };
    vec![
        (
            "with-cursor",
            "a header with an event ID",
            &["SF-040"],
            with_cursor,
        ),
        (
            "with-prev-blob",
            "a header with an event ID and the blob of the snapshot before",
            &["SF-040"],
            with_prev_blob,
        ),
        (
            "chunk",
            "the second of three chunks: sound, but not a whole snapshot",
            &["SF-041", "SF-050"],
            chunk,
        ),
    ]
}

fn every_variant() -> Rows {
    let mut rows = Rows::new();
    for bits in 0..8_u8 {
        let (key, mut row) = per_object(bits << 4, 0x80 | bits);
        row.certified_epoch = (bits & 4 != 0).then_some(Epoch(22));
        row.deletable = bits & 2 != 0;
        row.deleted = bits & 1 != 0;
        rows.push(per_object_row((key, row)));
    }
    for certified in [false, true] {
        let (key, mut row) = pooled(u8::from(certified) << 4, 0x91, 0x30);
        row.certified_epoch = certified.then_some(Epoch(24));
        rows.push(pooled_row((key, row)));
    }
    rows.push(storage_pool(counting(0x30), 20, 46));
    rows
}

fn lowest_header(framing: Framing) -> Header {
    match framing {
        Framing::Sealed => Header::Sealed(offline(0)),
        Framing::Counted => {
            let mut header = content::counted(0);
            header.event_id.tx_digest = TransactionDigest::new([0; 32]);
            header.event_id.event_seq = 0;
            header.next_event_index = 0;
            Header::Counted(header)
        }
    }
}

fn highest_header(framing: Framing) -> Header {
    let mut header = content::counted(u32::MAX);
    header.event_id = event(0xff, u64::MAX);
    header.event_id.tx_digest = TransactionDigest::new([0xff; 32]);
    header.next_event_index = u64::MAX;
    match framing {
        Framing::Sealed => {
            let mut sealed = offline(u32::MAX);
            sealed.event_cursor.event_id = Some(header.event_id);
            sealed.event_cursor.element_index = u64::MAX;
            sealed.prev_snapshot_blob_id = BlobId::new([0xff; 32]);
            sealed.chunk = ChunkPosition {
                index: u32::MAX - 1,
                count: u32::MAX,
            };
            Header::Sealed(sealed)
        }
        Framing::Counted => Header::Counted(header),
    }
}

fn lowest() -> Rows {
    extreme([0; 32], 0x00, None)
}

fn highest() -> Rows {
    let high = |key| extreme(key, 0xff, Some(Epoch(u32::MAX)));
    high([0; 32]).into_iter().chain(high([0xff; 32])).collect()
}

/// A row in each table whose fields have all bytes `byte`.
fn extreme(key: [u8; 32], byte: u8, certified: Option<Epoch>) -> Rows {
    let number = u64::from_le_bytes([byte; 8]);
    let epoch = u32::from_le_bytes([byte; 4]);
    let mut last = event(byte, number);
    last.tx_digest = TransactionDigest::new([byte; 32]);
    let (_, mut object) = per_object(0, 0);
    object.blob_id = BlobId::new([byte; 32]);
    object.registered_epoch = Epoch(epoch);
    object.certified_epoch = certified;
    object.end_epoch = Epoch(epoch);
    object.deletable = byte != 0;
    object.event = last;
    object.deleted = byte != 0;
    let (_, mut pooled) = pooled(0, 0, 0);
    pooled.blob_id = BlobId::new([byte; 32]);
    pooled.registered_epoch = Epoch(epoch);
    pooled.certified_epoch = certified;
    pooled.storage_pool_id = ObjectId::new([byte; 32]);
    pooled.event = last;
    vec![
        per_object_row((key, object)),
        pooled_row((key, pooled)),
        storage_pool(key, epoch, epoch),
    ]
}

fn key_order() -> Rows {
    let key = |first: u8, last: u8| {
        let mut key = [0; 32];
        let [head, .., tail] = &mut key;
        (*head, *tail) = (first, last);
        key
    };
    let keys = [
        (0, 0),
        (0, 1),
        (0, 0x7f),
        (0, 0x80),
        (0, 0xff),
        (1, 0),
        (0x7f, 0xff),
        (0x80, 0),
    ];
    keys.into_iter()
        .map(|(first, last)| storage_pool(key(first, last), 1, 2))
        .collect()
}

fn many() -> Rows {
    (0..258_u32)
        .map(|index| {
            let mut key = [0; 32];
            let [first, second, third, fourth, ..] = &mut key;
            [*first, *second, *third, *fourth] = index.to_be_bytes();
            storage_pool(key, index, index + 26)
        })
        .collect()
}
