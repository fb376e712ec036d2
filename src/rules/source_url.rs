//! Which URLs a file may be read from.

use percent_encoding::percent_decode_str;
use url::Url;

/// The parsed URL, or the defect. The text may hold a token or a name, so the defect never repeats it.
pub(super) fn permitted(text: &str, allowed: &[Url]) -> Result<Url, String> {
    // The parser drops tabs and line breaks without a word: the URL would name another file.
    if text.contains(char::is_control) {
        return Err("is not a URL: it contains control characters".into());
    }
    let mut url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("carries a user name or password".into());
    }
    // As it is written, since the parser resolves `..`, and as it was parsed, since the parser cuts blanks off its end.
    if climbs(text) || climbs(url.path()) {
        return Err("contains \"..\"".into());
    }
    // Never sent to the server: a file name with a bare `#` would be cut there.
    if url.fragment().is_some() {
        return Err("contains \"#\", which a file name must write as %23".into());
    }
    // Read as a query: the name would end there, and another file might have that name.
    if url.query().is_some_and(|query| url.scheme() == "file" || !is_query(query)) {
        return Err("contains \"?\", which a file name must write as %3F".into());
    }
    if !allowed.iter().any(|source| is_below(&url, source)) {
        return Err(format!("is not below an allowed source; its server is {}", server(&url)));
    }
    if let Some(path) = with_percent_signs(url.path()) {
        url.set_path(&path);
    }
    Ok(url)
}

/// Whether this may be what a server is asked, as a SAS is (`sv=…&sig=…`), and not the end of a file's name.
fn is_query(query: &str) -> bool {
    let is_key = |key: &str| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte))
    };
    !query.contains('?')
        && query.split('&').any(|pair| pair.split_once('=').is_some_and(|(key, _)| is_key(key)))
}

/// The path with each `%` that encodes nothing written as `%25`. Like a blank it can only mean itself, but the parser
/// keeps it, and a server would refuse it. `None` if there is no such `%`.
fn with_percent_signs(path: &str) -> Option<String> {
    let encodes = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    let mut parts = path.split('%');
    let mut written = parts.next()?.to_owned();
    let mut found = false;
    for part in parts {
        found |= !encodes(part);
        written.push_str(if encodes(part) { "%" } else { "%25" });
        written.push_str(part);
    }
    found.then_some(written)
}

/// Whether a segment of the path is `..` in any spelling, also between `%2f` and `%5c`, which a folder or a server may
/// read as separators.
fn climbs(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let path: Vec<u8> = percent_decode_str(path).collect();
    path.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| segment == b"..")
}

fn is_below(url: &Url, source: &Url) -> bool {
    let same_server = url.scheme() == source.scheme()
        && url.host() == source.host()
        && url.port_or_known_default() == source.port_or_known_default();
    same_server && starts_with_segments(url.path(), source.path())
}

/// Compared decoded, so that `~` and `%7E` are one; a slash at the end of `prefix` adds no segment.
fn starts_with_segments(path: &str, prefix: &str) -> bool {
    let mut segments = path.split('/');
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    prefix.split('/').all(|wanted| {
        segments.next().is_some_and(|segment| percent_decode_str(segment).eq(percent_decode_str(wanted)))
    })
}

/// Scheme, host and port: no path, which may hold a learner's name.
fn server(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowed() -> Vec<Url> {
        ["https://acc.example.net/learner%20files/", "https://acc.example.net:444/x", "file:///demo/files"]
            .map(|url| url.parse().unwrap())
            .to_vec()
    }

    #[test]
    fn a_url_below_an_allowed_source_is_permitted() {
        for url in [
            "https://acc.example.net/learner%20files/a.docx",
            "https://acc.example.net/learner files/a b.docx",
            "HTTPS://ACC.example.NET:443/learner%20files/deep/er/a..docx",
            "https://acc.example.net/learner%20files/100%25.docx?sv=1&sig=a/../b%2F..",
            "https://acc.example.net/learner%20files/a.docx?sig=a%3D",
            "https://acc.example.net/learner%20files/a.docx?snapshot=2024-01-01T00:00:00.0000000Z&sp=r&sig=a",
            "https://acc.example.net/learner%20files/Why%3F.docx",
            "https://acc.example.net/%6Cearner%20files/a.docx",
            "https://acc.example.net:444/x/a,b.docx",
            "file:///demo/files/a.docx",
        ] {
            assert!(permitted(url, &allowed()).is_ok(), "{url}");
        }
        assert!(permitted("https://h/a", &["https://h".parse().unwrap()]).is_ok());
        assert!(permitted("https://h/a", &["https://h/a".parse().unwrap()]).is_ok());
    }

    #[test]
    fn a_percent_sign_that_encodes_nothing_means_itself() {
        for (tail, path) in [
            ("100%.docx", "100%25.docx"),
            ("%2", "%252"),
            ("%%25.docx", "%25%25.docx"),
            ("%é1.docx?sig=%", "%25%C3%A91.docx"),
            ("5%20%.docx", "5%20%25.docx"),
        ] {
            let url = permitted(&format!("https://acc.example.net:444/x/{tail}"), &allowed()).unwrap();
            assert_eq!(url.path(), format!("/x/{path}"), "{tail}");
        }
    }

    #[test]
    fn every_other_url_is_foreign() {
        for (url, why) in [
            ("http://acc.example.net/learner%20files/a", "not below"),
            ("http://acc.example.net:443/learner%20files/a", "not below"),
            ("https://acc.example.net:8443/learner%20files/a", "not below"),
            ("https://acc.example.net./learner%20files/a", "not below"),
            ("https://acc.example.net.evil.org/learner%20files/a", "not below"),
            ("https://evil.org/https://acc.example.net/learner%20files/a", "not below"),
            ("https://acc.example.net/learner%20files2/a", "not below"),
            ("https://acc.example.net/Learner%20files/a", "not below"),
            ("https://acc.example.net/", "not below"),
            ("https://acc.example.net//learner%20files/a", "not below"),
            ("https://acc.example.net/learner%20files%2Fa", "not below"),
            ("file:///demo/filesystem/a", "not below"),
            ("file://server/demo/files/a", "not below"),
            ("https://acc.example.net@evil.org/learner%20files/a", "user name"),
            ("https://u:p@acc.example.net/learner%20files/a", "user name"),
            ("https://acc.example.net/learner%20files/../other/a", "\"..\""),
            ("https://acc.example.net/other/../learner%20files/a", "\"..\""),
            ("https://acc.example.net/learner%20files/%2e%2E/other/a", "\"..\""),
            ("https://acc.example.net/learner%20files/.%2e/other/a", "\"..\""),
            ("https://acc.example.net/learner%20files\\..\\other\\a", "\"..\""),
            ("file:///demo/files/x%2f..%2f..%2fetc/passwd", "\"..\""),
            ("file:///demo/files/x%5c..%5cetc", "\"..\""),
            ("https://acc.example.net/learner%20files/..", "\"..\""),
            ("file:///demo/files/x%2f.. ", "\"..\""),
            ("https://acc.example.net/learner%20files/a#1.docx", "%23"),
            ("https://acc.example.net/learner%20files/Why?.docx", "%3F"),
            ("https://acc.example.net/learner%20files/Why?", "%3F"),
            ("https://acc.example.net/learner%20files/Why?.docx?sv=1&sig=a%2Fb", "%3F"),
            ("https://acc.example.net/learner%20files/Who? Me & you.docx", "%3F"),
            ("https://acc.example.net/learner%20files/Who? 1 + 1 = 2.docx", "%3F"),
            ("file:///demo/files/Why?.docx", "%3F"),
            ("file:///demo/files/a.docx?sv=1&sig=a", "%3F"),
            ("https://acc.example.net/learner%20files/a\nb", "control"),
            ("/learner%20files/a", "not a URL"),
            ("a.docx", "not a URL"),
            ("https://", "not a URL"),
        ] {
            let reason = permitted(url, &allowed()).unwrap_err();
            assert!(reason.contains(why), "{url:?}: {reason}");
        }
    }

    #[test]
    fn a_reason_repeats_neither_path_nor_query() {
        for url in ["https://h:1/Jane-Doe/x?sig=secret", "https://u:secret@h/x", "Jane-Doe?sig=secret"] {
            let reason = permitted(url, &allowed()).unwrap_err();
            assert!(!reason.contains("secret") && !reason.contains("Jane"), "{reason}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_permitted_stays_below_its_source(tail in "([a-z.%/\\\\?#@:~ ]|%2[eEfF]|\\.\\.|é)*") {
            if let Ok(url) = permitted(&format!("file:///demo/files/{tail}"), &allowed()) {
                prop_assert!(url.path().starts_with("/demo/files/"));
                let path = url.to_file_path().unwrap();
                prop_assert!(path.starts_with("/demo/files"));
                prop_assert!(path.components().all(|part| part != std::path::Component::ParentDir));
            }
        }

        #[test]
        fn any_text_is_permitted_or_refused(text in ".*") {
            let _ = permitted(&text, &allowed());
        }
    }
}
