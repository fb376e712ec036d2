//! Results: files for people, in the run's store and in a folder (`--out`). They are drafted on the local disk and
//! published whole.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    time::Duration,
};

use super::{ResultFile, RunStore, lines::no_room, names, private};
use crate::{
    exit::{Exit, Stop},
    inputs::{Fingerprint, Hasher, InputCell},
    ports::{
        Fault, PutOptions, Service,
        deadline::{LARGE_WORK, blocking, blocking_for},
    },
};

/// Content type of a CSV.
pub const CSV: &str = "text/csv; charset=utf-8";
/// UTF-8's: it wins over `--encoding`, and Excel reads the file right.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Buffer of each file.
const BUFFER_BYTES: usize = 64 * 1024;

/// A CSV being drafted, for its owner only.
pub struct CsvDraft(BufWriter<File>);

impl CsvDraft {
    /// Holds the header, behind a byte order mark or nothing.
    pub fn create(
        path: &Path,
        mark: &[u8],
        header: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Self, Fault> {
        let mut file = private::create(path).map_err(no_room)?;
        file.write_all(mark).map_err(no_room)?;
        let mut draft = Self(BufWriter::with_capacity(BUFFER_BYTES, file));
        draft.row(header)?;
        Ok(draft)
    }

    /// Appends a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<(), Fault> {
        let mut line = csv::Writer::from_writer(Vec::new());
        line.write_record(cells).map_err(|error| no_room(error.into()))?;
        let line = line.into_inner().map_err(|error| no_room(error.into_error()))?;
        self.0.write_all(&line).map_err(no_room)
    }

    /// Appends a row that a next run reads. What was quoted is quoted again, and nothing else that need not be: that tells
    /// the word NULL from an export's null.
    pub fn input_row(&mut self, cells: &[InputCell]) -> Result<(), Fault> {
        let cell = |InputCell { text, is_quoted }: &InputCell| {
            let quotes = *is_quoted || text.contains([',', '"', '\r', '\n']);
            if quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.clone() }
        };
        let cells: Vec<String> = cells.iter().map(cell).collect();
        writeln!(self.0, "{}", cells.join(",")).map_err(no_room)
    }

    /// Puts everything on disk.
    pub fn finish(mut self) -> Result<(), Fault> {
        self.0.flush().map_err(no_room)
    }
}

/// What pins a file of the folder.
pub fn pinned(folder: &Path, file: &str) -> Result<ResultFile, Fault> {
    let mut reader = File::open(folder.join(file)).map_err(no_room)?;
    let mut hasher = Hasher::default();
    io::copy(&mut reader, &mut hasher).map_err(no_room)?;
    let Fingerprint { sha256, size_bytes } = hasher.finish();
    Ok(ResultFile { file: file.to_owned(), sha256, size_bytes })
}

/// Copies a draft to the run's results and into `out`, where there are these, in the place of an earlier one. A reader
/// sees the earlier file or this one, never half of it.
pub async fn publish(
    store: Option<&RunStore>,
    out: Option<&Path>,
    file: &str,
    draft: &Path,
    content_type: &str,
) -> Result<(), Stop> {
    let name = names::result(file);
    if let Some(store) = store {
        store.blobs().put_file(&store.path(&name), draft, &PutOptions::replace(content_type)).await?;
    }
    let Some(out) = out else { return Ok(()) };
    let (from, to, file) = (draft.to_owned(), out.to_owned(), file.to_owned());
    let place = out.join(&file);
    let instead = match store {
        Some(store) => format!("the run store holds it: {}", store.describe(&name)),
        None => "give --out another folder".to_owned(),
    };
    written(LARGE_WORK, &place, &instead, move || private::copy_whole(&from, &to, &file)).await
}

/// What the work that writes the file `place` returns, waited for so long at most: its folder may be on a network. `instead`
/// says what to do if it cannot be written.
pub async fn written<T: Send + 'static>(
    most: Duration,
    place: &Path,
    instead: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Stop> {
    let message = |why: &str| format!("cannot write {}: {why}; {instead}", place.display());
    match blocking_for(most, Service::LocalDisk, move || Ok(work())).await {
        Ok(written) => written.map_err(|error| Stop::new(Exit::Configuration, message(&error.to_string()))),
        Err(fault) => {
            let message = message(&fault.what);
            Err(Stop::from(fault).saying(message))
        }
    }
}

/// Publishes a document that is in memory (`summary.json`).
pub async fn publish_document(
    store: Option<&RunStore>,
    out: Option<&Path>,
    file: &str,
    text: &str,
    content_type: &str,
) -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(no_room)?;
    let draft = folder.path().join(file);
    let (to, text) = (draft.clone(), text.to_owned());
    blocking(Service::LocalDisk, move || Ok(std::fs::write(to, text))).await?.map_err(no_room)?;
    publish(store, out, file, &draft, content_type).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written to a share whose server has gone away never returns.
    #[tokio::test]
    async fn a_folder_that_does_not_answer_ends_in_time_and_may_be_tried_again() {
        let (_held, never) = std::sync::mpsc::channel::<()>();
        let silent = move || never.recv().map_err(io::Error::other);
        let written = written(Duration::from_millis(20), Path::new("/out/x.csv"), "see there", silent).await;
        let stop = written.unwrap_err();
        assert_eq!(stop.exit, Exit::Temporary);
        let said = "cannot write /out/x.csv: the file system did not answer for 0 s";
        assert!(stop.message.starts_with(said) && stop.message.ends_with("; see there"), "{stop}");
    }
}
