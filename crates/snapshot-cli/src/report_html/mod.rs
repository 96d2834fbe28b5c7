//! The page of `report`: what was found, drawn as one HTML document that loads nothing and runs nothing.
//!
//! `text` escapes and formats, `charts` draws, `sections` puts one snapshot on the page, `several` what
//! compares them. Whatever comes from outside passes `text::Escaped`. Nothing here reads or judges.

mod charts;
mod sections;
mod several;
mod text;

use snapshot_tools::overview::checks::{Check, Level};

use self::text::{Escaped, Html, grouped};
use crate::overviews::Findings;
use crate::report::bytes;

/// Colors for light and dark, and the layout.
const STYLE: &str = include_str!("style.css");

/// More inputs than this are folded, so that the page stays one that can be read.
const UNFOLDED: usize = 1;

/// What the verdict is called.
pub(crate) const fn verdict(level: Level) -> &'static str {
    match level {
        Level::Good => "looks sane",
        Level::Doubt => "look closer",
        Level::Bad => "something is wrong",
    }
}

/// The whole page.
pub(crate) fn page(findings: &Findings) -> String {
    let mut html = Html::default();
    let title = title(findings);
    html.put(format_args!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        Escaped(&title)
    ));
    html.put(format_args!("<h1>{}</h1>\n", Escaped(&title)));
    verdict_box(findings, &mut html);
    tiles(findings, &mut html);
    for compared in &findings.comparisons {
        several::comparison(compared, findings, &mut html);
    }
    if let Some(series) = &findings.series {
        several::growth(series, findings, &mut html);
    }
    let newest = newest(findings);
    let fold = findings.snapshots.len() > UNFOLDED;
    if fold {
        html.put(format_args!("<h2>Each snapshot</h2>\n"));
    }
    for (index, shot) in findings.snapshots.iter().enumerate() {
        sections::snapshot(shot, fold.then_some(Some(index) == newest), &mut html);
    }
    html.put(format_args!(
        "<footer>blob-snapshot {}; this page loads nothing from anywhere.</footer>\n\
         </main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    ));
    html.finish()
}

fn title(findings: &Findings) -> String {
    let shots = &findings.snapshots;
    let epochs = || shots.iter().filter_map(|shot| shot.overview.epoch());
    match (epochs().min(), epochs().max()) {
        (Some(first), Some(last)) if first != last => {
            format!("{} snapshots, epochs {first} to {last}", shots.len())
        }
        (Some(epoch), _) if shots.len() > 1 => {
            format!("{} snapshots of epoch {epoch}", shots.len())
        }
        (Some(epoch), _) => format!("Snapshot of epoch {epoch}"),
        _ if shots.len() > 1 => format!("{} snapshots of unknown epochs", shots.len()),
        _ => "Snapshot of an unknown epoch".to_owned(),
    }
}

/// The input of the latest epoch.
fn newest(findings: &Findings) -> Option<usize> {
    match &findings.series {
        Some(series) => series.members.last().copied(),
        None => (!findings.snapshots.is_empty()).then_some(0),
    }
}

fn verdict_box(findings: &Findings, html: &mut Html) {
    let level = findings.verdict;
    html.put(format_args!(
        "<section class=\"verdict {}\">\n<p class=\"word\">{} {}</p>\n<ul>\n",
        class(level),
        mark(level),
        verdict(level)
    ));
    for unusable in &findings.unusable {
        html.put(format_args!(
            "<li class=\"bad\">{} cannot be used: {}</li>\n",
            Escaped(&unusable.path),
            Escaped(&unusable.error)
        ));
    }
    let is_one = findings.snapshots.len() == 1;
    let (mut good, mut total) = (0, 0);
    for (index, check) in findings.checks() {
        let of_many = index.is_some() && !is_one;
        total += u64::from(of_many);
        if of_many && check.level == Level::Good {
            good += 1;
            continue;
        }
        let path = index
            .filter(|_| of_many)
            .and_then(|index| findings.shot(index));
        let path = path.map_or_else(String::new, |shot| format!("{}: ", shot.path));
        item(check, &path, html);
    }
    if !is_one {
        let text = format!(
            "{} snapshots, {good} of {total} checks good; each has its own below",
            findings.snapshots.len()
        );
        let level = if good == total {
            Level::Good
        } else {
            Level::Doubt
        };
        item(&Check { level, text }, "", html);
    }
    html.put(format_args!("</ul>\n</section>\n"));
}

fn item(check: &Check, path: &str, html: &mut Html) {
    html.put(format_args!(
        "<li class=\"{}\">{}{}</li>\n",
        class(check.level),
        Escaped(path),
        Escaped(&check.text)
    ));
}

fn tiles(findings: &Findings, html: &mut Html) {
    let Some(shot) = newest(findings).and_then(|index| findings.shot(index)) else {
        return;
    };
    let overview = &shot.overview;
    let (blobs, certified) = overview.certified();
    let share = match blobs {
        0 => "-".to_owned(),
        _ => format!("{}%", certified * 100 / blobs),
    };
    let tiles = [
        ("rows", grouped(overview.rows())),
        ("size", bytes(shot.snapshot.size)),
        ("certified", share),
        ("pools", grouped(overview.pools.pools)),
        ("digest", shot.snapshot.digest.to_string()),
    ];
    html.put(format_args!("<section class=\"tiles\">\n"));
    for (name, value) in tiles {
        let (name, value) = (Escaped(name), Escaped(&value));
        html.put(format_args!(
            "<div><span>{name}</span><strong>{value}</strong></div>\n"
        ));
    }
    html.put(format_args!("</section>\n"));
    if findings.snapshots.len() > 1 {
        html.put(format_args!(
            "<p class=\"quiet\">These are of {}.</p>\n",
            Escaped(&shot.path)
        ));
    }
}

const fn class(level: Level) -> &'static str {
    match level {
        Level::Good => "good",
        Level::Doubt => "doubt",
        Level::Bad => "bad",
    }
}

/// The sign that goes with a level, for those who do not see the color.
const fn mark(level: Level) -> &'static str {
    match level {
        Level::Good => "&#10003;",
        Level::Doubt => "?",
        Level::Bad => "&#10007;",
    }
}
