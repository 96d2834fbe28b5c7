//! `completions` and `man`: what makes the tool at home in a shell, made from the command line itself. Both are
//! for packagers and hidden from the list of commands.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use snapshot_store::publish::{AtomicFile, Replace};

use crate::args::Cli;
use crate::error::CliError;
use crate::exit::{Exit, with_exit_codes};
use crate::output::{Output, Shown};

/// Examples for `--help` of `completions`.
pub(crate) const COMPLETIONS_HELP: &str = with_exit_codes!(
    "Examples:\n",
    "  blob-snapshot completions bash > /etc/bash_completion.d/blob-snapshot\n",
    "  blob-snapshot completions zsh > /usr/local/share/zsh/site-functions/_blob-snapshot\n",
    "  blob-snapshot completions fish > ~/.config/fish/completions/blob-snapshot.fish"
);

/// Examples for `--help` of `man`.
pub(crate) const MAN_HELP: &str = with_exit_codes!(
    "Pages that exist are replaced.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot man --out /usr/local/share/man/man1\n",
    "  man blob-snapshot-create"
);

/// Options of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Directory to write the pages to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs `completions`.
pub(crate) fn completions(args: &CompletionsArgs, out: &mut Output) -> Result<Exit, CliError> {
    let mut command = Cli::command();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "blob-snapshot", &mut script);
    out.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}

/// Runs `man`.
pub(crate) fn man(args: &ManArgs, out: &mut Output) -> Result<Exit, CliError> {
    let mut command = Cli::command();
    command.build();
    let name = command.get_name().to_owned();
    page(&args.out, &name, command.clone(), out)?;
    for subcommand in command.get_subcommands() {
        if subcommand.get_name() != "help" {
            let name = format!("{name}-{}", subcommand.get_name());
            page(&args.out, &name, subcommand.clone(), out)?;
        }
    }
    Ok(Exit::Ok)
}

fn page(dir: &Path, name: &str, command: clap::Command, out: &mut Output) -> Result<(), CliError> {
    let path = dir.join(format!("{name}.1"));
    let fail = |source| CliError::Page {
        path: path.clone(),
        source,
    };
    // A page's name is a static string to clap; the few of them live as long as the process.
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    let mut page = Vec::new();
    // No date, so that the same version writes the same pages.
    let man = clap_mangen::Man::new(command.name(name)).date("");
    man.render(&mut page).map_err(fail)?;
    let mut file = AtomicFile::create(&path, Replace::Allow)?;
    file.write_all(&page).map_err(fail)?;
    file.commit()?;
    out.line(format_args!("wrote {}", Shown(&path.display().to_string())))
}
