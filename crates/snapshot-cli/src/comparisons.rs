//! How `compare` names its inputs, says who agrees and where the others differ, and what to run next. What it
//! says comes from `snapshot_tools::compare`.

use serde::Serialize;
use snapshot_format::{Epoch, Table};
use snapshot_tools::compare::{Comparison, Group, Located, OfEpoch, TableDifference};
use snapshot_tools::fields::FieldChange;
use snapshot_tools::fingerprint::{Fingerprint, Focus};
use snapshot_tools::side::Sides;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Output, Shown, one_line};

/// What is compared: names as they were given, and fingerprints.
#[derive(Default)]
pub(crate) struct Inputs {
    pub(crate) names: Vec<String>,
    pub(crate) prints: Vec<Fingerprint>,
    /// Whether each was given as a fingerprint.
    documents: Vec<bool>,
    pub(crate) unusable: Vec<Unusable>,
    /// The code of what is worst among the unusable.
    pub(crate) exit: Option<Exit>,
}

/// An input that could not be used.
#[derive(Debug, Serialize)]
pub(crate) struct Unusable {
    path: String,
    error: String,
}

impl Inputs {
    /// Takes in the next input; what is wrong with one that cannot be used is said.
    pub(crate) fn add(
        &mut self,
        name: String,
        is_document: bool,
        print: Result<Fingerprint, CliError>,
        out: &Output,
    ) {
        match print {
            Ok(print) => {
                self.names.push(name);
                self.prints.push(print);
                self.documents.push(is_document);
            }
            Err(error) => {
                let exit = error.exit();
                out.error(&error, exit);
                self.exit = self.exit.max(Some(exit));
                self.unusable.push(Unusable {
                    path: name,
                    error: one_line(&error),
                });
            }
        }
    }

    fn name(&self, index: usize) -> Shown<'_> {
        Shown(self.names.get(index).map_or("?", String::as_str))
    }

    fn list(&self, members: &[usize]) -> String {
        let names: Vec<String> = members
            .iter()
            .map(|member| self.name(*member).to_string())
            .collect();
        names.join(", ")
    }
}

/// Who agrees with whom, and where the others differ.
pub(crate) fn lines(comparison: &Comparison, inputs: &Inputs) -> Vec<String> {
    let mut lines = Vec::new();
    if comparison.epochs.len() > 1 {
        lines.push(
            "the inputs are of different epochs, whose rows differ by nature; only those of one epoch \
             are compared"
                .to_owned(),
        );
    }
    for of in &comparison.epochs {
        lines.extend(of_epoch(of, inputs));
    }
    lines
}

fn of_epoch(of: &OfEpoch, inputs: &Inputs) -> Vec<String> {
    let mut lines = Vec::new();
    let epoch = epoch(of.epoch);
    let members: usize = of.groups.iter().map(|group| group.members.len()).sum();
    let Some((first, others)) = of.groups.split_first() else {
        return lines;
    };
    let agree = first.members.len();
    lines.push(match (others, of.has_majority) {
        ([], _) if members == 1 => format!("{epoch}: one input, nothing to compare it with"),
        ([], _) => format!("{epoch}: all {members} inputs have the same rows"),
        (_, true) => {
            format!("{epoch}: {agree} of {members} inputs have the same rows, the others differ")
        }
        (_, false) => {
            format!("{epoch}: {members} inputs differ, and no rows have more than half of them")
        }
    });
    for (index, group) in of.groups.iter().enumerate() {
        let role = match (index, of.has_majority, others.is_empty()) {
            (0, _, true) | (0, true, _) => "agree",
            (0, ..) => "first",
            _ => "differ",
        };
        let names = inputs.list(&group.members);
        lines.push(format!(
            "  {role:6}  content {:.16}  {names}",
            group.content.to_string()
        ));
    }
    for group in others {
        lines.extend(of_group(first, group, inputs));
    }
    for outlier in &of.headers {
        let names = Sides {
            a: inputs.name(first.members.first().copied().unwrap_or_default()),
            b: inputs.name(outlier.input),
        };
        for field in &outlier.fields {
            lines.push(format!(
                "  header: {} is {} in {}, {} in {}",
                field.field, field.a, names.a, field.b, names.b
            ));
        }
    }
    lines
}

fn of_group(first: &Group, group: &Group, inputs: &Inputs) -> Vec<String> {
    let name = |group: &Group| inputs.name(group.members.first().copied().unwrap_or_default());
    let mut lines = vec![format!("{} against {}:", name(group), name(first))];
    for table in &group.tables {
        let rows = match table.rows {
            Sides { a, b } if a == b => format!("{a} rows each"),
            Sides { a, b } => format!("{b} rows against {a}"),
        };
        lines.push(format!(
            "  {} differs ({rows}){}",
            table.table,
            place(table)
        ));
        if let Located::Keys { only, differ } = &table.located {
            let kinds = [
                ("only in the first", &only.a),
                ("only in the other", &only.b),
                ("differs", differ),
            ];
            for (what, keys) in kinds {
                lines.extend(keys.iter().map(|key| format!("    {key}  {what}")));
            }
        }
        if let Located::Row { key, fields } = &table.located {
            let fields: Vec<String> = fields.iter().map(FieldChange::to_string).collect();
            lines.push(format!("    {key}  {}", fields.join(", ")));
        }
    }
    lines
}

/// Ranges that are named; more are counted only.
const RANGES_SHOWN: usize = 8;

fn place(table: &TableDifference) -> String {
    match &table.located {
        Located::Ranges { differing, .. } if differing.is_empty() => {
            ", but the short digests of all parts agree, by chance or because someone made them; use diff"
                .to_owned()
        }
        Located::Ranges { differing, .. } => {
            let shown = differing.iter().take(RANGES_SHOWN);
            let names: Vec<String> = shown
                .map(|range| match range.rows {
                    Sides { a, b } if a == b => format!("{} ({a} rows)", range.prefix),
                    Sides { a, b } => format!("{} ({b} rows against {a})", range.prefix),
                })
                .collect();
            let more = match differing.len().saturating_sub(RANGES_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} ranges more"),
            };
            format!(", in keys that begin with {}{more}", names.join(", "))
        }
        Located::Keys { .. } => ", in these rows:".to_owned(),
        Located::Row { .. } => ", in this row:".to_owned(),
        Located::Elsewhere { prefix } => format!(", but not in keys that begin with {prefix}"),
        Located::Unknown => ", and these fingerprints do not look at the same keys of it".to_owned(),
    }
}

/// The commands that tell more: fingerprints of the first range of each table that differs, on both sides. For
/// inputs that are at hand, `diff` tells all at once.
pub(crate) fn next(comparison: &Comparison, inputs: &Inputs) -> Vec<String> {
    let mut commands = Vec::new();
    let groups = comparison.epochs.iter().flat_map(|of| &of.groups);
    for table in groups.flat_map(|group| &group.tables) {
        let Sides { a, b } = table.inputs;
        let at_hand = |index: usize| inputs.documents.get(index) == Some(&false);
        let of = |index: usize| inputs.prints.get(index).map_or("?", |print| &print.input);
        if at_hand(a) && at_hand(b) {
            let command = format!("blob-snapshot diff {} {}", quoted(of(a)), quoted(of(b)));
            push_new(&mut commands, command);
        } else if let Some(Focus::Range(name, prefix)) = table.next() {
            for index in [a, b] {
                push_new(
                    &mut commands,
                    fingerprint(of(index), name, &prefix.to_string()),
                );
            }
        }
    }
    commands
}

/// How the commands are presented.
pub(crate) fn advice(commands: &[String]) -> Vec<String> {
    let indented = |command: &String| format!("  {command}");
    let (diffs, prints): (Vec<&String>, Vec<&String>) = commands
        .iter()
        .partition(|command| command.starts_with("blob-snapshot diff"));
    let mut lines = Vec::new();
    if !diffs.is_empty() {
        lines.push("next:".to_owned());
        lines.extend(diffs.into_iter().map(indented));
    }
    if !prints.is_empty() {
        lines.push("next, on each side, then compare what they print:".to_owned());
        lines.extend(prints.into_iter().map(indented));
    }
    lines
}

fn fingerprint(path: &str, table: Table, prefix: &str) -> String {
    let prefix = match prefix {
        "" => String::new(),
        prefix => format!(" --prefix {prefix}"),
    };
    format!(
        "blob-snapshot fingerprint {} --table {table}{prefix}",
        quoted(path)
    )
}

fn push_new(commands: &mut Vec<String>, command: String) {
    if !commands.contains(&command) {
        commands.push(command);
    }
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,%".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        path.to_owned()
    } else {
        let path = Shown(path).to_string();
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

fn epoch(epoch: Option<Epoch>) -> String {
    epoch.map_or_else(
        || "epoch unknown".to_owned(),
        |epoch| format!("epoch {epoch}"),
    )
}
