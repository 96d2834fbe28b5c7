//! Snapshot file to loaded and flushed tables in a new database.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use snapshot_store::Progress;
use snapshot_store::load::bulk_load;

use super::{Bench, named, seconds};
use crate::measure::{Took, alternate, time};
use crate::report::{Goal, Row, Unit};
use crate::{baseline, machine};

impl Bench {
    /// Against the baseline's write batches.
    pub(super) fn load(&self, snapshot: &Path) -> Result<Vec<Row>> {
        let dir = self.dir.join("loaded");
        let fresh = |work: &dyn Fn() -> Result<()>| -> Result<Took> {
            machine::settle(&self.dir)?;
            machine::warm(snapshot)?;
            let took = time(work)?.1;
            fs::remove_dir_all(&dir)?;
            Ok(took)
        };
        let mut ours = || {
            fresh(&|| {
                bulk_load(snapshot, &dir, &Progress::new())?;
                Ok(())
            })
        };
        let mut theirs = || {
            fresh(&|| {
                let outcome = baseline::load(snapshot, &dir)?;
                ensure!(
                    outcome.rows > 0 || self.rows == 0,
                    "the baseline loaded nothing"
                );
                Ok(())
            })
        };
        let [ours, theirs] = alternate(self.runs, [&mut ours, &mut theirs])?;
        Ok(vec![Row {
            what: "bulk load, verified, vs baseline".to_owned(),
            on: "compacted".to_owned(),
            ratio: theirs.median() / ours.median(),
            unit: Unit::TimesAsFast,
            goal: Goal::NONE,
            ours: seconds(&ours),
            other: seconds(&theirs),
            bound_by: format!(
                "writing SST files: {:.1} processors busy",
                ours.median_cpu() / ours.median()
            ),
            samples: named(&[("ours", &ours), ("baseline", &theirs)]),
        }])
    }
}
