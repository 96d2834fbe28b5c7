//! The table of results: what a row holds, whether it meets its bar, and how it is printed.

use std::fmt::Write as _;

use serde::Serialize;

use crate::machine::{Machine, Noise};
use crate::measure::Samples;

/// What a figure says and which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Time of the other side by ours: more is better.
    TimesAsFast,
    /// Our time by the other side's: less is better.
    TimesAsLong,
    /// GiB a second: more is better.
    GibPerSecond,
    /// MiB of memory: less is better.
    Mib,
    /// KiB sent: less is better.
    Kib,
    /// The dearest row by the cheapest, over all sizes: less is better.
    CostSpread,
}

impl Unit {
    const fn more_is_better(self) -> bool {
        matches!(self, Self::TimesAsFast | Self::GibPerSecond)
    }

    fn format(self, value: f64) -> String {
        match self {
            Self::TimesAsFast => format!("{value:.2}x faster"),
            Self::TimesAsLong => format!("{value:.2}x"),
            Self::GibPerSecond => format!("{value:.2} GiB/s"),
            Self::Mib => format!("{value:.1} MiB"),
            Self::Kib => format!("{value:.1} KiB"),
            Self::CostSpread => format!("{value:.3}x"),
        }
    }
}

/// What a figure should reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Goal {
    /// What it must reach.
    pub bar: Option<f64>,
    /// What it aims at.
    pub stretch: Option<f64>,
}

impl Goal {
    /// Nothing: the figure explains another one.
    pub const NONE: Self = Self {
        bar: None,
        stretch: None,
    };

    /// A bar and an aim beyond.
    #[must_use]
    pub const fn new(bar: f64, stretch: f64) -> Self {
        Self {
            bar: Some(bar),
            stretch: Some(stretch),
        }
    }

    /// A bar alone.
    #[must_use]
    pub const fn bar(bar: f64) -> Self {
        Self {
            bar: Some(bar),
            stretch: None,
        }
    }

    /// An aim without a bar.
    #[must_use]
    pub const fn stretch(stretch: f64) -> Self {
        Self {
            bar: None,
            stretch: Some(stretch),
        }
    }
}

/// Whether a figure reaches its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The bar is missed.
    Missed,
    /// The bar is met, the aim beyond is not.
    Met,
    /// Bar and aim are met, or the one of them that there is.
    Stretch,
    /// There is an aim only, and it is not met.
    StretchMissed,
    /// There is neither.
    Informative,
}

impl Verdict {
    const fn text(self) -> &'static str {
        match self {
            Self::Missed => "MISSED",
            Self::Met => "met",
            Self::Stretch => "met, stretch too",
            Self::StretchMissed => "stretch missed",
            Self::Informative => "-",
        }
    }
}

/// The samples of one side under its name.
#[derive(Clone, Debug, Serialize)]
pub struct NamedSamples {
    /// Which side.
    pub side: String,
    /// Its times.
    #[serde(flatten)]
    pub samples: Samples,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// On which database or file.
    pub on: String,
    /// The figure that is judged.
    pub ratio: f64,
    /// What it says.
    pub unit: Unit,
    /// What it should reach.
    pub goal: Goal,
    /// Our side, for people.
    pub ours: String,
    /// The other side, for people.
    pub other: String,
    /// What bounds our side, by these measurements.
    pub bound_by: String,
    /// All times behind the row.
    pub samples: Vec<NamedSamples>,
}

impl Row {
    /// Whether the row reaches its goal.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let reaches = |goal: f64| {
            if self.unit.more_is_better() {
                self.ratio >= goal
            } else {
                self.ratio <= goal
            }
        };
        match (self.goal.bar.map(reaches), self.goal.stretch.map(reaches)) {
            (Some(false), _) => Verdict::Missed,
            (Some(true), Some(false)) => Verdict::Met,
            (Some(true), None) => Verdict::Met,
            (_, Some(true)) => Verdict::Stretch,
            (None, Some(false)) => Verdict::StretchMissed,
            (None, None) => Verdict::Informative,
        }
    }

    fn cells(&self) -> [String; 9] {
        let goal =
            |goal: Option<f64>| goal.map_or_else(|| "-".to_owned(), |goal| self.unit.format(goal));
        [
            self.what.clone(),
            self.on.clone(),
            self.unit.format(self.ratio),
            goal(self.goal.bar),
            goal(self.goal.stretch),
            self.verdict().text().to_owned(),
            self.ours.clone(),
            self.other.clone(),
            self.bound_by.clone(),
        ]
    }
}

/// Everything one run found out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where it was measured.
    pub machine: Machine,
    /// What else ran there.
    pub noise: Noise,
    /// Rows of `per_object_blob_info` in the databases.
    pub rows: u64,
    /// Runs of each side.
    pub runs: usize,
    /// The lines.
    pub table: Vec<Row>,
}

/// The heads of the columns.
const HEADS: [&str; 9] = [
    "step",
    "on",
    "ratio",
    "bar",
    "stretch",
    "met?",
    "ours",
    "other side",
    "bound by",
];

impl Report {
    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        let Machine {
            processor,
            processors,
            kernel,
        } = &self.machine;
        let Noise { others, stolen } = self.noise;
        let mut text = format!(
            "{} rows, medians of {} runs of each side in turns; {processors} processors \
             ({processor}), Linux {kernel}\nmeanwhile {others:.2} processors were busy with other \
             things, and {stolen:.2} stolen\n",
            self.rows, self.runs
        );
        if self.noise.spoils() {
            text.push_str("NOISY: do not trust these times, measure again on a quiet machine\n");
        }
        text.push('\n');
        let lines: Vec<[String; 9]> = std::iter::once(HEADS.map(str::to_owned))
            .chain(self.table.iter().map(Row::cells))
            .collect();
        let width = |column: usize| {
            lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(String::len)
                .max()
                .unwrap_or(0)
        };
        let widths: [usize; 9] = std::array::from_fn(width);
        for line in &lines {
            let mut padded = String::new();
            for (cell, width) in line.iter().zip(widths) {
                // Writing to a string cannot fail.
                let _ = write!(padded, "{cell:width$}  ");
            }
            text.push_str(padded.trim_end());
            text.push('\n');
        }
        text
    }

    /// The report for programs.
    ///
    /// # Errors
    ///
    /// None: all of it has a JSON form.
    pub fn json(&self) -> serde_json::Result<String> {
        let mut value = serde_json::to_value(self)?;
        if let Some(lines) = value
            .get_mut("table")
            .and_then(serde_json::Value::as_array_mut)
        {
            for (line, row) in lines.iter_mut().zip(&self.table) {
                if let Some(fields) = line.as_object_mut() {
                    fields.insert("met".to_owned(), serde_json::to_value(row.verdict())?);
                }
            }
        }
        serde_json::to_string_pretty(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(unit: Unit, ratio: f64, goal: Goal) -> Verdict {
        let text = String::new;
        let row = Row {
            what: text(),
            on: text(),
            ratio,
            unit,
            goal,
            ours: text(),
            other: text(),
            bound_by: text(),
            samples: Vec::new(),
        };
        row.verdict()
    }

    #[test]
    fn verdicts_know_which_way_is_better() {
        let goal = Goal::new(4.0, 6.0);
        assert_eq!(verdict(Unit::TimesAsFast, 3.9, goal), Verdict::Missed);
        assert_eq!(verdict(Unit::TimesAsFast, 4.0, goal), Verdict::Met);
        assert_eq!(verdict(Unit::TimesAsFast, 6.1, goal), Verdict::Stretch);
        let goal = Goal::new(1.5, 1.15);
        assert_eq!(verdict(Unit::TimesAsLong, 1.6, goal), Verdict::Missed);
        assert_eq!(verdict(Unit::TimesAsLong, 1.5, goal), Verdict::Met);
        assert_eq!(verdict(Unit::TimesAsLong, 0.9, goal), Verdict::Stretch);
        assert_eq!(
            verdict(Unit::TimesAsLong, 1.2, Goal::stretch(1.15)),
            Verdict::StretchMissed
        );
        assert_eq!(verdict(Unit::Mib, 70.0, Goal::NONE), Verdict::Informative);
        // A figure that could not be measured meets nothing.
        assert_eq!(
            verdict(Unit::Mib, f64::NAN, Goal::bar(64.0)),
            Verdict::Missed
        );
    }
}
