//! One case after the other in a directory of its own: what is put there, and programs run on it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::commands::{Command, Kind, Promise};
use super::fixtures::{Fixtures, Programs};
use super::hook::ARTIFACTS;
use super::tree::{self, Tree};
use crate::supervise::{self, Ended, Fault, Plan, Ran};
use crate::syscalls::{Class, Sight};

/// A file of somebody else, in each directory that something is written to.
const FOREIGN: &str = "notes.txt";

/// Which operations a program is stopped at, and which of them count.
pub(crate) type Counts<'a> = (Sight, &'a dyn Fn(Class) -> bool);

/// Where one thread works.
pub(crate) struct Worker<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) fixtures: &'a Fixtures,
    /// Holds `case`, and what programs print.
    dir: PathBuf,
}

impl<'a> Worker<'a> {
    /// Works in `dir`, which is made.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(crate) fn new(
        programs: &'a Programs,
        fixtures: &'a Fixtures,
        dir: PathBuf,
    ) -> Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self {
            programs,
            fixtures,
            dir,
        })
    }

    /// The directory that a case has for itself.
    pub(crate) fn case(&self) -> PathBuf {
        self.dir.join("case")
    }

    /// Puts what a case begins with into an empty directory.
    ///
    /// # Errors
    ///
    /// If it cannot be copied.
    pub(crate) fn begin(&self, inputs: &[(String, String)]) -> Result<()> {
        tree::remove(&self.case())?;
        fs::create_dir(self.case())?;
        for (fixture, name) in inputs {
            tree::copy(&self.fixtures.dir.join(fixture), &self.case().join(name))?;
        }
        let node = self.case().join(ARTIFACTS);
        let beside = if node.exists() { node } else { self.case() };
        fs::write(beside.join(FOREIGN), FOREIGN)?;
        Ok(())
    }

    /// What is in it now.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(crate) fn tree(&self) -> Result<Tree> {
        Tree::read(&self.case())
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    ///
    /// If it cannot be run.
    pub(crate) fn run<S: AsRef<str>>(&self, program: &Path, arguments: &[S]) -> Result<Ran> {
        let arguments: Vec<OsString> = arguments.iter().map(|text| text.as_ref().into()).collect();
        self.supervised(
            program,
            &arguments,
            &self.case(),
            (Sight::Nothing, &|_| false),
            None,
        )
    }

    /// Runs a command, with a fault or without.
    ///
    /// # Errors
    ///
    /// If it cannot be run.
    pub(crate) fn command(
        &self,
        command: &Command,
        again: bool,
        counts: Counts<'_>,
        fault: Option<(usize, Fault<'_>)>,
    ) -> Result<Ran> {
        let mut arguments = command.arguments.clone();
        if again {
            arguments.push("--force".into());
        }
        self.supervised(
            self.program(command),
            &arguments,
            &self.watched(command, fault.as_ref()),
            counts,
            fault,
        )
    }

    /// How long a command takes that nothing watches.
    ///
    /// # Errors
    ///
    /// If it does not succeed.
    pub(crate) fn duration(&self, command: &Command) -> Result<Duration> {
        let start = Instant::now();
        let status = self.unwatched(command).status()?;
        ensure!(status.success(), "{}: {status}", command.name);
        Ok(start.elapsed())
    }

    /// Runs a command that nothing watches, and kills it when that time is over.
    ///
    /// # Errors
    ///
    /// If it cannot be run.
    pub(crate) fn killed(&self, command: &Command, after: Duration) -> Result<Ran> {
        let mut child = self.unwatched(command).spawn()?;
        thread::sleep(after);
        child.kill()?;
        let code = child.wait()?.code();
        Ok(Ran {
            ended: code.map_or(Ended::Signal(Signal::SIGKILL), Ended::Code),
            operations: Vec::new(),
            hit: None,
            stdout: String::new(),
            stderr: String::new(),
        })
    }

    fn unwatched(&self, command: &Command) -> Process {
        let mut process = Process::new(self.program(command));
        process.args(&command.arguments).current_dir(self.case());
        process.stdout(Stdio::null()).stderr(Stdio::null());
        process
    }

    /// The program of a command.
    pub(crate) fn program(&self, command: &Command) -> &Path {
        match command.promise {
            Promise::Hook(_) => &self.programs.reference_node,
            _ => &self.programs.blob_snapshot,
        }
    }

    /// A node may be killed anywhere, but what fails is in the hook's directory.
    fn watched(&self, command: &Command, fault: Option<&(usize, Fault<'_>)>) -> PathBuf {
        match (command.promise, fault) {
            (Promise::Hook(_), Some((_, Fault::Torn | Fault::Kill))) => self.case(),
            (Promise::Hook(_), Some(_)) => self.case().join(ARTIFACTS),
            _ => self.case(),
        }
    }

    /// Runs a program and watches what is below `watched`.
    ///
    /// # Errors
    ///
    /// If it cannot be run.
    pub(crate) fn supervised(
        &self,
        program: &Path,
        arguments: &[OsString],
        watched: &Path,
        (sight, counts): Counts<'_>,
        fault: Option<(usize, Fault<'_>)>,
    ) -> Result<Ran> {
        let plan = Plan {
            program,
            arguments,
            dir: &self.case(),
            watched,
            counts,
            sight,
            output: &self.dir,
        };
        supervise::run(&plan, fault)
    }

    /// Digest of the database `db`, or why there is none.
    ///
    /// # Errors
    ///
    /// If the program cannot be run.
    pub(crate) fn digest(&self, epoch: &str) -> Result<Result<String, String>> {
        let ran = self.run(
            &self.programs.blob_snapshot,
            &["digest", "db", "--epoch", epoch],
        )?;
        let digest = ran
            .stdout
            .split_whitespace()
            .next()
            .unwrap_or("")
            .to_owned();
        let good = ran.ended == Ended::Code(0) && digest.len() == 16;
        Ok(if good {
            Ok(digest)
        } else {
            Err(last_line(&ran))
        })
    }

    /// What the database `db` holds beside the tables of a snapshot, or why it cannot be read.
    ///
    /// # Errors
    ///
    /// If the program cannot be run.
    pub(crate) fn others(&self) -> Result<Result<Value, String>> {
        let ran = self.run(&self.programs.itself, &["others", "db"])?;
        Ok(match ran.ended {
            Ended::Code(0) => Ok(serde_json::from_str(&ran.stdout).context("not JSON")?),
            _ => Err(last_line(&ran)),
        })
    }
}

/// How a program ended, and what it said last.
pub(crate) fn last_line(ran: &Ran) -> String {
    let line = ran
        .stderr
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("");
    format!(
        "{:?}, {}",
        ran.ended,
        line.chars().take(300).collect::<String>()
    )
}

impl Kind {
    /// Whether an operation is one that this happens to.
    pub(crate) const fn counts(self, class: Class) -> bool {
        match self {
            Self::Eio | Self::Kill => !matches!(class, Class::Read),
            Self::Enospc => class.needs_space() || matches!(class, Class::Sync),
            Self::Eacces => matches!(class, Class::Make | Class::Name | Class::Open),
            Self::Full => class.needs_space(),
            Self::Read => matches!(class, Class::Read),
            Self::Torn => matches!(class, Class::Write),
            Self::Random => false,
        }
    }

    /// What a program must be stopped at.
    pub(crate) const fn sight(self) -> Sight {
        match self {
            Self::Read => Sight::All,
            _ => Sight::Changes,
        }
    }

    /// What the supervisor does for it.
    pub(crate) fn fault(self) -> Fault<'static> {
        match self {
            Self::Eio | Self::Read => Fault::Error(Errno::EIO),
            Self::Enospc => Fault::Error(Errno::ENOSPC),
            Self::Eacces => Fault::Error(Errno::EACCES),
            Self::Full => Fault::DiskFull,
            Self::Torn => Fault::Torn,
            Self::Kill | Self::Random => Fault::Kill,
        }
    }
}
