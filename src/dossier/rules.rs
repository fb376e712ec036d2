//! The rules as a plan pins them: a dossier decides as the run did, whatever the settings of today are.

use crate::{rules::RuleConfig, run::Plan};

/// The rules' configuration, from the settings in the plan.
pub fn pinned(plan: &Plan) -> RuleConfig {
    let text = |name: &str| plan.settings.get(name).cloned().unwrap_or_default();
    let list = |name: &str| {
        text(name).split(',').map(str::to_owned).filter(|one| !one.is_empty()).collect::<Vec<_>>()
    };
    RuleConfig {
        lms_instance: text("lms-instance"),
        return_url: text("return-url"),
        unit_versions: list("unit-versions"),
        migrate_marker_only: text("marker-only") == "migrate",
        warehouse_time_zone: text("warehouse-time-zone").parse().unwrap_or(chrono_tz::UTC),
        allowed_sources: list("source-allow").iter().filter_map(|url| url.parse().ok()).collect(),
    }
}
