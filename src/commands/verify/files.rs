//! The levels above rows: where the files lie, which part of them is read, and what a verification of parts leaves.

use std::{
    collections::BTreeSet,
    io::{Seek, Write},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::Asked;
use crate::{
    cli::VerifyArgs,
    commands::connect,
    domain::Level,
    exit::{Exit, Stop},
    ports::{Blobs, Source},
    report,
    run::{
        RunStore, Verification, VerifyResult,
        lines::no_room,
        names,
        results::{self, CSV},
        verifying::Subject,
    },
    settings::{Part, VerifySettings},
    verify::{
        blobs::{
            Storage,
            sources::{MOST_LOOKS, SILENT_FOR},
        },
        content::{
            Content, Portion,
            manifest::{Manifest, ManifestDraft},
        },
        run::Verified,
    },
};

/// A part of the files that was verified to the byte.
#[derive(Debug, Serialize, Deserialize)]
struct VerifiedPart {
    /// What was verified, and how; absent in parts of earlier programs.
    subject: Option<Subject>,
    part: u32,
    of: u32,
    files: u64,
    bytes: u64,
    at: DateTime<Utc>,
}

/// Refuses flags of level content at another level.
pub(super) fn refuse_other_levels(verify: &VerifySettings, args: &VerifyArgs) -> Result<(), Stop> {
    let given = [
        (verify.content.is_some(), "--content"),
        (verify.manifest.is_some(), "--manifest"),
        (args.only_unproven, "--only-unproven"),
    ];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, flag)) if verify.level != Level::Content => {
            let message = format!("{flag} is of level content: give --level content too, or leave it out");
            Err(Stop::new(Exit::Usage, message))
        }
        _ => Ok(()),
    }
}

/// Where the files of the run lie.
pub(super) struct Places {
    target: Arc<dyn Blobs>,
    source: Arc<dyn Source>,
    manifest: Option<Manifest>,
}

impl Places {
    /// Opens them; nothing is asked of them yet.
    pub(super) fn open(asked: &Asked<'_>) -> Result<Self, Stop> {
        let manifest = asked.verify.manifest.as_deref();
        Ok(Self {
            target: connect::target_blobs(asked.settings)?,
            source: connect::source(asked.settings)?,
            manifest: manifest.map(|path| Manifest::read(path, asked.plan.last_row())).transpose()?,
        })
    }

    /// SHA-256 of the manifest, hex, if one is compared.
    pub(super) fn manifest_sha256(&self) -> Option<&str> {
        self.manifest.as_ref().map(Manifest::sha256)
    }

    /// What the checks of the level need; `None` at level rows.
    pub(super) fn storage<'a>(&'a self, asked: &'a Asked<'_>) -> Option<Storage<'a>> {
        let content = Content {
            portion: asked.verify.content.map(portion),
            only_unproven: asked.args.only_unproven,
            manifest: self.manifest.as_ref(),
        };
        let reads = asked.verify.level == Level::Content;
        // In part (69) a pod ends for good, and what passes is worth waiting for.
        let settings = asked.settings;
        let silent_for = if settings.pod.name.is_some() { settings.work.give_up_after } else { SILENT_FOR };
        (asked.verify.level > Level::Rows).then_some(Storage {
            target: &self.target,
            source: &self.source,
            run: &asked.plan.run,
            rows: asked.plan.last_row(),
            most_looks: if reads { u64::MAX } else { MOST_LOOKS },
            silent_for,
            by_manifest: self.manifest.is_some(),
            content: reads.then_some(content),
        })
    }
}

fn portion(part: Part) -> Portion {
    Portion { part: part.index + 1, of: part.of }
}

impl Asked<'_> {
    /// At level content: whether all files are verified to the byte, now or in all parts, and the manifest.
    pub(super) async fn settle_content(
        &self,
        verified: &Verified,
        verification: &mut Verification,
        subject: &Subject,
    ) -> Result<(), Stop> {
        let store = self.results;
        let Some(content) = verification.files.as_mut().and_then(|files| files.content.as_mut()) else {
            return Ok(());
        };
        let is_whole = self.verify.attempts.is_none() && !self.args.only_unproven && !content.by_manifest;
        // Bytes that a person accepted are not those of the source.
        let stands = verification.result == VerifyResult::Verified && verified.accepted_of_files == 0;
        let mut of_all = None;
        if let Some((part, of)) = content.part.filter(|_| is_whole) {
            let name = names::verified_part(part, of);
            if stands {
                let (files, bytes, subject) = (content.read, content.bytes, Some(subject.clone()));
                let document = VerifiedPart { subject, part, of, files, bytes, at: Utc::now() };
                store.replace(&name, &document).await?;
            } else {
                store.delete(&[name]).await?;
            }
            let (all, others) = verified_parts(store, of, subject).await?;
            for other in &others {
                report::tell(other);
            }
            verification.remarks.extend(others);
            let are_all = all.len() as u64 == u64::from(of);
            content.parts_verified = all.into_iter().collect();
            of_all = (stands && are_all).then_some(of);
        }
        if stands && is_whole && (content.part.is_none() || of_all.is_some()) {
            verification.result = VerifyResult::ToTheByte;
        }
        let part = content.part;
        match &verified.manifest {
            // Of bytes that differ none is written; and what a look at some files tells must not stand in the place of
            // what a look at all of them told.
            Some(manifest) if verification.result != VerifyResult::Differences && is_whole => {
                let file = if stands { proven(part) } else { unproven(part) };
                self.publish_manifest(store, manifest, file, verification).await?;
            }
            _ => return Ok(()),
        }
        if let Some(of) = of_all {
            let manifest = merged(store, of, self.plan.last_row()).await?;
            self.publish_manifest(store, &manifest, proven(None), verification).await?;
        }
        Ok(())
    }

    async fn publish_manifest(
        &self,
        store: &RunStore,
        manifest: &tempfile::NamedTempFile,
        file: String,
        verification: &mut Verification,
    ) -> Result<(), Stop> {
        let out = self.settings.out.as_path();
        results::publish(Some(store), Some(out), &file, manifest.path(), CSV).await?;
        verification.results.extend(self.places_of(&file));
        Ok(())
    }
}

/// Numbers of the parts, of `of` parts in all, that were verified as this one is; the others, a sentence each.
async fn verified_parts(
    store: &RunStore,
    of: u32,
    subject: &Subject,
) -> Result<(BTreeSet<u32>, Vec<String>), Stop> {
    let (mut parts, mut others) = (BTreeSet::new(), Vec::new());
    for name in store.list(&names::verified_parts(of)).await? {
        let Some(part) = store.read::<VerifiedPart>(&name).await?.filter(|part| part.of == of) else {
            continue;
        };
        let why = match &part.subject {
            Some(other) => subject.compares_otherwise(other).join(" and "),
            None => "another program".to_owned(),
        };
        if why.is_empty() {
            parts.insert(part.part);
        } else {
            let (number, at) = (part.part, part.at.format("%F %H:%M UTC"));
            others.push(format!(
                "part {number} of {of}, verified at {at}, does not count, because it is of {why}: verify --content \
                 {number}/{of} again"
            ));
        }
    }
    Ok((parts, others))
}

/// The manifest of bytes that were all compared with their source.
fn proven(part: Option<(u32, u32)>) -> String {
    part.map_or(names::MANIFEST.to_owned(), |(part, of)| names::manifest_of_part(part, of))
}

/// What the blobs hold now, although not all of it was compared: no word on whether it is what was copied.
fn unproven(part: Option<(u32, u32)>) -> String {
    part.map_or(names::MANIFEST_UNPROVEN.to_owned(), |(part, of)| names::unproven_manifest_of_part(part, of))
}

/// The manifests of all parts as one: the same as that of a verification of all files at once.
async fn merged(store: &RunStore, of: u32, rows: u64) -> Result<tempfile::NamedTempFile, Stop> {
    let mut draft = ManifestDraft::new(rows)?;
    for part in 1..=of {
        let name = names::result(&names::manifest_of_part(part, of));
        let place = store.describe(&name);
        let again = |what: &str| {
            Stop::new(Exit::Incomplete, format!("{place} {what}: verify --content {part}/{of} again"))
        };
        let Some(mut reader) = store.open(&name).await? else { return Err(again("is gone")) };
        let mut file = tempfile::tempfile().map_err(no_room)?;
        while let Some(piece) = reader.body.try_next().await? {
            file.write_all(&piece).map_err(no_room)?;
        }
        file.rewind().map_err(no_room)?;
        draft.add(file, &|reason| again(&format!("is not as it was written ({reason})")))?;
    }
    Ok(draft.finish(None)?)
}
