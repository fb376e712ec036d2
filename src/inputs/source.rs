//! Source of an input's bytes, and the digest that pins them.

use std::{
    fs, io,
    path::{self, Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use sha2::{Digest as _, Sha256};

use super::{InputError, nearby::nearby};
use crate::{
    domain::{Digest, InputDigest},
    ports::{
        Blobs, Fault, FaultKind, Service,
        deadline::{blocking, contents},
    },
};

/// A local file or a blob, which may be read any number of times.
#[derive(Clone)]
pub enum InputSource {
    /// Path of a local file.
    File(PathBuf),
    /// A blob of the run's storage account.
    Blob {
        /// Container that holds the blob.
        blobs: Arc<dyn Blobs>,
        /// Name of the blob in its container.
        name: String,
    },
}

impl InputSource {
    /// Readable location, without a query string.
    pub fn location(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Blob { blobs, name } => format!("{}/{name}", blobs.location().trim_end_matches('/')),
        }
    }

    /// The location as a plan records it: that of a file holds wherever the program is started.
    pub fn recorded(&self) -> String {
        match self {
            Self::File(path) => path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
            Self::Blob { .. } => self.location(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Blob { blobs, .. } if !blobs.is_folder() => "blob",
            Self::File(_) | Self::Blob { .. } => "file",
        }
    }

    /// Its bytes from the beginning.
    pub async fn open(&self) -> Result<BoxStream<'static, Result<Bytes, Fault>>, InputError> {
        match self {
            Self::File(path) => {
                let location = self.location();
                let unreadable = |error: io::Error| InputError::Unreadable {
                    location: location.clone(),
                    reason: error.to_string(),
                };
                let open =
                    |path: &Path| fs::File::open(path).and_then(|file| Ok((file.metadata()?.is_dir(), file)));
                let file = match self.ask(path, open).await? {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        let reason = format!("there is no such {}{}", self.kind(), nearby(self).await);
                        return Err(InputError::Unreadable { location, reason });
                    }
                    Ok((true, _)) => return Err(unreadable(io::ErrorKind::IsADirectory.into())),
                    opened => opened.map_err(&unreadable)?.1,
                };
                // Its length is not asked for: the largest pieces suit any input.
                let bytes = contents(file, u64::MAX, Service::Inputs, cut_short);
                Ok(bytes.map_err(move |fault| named(&location, fault)).boxed())
            }
            Self::Blob { blobs, name } => match blobs.get(name).await.map_err(InputError::Fault)? {
                Some(reader) => Ok(reader.body),
                None => Err(InputError::Unreadable {
                    location: self.location(),
                    reason: format!("there is no such {}{}", self.kind(), nearby(self).await),
                }),
            },
        }
    }

    /// Number of its bytes, without reading them.
    pub async fn size_bytes(&self) -> Result<u64, InputError> {
        let found = match self {
            Self::File(path) => {
                let found = self.ask(path, |path| fs::metadata(path)).await?;
                found.map(|file| file.len()).map_err(|error| error.to_string())
            }
            Self::Blob { blobs, name } => {
                let blob = blobs.head(name).await.map_err(InputError::Fault)?;
                blob.map(|blob| blob.size_bytes).ok_or_else(|| format!("there is no such {}", self.kind()))
            }
        };
        found.map_err(|reason| InputError::Unreadable { location: self.location(), reason })
    }

    /// What the file system says of a local file. One that is silent, as that of a network may be, is a fault that may pass.
    async fn ask<T: Send + 'static>(
        &self,
        path: &Path,
        ask: fn(&Path) -> io::Result<T>,
    ) -> Result<io::Result<T>, InputError> {
        let path = path.to_owned();
        let asked = blocking(Service::Inputs, move || Ok(ask(&path))).await;
        asked.map_err(|fault| InputError::Fault(named(&self.location(), fault)))
    }

    /// SHA-256 and size of its bytes, without parsing them.
    pub async fn fingerprint(&self) -> Result<Fingerprint, InputError> {
        let mut hasher = Hasher::default();
        let mut bytes = self.open().await?;
        while let Some(piece) = bytes.try_next().await.map_err(InputError::Fault)? {
            hasher.update(&piece);
        }
        Ok(hasher.finish())
    }
}

fn cut_short(error: io::Error) -> Fault {
    Fault::caused(
        Service::Inputs,
        FaultKind::Unavailable,
        "it could not be read to its end; run again",
        error,
    )
}

/// The same fault, which says of which input.
fn named(location: &str, mut fault: Fault) -> Fault {
    fault.what = format!("{location}: {}", fault.what);
    fault
}

/// Digest and length by which the plan pins an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Number of bytes that were hashed.
    pub size_bytes: u64,
}

impl From<&InputDigest> for Fingerprint {
    fn from(InputDigest { sha256, size_bytes, .. }: &InputDigest) -> Self {
        Self { sha256: sha256.clone(), size_bytes: *size_bytes }
    }
}

/// Takes the fingerprint of bytes as they pass.
#[derive(Debug, Clone, Default)]
pub struct Hasher {
    sha256: Sha256,
    size_bytes: u64,
}

impl Hasher {
    /// Adds the next bytes to digest and length.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    /// The fingerprint of all of them.
    pub fn finish(self) -> Fingerprint {
        let size_bytes = self.size_bytes;
        Fingerprint { sha256: self.sha256().to_string(), size_bytes }
    }

    /// The digest alone.
    pub fn sha256(self) -> Digest {
        self.sha256.into()
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Duration};

    use super::*;
    use crate::exit::{Exit, Stop};

    #[tokio::test(start_paused = true)]
    async fn an_input_whose_file_system_does_not_answer_is_a_fault_that_may_pass_and_names_it() {
        // Opening a pipe waits for a writer, as opening a file waits for the server of its network file system.
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("submission_files.csv");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let source = InputSource::File(pipe.clone());
        let opening = tokio::spawn(async move { source.open().await.map(drop) });
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(121)).await;
        let stop = Stop::from(opening.await.unwrap().unwrap_err());
        // Both ends at once: the thread that waits goes on and ends.
        drop(fs::File::options().read(true).write(true).open(&pipe).unwrap());
        assert_eq!(stop.exit, Exit::Temporary);
        for part in [pipe.display().to_string().as_str(), "the file system did not answer for 120 s"] {
            assert!(stop.message.contains(part), "{part}: {}", stop.message);
        }
    }
}
