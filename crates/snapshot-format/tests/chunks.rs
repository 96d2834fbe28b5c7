//! Sets of chunks, and decoders that go on from where another was.

mod common;

use snapshot_format::{
    BlobId, ChunkError, ChunkPosition, ChunkSet, CountedHeader, Decoder, Encoder, Epoch, Event,
    EventCursor, EventId, Header, ObjectId, SealedHeader, StoragePoolInfo, StoragePoolInfoV1,
    Table, TransactionDigest,
};

/// The bytes of an accepted vector.
fn file(name: &str) -> Vec<u8> {
    common::vectors::bytes(&format!("accept/{name}.bin"))
}

const HEADER: SealedHeader = SealedHeader {
    epoch: Epoch(7),
    event_cursor: EventCursor {
        event_id: None,
        element_index: 3,
    },
    prev_snapshot_blob_id: BlobId::ZERO,
    chunk: ChunkPosition { index: 0, count: 2 },
};

/// A chunk with these pools.
fn chunk(index: u32, header: SealedHeader, keys: &[u8]) -> Vec<u8> {
    let chunk = ChunkPosition {
        index,
        ..header.chunk
    };
    let mut encoder = Encoder::sealed(Vec::new(), &SealedHeader { chunk, ..header }).unwrap();
    let pool = StoragePoolInfo::V1(StoragePoolInfoV1 {
        start_epoch: Epoch(1),
        end_epoch: Epoch(9),
    });
    for key in keys {
        encoder
            .entry(Table::StoragePoolInfo, &[*key; 32], &pool.encode())
            .unwrap();
    }
    encoder.finish().unwrap().sink
}

fn join(chunks: &[Vec<u8>]) -> Result<SealedHeader, ChunkError> {
    let mut set = ChunkSet::new();
    for bytes in chunks {
        let mut refused = None;
        let mut decoder = Decoder::new();
        decoder
            .push(bytes, |event| {
                if refused.is_none() {
                    refused = set.admit(&event).err();
                }
            })
            .unwrap();
        if let Some(error) = refused {
            return Err(error);
        }
    }
    set.end()
}

#[test]
fn a_whole_set_is_joined() {
    let whole = SealedHeader {
        chunk: ChunkPosition::WHOLE,
        ..HEADER
    };
    let set = [chunk(0, HEADER, &[1, 2]), chunk(1, HEADER, &[3])];
    assert_eq!(join(&set), Ok(whole));
    assert_eq!(join(&[chunk(0, whole, &[1])]), Ok(whole));
}

#[test]
fn gaps_repeats_and_strangers_are_refused() {
    let zero = || chunk(0, HEADER, &[1, 2]);
    let one = || chunk(1, HEADER, &[3]);
    let missing = |got| Err(ChunkError::Missing { expected: 2, got });
    assert_eq!(join(&[zero()]), missing(1));
    assert_eq!(
        join(&[]),
        Err(ChunkError::Missing {
            expected: 1,
            got: 0
        })
    );
    let index = |expected, got| Err(ChunkError::Index { expected, got });
    assert_eq!(join(&[one(), zero()]), index(0, 1));
    assert_eq!(join(&[zero(), zero()]), index(1, 0));
    let (previous, key) = (ObjectId::new([2; 32]), ObjectId::new([2; 32]));
    assert_eq!(
        join(&[zero(), chunk(1, HEADER, &[2])]),
        Err(ChunkError::KeysNotIncreasing {
            table: Table::StoragePoolInfo,
            previous,
            key
        })
    );
    let others = [
        (
            "epoch",
            SealedHeader {
                epoch: Epoch(8),
                ..HEADER
            },
        ),
        (
            "event_cursor",
            SealedHeader {
                event_cursor: EventCursor::default(),
                ..HEADER
            },
        ),
        (
            "prev_snapshot_blob_id",
            SealedHeader {
                prev_snapshot_blob_id: BlobId::new([1; 32]),
                ..HEADER
            },
        ),
        (
            "chunk_count",
            SealedHeader {
                chunk: ChunkPosition { index: 0, count: 3 },
                ..HEADER
            },
        ),
    ];
    for (field, header) in others {
        let set = [zero(), chunk(1, header, &[3])];
        assert_eq!(join(&set), Err(ChunkError::Header { field }));
    }
}

#[test]
fn counted_files_and_tables_out_of_order_are_refused() {
    let header = Header::Counted(CountedHeader {
        epoch: Epoch(7),
        event_id: EventId {
            tx_digest: TransactionDigest::new([1; 32]),
            event_seq: 1,
        },
        next_event_index: 3,
    });
    let mut set = ChunkSet::new();
    assert_eq!(set.admit(&Event::Header(&header)), Err(ChunkError::Counted));

    // All tables, and once more.
    let bytes = file("sealed-typical");
    let mut set = ChunkSet::new();
    let mut errors = Vec::new();
    for _ in 0..2 {
        let mut decoder = Decoder::new();
        decoder
            .push(&bytes, |event| {
                if let Event::Entry(_) = event {
                    errors.extend(set.admit(&event).err());
                }
            })
            .unwrap();
    }
    assert_eq!(
        errors.first(),
        Some(&ChunkError::TableOrder {
            table: Table::PerObjectBlobInfo,
            previous: Table::StoragePoolInfo
        })
    );
}

#[test]
fn a_clone_goes_on_from_where_the_decoder_was() {
    for name in ["sealed-typical", "counted-typical"] {
        let bytes = file(name);
        let mut whole = Vec::new();
        let mut decoder = Decoder::new();
        decoder
            .push(&bytes, |event| whole.push(format!("{event:?}")))
            .unwrap();
        let decoded = decoder.end().unwrap();
        for cut in 0..=bytes.len() {
            let (front, back) = bytes.split_at(cut);
            let mut first = Decoder::new();
            let mut events = Vec::new();
            first
                .push(front, |event| events.push(format!("{event:?}")))
                .unwrap();
            let mut second = first.clone();
            assert_eq!(
                (second.received(), second.digest_so_far()),
                (cut as u64, first.digest_so_far())
            );
            second
                .push(back, |event| events.push(format!("{event:?}")))
                .unwrap();
            assert_eq!(second.end().unwrap(), decoded);
            assert_eq!(events, whole, "{name} cut at {cut}");
        }
    }
    let mut one = Decoder::new();
    let mut other = Decoder::new();
    let bytes = file("sealed-typical");
    let mut flipped = bytes.clone();
    flipped[15] ^= 1;
    one.push(&bytes[..16], |_| {}).unwrap();
    other.push(&flipped[..16], |_| {}).unwrap();
    assert_eq!(one.received(), other.received());
    assert_ne!(one.digest_so_far(), other.digest_so_far());
}
