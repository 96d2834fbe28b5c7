//! Snapshot file to a database: its three tables alone, and all that a restore does.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use snapshot_store::Progress;
use snapshot_store::load::bulk_load;
use snapshot_store::restore::{RestoreOptions, restore};

use super::{Bench, named, seconds};
use crate::measure::{Samples, Took, alternate, time};
use crate::report::{Goal, Row, Unit};
use crate::{baseline, machine};

/// What a restore must reach, and what is aimed at.
const GOAL: Goal = Goal::new(4.0, 6.0);

impl Bench {
    /// Against the baseline's write batches.
    pub(super) fn restore(&self, snapshot: &Path) -> Result<Vec<Row>> {
        let dir = self.dir.join("loaded");
        let fresh = |work: &dyn Fn() -> Result<()>| -> Result<Took> {
            machine::settle(&self.dir)?;
            let took = time(work)?.1;
            fs::remove_dir_all(&dir)?;
            Ok(took)
        };
        let written = |outcome: baseline::Outcome| {
            let any = outcome.rows > 0 || self.rows == 0;
            ensure!(any, "the baseline loaded nothing");
            Ok(())
        };
        let load = || Ok(bulk_load(snapshot, &dir, &Progress::new()).map(drop)?);
        let files = [snapshot.to_path_buf()];
        let options = RestoreOptions::default();
        let whole = || Ok(restore(&files, &dir, &options, &Progress::new()).map(drop)?);
        let [ours, theirs, ours_whole, theirs_whole] = alternate(
            self.runs,
            [
                &mut || fresh(&load),
                &mut || fresh(&|| written(baseline::load(snapshot, &dir)?)),
                &mut || fresh(&whole),
                &mut || fresh(&|| written(baseline::load_with_aggregate(snapshot, &dir)?)),
            ],
        )?;
        Ok(vec![
            row(
                "restore, three tables, verified, vs baseline",
                &ours,
                &theirs,
            ),
            row(
                "  all tables, read back, vs baseline",
                &ours_whole,
                &theirs_whole,
            ),
        ])
    }
}

fn row(what: &str, ours: &Samples, theirs: &Samples) -> Row {
    Row {
        what: what.to_owned(),
        on: "compacted".to_owned(),
        ratio: theirs.median() / ours.median(),
        unit: Unit::TimesAsFast,
        goal: GOAL,
        ours: seconds(ours),
        other: seconds(theirs),
        bound_by: format!(
            "writing SST files: {:.1} processors busy",
            ours.median_cpu() / ours.median()
        ),
        samples: named(&[("ours", ours), ("baseline", theirs)]),
    }
}
