//! Which blob names are allowed, and how a name is encoded in a URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    domain::target_blob,
    ports::{Fault, FaultKind, Service},
};

/// Everything but RFC 3986's unreserved characters and the slash.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Azure's limit for the length of a blob name.
const LONGEST_CHARS: usize = 1024;

/// The name as a URL's path; slashes stay.
pub(super) fn encode(name: &str) -> String {
    utf8_percent_encode(name, ENCODED).to_string()
}

/// The name for messages and logs, without the file's own name, which may hold a learner's name.
pub(super) fn shown(name: &str, service: Service) -> String {
    match service {
        Service::TargetBlobs => target_blob(name),
        Service::Inputs
        | Service::Warehouse
        | Service::Database
        | Service::SourceBlobs
        | Service::RunStore
        | Service::Cluster
        | Service::LocalDisk => name.to_owned(),
    }
}

/// Refuses names that could lead out of the place or that a URL parser would change: empty, absolute, `.` and `..`
/// segments, control characters, backslashes.
pub(super) fn check(name: &str, service: Service) -> Result<(), Fault> {
    let wrong = if name.is_empty() {
        "is empty"
    } else if name.chars().count() > LONGEST_CHARS {
        "is longer than 1,024 characters"
    } else if name.split('/').any(str::is_empty) {
        "has an empty segment, or begins or ends with a slash"
    } else if name.split('/').any(|segment| segment == "." || segment == "..") {
        "has a `.` or `..` segment"
    } else if name.chars().any(|character| character.is_control() || character == '\\') {
        "contains a control character or a backslash"
    } else {
        return Ok(());
    };
    let what = format!("the blob name {:?} {wrong}; nothing was done with it", shown(name, service));
    Err(Fault::new(service, FaultKind::NameRefused, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_place_are_refused() {
        let long = "x".repeat(1025);
        for name in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\\b", "a\nb", "a\0b", &long] {
            let fault = check(name, Service::TargetBlobs).unwrap_err();
            assert_eq!(fault.kind, FaultKind::NameRefused, "{name:?}");
        }
        for name in ["a", "a/b", "..a/b..", "a b%2f#?&+é😀", &"é".repeat(1024)] {
            check(name, Service::TargetBlobs).unwrap();
        }
    }

    #[test]
    fn a_name_survives_its_url() {
        let name = "a b/100%/#?&+=é😀";
        let url = url::Url::parse(&format!("https://x/{}", encode(name))).unwrap();
        assert_eq!(url.query(), None);
        let decoded = percent_encoding::percent_decode_str(url.path()).decode_utf8().unwrap();
        assert_eq!(decoded, format!("/{name}"));
    }
}
