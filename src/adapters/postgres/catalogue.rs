//! The catalogue: the assessments, malpractice levels and the user that migrated rows refer to. It is read once per
//! process.

use std::{collections::BTreeMap, time::Duration};

use super::{fault::misconfigured, pool::Pool};
use crate::{
    domain::{Assessment, Catalogue, MalpracticeLevel, Section},
    ports::Fault,
};

const LIMIT: Duration = Duration::from_secs(45);

/// A row of the catalogue: which list it belongs to, its place there, its id, and what else is known of it.
type Entry = (i32, i64, String, String, String);

const ASSESSMENTS: i32 = 0;
const SECTIONS: i32 = 1;
const LEVELS: i32 = 2;
const OWNER: i32 = 3;

/// `users.id` of the owner of applied rules. `$1`: the username; null: the oldest admin.
macro_rules! owner {
    () => {
        "select id::text from users where $1::text is null and role = 'admin' or username = $1
        order by created_at, id limit 1"
    };
}

/// All four lists in one round trip. `$1` as in `owner`.
const SQL: &str = concat!(
    r#"select 0 as list, row_number() over (order by id) as place, id::text, name::text, code::text from assessments
    union all
    select 1, row_number() over (order by assessment_id, "order", id collate "C"), id::text, assessment_id::text,
        coalesce(question_text, '') from assessment_sections where assessment_id is not null
    union all
    select 2, row_number() over (order by sort_order, id), id::text, level_text::text, ''
        from malpractice_levels where is_active = 'true'
    union all
    select 3, 1, owner.id, '', '' from ("#,
    owner!(),
    ") as owner order by list, place"
);

/// Reads assessments with their sections, active malpractice levels and the owner of applied rules:
/// the user of that name, else the oldest admin.
pub(super) async fn catalogue(pool: &Pool, rule_owner: Option<&str>) -> Result<Catalogue, Fault> {
    let asking = async |connection: &mut _| sqlx::query_as(SQL).bind(rule_owner).fetch_all(connection).await;
    let entries: Vec<Entry> = pool.read(LIMIT, asking).await?;
    let mut assessments = Vec::new();
    let mut sections: BTreeMap<String, Vec<Section>> = BTreeMap::new();
    let mut malpractice_levels = Vec::new();
    let mut owner = None;
    for (list, _, id, one, other) in entries {
        match list {
            ASSESSMENTS => assessments.push(Assessment { id, name: one, code: other, sections: Vec::new() }),
            SECTIONS => sections.entry(one).or_default().push(Section { id, question_text: other }),
            LEVELS => malpractice_levels.push(MalpracticeLevel { id, level_text: one }),
            OWNER => owner = Some(id),
            _ => {}
        }
    }
    for assessment in &mut assessments {
        assessment.sections = sections.remove(&assessment.id).unwrap_or_default();
    }
    let rule_owner_id = owner.ok_or_else(|| no_owner(rule_owner))?;
    Ok(Catalogue { assessments, malpractice_levels, rule_owner_id })
}

/// `users.id` of the owner of applied rules.
pub(super) async fn rule_owner(pool: &Pool, username: Option<&str>) -> Result<String, Fault> {
    let asking = async |connection: &mut _| {
        sqlx::query_scalar(owner!()).bind(username).fetch_optional(connection).await
    };
    let owner: Option<String> = pool.read(LIMIT, asking).await?;
    owner.ok_or_else(|| no_owner(username))
}

fn no_owner(username: Option<&str>) -> Fault {
    misconfigured(match username {
        Some(_) => "the user named by --rule-owner is not in users; correct the name",
        None => "users holds no user with the role admin; name the owner of applied rules with --rule-owner",
    })
}
