//! What the operator can do about an error, in the words of the command that runs.
//!
//! The libraries say what is wrong and know no option. Advice stands here, each as if every command had every
//! option; advice that names an option which the running command does not have is left out.

use std::io;

use clap::CommandFactory as _;
use snapshot_store::chunks::ChunkFileError;
use snapshot_store::create::CreateError;
use snapshot_store::open::OpenError;
use snapshot_store::publish::PublishError;
use snapshot_store::restore::{CursorError, Finding, RestoreError};
use snapshot_store::transport::{Foreign, ZstdError};
use snapshot_store::wal::{LogKind, WalError};
use snapshot_store::{ReadError, VerifyError};

use crate::args::Cli;
use crate::error::CliError;

/// The long options of a command, without their hyphens.
#[derive(Debug, Default)]
pub(crate) struct Options(Vec<String>);

impl Options {
    /// Of no command.
    pub(crate) const NONE: Self = Self(Vec::new());

    /// Those of the command called `name`.
    pub(crate) fn of(name: Option<&str>) -> Self {
        let mut cli = Cli::command();
        // Gives every command the options that all have.
        cli.build();
        let command = name.and_then(|name| cli.find_subcommand(name));
        let arguments = command.map(clap::Command::get_arguments);
        let long = arguments
            .into_iter()
            .flatten()
            .filter_map(|argument| argument.get_long().map(str::to_owned));
        Self(long.collect())
    }

    /// Whether all options that `text` names are among them.
    fn have_all(&self, text: &str) -> bool {
        text.split("--").skip(1).all(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            self.0.iter().any(|option| option == name)
        })
    }
}

/// What the operator of a command with `options` can do, where the message does not say it already.
pub(crate) fn hint(error: &CliError, options: &Options) -> Option<String> {
    let mut advice = advice(error);
    advice.retain(|text| options.have_all(text));
    advice.dedup();
    (!advice.is_empty()).then(|| advice.join("; "))
}

fn advice(error: &CliError) -> Vec<&'static str> {
    match error {
        CliError::ReadBack { .. } => vec!["run again; --no-verify does without reading back"],
        CliError::NotWhole { .. } => vec!["--chunk accepts one chunk by itself"],
        CliError::NoScratch { .. } => vec!["name one with --scratch-dir"],
        CliError::Open(error) => opening(error),
        CliError::Verify(error) => verifying(error),
        CliError::Stdin { source } => reading(source),
        CliError::Publish(error) => publishing(error),
        CliError::Create(error) => match &**error {
            CreateError::Publish(error) => publishing(error),
            _ => Vec::new(),
        },
        CliError::Chunks(error) => match &**error {
            ChunkFileError::Write(CreateError::Publish(error)) => publishing(error),
            _ => Vec::new(),
        },
        CliError::Restore(error) => restoring(error),
        _ => Vec::new(),
    }
}

fn restoring(error: &RestoreError) -> Vec<&'static str> {
    match error {
        RestoreError::Refused { findings } => findings.iter().flat_map(finding).collect(),
        RestoreError::Open(error) => over(error),
        RestoreError::Snapshot(error) => verifying(error),
        RestoreError::Publish(error) => publishing(error),
        RestoreError::NotDurable { source, .. } => restoring(source),
        RestoreError::Io { source, .. } => too_many_files(source),
        RestoreError::RocksDb { source, .. } => too_many_files(source),
        _ => Vec::new(),
    }
}

fn too_many_files(error: &dyn std::fmt::Display) -> Vec<&'static str> {
    if error.to_string().contains("Too many open files") {
        return vec!["raise the limit on open files (`ulimit -n`)"];
    }
    Vec::new()
}

fn finding(finding: &Finding) -> Vec<&'static str> {
    match finding {
        Finding::Exists { .. } => {
            vec!["to replace its blob info tables, stop the node and give --replace-tables"]
        }
        Finding::NothingToReplace { .. } => {
            vec!["leave out --replace-tables to make a new database"]
        }
        Finding::Cursor(CursorError::Contradicts) => {
            vec!["leave out --event-tx-digest, --event-seq and --next-event-index"]
        }
        Finding::Cursor(CursorError::NoIndex) => vec!["give --next-event-index as well"],
        Finding::Cursor(CursorError::NoEvent) => {
            vec!["give --event-tx-digest and --event-seq as well"]
        }
        Finding::Database(error) => over(error),
        _ => Vec::new(),
    }
}

/// About a database that is to be restored over.
fn over(error: &OpenError) -> Vec<&'static str> {
    match error {
        OpenError::Log(error) if is_about_logs(error) => {
            let mut advice = opening_log(error);
            advice.push(
                "or start the node once and stop it, so that it recovers its log as far as it can, \
                 and run this again",
            );
            advice
        }
        error => opening(error),
    }
}

fn opening(error: &OpenError) -> Vec<&'static str> {
    match error {
        OpenError::InUse { .. } => vec![
            "--allow-live opens it all the same, but what is read of a running node's database is \
             undefined",
        ],
        OpenError::Log(error) => opening_log(error),
        OpenError::AheadOfLogs { torn: true, .. } => {
            vec!["--wal-recovery tolerate-torn-tail drops the incomplete last record alone"]
        }
        _ => Vec::new(),
    }
}

/// Whether the write-ahead log is what is wrong.
const fn is_about_logs(error: &WalError) -> bool {
    matches!(
        error,
        WalError::TornTail { .. }
            | WalError::Damaged {
                kind: LogKind::Wal,
                ..
            }
            | WalError::SequenceGap { .. }
            | WalError::SequenceOverlap { .. }
            | WalError::NoLog { .. }
            | WalError::MissingLog { .. }
            | WalError::ShortLog { .. }
    )
}

fn opening_log(error: &WalError) -> Vec<&'static str> {
    match error {
        WalError::TornTail { .. } => {
            vec!["--wal-recovery tolerate-torn-tail drops that record, and says so"]
        }
        error if is_about_logs(error) => vec![
            "--wal-recovery point-in-time accepts losing every write from there on, where RocksDB can \
             do it, and says so",
        ],
        _ => Vec::new(),
    }
}

fn verifying(error: &VerifyError) -> Vec<&'static str> {
    match error {
        VerifyError::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            vec!["check the path; - reads standard input"]
        }
        VerifyError::Read { source, .. } => reading(source),
        _ => Vec::new(),
    }
}

fn reading(error: &ReadError) -> Vec<&'static str> {
    match error {
        ReadError::Zstd(ZstdError::Window { .. }) => {
            vec!["zstd -dc -M2048MB FILE | blob-snapshot ... -"]
        }
        ReadError::Foreign(foreign) => vec![decompressing(*foreign)],
        _ => Vec::new(),
    }
}

/// How compressed input is read all the same.
const fn decompressing(foreign: Foreign) -> &'static str {
    match foreign {
        Foreign::Gzip => "gzip -dc FILE | blob-snapshot ... -",
        Foreign::Bzip2 => "bzip2 -dc FILE | blob-snapshot ... -",
        Foreign::Xz => "xz -dc FILE | blob-snapshot ... -",
        Foreign::Lz4 => "lz4 -dc FILE | blob-snapshot ... -",
        _ => "unzip -p FILE | blob-snapshot ... -",
    }
}

fn publishing(error: &PublishError) -> Vec<&'static str> {
    match error {
        PublishError::Exists { .. } => vec!["--force replaces it"],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_given_where_the_command_has_the_option() {
        let exists = || {
            CliError::from(PublishError::Exists {
                path: "a.bin".into(),
            })
        };
        let in_use = || {
            CliError::from(OpenError::InUse {
                path: "db".into(),
                pid: None,
            })
        };
        let hint_of = |error: &CliError, name| hint(error, &Options::of(Some(name)));
        assert_eq!(
            hint_of(&exists(), "create").as_deref(),
            Some("--force replaces it")
        );
        assert_eq!(hint_of(&exists(), "verify"), None);
        assert!(hint_of(&in_use(), "digest").is_some());
        assert_eq!(hint_of(&in_use(), "restore"), None);
    }

    #[test]
    fn options_are_told_from_prose() {
        let options = Options(vec!["force".to_owned(), "allow-live".to_owned()]);
        for had in ["", "a - b", "--force", "say --allow-live, or --force."] {
            assert!(options.have_all(had), "{had}");
        }
        for not_had in ["--forced", "--allow", "--force and --quiet"] {
            assert!(!options.have_all(not_had), "{not_had}");
        }
    }
}
