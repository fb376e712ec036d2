//! What the rules say of grades, malpractice and the catalogue, read again from rules.md.

use serde_json::Value;

use super::tables::Tables;

/// The assessment of an exercise: its id and code.
pub fn assessment(before: &Tables, exercise: &str, version: &str) -> (String, String) {
    let words: Vec<&str> = exercise.split_whitespace().take(2).collect();
    let of = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<(String, String, String)> = Vec::new();
    for row in before["assessments"].values() {
        let name = of(&row["name"]).trim().to_owned();
        let begins = name.split_whitespace().take(2).eq(words.iter().copied());
        if begins && name.ends_with(version) {
            found.push((name, of(&row["id"]), of(&row["code"])));
        }
    }
    let exact = format!("{} {version}", words.join(" "));
    if let Some(at) = found.iter().position(|(name, ..)| *name == exact) {
        found.swap(0, at);
        found.truncate(1);
    }
    assert_eq!(found.len(), 1, "{exercise} {version}: {found:?}");
    let (_, id, code) = found.remove(0);
    (id, code)
}

/// The section that a score's label names.
pub fn section(before: &Tables, assessment: &str, label: &str) -> String {
    // What no one sees separates words, as a space does.
    let label = label.replace(['\u{200b}', '\u{feff}'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let label = label.as_str();
    let mut by_rank: [Vec<String>; 2] = [Vec::new(), Vec::new()];
    for row in before["assessment_sections"].values() {
        let Some(text) = row["question_text"].as_str().map(str::trim) else { continue };
        if row["assessment_id"] != assessment {
            continue;
        }
        let id = row["id"].as_str().unwrap().to_owned();
        if text == label {
            by_rank[0].push(id);
        } else if text.starts_with(label)
            && !text[label.len()..].chars().next().is_some_and(char::is_alphanumeric)
        {
            by_rank[1].push(id);
        }
    }
    let found = by_rank.into_iter().find(|ids| !ids.is_empty()).unwrap_or_default();
    assert_eq!(found.len(), 1, "{assessment} {label}: {found:?}");
    found[0].clone()
}

/// The malpractice level that a grade names: its id and text.
pub fn malpractice_level(before: &Tables, grade: &str) -> Option<(String, String)> {
    let words: Vec<&str> = grade.split_whitespace().collect();
    if !words.first()?.to_lowercase().starts_with("malpractice") {
        return None;
    }
    let active = before["malpractice_levels"].values().filter(|row| row["is_active"] == "true");
    let mut named = active.filter(|row| row["level_text"].as_str().unwrap().trim() == words[1]);
    let row = named.next().unwrap_or_else(|| panic!("no level for {grade}"));
    let of = |column: &str| row[column].as_str().unwrap().to_owned();
    Some((of("id"), of("level_text")))
}

/// The limit that a level sets.
pub fn max_attempts(level: &str, attempt_number: i64) -> Option<i64> {
    let level = level.to_lowercase();
    let limits = [("moderate", 3), ("considerable", attempt_number + 1), ("severe", attempt_number)];
    limits.into_iter().find(|(word, _)| level.contains(word)).map(|(_, limit)| limit)
}

/// The grade of a row without malpractice.
pub fn final_grade(grade: &str, assessment_code: &str) -> String {
    let grade = grade.trim();
    let table: &[(&str, &str)] = match &assessment_code[..1] {
        "3" | "4" | "5" => &[("Refer/Fail", "Refer"), ("Fail", "Refer")],
        "7" => &[
            ("Refer/Fail", "Refer"),
            ("Fail", "Refer"),
            ("Pass", "Low Pass"),
            ("Merit", "Pass"),
            ("Distinction", "High Pass"),
        ],
        _ => &[],
    };
    table.iter().find(|(from, _)| *from == grade).map_or(grade, |(_, to)| to).to_owned()
}

/// The number behind "Attempt" and white space.
pub fn attempt_number(submission: &str) -> i64 {
    let lower = submission.to_lowercase();
    let numbers = lower.match_indices("attempt").filter_map(|(at, word)| {
        let rest = &lower[at + word.len()..];
        let number: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        rest.starts_with(char::is_whitespace).then(|| number.parse().ok())?
    });
    numbers.into_iter().next().unwrap_or_else(|| panic!("no number in {submission}"))
}

/// The oldest admin, of two of one age the lower id.
pub fn rule_owner(before: &Tables) -> String {
    let admins = before["users"].values().filter(|row| row["role"] == "admin");
    let key = |row: &serde_json::Map<String, Value>| {
        (row["created_at"].as_str().unwrap().to_owned(), row["id"].as_str().unwrap().to_owned())
    };
    admins.map(key).min().unwrap().1
}
