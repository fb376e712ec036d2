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
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::support::{
    app::{Sample, TestApp},
    azurite::{ACCOUNT, Azurite},
    http_stub::{HttpStub, Request, Response},
    tds::tls::Identity,
};

const LOGIN: &str = "login.microsoftonline.com";
/// Kubernetes writes it into the pod; the process shows it for a token.
const ASSERTION: &str = "federated.assertion.of-the-pod";

#[tokio::test]
async fn a_run_with_a_workload_identity_shows_its_token_to_azure_alone() {
    let folder = tempfile::tempdir().unwrap();
    let storage = format!("{ACCOUNT}.blob.core.windows.net");
    let identity = Identity::for_names(vec![storage.clone(), LOGIN.to_owned()]);
    let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    std::fs::write(&certificate, &identity.pem).unwrap();
    std::fs::write(&key, &identity.key_pem).unwrap();
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
    for (path, name) in sample.files() {
        let bytes = std::fs::read(sample.path(&path)).unwrap();
        let put = client.put(azurite.signed_url("source", &name)).header("x-ms-blob-type", "BlockBlob");
        put.body(bytes.clone()).send().await.unwrap().error_for_status().unwrap();
        files.push(bytes);
    }
    let login = HttpStub::start_tls(TlsAcceptor::from(identity.config), |_, _| {
        Response::new(200).header("content-type", "application/json").body(token_answer())
    });
    let login = login.await;
    let (proxy, asked) = proxy(vec![(storage.clone(), address), (LOGIN.to_owned(), login.address)]).await;

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
    let tokens = login.requests();
    let shows_assertion = |request: &Request| String::from_utf8_lossy(&request.body).contains(ASSERTION);
    assert!(!tokens.is_empty() && tokens.iter().all(shows_assertion), "{tokens:?}");
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

const SIGNATURE: &str = "c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";

/// A token as Microsoft Entra ID makes them for storage; its signature is not checked here.
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

/// What Microsoft Entra ID answers.
fn token_answer() -> String {
    let answer = serde_json::json!({
        "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token(),
    });
    answer.to_string()
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
                let (mut request, mut header) = (String::new(), String::new());
                client.read_line(&mut request).await.ok()?;
                while client.read_line(&mut header).await.ok()? > 2 {
                    header.clear();
                }
                let host = request.strip_prefix("CONNECT ")?.split(':').next()?.to_owned();
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
