//! The table of settings. Its names are a contract with the operators' scripts.

/// One setting and its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Key in the config file; the flag is this with `-`.
    pub key: &'static str,
    /// Whether there is a flag; without one there is no key in the config file either.
    pub flag: bool,
    /// Name in the environment.
    pub environment: Option<&'static str>,
    /// Default value, as text to be parsed like a given one.
    pub default: Option<&'static str>,
    /// Description of the default, if it is not a fixed value.
    pub otherwise: &'static str,
    /// Whether its value is printed.
    pub privacy: Privacy,
    /// Whether it may hold several values: repeated flags, or separated by commas.
    pub list: bool,
    /// Whether its flag takes no value: in the config file it is `true` or `false`.
    pub switch: bool,
}

/// Whether a value is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// Printed with the settings, and in errors about them.
    Shown,
    /// Never printed, although it is given like any other value.
    Hidden,
    /// Never printed, and no flag: it comes from the environment, or from the file that `<NAME>_FILE` names.
    Secret,
}

impl Setting {
    const fn new(key: &'static str) -> Self {
        Self {
            key,
            flag: true,
            environment: None,
            default: None,
            otherwise: "not set",
            privacy: Privacy::Shown,
            list: false,
            switch: false,
        }
    }

    const fn switch(key: &'static str) -> Self {
        Self { switch: true, default: Some("false"), ..Self::new(key) }
    }

    const fn secret(key: &'static str, environment: &'static str) -> Self {
        Self { flag: false, privacy: Privacy::Secret, environment: Some(environment), ..Self::new(key) }
    }

    const fn chart(key: &'static str, environment: &'static str) -> Self {
        Self { flag: false, environment: Some(environment), ..Self::new(key) }
    }

    const fn env(self, environment: &'static str) -> Self {
        Self { environment: Some(environment), ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn otherwise(self, otherwise: &'static str) -> Self {
        Self { otherwise, ..self }
    }

    const fn required(self) -> Self {
        self.otherwise("not set: required")
    }

    const fn hidden(self) -> Self {
        Self { privacy: Privacy::Hidden, ..self }
    }

    const fn list(self) -> Self {
        Self { list: true, ..self }
    }

    /// Whether it comes from the environment or a file of its own only, and is never shown.
    pub fn is_secret(&self) -> bool {
        self.privacy == Privacy::Secret
    }

    /// The flag's name with its dashes.
    pub fn flag_name(&self) -> String {
        format!("--{}", self.key.replace('_', "-"))
    }

    /// Every way to set it, for the message that it is missing.
    pub fn ways(&self) -> String {
        let mut ways = Vec::new();
        if self.flag {
            ways.push(self.flag_name());
        }
        ways.extend(self.environment.map(str::to_owned));
        if self.is_secret() {
            ways.extend(self.environment.map(|name| format!("{name}_FILE")));
        } else if self.flag {
            ways.push(format!("{} in the config file", self.key));
        }
        ways.join(", ")
    }
}

/// Declares a constant for each setting, and [`ALL`] of them.
macro_rules! settings {
    ($($name:ident = $setting:expr;)+) => {
        $(
            #[doc = stringify!($name)]
            pub const $name: Setting = $setting;
        )+
        /// Every setting, in the order in which people read them.
        pub const ALL: &[Setting] = &[$($name),+];
    };
}

settings! {
    SUBMISSIONS = Setting::new("submissions").env("ROGO_SUBMISSIONS").default("submission_files.csv");
    MAPPING = Setting::new("mapping").env("ROGO_MAPPING").default("attempt_number_mapping.csv");
    ENCODING = Setting::new("encoding").env("ROGO_ENCODING").otherwise("from the BOM, else UTF-8");
    WAREHOUSE = Setting::new("warehouse");
    WAREHOUSE_NULL = Setting::new("warehouse_null").env("ROGO_WAREHOUSE_NULL").otherwise("\\N or nothing");
    WAREHOUSE_ESCAPE = Setting::new("warehouse_escape").env("ROGO_WAREHOUSE_ESCAPE").otherwise("not set");
    WAREHOUSE_CONNECTION = Setting::secret("warehouse connection string", "DATA_WAREHOUSE_CONNECTION_STRING");
    DATABASE_URL = Setting::secret("target database", "DATABASE_URL");
    DATABASE_AUTH = Setting::new("database_auth").default("password");
    EXPECT_HOST = Setting::new("expect_host").env("ROGO_EXPECT_HOST").otherwise("any host");
    SAME_DATABASE = Setting::new("same_database").otherwise("no");
    TARGET_ALTERS = Setting::new("target_alters").env("ROGO_TARGET_ALTERS").list().otherwise("no column");
    SOURCE_ALLOW = Setting::new("source_allow").env("ROGO_SOURCE_ALLOW").list().required();
    SOURCE_AUTH = Setting::new("source_auth").default("auto");
    SOURCE_CONNECTION = Setting::secret("source account", "SOURCE_STORAGE_CONNECTION_STRING");
    TARGET = Setting::new("target").env("ROGO_TARGET").required();
    RUN_STORE = Setting::new("run_store").env("ROGO_RUN_STORE").default("file://./rogo-runs");
    ACCOUNT_CONNECTION = Setting::secret("account of target and run store", "AZURE_STORAGE_CONNECTION_STRING");
    ACCOUNT_URL = Setting::new("account_url").env("AZURE_STORAGE_ACCOUNT_URL");
    RUN = Setting::new("run").env("ROGO_RUN").default("rogo");
    EPOCH = Setting::chart("epoch", "ROGO_EPOCH").default("0");
    OUT = Setting::new("out").env("ROGO_OUT").default(".");
    LMS_INSTANCE = Setting::new("lms_instance").env("ROGO_LMS_INSTANCE").required();
    LMS_NAME = Setting::new("lms_name").env("ROGO_LMS_NAME").required();
    RETURN_URL = Setting::new("return_url").env("ROGO_RETURN_URL").required();
    CONSUMER_KEY = Setting::secret("consumer key", "ROGO_CONSUMER_KEY");
    UNIT_VERSIONS = Setting::new("unit_versions").env("ROGO_UNIT_VERSIONS").default("24,25").list();
    INSTRUCTION_SET = Setting::new("instruction_set").env("ROGO_INSTRUCTION_SET").default("AIS");
    ASSIGNMENT_TITLE =
        Setting::new("assignment_title").env("ROGO_ASSIGNMENT_TITLE").default("Submission Area");
    RULE_OWNER = Setting::new("rule_owner").env("ROGO_RULE_OWNER").otherwise("the oldest admin");
    MARKER_ONLY = Setting::new("marker_only").env("ROGO_MARKER_ONLY").default("fail");
    WAREHOUSE_TIME_ZONE =
        Setting::new("warehouse_time_zone").env("ROGO_WAREHOUSE_TIME_ZONE").default("UTC");
    REDO = Setting::new("redo").env("ROGO_REDO").otherwise("nothing");
    ACCEPT = Setting::new("accept").otherwise("nothing");
    REASON = Setting::new("reason").env("ROGO_REASON");
    LEVEL = Setting::new("level").env("ROGO_VERIFY_LEVEL").default("rows");
    CONTENT = Setting::new("content").otherwise("all files");
    MANIFEST = Setting::new("manifest");
    ONLY_UNPROVEN = Setting::switch("only_unproven");
    SHOW_VALUES = Setting::switch("show_values");
    RECHECK = Setting::new("recheck").default("30s");
    VERIFY_STORE = Setting::new("verify_store").env("ROGO_VERIFY_STORE").otherwise("the run store");
    LIMIT = Setting::new("limit").otherwise("all rows");
    ATTEMPTS = Setting::new("attempts").otherwise("all rows");
    CODE = Setting::new("code").list().otherwise("all rows");
    AFTER = Setting::new("after").env("ROGO_AFTER").list().otherwise("no run");
    EXCLUDE = Setting::new("exclude").env("ROGO_EXCLUDE").otherwise("no row");
    PREDICT = Setting::switch("predict");
    PROBE = Setting::switch("probe");
    EXPECT = Setting::new("expect").env("ROGO_EXPECT").otherwise("nothing");
    SHARDS = Setting::new("shards").env("ROGO_SHARDS").default("1");
    PARALLELISM = Setting::new("parallelism").env("ROGO_PARALLELISM").default("1");
    SHARD = Setting::new("shard").env("JOB_COMPLETION_INDEX");
    SHARD_INDEXES = Setting::chart("shard indexes", "SHARD_INDEXES").otherwise("all");
    WAIT_PLAN = Setting::new("wait_plan").env("ROGO_WAIT_PLAN").default("30m");
    WORKERS = Setting::new("workers").env("ROGO_WORKERS").default("5");
    IN_FLIGHT = Setting::new("in_flight").env("ROGO_IN_FLIGHT").default("adaptive");
    POOL = Setting::new("pool").env("ROGO_POOL").default("3");
    WAREHOUSE_POOL = Setting::new("warehouse_pool").env("ROGO_WAREHOUSE_POOL").default("3");
    FLUSH = Setting::new("flush").env("ROGO_FLUSH").default("10s");
    GIVE_UP_AFTER = Setting::new("give_up_after").env("ROGO_GIVE_UP_AFTER").default("15m");
    BREAKER = Setting::new("breaker").env("ROGO_BREAKER").default("5%");
    TRACE_SAMPLE = Setting::new("trace_sample").env("ROGO_TRACE_SAMPLE").default("100");
    // The path of such an address is often the right to use it.
    NOTIFY = Setting::new("notify").env("ROGO_NOTIFY").hidden().otherwise("not sent");
    TARGET_GUARD = Setting::new("target_guard").env("ROGO_TARGET_GUARD").default("off");
    LOG_FORMAT = Setting::new("log_format").env("ROGO_LOG_FORMAT").otherwise("text on a terminal, else json");
    JSON = Setting::switch("json");
    LOG = Setting::new("log").env("RUST_LOG").default("info");
}

/// Flags that decide what is written, removed or shown. None of them is a setting: a decision is made at the command line, each
/// time, and not by a file that a later command reads too.
pub const DECISIONS: [&str; 5] = ["yes", "dry_run", "force_touched", "delete", "with_personal_data"];
