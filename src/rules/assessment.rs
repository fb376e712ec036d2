//! Finds the assessment by the exercise's first two words and the unit version.

use std::collections::HashMap;

use super::message::{fail, list, quoted};
use crate::domain::{
    Assessment, Catalogue, FailCode, Failure, MalpracticeLevel,
    text::{OTHER_FORM, equal_key, in_one_form, words},
};

/// The catalogue, ordered for look-ups; built once per process.
#[derive(Debug, Clone)]
pub struct CatalogueIndex {
    /// By the first two words of the name, with one space between them.
    assessments: HashMap<String, Vec<Assessment>>,
    pub(super) malpractice_levels: Vec<MalpracticeLevel>,
    pub(super) rule_owner_id: String,
}

impl From<Catalogue> for CatalogueIndex {
    fn from(catalogue: Catalogue) -> Self {
        let Catalogue { assessments: all, malpractice_levels, rule_owner_id } = catalogue;
        let mut assessments: HashMap<String, Vec<Assessment>> = HashMap::new();
        for assessment in all {
            // A name of one word never matches, because an exercise has two.
            if let Some(words) = first_two_words(&assessment.name) {
                assessments.entry(words).or_default().push(assessment);
            }
        }
        Self { assessments, malpractice_levels, rule_owner_id }
    }
}

impl CatalogueIndex {
    /// The one assessment whose name begins with `words` and ends with `version`; an exact name
    /// "`words` `version`" wins over others. Names are compared as [`equal_key`]s.
    pub(super) fn assessment(&self, words: &str, version: &str) -> Result<&Assessment, Failure> {
        let version = equal_key(version);
        let ends_right = |one: &&Assessment| equal_key(&one.name).ends_with(version.as_ref());
        let found: Vec<&Assessment> =
            self.assessments.get(words).into_iter().flatten().filter(ends_right).collect();
        let exact_name = format!("{words} {version}");
        let exact: Vec<&Assessment> =
            found.iter().copied().filter(|one| equal_key(&one.name) == exact_name).collect();

        let wanted = || format!("begins with {} and ends with {}", quoted(words), quoted(&version));
        match (exact.as_slice(), found.as_slice()) {
            ([assessment], _) | ([], [assessment]) => Ok(assessment),
            ([], []) => {
                let alike = self.in_another_form(words, &version);
                let alike = alike.map(|name| format!("; {} {OTHER_FORM}", quoted(name))).unwrap_or_default();
                let message = format!("no assessment has a name that {}{alike}", wanted());
                Err(fail(FailCode::AssessmentMissing, message))
            }
            ([], several) | (several, _) => {
                let each =
                    several.iter().map(|one| format!("{} (code {})", quoted(&one.name), quoted(&one.code)));
                let message =
                    format!("{} assessments have a name that {}: {}", several.len(), wanted(), list(each));
                Err(fail(FailCode::AssessmentAmbiguous, message))
            }
        }
    }

    /// Name of an assessment that would be the one in the same Unicode form, while none is; of several the first by name.
    fn in_another_form(&self, words: &str, version: &str) -> Option<&str> {
        let (words, version) = (in_one_form(words), in_one_form(version));
        let begins = self.assessments.iter().filter(|(begin, _)| in_one_form(begin) == words);
        let names = begins.flat_map(|(_, all)| all).map(|one| one.name.as_str());
        names.filter(|name| in_one_form(&equal_key(name)).ends_with(version.as_ref())).min()
    }
}

/// The first two words with one space between them; in `text` any blanks may separate them.
pub(super) fn first_two_words(text: &str) -> Option<String> {
    let mut words = words(text);
    Some(format!("{} {}", words.next()?, words.next()?))
}
