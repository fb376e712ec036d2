//! Hosts of Azure Storage: which of them may be shown a token, and which endpoint of an account is the right one.

use url::{Host, Url};

use crate::identity::hosts::STORAGE;

/// Whether a Microsoft Entra token may be shown to the host of `url`: it is Azure Storage, or an account of the same
/// suffix as `account_url` (private clouds, Azure Stack). Any other host could keep the token and use it.
pub(super) fn may_see_a_token(url: &Url, account_url: Option<&Url>) -> bool {
    let Some(Host::Domain(host)) = url.host() else { return false };
    if url.scheme() != "https" {
        return false;
    }
    if STORAGE.contain(host) {
        return true;
    }
    match account_url.and_then(Url::host) {
        Some(Host::Domain(own)) => host == own || suffix_of(own).is_some_and(|suffix| host.ends_with(suffix)),
        _ => false,
    }
}

/// What follows the account's name, with its dot; `None` if that is a domain of one or two parts, which other owners
/// may share.
fn suffix_of(host: &str) -> Option<&str> {
    let suffix = host.get(host.find('.')?..)?;
    (suffix.matches('.').count() >= 3).then_some(suffix)
}

/// What is wrong with a Data Lake endpoint, and the endpoint that is right; `None` for every other host.
pub(super) fn dfs_hint(url: &Url) -> Option<String> {
    let host = url.host_str().filter(|host| host.contains(".dfs."))?;
    let right = host.replacen(".dfs.", ".blob.", 1);
    Some(format!(
        "names the dfs endpoint, which does not speak the blob protocol: give {}://{right}",
        url.scheme()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_to_azure_storage_and_to_accounts_of_the_own_suffix_only() {
        let own = Url::parse("https://mine.blob.azurestack.example.org").unwrap();
        let short = Url::parse("https://mine.example.org").unwrap();
        for (url, account, expected) in [
            ("https://a.blob.core.windows.net/b/f", None, true),
            ("https://a.blob.core.usgovcloudapi.net/b/f", None, true),
            ("https://a.blob.core.chinacloudapi.cn/b/f", None, true),
            ("https://a.z12.blob.storage.azure.net/b/f", None, true),
            ("http://a.blob.core.windows.net/b/f", None, false),
            ("https://a.blob.core.windows.net.evil.example/b/f", None, false),
            ("https://blob.core.windows.net.example/b/f", None, false),
            ("https://files.example.org/b/f", None, false),
            ("https://127.0.0.1/b/f", None, false),
            ("https://other.blob.azurestack.example.org/b/f", Some(&own), true),
            ("https://other.azurestack.example.org/b/f", Some(&own), false),
            ("https://mine.example.org/b/f", Some(&short), true),
            ("https://yours.example.org/b/f", Some(&short), false),
        ] {
            assert_eq!(may_see_a_token(&Url::parse(url).unwrap(), account), expected, "{url}");
        }
    }

    #[test]
    fn a_dfs_endpoint_is_named_with_the_right_one() {
        let hint = |url: &str| dfs_hint(&Url::parse(url).unwrap());
        let said = hint("https://acc.dfs.core.windows.net/box").unwrap();
        assert!(said.ends_with("give https://acc.blob.core.windows.net"), "{said}");
        assert_eq!(hint("https://acc.blob.core.windows.net/box"), None);
    }
}
