//! Running other programs: one builder that shows a command the way a reader would type it.
//!
//! Nothing here knows what a task is; nothing outside here touches `std::process::Command`.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::say;

/// A program with its arguments, environment and working directory.
#[derive(Debug, Clone)]
pub(crate) struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
    /// What to print for the program, if not what is run.
    shown: Option<OsString>,
}

/// What a captured program left behind.
#[derive(Debug)]
pub(crate) struct Captured {
    /// The exit code, or `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output, lossily decoded.
    pub(crate) stdout: String,
    /// Standard error, lossily decoded.
    pub(crate) stderr: String,
}

impl Cmd {
    /// Starts a command line with `program`.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            shown: None,
        }
    }

    /// Starts a command line with the program `name` in `dir`, shown by its name alone.
    pub(crate) fn program(dir: &Path, name: &str) -> Self {
        let mut command = Self::new(dir.join(name));
        command.shown = Some(name.into());
        command
    }

    /// Starts a command line with the cargo that runs this program.
    pub(crate) fn cargo() -> Self {
        // Cargo names itself by its full path inside the toolchain; nobody types that.
        let mut command = Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.shown = Some("cargo".into());
        command
    }

    /// Appends one argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Appends several arguments.
    pub(crate) fn args<I, S>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable for the program.
    pub(crate) fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the directory that the program runs in.
    pub(crate) fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Prints the command line, runs it with this terminal as its own, and requires success.
    ///
    /// # Errors
    ///
    /// When the program cannot be started, or ends with anything but exit code 0.
    pub(crate) fn run(&self) -> Result<()> {
        say::line(&format!("$ {self}"));
        let status = self
            .command()
            .status()
            .with_context(|| self.cannot_start())?;
        match status.code() {
            Some(0) => Ok(()),
            Some(code) => bail!("`{self}` failed with exit code {code}; its output is above"),
            None => bail!("`{self}` was ended by a signal ({status})"),
        }
    }

    /// Runs the program without a terminal and returns what it printed, whatever its exit code.
    ///
    /// # Errors
    ///
    /// When the program cannot be started.
    pub(crate) fn capture(&self) -> Result<Captured> {
        let output = self
            .command()
            .stdin(Stdio::null())
            .output()
            .with_context(|| self.cannot_start())?;
        Ok(Captured {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs the program without a terminal, requires success, and returns its standard output.
    ///
    /// # Errors
    ///
    /// When the program cannot be started, or ends with anything but exit code 0; the error then
    /// carries what it wrote to standard error.
    pub(crate) fn read(&self) -> Result<String> {
        let captured = self.capture()?;
        if captured.code != Some(0) {
            let code = captured
                .code
                .map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
            bail!("`{self}` ended with {code}: {}", captured.stderr.trim());
        }
        Ok(captured.stdout)
    }

    /// Prints the command line, runs it, requires success, and returns its standard output.
    ///
    /// Standard error stays on the terminal, so progress and warnings appear as they come.
    ///
    /// # Errors
    ///
    /// When the program cannot be started, or ends with anything but exit code 0.
    pub(crate) fn run_quietly(&self) -> Result<String> {
        say::line(&format!("$ {self}"));
        let output = self
            .command()
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| self.cannot_start())?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            say::raw(&stdout);
            bail!("`{self}` failed ({}); its output is above", output.status);
        }
        Ok(stdout)
    }

    /// Like [`Self::run_quietly`], and prints the output.
    ///
    /// # Errors
    ///
    /// As there.
    pub(crate) fn run_and_read(&self) -> Result<String> {
        let stdout = self.run_quietly()?;
        say::raw(&stdout);
        Ok(stdout)
    }

    /// Prints the command line, runs it, prints all it says, and requires this exit code.
    ///
    /// # Errors
    ///
    /// When the program cannot be started, or ends in another way.
    pub(crate) fn run_and_expect(&self, code: i32) -> Result<()> {
        say::line(&format!("$ {self}"));
        let captured = self.capture()?;
        say::raw(&captured.stdout);
        say::raw(&captured.stderr);
        if captured.code != Some(code) {
            bail!(
                "`{self}` must end with exit code {code}, but has {:?}",
                captured.code
            );
        }
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(key, value)| (key, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    fn cannot_start(&self) -> String {
        format!(
            "cannot start `{}`; is it installed and on PATH?",
            self.program.display()
        )
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, value) in &self.env {
            write!(f, "{}={} ", key.display(), quoted(value))?;
        }
        let program = self.shown.as_ref().unwrap_or(&self.program);
        write!(f, "{}", quoted(program))?;
        for arg in &self.args {
            write!(f, " {}", quoted(arg))?;
        }
        Ok(())
    }
}

/// Whether `program` is on PATH and answers to `--version`.
pub(crate) fn answers(program: &str) -> bool {
    version_line(&Cmd::new(program).arg("--version")).is_some()
}

/// The first line that a version command prints, or `None` when it cannot be run or fails.
pub(crate) fn version_line(command: &Cmd) -> Option<String> {
    let captured = command
        .capture()
        .ok()
        .filter(|captured| captured.code == Some(0))?;
    Some(
        captured
            .stdout
            .lines()
            .next()
            .unwrap_or("")
            .trim()
            .to_owned(),
    )
}

/// Quotes an argument for a POSIX shell when it needs it.
fn quoted(arg: &OsStr) -> String {
    let text = arg.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_prints_as_a_shell_would_take_it() {
        let command = Cmd::new("prog")
            .env("K", "a b")
            .args(["plain", "it's", "", "--x=1"]);
        assert_eq!(
            command.to_string(),
            r"K='a b' prog plain 'it'\''s' '' --x=1"
        );
    }

    #[test]
    fn a_failing_program_is_an_error_that_carries_its_message() {
        let error = Cmd::new("sh")
            .args(["-c", "echo why >&2; exit 3"])
            .read()
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("exit code 3") && text.contains("why"),
            "{text}"
        );
    }

    #[test]
    fn another_exit_code_than_the_expected_one_is_an_error() {
        let exits = |code: &str| Cmd::new("sh").args(["-c", &format!("exit {code}")]);
        assert!(exits("1").run_and_expect(1).is_ok());
        assert!(exits("0").run_and_expect(1).is_err());
        assert!(exits("3").run_quietly().is_err());
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it() {
        let error = Cmd::new("no-such-program-anywhere").run().unwrap_err();
        assert!(
            error.to_string().contains("no-such-program-anywhere"),
            "{error}"
        );
    }

    #[test]
    fn captured_output_keeps_the_exit_code() {
        let captured = Cmd::new("sh")
            .args(["-c", "echo out; echo err >&2; exit 1"])
            .capture()
            .unwrap();
        assert_eq!(
            (
                captured.code,
                captured.stdout.trim(),
                captured.stderr.trim()
            ),
            (Some(1), "out", "err")
        );
    }
}
