//! Names of source files: how a URL and a listing name the same file.

use percent_encoding::percent_decode;
use url::Url;

use super::source_container;

/// The file's name in its container ([`source_container`]), decoded as a listing shows it; of a local file the whole
/// path. Bytes that are no UTF-8 are replaced, so that such a name meets nothing.
pub fn source_name(source: &Url) -> String {
    let container = source_container(source);
    let path = source.path();
    let skipped = match source.host() {
        Some(_) => container.matches('/').count() - 2,
        None => return decoded(path),
    };
    // The path begins with a slash; each folder of the container takes one more.
    decoded(path.splitn(skipped + 2, '/').nth(skipped + 1).unwrap_or_default())
}

fn decoded(path: &str) -> String {
    percent_decode(path.as_bytes()).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_below_its_container_as_a_listing_names_it() {
        for (url, name) in [
            ("https://acc.example/box/Ada%20Quill.pdf?sig=s", "Ada Quill.pdf"),
            ("https://acc.example/box/deep/er/f%2Fx.pdf", "deep/er/f/x.pdf"),
            ("http://127.0.0.1:1/acc/box/folder//Ada.pdf", "folder//Ada.pdf"),
            ("http://localhost:1/acc/box/é.pdf", "é.pdf"),
            ("https://acc.example/box", ""),
            ("file:///srv/Ada%20Q/x.pdf", "/srv/Ada Q/x.pdf"),
        ] {
            assert_eq!(source_name(&Url::parse(url).unwrap()), name, "{url}");
        }
    }
}
