//! Peak memory of create, verify and restore, each in a process of its own, at several sizes.

use std::fs;

use anyhow::Result;

use super::{Bench, LAYOUTS};
use crate::child::{Task, peak_bytes};
use crate::database::{self, Layout};
use crate::report::{Goal, Row, Unit};

/// The sizes measured, in quarters of the number of rows.
const QUARTERS: [u64; 3] = [1, 4, 16];

/// What must not be exceeded, and what is aimed at, in MiB.
const GOAL: Goal = Goal::new(64.0, 32.0);

/// MiB that the largest size may take more than the smallest, which does not fill all buffers.
const GROWTH: f64 = 16.0;

/// Peaks in MiB.
#[derive(Clone, Copy, Debug)]
struct Peak {
    rows: u64,
    /// Of the step's process.
    step: f64,
    /// Of a process that does all but the step.
    rest: f64,
}

impl Peak {
    fn beyond(self) -> f64 {
        self.step - self.rest
    }
}

impl Bench {
    /// Beyond what a process takes that only opens the database, or that does nothing.
    pub(super) fn memory(&self) -> Result<Vec<Row>> {
        let mut table = Vec::new();
        let mut verify = Vec::new();
        let mut restore = Vec::new();
        for (layout, name) in LAYOUTS {
            let mut create = Vec::new();
            for quarters in QUARTERS {
                let rows = self.rows * quarters / 4;
                let scratch = self.dir.join("scratch");
                let output = self.dir.join("memory.bin");
                let db = database::make(&scratch, rows, layout)?.path;
                let peak = |task: &Task| -> Result<f64> {
                    Ok(peak_bytes(&self.program, task)? as f64 / f64::from(1 << 20))
                };
                let rest = peak(&Task::Open { db: db.clone() })?;
                let step = peak(&Task::Create {
                    db: db.clone(),
                    output: output.clone(),
                })?;
                create.push(Peak { rows, step, rest });
                if layout == Layout::Compacted {
                    let rest = peak(&Task::Nothing)?;
                    let step = peak(&Task::Verify {
                        snapshot: output.clone(),
                    })?;
                    verify.push(Peak { rows, step, rest });
                    let target = self.dir.join("restored");
                    let step = peak(&Task::Restore {
                        snapshot: output.clone(),
                        db: target.clone(),
                    })?;
                    // RocksDB's own share of an open database is in it.
                    let rest = peak(&Task::Open { db: target.clone() })?;
                    restore.push(Peak { rows, step, rest });
                    fs::remove_dir_all(&target)?;
                }
                fs::remove_file(&output)?;
                fs::remove_dir_all(&scratch)?;
            }
            table.push(row(
                "peak memory of create",
                name,
                "opening the database",
                &create,
            ));
        }
        table.push(row(
            "peak memory of verify",
            "compacted",
            "doing nothing",
            &verify,
        ));
        table.push(row(
            "peak memory of restore",
            "compacted",
            "opening the database",
            &restore,
        ));
        Ok(table)
    }
}

fn row(what: &str, on: &str, rest: &str, peaks: &[Peak]) -> Row {
    let worst = peaks
        .iter()
        .map(|peak| peak.beyond())
        .fold(f64::NAN, f64::max);
    let each =
        |show: &dyn Fn(&Peak) -> String| peaks.iter().map(show).collect::<Vec<_>>().join(" / ");
    let sizes = each(&|peak| format!("{:.1} M", peak.rows as f64 / 1e6));
    let beyond = |peak: Option<&Peak>| peak.map_or(f64::NAN, |peak| peak.beyond());
    let grown = beyond(peaks.last()) - beyond(peaks.first());
    let bound = if grown < GROWTH {
        "buffers, not rows"
    } else {
        "rows: it grows with them"
    };
    Row {
        what: what.to_owned(),
        on: on.to_owned(),
        ratio: worst,
        unit: Unit::Mib,
        goal: GOAL,
        ours: each(&|peak| format!("{:.1}", peak.step)) + " MiB",
        other: each(&|peak| format!("{:.1}", peak.rest)) + &format!(" MiB {rest}"),
        bound_by: format!(
            "{bound}: {} MiB beyond at {sizes} rows",
            each(&|peak| format!("{:.1}", peak.beyond())),
        ),
        samples: Vec::new(),
    }
}
