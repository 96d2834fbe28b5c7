//! How snapshots of several epochs follow each other.

use snapshot_format::{Epoch, Table};

use super::Overview;
use super::checks::{Check, Level};

/// A table that grows or shrinks by more than this factor from one epoch to the next is doubtful.
const FACTOR: u64 = 2;

/// Below so many rows a factor says nothing.
const FEW_ROWS: u64 = 1000;

/// Judges snapshots of different epochs, in the order of their epochs.
#[must_use]
pub fn growth(series: &[&Overview]) -> Vec<Check> {
    let mut checks = Vec::new();
    for pair in series.windows(2) {
        let [before, after] = pair else { continue };
        let (Some(from), Some(to)) = (before.epoch(), after.epoch()) else {
            continue;
        };
        if to.0 > from.0 + 1 {
            let text = missing(from, to);
            checks.push(Check::new(Level::Doubt, text));
        }
        for table in Table::ALL {
            checks.extend(jump(before, after, table, from, to));
        }
    }
    if checks.is_empty() {
        checks.push(Check::new(
            Level::Good,
            "one epoch follows the other, and no table jumps",
        ));
    }
    checks
}

fn missing(from: Epoch, to: Epoch) -> String {
    match (from.0 + 1, to.0 - 1) {
        (first, last) if first == last => format!("epoch {first} is not among these"),
        (first, last) => format!("epochs {first} to {last} are not among these"),
    }
}

fn jump(
    before: &Overview,
    after: &Overview,
    table: Table,
    from: Epoch,
    to: Epoch,
) -> Option<Check> {
    let (was, is) = (before.tables[table].rows, after.tables[table].rows);
    let (least, most) = (was.min(is), was.max(is));
    // An epoch that is missing makes room for one factor more.
    let epochs = (to.0 - from.0).min(16);
    let factor = FACTOR.saturating_pow(epochs);
    (most >= FEW_ROWS && most > least.saturating_mul(factor)).then(|| {
        let text = format_args!(
            "{table} goes from {was} rows in epoch {from} to {is} in epoch {to}: compare with other nodes"
        );
        Check::new(Level::Doubt, text)
    })
}
