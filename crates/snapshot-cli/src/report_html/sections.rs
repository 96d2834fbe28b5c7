//! One snapshot on the page: its header, tables, ends of storage, pools, and how its keys lie.

use std::fmt;

use snapshot_format::{BlobId, Epoch, Header, Table};
use snapshot_tools::overview::checks::worst;
use snapshot_tools::overview::{EPOCHS_AHEAD, Overview};

use super::charts::{Cell, Column, Unit, columns, legend, map};
use super::text::{Escaped, Html, grouped, percent};
use super::{class, mark};
use crate::overviews::Shot;
use crate::report::bytes;

/// Columns of ends of storage, even if there is nothing that far ahead.
const FEWEST_ENDS: usize = 12;

/// Puts a snapshot on the page: `fold` says whether a folded one is open.
pub(super) fn snapshot(shot: &Shot, fold: Option<bool>, html: &mut Html) {
    if let Some(is_open) = fold {
        let level = worst(&shot.checks);
        html.put(format_args!(
            "<details{}>\n<summary><b class=\"{}\">{}</b> {} <span class=\"quiet\">{}, {} rows</span></summary>\n",
            if is_open { " open" } else { "" },
            class(level),
            mark(level),
            Escaped(&shot.path),
            Escaped(&shot.snapshot.digest.to_string()),
            grouped(shot.overview.rows())
        ));
        html.put(format_args!("<ul class=\"checks\">\n"));
        for check in &shot.checks {
            let text = Escaped(&check.text);
            html.put(format_args!(
                "<li class=\"{}\">{text}</li>\n",
                class(check.level)
            ));
        }
        html.put(format_args!("</ul>\n"));
    }
    tables(shot, html);
    certified(&shot.overview, html);
    ends(&shot.overview, html);
    pools(&shot.overview, html);
    keys(&shot.overview, html);
    header(shot, html);
    if fold.is_some() {
        html.put(format_args!("</details>\n"));
    }
}

fn tables(shot: &Shot, html: &mut Html) {
    html.put(format_args!(
        "<h3>Rows and bytes</h3>\n<table>\n<tr><th>table</th><th class=\"n\">rows</th><th class=\"bar\"></th>\
         <th class=\"n\">bytes</th><th class=\"bar\"></th></tr>\n"
    ));
    let (rows, size) = (shot.overview.rows(), shot.snapshot.size);
    for (color, (table, of)) in shot.overview.tables.iter().enumerate() {
        html.put(format_args!(
            "<tr><td>{table}</td><td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
            grouped(of.rows),
            Bar(color, percent(of.rows, rows)),
            grouped(of.bytes),
            Bar(color, percent(of.bytes, size))
        ));
    }
    html.put(format_args!(
        "<tr class=\"sum\"><td>whole file</td><td class=\"n\">{}</td><td></td><td class=\"n\">{}</td>\
         <td class=\"quiet\">{}</td></tr>\n</table>\n",
        grouped(rows),
        grouped(size),
        bytes(size)
    ));
}

fn certified(overview: &Overview, html: &mut Html) {
    html.put(format_args!(
        "<h3>Certified share</h3>\n<table>\n<tr><th>table</th><th class=\"n\">certified</th><th class=\"n\">not yet</th>\
         <th class=\"wide\"></th><th class=\"n\">permanent</th><th class=\"n\">deletable</th></tr>\n"
    ));
    for (color, (table, of)) in overview.tables.iter().enumerate() {
        let (Some(yes), Some(no)) = (of.certified, of.uncertified) else {
            continue;
        };
        html.put(format_args!(
            "<tr><td>{table}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            grouped(yes),
            grouped(no),
            Bar(color, percent(yes, of.rows)),
            of.permanent.map_or_else(|| "-".to_owned(), grouped),
            of.deletable.map_or_else(|| "-".to_owned(), grouped)
        ));
    }
    html.put(format_args!("</table>\n"));
}

fn ends(overview: &Overview, html: &mut Html) {
    let epoch = overview.header.epoch();
    let of = [Table::PerObjectBlobInfo, Table::PerObjectPooledBlobInfo]
        .map(|table| &overview.ends[table]);
    let used = |ahead: &Vec<u64>| {
        ahead
            .iter()
            .rposition(|rows| *rows > 0)
            .map_or(0, |last| last + 1)
    };
    let furthest = of.iter().map(|ends| used(&ends.ahead)).max().unwrap_or(0);
    let column = |label: String, when: &str, parts: [u64; 2], is_bad| Column {
        title: format!(
            "{when}: {} objects, {} pooled blobs",
            grouped(parts[0]),
            grouped(parts[1])
        ),
        label,
        parts: parts.to_vec(),
        is_bad,
    };
    let mut all = Vec::new();
    let ended = of.map(|ends| ends.ended);
    if ended != [0, 0] {
        all.push(column("ended".to_owned(), "ended by then", ended, true));
    }
    for ahead in 0..furthest.clamp(FEWEST_ENDS, EPOCHS_AHEAD) {
        let end = u64::from(epoch.0) + ahead as u64 + 1;
        let parts = of.map(|ends| ends.ahead.get(ahead).copied().unwrap_or(0));
        all.push(column(
            end.to_string(),
            &format!("ends in epoch {end}"),
            parts,
            false,
        ));
    }
    let later = of.map(|ends| ends.later);
    if later != [0, 0] {
        all.push(column("later".to_owned(), "ends later", later, false));
    }
    html.put(format_args!("<h3>When storage ends, by epoch</h3>\n"));
    legend(
        &[
            "objects that own their storage",
            "pooled blobs, with their pool",
        ],
        html,
    );
    columns(
        "When storage ends, in rows by epoch",
        &all,
        Unit::Rows,
        html,
    );
    let unknown = overview.pools.blobs_without_pool.unwrap_or(0);
    if unknown > 0 {
        html.put(format_args!(
            "<p class=\"quiet\">{} pooled blobs whose pool is missing are not in it.</p>\n",
            grouped(unknown)
        ));
    }
}

fn pools(overview: &Overview, html: &mut Html) {
    let pools = &overview.pools;
    html.put(format_args!("<h3>Largest pools</h3>\n"));
    let Some(largest) = pools.largest.first() else {
        html.put(format_args!(
            "<p class=\"quiet\">{} pools, no blob in any.</p>\n",
            grouped(pools.pools)
        ));
        return;
    };
    html.put(format_args!(
        "<table>\n<tr><th>pool</th><th class=\"n\">blobs</th><th class=\"bar\"></th><th class=\"n\">certified</th>\
         <th class=\"n\">ends in epoch</th></tr>\n"
    ));
    for pool in &pools.largest {
        let end = pool
            .end_epoch
            .map_or_else(|| "missing".to_owned(), |end| end.to_string());
        html.put(format_args!(
            "<tr><td class=\"key\">{}</td><td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td></tr>\n",
            pool.pool,
            grouped(pool.blobs),
            Bar(1, percent(pool.blobs, largest.blobs)),
            grouped(pool.certified),
            Escaped(&end)
        ));
    }
    let empty = pools.empty.map_or_else(String::new, |empty| {
        format!(", {} of them empty", grouped(empty))
    });
    let error = match pools.error {
        0 => String::new(),
        error => format!("; counts may be too low by {}", grouped(error)),
    };
    html.put(format_args!(
        "</table>\n<p class=\"quiet\">{} pools{empty}{error}.</p>\n",
        grouped(pools.pools)
    ));
}

fn keys(overview: &Overview, html: &mut Html) {
    html.put(format_args!(
        "<h3>Where the keys lie</h3>\n<p class=\"quiet\">By the first byte of the key: object IDs are \
         spread evenly, so a hole or a heap in a large table is suspicious.</p>\n<div class=\"maps\">\n"
    ));
    for (color, (table, of)) in overview.tables.iter().enumerate() {
        let ranges = &overview.ranges[table];
        let most = ranges
            .iter()
            .map(|(_, range)| range.rows)
            .max()
            .unwrap_or(0)
            .max(1);
        let cells: Vec<Cell> = ranges
            .iter()
            .map(|(byte, range)| Cell {
                class: match (range.rows, color) {
                    (0, _) => "none",
                    (_, 0) => "c0",
                    (_, 1) => "c1",
                    _ => "c2",
                },
                strength: 0.15 + 0.85 * range.rows as f64 / most as f64,
                title: format!("{byte:02x}: {} rows", grouped(range.rows)),
            })
            .collect();
        map(table.name(), of.rows, &cells, html);
    }
    html.put(format_args!("</div>\n"));
}

fn header(shot: &Shot, html: &mut Html) {
    let header = &shot.overview.header;
    let cursor = header.event_cursor();
    let previous = match header {
        Header::Sealed(header) if header.prev_snapshot_blob_id != BlobId::ZERO => {
            header.prev_snapshot_blob_id.to_string()
        }
        _ => "unknown".to_owned(),
    };
    let known = |epoch: Epoch| epoch.to_string();
    let fields = [
        ("input", format!("{} {}", shot.kind, shot.path)),
        ("digest", shot.snapshot.digest.to_string()),
        (
            "framing",
            format!(
                "{}, version {}{}",
                header.framing(),
                shot.snapshot.version,
                match (header, shot.kind) {
                    (Header::Counted(_), "file" | "stdin") => ", without a checksum of its own",
                    _ => "",
                }
            ),
        ),
        (
            "epoch",
            shot.overview
                .epoch()
                .map_or_else(|| "unknown".to_owned(), known),
        ),
        (
            "event",
            cursor
                .event_id
                .map_or_else(|| "unknown".to_owned(), |event| event.to_string()),
        ),
        ("next event", cursor.element_index.to_string()),
        ("previous blob", previous),
    ];
    html.put(format_args!("<h3>Header</h3>\n<table>\n"));
    for (name, value) in fields {
        html.put(format_args!(
            "<tr><td>{name}</td><td class=\"key\">{}</td></tr>\n",
            Escaped(&value)
        ));
    }
    html.put(format_args!("</table>\n"));
}

/// A bar in a table: its color, and its length in percent.
struct Bar(usize, f64);

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(color, percent) = self;
        write!(
            f,
            "<div class=\"track\"><i class=\"c{color}\" style=\"width:{percent:.1}%\"></i></div>"
        )
    }
}
