//! How `diff` prints: rows as they are met, then what they amount to. What is printed comes from
//! `snapshot_tools::diff`.

use std::str::FromStr;

use serde::{Serialize, Serializer};
use snapshot_format::{ObjectId, ParseIdError, PerTable, Record, Table};
use snapshot_store::SnapshotSummary;
use snapshot_tools::diff::{Cause, DiffSummary, Reading, RowDifference, TableSummary};
use snapshot_tools::fields::{FieldChange, OneLine, fields};
use snapshot_tools::header::HeaderDifference;
use snapshot_tools::side::{Side, Sides};

use crate::error::CliError;
use crate::output::{Output, Shown};
use crate::report::{DigestLine, SnapshotReport};
use crate::source::Source;

/// Rows that are printed for people, unless they ask for more: a few screens.
const ROWS_FOR_PEOPLE: u64 = 100;

/// How many rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(u64);

impl FromStr for Limit {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        match text {
            "all" => Ok(Self(u64::MAX)),
            _ => text.parse().map(Self).map_err(|_| ParseIdError {
                input: text.chars().take(100).collect(),
                expected: "a number of rows, or all",
            }),
        }
    }
}

/// Prints differences.
pub(crate) struct Printer {
    limit: u64,
    table: Option<Table>,
    printed: u64,
    left_out: u64,
}

/// A difference as JSON.
#[derive(Serialize)]
struct RowReport<'a> {
    r#type: &'static str,
    change: &'static str,
    table: Table,
    key: ObjectId,
    fields: &'a [FieldChange],
    a: Option<Named<'a>>,
    b: Option<Named<'a>>,
}

/// The summary as JSON.
#[derive(Serialize)]
struct SummaryReport<'a> {
    r#type: &'static str,
    same: bool,
    a: SideReport,
    b: SideReport,
    /// Rows that differ in any way.
    differences: u64,
    /// How many of them were printed.
    printed: u64,
    header: &'a [HeaderDifference],
    tables: &'a PerTable<TableSummary>,
    causes: Vec<CauseReport<'a>>,
    unexplained: u64,
}

#[derive(Serialize)]
struct SideReport {
    path: String,
    kind: &'static str,
    #[serde(flatten)]
    snapshot: SnapshotReport,
}

#[derive(Serialize)]
struct CauseReport<'a> {
    #[serde(flatten)]
    cause: &'a Cause,
    text: String,
}

impl Printer {
    /// A printer of rows of `table`, or of all.
    pub(crate) fn new(limit: Option<Limit>, table: Option<Table>, out: &Output) -> Self {
        let default = if out.is_json() {
            u64::MAX
        } else {
            ROWS_FOR_PEOPLE
        };
        Self {
            limit: limit.map_or(default, |Limit(limit)| limit),
            table,
            printed: 0,
            left_out: 0,
        }
    }

    /// Prints which side is which.
    pub(crate) fn begin(&self, sources: &Sides<Source>, out: &mut Output) -> Result<(), CliError> {
        out.line(format_args!("--- A: {}", Shown(&sources.a.name())))?;
        out.line(format_args!("+++ B: {}", Shown(&sources.b.name())))
    }

    /// Prints in what the headers contradict each other, before any row.
    pub(crate) fn headers(
        &self,
        differences: &[HeaderDifference],
        out: &mut Output,
    ) -> Result<(), CliError> {
        for HeaderDifference { field, a, b } in differences {
            out.line(format_args!("header: {field} {a} -> {b}"))?;
        }
        Ok(())
    }

    /// Prints a row that differs, unless enough were printed.
    pub(crate) fn row(&mut self, row: &RowDifference, out: &mut Output) -> Result<(), CliError> {
        if self.table.is_some_and(|table| table != row.table) {
            return Ok(());
        }
        if self.printed >= self.limit {
            self.left_out += 1;
            return Ok(());
        }
        self.printed += 1;
        if out.is_json() {
            return out.record(&RowReport::new(row));
        }
        let (table, key) = (row.table, row.key);
        match (row.only(), &row.a, &row.b) {
            (Some(Side::A), Some(record), _) => {
                out.line(format_args!("- {table} {key}  {}", OneLine(record)))
            }
            (Some(Side::B), _, Some(record)) => {
                out.line(format_args!("+ {table} {key}  {}", OneLine(record)))
            }
            _ => {
                let fields: Vec<String> = row.fields.iter().map(FieldChange::to_string).collect();
                out.line(format_args!("M {table} {key}  {}", fields.join(", ")))
            }
        }
    }

    /// Prints what the differences amount to.
    pub(crate) fn end(
        &self,
        sources: &Sides<Source>,
        snapshots: &Sides<SnapshotSummary>,
        summary: &DiffSummary,
        out: &mut Output,
    ) -> Result<(), CliError> {
        let reading = summary.reading();
        if !out.is_json() {
            for line in self.lines(snapshots, summary, &reading) {
                out.line(line)?;
            }
        }
        let side = |side: Side| SideReport {
            path: sources[side].name(),
            kind: sources[side].kind(),
            snapshot: (&snapshots[side]).into(),
        };
        let cause = |cause| CauseReport {
            cause,
            text: cause.to_string(),
        };
        out.object(&SummaryReport {
            r#type: "summary",
            same: summary.is_same(),
            a: side(Side::A),
            b: side(Side::B),
            differences: summary.differences(),
            printed: self.printed,
            header: &summary.header,
            tables: &summary.tables,
            causes: reading.causes.iter().map(cause).collect(),
            unexplained: reading.unexplained,
        })
    }

    fn lines(
        &self,
        snapshots: &Sides<SnapshotSummary>,
        summary: &DiffSummary,
        reading: &Reading,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        if self.left_out > 0 {
            lines.push(format!(
                "... {} more rows differ; --limit all prints them",
                self.left_out
            ));
        }
        if self.printed + self.left_out > 0 {
            lines.push(String::new());
        }
        for (side, snapshot) in snapshots.iter() {
            lines.push(format!("{side}: {}", DigestLine(snapshot)));
        }
        if summary.is_same() {
            let rows = snapshots.a.counts.total();
            lines.push(format!(
                "same: all {rows} rows agree, and what both headers know"
            ));
            return lines;
        }
        lines.push(String::new());
        lines.extend(counts(&summary.tables));
        lines.push(String::new());
        lines.extend(reading.causes.iter().map(|cause| match cause.rows() {
            0 => format!("likely cause: {cause}"),
            rows => format!("likely cause of {}: {cause}", count(rows)),
        }));
        match (reading.unexplained, reading.causes.is_empty()) {
            (0, _) => {}
            (rows, true) => lines.push(format!(
                "no likely cause of {}: compare with a third node to learn which side is right",
                count(rows)
            )),
            (rows, false) => lines.push(format!("no likely cause of {}", count(rows))),
        }
        lines
    }
}

/// So many rows that differ.
fn count(rows: u64) -> String {
    match rows {
        1 => "1 difference".to_owned(),
        rows => format!("{rows} differences"),
    }
}

/// The numbers of each table, and of each field that differs.
fn counts(tables: &PerTable<TableSummary>) -> Vec<String> {
    let head = ["rows in A", "rows in B", "only in A", "only in B", "differ"];
    let line = |name: &str, cells: [String; 5]| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>10}")).collect();
        format!("{name:27}{cells}")
    };
    let mut lines = vec![line("table", head.map(str::to_owned))];
    for (table, of) in tables.iter() {
        let cells = [of.rows.a, of.rows.b, of.only.a, of.only.b, of.differ];
        lines.push(line(table.name(), cells.map(|cell| cell.to_string())));
        for (field, rows) in &of.fields {
            let cells = ["", "", "", "", &rows.to_string()].map(str::to_owned);
            lines.push(line(&format!("  {field}"), cells));
        }
    }
    lines
}

impl<'a> RowReport<'a> {
    fn new(row: &'a RowDifference) -> Self {
        let change = match row.only() {
            Some(Side::A) => "only_in_a",
            Some(Side::B) => "only_in_b",
            None => "differs",
        };
        Self {
            r#type: "difference",
            change,
            table: row.table,
            key: row.key,
            fields: &row.fields,
            a: row.a.as_ref().map(Named),
            b: row.b.as_ref().map(Named),
        }
    }
}

/// A row as an object, its fields in their order.
struct Named<'a>(&'a Record);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = fields(self.0).into_iter();
        serializer.collect_map(fields.map(|field| (field.name, field.value)))
    }
}
