//! Hosts that may be shown a Microsoft Entra token: any other host could keep the token and use it.

use std::net::IpAddr;

/// Endings of a service's host names, each with the dot before it: of the public cloud, of US government and of China.
#[derive(Debug, Clone, Copy)]
pub struct AzureHosts(&'static [&'static str]);

/// Blob and Data Lake endpoints; the last one holds accounts with a DNS zone.
pub const STORAGE: AzureHosts = AzureHosts(&[
    ".blob.core.windows.net",
    ".dfs.core.windows.net",
    ".blob.core.usgovcloudapi.net",
    ".dfs.core.usgovcloudapi.net",
    ".blob.core.chinacloudapi.cn",
    ".dfs.core.chinacloudapi.cn",
    ".storage.azure.net",
]);

/// Azure SQL, Azure Synapse and Microsoft Fabric.
pub const SQL_SERVER: AzureHosts = AzureHosts(&[
    ".database.windows.net",
    ".sql.azuresynapse.net",
    ".datawarehouse.fabric.microsoft.com",
    ".database.fabric.microsoft.com",
    ".datawarehouse.pbidedicated.windows.net",
    ".database.usgovcloudapi.net",
    ".sql.azuresynapse.usgovcloudapi.net",
    ".database.chinacloudapi.cn",
    ".sql.azuresynapse.azure.cn",
]);

/// Azure Database for PostgreSQL.
pub const POSTGRESQL: AzureHosts = AzureHosts(&[
    ".postgres.database.azure.com",
    ".postgres.database.usgovcloudapi.net",
    ".postgres.database.chinacloudapi.cn",
]);

impl AzureHosts {
    /// Whether the host is one of this service. Letter case and a dot at the end do not count.
    pub fn contain(self, host: &str) -> bool {
        self.0.iter().any(|ending| ends_with(host, ending))
    }
}

/// A cloud of Azure. Each has an authority of its own, whose tokens are good for the databases of this cloud only. Storage has one
/// scope in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// Where `login.microsoftonline.com` is the authority.
    Public,
    /// Azure Government, where `login.microsoftonline.us` is.
    UsGovernment,
    /// Azure operated by 21Vianet, where `login.chinacloudapi.cn` is.
    China,
}

impl Cloud {
    /// The cloud of a host, by its ending; a name that is not Azure's own is taken for the public cloud's.
    pub fn of(host: &str) -> Self {
        const ENDINGS: [(&str, Cloud); 3] = [
            (".usgovcloudapi.net", Cloud::UsGovernment),
            (".chinacloudapi.cn", Cloud::China),
            (".azure.cn", Cloud::China),
        ];
        let found = ENDINGS.into_iter().find(|(ending, _)| ends_with(host, ending));
        found.map_or(Self::Public, |(_, cloud)| cloud)
    }

    /// The scope of tokens for [`SQL_SERVER`].
    pub fn sql_server_scope(self) -> &'static str {
        match self {
            Self::Public => "https://database.windows.net/.default",
            Self::UsGovernment => "https://database.usgovcloudapi.net/.default",
            Self::China => "https://database.chinacloudapi.cn/.default",
        }
    }

    /// The scope of tokens for [`POSTGRESQL`].
    pub fn postgresql_scope(self) -> &'static str {
        match self {
            Self::Public => "https://ossrdbms-aad.database.windows.net/.default",
            Self::UsGovernment => "https://ossrdbms-aad.database.usgovcloudapi.net/.default",
            Self::China => "https://ossrdbms-aad.database.chinacloudapi.cn/.default",
        }
    }

    /// What an identity of this cloud needs beside the rest, behind a sentence; empty for the public one.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Public => "",
            Self::UsGovernment => {
                "; the host is of Azure Government: workload identity needs AZURE_AUTHORITY_HOST=https://login.microsoftonline.us, \
                 and az login `az cloud set --name AzureUSGovernment` before it"
            }
            Self::China => {
                "; the host is of Azure China: workload identity needs AZURE_AUTHORITY_HOST=https://login.chinacloudapi.cn, and \
                 az login `az cloud set --name AzureChinaCloud` before it"
            }
        }
    }
}

/// Whether a name stands before this ending of the host.
fn ends_with(host: &str, ending: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host.strip_suffix(ending).is_some_and(|name| !name.is_empty())
}

/// Whether the host is this machine.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_of_azure_by_its_ending_alone() {
        for (hosts, host, expected) in [
            (SQL_SERVER, "dw.database.windows.net", true),
            (SQL_SERVER, "DW.Database.Windows.Net.", true),
            (SQL_SERVER, "mi.0123456789ab.database.windows.net", true),
            (SQL_SERVER, "ws-ondemand.sql.azuresynapse.net", true),
            (SQL_SERVER, "x-y.datawarehouse.fabric.microsoft.com", true),
            (SQL_SERVER, "dw.database.usgovcloudapi.net", true),
            (SQL_SERVER, "ws.sql.azuresynapse.usgovcloudapi.net", true),
            (SQL_SERVER, "dw.database.chinacloudapi.cn", true),
            (SQL_SERVER, "ws.sql.azuresynapse.azure.cn", true),
            (SQL_SERVER, ".database.windows.net", false),
            (SQL_SERVER, "database.windows.net", false),
            (SQL_SERVER, "dw.database.windows.net.example.org", false),
            (SQL_SERVER, "dwdatabase.windows.net", false),
            (SQL_SERVER, "a.blob.core.windows.net", false),
            (POSTGRESQL, "db.postgres.database.azure.com", true),
            (POSTGRESQL, "db.postgres.database.usgovcloudapi.net", true),
            (POSTGRESQL, "db.postgres.database.chinacloudapi.cn", true),
            (POSTGRESQL, "db.mysql.database.azure.com", false),
            (POSTGRESQL, "db.postgres.database.azure.com.example.org", false),
            (POSTGRESQL, "10.0.0.4", false),
        ] {
            assert_eq!(hosts.contain(host), expected, "{host}");
        }
    }

    #[test]
    fn a_token_is_of_the_cloud_that_its_host_is_of() {
        for (host, ending) in [
            ("dw.database.windows.net", ".windows.net"),
            ("ws.sql.azuresynapse.net", ".windows.net"),
            ("x.datawarehouse.fabric.microsoft.com", ".windows.net"),
            ("db.postgres.database.azure.com", ".windows.net"),
            ("10.0.0.4", ".windows.net"),
            ("dw.database.usgovcloudapi.net.example.org", ".windows.net"),
            ("dw.database.usgovcloudapi.net", ".usgovcloudapi.net"),
            ("WS.sql.azuresynapse.USGovCloudApi.net.", ".usgovcloudapi.net"),
            ("db.postgres.database.usgovcloudapi.net", ".usgovcloudapi.net"),
            ("dw.database.chinacloudapi.cn", ".chinacloudapi.cn"),
            ("ws.sql.azuresynapse.azure.cn", ".chinacloudapi.cn"),
            ("db.postgres.database.chinacloudapi.cn", ".chinacloudapi.cn"),
        ] {
            let cloud = Cloud::of(host);
            let scope = |beginning: &str| format!("https://{beginning}database{ending}/.default");
            assert_eq!(cloud.sql_server_scope(), scope(""), "{host}");
            assert_eq!(cloud.postgresql_scope(), scope("ossrdbms-aad."), "{host}");
        }
        // Every host that may be shown a token is of the cloud that its ending names.
        for ending in STORAGE.0.iter().chain(SQL_SERVER.0).chain(POSTGRESQL.0) {
            let cloud = match ending.rsplit('.').next() {
                Some("cn") => Cloud::China,
                _ if ending.contains("usgov") => Cloud::UsGovernment,
                _ => Cloud::Public,
            };
            assert_eq!(Cloud::of(&format!("a{ending}")), cloud, "{ending}");
        }
    }

    #[test]
    fn loopback_is_this_machine_and_no_name_that_begins_like_it() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("localhost.example.org", false),
            ("10.0.0.4", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }
}
