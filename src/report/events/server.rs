//! The HTTP server of a service, as telemetry names it.

use url::Url;

/// Host and port, without path, query and credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Host name or address.
    pub address: String,
    /// Port, also if the URL leaves it out.
    pub port: u16,
}

impl Server {
    /// The server of a URL; `None` of a folder.
    pub fn of(url: &Url) -> Option<Self> {
        let is_http = ["http", "https"].contains(&url.scheme());
        let (address, port) = url.host_str().filter(|_| is_http).zip(url.port_or_known_default())?;
        Some(Self { address: address.trim_matches(['[', ']']).to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port_and_nothing_else() {
        for (url, expected) in [
            (
                "https://me:planted@a.blob.core.windows.net/c/x?sig=planted",
                Some(("a.blob.core.windows.net", 443)),
            ),
            ("http://127.0.0.1:10000/devstoreaccount1/c", Some(("127.0.0.1", 10_000))),
            ("http://[::1]/c", Some(("::1", 80))),
            ("file:///data/files", None),
        ] {
            let server = Server::of(&url.parse().unwrap());
            let expected = expected.map(|(address, port)| Server { address: address.to_owned(), port });
            assert_eq!(server, expected, "{url}");
        }
    }
}
