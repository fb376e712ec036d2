//! The keys of a connection string, with all their spellings.

/// The keys that mean something here, each with its synonyms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Server,
    Database,
    User,
    Password,
    Encrypt,
    TrustServerCertificate,
    HostNameInCertificate,
    ConnectTimeout,
    CommandTimeout,
    PacketSize,
    ApplicationName,
    ApplicationIntent,
    Authentication,
    IntegratedSecurity,
    Workstation,
    MultiSubnetFailover,
    /// Steers ADO.NET's own pool and retries, which have no part in this.
    Ignored,
}

impl Key {
    /// The key that is spelled so; letter case and blanks do not count.
    pub(super) fn named(spelled: &str) -> Option<Self> {
        let name: String = spelled.to_lowercase().split_whitespace().collect();
        Some(match name.as_str() {
            "server" | "datasource" | "address" | "addr" | "networkaddress" => Self::Server,
            "database" | "initialcatalog" => Self::Database,
            "userid" | "uid" | "user" | "username" => Self::User,
            "password" | "pwd" => Self::Password,
            "encrypt" => Self::Encrypt,
            "trustservercertificate" => Self::TrustServerCertificate,
            "hostnameincertificate" => Self::HostNameInCertificate,
            "connecttimeout" | "connectiontimeout" | "timeout" => Self::ConnectTimeout,
            "commandtimeout" => Self::CommandTimeout,
            "packetsize" => Self::PacketSize,
            "applicationname" | "app" => Self::ApplicationName,
            "applicationintent" => Self::ApplicationIntent,
            "authentication" => Self::Authentication,
            "integratedsecurity" | "trusted_connection" => Self::IntegratedSecurity,
            "workstationid" | "wsid" => Self::Workstation,
            "multisubnetfailover" => Self::MultiSubnetFailover,
            "persistsecurityinfo"
            | "multipleactiveresultsets"
            | "pooling"
            | "minpoolsize"
            | "maxpoolsize"
            | "loadbalancetimeout"
            | "connectionlifetime"
            | "poolblockingperiod"
            | "connectretrycount"
            | "connectretryinterval"
            | "enlist" => Self::Ignored,
            _ => return None,
        })
    }
}
