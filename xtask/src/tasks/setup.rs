//! Finds what a build needs, installs it on Debian and its relatives, or says exactly what to do.
//!
//! Started by every task that builds, so a clean machine is told at the start, not after ten minutes.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::sh::{self, Cmd};
use crate::{cargo, say};

/// Something a build needs.
struct Need {
    what: &'static str,
    why: &'static str,
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
    /// Finds it and says which one, or `None`.
    find: fn() -> Option<String>,
}

const PYTHON: &str = "python3";

const NEEDS: &[Need] = &[
    Need {
        what: "a C++ compiler",
        why: "compiles RocksDB",
        packages: &["g++"],
        find: cxx,
    },
    Need {
        what: "libclang",
        why: "makes RocksDB's Rust bindings",
        packages: &["libclang-dev"],
        find: libclang,
    },
    Need {
        what: "python3 (3.9 or later)",
        why: "runs tools/snapshot_decoder.py, the second decoder",
        packages: &["python3"],
        find: python,
    },
    Need {
        what: "git",
        why: "lists the files to check",
        packages: &["git"],
        find: git,
    },
];

/// Makes sure that everything is there, and prints one line that says what was found.
///
/// # Errors
///
/// When something is missing and cannot be installed; the message holds the command to run.
pub(crate) fn run() -> Result<()> {
    say::heading("setup");
    let missing = missing();
    if !missing.is_empty() {
        for need in &missing {
            say::note(&format!("missing: {} ({})", need.what, need.why));
        }
        install(&missing)?;
    }
    rust_components()?;
    let found = NEEDS
        .iter()
        .filter_map(|need| (need.find)())
        .collect::<Vec<_>>()
        .join(", ");
    let rustc = sh::version_line(&Cmd::new("rustc").arg("--version")).unwrap_or_default();
    say::note(&format!("{rustc}, {found}"));
    Ok(())
}

/// Says so before a build that will compile RocksDB, which looks like a hang otherwise.
///
/// # Errors
///
/// When cargo cannot tell where it builds.
pub(crate) fn warn_if_cold() -> Result<()> {
    let target = cargo::members()?.target_directory;
    if !cargo::rocksdb_is_built(&target) {
        say::note(
            "RocksDB's C++ is compiled first, once: 10 to 25 minutes on two cores, and cargo shows",
        );
        say::note(&format!(
            "no progress meanwhile. It stays in {}.",
            target.display()
        ));
    }
    Ok(())
}

/// The Python that runs the second decoder.
///
/// By its own path: `python3` may be a wrapper that takes longer to start than the decoder to run.
pub(crate) fn python_command() -> Cmd {
    let asks = Cmd::new(PYTHON).args(["-c", "import sys; print(sys.executable)"]);
    let path = sh::version_line(&asks).filter(|path| !path.is_empty());
    Cmd::new(path.as_deref().unwrap_or(PYTHON))
}

fn missing() -> Vec<&'static Need> {
    NEEDS
        .iter()
        .filter(|need| (need.find)().is_none())
        .collect()
}

fn install(missing: &[&Need]) -> Result<()> {
    let packages = missing
        .iter()
        .flat_map(|need| need.packages)
        .copied()
        .collect::<Vec<_>>();
    let by_hand = format!(
        "sudo apt-get update && sudo apt-get install -y {}",
        packages.join(" ")
    );
    let names = missing
        .iter()
        .map(|need| need.what)
        .collect::<Vec<_>>()
        .join(", ");
    if !sh::answers("apt-get") {
        bail!(
            "{names} missing; install with this system's package manager (on Debian: `{by_hand}`), then run this again"
        );
    }
    let Some(root) = root_prefix() else {
        bail!(
            "{names} missing, and this user may not install packages; run this, then try again:\n\n    {by_hand}\n"
        );
    };
    let apt = |args: &[&str]| {
        // `env` because sudo drops the environment.
        let words = root
            .iter()
            .chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
            .copied();
        let words: Vec<&str> = words.chain(args.iter().copied()).collect();
        words
            .split_first()
            .map_or(Ok(()), |(program, args)| Cmd::new(program).args(args).run())
    };
    apt(&["update"])?;
    apt(&[
        ["install", "-y", "--no-install-recommends"].as_slice(),
        &packages,
    ]
    .concat())?;
    let still = self::missing()
        .iter()
        .map(|need| need.what)
        .collect::<Vec<_>>()
        .join(", ");
    if !still.is_empty() {
        bail!(
            "installed {}, but {still} still cannot be found; look at PATH and LIBCLANG_PATH",
            packages.join(" ")
        );
    }
    Ok(())
}

/// What to put before a command that needs root; `None` when root cannot be had without a password.
fn root_prefix() -> Option<&'static [&'static str]> {
    let id = Cmd::new("id").arg("-u").read().ok()?;
    if id.trim() == "0" {
        return Some(&[]);
    }
    Cmd::new("sudo")
        .args(["-n", "true"])
        .read()
        .ok()
        .map(|_| ["sudo", "-n"].as_slice())
}

fn rust_components() -> Result<()> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let asks = Cmd::cargo().args([subcommand, "--version"]);
        if sh::version_line(&asks).is_some() {
            continue;
        }
        let add = Cmd::new("rustup").args(["component", "add", component]);
        if add.run().is_err() || sh::version_line(&asks).is_none() {
            bail!(
                "{component} is missing; run `rustup component add {component}`, or install it with your Rust"
            );
        }
    }
    Ok(())
}

fn cxx() -> Option<String> {
    let chosen = std::env::var("CXX").ok();
    let candidates = chosen
        .iter()
        .map(String::as_str)
        .chain(["c++", "g++", "clang++"]);
    candidates
        .into_iter()
        .find_map(|program| sh::version_line(&Cmd::new(program).arg("--version")))
}

fn python() -> Option<String> {
    let version = sh::version_line(&Cmd::new(PYTHON).arg("--version"))?;
    let minor: u32 = version
        .strip_prefix("Python 3.")?
        .split('.')
        .next()?
        .parse()
        .ok()?;
    (minor >= 9).then_some(version)
}

fn git() -> Option<String> {
    sh::version_line(&Cmd::new("git").arg("--version"))
}

/// Looks where bindgen's loader looks: LIBCLANG_PATH, llvm-config, and the usual directories.
fn libclang() -> Option<String> {
    let told = std::env::var_os("LIBCLANG_PATH").map(PathBuf::from);
    if let Some(path) = told.filter(|path| path.is_file()) {
        return Some(path.display().to_string());
    }
    let mut directories: Vec<PathBuf> = std::env::var_os("LIBCLANG_PATH")
        .map(PathBuf::from)
        .into_iter()
        .collect();
    let configured = Cmd::new("llvm-config").arg("--libdir").read().ok();
    directories.extend(configured.map(|printed| PathBuf::from(printed.trim())));
    directories.extend(["/usr/lib", "/usr/local/lib", "/usr/lib64"].map(PathBuf::from));
    for parent in ["/usr/lib", "/usr/local"] {
        let prefixes = ["llvm", "x86_64-linux-gnu", "aarch64-linux-gnu"];
        let inside = list(Path::new(parent))
            .into_iter()
            .filter(|path| file_name_starts(path, &prefixes));
        directories.extend(inside.flat_map(|path| [path.join("lib"), path]));
    }
    let is_library = |path: &PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        (name.starts_with("libclang.so") || name.starts_with("libclang-"))
            && name.contains(".so")
            && !name.starts_with("libclang-cpp")
    };
    directories
        .iter()
        .flat_map(|dir| list(dir))
        .find(is_library)
        .map(|path| path.display().to_string())
}

fn list(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn file_name_starts(path: &Path, prefixes: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}
