//! Who of many agrees, who does not, and where to look next: fingerprints side by side.
//!
//! Whether snapshots agree is decided by whole digests alone; `locate` finds where they do not. Fingerprints
//! of different epochs are not compared with each other.

mod locate;

pub use locate::{Located, RangeDifference};

use serde::Serialize;
use snapshot_format::{Epoch, Table};

use crate::fingerprint::{Fingerprint, Focus, InputKind, Prefix, RangeDigest};
use crate::header::{HeaderDifference, HeaderFacts, Origin};
use crate::side::Sides;

/// Who agrees with whom. Inputs are named by their place in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The inputs of each epoch, the one with the most inputs first. One whose epoch is not known counts with
    /// the others if those agree.
    pub epochs: Vec<OfEpoch>,
}

/// The inputs of one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfEpoch {
    /// The epoch, if it is known.
    pub epoch: Option<Epoch>,
    /// Inputs with the same rows, the largest group first; of two equally large ones, that of the first input.
    pub groups: Vec<Group>,
    /// Whether more than half of the inputs are in the first group.
    pub has_majority: bool,
    /// Inputs whose header contradicts that of the first input of the first group.
    pub headers: Vec<HeaderOutlier>,
}

/// Inputs with the same rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The digest of all their rows.
    pub content: RangeDigest,
    /// The inputs.
    pub members: Vec<usize>,
    /// In which tables they differ from the first group.
    pub tables: Vec<TableDifference>,
}

/// What a table differs in, between the first group and another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableDifference {
    /// The table.
    pub table: Table,
    /// Rows, in the first group and in the other.
    pub rows: Sides<u64>,
    /// Two inputs whose fingerprints say most about it, one of each group.
    pub inputs: Sides<usize>,
    /// What they say.
    pub located: Located,
}

/// An input whose header differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeaderOutlier {
    /// The input.
    pub input: usize,
    /// In what: the first input of the first group is `a`, this one `b`.
    pub fields: Vec<HeaderDifference>,
}

impl Comparison {
    /// Whether all inputs agree.
    #[must_use]
    pub fn agree(&self) -> bool {
        match self.epochs.as_slice() {
            [] => true,
            [one] => one.groups.len() <= 1 && one.headers.is_empty(),
            _ => false,
        }
    }
}

impl TableDifference {
    /// What to take fingerprints of next, if they can tell more.
    #[must_use]
    pub fn next(&self) -> Option<Focus> {
        let prefix = match &self.located {
            Located::Unknown | Located::Elsewhere { .. } => Prefix::EMPTY,
            Located::Ranges { differing, .. } => differing.first()?.prefix,
            Located::Keys { only, differ } => {
                let mut keys = differ.iter().chain(&only.a).chain(&only.b);
                Prefix::from(*keys.next()?)
            }
            Located::Row { .. } => return None,
        };
        Some(Focus::Range(self.table, prefix))
    }
}

/// What the header of a fingerprint says.
fn facts(print: &Fingerprint) -> HeaderFacts {
    let origin = match print.kind {
        InputKind::Database => Origin::Assumed,
        InputKind::File | InputKind::Stdin => Origin::Found,
    };
    HeaderFacts::new(&print.header, origin)
}

/// Compares fingerprints.
#[must_use]
pub fn compare(prints: &[Fingerprint]) -> Comparison {
    let mut by_epoch: Vec<(Option<Epoch>, Vec<usize>)> = Vec::new();
    for (index, print) in prints.iter().enumerate() {
        push(&mut by_epoch, facts(print).epoch(), index);
    }
    let known = by_epoch.iter().filter(|(epoch, _)| epoch.is_some()).count();
    if let (1, 2) = (known, by_epoch.len()) {
        let epoch = by_epoch.iter().find_map(|(epoch, _)| *epoch);
        let mut members: Vec<usize> = by_epoch
            .drain(..)
            .flat_map(|(_, members)| members)
            .collect();
        members.sort_unstable();
        by_epoch.push((epoch, members));
    }
    // Stable, so that of two equally large ones the first given stays first.
    by_epoch.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    let epochs = by_epoch
        .into_iter()
        .map(|(epoch, members)| of_epoch(prints, epoch, &members))
        .collect();
    Comparison { epochs }
}

fn of_epoch(prints: &[Fingerprint], epoch: Option<Epoch>, members: &[usize]) -> OfEpoch {
    let print = |index: &usize| prints.get(*index).map(|print| (*index, print));
    let mut by_content: Vec<(RangeDigest, Vec<usize>)> = Vec::new();
    for (index, print) in members.iter().filter_map(print) {
        push(&mut by_content, print.content, index);
    }
    by_content.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    let first: Vec<(usize, &Fingerprint)> = by_content
        .first()
        .map(|(_, members)| members.iter().filter_map(print).collect())
        .unwrap_or_default();
    let groups: Vec<Group> = by_content
        .iter()
        .map(|(content, members)| {
            let others: Vec<(usize, &Fingerprint)> = members.iter().filter_map(print).collect();
            Group {
                content: *content,
                members: members.clone(),
                tables: tables(&first, &others),
            }
        })
        .collect();
    let largest = first.len();
    let headers = first.first().map(|(_, reference)| {
        let reference = facts(reference);
        let others = members.iter().filter_map(print);
        others
            .map(|(input, print)| HeaderOutlier {
                input,
                fields: reference.differences(&facts(print)),
            })
            .filter(|outlier| !outlier.fields.is_empty())
            .collect()
    });
    OfEpoch {
        epoch,
        groups,
        has_majority: largest * 2 > members.len(),
        headers: headers.unwrap_or_default(),
    }
}

/// In which tables two groups differ.
fn tables(
    first: &[(usize, &Fingerprint)],
    others: &[(usize, &Fingerprint)],
) -> Vec<TableDifference> {
    let (Some((_, one)), Some((_, other))) = (first.first(), others.first()) else {
        return Vec::new();
    };
    let differs = |table: &Table| {
        let (one, other) = (&one.tables[*table], &other.tables[*table]);
        (one.rows, one.digest) != (other.rows, other.digest)
    };
    let tables = Table::ALL.into_iter().filter(differs);
    tables
        .filter_map(|table| {
            let (inputs, located) = locate::best(table, first, others)?;
            Some(TableDifference {
                table,
                rows: Sides {
                    a: one.tables[table].rows,
                    b: other.tables[table].rows,
                },
                inputs,
                located,
            })
        })
        .collect()
}

/// Adds a member to the group of `key`, in the order in which keys first come.
fn push<K: PartialEq>(groups: &mut Vec<(K, Vec<usize>)>, key: K, member: usize) {
    match groups.iter_mut().find(|(of, _)| *of == key) {
        Some((_, members)) => members.push(member),
        None => groups.push((key, vec![member])),
    }
}
