//! Requests signed with a storage account's key, and read-only SAS minted from it. The official client
//! has neither.

use std::fmt::Write as _;

use azure_core::http::{Request, headers::HeaderName};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode_str;
use sha2::Sha256;
use url::Url;

/// The version that a minted SAS follows.
const SAS_VERSION: &str = "2020-12-06";

/// Headers of the string to sign, after the verb, in its order. Content-Length stands between the second and
/// the third.
const SIGNED_HEADERS: [&str; 10] = [
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// An account and its key.
#[derive(Clone)]
pub(super) struct SharedKey {
    account: String,
    hmac: Hmac<Sha256>,
}

impl SharedKey {
    pub fn new(account: String, key: &[u8]) -> Self {
        let Ok(hmac) = Hmac::new_from_slice(key) else { unreachable!("an HMAC takes a key of any length") };
        Self { account, hmac }
    }

    /// Adds `x-ms-date` and `authorization` to the request as it stands; to be the last change to it.
    pub fn sign(&self, request: &mut Request, now: DateTime<Utc>) {
        request.insert_header("x-ms-date", now.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        let signature = self.mac(&self.string_to_sign(request));
        request.insert_header("authorization", format!("SharedKey {}:{signature}", self.account));
    }

    /// The query of a SAS that reads the one blob at `path` (of its URL, below the endpoint).
    pub fn read_sas(&self, path: &str, expires: DateTime<Utc>) -> String {
        let path = percent_decode_str(path.trim_start_matches('/')).decode_utf8_lossy();
        let expires = expires.to_rfc3339_opts(SecondsFormat::Secs, true);
        // Permissions, start, expiry, resource, identifier, addresses, protocol, version, kind of resource,
        // snapshot, encryption scope, and five response headers.
        let text =
            format!("r\n\n{expires}\n/blob/{}/{path}\n\n\n\n{SAS_VERSION}\nb\n\n\n\n\n\n\n", self.account);
        let signature = self.mac(&text);
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("sv", SAS_VERSION),
                ("se", &expires),
                ("sr", "b"),
                ("sp", "r"),
                ("sig", &signature),
            ])
            .finish()
    }

    fn mac(&self, text: &str) -> String {
        let mut hmac = self.hmac.clone();
        hmac.update(text.as_bytes());
        BASE64_STANDARD.encode(hmac.finalize().into_bytes())
    }

    fn string_to_sign(&self, request: &Request) -> String {
        let mut text = String::with_capacity(512);
        text.push_str(request.method().as_ref());
        for (place, name) in SIGNED_HEADERS.into_iter().enumerate() {
            if place == 2 {
                text.push('\n');
                match request.body().len() {
                    Some(length) if length > 0 => _ = write!(text, "{length}"),
                    // No length is signed for an empty body.
                    _ => {}
                }
            }
            text.push('\n');
            let value = request.headers().get_optional_str(&HeaderName::from_static(name));
            text.push_str(value.unwrap_or_default());
        }
        let mut ours: Vec<(&str, &str)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| name.starts_with("x-ms-"))
            .collect();
        ours.sort_unstable();
        for (name, value) in ours {
            _ = write!(text, "\n{name}:{}", value.trim());
        }
        _ = write!(text, "\n/{}", self.account);
        push_canonical_resource(&mut text, request.url());
        text
    }
}

/// The encoded path, which for the emulator begins with the account again, and the decoded query by name.
fn push_canonical_resource(text: &mut String, url: &Url) {
    text.push_str(url.path());
    let mut pairs: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (name.to_lowercase(), value.into_owned())).collect();
    pairs.sort_unstable();
    let mut last = None;
    for (name, value) in pairs {
        if last.as_ref() == Some(&name) {
            text.push(',');
        } else {
            _ = write!(text, "\n{name}:");
        }
        text.push_str(&value);
        last = Some(name);
    }
}

#[cfg(test)]
mod tests {
    use azure_core::http::Method;

    use super::*;

    #[test]
    fn the_string_to_sign_is_the_documented_one() {
        let url = "https://acc.blob.core.windows.net/box/a%20b?comp=block&BlockId=QQ%3D%3D&comp=a";
        let mut request = Request::new(Url::parse(url).unwrap(), Method::Put);
        request.insert_header("x-ms-version", "2025-01-05");
        request.insert_header("content-md5", "MD5");
        request.insert_header("if-none-match", "*");
        request.insert_header("x-ms-meta-attemptid", " 7 ");
        request.set_body(bytes::Bytes::from_static(b"abc"));
        let key = SharedKey::new("acc".into(), b"key");
        assert_eq!(
            key.string_to_sign(&request),
            "PUT\n\n\n3\nMD5\n\n\n\n\n*\n\n\nx-ms-meta-attemptid:7\nx-ms-version:2025-01-05\n\
             /acc/box/a%20b\nblockid:QQ==\ncomp:a,block"
        );
    }

    #[test]
    fn a_signed_request_shows_account_and_signature_only() {
        let mut request =
            Request::new(Url::parse("http://h/acc/box?restype=container").unwrap(), Method::Get);
        let now = DateTime::from_timestamp(0, 0).unwrap();
        SharedKey::new("acc".into(), b"key").sign(&mut request, now);
        let header = |name| request.headers().get_optional_str(&HeaderName::from_static(name)).unwrap();
        assert_eq!(header("x-ms-date"), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert!(header("authorization").starts_with("SharedKey acc:"));
        assert!(!format!("{request:?}").contains("key="));
    }
}
