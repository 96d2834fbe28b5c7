//! The commands that write: what each begins with, how it is called, and what it promises.

use std::ffi::OsString;
use std::str::FromStr;

use super::fixtures::{self, EPOCHS, Fixtures};

/// A command, ready to be run in a directory of its own.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) promise: Promise,
    pub(crate) arguments: Vec<OsString>,
    /// What is put into the directory: a fixture, and its name there.
    pub(crate) inputs: Vec<(String, String)>,
}

/// What a command promises, whatever happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Each output is there whole, or as it was.
    Files,
    /// No set of chunks is complete and of two snapshots.
    Chunks,
    /// A database appears whole or not at all.
    NewDatabase,
    /// A database is the old one or the new one, and whatever else is in it stays.
    Replaced,
    /// The hook never fails the node, and never loses what is good.
    Hook(&'static str),
}

/// All of them.
pub(crate) fn all(fixtures: &Fixtures) -> Vec<Command> {
    let [cut, cut_other] = &fixtures.chunk_sizes;
    let epoch = &fixtures.epoch;
    let create = format!("create --db db --epoch {epoch}");
    let counted = "create --db checkpoint --epoch 1 --framing counted --event-tx-digest \
         11111111111111111111111111111111 --event-seq 1 --next-event-index 7 -o out.bin";
    let chunks = format!("{create} --max-chunk-size {cut} -o out.bin");
    let split = format!("split b.bin --max-chunk-size {cut_other} -o out.bin");
    let join = "join in-0.bin in-1.bin in-2.bin -o out.bin";
    let join_inputs = "b-set/out.chunk-0-of-3.bin=in-0.bin b-set/out.chunk-1-of-3.bin=in-1.bin \
         b-set/out.chunk-2-of-3.bin=in-2.bin";
    let set = "a-set/out.chunk-0-of-3.bin=out.chunk-0-of-3.bin \
         a-set/out.chunk-1-of-3.bin=out.chunk-1-of-3.bin a-set/out.chunk-2-of-3.bin=out.chunk-2-of-3.bin";
    let other_set = set.replace("a-set", "b-set");
    let restore = "restore b.bin --db db";
    let files = |name: &str, arguments: &str, inputs: &str| {
        command(name, Promise::Files, arguments, inputs)
    };
    let mut all = vec![
        files("create", &format!("{create} -o out.bin"), "db"),
        files(
            "create-force",
            &format!("{create} -o out.bin --force"),
            "db b.bin=out.bin",
        ),
        files("create-counted", counted, "checkpoint"),
        files("create-zst", &format!("{create} -o out.bin.zst"), "db"),
        command("create-chunks", Promise::Chunks, &chunks, "db"),
        command(
            "create-chunks-force",
            Promise::Chunks,
            &format!("{chunks} --force"),
            &format!("db {other_set}"),
        ),
        command("split", Promise::Chunks, &split, "b.bin"),
        command(
            "split-force",
            Promise::Chunks,
            &format!("{split} --force"),
            &format!("b.bin {set}"),
        ),
        files("join", join, join_inputs),
        files(
            "join-force",
            &format!("{join} --force"),
            &format!("{join_inputs} a.bin=out.bin"),
        ),
        files(
            "convert",
            "convert a.bin --framing counted -o out.bin",
            "a.bin",
        ),
        files(
            "convert-force",
            "convert b.bin --framing counted -o out.bin --force",
            "b.bin a.counted=out.bin",
        ),
        files("dump-jsonl", "dump b.bin -o out.jsonl", "b.bin"),
        files("dump-csv", "dump b.bin -o out.csv", "b.bin"),
        files(
            "dump-csv-tmp-taken",
            "dump b.bin -o out.csv",
            "b.bin a.bin=out.csv.tmp",
        ),
        files("dump-parquet", "dump b.bin -o out.parquet", "b.bin"),
        files(
            "dump-force",
            "dump b.bin -o out.csv --force",
            "b.bin a.bin=out.csv",
        ),
        files("report", "report a.bin b.bin -o out.html", "a.bin b.bin"),
        files(
            "report-force",
            "report a.bin -o out.html --force",
            "a.bin b.bin=out.html",
        ),
        command("restore", Promise::NewDatabase, restore, "b.bin"),
        command(
            "restore-chunks",
            Promise::NewDatabase,
            "restore in-0.bin in-1.bin in-2.bin --db db",
            join_inputs,
        ),
        command(
            "restore-replace",
            Promise::Replaced,
            &format!("{restore} --replace-tables"),
            "b.bin db",
        ),
    ];
    for mode in &fixtures.modes {
        let arguments = fixtures::follow_arguments(mode, EPOCHS + 1).join(" ") + " --dir node";
        let inputs = format!("node-{mode}=node");
        all.push(command(
            &format!("hook-{mode}"),
            Promise::Hook(mode),
            &arguments,
            &inputs,
        ));
    }
    all
}

fn command(name: &str, promise: Promise, arguments: &str, inputs: &str) -> Command {
    let input = |text: &str| {
        let (fixture, name) = text.split_once('=').unwrap_or((text, text));
        (fixture.to_owned(), name.to_owned())
    };
    Command {
        name: name.to_owned(),
        promise,
        arguments: arguments.split_whitespace().map(OsString::from).collect(),
        inputs: inputs.split_whitespace().map(input).collect(),
    }
}

/// What can be done to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An operation that changes something fails with EIO.
    Eio,
    /// One that needs space fails with ENOSPC.
    Enospc,
    /// One on a name fails with EACCES.
    Eacces,
    /// The disk is full from there on.
    Full,
    /// A read, a look or an open fails with EIO.
    Read,
    /// Half of a write, then SIGKILL.
    Torn,
    /// SIGKILL.
    Kill,
    /// SIGKILL at a random moment.
    Random,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Eio,
        Self::Enospc,
        Self::Eacces,
        Self::Full,
        Self::Read,
        Self::Torn,
        Self::Kill,
        Self::Random,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Eio => "eio",
            Self::Enospc => "enospc",
            Self::Eacces => "eacces",
            Self::Full => "full",
            Self::Read => "read",
            Self::Torn => "torn",
            Self::Kill => "kill",
            Self::Random => "random",
        }
    }

    /// Whether the program is ended.
    pub(crate) const fn kills(self) -> bool {
        matches!(self, Self::Torn | Self::Kill | Self::Random)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let known = Self::ALL.into_iter().find(|kind| kind.name() == text);
        known.ok_or_else(|| format!("there are: {}", names()))
    }
}
