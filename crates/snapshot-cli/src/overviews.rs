//! What a report says, before it is drawn: the overview of each input, how those of one epoch compare, how
//! epochs follow each other, and the verdict. As JSON for programs; `report_html` draws it.

use std::collections::BTreeMap;

use serde::Serialize;
use snapshot_format::Epoch;
use snapshot_store::SnapshotSummary;
use snapshot_tools::overview::Overview;
use snapshot_tools::overview::checks::{Check, Level, checks, worst};
use snapshot_tools::overview::compare::{Divergence, divergence};
use snapshot_tools::overview::series::growth;

use crate::report::SnapshotReport;

/// One input that could be read.
#[derive(Debug, Serialize)]
pub(crate) struct Shot {
    /// As it was given.
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    #[serde(flatten)]
    pub(crate) snapshot: SnapshotReport,
    pub(crate) checks: Vec<Check>,
    pub(crate) overview: Overview,
}

/// An input that could not be read.
#[derive(Debug, Serialize)]
pub(crate) struct Unreadable {
    pub(crate) path: String,
    pub(crate) error: String,
}

/// Inputs of one epoch.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    pub(crate) epoch: Option<Epoch>,
    /// Which, by index.
    pub(crate) members: Vec<usize>,
    /// Its groups are indices into `members`.
    pub(crate) divergence: Divergence,
    pub(crate) check: Check,
}

/// Inputs of several epochs.
#[derive(Debug, Serialize)]
pub(crate) struct Series {
    /// One for each epoch, by index, in the order of epochs: of several, the one that most agree with.
    pub(crate) members: Vec<usize>,
    pub(crate) checks: Vec<Check>,
}

/// All that a report says.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    pub(crate) verdict: Level,
    pub(crate) comparisons: Vec<Compared>,
    pub(crate) series: Option<Series>,
    pub(crate) unusable: Vec<Unreadable>,
    pub(crate) snapshots: Vec<Shot>,
}

impl Shot {
    /// An input that was read to its end.
    pub(crate) fn new(
        path: String,
        kind: &'static str,
        summary: &SnapshotSummary,
        overview: Overview,
    ) -> Self {
        Self {
            path,
            kind,
            snapshot: summary.into(),
            checks: checks(&overview),
            overview,
        }
    }
}

impl Findings {
    /// Compares what belongs together, and judges all.
    pub(crate) fn new(snapshots: Vec<Shot>, unusable: Vec<Unreadable>) -> Self {
        let epochs = by_epoch(&snapshots);
        let compared: Vec<Compared> = epochs
            .into_iter()
            .map(|(epoch, members)| compared(epoch, members, &snapshots))
            .collect();
        let series = series(&compared, &snapshots);
        let comparisons: Vec<Compared> = compared
            .into_iter()
            .filter(|compared| compared.members.len() > 1)
            .collect();
        let mut findings = Self {
            verdict: Level::Good,
            comparisons,
            series,
            unusable,
            snapshots,
        };
        findings.verdict = if findings.unusable.is_empty() {
            worst(findings.checks().map(|(_, check)| check))
        } else {
            Level::Bad
        };
        findings
    }

    /// All checks; those of one input with its index.
    pub(crate) fn checks(&self) -> impl Iterator<Item = (Option<usize>, &Check)> {
        let comparisons = self.comparisons.iter().map(|compared| &compared.check);
        let series = self.series.iter().flat_map(|series| &series.checks);
        let of_one = self.snapshots.iter().enumerate();
        let of_one =
            of_one.flat_map(|(index, shot)| shot.checks.iter().map(move |it| (Some(index), it)));
        comparisons
            .chain(series)
            .map(|check| (None, check))
            .chain(of_one)
    }

    /// The input with this index.
    pub(crate) fn shot(&self, index: usize) -> Option<&Shot> {
        self.snapshots.get(index)
    }
}

/// Those whose epoch is not known belong to the only epoch there is, if there is one.
fn by_epoch(snapshots: &[Shot]) -> BTreeMap<Option<Epoch>, Vec<usize>> {
    let mut epochs: BTreeMap<Option<Epoch>, Vec<usize>> = BTreeMap::new();
    for (index, shot) in snapshots.iter().enumerate() {
        epochs.entry(shot.overview.epoch()).or_default().push(index);
    }
    if epochs.len() == 2
        && let Some(unknown) = epochs.remove(&None)
        && let Some(mut known) = epochs.last_entry()
    {
        known.get_mut().extend(unknown);
        known.get_mut().sort_unstable();
    }
    epochs
}

fn compared(epoch: Option<Epoch>, members: Vec<usize>, snapshots: &[Shot]) -> Compared {
    let shots = members.iter().filter_map(|index| snapshots.get(*index));
    let overviews: Vec<&Overview> = shots.map(|shot| &shot.overview).collect();
    let divergence = divergence(&overviews);
    Compared {
        epoch,
        members,
        check: divergence.check(),
        divergence,
    }
}

fn series(compared: &[Compared], snapshots: &[Shot]) -> Option<Series> {
    let known = compared.iter().filter(|compared| compared.epoch.is_some());
    let members: Vec<usize> = known
        .filter_map(|compared| {
            let first = *compared.divergence.groups.first()?.first()?;
            compared.members.get(first).copied()
        })
        .collect();
    let shots = members.iter().filter_map(|index| snapshots.get(*index));
    let overviews: Vec<&Overview> = shots.map(|shot| &shot.overview).collect();
    (members.len() > 1).then(|| Series {
        checks: growth(&overviews),
        members,
    })
}
