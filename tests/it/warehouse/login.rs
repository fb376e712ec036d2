//! Who may log in, over what encryption, and where to.

use std::{process::Command, sync::Arc};

use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    time::{Duration, OffsetDateTime},
};
use rogo_migrate::{
    adapters::warehouse::SqlServer,
    ports::{FaultKind, Warehouse},
    settings::Secret,
};

use super::{attempts, ids, open, start, temporary_folder};
use crate::support::tds::{Encryption, Options, TdsServer, script::LoginFault, tls::Certificate};
use crate::support::{fetch::FetchAll, process};

async fn with(options: Options) -> TdsServer {
    TdsServer::start(attempts(1..=1), options).await.unwrap()
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_never_shown() {
    let server = start(attempts(1..=1)).await;
    server.script.accept_passwords(&["another"]);
    let fault = open(server.connection_string()).shape().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unauthenticated);
    assert!(fault.what.contains("18456") && fault.what.contains("check user, password"), "{fault}");
    assert!(!fault.chain().contains("S3cret"), "{}", fault.chain());
    assert_eq!(server.script.refused_logins(), 1);
}

#[tokio::test]
async fn a_rotated_password_is_read_from_its_file_for_each_new_connection() {
    let server = start(attempts(1..=1)).await;
    let (_folder, path) = temporary_folder();
    let file = path.join("secret");
    let first = server.connection_string();
    std::fs::write(&file, &first).unwrap();
    let warehouse = SqlServer::open(&Secret::File(file.clone()), 1).unwrap();
    warehouse.shape().await.unwrap();
    server.script.accept_passwords(&["n3w"]);
    std::fs::write(&file, first.replace("S3cret;{}", "n3w") + "\n").unwrap();
    assert_eq!(warehouse.another_pool().unwrap().fetch(&ids([1])).await.unwrap().len(), 1);
    assert_eq!((server.script.logins(), server.script.refused_logins()), (2, 0));
}

#[tokio::test]
async fn a_refused_connection_string_is_a_setting_to_mend() {
    let fault = SqlServer::open(&Secret::Value("Server=h;Passwrd=s3cr3t".into()), 1).err().unwrap();
    assert_eq!(fault.kind, FaultKind::Misconfigured);
    assert!(fault.chain().contains("\"Passwrd\" is not known") && !fault.chain().contains("s3cr3t"));
    let missing = Secret::File("/nonexistent/secret".into());
    let fault = SqlServer::open(&missing, 1).err().unwrap();
    assert!(fault.what.contains("cannot be read"), "{fault}");
}

#[tokio::test]
async fn the_server_is_told_that_a_login_only_reads() {
    for (more, read_only) in [("", false), (";ApplicationIntent=ReadOnly", true)] {
        let server = start(attempts(1..=1)).await;
        let warehouse = open(server.connection_string() + more);
        assert_eq!(warehouse.fetch(&ids([1])).await.unwrap().len(), 1);
        assert_eq!(server.script.read_only(), [read_only], "{more}");
    }
}

#[tokio::test]
async fn a_redirected_login_arrives_and_a_circle_is_left() {
    let server = start(attempts(1..=1)).await;
    let gateway = start(attempts([])).await;
    gateway.script.fail_login(LoginFault::Route("localhost".into(), server.address.port()));
    let warehouse = open(gateway.connection_string());
    assert_eq!(warehouse.fetch(&ids([1])).await.unwrap()[0].reports.len(), 1);
    assert_eq!((gateway.script.logins(), server.script.logins()), (0, 1));

    let circle = start(attempts([])).await;
    for _ in 0..100 {
        circle.script.fail_login(LoginFault::Route("localhost".into(), circle.address.port()));
    }
    let fault = open(circle.connection_string()).shape().await.unwrap_err();
    assert!(fault.what.contains("redirected more than"), "{fault}");
}

#[tokio::test]
async fn a_login_that_is_sent_on_names_the_whole_instance() {
    let server = start(attempts(1..=1)).await;
    let gateway = start(attempts([])).await;
    gateway.script.fail_login(LoginFault::Route(r"localhost\dw.instance".into(), server.address.port()));
    let warehouse = open(gateway.connection_string());
    assert_eq!(warehouse.fetch(&ids([1])).await.unwrap()[0].reports.len(), 1);
    assert_eq!(gateway.script.server_names(), ["localhost"]);
    assert_eq!(server.script.server_names(), [r"localhost\dw.instance"]);
}

#[tokio::test]
async fn a_host_that_a_gateway_names_and_that_does_not_answer_is_said() {
    let gone = start(attempts([])).await.address.port();
    let gateway = start(attempts([])).await;
    for _ in 0..5 {
        gateway.script.fail_login(LoginFault::Route(r"localhost\dw".into(), gone));
    }
    let fault = open(gateway.connection_string()).shape().await.unwrap_err();
    assert!(fault.what.contains(&format!("sends its clients on to localhost,{gone}")), "{fault}");
}

/// A token, and the service that it is for.
#[derive(Debug)]
struct Token(&'static str, &'static str);

const PUBLIC: &str = "https://database.windows.net/.default";

#[async_trait::async_trait]
impl TokenCredential for Token {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, [self.1]);
        Ok(AccessToken::new(self.0, OffsetDateTime::now_utc() + Duration::minutes(5)))
    }
}

#[tokio::test]
async fn an_entra_token_logs_in_without_a_password() {
    let server = start(attempts(1..=1)).await;
    server.script.accept_token("t0ken");
    let secret = Secret::Value(format!(
        "Server=localhost,{};Database=dw;Authentication=Active Directory Default;Encrypt=False",
        server.address.port()
    ));
    let warehouse = SqlServer::open_as(&secret, 1, Arc::new(Token("t0ken", PUBLIC))).unwrap();
    assert_eq!(warehouse.fetch(&ids([1])).await.unwrap()[0].reports.len(), 1);
    let warehouse = SqlServer::open_as(&secret, 1, Arc::new(Token("stale", PUBLIC))).unwrap();
    let fault = warehouse.shape().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unauthenticated);
    assert!(!fault.chain().contains("stale"), "{}", fault.chain());
}

/// A tunnel on this machine leads to a server whose certificate tells its cloud.
#[tokio::test]
async fn a_token_is_of_the_cloud_that_the_server_is_of() {
    let of_clouds = [
        ("dw.database.windows.net", PUBLIC),
        ("dw.database.usgovcloudapi.net", "https://database.usgovcloudapi.net/.default"),
        ("ws.sql.azuresynapse.azure.cn", "https://database.chinacloudapi.cn/.default"),
    ];
    for (host, scope) in of_clouds {
        let server = start(attempts(1..=1)).await;
        server.script.accept_token("t0ken");
        let secret = Secret::Value(format!(
            "Server=localhost,{};Database=dw;Authentication=Active Directory Default;Encrypt=False;\
             HostNameInCertificate={host}",
            server.address.port()
        ));
        let warehouse = SqlServer::open_as(&secret, 1, Arc::new(Token("t0ken", scope))).unwrap();
        assert_eq!(warehouse.fetch(&ids([1])).await.unwrap()[0].reports.len(), 1, "{host}");
    }
}

/// What stands on this machine, such as a tunnel, may name any host.
#[tokio::test]
async fn a_token_is_not_sent_on_to_a_host_whose_certificate_is_not_looked_at() {
    for more in ["Encrypt=False", "TrustServerCertificate=True"] {
        let gateway = start(attempts([])).await;
        gateway.script.accept_token("t0ken");
        gateway.script.fail_login(LoginFault::Route("sql.example.org".into(), 1433));
        let secret = Secret::Value(format!(
            "Server=localhost,{};Database=dw;Authentication=Active Directory Default;{more}",
            gateway.address.port()
        ));
        let warehouse = SqlServer::open_as(&secret, 1, Arc::new(Token("t0ken", PUBLIC))).unwrap();
        let fault = warehouse.shape().await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Misconfigured, "{fault}");
        assert!(
            fault.what.contains("on to sql.example.org") && fault.what.contains("leave both out"),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn everything_is_encrypted_where_the_certificate_is_trusted_unseen() {
    for encryption in [Encryption::Offered, Encryption::Required] {
        let server = with(Options { encryption, ..Options::default() }).await;
        for more in ["TrustServerCertificate=1", "TrustServerCertificate=true;Encrypt=Mandatory"] {
            let warehouse = open(format!("{};{more}", server.connection_string_without_encrypt()));
            assert_eq!(warehouse.fetch(&ids([1])).await.unwrap()[0].scores.len(), 2);
        }
    }
}

#[tokio::test]
async fn an_untrusted_certificate_says_how_to_trust_it() {
    let server = with(Options::default()).await;
    let fault = open(server.connection_string_without_encrypt()).shape().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Misconfigured);
    assert!(fault.what.contains("SSL_CERT_FILE"), "{fault}");
    assert_eq!(server.script.logins() + server.script.refused_logins(), 0, "no password was sent");
}

#[tokio::test]
async fn a_server_without_encryption_is_refused() {
    let server = with(Options { encryption: Encryption::Unsupported, ..Options::default() }).await;
    let fault = open(server.connection_string_without_encrypt()).shape().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Misconfigured);
    assert!(fault.what.contains("Encrypt"), "{fault}");
}

/// What a process whose SSL_CERT_FILE names the server's certificate finds; the process is this test again.
#[tokio::test]
async fn a_private_authority_is_trusted_through_ssl_cert_file() {
    const PROBE: &str = "WAREHOUSE_PROBE";
    if let Ok(connection_string) = std::env::var(PROBE) {
        match open(connection_string).shape().await {
            Ok(_) => println!("probe: reached"),
            Err(fault) => println!("probe: {:?} {}", fault.kind, fault.chain()),
        }
        return;
    }
    for (certificate, routed, more, says) in [
        (Certificate::Valid, false, "", "probe: reached"),
        (Certificate::Expired, false, "", "probe: Misconfigured warehouse: localhost"),
        (Certificate::Expired, false, "", "certificate has expired"),
        (Certificate::ForAnotherName, false, "", "certificate is for another name"),
        // A gateway sends the login on to `host\instance`: the certificate is the host's.
        (Certificate::Valid, true, "", "probe: reached"),
        (Certificate::ForAnotherName, true, "", "certificate is for another name"),
        (
            Certificate::Valid,
            true,
            ";HostNameInCertificate=elsewhere.example",
            "certificate is for another name",
        ),
        // The name that the connection string gives counts at every host on the way.
        (Certificate::ForAnotherName, true, ";HostNameInCertificate=elsewhere.example", "probe: reached"),
    ] {
        let server = with(Options { certificate, ..Options::default() }).await;
        let of_gateway = if more.is_empty() { Certificate::Valid } else { certificate };
        let gateway = with(Options { certificate: of_gateway, ..Options::default() }).await;
        let first = if routed { &gateway } else { &server };
        if routed {
            gateway.script.fail_login(LoginFault::Route(r"localhost\dw".into(), server.address.port()));
        }
        let (_folder, path) = temporary_folder();
        let authorities = format!("{}{}", server.certificate_pem, gateway.certificate_pem);
        std::fs::write(path.join("ca.pem"), authorities).unwrap();
        let mut probe = Command::new(std::env::current_exe().unwrap());
        probe
            .args([
                "--exact",
                "--nocapture",
                "warehouse::login::a_private_authority_is_trusted_through_ssl_cert_file",
            ])
            .env("SSL_CERT_FILE", path.join("ca.pem"))
            .env(PROBE, first.connection_string_without_encrypt() + more);
        let output = tokio::task::spawn_blocking(move || process::blocking(probe)).await.unwrap();
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.contains(says), "{certificate:?} {more}: {output}");
    }
}
