//! Settings of the services: warehouse, database, source files, storage account.

use crate::{
    domain::form::AlteredColumn,
    settings::{
        AccountSettings, DatabaseSettings, Origin, SourceSettings, WarehouseSettings, parse,
        reader::{Purpose, Reader},
        table as t,
    },
};

impl Reader<'_> {
    /// A folder by flag or config file; a connection string, or a folder, by the environment.
    pub(super) fn warehouse(&mut self) -> Option<WarehouseSettings> {
        let by_flag = |origin: &Origin| matches!(origin, Origin::Flag(_));
        let flag_given = self.sources.find(&t::WAREHOUSE).is_some_and(|given| by_flag(&given.origin));
        if !flag_given
            && let Some((secret, text)) =
                self.secret(&t::WAREHOUSE_CONNECTION, parse::warehouse_connection_string)
        {
            if parse::is_folder(&text) {
                let place = parse::place(&text).map_err(|expected| {
                    self.problems.push(format!("{}: {expected}", t::WAREHOUSE_CONNECTION.ways()));
                });
                return place.ok().map(WarehouseSettings::Export);
            }
            return Some(WarehouseSettings::SqlServer(secret));
        }
        let problems = self.problems.len();
        let place = self.optional(&t::WAREHOUSE, |text| {
            parse::place(text).map_err(|expected| {
                format!("{expected}; a connection string is a secret: DATA_WAREHOUSE_CONNECTION_STRING")
            })
        });
        if place.is_none() && self.problems.len() == problems && !self.is_set(&t::WAREHOUSE_CONNECTION) {
            self.missing.push(format!(
                "warehouse: {}, or {} for its exported tables",
                t::WAREHOUSE_CONNECTION.ways(),
                t::WAREHOUSE.ways()
            ));
        }
        place.map(WarehouseSettings::Export)
    }

    pub(super) fn database(&mut self) -> Option<DatabaseSettings> {
        let url = self.secret(&t::DATABASE_URL, parse::database_url);
        if url.is_none() && !self.is_set(&t::DATABASE_URL) {
            self.missing.push(format!("{}: {}", t::DATABASE_URL.key, t::DATABASE_URL.ways()));
        }
        let auth = self.required(&t::DATABASE_AUTH, parse::choice);
        let expect_host = self.optional(&t::EXPECT_HOST, parse::text);
        let same_database = self.optional(&t::SAME_DATABASE, parse::choice).unwrap_or_default();
        let purpose = self.purpose;
        let target_alters = self.any(&t::TARGET_ALTERS, |text| altered(text, purpose))?;
        Some(DatabaseSettings { url: url?.0, auth: auth?, expect_host, same_database, target_alters })
    }

    pub(super) fn source(&mut self) -> Option<SourceSettings> {
        let allow = self.list(&t::SOURCE_ALLOW, parse::source_prefix);
        let auth = self.required(&t::SOURCE_AUTH, parse::choice);
        let connection_string = self.secret(&t::SOURCE_CONNECTION, parse::storage_connection_string);
        Some(SourceSettings {
            allow: allow?,
            auth: auth?,
            connection_string: connection_string.map(|(secret, _)| secret),
        })
    }

    pub(super) fn account(&mut self, needed: bool) -> AccountSettings {
        let connection_string =
            self.secret(&t::ACCOUNT_CONNECTION, parse::storage_connection_string).map(|(secret, _)| secret);
        let account_url = self.optional(&t::ACCOUNT_URL, parse::account_url);
        if connection_string.is_some() && account_url.is_some() {
            self.problems.push(format!(
                "{} and {} both name the account of target and run store: leave one of them",
                t::ACCOUNT_CONNECTION.environment.unwrap_or_default(),
                t::ACCOUNT_URL.flag_name()
            ));
        }
        let given = self.is_set(&t::ACCOUNT_CONNECTION) || self.sources.find(&t::ACCOUNT_URL).is_some();
        if !given && needed {
            self.missing.push(format!(
                "the account of az:// places: {}, {}",
                t::ACCOUNT_CONNECTION.ways(),
                t::ACCOUNT_URL.ways()
            ));
        }
        AccountSettings { connection_string, account_url }
    }

    /// Whether a place was given as `az://`, even if it cannot be parsed yet.
    pub(super) fn any_place_in_azure(&self) -> bool {
        let places = [t::SUBMISSIONS, t::MAPPING, t::WAREHOUSE, t::TARGET, t::RUN_STORE, t::VERIFY_STORE];
        let given = places.iter().filter_map(|setting| self.sources.find(setting));
        given.flat_map(|given| given.values).any(|text| text.starts_with("az://"))
    }
}

/// A column of `--target-alters`. Commands other than `plan`, which refuses a key itself if no plan stands, and `verify` read one: a
/// run may have been planned with it.
fn altered(text: &str, purpose: Purpose) -> Result<AlteredColumn, String> {
    let column: AlteredColumn = text.parse()?;
    match column.key() {
        Some(says) if purpose == Purpose::Verify => Err(format!(
            "it {says}, so that a run that leaves it out cannot be verified: roll the run back, end the trigger that changes the \
             column, and start a run with another name"
        )),
        _ => Ok(column),
    }
}
