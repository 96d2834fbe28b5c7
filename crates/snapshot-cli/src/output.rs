//! The only place that prints: results, warnings, notes and errors, as text or as JSON.
//!
//! Results go to standard output, everything else to standard error; when standard output carries a
//! snapshot, results go to standard error too. A reader that goes away is no failure. How a result
//! looks is its command's business.

use std::error::Error;
use std::fmt::{self, Display, Write as _};
use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use clap::builder::StyledStr;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{ColorMode, GlobalArgs};
use crate::error::{CliError, Unexpected};
use crate::exit::Exit;
use crate::hint::{Options, hint};
use crate::progress::Meter;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const QUIET_WORD: Style = AnsiColor::Cyan.on_default();

/// Where and how a command prints.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    /// Standard output carries a snapshot.
    results_to_stderr: bool,
    /// Nobody reads standard output any more.
    reader_gone: bool,
    warnings: Vec<String>,
    /// Those of the command that runs.
    options: Options,
}

impl Output {
    /// As the command line asks for it.
    pub(crate) fn new(args: &GlobalArgs, options: Options) -> Self {
        match args.color {
            ColorMode::Auto => {}
            ColorMode::Always => anstream::ColorChoice::Always.write_global(),
            ColorMode::Never => anstream::ColorChoice::Never.write_global(),
        }
        Self {
            json: args.json,
            quiet: args.quiet,
            options,
            ..Self::plain()
        }
    }

    /// For what is said before there is a command line.
    pub(crate) const fn plain() -> Self {
        Self {
            json: false,
            quiet: false,
            results_to_stderr: false,
            reader_gone: false,
            warnings: Vec::new(),
            options: Options::NONE,
        }
    }

    /// Prints help or the version, as clap words and colors it.
    pub(crate) fn help(text: &StyledStr) -> Result<(), CliError> {
        let text = text.ansi().to_string();
        Self::plain().print(&text.trim_end_matches('\n'))
    }

    /// From now on standard output carries a snapshot.
    pub(crate) fn leave_stdout_to_snapshot(&mut self) {
        self.results_to_stderr = true;
    }

    /// Whether JSON is asked for.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// What shows the progress of a job.
    pub(crate) fn meter(&self) -> Meter {
        Meter::new(!self.quiet && io::stderr().is_terminal())
    }

    /// Prints a line of a result, unless JSON is asked for.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), CliError> {
        if self.json { Ok(()) } else { self.print(&line) }
    }

    /// Prints the result as JSON on one line, with the warnings there were, if JSON is asked for.
    pub(crate) fn object(&mut self, result: &impl Serialize) -> Result<(), CliError> {
        if !self.json {
            return Ok(());
        }
        let mut value =
            serde_json::to_value(result).map_err(|error| CliError::Stdout(error.into()))?;
        if let Value::Object(map) = &mut value {
            map.insert("warnings".to_owned(), json!(self.warnings));
        }
        self.print(&value)
    }

    /// Prints one of many JSON objects on a line of its own, if JSON is asked for.
    pub(crate) fn record(&mut self, record: &impl Serialize) -> Result<(), CliError> {
        if self.json {
            let text =
                serde_json::to_string(record).map_err(|error| CliError::Stdout(error.into()))?;
            self.print(&text)
        } else {
            Ok(())
        }
    }

    /// Prints a document that is JSON whatever is asked for, on one line. A part of it is of no use.
    pub(crate) fn document(&mut self, document: &impl Serialize) -> Result<(), CliError> {
        let text =
            serde_json::to_string(document).map_err(|error| CliError::Stdout(error.into()))?;
        self.print(&text)?;
        if self.reader_gone {
            return Err(CliError::Stdout(io::ErrorKind::BrokenPipe.into()));
        }
        Ok(())
    }

    /// Warns of something that makes the result less certain.
    pub(crate) fn warn(&mut self, message: impl Display) {
        let message = message.to_string();
        if self.json {
            self.stderr(&json!({ "warning": message }));
        } else {
            self.stderr(&format_args!(
                "{WARNING}warning:{WARNING:#} {}",
                Lines(&message)
            ));
        }
        self.warnings.push(message);
    }

    /// Says something that helps to read the result.
    pub(crate) fn note(&self, message: impl Display) {
        if !self.quiet && !self.json {
            let message = message.to_string();
            self.stderr(&format_args!(
                "{QUIET_WORD}note:{QUIET_WORD:#} {}",
                Lines(&message)
            ));
        }
    }

    /// Says why a command, or one of its inputs, fails.
    pub(crate) fn error(&self, error: &CliError, exit: Exit) {
        let hint = hint(error, &self.options);
        self.failure(error, error.kind(), exit, hint.as_deref());
    }

    /// Says why the answer is no.
    pub(crate) fn refusal(&self, reason: &Unexpected) {
        self.failure(reason, "unexpected", Exit::No, None);
    }

    /// Says that the command line could not be parsed, as clap words it.
    pub(crate) fn usage_as_json(message: &str) {
        let message = message
            .strip_prefix("error: ")
            .unwrap_or(message)
            .trim_end();
        let error = json!({ "error": {
            "exit_code": Exit::Usage.code(), "kind": "usage", "message": message,
            "causes": [], "hint": null,
        } });
        // There is nobody left to tell.
        let _ = writeln!(io::stderr(), "{error}");
    }

    fn failure(&self, error: &(dyn Error + 'static), kind: &str, exit: Exit, hint: Option<&str>) {
        let (message, causes) = chain(error);
        if self.json {
            self.stderr(&json!({ "error": {
                "exit_code": exit.code(), "kind": kind, "message": message,
                "causes": causes, "hint": hint,
            } }));
            return;
        }
        let mut text = format!("{ERROR}error:{ERROR:#} {}", Lines(&message));
        // Writing to a string cannot fail.
        for cause in causes {
            let _ = write!(text, "\n  caused by: {}", Lines(&cause));
        }
        if let Some(hint) = hint {
            let _ = write!(text, "\n  {QUIET_WORD}hint:{QUIET_WORD:#} {hint}");
        }
        self.stderr(&text);
    }

    fn print(&mut self, text: &dyn Display) -> Result<(), CliError> {
        if self.reader_gone {
            return Ok(());
        }
        let printed = if self.results_to_stderr {
            writeln!(anstream::stderr().lock(), "{text}")
        } else {
            let mut stdout = anstream::stdout().lock();
            writeln!(stdout, "{text}").and_then(|()| stdout.flush())
        };
        match printed {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_gone = true;
                Ok(())
            }
            Err(error) if self.results_to_stderr => Err(CliError::Stderr(error)),
            printed => printed.map_err(CliError::Stdout),
        }
    }

    /// Whoever closed standard error does not want to know, and there is no other place to say so.
    fn stderr(&self, text: &dyn Display) {
        let _ = writeln!(anstream::stderr().lock(), "{text}");
    }
}

/// The error's message, and its causes as far as they say something new: many messages end in that of
/// their cause.
fn chain(error: &(dyn Error + 'static)) -> (String, Vec<String>) {
    let message = error.to_string();
    let mut causes: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        let said = message.contains(&text) || causes.iter().any(|earlier| earlier.contains(&text));
        if !said {
            causes.push(text);
        }
        next = cause.source();
    }
    (message, causes)
}

/// The error and its causes on one line.
pub(crate) fn one_line(error: &(dyn Error + 'static)) -> String {
    let (message, causes) = chain(error);
    [message]
        .into_iter()
        .chain(causes)
        .collect::<Vec<_>>()
        .join(": ")
}

/// A name from outside, on one line: control characters are escaped, so that a file name can neither
/// break a line nor steer a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// A message, maybe of several lines, that may name things from outside.
struct Lines<'a>(&'a str);

impl Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.0.split('\n').enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            write!(f, "{separator}{}", Shown(line))?;
        }
        Ok(())
    }
}
