//! What the rules read of the settings.

use crate::{
    rules::RuleConfig,
    settings::{MarkerOnly, Settings},
};

/// The rules' configuration: the same for a plan and for all its shards, since a plan pins these settings.
pub fn rule_config(settings: &Settings) -> RuleConfig {
    RuleConfig {
        lms_instance: settings.organisation.lms_instance.clone(),
        return_url: settings.organisation.return_url.clone(),
        unit_versions: settings.rules.unit_versions.clone(),
        migrate_marker_only: settings.rules.marker_only == MarkerOnly::Migrate,
        warehouse_time_zone: settings.rules.warehouse_time_zone,
        allowed_sources: settings.source.allow.clone(),
    }
}
