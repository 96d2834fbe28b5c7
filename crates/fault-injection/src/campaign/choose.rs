//! Which cases are tried: all, some, or one.

use std::fmt;

use anyhow::{Result, ensure};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::Options;
use super::commands::{self, Command, Kind, Promise};
use super::interleave::{self, Answers, Reader, SCENARIOS, Scenario};
use super::promises::Reference;
use super::tally::Tally;
use super::worker::Worker;

/// A command, and what it does by itself.
pub(crate) enum Subject {
    /// One that writes.
    Writer(Command, Reference),
    /// One that reads.
    Reader(Reader, Answers),
}

/// What happens to it.
#[derive(Clone, Copy)]
pub(crate) enum What {
    /// A fault.
    Fault(Kind),
    /// A node.
    Meeting(&'static Scenario),
}

/// One case: which command, what happens to it, and at which of its operations.
pub(crate) struct Case<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) what: What,
    pub(crate) at: usize,
}

/// Runs everything that is asked for once, without a fault.
///
/// # Errors
///
/// If something does not work even so.
pub(crate) fn subjects(
    options: &Options,
    worker: &Worker<'_>,
    tally: &Tally,
) -> Result<Vec<Subject>> {
    let case = options
        .case
        .as_deref()
        .and_then(|case| case.split('/').next());
    let only: Vec<&str> = options
        .only
        .iter()
        .map(String::as_str)
        .chain(case)
        .collect();
    let commands = commands::all(worker.fixtures);
    let readers = interleave::readers(worker.fixtures);
    let writers = commands.iter().map(|command| command.name.as_str());
    let known: Vec<&str> = writers
        .chain(readers.iter().map(|reader| reader.name))
        .collect();
    if let Some(name) = only.iter().find(|name| !known.contains(*name)) {
        anyhow::bail!("no command `{name}`; there are: {}", known.join(", "));
    }
    let wanted = |name: &str| only.is_empty() || only.contains(&name);
    let mut subjects = Vec::new();
    for command in commands.iter().filter(|command| wanted(&command.name)) {
        let (reference, broken) = Reference::new(worker, command)?;
        tally.count(&command.name, "none", 1, Some(&broken));
        subjects.push(Subject::Writer(command.clone(), reference));
    }
    for reader in readers {
        if wanted(reader.name) && (options.interleavings > 0 || case.is_some()) {
            let answers = Answers::new(worker, &reader)?;
            subjects.push(Subject::Reader(reader, answers));
        }
    }
    Ok(subjects)
}

/// Chooses the cases.
///
/// # Errors
///
/// If the one that is asked for does not exist.
pub(crate) fn cases<'a>(
    options: &Options,
    subjects: &'a [Subject],
    tally: &Tally,
) -> Result<Vec<Case<'a>>> {
    let (mut faults, mut random, mut meetings) = (Vec::new(), Vec::new(), Vec::new());
    for subject in subjects {
        for (what, total) in subject.operations(options.random_kills) {
            tally.count(subject.name(), what.name(), total, None);
            let all = |step: usize| {
                (1..=total)
                    .step_by(step.max(1))
                    .map(move |at| Case { subject, what, at })
            };
            let wanted = |kind: Kind| options.kinds.is_empty() || options.kinds.contains(&kind);
            match what {
                What::Fault(Kind::Random) if wanted(Kind::Random) => random.extend(all(1)),
                What::Fault(kind) if wanted(kind) => faults.extend(all(options.every)),
                What::Fault(_) => {}
                What::Meeting(_) => meetings.extend(all(options.every)),
            }
        }
    }
    if let Some(name) = &options.case {
        let mut all: Vec<_> = faults.into_iter().chain(random).chain(meetings).collect();
        all.retain(|case| case.to_string() == *name);
        ensure!(all.len() == 1, "no case {name}");
        return Ok(all);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    faults.shuffle(&mut rng);
    meetings.shuffle(&mut rng);
    faults.truncate(options.count.unwrap_or(usize::MAX));
    meetings.truncate(options.interleavings);
    Ok(faults.into_iter().chain(random).chain(meetings).collect())
}

impl Subject {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Writer(command, _) => &command.name,
            Self::Reader(reader, _) => reader.name,
        }
    }

    /// What can happen to it, and at how many operations.
    fn operations(&self, random_kills: usize) -> Vec<(What, usize)> {
        match self {
            Self::Writer(command, reference) => {
                let total = |kind| match (kind, command.promise) {
                    (Kind::Random, Promise::Replaced) => random_kills,
                    (kind, promise) => reference.operations(kind, promise),
                };
                Kind::ALL
                    .map(|kind| (What::Fault(kind), total(kind)))
                    .to_vec()
            }
            Self::Reader(_, answers) => {
                let all = SCENARIOS
                    .iter()
                    .map(|scenario| (What::Meeting(scenario), answers.operations));
                all.collect()
            }
        }
    }
}

impl What {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fault(kind) => kind.name(),
            Self::Meeting(scenario) => scenario.name,
        }
    }
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}",
            self.subject.name(),
            self.what.name(),
            self.at
        )
    }
}
