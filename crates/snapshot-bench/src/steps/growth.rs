//! Cost for each row as the number of rows grows.

use std::fs;
use std::path::Path;

use anyhow::Result;
use snapshot_store::{CreateOptions, Progress, verify_file};

use super::{Bench, create, open, sealed};
use crate::database::{self, Layout};
use crate::machine;
use crate::measure::{Samples, alternate, time};
use crate::report::{Goal, NamedSamples, Row, Unit};

/// The sizes measured, in halves of the number of rows.
const HALVES: [u64; 5] = [1, 2, 5, 10, 20];

/// The dearest row may cost a tenth more than the cheapest.
const GOAL: Goal = Goal::bar(1.1);

/// The steps, in the order of their samples.
const STEPS: [&str; 3] = ["create, fsynced", "create to /dev/null", "verify"];

impl Bench {
    /// One line for each step.
    pub(super) fn growth(&self, say: &mut impl FnMut(&str)) -> Result<Vec<Row>> {
        let mut sizes = Vec::new();
        for halves in HALVES {
            let rows = self.rows * halves / 2;
            say(&format!("growth: {rows} rows"));
            sizes.push((rows, self.at_size(rows)?));
        }
        let row = |(step, name): (usize, &&str)| {
            let of_step = |samples: &[Samples; STEPS.len()]| samples.get(step).cloned();
            let points: Vec<(u64, Samples)> = sizes
                .iter()
                .filter_map(|(rows, samples)| Some((*rows, of_step(samples)?)))
                .collect();
            line(name, &points)
        };
        Ok(STEPS.iter().enumerate().map(row).collect())
    }

    fn at_size(&self, rows: u64) -> Result<[Samples; STEPS.len()]> {
        let scratch = self.dir.join("scratch");
        let path = self.dir.join("growth.bin");
        let db = database::make(&scratch, rows, Layout::Compacted)?.path;
        let database = open(&db)?;
        let to = |path: &Path| -> Result<_> {
            let options = CreateOptions::default();
            Ok(time(|| create(&database, &sealed(), path, &options))?.1)
        };
        let mut fsynced = || {
            if path.exists() {
                fs::remove_file(&path)?;
            }
            machine::settle(&self.dir)?;
            to(&path)
        };
        let mut null = || to(Path::new("/dev/null"));
        let mut verify = || Ok(time(|| Ok(verify_file(&path, &Progress::new())?))?.1);
        let samples = alternate(self.runs, [&mut fsynced, &mut null, &mut verify])?;
        drop(database);
        fs::remove_file(&path)?;
        fs::remove_dir_all(&scratch)?;
        Ok(samples)
    }
}

fn line(name: &str, points: &[(u64, Samples)]) -> Row {
    let costs: Vec<f64> = points
        .iter()
        .map(|(rows, samples)| samples.median() * 1e9 / *rows as f64)
        .collect();
    let dearest = costs.iter().copied().fold(f64::NAN, f64::max);
    let cheapest = costs.iter().copied().fold(f64::NAN, f64::min);
    let join = |texts: Vec<String>| texts.join(" / ");
    Row {
        what: format!("growth of {name}"),
        on: join(
            points
                .iter()
                .map(|(rows, _)| format!("{}", *rows as f64 / 1e6))
                .collect(),
        ) + " M rows",
        ratio: dearest / cheapest,
        unit: Unit::CostSpread,
        goal: GOAL,
        ours: join(costs.iter().map(|cost| format!("{cost:.0}")).collect()) + " ns/row",
        other: "the cheapest of them".to_owned(),
        bound_by: "as at one size".to_owned(),
        samples: points
            .iter()
            .map(|(rows, samples)| NamedSamples {
                side: format!("{rows} rows"),
                samples: samples.clone(),
            })
            .collect(),
    }
}
