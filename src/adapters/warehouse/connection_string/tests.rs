//! Every key, its synonyms, and every sentence that refuses one.

use proptest::prelude::*;

use super::*;

const BASE: &str = "Server=h;Database=d;User ID=u;Password=p";

fn parsed(text: &str) -> ConnectionString {
    text.parse().unwrap_or_else(|refused| panic!("{text:?}: {refused}"))
}

fn with(more: &str) -> ConnectionString {
    parsed(&format!("{BASE};{more}"))
}

#[test]
fn the_portals_string_is_read_as_it_comes() {
    let string = parsed(
        "Server=tcp:dw.database.windows.net,1433;Initial Catalog=warehouse;Persist Security Info=False;User \
         ID=reader;Password={p;w}};MultipleActiveResultSets=False;Encrypt=True;TrustServerCertificate=False;\
         Connection Timeout=30;"
            .replace("{p;w}}", "{p;w}")
            .as_str(),
    );
    assert_eq!((string.host.as_str(), string.port), ("dw.database.windows.net", 1433));
    assert_eq!(string.database.as_deref(), Some("warehouse"));
    assert_eq!(string.login, Login::Sql { user: "reader".into(), password: "p;w".into() });
    assert!(string.encrypt && !string.trust_certificate && !string.read_only);
    assert_eq!(string.connect_timeout, Duration::from_secs(30));
}

#[test]
fn a_server_is_a_host_and_a_port() {
    for (server, host, port) in [
        ("h", "h", 1433),
        ("h,1", "h", 1),
        ("tcp:h,65535", "h", 65_535),
        ("TCP: h , 1444", "h", 1444),
        (".", "localhost", 1433),
        ("(local),1500", "localhost", 1500),
        ("h\\instance,1500", "h", 1500),
        ("h\\MSSQLSERVER", "h", 1433),
        ("[::1],1500", "::1", 1500),
        ("tcp:[fe80::1]", "fe80::1", 1433),
        ("127.0.0.1,1500", "127.0.0.1", 1500),
    ] {
        for key in ["Server", "Data Source", "DataSource", "Address", "addr", "Network Address"] {
            let string = parsed(&format!("{key}={server};UID=u;PWD=p"));
            assert_eq!((string.host.as_str(), string.port), (host, port), "{server}");
        }
    }
}

#[test]
fn every_spelling_of_a_switch_is_understood() {
    for (more, encrypt, trust) in [
        ("", true, false),
        ("Encrypt=True", true, false),
        ("encrypt=yes", true, false),
        ("Encrypt=1", true, false),
        ("Encrypt=Mandatory", true, false),
        ("Encrypt=Mandatory;TrustServerCertificate=1", true, true),
        ("Trust Server Certificate=yes", true, true),
        ("TrustServerCertificate=true", true, true),
        ("TrustServerCertificate=false", true, false),
        ("Encrypt=False", false, true),
        ("Encrypt=no", false, true),
        ("Encrypt=0", false, true),
        ("Encrypt=Optional", false, true),
    ] {
        let string = with(more);
        assert_eq!((string.encrypt, string.trust_certificate), (encrypt, trust), "{more}");
    }
}

#[test]
fn times_sizes_and_names_are_taken_over() {
    assert_eq!(with("").connect_timeout, Duration::from_secs(15));
    for key in ["Connect Timeout", "Connection Timeout", "Timeout"] {
        assert_eq!(with(&format!("{key}=7")).connect_timeout, Duration::from_secs(7));
    }
    assert_eq!(with("Connect Timeout=0").connect_timeout, Duration::from_secs(15));
    assert_eq!(with("").command_timeout, None);
    assert_eq!(with("Command Timeout=0").command_timeout, None);
    assert_eq!(with("Command Timeout=90").command_timeout, Some(Duration::from_secs(90)));
    assert_eq!(with("").packet_size, 8_000);
    assert_eq!(with("Packet Size=512").packet_size, 512);
    assert_eq!(with("PacketSize=32768").packet_size, 32_767);
    assert_eq!(with("").application, "rogo-migrate");
    assert_eq!(with("App=me").application, "me");
    assert_eq!(with("Application Name=me").application, "me");
    assert_eq!(with("WSID=box").workstation.as_deref(), Some("box"));
    assert_eq!(with("HostNameInCertificate=c").certificate_host.as_deref(), Some("c"));
    assert!(with("ApplicationIntent=ReadOnly").read_only);
    assert!(!with("Application Intent=readwrite").read_only);
    for (more, addresses) in [
        ("MultiSubnetFailover=True", Addresses::AtOnce),
        ("Multi Subnet Failover=no", Addresses::InTurn),
        ("App=x", Addresses::InTurn),
    ] {
        assert_eq!(with(more).addresses, addresses, "{more}");
    }
    assert!(!with("Integrated Security=False;Pooling=true;Max Pool Size=9;Pooling=false").read_only);
    assert_eq!(parsed("Server=h;UID=u;PWD=p;Database=").database, None);
}

#[test]
fn each_way_to_authenticate_is_told_apart() {
    for (authentication, identity) in [
        ("Active Directory Default", Identity::Default),
        ("ActiveDirectoryDefault", Identity::Default),
        ("active directory workload identity", Identity::Workload),
        ("Active Directory Managed Identity", Identity::Managed),
        ("Active Directory MSI", Identity::Managed),
    ] {
        let server = "Server=h.database.windows.net";
        let string = parsed(&format!("{server};User ID=c;Authentication={authentication}"));
        assert_eq!(string.login, Login::Entra { identity, client_id: Some("c".into()) });
        let string = parsed(&format!("{server};Authentication={authentication}"));
        assert_eq!(string.login, Login::Entra { identity, client_id: None });
    }
    assert_eq!(with("Authentication=Sql Password").login, with("").login);
}

#[test]
fn what_cannot_be_used_is_refused_by_a_sentence() {
    for (text, says) in [
        ("", "Server is missing"),
        ("Server=h", "User ID is missing"),
        ("Server=h;User ID=u", "Password is missing"),
        ("Server=h;User ID=u;Password=", "Password is missing"),
        ("Server=;User ID=u;Password=p", "Server is missing"),
        ("Server=,1;User ID=u;Password=p", "names no host"),
        ("Server=h:1433;User ID=u;Password=p", "host,port with a comma"),
        ("Server=h,0;User ID=u;Password=p", "no port"),
        ("Server=h,x;User ID=u;Password=p", "no port"),
        ("Server=h,65536;User ID=u;Password=p", "no port"),
        ("Server=h\\i;User ID=u;Password=p", "needs the port"),
        ("Server=np:\\\\h\\pipe;User ID=u;Password=p", "protocol np"),
        ("Server=(localdb)\\x,1;User ID=u;Password=p", "LocalDB"),
        ("Server=h;Serverr=x", "\"Serverr\" is not known"),
        ("Server=h;Failover Partner=x", "\"Failover Partner\" is not known"),
        ("Server=h;User ID=u;Password=p;Frob Size=1", "\"Frob Size\" is not known"),
        ("Server=h;User ID=u;Password=p;w0rd=1", "no known key; put a password that contains ';'"),
        ("Server=h;Data Source=x", "Server and Data Source mean the same"),
        ("Server=h;Server=x", "Server is given twice"),
        ("Server=h;Encrypt=Strict;UID=u;PWD=p", "Encrypt=Strict is not supported"),
        ("Server=h;Encrypt=perhaps;UID=u;PWD=p", "Encrypt is none of"),
        ("Server=h;TrustServerCertificate=2;UID=u;PWD=p", "neither True nor False"),
        ("Server=h;Integrated Security=SSPI", "Integrated Security is not supported"),
        ("Server=h;Trusted_Connection=yes", "Integrated Security is not supported"),
        ("Server=h;Connection Timeout=soon;UID=u;PWD=p", "number of seconds"),
        ("Server=h;Command Timeout=-1;UID=u;PWD=p", "number of seconds"),
        ("Server=h;Packet Size=511;UID=u;PWD=p", "512 to 32768"),
        ("Server=h;Packet Size=big;UID=u;PWD=p", "512 to 32768"),
        ("Server=h;ApplicationIntent=write;UID=u;PWD=p", "neither ReadOnly nor ReadWrite"),
        ("Server=h;Authentication=Active Directory Password;UID=u;PWD=p", "Authentication is none of"),
        ("Server=h;Authentication=Active Directory Default;PWD=p", "Password has no meaning"),
        ("Server=h;oops", "has no '='"),
        ("Server=h;Authentication=Active Directory Default", "unless HostNameInCertificate"),
        ("Server=h.example.org;Authentication=Active Directory MSI", "add that"),
        ("Server=h.database.windows.net.example.org;Authentication=Active Directory MSI", "Server is h.data"),
        (
            "Server=h.database.windows.net;Authentication=Active Directory MSI;Encrypt=False",
            "to h.database.windows.net without a look at its certificate: leave both out",
        ),
        (
            "Server=h.database.windows.net;Authentication=Active Directory Default;TrustServerCertificate=True",
            "without a look",
        ),
        (
            "Server=h;HostNameInCertificate=h;Authentication=Active Directory Default;TrustServerCertificate=1",
            "without a look",
        ),
    ] {
        let refused = text.parse::<ConnectionString>().unwrap_err().to_string();
        assert!(refused.contains(says), "{text:?}: {refused}");
    }
}

#[test]
fn a_token_goes_to_azure_to_a_host_that_is_named_twice_and_to_this_machine() {
    for more in [
        "Server=dw.database.windows.net",
        "Server=tcp:DW.Database.Windows.Net,1433;Encrypt=Mandatory",
        "Server=ws-ondemand.sql.azuresynapse.net",
        "Server=x.datawarehouse.fabric.microsoft.com",
        "Server=dw.database.usgovcloudapi.net",
        "Server=sql.example.org;HostNameInCertificate=dw.database.windows.net",
        "Server=10.0.0.4;HostNameInCertificate=sql.example.org",
        "Server=localhost;Encrypt=False",
        "Server=127.0.0.1,1500;TrustServerCertificate=True",
        "Server=.",
    ] {
        let string = parsed(&format!("{more};Authentication=Active Directory Default"));
        assert!(matches!(string.login, Login::Entra { .. }), "{more}");
    }
    assert!(
        parsed("Server=h;UID=u;PWD=p;TrustServerCertificate=True").trust_certificate,
        "it shows no token"
    );
}

#[test]
fn a_password_is_never_repeated() {
    for text in [
        "Server=h;User ID=u;Password=s3cr3t;t4il=x",
        "Server=h;User ID=u;Password=s3cr3t;t4il",
        "Server=h;User ID=u;Password=\"s3cr3t",
        "Server=h;User ID=u;Password=\"s3cr3t\"t4il",
        "Server=h;User ID=u;Password={s3cr3t;t4il",
        "Server=h;User ID=u;Password=s3cr3t;Password=t4il",
    ] {
        let refused = text.parse::<ConnectionString>().unwrap_err().to_string();
        assert!(!refused.contains("s3cr3t") && !refused.contains("t4il"), "{text:?}: {refused}");
    }
    assert!(!format!("{:?}", parsed("Server=h;User ID=u;Password=s3cr3t")).contains("s3cr3t"));
}

proptest! {
    #[test]
    fn any_password_arrives_as_it_is(password in "\\PC{1,40}") {
        let quoted = password.replace('"', "\"\"");
        let string = parsed(&format!("Server=h;User ID=u;Password=\"{quoted}\";Encrypt=False"));
        prop_assert_eq!(string.login, Login::Sql { user: "u".into(), password });
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), key in "Server|Encrypt|Timeout|Packet Size") {
        let _ = text.parse::<ConnectionString>();
        let _ = format!("{BASE};{key}={text}").parse::<ConnectionString>();
    }
}
