//! Values in messages and tables, without the secrets that someone may have put among them.

use super::{Setting, table::Privacy};

/// A value of the setting as it may be shown; `None` if none of it may be.
pub(super) fn shown_of(setting: &Setting, text: &str) -> Option<String> {
    (setting.privacy == Privacy::Shown).then(|| shown(text))
}

/// A value as it may be shown: someone may have put a secret where none belongs.
fn shown(text: &str) -> String {
    let joined: String = text.to_lowercase().split_whitespace().collect();
    let marks = ["password=", "pwd=", "accountkey=", "sharedaccesssignature=", "sig=", "secret="];
    if marks.iter().any(|mark| joined.contains(mark)) {
        return "(hidden: looks like a secret)".to_owned();
    }
    let text = match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            let start = text.get(..scheme).unwrap_or_default();
            format!("{start}://…{}", text.get(at..).unwrap_or_default())
        }
        _ => text.to_owned(),
    };
    let without_query = match text.split_once('?') {
        Some((address, _)) if text.contains("://") => format!("{address}?…"),
        _ => text,
    };
    without_query.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_never_shown() {
        for text in [
            "Server=db;User Id=sa;Password = planted",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=planted",
            "https://a.blob.core.windows.net/c?sv=2024&sig=planted",
            "https://a.blob.core.windows.net/c?planted",
            "postgres://me:planted@host/db",
            "postgres://me:pl@nted@host/db",
        ] {
            let shown = shown(text);
            assert!(!shown.contains("planted") && !shown.contains("nted"), "{shown}");
        }
        assert_eq!(shown("password"), "password", "a value of database-auth");
        assert_eq!(shown("az://files"), "az://files");
        assert_eq!(shown("5%"), "5%");
    }
}
