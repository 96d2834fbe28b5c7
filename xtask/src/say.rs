//! What a task says between the outputs of the programs it runs: headings, notes, durations.
//!
//! Colour appears only on a terminal, and never under `NO_COLOR`.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// Columns of a paragraph, without its indentation.
const WIDTH: usize = 92;

/// Prints one line as it is.
pub(crate) fn line(text: &str) {
    raw(&format!("{text}\n"));
}

/// Prints the output of a program as it is.
pub(crate) fn raw(text: &str) {
    // A reader that has seen enough (`| head`) is no reason to stop, and none to panic.
    let _ignored = std::io::stdout().write_all(text.as_bytes());
}

/// Prints the heading of a step.
pub(crate) fn heading(text: &str) {
    line(&bold(&format!("==> {text}")));
}

/// Prints one line under a heading.
pub(crate) fn note(text: &str) {
    line(&format!("    {text}"));
}

/// Prints a paragraph under a heading, in lines of at most [`WIDTH`] columns.
pub(crate) fn paragraph(text: &str) {
    for line in wrapped(text) {
        note(&line);
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines
            .last_mut()
            .filter(|line| line.len() + 1 + word.len() <= WIDTH)
        {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A duration to one decimal, in seconds or minutes.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

fn bold(text: &str) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain || !std::io::stdout().is_terminal() {
        text.to_owned()
    } else {
        format!("\u{1b}[1m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_break_between_words() {
        let text = ["word"; 40].join(" \n ");
        let lines = wrapped(&text);
        assert!(
            lines.len() == 3 && lines.iter().all(|line| line.len() <= WIDTH),
            "{lines:?}"
        );
        assert_eq!(lines.join(" "), ["word"; 40].join(" "));
        assert_eq!(wrapped(&"x".repeat(200)), ["x".repeat(200)]);
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 05 s");
    }
}
