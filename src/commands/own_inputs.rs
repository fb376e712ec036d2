//! A result never lands on an input: a run that overwrote what it reads could never be continued. Nor does it take the place
//! of what is no file.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    cli::VerifyArgs,
    domain::{REPORT_TABLE, SCORE_TABLE},
    exit::{Exit, Stop},
    ports::{Service, deadline::blocking},
    run::{Plan, names, private},
    settings::{InputLocation, Place, Settings, VerifySettings, WarehouseSettings},
};

/// Refuses with 64 if a result in `--out` would take the place of a file that this run reads.
pub async fn refuse(settings: &Settings) -> Result<(), Stop> {
    refuse_in(&settings.out, inputs(settings), names::RESULTS, "--out").await
}

/// The same for the tables that `plan --predict` writes.
pub async fn refuse_predicted(settings: &Settings) -> Result<(), Stop> {
    refuse_in(&settings.out, inputs(settings), names::PREDICTED, "--out").await
}

/// The files that a run reads, as far as they lie here.
fn inputs(settings: &Settings) -> Vec<PathBuf> {
    let mut inputs: Vec<PathBuf> = [&settings.inputs.submissions, &settings.inputs.mapping]
        .into_iter()
        .filter_map(|input| match input {
            InputLocation::Path(path) => Some(path.clone()),
            InputLocation::Blob { .. } => None,
        })
        .collect();
    if let WarehouseSettings::Export(Place::Folder(folder)) = &settings.warehouse {
        inputs.extend([REPORT_TABLE, SCORE_TABLE].map(|table| folder.join(format!("{table}.csv"))));
    }
    inputs.extend(settings.also_read().cloned());
    inputs
}

/// The same for the files that `results --to` is going to copy to these paths in `to`, by the inputs that the plan names. An
/// input on another machine is no file here.
pub async fn refuse_copies(
    plan: &Plan,
    to: &Path,
    copies: impl IntoIterator<Item = PathBuf>,
) -> Result<(), Stop> {
    refuse_in(to, planned(plan), copies, "--to (as --out of run and finalize)").await
}

/// The same for a single file that is written, of the run's inputs and of these, which the command reads too.
pub async fn refuse_file(plan: &Plan, file: &Path, read: &[PathBuf], option: &str) -> Result<(), Stop> {
    let inputs = [planned(plan).as_slice(), read].concat();
    let (place, option) = (file.to_owned(), option.to_owned());
    in_time(file, move || {
        refuse_each([place.clone()], &inputs, &format!("{option} another file"))?;
        // A file that a person names is not replaced if it leads elsewhere: he may mean the file there.
        let Ok(there) = std::fs::read_link(&place) else { return Ok(()) };
        let message = format!(
            "{} is a link to {}, which is not followed; nothing was done: give {option} the file itself, or another one",
            place.display(),
            there.display()
        );
        Err(Stop::new(Exit::Usage, message))
    })
    .await
}

fn planned(plan: &Plan) -> Vec<PathBuf> {
    let inputs = [&plan.submissions.location, &plan.mapping.location].into_iter();
    inputs.chain(&plan.also_read).map(PathBuf::from).collect()
}

/// The same for what a verification with these settings writes.
pub async fn refuse_verified(
    settings: &Settings,
    verify: &VerifySettings,
    args: &VerifyArgs,
) -> Result<(), Stop> {
    if args.self_test {
        return Ok(());
    }
    let mut inputs = inputs(settings);
    inputs.extend([&verify.attempts, &verify.accept, &verify.manifest].into_iter().flatten().cloned());
    let parts = verify.content.map(|part| {
        let (part, of) = (part.index + 1, part.of);
        [names::manifest_of_part(part, of), names::unproven_manifest_of_part(part, of)]
    });
    let mut files =
        vec![names::VERIFICATION, names::VERIFICATION_FAILURES, names::CONTROLS, names::CONTROLS_SQL];
    // A manifest that is compared is not written.
    if verify.manifest.is_none() {
        files.extend([names::MANIFEST, names::MANIFEST_UNPROVEN]);
        files.extend(parts.iter().flatten().map(String::as_str));
    }
    refuse_in(&settings.out, inputs, files, "--out").await
}

async fn refuse_in(
    folder: &Path,
    inputs: Vec<PathBuf>,
    files: impl IntoIterator<Item = impl AsRef<Path>>,
    option: &str,
) -> Result<(), Stop> {
    let results: Vec<PathBuf> = files.into_iter().map(|file| folder.join(file)).collect();
    let instead = format!("{option} another folder");
    in_time(folder, move || refuse_each(results, &inputs, &instead)).await
}

/// What a look at these places says; either may be on a network whose server does not answer.
async fn in_time(place: &Path, look: impl FnOnce() -> Result<(), Stop> + Send + 'static) -> Result<(), Stop> {
    let looked = blocking(Service::LocalDisk, move || Ok(look())).await;
    looked.unwrap_or_else(|fault| {
        let message =
            format!("{} cannot be compared with the inputs of the run: {}", place.display(), fault.what);
        Err(Stop::from(fault).saying(message))
    })
}

/// Compares files, not names: a link to an input is the input. What is no file, a pipe or a device, is refused too.
fn refuse_each(
    results: impl IntoIterator<Item = PathBuf>,
    inputs: &[PathBuf],
    instead: &str,
) -> Result<(), Stop> {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    for result in results {
        if let Some(kind) = private::in_the_way(&result) {
            let message = format!(
                "{} is {kind}, not a file, and would be replaced; nothing was done: give {instead}",
                result.display()
            );
            return Err(Stop::new(Exit::Usage, message));
        }
        let Some(taken) = identity(&result) else { continue };
        if let Some(input) = inputs.iter().find(|input| identity(input) == Some(taken)) {
            let message = format!(
                "{} is an input of this run ({}), and the run's own result of that name would take its place; nothing \
                 was done: give {instead}",
                result.display(),
                input.display()
            );
            return Err(Stop::new(Exit::Usage, message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(folder: &Path, inputs: &[PathBuf]) -> bool {
        let results = names::RESULTS.map(|file| folder.join(file));
        match refuse_each(results, inputs, "--out another folder") {
            Ok(()) => false,
            Err(stop) => {
                assert_eq!(stop.exit, Exit::Usage);
                assert!(stop.message.contains("--out"), "{stop}");
                true
            }
        }
    }

    #[test]
    fn every_result_is_compared_with_every_input_by_path_and_by_link() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        for result in names::RESULTS {
            let own = folder.path().join(result);
            assert!(!refused(folder.path(), std::slice::from_ref(&own)), "there is no {result} yet");
            std::fs::write(&own, "input").unwrap();
            let soft = elsewhere.path().join(format!("soft-{result}"));
            let hard = elsewhere.path().join(format!("hard-{result}"));
            std::os::unix::fs::symlink(&own, &soft).unwrap();
            std::fs::hard_link(&own, &hard).unwrap();
            let other = elsewhere.path().join(format!("other-{result}"));
            std::fs::write(&other, "input").unwrap();
            for (input, is_refused) in [(own.clone(), true), (soft, true), (hard, true), (other, false)] {
                assert_eq!(
                    refused(folder.path(), std::slice::from_ref(&input)),
                    is_refused,
                    "{}",
                    input.display()
                );
            }
            std::fs::remove_file(own).unwrap();
        }
    }

    #[test]
    fn a_result_that_is_a_link_to_an_input_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("submission_files.csv");
        std::fs::write(&input, "input").unwrap();
        std::os::unix::fs::symlink(&input, folder.path().join(names::FAILED)).unwrap();
        assert!(refused(folder.path(), &[input]));
    }
}
