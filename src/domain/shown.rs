//! How messages and logs name files: enough to find them, without file and folder names, which may be personal data.

use url::{Host, Url};

/// Account and container of a source: `https://account/container`. An account has a host of its own; the
/// emulator's stands in the path. Of a local file only the scheme: its folders may be called after people.
pub fn source_container(source: &Url) -> String {
    let Some(host) = source.host() else { return format!("{}://", source.scheme()) };
    let account_in_host = matches!(host, Host::Domain(name) if name != "localhost");
    let folders = source.path_segments().into_iter().flatten().take(if account_in_host { 1 } else { 2 });
    format!("{}/{}", source.origin().ascii_serialization(), folders.collect::<Vec<_>>().join("/"))
}

/// A target blob's name without the file's own: `LTI_Uploads/<writer>/<attempt>_<order>_…`. A name that this program
/// did not give keeps its folders only; one without folders, as the checks of rights have, is left as it is.
pub fn target_blob(name: &str) -> String {
    let Some((folders, file)) = name.rsplit_once('/') else { return name.to_owned() };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = file.splitn(3, '_');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(attempt), Some(order), Some(_)) if is_number(attempt) && is_number(order) => {
            format!("{folders}/{attempt}_{order}_…")
        }
        _ => format!("{folders}/…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_shown_by_its_container() {
        for (url, shown) in [
            ("https://acc.example/box/Ada%20Quill.pdf?sig=s", "https://acc.example/box"),
            ("http://127.0.0.1:1/acc/box/folder/Ada.pdf", "http://127.0.0.1:1/acc/box"),
            ("http://localhost:1/acc/box/Ada.pdf", "http://localhost:1/acc/box"),
            ("file:///srv/Ada/Quill.pdf", "file://"),
        ] {
            assert_eq!(source_container(&Url::parse(url).unwrap()), shown, "{url}");
        }
    }

    #[test]
    fn a_target_blob_is_shown_without_the_files_name() {
        for (name, shown) in [
            ("LTI_Uploads/0123456789ab/9000001_1_Ada_Quill.docx", "LTI_Uploads/0123456789ab/9000001_1_…"),
            ("Marker_files/0123456789ab/7_2_A_Ada-Quill_feedback.docx", "Marker_files/0123456789ab/7_2_…"),
            ("LTI_Uploads/Ada.docx", "LTI_Uploads/…"),
            ("LTI_Uploads/0123456789ab/", "LTI_Uploads/0123456789ab/…"),
            ("rogo-migrate-check-0a", "rogo-migrate-check-0a"),
        ] {
            assert_eq!(target_blob(name), shown);
        }
    }
}
