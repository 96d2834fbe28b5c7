//! Several snapshots on the page: who agrees, where the others differ, and how epochs follow each other.

use snapshot_format::{PerTable, Table};
use snapshot_tools::overview::checks::Level;

use super::charts::{Cell, Column, Unit, columns, legend, map};
use super::text::{Escaped, Html, grouped};
use super::{class, mark};
use crate::overviews::{Compared, Findings, Series, Shot};
use crate::report::bytes;

/// Differing ranges that are listed for each table.
const LISTED: usize = 24;

/// Puts a comparison of inputs of one epoch on the page.
pub(super) fn comparison(compared: &Compared, findings: &Findings, html: &mut Html) {
    let epoch = compared.epoch.map_or_else(
        || "an unknown epoch".to_owned(),
        |epoch| format!("epoch {epoch}"),
    );
    html.put(format_args!("<h2>Comparison of {epoch}</h2>\n"));
    html.put(format_args!(
        "<p class=\"line {}\">{} {}</p>\n",
        class(compared.check.level),
        mark(compared.check.level),
        Escaped(&compared.check.text)
    ));
    let shots: Vec<&Shot> = compared
        .members
        .iter()
        .filter_map(|index| findings.shot(*index))
        .collect();
    groups(compared, &shots, html);
    if compared.divergence.groups.len() < 2 {
        return;
    }
    html.put(format_args!(
        "<h3>Where they differ</h3>\n<p class=\"quiet\">One square for each first byte of the key; red \
         where not all have the same rows.</p>\n<div class=\"maps\">\n"
    ));
    for table in Table::ALL {
        divergence_map(compared, &shots, table, html);
    }
    html.put(format_args!("</div>\n"));
    ranges(&compared.divergence.differing, html);
    next(compared, &shots, html);
}

fn groups(compared: &Compared, shots: &[&Shot], html: &mut Html) {
    html.put(format_args!(
        "<table>\n<tr><th>content</th><th>input</th><th>digest</th><th class=\"n\">rows</th><th class=\"n\">objects</th>\
         <th class=\"n\">pooled</th><th class=\"n\">pools</th></tr>\n"
    ));
    let name =
        |group: usize| char::from_u32(u32::from(b'A') + u32::try_from(group).unwrap_or(25).min(25));
    for (group, members) in compared.divergence.groups.iter().enumerate() {
        for shot in members.iter().filter_map(|index| shots.get(*index)) {
            let level = if group == 0 { Level::Good } else { Level::Bad };
            let tables = &shot.overview.tables;
            html.put(format_args!(
                "<tr><td><b class=\"{}\">{}</b></td><td>{}</td><td class=\"key\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
                class(level),
                name(group).unwrap_or('Z'),
                Escaped(&shot.path),
                shot.snapshot.digest,
                grouped(shot.overview.rows()),
                grouped(tables.per_object_blob_info.rows),
                grouped(tables.per_object_pooled_blob_info.rows),
                grouped(tables.storage_pool_info.rows)
            ));
        }
    }
    html.put(format_args!("</table>\n"));
}

fn divergence_map(compared: &Compared, shots: &[&Shot], table: Table, html: &mut Html) {
    let differing = &compared.divergence.differing[table];
    let cells: Vec<Cell> = (0..=u8::MAX)
        .map(|byte| {
            let rows: Vec<u64> = shots
                .iter()
                .map(|shot| shot.overview.ranges[table].range(byte).rows)
                .collect();
            let shown: Vec<String> = rows.iter().map(|rows| grouped(*rows)).collect();
            let differs = differing.binary_search(&byte).is_ok();
            Cell {
                class: match (differs, rows.iter().all(|rows| *rows == 0)) {
                    (true, _) => "differs",
                    (false, true) => "none",
                    (false, false) => "same",
                },
                strength: 1.0,
                title: format!(
                    "{byte:02x}: {}; rows {}",
                    if differs { "differs" } else { "the same" },
                    shown.join(" / ")
                ),
            }
        })
        .collect();
    let rows = shots
        .iter()
        .map(|shot| shot.overview.tables[table].rows)
        .max()
        .unwrap_or(0);
    map(table.name(), rows, &cells, html);
}

fn ranges(differing: &PerTable<Vec<u8>>, html: &mut Html) {
    html.put(format_args!("<ul>\n"));
    for (table, bytes) in differing.iter() {
        let listed: Vec<String> = bytes
            .iter()
            .take(LISTED)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let text = match bytes.len() {
            0 => "no difference".to_owned(),
            count if count > LISTED => format!(
                "keys that begin with {} and {} more",
                listed.join(", "),
                count - LISTED
            ),
            _ => format!("keys that begin with {}", listed.join(", ")),
        };
        html.put(format_args!("<li>{table}: {text}</li>\n"));
    }
    html.put(format_args!("</ul>\n"));
}

/// The command that says row by row what it is.
fn next(compared: &Compared, shots: &[&Shot], html: &mut Html) {
    let first = |group: usize| {
        let members = compared.divergence.groups.get(group)?;
        shots.get(*members.first()?).map(|shot| shot.path.as_str())
    };
    if let (Some(a), Some(b)) = (first(0), first(1)) {
        html.put(format_args!(
            "<p>Row by row, with the likely cause:</p>\n<pre>blob-snapshot diff {} {}</pre>\n",
            Escaped(&quoted(a)),
            Escaped(&quoted(b))
        ));
    }
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !path.is_empty() && path.chars().all(is_plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

/// Puts what changes from epoch to epoch on the page.
pub(super) fn growth(series: &Series, findings: &Findings, html: &mut Html) {
    html.put(format_args!("<h2>From epoch to epoch</h2>\n"));
    for check in &series.checks {
        html.put(format_args!(
            "<p class=\"line {}\">{} {}</p>\n",
            class(check.level),
            mark(check.level),
            Escaped(&check.text)
        ));
    }
    let shots: Vec<&Shot> = series
        .members
        .iter()
        .filter_map(|index| findings.shot(*index))
        .collect();
    let chart = |of: fn(&Shot, Table) -> u64, unit: Unit| -> Vec<Column> {
        let column = |shot: &&Shot| {
            let parts = Table::ALL.map(|table| of(shot, table)).to_vec();
            let epoch = shot.overview.header.epoch();
            let shown: Vec<String> = parts.iter().map(|part| unit.show(*part)).collect();
            Column {
                label: epoch.to_string(),
                title: format!("epoch {epoch}: {}", shown.join(" + ")),
                parts,
                is_bad: false,
            }
        };
        shots.iter().map(column).collect()
    };
    html.put(format_args!("<h3>Rows</h3>\n"));
    legend(&Table::ALL.map(Table::name), html);
    let rows = chart(|shot, table| shot.overview.tables[table].rows, Unit::Rows);
    columns("Rows by epoch", &rows, Unit::Rows, html);
    html.put(format_args!("<h3>Bytes</h3>\n"));
    let sizes = chart(|shot, table| shot.overview.tables[table].bytes, Unit::Bytes);
    columns("Bytes by epoch", &sizes, Unit::Bytes, html);
    table(&shots, html);
}

fn table(shots: &[&Shot], html: &mut Html) {
    html.put(format_args!(
        "<table>\n<tr><th>epoch</th><th class=\"n\">rows</th><th class=\"n\">change</th><th class=\"n\">size</th><th class=\"n\">certified</th>\
         <th class=\"n\">pools</th><th>digest</th></tr>\n"
    ));
    let mut before: Option<u64> = None;
    for shot in shots {
        let rows = shot.overview.rows();
        let change = match before {
            Some(before) if rows >= before => format!("+{}", grouped(rows - before)),
            Some(before) => format!("-{}", grouped(before - rows)),
            None => String::new(),
        };
        before = Some(rows);
        let (blobs, certified) = shot.overview.certified();
        html.put(format_args!(
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{change}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}%</td><td class=\"n\">{}</td><td class=\"key\">{}</td></tr>\n",
            shot.overview.header.epoch(),
            grouped(rows),
            bytes(shot.snapshot.size),
            (certified * 100).checked_div(blobs).unwrap_or(0),
            grouped(shot.overview.pools.pools),
            shot.snapshot.digest
        ));
    }
    html.put(format_args!("</table>\n"));
}
