//! The readable twin of a vector: what it shows, and every byte with its name.

use std::fmt::Write as _;

use super::fields::{Field, fields};
use super::mutant::xxh64;
use super::vector::{Kind, Outcome, Vector};

/// Bytes in one line.
const WIDTH: usize = 16;

/// Lines of a field that are shown; a longer one is cut short.
const FIELD_LINES: usize = 4;

/// Entries at the start and at the end of a long section that are shown.
const SHOWN_ENTRIES: usize = 2;

/// Entries of a section that are all shown; beyond it only the first and the last are.
const LONG_SECTION: usize = 16;

/// The dump of a vector.
///
/// An accepted file is shown whole, long runs of entries aside; of a rejected one, the parts that
/// were edited and the part where the decoder found fault.
pub(super) fn dump(vector: &Vector) -> String {
    let mut out = String::new();
    head(&mut out, vector);
    let fault = match &vector.outcome {
        Outcome::Rejected { offset, .. } => usize::try_from(*offset).ok(),
        Outcome::Accepted { .. } => None,
    };
    let parts = parts(fields(&vector.bytes));
    let shown = match vector.kind {
        Kind::Accept => shown_of_accepted(&parts),
        Kind::Reject => shown_of_rejected(&parts, vector, fault),
    };
    let mut hidden = Vec::new();
    for (part, show) in parts.iter().zip(shown) {
        if show {
            skip(&mut out, &mut hidden);
            show_part(&mut out, part, vector, fault);
        } else {
            hidden.push(part);
        }
    }
    skip(&mut out, &mut hidden);
    let end = vector.bytes.len();
    let mark = if fault == Some(end) { REJECTED } else { "" };
    line(&mut out, &format!("  {end:>6}  end of file{mark}"));
    out
}

const REJECTED: &str = "   <== rejected here";

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn head(out: &mut String, vector: &Vector) {
    line(out, &vector.path());
    line(out, "");
    line(out, &format!("shows     {}", vector.about));
    for origin in &vector.origin {
        line(out, origin);
    }
    let (len, hash) = (vector.bytes.len(), xxh64(&vector.bytes));
    line(out, &format!("file      {len} bytes, xxh64 {hash:016x}"));
    match &vector.outcome {
        Outcome::Accepted { digest } => line(out, &format!("accepted  digest {digest}")),
        Outcome::Rejected {
            error,
            section,
            offset,
            message,
        } => {
            line(out, &format!("rejected  {error}, {section}, byte {offset}"));
            line(out, &format!("message   {message}"));
        }
    }
    line(out, &format!("rules     {}", vector.requirements.join(" ")));
    line(out, "");
}

/// A part of the file: all fields of one group in a row.
struct Part {
    group: String,
    fields: Vec<Field>,
}

impl Part {
    fn start(&self) -> usize {
        self.fields.first().map_or(0, |field| field.start)
    }

    fn end(&self) -> usize {
        self.fields.last().map_or(0, |field| field.end)
    }

    fn is_entry(&self) -> bool {
        self.group.ends_with(']')
    }

    /// Whether the bytes from `start` to `end` touch it, an empty run included.
    fn touches(&self, (start, end): (usize, usize)) -> bool {
        start < self.end() && end.max(start + 1) > self.start()
    }
}

fn parts(fields: Vec<Field>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for field in fields {
        match parts.last_mut() {
            Some(part) if part.group == field.group => part.fields.push(field),
            _ => parts.push(Part {
                group: field.group.clone(),
                fields: vec![field],
            }),
        }
    }
    parts
}

fn shown_of_accepted(parts: &[Part]) -> Vec<bool> {
    let mut shown = Vec::new();
    for run in parts.chunk_by(|one, other| one.is_entry() == other.is_entry()) {
        let long = run.len() > LONG_SECTION;
        let at_an_end = |index| index < SHOWN_ENTRIES || index + SHOWN_ENTRIES >= run.len();
        shown.extend((0..run.len()).map(|index| !long || at_an_end(index)));
    }
    shown
}

fn shown_of_rejected(parts: &[Part], vector: &Vector, fault: Option<usize>) -> Vec<bool> {
    let faulty = |part: &Part| fault.is_some_and(|at| part.touches((at, at)));
    let edited = |part: &Part| vector.edited.iter().any(|edit| part.touches(*edit));
    let last = parts.len().saturating_sub(1);
    let at_end = fault == Some(vector.bytes.len());
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| faulty(part) || edited(part) || (at_end && index == last))
        .collect()
}

/// One line for the parts that are not shown.
fn skip(out: &mut String, hidden: &mut Vec<&Part>) {
    if let (Some(first), Some(last)) = (hidden.first(), hidden.last()) {
        let groups = if hidden.len() == 1 {
            first.group.clone()
        } else {
            format!("{} to {}", first.group, last.group)
        };
        let _infallible = writeln!(out, "  {:>6}  ... {groups}", first.start());
    }
    hidden.clear();
}

fn show_part(out: &mut String, part: &Part, vector: &Vector, fault: Option<usize>) {
    line(out, &format!("          -- {}", part.group));
    for field in &part.fields {
        let bytes = vector.bytes.get(field.start..field.end).unwrap_or_default();
        let here = fault.is_some_and(|at| (field.start..field.end).contains(&at));
        let mark = if here { REJECTED } else { "" };
        for (index, chunk) in bytes.chunks(WIDTH).take(FIELD_LINES).enumerate() {
            let start = field.start + index * WIDTH;
            let edited = |(from, to): &(usize, usize)| *from < start + chunk.len() && *to > start;
            let edit = if vector.edited.iter().any(edited) {
                '*'
            } else {
                ' '
            };
            let hex = hex::encode(chunk);
            let words = if index == 0 {
                format!("{:<26}  {}{mark}", field.name, field.value)
            } else {
                String::new()
            };
            line(out, &format!("{edit} {start:>6}  {hex:<32}  {words}"));
        }
        let shown = FIELD_LINES * WIDTH;
        if bytes.len() > shown {
            line(out, &format!("  {:>6}  ...", field.start + shown));
        }
    }
}
