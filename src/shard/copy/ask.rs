//! Asking a storage service whether it answers at all, when one file cannot be copied.

use url::Url;

use super::Copier;
use crate::{
    domain::PlannedFile,
    ports::{Fault, FaultKind, Service},
};

/// Nobody's file.
const NO_FILE: &str = "rogo-migrate-check";

impl Copier {
    /// Asks what has nothing to do with the file itself. The source is asked for a neighbour that is not there:
    /// any word about it is an answer; a failure, silence, or a word about our credentials is none. The target must
    /// store and delete a blob, since one that can only be read would refuse every row.
    pub async fn ask(&self, service: Service, file: &PlannedFile) -> Result<(), Fault> {
        if service == Service::TargetBlobs {
            self.may_write().await?;
            return self.target.check().await;
        }
        match self.source.head(&neighbour(&file.source)).await {
            Ok(_) => Ok(()),
            Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Denied) => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}

/// Another name in the same folder, and so at the same account and container; asked for as the file itself is, by
/// the file's own signature where it has one.
fn neighbour(file: &Url) -> Url {
    let mut url = file.clone();
    // A URL that cannot have folders is no file's, and is asked for as it is.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop().push(NO_FILE);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_lies_in_the_same_container_and_is_asked_for_as_the_file_is() {
        for (file, expected) in [
            ("https://a.example/box/f%20x.docx?sig=x", "https://a.example/box/rogo-migrate-check?sig=x"),
            ("https://a.example/box/deep/f", "https://a.example/box/deep/rogo-migrate-check"),
            ("file:///files/a.docx", "file:///files/rogo-migrate-check"),
        ] {
            assert_eq!(neighbour(&file.parse().unwrap()).as_str(), expected);
        }
    }
}
