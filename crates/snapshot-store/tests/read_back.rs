//! What is written is proven before it appears.

use std::fs;
use std::io::Write as _;

use snapshot_format::{Encoder, Epoch, Header, SealedHeader};
use snapshot_store::create::WriteSink;
use snapshot_store::publish::{AtomicFile, Replace};
use snapshot_store::read_back::{ReadBackError, read_back};
use snapshot_store::transport::OutputFile;
use snapshot_store::{Progress, SnapshotSummary};

/// A snapshot without rows, and what it is.
fn snapshot(epoch: u32) -> (Vec<u8>, SnapshotSummary) {
    let header = SealedHeader::offline(Epoch(epoch));
    let encoder = Encoder::sealed(WriteSink(Vec::new()), &header).unwrap();
    let encoded = encoder.finish().unwrap();
    let summary = SnapshotSummary {
        header: Header::Sealed(header),
        digest: encoded.digest,
        size: encoded.size,
        counts: encoded.counts,
    };
    (encoded.sink.0, summary)
}

#[test]
fn only_what_reads_as_it_was_written_takes_the_place_of_an_output() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, summary) = snapshot(1);
    let (other, _) = snapshot(2);
    let mut flipped = bytes.clone();
    flipped[20] ^= 1;
    for name in ["a.bin", "a.bin.zst"] {
        let path = dir.path().join(name);
        fs::write(&path, "old").unwrap();
        let proven = |bytes: &[u8]| {
            let mut output = OutputFile::create(&path, Replace::Allow).unwrap();
            output.write_all(bytes).unwrap();
            let mut file = output.finish().unwrap();
            let proof = read_back(&mut file, &summary, &Progress::new());
            proof.map(|()| file.commit().unwrap())
        };
        let error = proven(&other).unwrap_err();
        assert!(matches!(error, ReadBackError::Digest { .. }), "{error}");
        let error = proven(&flipped).unwrap_err();
        assert!(matches!(error, ReadBackError::Read(_)), "{error}");
        assert!(error.is_verdict());
        let error = proven(&bytes[..50]).unwrap_err();
        assert!(error.is_verdict(), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert!(proven(&bytes).unwrap().is_empty());
        assert_ne!(fs::read(&path).unwrap(), b"old");
    }
    assert_eq!(fs::read(dir.path().join("a.bin")).unwrap(), bytes);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn a_failed_read_is_no_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, summary) = snapshot(1);
    let mut file = AtomicFile::create(&dir.path().join("a.bin"), Replace::Refuse).unwrap();
    file.append(&bytes).unwrap();
    // It is read by its descriptor, whatever has its name.
    fs::write(dir.path().join("a.bin"), "another's").unwrap();
    read_back(&mut file, &summary, &Progress::new()).unwrap();
    assert_eq!(fs::read(dir.path().join("a.bin")).unwrap(), b"another's");

    let io = std::io::Error::from_raw_os_error(5);
    let error = ReadBackError::from(snapshot_store::ReadError::new(0, io));
    assert!(!error.is_verdict(), "{error}");
}
