//! The loader: it reads every setting before it reports an error, so that one attempt names all errors.

mod services;

use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::{
    InputSettings, LogSettings, Organisation, Origin, Place, PodSettings, RuleSettings, Settings, Sources,
    StoreSettings, Trial, WarehouseSettings, WorkSettings, parse,
    reader::{Purpose, Reader},
    shards::{ShardIndexes, shard_index},
    table as t, user,
};
use crate::{
    domain::{Dialect, ShardIndex},
    exit::Stop,
    ids::TraceParent,
};

const SECOND: Duration = Duration::from_secs(1);
const WEEK: Duration = Duration::from_hours(7 * 24);

impl Settings {
    /// Parses everything a run needs; the refusal names every bad and every missing setting.
    pub fn load(sources: &Sources) -> Result<Self, Stop> {
        let mut reader = Reader::new(sources);
        reader.log();
        let settings = reader.settings();
        reader.end(settings)
    }
}

impl StoreSettings {
    /// Parses the settings of commands that only read a run.
    pub fn load(sources: &Sources) -> Result<Self, Stop> {
        let mut reader = Reader::new(sources);
        reader.log();
        let settings = reader.store_settings();
        reader.end(settings)
    }
}

impl LogSettings {
    /// Parses the settings of commands without a run.
    pub fn load(sources: &Sources) -> Result<Self, Stop> {
        let mut reader = Reader::new(sources);
        let log = reader.log();
        reader.end(log)
    }
}

impl Reader<'_> {
    pub(super) fn settings(&mut self) -> Option<Settings> {
        let inputs = self.inputs();
        let warehouse = self.warehouse();
        let database = self.database();
        let source = self.source();
        let target = self.required(&t::TARGET, parse::container);
        let run_store = self.required(&t::RUN_STORE, parse::place);
        let azure = matches!(warehouse, Some(WarehouseSettings::Export(Place::Azure { .. })));
        let account = self.account(azure || self.any_place_in_azure());
        let run = self.required(&t::RUN, parse::id);
        let epoch = self.required(&t::EPOCH, parse::id);
        let out = self.required(&t::OUT, parse::path);
        let organisation = self.organisation();
        let rules = self.rules();
        let trial = if self.purpose == Purpose::Move { self.trial() } else { Trial::default() };
        let after = self.any(&t::AFTER, parse::id).unwrap_or_default();
        let [exclude, expect] = [&t::EXCLUDE, &t::EXPECT].map(|file| self.optional(file, parse::path));
        let verify_store = self.optional(&t::VERIFY_STORE, parse::place);
        let redo_lost = self.optional(&t::REDO, parse::lost).is_some();
        let accept_lost = self.purpose == Purpose::Move && self.optional(&t::ACCEPT, parse::lost).is_some();
        let reason = self.optional(&t::REASON, parse::text);
        let user = self.user();
        let shards = self.required(&t::SHARDS, |text| parse::number(text, &(1..=100_000)));
        let parallelism = self.required(&t::PARALLELISM, |text| parse::number(text, &(1..=100_000)));
        let shard = if self.purpose == Purpose::Move { self.shard() } else { None };
        let wait_plan = self.wait_plan();
        let work = self.work();
        self.notify();
        Some(Settings {
            inputs: inputs?,
            warehouse: warehouse?,
            database: database?,
            source: source?,
            target: target?,
            run_store: run_store?,
            account,
            run: run?,
            epoch: epoch?,
            out: out?,
            organisation: organisation?,
            rules: rules?,
            trial,
            after,
            exclude,
            expect,
            verify_store,
            redo_lost,
            accept_lost,
            reason,
            user,
            shards: shards?,
            parallelism: parallelism?,
            shard,
            wait_plan: wait_plan?,
            work: work?,
            traceparent: self.traceparent(),
            pod: PodSettings::of(self.sources),
            shown: super::effective::all_shown(self.sources),
        })
    }

    /// The caller's span. As the standard asks, one that cannot be read is ignored.
    fn traceparent(&self) -> Option<TraceParent> {
        self.sources.environment("TRACEPARENT")?.trim().parse().ok()
    }

    /// The user of the machine: as the environment says, which in a container says nothing, else as the system does.
    pub(super) fn user(&self) -> String {
        let mut named = ["USER", "LOGNAME"].into_iter().filter_map(|name| self.sources.environment(name));
        named.find(|name| !name.trim().is_empty()).map_or_else(user::of_this_process, str::to_owned)
    }

    pub(super) fn store_settings(&mut self) -> Option<StoreSettings> {
        let run_store = self.required(&t::RUN_STORE, parse::place);
        let verify_store = self.optional(&t::VERIFY_STORE, parse::place);
        let is_in_azure = |place: &Option<Place>| matches!(place, Some(Place::Azure { .. }));
        let account = self.account(is_in_azure(&run_store) || is_in_azure(&verify_store));
        let run = self.required(&t::RUN, parse::id);
        let wait_plan = self.wait_plan();
        let out = self.required(&t::OUT, parse::path);
        let redo_lost = self.optional(&t::REDO, parse::lost).is_some();
        Some(StoreSettings {
            run_store: run_store?,
            account,
            run: run?,
            wait_plan: wait_plan?,
            out: out?,
            redo_lost,
            namespace: PodSettings::of(self.sources).namespace,
            has_no_cluster: self.sources.environment("KUBECONFIG") == Some("/dev/null"),
            verify_store,
        })
    }

    fn wait_plan(&mut self) -> Option<Duration> {
        self.required(&t::WAIT_PLAN, |text| parse::duration(text, &(Duration::ZERO..=WEEK)))
    }

    fn inputs(&mut self) -> Option<InputSettings> {
        let submissions = self.required(&t::SUBMISSIONS, parse::input);
        let mapping = self.required(&t::MAPPING, parse::input);
        let encoding = self.optional(&t::ENCODING, parse::encoding);
        let dialect = Dialect {
            null: self.optional(&t::WAREHOUSE_NULL, parse::null_word),
            escape: self.optional(&t::WAREHOUSE_ESCAPE, parse::escape),
        };
        Some(InputSettings { submissions: submissions?, mapping: mapping?, encoding, dialect })
    }

    fn organisation(&mut self) -> Option<Organisation> {
        let lms_instance = self.required(&t::LMS_INSTANCE, parse::guid);
        let lms_name = self.required(&t::LMS_NAME, parse::text);
        let return_url = self.required(&t::RETURN_URL, parse::base_url);
        let consumer_key = self.secret(&t::CONSUMER_KEY, |text| parse::text(text).map(|_| ()));
        if consumer_key.is_none() && !self.is_set(&t::CONSUMER_KEY) {
            self.missing.push(format!("{}: {}", t::CONSUMER_KEY.key, t::CONSUMER_KEY.ways()));
        }
        Some(Organisation {
            lms_instance: lms_instance?,
            lms_name: lms_name?,
            return_url: return_url?,
            consumer_key: consumer_key?.1,
        })
    }

    fn rules(&mut self) -> Option<RuleSettings> {
        let unit_versions = self.list(&t::UNIT_VERSIONS, parse::unit_version);
        let instruction_set = self.required(&t::INSTRUCTION_SET, parse::text);
        let assignment_title = self.required(&t::ASSIGNMENT_TITLE, parse::text);
        let rule_owner = self.optional(&t::RULE_OWNER, parse::text);
        let marker_only = self.required(&t::MARKER_ONLY, parse::choice);
        let warehouse_time_zone = self.required(&t::WAREHOUSE_TIME_ZONE, parse::time_zone);
        Some(RuleSettings {
            unit_versions: unit_versions?,
            instruction_set: instruction_set?,
            assignment_title: assignment_title?,
            rule_owner,
            marker_only: marker_only?,
            warehouse_time_zone: warehouse_time_zone?,
        })
    }

    fn trial(&mut self) -> Trial {
        Trial {
            limit: self.optional(&t::LIMIT, |text| parse::number(text, &(1..=u64::MAX))),
            attempts: self.optional(&t::ATTEMPTS, parse::path),
            codes: self.any(&t::CODE, parse::fail_code).unwrap_or_default(),
        }
    }

    /// `--shard` names the shard; the Job's variable names a place that `SHARD_INDEXES` may map.
    fn shard(&mut self) -> Option<ShardIndex> {
        let indexes = self.optional(&t::SHARD_INDEXES, str::parse::<ShardIndexes>);
        let number = self.optional(&t::SHARD, |text| parse::number::<u32>(text, &(0..=99_999)));
        let in_job = matches!(self.sources.find(&t::SHARD)?.origin, Origin::Environment(_));
        let (flag, place) = if in_job { (None, number) } else { (number, None) };
        shard_index(flag, place, indexes.as_ref()).unwrap_or_else(|problem| {
            self.problems.push(format!("{}: {problem}", t::SHARD.environment.unwrap_or_default()));
            None
        })
    }

    fn work(&mut self) -> Option<WorkSettings> {
        let workers = self.required(&t::WORKERS, |text| parse::number(text, &(1..=64)));
        let in_flight = self.required(&t::IN_FLIGHT, parse::in_flight);
        let pool = self.required(&t::POOL, |text| parse::number(text, &(1..=100)));
        let warehouse_pool = self.required(&t::WAREHOUSE_POOL, |text| parse::number(text, &(1..=100)));
        let flush = self.required(&t::FLUSH, |text| {
            parse::duration(text, &(Duration::from_millis(100)..=Duration::from_mins(5)))
        });
        let give_up_after = self.required(&t::GIVE_UP_AFTER, |text| parse::duration(text, &(SECOND..=WEEK)));
        let breaker = self.required(&t::BREAKER, parse::breaker);
        let target_guard = self.required(&t::TARGET_GUARD, parse::choice);
        Some(WorkSettings {
            workers: workers?,
            in_flight: in_flight?,
            pool: pool?,
            warehouse_pool: warehouse_pool?,
            flush: flush?,
            give_up_after: give_up_after?,
            breaker: breaker?,
            target_guard: target_guard?,
        })
    }

    pub(super) fn log(&mut self) -> Option<LogSettings> {
        self.switches();
        let format = self.optional(&t::LOG_FORMAT, parse::choice);
        let filter = self.required(&t::LOG, |text| match EnvFilter::try_new(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err("a level (error, warn, info, debug, trace) or a filter as \
                           rogo_migrate=debug,sqlx=info is expected"
                .to_owned()),
        });
        let filter_is_given = self.sources.find(&t::LOG).is_some_and(|given| given.origin != Origin::Default);
        let is_set = |name: &str| self.sources.environment(name).is_some();
        let is_plain = is_set("CI") || is_set("NO_COLOR") || self.sources.environment("TERM") == Some("dumb");
        let terminal = if is_plain { super::Terminal::Plain } else { super::Terminal::Full };
        let trace_sample = self.required(&t::TRACE_SAMPLE, |text| parse::number(text, &(0..=u64::MAX)));
        Some(LogSettings { format, filter: filter?, filter_is_given, terminal, trace_sample: trace_sample? })
    }
}
