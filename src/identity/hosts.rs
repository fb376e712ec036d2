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
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        self.0.iter().any(|ending| host.strip_suffix(ending).is_some_and(|name| !name.is_empty()))
    }
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
