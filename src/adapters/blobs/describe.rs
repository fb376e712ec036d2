//! The headers that say what a new blob is to be.

use azure_core::http::Request;

use crate::ports::{Existing, PutOptions};

/// Adds what the new blob is to be, but for its content type, and whether it may replace one.
pub(super) fn describe(request: &mut Request, options: &PutOptions) {
    request.insert_header("x-ms-blob-type", "BlockBlob");
    if let Some(encoding) = &options.content_encoding {
        request.insert_header("x-ms-blob-content-encoding", encoding.clone());
    }
    if options.existing == Existing::Keep {
        request.insert_header("if-none-match", "*");
    }
    for (key, value) in &options.metadata {
        // Header names do not keep their case.
        request.insert_header(format!("x-ms-meta-{}", key.to_ascii_lowercase()), value.clone());
    }
}
