//! Where several snapshots of one epoch differ, as a map by ranges of keys. Who differs row by row, and why,
//! is for `diff`.

use std::collections::BTreeSet;

use serde::Serialize;
use snapshot_format::{PerTable, Table};

use super::Overview;
use super::checks::{Check, Level};
use crate::header::HeaderFacts;

/// Who agrees, and where the others differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// Snapshots with the same rows, by index; the largest group first.
    pub groups: Vec<Vec<usize>>,
    /// The first bytes of the keys in whose ranges not all agree.
    pub differing: PerTable<Vec<u8>>,
    /// The fields in which headers contradict each other, though the rows agree.
    pub header: Vec<&'static str>,
}

impl Divergence {
    /// Whether all agree.
    #[must_use]
    pub fn agree(&self) -> bool {
        self.groups.len() <= 1 && self.header.is_empty()
    }

    /// What to think of it.
    #[must_use]
    pub fn check(&self) -> Check {
        let ranges: usize = self.differing.iter().map(|(_, bytes)| bytes.len()).sum();
        let sizes: Vec<String> = self
            .groups
            .iter()
            .map(|group| group.len().to_string())
            .collect();
        match (self.groups.len(), self.header.as_slice()) {
            (0 | 1, []) => {
                let all = self.groups.first().map_or(0, Vec::len);
                Check::new(Level::Good, format_args!("all {all} have the same rows"))
            }
            (0 | 1, fields) => Check::new(
                Level::Bad,
                format_args!(
                    "the rows are the same, but the headers differ in {}: was one of another boundary?",
                    fields.join(", ")
                ),
            ),
            (groups, _) => Check::new(
                Level::Bad,
                format_args!(
                    "{groups} different contents ({} snapshots), in {ranges} of {} ranges of keys: \
                     run `blob-snapshot diff` on two that differ",
                    sizes.join(" + "),
                    3 * super::RANGES
                ),
            ),
        }
    }
}

/// Looks where snapshots of one epoch differ.
#[must_use]
pub fn divergence(overviews: &[&Overview]) -> Divergence {
    let mut groups: Vec<(&Overview, Vec<usize>)> = Vec::new();
    for (index, overview) in overviews.iter().enumerate() {
        let same = groups
            .iter_mut()
            .find(|(first, _)| first.ranges == overview.ranges);
        match same {
            Some((_, members)) => members.push(index),
            None => groups.push((overview, vec![index])),
        }
    }
    groups.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    Divergence {
        differing: PerTable::from_fn(|table| differing(&groups, table)),
        header: header(overviews),
        groups: groups.into_iter().map(|(_, members)| members).collect(),
    }
}

fn differing(groups: &[(&Overview, Vec<usize>)], table: Table) -> Vec<u8> {
    let range = |overview: &Overview, byte| overview.ranges[table].range(byte);
    let is_torn = |byte: &u8| {
        let mut all = groups.iter().map(|(overview, _)| range(overview, *byte));
        let first = all.next();
        all.any(|other| Some(other) != first)
    };
    (0..=u8::MAX).filter(is_torn).collect()
}

fn header(overviews: &[&Overview]) -> Vec<&'static str> {
    let facts = |overview: &&Overview| HeaderFacts::new(&overview.header, overview.origin);
    let facts: Vec<HeaderFacts> = overviews.iter().map(facts).collect();
    let mut fields = BTreeSet::new();
    for (index, one) in facts.iter().enumerate() {
        for other in facts.iter().skip(index + 1) {
            fields.extend(one.differences(other).into_iter().map(|found| found.field));
        }
    }
    fields.into_iter().collect()
}
