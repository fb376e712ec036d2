//! Which target database a run belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What tells one target database from another. A physically restored copy, such as a rehearsal's, has the same
/// system identifier and oid: so host and port count too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetIdentity {
    /// Host of the connection, or the folder of its socket.
    pub host: String,
    /// Port of the connection.
    pub port: u16,
    /// The server's system identifier, if this user may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// `pg_database.oid`.
    pub database_oid: i64,
    /// The database's name.
    pub database: String,
}

impl TargetIdentity {
    /// A sentence for each thing in which `now` differs from this one, which is called `ours`, such as "the plan's". A
    /// system identifier that only one of them could read is not compared.
    pub fn differences(&self, now: &Self, ours: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, planned: &str, seen: &str| {
            if planned != seen {
                found.push(format!("its {what} is {seen}, {ours} was {planned}"));
            }
        };
        compare("host", &self.host, &now.host);
        compare("port", &self.port.to_string(), &now.port.to_string());
        compare("name", &self.database, &now.database);
        compare("oid", &self.database_oid.to_string(), &now.database_oid.to_string());
        if let (Some(planned), Some(seen)) = (&self.system, &now.system) {
            compare("server's system identifier", planned, seen);
        }
        found
    }

    /// Whether `now` is this database by the server's system identifier too, which both could read. Without it a name or a pooler
    /// may lead to another server since, whose first database has the same oid. Host and port are not asked for: that they differ
    /// is refused before, or a person has confirmed the move.
    pub fn is_certainly(&self, now: &Self) -> bool {
        let inside = |of: &Self| (of.system.clone(), of.database_oid, of.database.clone());
        self.system.is_some() && inside(self) == inside(now)
    }
}

/// `<database> at <host>:<port>`.
impl fmt::Display for TargetIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.database, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::TargetIdentity;

    fn planned() -> TargetIdentity {
        TargetIdentity {
            host: "db.example.org".into(),
            port: 5432,
            system: Some("7".into()),
            database_oid: 16_384,
            database: "app".into(),
        }
    }

    #[test]
    fn every_part_counts_and_is_named() {
        let of = |change: &dyn Fn(&mut TargetIdentity)| {
            let mut now = planned();
            change(&mut now);
            planned().differences(&now, "the plan's")
        };
        assert_eq!(of(&|_| ()), Vec::<String>::new());
        assert_eq!(of(&|now| now.host = "copy".into()), ["its host is copy, the plan's was db.example.org"]);
        assert_eq!(of(&|now| now.port = 5433), ["its port is 5433, the plan's was 5432"]);
        assert_eq!(of(&|now| now.database = "b".into()), ["its name is b, the plan's was app"]);
        assert_eq!(of(&|now| now.database_oid = 1), ["its oid is 1, the plan's was 16384"]);
        assert_eq!(
            of(&|now| now.system = Some("8".into())),
            ["its server's system identifier is 8, the plan's was 7"]
        );
        assert_eq!(of(&|now| now.system = None), Vec::<String>::new());
    }

    #[test]
    fn it_is_certain_only_if_both_could_read_the_servers_identifier_and_nothing_differs() {
        let without = TargetIdentity { system: None, ..planned() };
        assert!(planned().is_certainly(&planned()));
        for (planned, now) in
            [(planned(), without.clone()), (without.clone(), planned()), (without.clone(), without)]
        {
            assert!(!planned.is_certainly(&now));
        }
        let moved = TargetIdentity { host: "new".into(), port: 1, ..planned() };
        assert!(planned().is_certainly(&moved));
        let others = [
            TargetIdentity { system: Some("8".into()), ..planned() },
            TargetIdentity { database_oid: 1, ..planned() },
            TargetIdentity { database: "b".into(), ..planned() },
        ];
        assert!(others.iter().all(|other| !planned().is_certainly(other)));
    }
}
