//! A CSV in memory, looked into and changed by the names of its columns.
#![allow(dead_code, reason = "tests and benchmark each use a part")]

use std::{fs, path::Path};

/// Header and rows.
#[derive(Debug)]
pub struct Csv {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Csv {
    pub fn read(path: &Path) -> Self {
        Self::of(&fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// Of its text, with or without a byte order mark: the reader passes over it.
    pub fn of(text: &str) -> Self {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        Self { header, rows }
    }

    pub fn place(&self, column: &str) -> usize {
        self.header.iter().position(|name| name == column).unwrap_or_else(|| panic!("no column {column}"))
    }

    /// The cells of a column, from the first row on.
    pub fn column(&self, column: &str) -> impl Iterator<Item = &str> {
        let place = self.place(column);
        self.rows.iter().map(move |row| row[place].as_str())
    }

    /// The cell of the row whose id column holds this id.
    pub fn cell(&mut self, id_column: &str, id: &str, column: &str) -> &mut String {
        let (id_place, place) = (self.place(id_column), self.place(column));
        let row = self.rows.iter_mut().find(|row| row[id_place].trim() == id).unwrap();
        &mut row[place]
    }

    pub fn text(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.header).unwrap();
        self.rows.iter().for_each(|row| writer.write_record(row).unwrap());
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    }

    pub fn write(&self, path: &Path) {
        fs::write(path, self.text()).unwrap();
    }
}
