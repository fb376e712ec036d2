//! An ADO.NET connection string, parsed by us: the driver ignores or misreads some of its keys.

use std::{fmt, time::Duration};

use key::Key;
use parts::Part;

use crate::identity::hosts::{Cloud, SQL_SERVER, is_loopback};

mod key;
mod parts;

/// Where the warehouse is and how to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConnectionString {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: Option<String>,
    pub(super) login: Login,
    /// Everything, or (`Encrypt=False`) the login only.
    pub(super) encrypt: bool,
    pub(super) trust_certificate: bool,
    pub(super) certificate_host: Option<String>,
    /// For TCP, and again for TLS and login.
    pub(super) connect_timeout: Duration,
    /// `None`: not given, or 0.
    pub(super) command_timeout: Option<Duration>,
    pub(super) packet_size: u32,
    pub(super) application: String,
    pub(super) workstation: Option<String>,
    pub(super) read_only: bool,
    pub(super) addresses: Addresses,
}

/// In which order the addresses of the host's name are tried (`MultiSubnetFailover`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addresses {
    InTurn,
    AtOnce,
}

/// How to log in to SQL Server.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    Sql { user: String, password: String },
    Entra { identity: Identity, client_id: Option<String> },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql { .. } => f.write_str("Sql"),
            Self::Entra { identity, .. } => write!(f, "Entra({identity:?})"),
        }
    }
}

/// Which Microsoft Entra identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    Default,
    Workload,
    Managed,
}

/// Why the string cannot be used; never holds a value that may be secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub(super) String);

impl ConnectionString {
    /// Refuses a string by which a Microsoft Entra token would go to a host that could keep it: one whose certificate is not
    /// looked at, and one that is neither Azure's nor named a second time, by `HostNameInCertificate`. A token goes to this
    /// machine without a question.
    fn may_show_a_token(&self) -> Result<(), Refused> {
        let host = &self.host;
        if !self.may_log_in_at(host) {
            return Err(Refused(format!(
                "with TrustServerCertificate=True or Encrypt=False the Microsoft Entra token of this Authentication would go to \
                 {host} without a look at its certificate: leave both out, and give a private authority's certificate by \
                 SSL_CERT_FILE"
            )));
        }
        let is_known = SQL_SERVER.contain(host) || self.certificate_host.is_some() || is_loopback(host);
        if matches!(self.login, Login::Entra { .. }) && !is_known {
            return Err(Refused(format!(
                "Server is {host}, which is not Azure SQL, Azure Synapse or Microsoft Fabric: a Microsoft Entra token goes to no \
                 other host unless HostNameInCertificate gives the name in its certificate; if it is the right one, add that"
            )));
        }
        Ok(())
    }

    /// Whether a login may go to this host: it shows no token, or the certificate is looked at, or the host is this machine.
    pub(super) fn may_log_in_at(&self, host: &str) -> bool {
        matches!(self.login, Login::Sql { .. }) || !self.trust_certificate || is_loopback(host)
    }

    /// The cloud whose tokens the server takes. Behind a name that is not Azure's own, that of its certificate tells.
    pub(super) fn cloud(&self) -> Cloud {
        let certificate = self.certificate_host.as_ref().filter(|_| !SQL_SERVER.contain(&self.host));
        Cloud::of(certificate.unwrap_or(&self.host))
    }

    /// Host, port and database, for people.
    pub(super) fn place(&self) -> String {
        let database = self.database.as_deref().unwrap_or("the login's default database");
        format!("{},{}/{database}", self.host, self.port)
    }
}

impl std::str::FromStr for ConnectionString {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let values = Values::of(parts::split(text)?)?;
        let server = values.text(Key::Server).ok_or(Refused("Server is missing".into()))?;
        let (host, port) = address(server)?;
        if values.flag(Key::IntegratedSecurity)?.unwrap_or_default() {
            return refuse(
                "Integrated Security is not supported: give User ID and Password, or Authentication=Active \
                 Directory Default",
            );
        }
        let encrypt = encrypt(values.text(Key::Encrypt))?;
        let string = Self {
            host,
            port,
            database: values.owned(Key::Database),
            login: login(&values)?,
            encrypt,
            // Without encryption of the whole connection ADO.NET does not look at the certificate either.
            trust_certificate: values.flag(Key::TrustServerCertificate)?.unwrap_or_default() || !encrypt,
            certificate_host: values.owned(Key::HostNameInCertificate),
            connect_timeout: values.seconds(Key::ConnectTimeout)?.unwrap_or(Duration::from_secs(15)),
            command_timeout: values.seconds(Key::CommandTimeout)?,
            packet_size: packet_size(&values)?,
            application: values.owned(Key::ApplicationName).unwrap_or_else(|| "rogo-migrate".into()),
            workstation: values.owned(Key::Workstation),
            read_only: read_only(&values)?,
            addresses: match values.flag(Key::MultiSubnetFailover)? {
                Some(true) => Addresses::AtOnce,
                Some(false) | None => Addresses::InTurn,
            },
        };
        string.may_show_a_token()?;
        Ok(string)
    }
}

/// The known parts. A part that is given twice is refused, and an empty value counts as not set, as in ADO.NET.
struct Values(Vec<(Key, Part)>);

impl Values {
    fn of(parts: Vec<Part>) -> Result<Self, Refused> {
        let mut known: Vec<(Key, Part)> = Vec::with_capacity(parts.len());
        let mut after_password = false;
        for part in parts {
            let Some(key) = Key::named(&part.key) else {
                return Err(parts::unknown(&part.key, after_password));
            };
            after_password = key == Key::Password;
            if let Some((_, earlier)) = known.iter().find(|(k, _)| *k == key && key != Key::Ignored) {
                return Err(Refused(if earlier.key == part.key {
                    format!("{} is given twice", part.key)
                } else {
                    format!("{} and {} mean the same: give one of them", earlier.key, part.key)
                }));
            }
            known.push((key, part));
        }
        Ok(Self(known))
    }

    fn text(&self, key: Key) -> Option<&str> {
        let (_, part) = self.0.iter().find(|(k, part)| *k == key && !part.value.is_empty())?;
        Some(&part.value)
    }

    fn owned(&self, key: Key) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    fn flag(&self, key: Key) -> Result<Option<bool>, Refused> {
        self.text(key)
            .map(|text| match text.to_lowercase().as_str() {
                "true" | "yes" | "1" | "sspi" => Ok(true),
                "false" | "no" | "0" => Ok(false),
                _ => Err(Refused(format!("{key:?} is neither True nor False"))),
            })
            .transpose()
    }

    /// `None` for 0, which means "no limit" to ADO.NET: here nothing waits without one.
    fn seconds(&self, key: Key) -> Result<Option<Duration>, Refused> {
        let Some(text) = self.text(key) else { return Ok(None) };
        match text.parse::<u32>() {
            Ok(0) => Ok(None),
            Ok(seconds) => Ok(Some(Duration::from_secs(seconds.into()))),
            Err(_) => Err(Refused(format!("{key:?} is not a number of seconds"))),
        }
    }
}

fn refuse<T>(why: &str) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

/// `tcp:host,port`, also with an instance name beside the port.
fn address(server: &str) -> Result<(String, u16), Refused> {
    let server = server.trim();
    let plain = match server.split_once(':') {
        Some((protocol, rest)) if protocol.eq_ignore_ascii_case("tcp") => rest.trim(),
        Some((protocol, _)) if ["np", "lpc", "admin"].contains(&protocol.to_lowercase().as_str()) => {
            return Err(Refused(format!("Server: protocol {protocol} is not supported, only tcp")));
        }
        _ => server,
    };
    let (name, port) = match plain.rsplit_once(',') {
        Some((name, port)) => match port.trim().parse::<u16>() {
            Ok(port) if port > 0 => (name.trim(), Some(port)),
            _ => return refuse("Server: the text after the comma is no port from 1 to 65535"),
        },
        None => (plain, None),
    };
    let (name, instance) = name.split_once('\\').map_or((name, None), |(name, it)| (name, Some(it)));
    let host = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(v6) => v6,
        None if name.matches(':').count() == 1 => return refuse("Server: write host,port with a comma"),
        None => name,
    };
    match (host, instance, port) {
        ("", ..) => refuse("Server names no host"),
        (_, Some(instance), None) if !instance.eq_ignore_ascii_case("mssqlserver") => {
            refuse("Server: an instance name needs the port beside it, like host\\instance,1433")
        }
        ("." | "(local)", ..) => Ok(("localhost".into(), port.unwrap_or(1433))),
        (host, ..) if host.starts_with('(') => refuse("Server: LocalDB is not supported"),
        (host, ..) => Ok((host.to_owned(), port.unwrap_or(1433))),
    }
}

fn encrypt(text: Option<&str>) -> Result<bool, Refused> {
    match text.map(str::to_lowercase).as_deref() {
        None | Some("true" | "yes" | "1" | "mandatory") => Ok(true),
        Some("false" | "no" | "0" | "optional") => Ok(false),
        Some("strict") => refuse("Encrypt=Strict is not supported; use Encrypt=Mandatory"),
        Some(_) => refuse("Encrypt is none of True, False, Mandatory, Optional"),
    }
}

fn login(values: &Values) -> Result<Login, Refused> {
    let (user, password) = (values.owned(Key::User), values.owned(Key::Password));
    let authentication = values.text(Key::Authentication).unwrap_or("SqlPassword");
    let name: String = authentication.to_lowercase().split_whitespace().collect();
    let identity = match name.as_str() {
        "sqlpassword" => {
            return match (user, password) {
                (Some(user), Some(password)) => Ok(Login::Sql { user, password }),
                (None, _) => refuse("User ID is missing"),
                (_, None) => refuse("Password is missing"),
            };
        }
        "activedirectorydefault" => Identity::Default,
        "activedirectoryworkloadidentity" => Identity::Workload,
        "activedirectorymanagedidentity" | "activedirectorymsi" => Identity::Managed,
        _ => {
            return refuse(
                "Authentication is none of SqlPassword, Active Directory Default, Active Directory Workload \
                 Identity, Active Directory Managed Identity",
            );
        }
    };
    if password.is_some() {
        return refuse("Password has no meaning beside this Authentication: leave it out");
    }
    Ok(Login::Entra { identity, client_id: user })
}

fn packet_size(values: &Values) -> Result<u32, Refused> {
    match values.text(Key::PacketSize).map(str::parse::<u32>) {
        None => Ok(8_000),
        // A packet's length field holds one less than the largest size that ADO.NET allows.
        Some(Ok(size @ 512..=32_768)) => Ok(size.min(32_767)),
        Some(_) => refuse("Packet Size is not a number from 512 to 32768"),
    }
}

fn read_only(values: &Values) -> Result<bool, Refused> {
    match values.text(Key::ApplicationIntent).map(str::to_lowercase).as_deref() {
        None | Some("readwrite") => Ok(false),
        Some("readonly") => Ok(true),
        Some(_) => refuse("ApplicationIntent is neither ReadOnly nor ReadWrite"),
    }
}

#[cfg(test)]
mod tests;
