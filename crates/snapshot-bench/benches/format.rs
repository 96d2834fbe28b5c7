//! Encoder and decoder of both framings, on one core and in memory: the floor under create and verify.
//!
//! Throughput is in bytes of the snapshot file. The file is fed to the decoder in slices of the size
//! that the store reads, and the encoder's sink throws the bytes away.

use std::convert::Infallible;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use snapshot_format::{
    BlobId, CountedHeader, Decoder, Encoded, Encoder, Epoch, Event, EventId, Framing, ObjectId,
    PerObjectBlobInfo, PerObjectBlobInfoV1, PerTable, SealedHeader, Sink, Table, TransactionDigest,
};

/// Rows of `per_object_blob_info`: about 25 MiB, far more than any cache.
const ROWS: u64 = 200_000;

/// Bytes fed to the decoder at once.
const SLICE: usize = 256 * 1024;

/// Keys and encoded values, in key order.
struct Rows(Vec<(ObjectId, Vec<u8>)>);

impl Rows {
    /// Rows as a node has them: hashes for identifiers, most objects certified, few deleted.
    fn generate() -> Self {
        let mut random = SplitMix(1);
        let mut keys: Vec<_> = (0..ROWS).map(|_| ObjectId::new(random.bytes())).collect();
        keys.sort();
        // Values are made in key order, so that they lie in memory as a scan of the table hands them out.
        let rows = keys.into_iter().map(|key| (key, random.row().encode()));
        Self(rows.collect())
    }

    fn encode<S: Sink<Error = Infallible>>(&self, framing: Framing, sink: S) -> Encoded<S> {
        let mut encoder = match framing {
            Framing::Sealed => Encoder::sealed(sink, &SealedHeader::offline(Epoch(61))),
            Framing::Counted => {
                let header = CountedHeader {
                    epoch: Epoch(61),
                    event_id: EventId {
                        tx_digest: TransactionDigest::new([7; 32]),
                        event_seq: 0,
                    },
                    next_event_index: 1_000_000,
                };
                let counts = PerTable {
                    per_object_blob_info: ROWS,
                    ..PerTable::default()
                };
                Encoder::counted(sink, &header, counts)
            }
        }
        .expect("a vector takes all bytes");
        for (key, value) in &self.0 {
            encoder
                .entry(Table::PerObjectBlobInfo, key.as_bytes(), value)
                .expect("rows are canonical and in order");
        }
        encoder.finish().expect("the counts are those of the rows")
    }
}

/// A sink that throws bytes away.
struct Nowhere;

impl Sink for Nowhere {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        black_box(bytes);
        Ok(())
    }
}

/// A generator of test data: fast, and the same on every machine.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn row(&mut self) -> PerObjectBlobInfo {
        let registered = 1 + self.below(60) as u32;
        PerObjectBlobInfo::V1(PerObjectBlobInfoV1 {
            blob_id: BlobId::new(self.bytes()),
            registered_epoch: Epoch(registered),
            certified_epoch: (self.below(8) > 0).then_some(Epoch(registered)),
            end_epoch: Epoch(registered + 2 + self.below(50) as u32),
            deletable: self.below(3) > 0,
            event: EventId {
                tx_digest: TransactionDigest::new(self.bytes()),
                event_seq: self.below(3),
            },
            deleted: self.below(20) == 0,
        })
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        bytes
    }
}

fn decode(file: &[u8]) -> u64 {
    let mut decoder = Decoder::new();
    let mut entries = 0;
    for slice in file.chunks(SLICE) {
        decoder
            .push(slice, |event| {
                entries += u64::from(matches!(event, Event::Entry(_)));
            })
            .expect("the file is sound");
    }
    let decoded = decoder.end().expect("the file is sound");
    assert_eq!(decoded.counts.total(), entries);
    entries
}

fn benches(criterion: &mut Criterion) {
    let rows = Rows::generate();
    for framing in [Framing::Sealed, Framing::Counted] {
        let file = rows.encode(framing, Vec::new()).sink;
        let mut group = criterion.benchmark_group(framing.name());
        group.throughput(Throughput::Bytes(file.len() as u64));
        group.bench_function("encode", |bencher| {
            bencher.iter(|| rows.encode(framing, Nowhere).digest);
        });
        group.bench_function("decode", |bencher| {
            bencher.iter(|| decode(black_box(&file)));
        });
        group.finish();
    }
}

criterion_group!(format, benches);
criterion_main!(format);
