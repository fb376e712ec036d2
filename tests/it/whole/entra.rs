//! A whole run whose process has no key, only a workload identity: Azurite listens to tokens, and a proxy leads the names
//! of Azure to loopback.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::Utc;
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::support::{
    app::{Sample, TestApp},
    azurite::{ACCOUNT, Azurite},
};

const LOGIN: &str = "login.microsoftonline.com";
/// Kubernetes writes it into the pod; the process shows it for a token.
const ASSERTION: &str = "federated.assertion.of-the-pod";

#[tokio::test]
async fn a_run_with_a_workload_identity_shows_its_token_to_azure_alone() {
    let folder = tempfile::tempdir().unwrap();
    let storage = format!("{ACCOUNT}.blob.core.windows.net");
    let certified = rcgen::generate_simple_self_signed([storage.clone(), LOGIN.to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let (azurite, address) = Azurite::with_entra(&certificate, &key);
    let client = client(&certificate, &storage, address);
    for container in ["source", "files", "runs"] {
        let url = format!("{}&restype=container", azurite.signed_url(container, ""));
        client.put(url.replace("/?", "?")).send().await.unwrap().error_for_status().unwrap();
    }
    let source = format!("https://{storage}/source");
    let sample = Sample::in_folder(6, 83, |options| {
        options.plain = true;
        options.source_url = Some(source.parse().unwrap());
    });
    let sample = sample.await;
    let mut files = Vec::new();
    for file in csv::Reader::from_path(sample.path("files.csv")).unwrap().records() {
        let file = file.unwrap();
        let bytes = std::fs::read(sample.path(&file[0])).unwrap();
        let put = client.put(azurite.signed_url("source", &file[1])).header("x-ms-blob-type", "BlockBlob");
        put.body(bytes.clone()).send().await.unwrap().error_for_status().unwrap();
        files.push(bytes);
    }
    let acceptor = TlsAcceptor::from(server(&certified));
    let (login, assertions) = token_server(acceptor).await;
    let (proxy, asked) = proxy(vec![(storage.clone(), address), (LOGIN.to_owned(), login)]).await;

    let mut app = TestApp::without_cluster(&sample).await;
    for name in ["SOURCE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_CONNECTION_STRING"] {
        app.unset(name);
    }
    let assertion = folder.path().join("token");
    std::fs::write(&assertion, ASSERTION).unwrap();
    for (name, value) in [
        ("AZURE_STORAGE_ACCOUNT_URL", format!("https://{storage}")),
        ("ROGO_SOURCE_ALLOW", source),
        ("ROGO_TARGET", "az://files".into()),
        ("ROGO_RUN_STORE", "az://runs/of-all".into()),
        ("AZURE_CLIENT_ID", "a-client".into()),
        ("AZURE_TENANT_ID", "a-tenant".into()),
        ("AZURE_FEDERATED_TOKEN_FILE", assertion.display().to_string()),
        ("SSL_CERT_FILE", certificate.display().to_string()),
        ("HTTPS_PROXY", format!("http://{proxy}")),
    ] {
        app.set(name, value);
    }
    let run = app.run(&["run"]).await.expect(0);
    let verified = app.run(&["verify", "--level", "content"]).await.expect(0);

    let outcomes = app.outcomes();
    assert!(outcomes.values().all(|(kind, _)| kind == "migrated") && outcomes.len() == 6, "{outcomes:?}");
    let mut stored = Vec::new();
    let names: Vec<String> =
        sqlx::query_scalar("select azure_blob_name from submission_files where azure_blob_name like '%/%/%'")
            .fetch_all(app.database.pool())
            .await
            .unwrap();
    for name in names {
        let answer = client.get(azurite.signed_url("files", &name)).send().await.unwrap();
        stored.push(answer.error_for_status().unwrap().bytes().await.unwrap().to_vec());
    }
    files.sort_unstable();
    stored.sort_unstable();
    assert!(stored == files, "{} files of {} arrived as they were", stored.len(), files.len());
    let hosts: BTreeSet<String> = asked.lock().unwrap().iter().cloned().collect();
    assert_eq!(hosts, BTreeSet::from([storage, LOGIN.to_owned()]), "no other host was asked");
    let assertions = assertions.lock().unwrap();
    assert!(
        !assertions.is_empty() && assertions.iter().all(|body| body.contains(ASSERTION)),
        "{assertions:?}"
    );
    for said in [&run, &verified] {
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(!text.contains(ASSERTION) && !text.contains(SIGNATURE), "{text}");
    }
}

/// A client of the test that knows the certificate, and where the account is.
fn client(certificate: &Path, storage: &str, address: SocketAddr) -> reqwest::Client {
    let pem = reqwest::Certificate::from_pem(&std::fs::read(certificate).unwrap()).unwrap();
    reqwest::Client::builder().add_root_certificate(pem).resolve(storage, address).build().unwrap()
}

fn server(certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![certified.cert.der().clone()];
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

const SIGNATURE: &str = "c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";

/// A token as Microsoft Entra ID makes them for storage; nobody checks its signature here.
fn token() -> String {
    let now = Utc::now().timestamp();
    let claims = serde_json::json!({
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/a-tenant/",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 3600,
    });
    let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{SIGNATURE}", encode(r#"{"alg":"RS256","typ":"JWT"}"#.into()), encode(claims.to_string()))
}

/// Gives everyone a token; the bodies of the requests.
async fn token_server(acceptor: TlsAcceptor) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let noted = bodies.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, noted) = (acceptor.clone(), noted.clone());
            tokio::spawn(async move {
                let mut connection = BufReader::new(acceptor.accept(socket).await.ok()?);
                let head = head(&mut connection).await?;
                let length = head.iter().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
                });
                let mut body = vec![0; length.unwrap_or_default()];
                connection.read_exact(&mut body).await.ok()?;
                noted.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
                let token = serde_json::json!({
                    "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token(),
                });
                let answer = token.to_string();
                let said = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}",
                    answer.len()
                );
                connection.write_all(said.as_bytes()).await.ok()?;
                connection.shutdown().await.ok()
            });
        }
    });
    (address, bodies)
}

/// A proxy that tunnels to the address of each of these hosts and to nothing else; the hosts that were asked for.
async fn proxy(addresses: Vec<(String, SocketAddr)>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (addresses, noted) = (addresses.clone(), noted.clone());
            tokio::spawn(async move {
                let mut client = BufReader::new(socket);
                let head = head(&mut client).await?;
                let host = head.first()?.strip_prefix("CONNECT ")?.split(':').next()?.to_owned();
                noted.lock().unwrap().push(host.clone());
                let (_, address) = addresses.iter().find(|(name, _)| *name == host)?;
                let mut server = TcpStream::connect(address).await.ok()?;
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()
            });
        }
    });
    (address, asked)
}

/// The lines of an HTTP message before its body.
async fn head(connection: &mut BufReader<impl AsyncRead + Unpin>) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => return Some(lines),
            line => lines.push(line.to_owned()),
        }
    }
}
