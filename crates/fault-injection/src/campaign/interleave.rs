//! Readers of a database, and a node that starts, writes, flushes or stops between two of their
//! operations: each answer is that of the rows before, or of the rows after, or there is none.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::fixtures::Fixtures;
use super::promises::{Broken, bytes, names};
use super::worker::{Worker, last_line};
use crate::node::Action::{self, Flush, Wait, Write};
use crate::supervise::{Ended, Fault, Ran};
use crate::syscalls::Sight;

/// What a node does, and when.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Before the reader starts, up to [`Wait`]; the rest is between two operations.
    started: bool,
    actions: &'static [Action],
}

/// All of them. A node that ends with [`Wait`] stays until the reader has ended.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "starts-and-stops",
        started: false,
        actions: &[],
    },
    Scenario {
        name: "starts-writes-and-stops",
        started: false,
        actions: &[Write],
    },
    Scenario {
        name: "starts-flushes-and-stops",
        started: false,
        actions: &[Write, Flush],
    },
    Scenario {
        name: "starts",
        started: false,
        actions: &[Wait],
    },
    Scenario {
        name: "starts-and-writes",
        started: false,
        actions: &[Write, Wait],
    },
    Scenario {
        name: "starts-and-flushes",
        started: false,
        actions: &[Write, Flush, Wait],
    },
    Scenario {
        name: "stops",
        started: true,
        actions: &[Wait],
    },
    Scenario {
        name: "writes-and-stops",
        started: true,
        actions: &[Wait, Write],
    },
    Scenario {
        name: "flushes",
        started: true,
        actions: &[Wait, Write, Flush, Wait],
    },
];

/// A command that reads the database `db`.
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    arguments: Vec<OsString>,
    inputs: Vec<(String, String)>,
}

/// All of them.
pub(crate) fn readers(fixtures: &Fixtures) -> Vec<Reader> {
    let epoch = &fixtures.epoch;
    let reader = |name, arguments: &str| Reader {
        name,
        arguments: arguments.split(' ').map(OsString::from).collect(),
        inputs: ["db", "b.bin"]
            .map(|name| (name.to_owned(), name.to_owned()))
            .to_vec(),
    };
    vec![
        reader("reads-digest", &format!("digest db --epoch {epoch}")),
        reader(
            "reads-create",
            &format!("create --db db --epoch {epoch} -o out.bin"),
        ),
        reader("reads-inspect", &format!("inspect db --epoch {epoch}")),
        reader("reads-check", "check --db db"),
        reader("reads-diff", &format!("diff db b.bin --epoch {epoch}")),
        reader(
            "reads-dry-run",
            "restore b.bin --db db --replace-tables --dry-run",
        ),
    ]
}

/// What a reader answers: its exit code, and what it says or writes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    code: i32,
    text: String,
    file: Option<Vec<u8>>,
}

/// What a reader answers before and after a node has written.
pub(crate) struct Answers {
    answers: [Answer; 2],
    /// Operations of the reader on the database.
    pub(crate) operations: usize,
}

impl Answers {
    /// Asks a reader with no node near.
    ///
    /// # Errors
    ///
    /// If it cannot be run.
    pub(crate) fn new(worker: &Worker<'_>, reader: &Reader) -> Result<Self> {
        worker.begin(&reader.inputs)?;
        let before = run(worker, reader, None)?;
        let operations = before.operations.len();
        let before =
            answer(worker, reader, &before)?.context("a reader that is alone has no answer")?;
        worker.begin(&reader.inputs)?;
        node(worker, &[Write])?.finish()?;
        let after = run(worker, reader, None)?;
        let after =
            answer(worker, reader, &after)?.context("a reader after a node has no answer")?;
        if reader.name != "reads-dry-run" {
            ensure!(
                before != after,
                "{}: the node's rows do not show: {before:?}",
                reader.name
            );
        }
        Ok(Self {
            answers: [before, after],
            operations,
        })
    }
}

/// Runs a reader, and lets the node do its part at the operation with this number. Returns what is
/// broken, or nothing at all if the reader did not come so far.
///
/// # Errors
///
/// If a program cannot be run.
pub(crate) fn case(
    worker: &Worker<'_>,
    reader: &Reader,
    answers: &Answers,
    scenario: &Scenario,
    at: usize,
) -> Result<Option<(Ran, Broken)>> {
    worker.begin(&reader.inputs)?;
    let mut running = None;
    if scenario.started {
        running = Some(node(worker, scenario.actions)?);
    }
    let mut meanwhile = || {
        match &mut running {
            Some(node) => node.go_on()?,
            none => *none = Some(node(worker, scenario.actions)?),
        }
        Ok(())
    };
    let ran = run(worker, reader, Some((at, Fault::Meanwhile(&mut meanwhile))))?;
    if let Some(node) = running {
        node.finish()?;
    }
    let early = scenario.started && ran.ended == Ended::Code(3);
    if ran.hit.is_none() && !early {
        return Ok(None);
    }
    let mut broken = Broken::new();
    match answer(worker, reader, &ran)? {
        Some(answer) if reader.name == "reads-dry-run" && answer.code <= 1 => {}
        Some(answer) if answers.answers.contains(&answer) => {}
        Some(Answer { code, text, .. }) => broken.push(format!(
            "exit code {code}, and an answer that is true neither before nor after: {}",
            text.lines().next().unwrap_or("")
        )),
        None if ran.ended == Ended::Code(3) => {}
        None => broken.push(last_line(&ran)),
    }
    if ran.stderr.contains("panicked at") {
        broken.push(format!("panic: {}", last_line(&ran)));
    }
    Ok(Some((ran, broken)))
}

fn run(worker: &Worker<'_>, reader: &Reader, fault: Option<(usize, Fault<'_>)>) -> Result<Ran> {
    let program = &worker.programs.blob_snapshot;
    let db = worker.case().join("db");
    worker.supervised(
        program,
        &reader.arguments,
        &db,
        (Sight::All, &|_| true),
        fault,
    )
}

/// The answer of a reader, if it gave one.
fn answer(worker: &Worker<'_>, reader: &Reader, ran: &Ran) -> Result<Option<Answer>> {
    let Ended::Code(code @ (0 | 1)) = ran.ended else {
        return Ok(None);
    };
    let tree = worker.tree()?;
    let file = bytes(&tree, Path::new("out.bin")).map(<[u8]>::to_vec);
    let text = match reader.name {
        // They say how long they took, or what is free.
        "reads-create" | "reads-dry-run" => String::new(),
        _ => ran
            .stdout
            .lines()
            .filter(|line| !line.contains(" in "))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    Ok(Some(Answer { code, text, file }))
}

/// A node that runs.
struct Node {
    child: Child,
    output: Box<dyn BufRead>,
    database: PathBuf,
}

/// Starts a node, and returns when it has ended or waits.
fn node(worker: &Worker<'_>, actions: &[Action]) -> Result<Node> {
    let mut command = Command::new(&worker.programs.itself);
    let database = worker.case().join("db");
    command.arg("node").arg(&database).args(names(actions));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = child.stdout.take().context("no pipe")?;
    let mut node = Node {
        child,
        output: Box::new(BufReader::new(output)),
        database,
    };
    node.until_ready()?;
    Ok(node)
}

impl Node {
    /// Returns at the next line, or at the end, which nobody else must wait for.
    fn until_ready(&mut self) -> Result<()> {
        if self.output.read_line(&mut String::new())? == 0 {
            self.child.wait()?;
        }
        Ok(())
    }

    /// Lets a node that waits go on, up to its end or until it waits again.
    fn go_on(&mut self) -> Result<()> {
        if let Some(stdin) = &mut self.child.stdin {
            // A node that could not start has ended.
            let _ = stdin.write_all(b"\n");
        }
        self.until_ready()
    }

    /// Lets it end.
    fn finish(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        self.child
            .wait()
            .with_context(|| format!("the node of {}", self.database.display()))?;
        Ok(())
    }
}
