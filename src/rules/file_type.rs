//! File types, derived from the file name.

const UNKNOWN: &str = "application/octet-stream";

/// Lower-case text after the last dot; empty if there is none.
pub(super) fn file_type(name: &str) -> String {
    name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase()).unwrap_or_default()
}

/// The file type that the application stores for an extension, from the application's fixed table.
pub(super) fn application_mime_type(file_type: &str) -> &'static str {
    match file_type {
        "pdf" => "application/pdf",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "txt" => "text/plain",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        _ => UNKNOWN,
    }
}

/// The blob's content type.
pub(super) fn content_type(file_type: &str) -> String {
    mime_guess::from_ext(file_type).first_raw().unwrap_or(UNKNOWN).to_owned()
}
