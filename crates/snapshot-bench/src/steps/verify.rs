//! Snapshot file to verdict, from the page cache, on one processor.

use std::fs::{self, File};
use std::hash::Hasher as _;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Result, ensure};
use snapshot_store::{Progress, verify_file};
use twox_hash::XxHash64;

use super::{Bench, named, seconds};
use crate::measure::{Samples, alternate, time};
use crate::report::{Goal, Row, Unit};
use crate::{baseline, machine};

/// Bytes hashed at a time where only hashing is measured.
const HASHED: usize = 256 << 10;

/// The sides of verifying.
struct Sides {
    ours: Samples,
    baseline: Samples,
    read: Samples,
    hash: Samples,
}

impl Bench {
    /// Against the baseline's reading and decoding.
    pub(super) fn verify(&self, snapshot: &Path) -> Result<Vec<Row>> {
        let gib = fs::metadata(snapshot)?.len() as f64 / f64::from(1 << 30);
        let Sides {
            ours,
            baseline,
            read,
            hash,
        } = &self.measure_verify(snapshot)?;
        let share = |samples: &Samples| 100.0 * samples.median() / ours.median();
        let row = |what: &str, ratio, unit, goal, show: &dyn Fn(&Samples) -> String| Row {
            what: what.to_owned(),
            on: format!("{:.0} MiB", gib * 1024.0),
            ratio,
            unit,
            goal,
            ours: show(ours),
            other: show(baseline),
            bound_by: format!(
                "the processor: {:.0} % reading, {:.0} % xxhash64, {:.0} % decoding and validating",
                share(read),
                share(hash),
                100.0 - share(read) - share(hash),
            ),
            samples: named(&[
                ("ours", ours),
                ("baseline", baseline),
                ("read alone", read),
                ("xxhash64 alone", hash),
            ]),
        };
        let rate = |samples: &Samples| gib / samples.median();
        Ok(vec![
            row(
                "verify from page cache, one core",
                rate(ours),
                Unit::GibPerSecond,
                Goal::new(1.0, 2.0),
                &|samples| format!("{:.2} GiB/s", rate(samples)),
            ),
            row(
                "  the same, vs baseline",
                baseline.median() / ours.median(),
                Unit::TimesAsFast,
                Goal::NONE,
                &seconds,
            ),
        ])
    }

    fn measure_verify(&self, snapshot: &Path) -> Result<Sides> {
        let expected = verify_file(snapshot, &Progress::new())?;
        let ours = || {
            machine::warm(snapshot)?;
            let (summary, took) = time(|| Ok(verify_file(snapshot, &Progress::new())?))?;
            ensure!(summary == expected, "the file changed");
            Ok(took)
        };
        let theirs = || {
            machine::warm(snapshot)?;
            let (outcome, took) = time(|| baseline::read(snapshot))?;
            ensure!(
                outcome.digest == expected.digest.0,
                "the baseline read another snapshot"
            );
            Ok(took)
        };
        let bytes = fs::read(snapshot)?;
        let [ours, baseline, read, hash] = alternate(
            self.runs,
            [
                &mut || ours(),
                &mut || theirs(),
                &mut || {
                    machine::warm(snapshot)?;
                    Ok(time(|| read_through(snapshot))?.1)
                },
                &mut || Ok(time(|| Ok(hash_through(&bytes)))?.1),
            ],
        )?;
        Ok(Sides {
            ours,
            baseline,
            read,
            hash,
        })
    }
}

fn read_through(path: &Path) -> Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = machine::page_aligned_buffer();
    while file.read(buffer.bytes())? > 0 {}
    Ok(())
}

fn hash_through(bytes: &[u8]) -> u64 {
    let mut hasher = XxHash64::with_seed(0);
    for chunk in bytes.chunks(HASHED) {
        hasher.write(chunk);
    }
    std::hint::black_box(hasher.finish())
}
