//! What a database's newest `OPTIONS-*` file says: where its logs lie, and what each column family needs.
//!
//! Text in, values out. RocksDB is not asked, as it ignores logs elsewhere, and aborts on some files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The newest options file of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptionsFile {
    /// The file.
    pub path: PathBuf,
    /// Where the write-ahead logs lie, if the file names a directory. RocksDB 8.10 names none if it is the
    /// database's own.
    pub wal_dir: Option<PathBuf>,
    /// The column families.
    pub families: Vec<FamilyOptions>,
}

/// What the file says of a column family.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FamilyOptions {
    /// Its name.
    pub name: String,
    /// The name of the order of its keys.
    pub comparator: String,
    /// The name of its merge operator, if it has one.
    pub merge_operator: Option<String>,
    /// How many levels it has.
    pub num_levels: i32,
}

/// Why an options file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsFileError {
    /// The file or its directory cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not as RocksDB writes it.
    #[error(
        "{}, line {line}: expected {expected}: the file is damaged; start and stop the node once, \
         which writes a new one",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
}

/// The order of keys of a column family that has none of its own.
const BYTEWISE: &str = "leveldb.BytewiseComparator";

/// Levels of a column family that does not say how many.
const LEVELS: i32 = 7;

impl OptionsFile {
    /// Reads the newest options file in the directory `db`; none if there is none.
    ///
    /// # Errors
    ///
    /// [`OptionsFileError`] if it cannot be read, or is not as RocksDB writes it.
    pub fn newest(db: &Path) -> Result<Option<Self>, OptionsFileError> {
        let failed = |path: &Path, source| OptionsFileError::Io {
            path: path.to_path_buf(),
            source,
        };
        let mut newest = None;
        for entry in fs::read_dir(db).map_err(|source| failed(db, source))? {
            let name = entry.map_err(|source| failed(db, source))?.file_name();
            newest = newest.max(name.to_str().and_then(number));
        }
        let Some(number) = newest else {
            return Ok(None);
        };
        let path = db.join(format!("OPTIONS-{number:06}"));
        let text = fs::read(&path).map_err(|source| failed(&path, source))?;
        Self::parse(&path, &String::from_utf8_lossy(&text)).map(Some)
    }

    /// Parses the `text` of the file at `path`, which is only named.
    ///
    /// # Errors
    ///
    /// [`OptionsFileError::Malformed`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, OptionsFileError> {
        let mut file = Self {
            path: path.to_path_buf(),
            ..Self::default()
        };
        let mut section = Section::Other;
        let mut has_database = false;
        let mut lines = 0;
        for (index, line) in text.lines().enumerate() {
            lines = index + 1;
            let malformed = |expected| OptionsFileError::Malformed {
                path: path.to_path_buf(),
                line: index + 1,
                expected,
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(title) = line.strip_prefix('[') {
                let title = title.strip_suffix(']').ok_or_else(|| malformed("a ]"))?;
                section = file
                    .begin(title)
                    .ok_or_else(|| malformed("a name in quotes"))?;
                has_database |= section == Section::Database;
                continue;
            }
            let (name, value) = line
                .split_once('=')
                .ok_or_else(|| malformed("name=value"))?;
            file.take(section, name, value)
                .ok_or_else(|| malformed("a number"))?;
        }
        if has_database && !file.families.is_empty() {
            return Ok(file);
        }
        Err(OptionsFileError::Malformed {
            path: path.to_path_buf(),
            line: lines + 1,
            expected: "the sections [DBOptions] and [CFOptions \"default\"]",
        })
    }

    /// What the file says of the column family `name`.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&FamilyOptions> {
        self.families.iter().find(|family| family.name == name)
    }

    fn begin(&mut self, title: &str) -> Option<Section> {
        if title == "DBOptions" {
            return Some(Section::Database);
        }
        let Some(name) = title.strip_prefix("CFOptions ") else {
            return Some(Section::Other);
        };
        let name = name.strip_prefix('"')?.strip_suffix('"')?;
        self.families.push(FamilyOptions {
            name: name.to_owned(),
            comparator: BYTEWISE.to_owned(),
            merge_operator: None,
            num_levels: LEVELS,
        });
        Some(Section::Family)
    }

    /// Takes one option; none if it should be a number.
    fn take(&mut self, section: Section, name: &str, value: &str) -> Option<()> {
        let family = self.families.last_mut();
        match (section, name, family) {
            (Section::Database, "wal_dir", _) if !value.is_empty() => {
                self.wal_dir = Some(unescaped(value).into());
            }
            (Section::Family, "comparator", Some(family)) => family.comparator = unescaped(value),
            (Section::Family, "merge_operator", Some(family)) => {
                family.merge_operator = (value != "nullptr").then(|| object_name(value));
            }
            (Section::Family, "num_levels", Some(family)) => {
                family.num_levels = value.parse().ok()?;
            }
            _ => {}
        }
        Some(())
    }
}

/// Which section a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Database,
    Family,
    Other,
}

/// The number of an options file.
fn number(name: &str) -> Option<u64> {
    name.strip_prefix("OPTIONS-")?.parse().ok()
}

/// The name of an object that may be written as `{id=name;...}`.
fn object_name(value: &str) -> String {
    let inner = value
        .strip_prefix('{')
        .and_then(|rest| rest.strip_prefix("id="));
    let name = inner.and_then(|rest| rest.split([';', '}']).next());
    unescaped(name.unwrap_or(value))
}

/// `value` without the backslashes that RocksDB puts before some characters.
fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(char) = rest.next() {
        text.push(match (char, char == '\\') {
            (_, true) => match rest.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            },
            (other, false) => other,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# RocksDB\n[Version]\n  rocksdb_version=8.10.0\n\n[DBOptions]\n  \
        wal_dir=/a\\:b\\#c\n[CFOptions \"default\"]\n  num_levels=7\n  merge_operator=nullptr\n  \
        comparator=leveldb.BytewiseComparator\n[TableOptions/BlockBasedTable \"default\"]\n  \
        num_levels=x\n[CFOptions \"own \"]\n  num_levels=3\n  \
        merge_operator={id=append;delim=,;}\n  comparator=mine\n";

    #[test]
    fn every_value_is_that_of_its_section() {
        let file = OptionsFile::parse(Path::new("OPTIONS-000007"), TEXT).expect("parse");
        assert_eq!(file.wal_dir.as_deref(), Some(Path::new("/a:b#c")));
        let own = FamilyOptions {
            name: "own ".to_owned(),
            comparator: "mine".to_owned(),
            merge_operator: Some("append".to_owned()),
            num_levels: 3,
        };
        assert_eq!(file.family("own "), Some(&own));
        let default = file.family("default").expect("default");
        assert_eq!((default.num_levels, &default.merge_operator), (7, &None));
        assert_eq!(default.comparator, BYTEWISE);
    }

    #[test]
    fn damage_is_told_with_its_line() {
        for (from, to, wanted) in [
            ("[DBOptions]", "[DBOptions", 5),
            ("  num_levels=7", "  num_levels=", 8),
            ("[CFOptions \"own \"]", "[CFOptions own]", 13),
            ("  comparator=mine", "  compa", 16),
        ] {
            let text = TEXT.replace(from, to);
            let error = OptionsFile::parse(Path::new("o"), &text).expect_err("damaged");
            assert!(
                matches!(error, OptionsFileError::Malformed { line, .. } if line == wanted),
                "{from}: {error}"
            );
        }
        assert!(OptionsFile::parse(Path::new("o"), "").is_err());
    }

    #[test]
    fn the_newest_is_read() {
        let dir = tempfile::tempdir().expect("directory");
        assert_eq!(OptionsFile::newest(dir.path()).expect("read"), None);
        for name in ["OPTIONS-000009", "OPTIONS-000010.dbtmp"] {
            std::fs::write(dir.path().join(name), "").expect("write");
        }
        std::fs::write(dir.path().join("OPTIONS-000010"), TEXT).expect("write");
        let newest = OptionsFile::newest(dir.path()).expect("read").expect("one");
        assert!(newest.path.ends_with("OPTIONS-000010"));
    }
}
