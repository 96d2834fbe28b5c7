//! Every small change to every accepted vector: no damaged file passes for the one it was.
//!
//! Tried are all single-bit flips, all truncations, all removals of a byte, and insertions of a few
//! bytes at every place. A sealed file (SF-085) is rejected always. The counted framing has no
//! checksum, so a change may turn one sound file into another; then it holds other content, has
//! another digest, and is itself the one encoding of that content (SF-070).

mod common;

use std::fmt::Write as _;
use std::io::Write as _;

use common::{Content, decode, vectors};
use snapshot_format::{DecodeError, Decoded, Decoder};

/// What became of changes of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    tried: usize,
    rejected: usize,
    /// Accepted as another snapshot.
    other: usize,
}

impl Tally {
    fn add(&mut self, more: Self) {
        self.tried += more.tried;
        self.rejected += more.rejected;
        self.other += more.other;
    }
}

/// Tries changes to one vector.
struct Trial<'a> {
    original: &'a [u8],
    decoded: Decoded,
    content: Content,
    is_sealed: bool,
    name: &'a str,
}

impl Trial<'_> {
    /// `prefix` has decoded the bytes before `middle`.
    fn change(&self, tally: &mut Tally, prefix: &Decoder, at: usize, middle: &[u8], rest: &[u8]) {
        tally.tried += 1;
        match finish(prefix.clone(), [middle, rest]) {
            Err(_typed) => tally.rejected += 1,
            Ok(decoded) => {
                tally.other += 1;
                let what = format!("{}, byte {at}", self.name);
                assert!(!self.is_sealed, "{what}: a damaged sealed file passes");
                let changed = [&self.original[..at], middle, rest].concat();
                let content = Content::decode(&changed).unwrap();
                assert_ne!(content, self.content, "{what}: the same content");
                assert_ne!(
                    decoded.digest, self.decoded.digest,
                    "{what}: the same digest"
                );
                assert_eq!(content.bytes(), changed, "{what}: not the one encoding");
            }
        }
    }

    fn all_changes(&self) -> [Tally; 4] {
        let [mut flips, mut cuts, mut insertions, mut removals] = [Tally::default(); 4];
        let mut prefix = Decoder::new();
        for (at, &byte) in self.original.iter().enumerate() {
            let (before, after) = (&self.original[at..], &self.original[at + 1..]);
            for bit in 0..8 {
                self.change(&mut flips, &prefix, at, &[byte ^ 1 << bit], after);
            }
            self.change(&mut cuts, &prefix, at, &[], &[]);
            self.change(&mut removals, &prefix, at, &[], after);
            for inserted in telling_bytes(byte) {
                self.change(&mut insertions, &prefix, at, &[inserted], before);
            }
            prefix.push(&[byte], |_event| {}).unwrap();
        }
        for inserted in telling_bytes(0x20) {
            let end = self.original.len();
            self.change(&mut insertions, &prefix, end, &[inserted], &[]);
        }
        [flips, cuts, insertions, removals]
    }
}

/// Bytes that are likely to mean something in front of `next`.
fn telling_bytes(next: u8) -> Vec<u8> {
    let mut bytes = vec![0x00, 0x01, 0xff, next];
    bytes.sort_unstable();
    bytes.dedup();
    bytes
}

fn finish(mut decoder: Decoder, slices: [&[u8]; 2]) -> Result<Decoded, DecodeError> {
    for slice in slices {
        decoder.push(slice, |_event| {})?;
    }
    decoder.end()
}

#[test]
fn no_small_change_goes_unnoticed() {
    let mut report = format!(
        "{:<36}{:>5}  {:>17}  {:>17}  {:>17}  {:>17}\n",
        "rejected/tried", "bytes", "bits flipped", "cut short", "bytes inserted", "bytes removed"
    );
    let mut totals = [Tally::default(); 2];
    for vector in vectors::accepted() {
        let trial = Trial {
            original: &vector.bytes,
            decoded: decode(&vector.bytes).unwrap(),
            content: Content::decode(&vector.bytes).unwrap(),
            is_sealed: vector.is_sealed(),
            name: &vector.file,
        };
        let len = vector.bytes.len();
        let tallies = trial.all_changes();
        let [flips, cuts, _, removals] = tallies;
        assert_eq!(
            (flips.tried, cuts.tried, removals.tried),
            (8 * len, len, len)
        );
        // No file is the beginning of another, in either framing.
        assert_eq!(cuts.rejected, cuts.tried, "{}", vector.file);
        write!(report, "{:<36}{len:>5}", vector.file).unwrap();
        for tally in tallies {
            assert_eq!(tally.rejected + tally.other, tally.tried);
            let column = format!("{}/{}", tally.rejected, tally.tried);
            write!(report, "  {column:>17}").unwrap();
            totals[usize::from(vector.is_sealed())].add(tally);
        }
        report.push('\n');
    }
    let [counted, sealed] = totals;
    assert_eq!(sealed.rejected, sealed.tried);
    for (framing, total) in [("sealed", sealed), ("counted", counted)] {
        writeln!(
            report,
            "{framing}: {} tried, {} rejected, {} told apart as other content",
            total.tried, total.rejected, total.other
        )
        .unwrap();
    }
    // Past the harness, which shows what a test prints only if it fails.
    std::io::stderr().write_all(report.as_bytes()).unwrap();
    insta::assert_snapshot!(report);
}
