//! Settings of the rules for one organisation.

use url::Url;

/// The settings that the rules read; none of them is ever a constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleConfig {
    /// The LMS instance's guid, as it is stored.
    pub lms_instance: String,
    /// Base of the return URL, without a trailing slash.
    pub return_url: String,
    /// Unit Code Versions that begin with one of these are migrated.
    pub unit_versions: Vec<String>,
    /// Whether a row with marker files only is migrated; else it fails.
    pub migrate_marker_only: bool,
    /// Time zone of the warehouse's dates that have no offset.
    pub warehouse_time_zone: chrono_tz::Tz,
    /// Files are read below these only.
    pub allowed_sources: Vec<Url>,
}

/// The defaults, with one allowed source.
#[cfg(test)]
pub(super) fn tests_config(source: &str) -> RuleConfig {
    RuleConfig {
        lms_instance: "guid".into(),
        return_url: "https://lms.example.org".into(),
        unit_versions: vec!["24".into(), "25".into()],
        migrate_marker_only: false,
        warehouse_time_zone: chrono_tz::UTC,
        allowed_sources: vec![source.parse().unwrap()],
    }
}
