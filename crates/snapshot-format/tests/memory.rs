//! SF-090: memory is bounded, whatever the size of the snapshot. Alone in its process, because it
//! looks at the memory of the process.
#![cfg(target_os = "linux")]

use std::convert::Infallible;

use snapshot_format::{
    Decoder, Encoder, Epoch, EventId, PerObjectBlobInfo, PerObjectBlobInfoV1, SealedHeader, Sink,
    Status, Table, TransactionDigest,
};

/// Entries that are encoded and decoded, each 130 bytes.
const ENTRIES: u64 = 500_000;

/// Growth of the peak in KiB that is allowed, far below the 62 MiB that pass.
const ALLOWED_KIB: u64 = 4 * 1024;

/// A sink that decodes what the encoder writes, and keeps nothing.
struct Decoding(Decoder);

impl Sink for Decoding {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        for slice in bytes.chunks(1000) {
            self.0.push(slice, |_event| {}).unwrap();
        }
        Ok(())
    }
}

/// The highest memory use of the process so far.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

fn encode_and_decode(entries: u64) -> u64 {
    let sink = Decoding(Decoder::new());
    let mut encoder = Encoder::sealed(sink, &SealedHeader::offline(Epoch(7))).unwrap();
    let row = PerObjectBlobInfo::V1(PerObjectBlobInfoV1 {
        blob_id: snapshot_format::BlobId::ZERO,
        registered_epoch: Epoch(1),
        certified_epoch: Some(Epoch(2)),
        end_epoch: Epoch(9),
        deletable: true,
        event: EventId {
            tx_digest: TransactionDigest::new([3; 32]),
            event_seq: 4,
        },
        deleted: false,
    })
    .encode();
    for number in 0..entries {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        encoder.entry(Table::PerObjectBlobInfo, &key, &row).unwrap();
    }
    let encoded = encoder.finish().unwrap();
    let mut decoder = encoded.sink.0;
    assert_eq!(decoder.push(&[], |_event| {}), Ok(Status::Complete));
    assert_eq!(decoder.end().unwrap().counts.total(), entries);
    encoded.size
}

#[test]
fn memory_does_not_grow_with_the_snapshot() {
    let small = encode_and_decode(1_000);
    let before = peak_kib();
    let large = encode_and_decode(ENTRIES);
    let grown = peak_kib() - before;
    assert!(large > 400 * small && large > 60 << 20);
    assert!(grown < ALLOWED_KIB, "{grown} KiB more for {large} bytes");
}
