//! The catalogue: the assessments, malpractice levels and the user that migrated rows refer to. It is read once per
//! process.

use std::{collections::BTreeMap, time::Duration};

use super::{fault::misconfigured, pool::Pool};
use crate::{
    domain::{Assessment, Catalogue, MalpracticeLevel, Section},
    ports::Fault,
};

const LIMIT: Duration = Duration::from_secs(45);

/// Reads assessments with their sections, active malpractice levels and the owner of applied rules:
/// the user of that name, else the oldest admin.
pub(super) async fn catalogue(pool: &Pool, rule_owner: Option<&str>) -> Result<Catalogue, Fault> {
    Ok(Catalogue {
        assessments: assessments(pool).await?,
        malpractice_levels: malpractice_levels(pool).await?,
        rule_owner_id: self::rule_owner(pool, rule_owner).await?,
    })
}

/// `users.id` of the owner of applied rules.
pub(super) async fn rule_owner(pool: &Pool, username: Option<&str>) -> Result<String, Fault> {
    const NAMED: &str = "select id from users where username = $1";
    const OLDEST: &str = "select id from users where role = 'admin' order by created_at, id limit 1";
    let asking = async |connection: &mut _| match username {
        Some(username) => sqlx::query_scalar(NAMED).bind(username).fetch_optional(connection).await,
        None => sqlx::query_scalar(OLDEST).fetch_optional(connection).await,
    };
    let owner: Option<String> = pool.read(LIMIT, asking).await?;
    owner.ok_or_else(|| {
        misconfigured(match username {
            Some(_) => "the user named by --rule-owner is not in users; correct the name",
            None => {
                "users holds no user with the role admin; name the owner of applied rules with --rule-owner"
            }
        })
    })
}

async fn assessments(pool: &Pool) -> Result<Vec<Assessment>, Fault> {
    const ASSESSMENTS: &str = "select id, name, code from assessments order by id";
    const SECTIONS: &str = r#"select assessment_id, id, coalesce(question_text, '') from assessment_sections
        where assessment_id is not null order by assessment_id, "order", id collate "C""#;
    let asking = async |connection: &mut _| sqlx::query_as(ASSESSMENTS).fetch_all(connection).await;
    let rows: Vec<(String, String, String)> = pool.read(LIMIT, asking).await?;
    let asking = async |connection: &mut _| sqlx::query_as(SECTIONS).fetch_all(connection).await;
    let sections: Vec<(String, String, String)> = pool.read(LIMIT, asking).await?;

    let mut of_assessment: BTreeMap<String, Vec<Section>> = BTreeMap::new();
    for (assessment, id, question_text) in sections {
        of_assessment.entry(assessment).or_default().push(Section { id, question_text });
    }
    let with_sections = |(id, name, code): (String, String, String)| {
        let sections = of_assessment.remove(&id).unwrap_or_default();
        Assessment { id, name, code, sections }
    };
    Ok(rows.into_iter().map(with_sections).collect())
}

async fn malpractice_levels(pool: &Pool) -> Result<Vec<MalpracticeLevel>, Fault> {
    const SQL: &str =
        "select id, level_text from malpractice_levels where is_active = 'true' order by sort_order, id";
    let asking = async |connection: &mut _| sqlx::query_as(SQL).fetch_all(connection).await;
    let rows: Vec<(String, String)> = pool.read(LIMIT, asking).await?;
    Ok(rows.into_iter().map(|(id, level_text)| MalpracticeLevel { id, level_text }).collect())
}
