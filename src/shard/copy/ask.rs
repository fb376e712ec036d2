//! Asking a storage service whether it answers at all, when one file cannot be copied.

use url::Url;

use super::Copier;
use crate::{
    domain::{PlannedFile, source_container},
    ports::{Fault, FaultKind, Service},
    shard::pace::Question,
};

/// A name that no file has.
const NO_FILE: &str = "rogo-migrate-check";

impl Copier {
    /// Asks what has nothing to do with the file itself. The source is asked for a neighbour that is not there: any
    /// word about it is an answer; a failure, silence, or a word about our credentials is none. The target is asked
    /// for one name, or, before a row is blamed, whether it lets us write: one that can only be read would refuse
    /// every row. Callers that ask at the same time share the answer.
    pub async fn ask(&self, service: Service, question: Question, file: &PlannedFile) -> Result<(), Fault> {
        match (service, question) {
            (Service::TargetBlobs, Question::Answers) => {
                self.questions.ask("target answers", || self.target.answers()).await
            }
            (Service::TargetBlobs, Question::Works) => {
                self.may_write().await?;
                self.questions.ask("target works", || self.target.check()).await
            }
            _ => {
                let container = source_container(&file.source);
                self.questions.ask(&container, || self.ask_source(&file.source)).await
            }
        }
    }

    async fn ask_source(&self, file: &Url) -> Result<(), Fault> {
        match self.source.head(&neighbour(file)).await {
            Ok(_) => Ok(()),
            Err(fault)
                if matches!(
                    fault.kind,
                    FaultKind::NotFound | FaultKind::Denied | FaultKind::Archived | FaultKind::NameRefused
                ) =>
            {
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Another name in the same folder, and so at the same account and container; asked for as the file itself is, by
/// the file's own signature if it has one.
fn neighbour(file: &Url) -> Url {
    let mut url = file.clone();
    // A URL that cannot have folders is not a file's, and is asked for as it is.
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
