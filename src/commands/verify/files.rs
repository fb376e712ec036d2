//! The levels above rows: where the files lie, which part of them is read, and what a verification of parts leaves.

use std::{collections::BTreeSet, io::Write, sync::Arc};

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
    run::{
        PlanId, RunStore, Verification, VerifyResult,
        lines::no_room,
        names,
        results::{self, CSV},
    },
    settings::{Part, VerifySettings},
    verify::{
        blobs::Storage,
        content::{Content, Portion, manifest::Manifest},
        run::Verified,
    },
};

/// A part of the files that was verified to the byte.
#[derive(Debug, Serialize, Deserialize)]
struct VerifiedPart {
    plan: PlanId,
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

    /// What the checks of the level need; `None` at level rows.
    pub(super) fn storage<'a>(&'a self, asked: &'a Asked<'_>) -> Option<Storage<'a>> {
        let content = Content {
            portion: asked.verify.content.map(portion),
            only_unproven: asked.args.only_unproven,
            manifest: self.manifest.as_ref(),
        };
        (asked.verify.level > Level::Rows).then_some(Storage {
            target: &self.target,
            source: &self.source,
            run: &asked.plan.run,
            rows: asked.plan.last_row(),
            content: (asked.verify.level == Level::Content).then_some(content),
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
    ) -> Result<(), Stop> {
        let store = self.results;
        let Some(content) = verification.files.as_mut().and_then(|files| files.content.as_mut()) else {
            return Ok(());
        };
        let is_whole = self.verify.attempts.is_none() && !self.args.only_unproven && !content.by_manifest;
        let stands = verification.result == VerifyResult::Verified;
        let mut of_all = None;
        if let Some((part, of)) = content.part.filter(|_| is_whole) {
            let name = names::verified_part(part, of);
            if stands {
                let (files, bytes, plan) = (content.read, content.bytes, self.plan.id.clone());
                let document = VerifiedPart { plan, part, of, files, bytes, at: Utc::now() };
                store.replace(&name, &document).await?;
            } else {
                store.delete(&[name]).await?;
            }
            let all = self.verified_parts(store, of).await?;
            let are_all = all.len() as u64 == u64::from(of);
            content.parts_verified = all.into_iter().collect();
            of_all = (stands && are_all).then_some(of);
        }
        if stands && is_whole && (content.part.is_none() || of_all.is_some()) {
            verification.result = VerifyResult::ToTheByte;
        }
        let part = content.part;
        verification.verdict = verification.sentence();
        match &verified.manifest {
            // Of bytes that differ none is written, nor of bytes that another one is of.
            Some(manifest)
                if verification.result != VerifyResult::Differences && self.verify.manifest.is_none() =>
            {
                self.publish_manifest(store, manifest, part, verification).await?;
            }
            _ => return Ok(()),
        }
        if let Some(of) = of_all {
            let manifest = merged(store, of).await?;
            self.publish_manifest(store, &manifest, None, verification).await?;
        }
        Ok(())
    }

    async fn publish_manifest(
        &self,
        store: &RunStore,
        manifest: &tempfile::NamedTempFile,
        part: Option<(u32, u32)>,
        verification: &mut Verification,
    ) -> Result<(), Stop> {
        let file = part.map_or(names::MANIFEST.to_owned(), |(part, of)| names::manifest_of_part(part, of));
        let out = self.settings.out.as_path();
        results::publish(Some(store), Some(out), &file, manifest.path(), CSV).await?;
        let places = [out.join(&file).display().to_string(), store.describe(&names::result(&file))];
        verification.results.extend(places);
        Ok(())
    }

    /// The parts of so many that were verified in this plan.
    async fn verified_parts(&self, store: &RunStore, of: u32) -> Result<BTreeSet<u32>, Stop> {
        let mut parts = BTreeSet::new();
        for name in store.list(&names::verified_parts(of)).await? {
            let part: Option<VerifiedPart> = store.read(&name).await?;
            parts
                .extend(part.filter(|part| part.plan == self.plan.id && part.of == of).map(|part| part.part));
        }
        Ok(parts)
    }
}

/// The manifests of all parts, one behind the other.
async fn merged(store: &RunStore, of: u32) -> Result<tempfile::NamedTempFile, Stop> {
    let mut file = tempfile::NamedTempFile::new().map_err(no_room)?;
    for part in 1..=of {
        let name = names::result(&names::manifest_of_part(part, of));
        let Some(mut reader) = store.open(&name).await? else {
            let message = format!("{} is gone: verify --content {part}/{of} again", store.describe(&name));
            return Err(Stop::new(Exit::Incomplete, message));
        };
        // The header stands in the first one only.
        let mut is_header = part > 1;
        while let Some(piece) = reader.body.try_next().await? {
            let mut rest = piece.as_ref();
            if is_header {
                let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { continue };
                rest = rest.get(end + 1..).unwrap_or_default();
                is_header = false;
            }
            file.write_all(rest).map_err(no_room)?;
        }
    }
    Ok(file)
}
