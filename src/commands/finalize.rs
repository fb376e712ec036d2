//! `finalize` and `orphans`: what is done when no shard works any more.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    adapters::inputs::{CsvReader, InputSource},
    domain::Plan,
    exit::{Exit, Stop},
    finalize::{self, FinalizeContext, InputRow, InputRows, books::Totals},
    ports::Blobs,
    run_store::RunStore,
    settings::Settings,
};

use super::connect;
