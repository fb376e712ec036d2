//! Plans in memory.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rogo_migrate::{
    domain::{InputDigest, TargetIdentity, shard_of},
    run::{FORMAT, Plan, RULES_VERSION, RunName, ShardPlan},
};

/// A second of the time that these runs take place in.
pub fn instant(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

/// A plan over the rows of this input, in so many shards.
pub fn plan(submissions: InputDigest, shards: u32) -> Plan {
    let rows = submissions.rows;
    let mut planned =
        vec![ShardPlan { rows: 0, queue_sha256: String::new(), facts_sha256: None }; shards as usize];
    for place in 0..rows {
        planned[shard_of(place, shards).0 as usize].rows += 1;
    }
    Plan {
        format: FORMAT,
        id: "0123456789ab".parse().unwrap(),
        run: RunName::default(),
        created_at: instant(0),
        program_version: "0".into(),
        rules_version: RULES_VERSION,
        mapping: submissions.clone(),
        submissions,
        rows,
        rows_left_out: 0,
        shards: planned,
        database: "memory".into(),
        identity: TargetIdentity {
            system: Some("memory".into()),
            database: "memory".into(),
            ..TargetIdentity::default()
        },
        target: "memory".into(),
        warehouse: "memory".into(),
        warehouse_extent: Vec::new(),
        warehouse_rows: None,
        facts_files: false,
        reported: None,
        scored: None,
        settings: BTreeMap::new(),
        trial: None,
        after: Vec::new(),
        withdrawn: 0,
        excluded: None,
        also_read: Vec::new(),
        traceparent: None,
        epoch: None,
    }
}
