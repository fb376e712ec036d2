//! Azure Storage connection strings. Errors never repeat what might be a secret.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use url::Url;

use super::{rights::MayWrite, shared_key::SharedKey};

/// The emulator's published account, the same on every machine.
const EMULATOR: &str = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;\
    AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;\
    BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;";

/// The settings of other services, which stand in every string that the portal shows.
const NOT_OURS: [&str; 9] = [
    "queueendpoint",
    "tableendpoint",
    "fileendpoint",
    "dfsendpoint",
    "webendpoint",
    "blobsecondaryendpoint",
    "queuesecondaryendpoint",
    "tablesecondaryendpoint",
    "filesecondaryendpoint",
];

/// Parsed content of a connection string.
#[derive(Debug, Clone)]
pub(super) struct ConnectionString {
    /// The account's blob endpoint, without a trailing slash in its path beyond the root's.
    pub endpoint: Url,
    /// What to show there.
    pub credential: Credential,
}

/// How requests are authorised.
#[derive(Clone)]
pub(super) enum Credential {
    /// Signed with the account's key.
    SharedKey(SharedKey),
    /// A shared access signature: a query string without `?`.
    Sas(String),
}

/// The rights in the `sp` of a SAS that only read: to read, to list, to execute, to find by tags.
const READING: &str = "rlef";

impl Credential {
    /// What it says itself of its right to write; `None` if it says nothing, as a SAS of a stored access policy.
    pub fn says_of_writing(&self) -> Option<MayWrite> {
        let Self::Sas(sas) = self else {
            return Some(MayWrite::Yes("its storage credential is the account's key".to_owned()));
        };
        let (_, rights) = url::form_urlencoded::parse(sas.as_bytes()).find(|(name, _)| name == "sp")?;
        if rights.chars().all(|right| READING.contains(right)) {
            return Some(MayWrite::No);
        }
        Some(MayWrite::Yes(format!("its storage credential is a SAS with the rights {rights} (sp)")))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SharedKey(_) => "SharedKey(set)",
            Self::Sas(_) => "Sas(set)",
        })
    }
}

/// Reason why a text is not a valid connection string.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection string {0}")]
pub(super) struct NotAConnectionString(String);

impl std::str::FromStr for ConnectionString {
    type Err = NotAConnectionString;

    fn from_str(text: &str) -> Result<Self, NotAConnectionString> {
        let parts = Parts::read(text)?;
        if parts.development {
            return if parts.name.is_none() && parts.key.is_none() && parts.endpoint.is_none() {
                EMULATOR.parse()
            } else {
                Err(wrong("has UseDevelopmentStorage=true beside an account; keep one of the two"))
            };
        }
        let endpoint = parts.endpoint()?;
        let credential = match (parts.sas, parts.key) {
            (Some(sas), None) => Credential::Sas(sas.trim_start_matches('?').to_owned()),
            (None, Some(key)) => {
                let name = parts.name.ok_or_else(|| wrong("has an AccountKey but no AccountName"))?;
                let key = BASE64_STANDARD
                    .decode(key)
                    .map_err(|_| wrong("has an AccountKey that is not base64: copy it again, whole"))?;
                Credential::SharedKey(SharedKey::new(name, &key))
            }
            (Some(_), Some(_)) => {
                return Err(wrong("has both AccountKey and SharedAccessSignature; keep one of the two"));
            }
            (None, None) => return Err(wrong("has neither AccountKey nor SharedAccessSignature")),
        };
        Ok(Self { endpoint, credential })
    }
}

#[derive(Default)]
struct Parts {
    name: Option<String>,
    key: Option<String>,
    sas: Option<String>,
    endpoint: Option<String>,
    suffix: Option<String>,
    protocol: Option<String>,
    development: bool,
}

impl Parts {
    fn read(text: &str) -> Result<Self, NotAConnectionString> {
        let mut parts = Self::default();
        for (index, part) in text.split(';').enumerate().filter(|(_, part)| !part.trim().is_empty()) {
            let number = index + 1;
            let (name, value) =
                part.split_once('=').ok_or_else(|| wrong(format!("has no `=` in its part {number}")))?;
            let name = name.trim();
            let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            let slot = match name.to_ascii_lowercase().as_str() {
                "accountname" => &mut parts.name,
                "accountkey" => &mut parts.key,
                "sharedaccesssignature" => &mut parts.sas,
                "blobendpoint" => &mut parts.endpoint,
                "endpointsuffix" => &mut parts.suffix,
                "defaultendpointsprotocol" => &mut parts.protocol,
                "usedevelopmentstorage" => {
                    parts.development = value.is_some_and(|value| value.eq_ignore_ascii_case("true"));
                    continue;
                }
                other if NOT_OURS.contains(&other) => continue,
                _ => return Err(unknown(name, number)),
            };
            if slot.is_some() {
                return Err(wrong(format!("has {name} twice")));
            }
            *slot = value;
        }
        Ok(parts)
    }

    fn endpoint(&self) -> Result<Url, NotAConnectionString> {
        let text = match (&self.endpoint, &self.name) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(name)) => {
                let protocol = self.protocol.as_deref().unwrap_or("https");
                let suffix = self.suffix.as_deref().unwrap_or("core.windows.net");
                format!("{protocol}://{name}.blob.{suffix}")
            }
            (None, None) => return Err(wrong("names no account: AccountName or BlobEndpoint is missing")),
        };
        let url = Url::parse(&text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
        let mut url = url.ok_or_else(|| wrong("has a blob endpoint that is not an http or https URL"))?;
        if url.query().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("has a BlobEndpoint with a query or a user; the SAS has a part of its own"));
        }
        if let Some(hint) = super::hosts::dfs_hint(&url) {
            return Err(wrong(format!("has a BlobEndpoint that {hint}")));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(url)
    }
}

/// A name that looks like a setting's is shown; anything else could be a piece of a key.
fn unknown(name: &str, number: usize) -> NotAConnectionString {
    if name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        wrong(format!("has a part {name} that is not known"))
    } else {
        wrong(format!("has a part that is not known, its part {number}"))
    }
}

fn wrong(what: impl Into<String>) -> NotAConnectionString {
    NotAConnectionString(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "c2VjcmV0LXNlY3JldA==";

    fn check(text: &str, expected: Result<(&str, bool), &str>) {
        let parsed = text.parse::<ConnectionString>();
        match (parsed, expected) {
            (Ok(parsed), Ok((endpoint, has_key))) => {
                assert_eq!(parsed.endpoint.as_str(), endpoint, "{text}");
                assert_eq!(matches!(parsed.credential, Credential::SharedKey(_)), has_key, "{text}");
            }
            (Err(error), Err(says)) => {
                let message = error.to_string();
                assert!(message.contains(says), "{text}: {message}");
                assert!(!message.contains("secret") && !message.contains("c2Vj"), "leaks: {message}");
            }
            (parsed, expected) => panic!("{text}: {parsed:?} is not {expected:?}"),
        }
    }

    #[test]
    fn the_usual_connection_strings_are_read() {
        check(&format!("AccountName=acc;AccountKey={KEY}"), Ok(("https://acc.blob.core.windows.net/", true)));
        check(
            &format!(
                "DefaultEndpointsProtocol=http;AccountName=acc;AccountKey={KEY};EndpointSuffix=core.local;"
            ),
            Ok(("http://acc.blob.core.local/", true)),
        );
        check(
            "BlobEndpoint=https://h:8443/acc/;QueueEndpoint=https://q;SharedAccessSignature=?sv=1&sig=secret%3D",
            Ok(("https://h:8443/acc", false)),
        );
        check("UseDevelopmentStorage=true", Ok(("http://127.0.0.1:10000/devstoreaccount1", true)));
    }

    #[test]
    fn a_credential_says_whether_it_may_write_unless_a_stored_policy_does() {
        let said_by = |credential: &str| {
            let text = format!("BlobEndpoint=https://h/acc;{credential}");
            text.parse::<ConnectionString>().unwrap().credential.says_of_writing()
        };
        let sas = |query: &str| said_by(&format!("SharedAccessSignature={query}"));
        assert_eq!(sas("sv=1&sp=rl&sig=x"), Some(MayWrite::No));
        assert_eq!(sas("sv=1&si=policy&sig=x"), None);
        for rights in ["rw", "rlc", "rd", "ra", "x"] {
            let said = sas(&format!("?sp={rights}&sv=1&sig=secret"));
            let Some(MayWrite::Yes(why)) = said else { panic!("{rights}: {said:?}") };
            assert!(why.contains(rights) && !why.contains("secret"), "{why}");
        }
        let Some(MayWrite::Yes(why)) = said_by(&format!("AccountName=acc;AccountKey={KEY}")) else {
            panic!("a key")
        };
        assert!(why.contains("the account's key"), "{why}");
    }

    proptest::proptest! {
        #[test]
        fn no_error_holds_a_piece_of_a_key(
            key in "[A-Za-z0-9+/]{41,88}(==|=|)",
            before in "(AccountName=a;|UseDevelopmentStorage=true;|BlobEndpoint=|[a-zA-Z=;?& ]{0,12})",
            name in "(AccountKey=|SharedAccessSignature=|AccountKye=|[;=]|)",
            after in "(;AccountKey=x|;[a-z]{1,8}|\\PC{0,12})",
        ) {
            if let Err(error) = format!("{before}{name}{key}{after}").parse::<ConnectionString>() {
                let message = error.to_string();
                for piece in key.as_bytes().windows(12).filter_map(|piece| std::str::from_utf8(piece).ok()) {
                    proptest::prop_assert!(!message.contains(piece), "{message}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_key() {
        check("", Err("names no account"));
        check("c2VjcmV0LXNlY3JldA", Err("no `=` in its part 1"));
        check("c2VjcmV0LXNlY3JldA==", Err("not known, its part 1"));
        check(&format!("AccountName=a;{KEY}"), Err("has a part"));
        check(&format!("AccountNam=a;AccountKey={KEY}"), Err("AccountNam that is not known"));
        check("AccountName=a;AccountKey=secret!", Err("not base64"));
        check("AccountName=a", Err("neither AccountKey"));
        check(&format!("AccountName=a;AccountKey={KEY};SharedAccessSignature=sig=secret"), Err("both"));
        check(&format!("AccountName=a;AccountKey={KEY};accountkey={KEY}"), Err("twice"));
        check(&format!("BlobEndpoint=https://h/?sig=secret;AccountName=a;AccountKey={KEY}"), Err("query"));
        check(&format!("BlobEndpoint=ftp://h;AccountName=a;AccountKey={KEY}"), Err("not an http"));
        check(&format!("UseDevelopmentStorage=true;AccountName=a;AccountKey={KEY}"), Err("keep one"));
    }
}
