//! The target's catalogue, read once per process: what a row may refer to.

/// Assessments, their sections, malpractice levels and the owner of applied rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// All assessments, of any status.
    pub assessments: Vec<Assessment>,
    /// Active malpractice levels by sort order.
    pub malpractice_levels: Vec<MalpracticeLevel>,
    /// users.id of the user who owns applied rules.
    pub rule_owner_id: String,
}

/// One row of `assessments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// `assessments.id`.
    pub id: String,
    /// `assessments.name`, untrimmed.
    pub name: String,
    /// `assessments.code`, untrimmed.
    pub code: String,
    /// Its sections by order, then id, of any status: ids of marks are counted in this order.
    pub sections: Vec<Section>,
}

/// One row of `assessment_sections`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// `assessment_sections.id`.
    pub id: String,
    /// `question_text`; empty if null.
    pub question_text: String,
}

/// One active row of `malpractice_levels`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalpracticeLevel {
    /// `malpractice_levels.id`.
    pub id: String,
    /// `level_text`, untrimmed.
    pub level_text: String,
}
