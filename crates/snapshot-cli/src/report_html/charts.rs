//! Charts as inline SVG, colored by the page's style: stacked columns, and maps of ranges of keys. They know
//! numbers and labels, not what these mean.

use super::text::{Escaped, Html, grouped};
use crate::report::bytes;

/// Units of the drawing; it is scaled to the page.
const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 28.0;

/// Columns have room for so many labels.
const LABELS: usize = 16;

/// Ranges side by side in a map.
const MAP_COLUMNS: usize = 16;

/// Units of one range in a map.
const CELL: usize = 14;

/// A column of a chart.
pub(super) struct Column {
    pub(super) label: String,
    /// What a pointer is told.
    pub(super) title: String,
    /// From the bottom; the index is the color.
    pub(super) parts: Vec<u64>,
    /// Whether it stands for something that should not be.
    pub(super) is_bad: bool,
}

/// What columns count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Rows,
    Bytes,
}

impl Unit {
    /// A number of them.
    pub(super) fn show(self, count: u64) -> String {
        match self {
            Self::Rows => grouped(count),
            Self::Bytes => bytes(count),
        }
    }

    /// The distance of about four lines that numbers up to `most` are read off by, round as people say them.
    fn step(self, most: u64) -> u64 {
        let mut unit = 1;
        while self == Self::Bytes && most / unit >= 1024 {
            unit *= 1024;
        }
        step(most.div_ceil(unit)) * unit
    }
}

/// Stacked columns with an axis.
pub(super) fn columns(what: &str, columns: &[Column], unit: Unit, html: &mut Html) {
    let total = |column: &Column| column.parts.iter().sum::<u64>();
    let step = unit.step(columns.iter().map(total).max().unwrap_or(0));
    let most = columns
        .iter()
        .map(total)
        .max()
        .unwrap_or(0)
        .div_ceil(step)
        .max(1)
        * step;
    let plot = HEIGHT - TOP - BOTTOM;
    let height = |value: u64| value as f64 / most as f64 * plot;
    html.put(format_args!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        Escaped(what)
    ));
    for line in 0..=most / step {
        let y = HEIGHT - BOTTOM - height(line * step);
        html.put(format_args!(
            "<line x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"y\" x=\"{:.0}\" y=\"{:.1}\">{}</text>\n",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            Escaped(&unit.show(line * step))
        ));
    }
    let slot = (WIDTH - LEFT - RIGHT) / columns.len().max(1) as f64;
    let width = (slot * 0.78).min(64.0);
    let every = columns.len().div_ceil(LABELS).max(1);
    for (index, column) in columns.iter().enumerate() {
        let middle = LEFT + slot * (index as f64 + 0.5);
        let mut y = HEIGHT - BOTTOM;
        html.put(format_args!("<g><title>{}</title>", Escaped(&column.title)));
        for (color, part) in column
            .parts
            .iter()
            .enumerate()
            .filter(|(_, part)| **part > 0)
        {
            // What is there is never too small to be seen.
            let tall = height(*part).max(1.0);
            y -= tall;
            let class = if column.is_bad {
                "wrong".to_owned()
            } else {
                format!("c{color}")
            };
            html.put(format_args!(
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\"/>",
                middle - width / 2.0
            ));
        }
        if index.is_multiple_of(every) {
            html.put(format_args!(
                "<text class=\"x\" x=\"{middle:.1}\" y=\"{:.0}\">{}</text>",
                HEIGHT - 8.0,
                Escaped(&column.label)
            ));
        }
        html.put(format_args!("</g>\n"));
    }
    html.put(format_args!("</svg>\n"));
}

/// As `Unit::step`, in decimals: 1, 2 or 5 and zeros.
fn step(most: u64) -> u64 {
    let mut unit = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let step = unit.saturating_mul(factor);
            if most.div_ceil(step) <= 4 {
                return step;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// What the colors mean.
pub(super) fn legend(names: &[&str], html: &mut Html) {
    html.put(format_args!("<p class=\"legend\">"));
    for (color, name) in names.iter().enumerate() {
        html.put(format_args!(
            "<span><i class=\"c{color}\"></i>{}</span> ",
            Escaped(name)
        ));
    }
    html.put(format_args!("</p>\n"));
}

/// A range of keys in a map.
pub(super) struct Cell {
    /// A class of the style.
    pub(super) class: &'static str,
    /// From 0 to 1.
    pub(super) strength: f64,
    pub(super) title: String,
}

/// A map of ranges of keys, one cell for each first byte.
pub(super) fn map(what: &str, rows: u64, cells: &[Cell], html: &mut Html) {
    let side = MAP_COLUMNS * CELL;
    html.put(format_args!(
        "<figure class=\"map\"><svg viewBox=\"-18 -16 {} {}\" role=\"img\" aria-label=\"{}\">\n",
        side + 20,
        side + 18,
        Escaped(what)
    ));
    for index in 0..MAP_COLUMNS {
        let at = index * CELL;
        html.put(format_args!(
            "<text class=\"x\" x=\"{}\" y=\"-5\">{index:x}</text>\
             <text class=\"y\" x=\"-5\" y=\"{}\">{index:x}0</text>",
            at + CELL / 2,
            at + CELL - 4
        ));
    }
    for (index, cell) in cells.iter().enumerate() {
        let (x, y) = (index % MAP_COLUMNS * CELL, index / MAP_COLUMNS * CELL);
        html.put(format_args!(
            "<rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" fill-opacity=\"{:.2}\">\
             <title>{}</title></rect>\n",
            cell.class,
            CELL - 1,
            CELL - 1,
            cell.strength,
            Escaped(&cell.title)
        ));
    }
    html.put(format_args!(
        "</svg><figcaption>{}<br><span class=\"quiet\">{} rows</span></figcaption></figure>\n",
        Escaped(what),
        grouped(rows)
    ));
}

#[cfg(test)]
mod tests {
    use super::{Unit, step};

    #[test]
    fn lines_stand_at_round_numbers() {
        assert_eq!(
            [0, 1, 4, 5, 9, 234, 4000].map(step),
            [1, 1, 1, 2, 5, 100, 1000]
        );
        assert_eq!(Unit::Bytes.step(3 << 20), 1 << 20);
        assert_eq!(step(u64::MAX), 5_000_000_000_000_000_000);
    }
}
