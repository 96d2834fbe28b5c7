//! Database to snapshot: durable in a file, and to nowhere.

use std::fs::{self, File};
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rocksdb::{ColumnFamilyDescriptor, DB, Options, ReadOptions};
use snapshot_format::Table;
use snapshot_store::merge::MergeFailures;
use snapshot_store::schema::{self, ColumnFamily};
use snapshot_store::{CreateOptions, Database};

use super::{Bench, counted, create, named, open, sealed, seconds};
use crate::measure::{Samples, Took, alternate, time};
use crate::report::{Goal, Row, Unit};
use crate::{baseline, machine};

/// Bytes written at a time where only writing is measured.
const WRITE: usize = 1 << 20;

/// Share of our time from which on a part of it bounds it.
const BOUNDS: f64 = 0.8;

/// The sides of creating a file.
struct Sides {
    ours: Samples,
    counted: Samples,
    baseline: Samples,
    write: Samples,
    null: Samples,
}

impl Bench {
    /// Against the baseline, and against writing and syncing the same bytes.
    pub(super) fn create_fsynced(&self, db: &Path, on: &str) -> Result<Vec<Row>> {
        let sides = self.measure_fsynced(db)?;
        let Sides {
            ours,
            counted,
            baseline,
            write,
            null,
        } = &sides;
        let bound_by = sides.bound_by();
        let samples = named(&[
            ("ours", ours),
            ("ours, counted framing", counted),
            ("baseline", baseline),
            ("write and fsync", write),
            ("ours to /dev/null", null),
        ]);
        let row = |what: &str, unit, goal, ours: &Samples, other: &Samples| Row {
            what: what.to_owned(),
            on: on.to_owned(),
            ratio: match unit {
                Unit::TimesAsFast => other.median() / ours.median(),
                _ => ours.median() / other.median(),
            },
            unit,
            goal,
            ours: seconds(ours),
            other: seconds(other),
            bound_by: bound_by.clone(),
            samples: samples.clone(),
        };
        let (bar, stretch) = (Goal::bar(4.0), Goal::stretch(1.15));
        let (fast, long) = (Unit::TimesAsFast, Unit::TimesAsLong);
        let two_passes = Row {
            bound_by: "scanning, which it does twice: counts stand in front".to_owned(),
            ..row(
                "  the same, counted framing",
                fast,
                Goal::NONE,
                counted,
                baseline,
            )
        };
        Ok(vec![
            row("create, fsynced, vs baseline", fast, bar, ours, baseline),
            row(
                "create, fsynced, vs write + fsync",
                long,
                stretch,
                ours,
                write,
            ),
            two_passes,
        ])
    }

    fn measure_fsynced(&self, db: &Path) -> Result<Sides> {
        let (our_path, other_path) = (self.dir.join("ours.bin"), self.dir.join("other.bin"));
        let options = CreateOptions::default();
        let database = open(db)?;
        let summary = create(&database, &sealed(), &our_path, &options)?;
        let bytes = fs::read(&our_path)?;
        let baseline_db = baseline::open(db)?;
        let fresh = |path: &Path, work: &dyn Fn(&Path) -> Result<()>| -> Result<Took> {
            if path.exists() {
                fs::remove_file(path)?;
            }
            machine::settle(&self.dir)?;
            machine::warm(db)?;
            Ok(time(|| work(path))?.1)
        };
        let ours_as = |header| {
            fresh(&our_path, &|path| {
                create(&database, &header, path, &options).map(drop)
            })
        };
        let theirs = |path: &Path| {
            let outcome = baseline::create(&baseline_db, &super::header(), path)?;
            ensure!(
                outcome.digest == summary.digest.0,
                "the baseline's snapshot is another one"
            );
            Ok(())
        };
        let [ours, counted, baseline, write, null] = alternate(
            self.runs,
            [
                &mut || ours_as(sealed()),
                &mut || ours_as(counted()),
                &mut || fresh(&other_path, &theirs),
                &mut || fresh(&other_path, &|path| write_and_sync(path, &bytes)),
                &mut || create_to_null(db, &database, None),
            ],
        )?;
        fs::remove_file(&our_path)?;
        fs::remove_file(&other_path)?;
        Ok(Sides {
            ours,
            counted,
            baseline,
            write,
            null,
        })
    }

    /// Against bare iteration, on all processors and on one.
    pub(super) fn create_to_null(&self, db: &Path, on: &str) -> Result<Vec<Row>> {
        let database = open(db)?;
        let bare = open_bare(db)?;
        let [ours, one, iterate] = alternate(
            self.runs,
            [
                &mut || create_to_null(db, &database, None),
                &mut || create_to_null(db, &database, NonZeroUsize::new(1)),
                &mut || {
                    machine::warm(db)?;
                    Ok(time(|| iterate(&bare))?.1)
                },
            ],
        )?;
        let samples = named(&[
            ("ours", &ours),
            ("ours, one scanner", &one),
            ("bare iteration", &iterate),
        ]);
        let row = |what: &str, goal, side: &Samples| Row {
            what: what.to_owned(),
            on: on.to_owned(),
            ratio: side.median() / iterate.median(),
            unit: Unit::TimesAsLong,
            goal,
            ours: seconds(side),
            other: seconds(&iterate),
            bound_by: format!(
                "RocksDB's iteration, {:.0} % of {:.2} processor seconds",
                100.0 * (iterate.median_cpu() / side.median_cpu()).min(1.0),
                side.median_cpu(),
            ),
            samples: samples.clone(),
        };
        Ok(vec![
            row(
                "create to /dev/null vs bare iteration",
                Goal::new(1.5, 1.15),
                &ours,
            ),
            row("  the same, scanned by one thread", Goal::NONE, &one),
        ])
    }
}

impl Sides {
    fn bound_by(&self) -> String {
        let total = self.ours.median();
        let (write, null) = (self.write.median(), self.null.median());
        let what = match (write / total >= BOUNDS, null / total >= BOUNDS) {
            (true, false) => "the disk",
            (false, true) => "scanning",
            (true, true) => "scanning and the disk alike",
            (false, false) => "scanning and writing, which share the processors",
        };
        let busy = self.ours.median_cpu() / total;
        format!(
            "{what}: {null:.3} s to /dev/null, {write:.3} s to write, {busy:.1} processors busy"
        )
    }
}

fn create_to_null(db: &Path, database: &Database, threads: Option<NonZeroUsize>) -> Result<Took> {
    machine::warm(db)?;
    let null = Path::new("/dev/null");
    Ok(time(|| create(database, &sealed(), null, &CreateOptions { threads }))?.1)
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create_new(path)?;
    for chunk in bytes.chunks(WRITE) {
        file.write_all(chunk)?;
    }
    file.sync_all()?;
    Ok(())
}

/// Opens a database for [`iterate`], with the options of our own reader.
fn open_bare(db: &Path) -> Result<DB> {
    let failures = MergeFailures::new();
    let families = Table::ALL.map(ColumnFamily::from).map(|family| {
        ColumnFamilyDescriptor::new(family.name(), schema::reader_options(family, &failures))
    });
    Ok(DB::open_cf_descriptors_read_only(
        &Options::default(),
        db,
        families,
        false,
    )?)
}

/// The least that reads a database: one iterator for each table, each key and value touched.
fn iterate(db: &DB) -> Result<u64> {
    let mut rows = 0;
    for table in Table::ALL {
        let family = db
            .cf_handle(table.name())
            .context("a table was not opened")?;
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        let mut iterator = db.raw_iterator_cf_opt(family, options);
        iterator.seek_to_first();
        while let Some((key, value)) = iterator.item() {
            std::hint::black_box((key.first(), value.last()));
            rows += 1;
            iterator.next();
        }
        iterator.status()?;
    }
    Ok(rows)
}
