//! Cost for each row as the number of rows grows.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use snapshot_store::{CreateOptions, Database, Progress, verify_file};

use super::{Bench, create, open, sealed};
use crate::database::{self, Layout};
use crate::machine;
use crate::measure::{Samples, Side, Took, alternate_all, time};
use crate::report::{Goal, NamedSamples, Row, Unit};

/// The sizes measured, in halves of the number of rows.
const HALVES: [u64; 5] = [1, 2, 5, 10, 20];

/// The dearest row may cost a tenth more than the cheapest.
const GOAL: Goal = Goal::bar(1.1);

/// A database of one size, and the snapshot of it.
struct Size {
    rows: u64,
    database: Database,
    snapshot: PathBuf,
}

/// The steps measured at each size.
#[derive(Clone, Copy)]
enum Step {
    Fsynced,
    Null,
    Verify,
}

const STEPS: [(Step, &str); 3] = [
    (Step::Fsynced, "growth of create, fsynced"),
    (Step::Null, "growth of create to /dev/null"),
    (Step::Verify, "growth of verify"),
];

impl Bench {
    /// One line for each step. All sizes are there at once and take turns, so that what disturbs one
    /// disturbs all.
    pub(super) fn growth(&self, say: &mut impl FnMut(&str)) -> Result<Vec<Row>> {
        let scratch = self.dir.join("growth");
        fs::create_dir(&scratch)?;
        let mut sizes = Vec::new();
        for halves in HALVES {
            let rows = self.rows * halves / 2;
            say(&format!("making a database of {rows} rows"));
            let made = database::make(
                &scratch.join(format!("db-{halves}")),
                rows,
                Layout::Compacted,
            )?;
            let snapshot = scratch.join(format!("{halves}.bin"));
            let database = open(&made.path)?;
            create(&database, &sealed(), &snapshot, &CreateOptions::default())?;
            sizes.push(Size {
                rows,
                database,
                snapshot,
            });
        }
        let mut table = Vec::new();
        for (step, name) in STEPS {
            say(name);
            let mut sides: Vec<_> = sizes
                .iter()
                .map(|size| move || self.at_size(size, step))
                .collect();
            let mut sides: Vec<Side<'_>> = sides.iter_mut().map(|side| side as Side<'_>).collect();
            let samples = alternate_all(self.runs, &mut sides)?;
            let points: Vec<_> = sizes.iter().map(|size| size.rows).zip(samples).collect();
            table.push(line(name, &points));
        }
        drop(sizes);
        fs::remove_dir_all(&scratch)?;
        Ok(table)
    }

    fn at_size(&self, size: &Size, step: Step) -> Result<Took> {
        let Size {
            database, snapshot, ..
        } = size;
        let to = |path: &Path| -> Result<Took> {
            let options = CreateOptions::default();
            machine::warm(database.path())?;
            Ok(time(|| create(database, &sealed(), path, &options))?.1)
        };
        match step {
            Step::Fsynced => {
                fs::remove_file(snapshot)?;
                machine::settle(&self.dir)?;
                to(snapshot)
            }
            Step::Null => to(Path::new("/dev/null")),
            Step::Verify => {
                machine::warm(snapshot)?;
                Ok(time(|| Ok(verify_file(snapshot, &Progress::new())?))?.1)
            }
        }
    }
}

fn line(name: &str, points: &[(u64, Samples)]) -> Row {
    let per_row = |median: fn(&Samples) -> f64| -> Vec<f64> {
        points
            .iter()
            .map(|(rows, samples)| median(samples) * 1e9 / *rows as f64)
            .collect()
    };
    let costs = per_row(Samples::median);
    let dearest = costs.iter().copied().fold(f64::NAN, f64::max);
    let cheapest = costs.iter().copied().fold(f64::NAN, f64::min);
    let join = |costs: &[f64]| {
        costs
            .iter()
            .map(|cost| format!("{cost:.0}"))
            .collect::<Vec<_>>()
            .join("/")
    };
    let sizes: Vec<String> = points
        .iter()
        .map(|(rows, _)| format!("{}", *rows as f64 / 1e6))
        .collect();
    Row {
        what: name.to_owned(),
        on: sizes.join("/") + " M rows",
        ratio: dearest / cheapest,
        unit: Unit::CostSpread,
        goal: GOAL,
        ours: join(&costs) + " ns a row",
        other: "the cheapest of them".to_owned(),
        bound_by: format!(
            "as at one size: {} ns of processors",
            join(&per_row(Samples::median_cpu))
        ),
        samples: points
            .iter()
            .map(|(rows, samples)| NamedSamples {
                side: format!("{rows} rows"),
                samples: samples.clone(),
            })
            .collect(),
    }
}
