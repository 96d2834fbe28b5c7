//! How a table is cut into key ranges, so that threads can scan it side by side.
//!
//! The cut decides who reads what, never what is written: any cut gives the same rows in the same
//! order.

/// A range of keys: from `lower` on, up to but without `upper`; an absent bound is the table's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub(crate) lower: Option<[u8; 16]>,
    pub(crate) upper: Option<[u8; 16]>,
}

/// Rows known to lie between two keys, both included: an SST file, or a memtable.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    first: u128,
    last: u128,
    rows: f64,
}

impl Extent {
    /// `rows` rows between two keys.
    pub(crate) fn new(first: &[u8], last: &[u8], rows: u64) -> Self {
        Self {
            first: prefix(first),
            last: prefix(last),
            rows: rows as f64,
        }
    }

    /// `rows` rows anywhere.
    pub(crate) const fn anywhere(rows: u64) -> Self {
        Self {
            first: 0,
            last: u128::MAX,
            rows: rows as f64,
        }
    }

    /// Rows expected from `lower` up to and with `upper`, if they lie evenly.
    fn rows_within(&self, lower: u128, upper: u128) -> f64 {
        let (from, to) = (lower.max(self.first), upper.min(self.last));
        if from > to {
            return 0.0;
        }
        let share = (to - from) as f64 + 1.0;
        self.rows * share / ((self.last - self.first) as f64 + 1.0)
    }
}

/// The first 16 bytes of a key as a number that orders as keys do; shorter keys end in zeros.
fn prefix(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(key) {
        *to = *from;
    }
    u128::from_be_bytes(bytes)
}

/// Cuts the key space into ranges of about `target` rows or somewhat fewer, in key order.
pub(crate) fn cut(extents: &[Extent], target: u64) -> Vec<KeyRange> {
    let mut cuts = Vec::new();
    divide(extents, target.max(1) as f64, 0, u128::MAX, &mut cuts);
    let lowers = std::iter::once(None).chain(cuts.iter().copied().map(Some));
    let uppers = cuts.iter().copied().map(Some).chain(std::iter::once(None));
    lowers
        .zip(uppers)
        .map(|(lower, upper)| KeyRange {
            lower: lower.map(u128::to_be_bytes),
            upper: upper.map(u128::to_be_bytes),
        })
        .collect()
}

/// Divides `lower..=upper` into as many parts as its rows need, all of about as many rows, and notes
/// where parts begin.
fn divide(extents: &[Extent], target: f64, lower: u128, upper: u128, cuts: &mut Vec<u128>) {
    let touching: Vec<Extent> = extents
        .iter()
        .filter(|extent| extent.first <= upper && extent.last >= lower)
        .cloned()
        .collect();
    let rows = rows_within(&touching, lower, upper);
    // What rounding adds to a part of just the right size is no reason to divide it.
    let parts = (rows / target * (1.0 - 1e-9)).ceil();
    if parts < 2.0 || lower == upper {
        return;
    }
    let below = rows * (parts / 2.0).floor() / parts;
    let last = last_key_below(&touching, below, lower, upper);
    divide(&touching, target, lower, last, cuts);
    cuts.push(last + 1);
    divide(&touching, target, last + 1, upper, cuts);
}

/// The key of `lower..upper` up to which about `rows` rows lie.
fn last_key_below(extents: &[Extent], rows: f64, lower: u128, upper: u128) -> u128 {
    let (mut from, mut to) = (lower, upper - 1);
    while from < to {
        let middle = from + (to - from) / 2;
        if rows_within(extents, lower, middle) < rows {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    from
}

fn rows_within(extents: &[Extent], lower: u128, upper: u128) -> f64 {
    extents
        .iter()
        .map(|extent| extent.rows_within(lower, upper))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ranges cover every key once: each begins where the one before ends.
    fn assert_covers(ranges: &[KeyRange]) {
        assert_eq!(ranges.first().and_then(|range| range.lower), None);
        assert_eq!(ranges.last().and_then(|range| range.upper), None);
        for pair in ranges.windows(2) {
            assert_eq!(pair[0].upper, pair[1].lower);
            assert!(pair[0].upper.is_some());
            assert!(pair[0].lower < pair[1].lower);
        }
    }

    #[test]
    fn even_keys_are_cut_evenly() {
        let ranges = cut(&[Extent::anywhere(1_000_000)], 30_000);
        assert_covers(&ranges);
        assert_eq!(ranges.len(), 34);
        let starts: Vec<u128> = ranges
            .iter()
            .filter_map(|range| range.lower)
            .map(u128::from_be_bytes)
            .collect();
        let even = u128::MAX / 34;
        for pair in starts.windows(2) {
            assert!(
                (pair[1] - pair[0]).abs_diff(even) < even / 1000,
                "{starts:?}"
            );
        }
    }

    #[test]
    fn crowded_keys_are_cut_where_they_are() {
        let crowd = Extent::new(&[0x7f; 32], &[0x7f, 0x7f, 0x80], 1_000_000);
        let ranges = cut(&[crowd], 40_000);
        assert_covers(&ranges);
        let inside = |range: &&KeyRange| {
            range
                .lower
                .is_some_and(|lower| lower.starts_with(&[0x7f, 0x7f]))
        };
        assert_eq!(ranges.len(), 25, "{ranges:?}");
        assert_eq!(ranges.iter().filter(inside).count(), 24, "{ranges:?}");
    }

    #[test]
    fn equal_keys_and_empty_tables_end() {
        assert_eq!(cut(&[], 1), [KeyRange::default()]);
        let ranges = cut(&[Extent::new(&[9; 32], &[9; 32], 1_000_000)], 1);
        assert_covers(&ranges);
        assert_eq!(cut(&[Extent::anywhere(100)], 0).len(), 100);
    }
}
