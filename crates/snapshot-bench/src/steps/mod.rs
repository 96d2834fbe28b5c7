//! The steps of the table, one file each, and what they share.

mod create;
pub(crate) mod divergence;
mod growth;
mod memory;
mod pause;
mod restore;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use snapshot_format::{CountedHeader, Epoch, EventId, Header, SealedHeader, TransactionDigest};
use snapshot_store::publish::Replace;
use snapshot_store::{
    CreateOptions, Database, OpenOptions, Progress, SnapshotSummary, create_file,
};

use crate::database::{self, Layout};
use crate::measure::Samples;
use crate::report::{NamedSamples, Row};

/// A part of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Step {
    /// Database to file, fsynced: against the baseline, and against writing the same bytes.
    Create,
    /// Database to /dev/null, against bare iteration.
    Null,
    /// File to verdict, against the baseline.
    Verify,
    /// File to restored tables, against the baseline.
    Restore,
    /// Peak memory of create, verify and restore.
    Memory,
    /// Two snapshots that differ in one row: what finding it takes.
    Divergence,
    /// The pause at an epoch boundary, against a checkpoint alone.
    Pause,
    /// Cost for each row as the number of rows grows.
    Growth,
}

impl Step {
    /// All that run unless told otherwise: growth takes its time.
    pub const DEFAULT: [Self; 7] = [
        Self::Create,
        Self::Null,
        Self::Verify,
        Self::Restore,
        Self::Pause,
        Self::Memory,
        Self::Divergence,
    ];

    /// Those on a database of each layout.
    const ON_LAYOUTS: [Self; 4] = [Self::Create, Self::Null, Self::Verify, Self::Restore];
}

/// Where and how to measure.
#[derive(Debug)]
pub struct Bench {
    /// A directory on a disk, for databases and snapshots.
    pub dir: PathBuf,
    /// Rows of `per_object_blob_info`.
    pub rows: u64,
    /// Runs of each side.
    pub runs: usize,
    /// This program, which measures memory in processes of its own.
    pub program: PathBuf,
}

/// The names of the layouts in the table.
const LAYOUTS: [(Layout, &str); 2] = [
    (Layout::Compacted, "compacted"),
    (Layout::Unmerged, "1/4 unmerged"),
];

impl Bench {
    /// Takes `steps` in the order of the table; `say` is told what is being done.
    ///
    /// # Errors
    ///
    /// If anything fails, or the two sides do not give the same.
    pub fn run(&self, steps: &[Step], mut say: impl FnMut(&str)) -> Result<Vec<Row>> {
        let wants = |step| steps.contains(&step);
        let mut table = Vec::new();
        if Step::ON_LAYOUTS.into_iter().any(wants) {
            for (layout, name) in LAYOUTS {
                say(&format!("making a database of {} rows ({name})", self.rows));
                let scratch = self.dir.join("scratch");
                let db = database::make(&scratch, self.rows, layout)?.path;
                if wants(Step::Create) {
                    say("create, fsynced");
                    table.extend(self.create_fsynced(&db, name)?);
                }
                if wants(Step::Null) {
                    say("create to /dev/null");
                    table.extend(self.create_to_null(&db, name)?);
                }
                if layout == Layout::Compacted {
                    let snapshot = self.dir.join("snapshot.bin");
                    create(&open(&db)?, &sealed(), &snapshot, &CreateOptions::default())?;
                    if wants(Step::Verify) {
                        say("verify");
                        table.extend(self.verify(&snapshot)?);
                    }
                    if wants(Step::Restore) {
                        say("restore");
                        table.extend(self.restore(&snapshot)?);
                    }
                    fs::remove_file(&snapshot)?;
                }
                fs::remove_dir_all(&scratch)?;
            }
        }
        if wants(Step::Pause) {
            table.extend(self.pause(&mut say)?);
        }
        if wants(Step::Memory) {
            say("peak memory");
            table.extend(self.memory()?);
        }
        if wants(Step::Divergence) {
            say("finding a divergence");
            table.extend(self.divergence()?);
        }
        if wants(Step::Growth) {
            table.extend(self.growth(&mut say)?);
        }
        Ok(table)
    }
}

fn open(db: &Path) -> Result<Database> {
    Ok(Database::open(db, &OpenOptions::default())?)
}

fn header() -> SealedHeader {
    SealedHeader::offline(Epoch(31))
}

fn sealed() -> Header {
    Header::Sealed(header())
}

fn counted() -> Header {
    let event_id = EventId {
        tx_digest: TransactionDigest::new([1; 32]),
        event_seq: 0,
    };
    Header::Counted(CountedHeader {
        epoch: header().epoch,
        event_id,
        next_event_index: 1,
    })
}

fn create(
    database: &Database,
    header: &Header,
    path: &Path,
    options: &CreateOptions,
) -> Result<SnapshotSummary> {
    Ok(create_file(
        database,
        header,
        path,
        Replace::Allow,
        options,
        &Progress::new(),
    )?)
}

fn seconds(samples: &Samples) -> String {
    format!(
        "{:.3} s +-{:.0} %",
        samples.median(),
        samples.spread() * 100.0
    )
}

fn named(sides: &[(&str, &Samples)]) -> Vec<NamedSamples> {
    let name = |(side, samples): &(&str, &Samples)| NamedSamples {
        side: (*side).to_owned(),
        samples: (*samples).clone(),
    };
    sides.iter().map(name).collect()
}
