//! Rows as Apache Parquet, in row groups of bounded size.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use snapshot_tools::columns::{COLUMNS, Cell, ColumnKind, Columns, NAMES};

/// Rows of a row group. Their text takes about 250 bytes each, so that a group and its pages stay below 24 MiB.
const GROUP_ROWS: usize = 32 * 1024;

/// Writes rows to a Parquet file.
pub(crate) struct Rows<W: Write + Send> {
    file: SerializedFileWriter<W>,
    group: Vec<Columns>,
}

impl<W: Write + Send> Rows<W> {
    /// Begins a file.
    pub(crate) fn new(sink: W) -> io::Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("blob-snapshot ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let schema = Arc::new(schema().map_err(failed)?);
        let file = SerializedFileWriter::new(sink, schema, Arc::new(properties));
        Ok(Self {
            file: file.map_err(failed)?,
            group: Vec::with_capacity(GROUP_ROWS),
        })
    }

    /// Takes a row.
    pub(crate) fn push(&mut self, row: &Columns) -> io::Result<()> {
        self.group.push(*row);
        if self.group.len() >= GROUP_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the file, and returns the sink.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        self.file.into_inner().map_err(failed)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        let mut group = self.file.next_row_group().map_err(failed)?;
        for (index, (_, kind)) in NAMES.iter().enumerate() {
            write_column(&mut group, *kind, &self.group, index).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        self.group.clear();
        Ok(())
    }
}

/// Writes one column of the rows. Every column but the first two may be empty.
fn write_column<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    kind: ColumnKind,
    rows: &[Columns],
    index: usize,
) -> Result<(), ParquetError> {
    let cells = || rows.iter().filter_map(|row| row.cells().get(index));
    let levels: Vec<i16> = cells().map(|cell| i16::from(!cell.is_empty())).collect();
    let levels = (index >= REQUIRED).then_some(&levels[..]);
    let Some(mut column) = group.next_column()? else {
        return Ok(());
    };
    match kind {
        ColumnKind::Text => {
            let text = |cell: &Cell| ByteArray::from(cell.to_string().into_bytes());
            let values: Vec<_> = cells().filter(|cell| !cell.is_empty()).map(text).collect();
            let typed = column.typed::<ByteArrayType>();
            typed.write_batch(&values, levels, None)?;
        }
        ColumnKind::Epoch => {
            // Unsigned integers are stored as the signed ones with the same bits.
            let values: Vec<i32> = cells()
                .filter_map(|cell| match cell {
                    Cell::Epoch(epoch) => Some(epoch.0.cast_signed()),
                    _ => None,
                })
                .collect();
            let typed = column.typed::<Int32Type>();
            typed.write_batch(&values, levels, None)?;
        }
        ColumnKind::Number => {
            let values: Vec<i64> = cells()
                .filter_map(|cell| match cell {
                    Cell::Number(number) => Some(number.cast_signed()),
                    _ => None,
                })
                .collect();
            let typed = column.typed::<Int64Type>();
            typed.write_batch(&values, levels, None)?;
        }
        ColumnKind::Flag => {
            let values: Vec<bool> = cells()
                .filter_map(|cell| match cell {
                    Cell::Flag(flag) => Some(*flag),
                    _ => None,
                })
                .collect();
            let typed = column.typed::<BoolType>();
            typed.write_batch(&values, levels, None)?;
        }
    }
    column.close()
}

/// Columns that every row has: table and key.
const REQUIRED: usize = 2;

fn schema() -> Result<Type, ParquetError> {
    let mut columns = Vec::with_capacity(COLUMNS);
    for (index, (name, kind)) in NAMES.iter().enumerate() {
        let unsigned = |bit_width| LogicalType::integer(bit_width, false);
        let (physical, logical) = match kind {
            ColumnKind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            ColumnKind::Epoch => (Physical::INT32, Some(unsigned(32))),
            ColumnKind::Number => (Physical::INT64, Some(unsigned(64))),
            ColumnKind::Flag => (Physical::BOOLEAN, None),
        };
        let repetition = if index < REQUIRED {
            Repetition::REQUIRED
        } else {
            Repetition::OPTIONAL
        };
        let column = Type::primitive_type_builder(name, physical)
            .with_repetition(repetition)
            .with_logical_type(logical)
            .build()?;
        columns.push(Arc::new(column));
    }
    Type::group_type_builder("rows")
        .with_fields(columns)
        .build()
}

/// An error of the output comes back as it was.
fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    }
}
