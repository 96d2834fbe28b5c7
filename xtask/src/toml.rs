//! Reads the part of TOML that `deny.toml` and `Cargo.lock` use, into JSON values.
//!
//! Tables, arrays of tables, bare keys, strings on one line, numbers, booleans, arrays and inline
//! tables. Anything else is an error with its line, never a guess: no dates, dotted keys or multi-line
//! strings.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value};

/// Parses a document.
///
/// # Errors
///
/// On anything outside the subset, with the line number.
pub(crate) fn parse(text: &str) -> Result<Value> {
    let mut reader = Reader {
        rest: text,
        line: 1,
    };
    reader
        .document()
        .with_context(|| format!("line {}", reader.line))
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Value> {
        let mut root = Map::new();
        let mut path: Vec<String> = Vec::new();
        loop {
            self.skip_blank();
            if self.rest.is_empty() {
                return Ok(Value::Object(root));
            }
            if self.eat("[[") {
                path = self.header("]]")?;
                open_table(&mut root, &path, true)?;
            } else if self.eat("[") {
                path = self.header("]")?;
                open_table(&mut root, &path, false)?;
            } else {
                let (key, value) = self.pair()?;
                insert(current_table(&mut root, &path)?, key, value)?;
            }
            self.end_of_line()?;
        }
    }

    fn header(&mut self, close: &str) -> Result<Vec<String>> {
        let mut path = vec![self.key()?];
        while self.eat(".") {
            path.push(self.key()?);
        }
        ensure!(
            self.eat(close),
            "expected `{close}` after the name of a table"
        );
        Ok(path)
    }

    fn pair(&mut self) -> Result<(String, Value)> {
        let key = self.key()?;
        self.skip_spaces();
        ensure!(
            self.eat("="),
            "expected `=` after the key `{key}` (dotted keys are not supported)"
        );
        self.skip_spaces();
        Ok((key, self.value()?))
    }

    fn key(&mut self) -> Result<String> {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let key = self.take_while(bare);
        ensure!(!key.is_empty(), "expected a bare key");
        Ok(key.to_owned())
    }

    fn value(&mut self) -> Result<Value> {
        match self.rest.chars().next() {
            Some('"' | '\'') => self.string().map(Value::String),
            Some('[') => self.array(),
            Some('{') => self.inline_table(),
            Some(c) if c.is_ascii_alphanumeric() => {
                match self.take_while(|c| c.is_ascii_alphanumeric() || "_.:+-".contains(c)) {
                    "true" => Ok(Value::Bool(true)),
                    "false" => Ok(Value::Bool(false)),
                    number => number_value(number),
                }
            }
            _ => bail!("expected a value"),
        }
    }

    fn string(&mut self) -> Result<String> {
        ensure!(
            !self.rest.starts_with("\"\"\"") && !self.rest.starts_with("'''"),
            "multi-line strings are not supported"
        );
        if self.eat("'") {
            let text = self.take_while(|c| c != '\'' && c != '\n').to_owned();
            ensure!(self.eat("'"), "the string does not end on its line");
            return Ok(text);
        }
        ensure!(self.eat("\""), "expected a string");
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| !"\"\\\n".contains(c)));
            if self.eat("\"") {
                return Ok(text);
            }
            let escapes = [("\\\"", '"'), ("\\\\", '\\'), ("\\n", '\n'), ("\\t", '\t')];
            let Some((_, plain)) = escapes.into_iter().find(|(escape, _)| self.eat(escape)) else {
                bail!(
                    "the string does not end on its line, or holds an escape other than \\\" \\\\ \\n \\t"
                );
            };
            text.push(plain);
        }
    }

    fn array(&mut self) -> Result<Value> {
        ensure!(self.eat("["), "expected an array");
        let mut items = Vec::new();
        loop {
            self.skip_blank();
            if self.eat("]") {
                return Ok(Value::Array(items));
            }
            items.push(self.value()?);
            self.skip_blank();
            ensure!(
                self.eat(",") || self.rest.starts_with(']'),
                "expected `,` or `]` in an array"
            );
        }
    }

    fn inline_table(&mut self) -> Result<Value> {
        ensure!(self.eat("{"), "expected an inline table");
        let mut table = Map::new();
        loop {
            self.skip_spaces();
            if self.eat("}") {
                return Ok(Value::Object(table));
            }
            let (key, value) = self.pair()?;
            insert(&mut table, key, value)?;
            self.skip_spaces();
            ensure!(
                self.eat(",") || self.rest.starts_with('}'),
                "expected `,` or `}}` in an inline table"
            );
        }
    }

    fn end_of_line(&mut self) -> Result<()> {
        self.skip_spaces();
        self.skip_comment();
        ensure!(
            self.rest.is_empty() || self.rest.starts_with('\n'),
            "expected the end of the line"
        );
        Ok(())
    }

    /// Skips white space, line ends and comments.
    fn skip_blank(&mut self) {
        loop {
            self.skip_spaces();
            self.skip_comment();
            if !self.eat("\n") {
                return;
            }
            self.line += 1;
        }
    }

    fn skip_spaces(&mut self) {
        self.take_while(|c| c == ' ' || c == '\t' || c == '\r');
    }

    fn skip_comment(&mut self) {
        if self.rest.starts_with('#') {
            self.take_while(|c| c != '\n');
        }
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

fn number_value(text: &str) -> Result<Value> {
    if let Ok(whole) = text.parse::<u64>() {
        return Ok(Value::from(whole));
    }
    let number: f64 = text
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite())
        .with_context(|| format!("`{text}` is not a number"))?;
    Ok(Value::from(number))
}

fn insert(table: &mut Map<String, Value>, key: String, value: Value) -> Result<()> {
    ensure!(!table.contains_key(&key), "the key `{key}` appears twice");
    table.insert(key, value);
    Ok(())
}

fn open_table(root: &mut Map<String, Value>, path: &[String], array: bool) -> Result<()> {
    let (last, parents) = path.split_last().context("a table without a name")?;
    let parent = current_table(root, parents)?;
    if array {
        let items = parent
            .entry(last)
            .or_insert_with(|| Value::Array(Vec::new()));
        let items = items
            .as_array_mut()
            .with_context(|| format!("`{last}` is not an array of tables"))?;
        items.push(Value::Object(Map::new()));
        return Ok(());
    }
    insert(parent, last.clone(), Value::Object(Map::new()))
}

/// The table that `path` names, the last one where it is an array of tables; parents are made.
fn current_table<'a>(
    root: &'a mut Map<String, Value>,
    path: &[String],
) -> Result<&'a mut Map<String, Value>> {
    let mut table = root;
    for key in path {
        let mut value = table
            .entry(key)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Array(items) = value {
            value = items
                .last_mut()
                .with_context(|| format!("`{key}` is empty"))?;
        }
        table = value
            .as_object_mut()
            .with_context(|| format!("`{key}` is not a table"))?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_subset_reads_as_written() {
        let text = r#"
            version = 4 # a comment
            threshold = 0.5
            [a.b]
            on = true
            words = ["x", 'y\z', # in between
                "tab\t \"q\" #no",
            ]
            [[list]]
            name = "one"
            table = { k = "v", n = 1 }
            [[list]]
            name = "two"
        "#;
        let want = json!({
            "version": 4,
            "threshold": 0.5,
            "a": { "b": { "on": true, "words": ["x", "y\\z", "tab\t \"q\" #no"] } },
            "list": [{ "name": "one", "table": { "k": "v", "n": 1 } }, { "name": "two" }],
        });
        assert_eq!(parse(text).unwrap(), want);
    }

    #[test]
    fn what_it_does_not_know_is_an_error_with_its_line() {
        let wrong = [
            "a.b = 1",
            "a = \"\"\"x\"\"\"",
            "a = \"x",
            "a = \"\\u0041\"",
            "a = [1 2]",
            "a = { b = 1",
            "a = 1 b = 2",
            "a = 1\na = 2",
            "[a]\n[a]",
            "a = 2026-01-01",
            "a = yes",
            "= 1",
            "a = ",
            "[a",
        ];
        for text in wrong {
            let error = parse(&format!("# first\n{text}\n")).unwrap_err();
            let chain = format!("{error:#}");
            assert!(chain.starts_with("line "), "{text:?} gave {chain}");
            assert_ne!(
                error.root_cause().to_string(),
                chain,
                "{text:?} has no reason"
            );
        }
        assert!(format!("{:#}", parse("x = 1\n\ny 2").unwrap_err()).starts_with("line 3:"));
    }
}
