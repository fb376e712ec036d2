//! The settings that change outcomes: the plan pins them.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{MarkerOnly, Setting, Settings, table as t};

impl Settings {
    /// The settings that change outcomes, for the plan: none of them may differ in a later process.
    /// The consumer key stands there as its SHA-256 only.
    pub fn outcome_settings(&self) -> BTreeMap<String, String> {
        let (organisation, rules) = (&self.organisation, &self.rules);
        let allow: Vec<_> = self.source.allow.iter().map(ToString::to_string).collect();
        let marker_only = match rules.marker_only {
            MarkerOnly::Fail => "fail",
            MarkerOnly::Migrate => "migrate",
        };
        let digest = Bytes::copy_from_slice(&Sha256::digest(&organisation.consumer_key));
        let consumer_key = format!("{digest:x}");
        let pinned: [(Setting, &str); 12] = [
            (t::ENCODING, self.inputs.encoding.map_or(t::ENCODING.otherwise, |known| known.name())),
            (t::SOURCE_ALLOW, &allow.join(",")),
            (t::LMS_INSTANCE, &organisation.lms_instance),
            (t::LMS_NAME, &organisation.lms_name),
            (t::RETURN_URL, &organisation.return_url),
            (t::CONSUMER_KEY, &consumer_key),
            (t::UNIT_VERSIONS, &rules.unit_versions.join(",")),
            (t::INSTRUCTION_SET, &rules.instruction_set),
            (t::ASSIGNMENT_TITLE, &rules.assignment_title),
            (t::RULE_OWNER, rules.rule_owner.as_deref().unwrap_or(t::RULE_OWNER.otherwise)),
            (t::MARKER_ONLY, marker_only),
            (t::WAREHOUSE_TIME_ZONE, rules.warehouse_time_zone.name()),
        ];
        pinned.map(|(setting, value)| (setting.key.replace(' ', "_"), value.to_owned())).into()
    }
}
