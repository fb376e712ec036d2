//! A submission that stands already: written by a process that was killed, by a twin, or by a commit whose answer was lost.

use crate::{
    domain::{Fate, Migrated, Migration, Note, PlannedFile, Receipt, ReceiptFrom, SubmissionIds},
    exit::{Exit, Stop},
    ports::{BlobInfo, CopiedFile, CopiedMigration, FaultKind, HeldSubmission, Service},
    shard::{Shard, WorkerServices, pace::Trouble},
};

/// The outcome of a row that this run wrote before: by a process that was killed, or by a twin. `decided`
/// holds the notes it would have had; it is absent if the facts changed meanwhile. A file whose blob is gone counts with
/// the length that the application shows.
pub async fn recover(
    shard: &Shard,
    services: &WorkerServices,
    decided: Option<&Migration>,
    written: HeldSubmission,
) -> Result<Fate, Trouble> {
    let mut notes = decided.map(|migration| migration.notes.clone()).unwrap_or_default();
    let mut files = Vec::new();
    let (mut missing, mut missing_bytes) = (Vec::new(), 0);
    for (index, name) in written.blob_names.iter().enumerate() {
        let found = find(shard, services, name).await?;
        if let Some(info) = found {
            files.push(CopiedFile {
                blob_name: name.clone(),
                url: services.target_blobs.url(name),
                size_bytes: info.size_bytes,
                // The MD5 that a blob stores is what its writer claimed; its bytes were not read.
                md5_proven: false,
                md5: info.md5,
                sha256: None,
            });
        } else {
            missing_bytes += written.shown_bytes.get(index).copied().unwrap_or_default();
            missing.push((index + 1).to_string());
        }
    }
    let receipt = recovered_receipt(shard, services, decided, &written, &files, &mut notes).await?;
    // Without one of them the others have no place.
    let file_receipts = files.iter().filter(|_| missing.is_empty()).map(CopiedFile::receipt).collect();
    if !missing.is_empty() {
        notes.push(Note::file_blob_missing(&missing.join(", ")));
    }
    if written.foreign_enforcement {
        notes.push(Note::enforcement_kept());
    }
    Ok(Fate::Migrated(Migrated {
        launch_id: written.launch_id,
        submission_id: written.submission_id.unwrap_or_default(),
        session_record_id: written.session_record_id.unwrap_or_default(),
        user_id: written.lms_user_id.unwrap_or_default(),
        context_id: written.context_id.unwrap_or_default(),
        files: written.files,
        marks: decided.and_then(|migration| u16::try_from(migration.section_marks.len()).ok()),
        length_only: u32::try_from(files.len()).unwrap_or(u32::MAX),
        bytes: missing_bytes + files.iter().map(|file| file.size_bytes).sum::<u64>(),
        recovered: true,
        receipt: Some(Box::new(receipt)),
        file_receipts,
        notes,
        ..Migrated::default()
    }))
}

/// The blob, if it stands. The application may have changed the name: there is no blob of one that storage cannot take.
async fn find(shard: &Shard, services: &WorkerServices, name: &str) -> Result<Option<BlobInfo>, Trouble> {
    let target = &services.target_blobs;
    let looking = || target.head(name);
    let found = shard.pace.steady_examined(&[Service::TargetBlobs], looking, |_| {}, |_, _| target.answers());
    match found.await {
        Err(Trouble::Row(fault)) if fault.kind == FaultKind::NameRefused => Ok(None),
        found => found,
    }
}

/// The receipt of the decided rows, with the files that stand. If a file is gone, or the row is decided otherwise, the
/// decided rows are not known: then it is the receipt of the rows that stand.
async fn recovered_receipt(
    shard: &Shard,
    services: &WorkerServices,
    decided: Option<&Migration>,
    written: &HeldSubmission,
    files: &[CopiedFile],
    notes: &mut Vec<Note>,
) -> Result<Receipt, Trouble> {
    if let Some(migration) = decided.filter(|migration| migration.files.len() == files.len()) {
        let standing = async |file: &PlannedFile| {
            let place = usize::try_from(file.upload_order - 1).unwrap_or(usize::MAX);
            files.get(place).cloned().ok_or(())
        };
        if let Ok(copied) = CopiedMigration::copy(migration, standing).await {
            return compare(shard, services, &copied, notes).await;
        }
    }
    if decided.is_some_and(|migration| migration.files.len() != written.blob_names.len()) {
        notes.push(Note::changed_since(&["submission_files (another number of rows)".to_owned()]));
    }
    let Some(ids) = SubmissionIds::of_launch_id(&written.launch_id) else {
        return Err(Trouble::Process(Stop::new(Exit::Bug, "a recovered launch id is none of this program")));
    };
    let sha256 = shard.pace.steady(&[Service::Database], || services.target.stored_digest(&ids)).await?;
    Ok(Receipt { sha256, from: ReceiptFrom::Stored, enforcement: None, transaction: None })
}

/// The receipt of the decided rows; notes it if the target holds others.
pub(super) async fn compare(
    shard: &Shard,
    services: &WorkerServices,
    copied: &CopiedMigration<'_>,
    notes: &mut Vec<Note>,
) -> Result<Receipt, Trouble> {
    let compared = shard.pace.steady(&[Service::Database], || services.target.compare(copied)).await?;
    if !compared.columns.is_empty() {
        notes.push(Note::changed_since(&compared.columns));
    }
    Ok(compared.receipt)
}
