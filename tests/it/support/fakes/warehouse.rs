//! A warehouse in memory.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rogo_migrate::{
    domain::{AttemptFacts, AttemptId, FactRow, Facts, Report, Score, TableExtent, Value},
    ports::{Fault, FaultKind, Service, Warehouse, WarehouseShape},
};

use super::{attempt, no};

/// Holds the same facts for every attempt that is asked for; what a scan finds is told to it. Clones share what was
/// asked.
#[derive(Clone)]
pub struct InMemoryWarehouse {
    pub shape: WarehouseShape,
    pub fault: Option<FaultKind>,
    /// Of each attempt.
    pub facts: Facts,
    pub scanned: Vec<(i32, &'static str)>,
    /// Marks and scores of attempts, scanned after those.
    pub marks: Vec<(i32, f64)>,
    /// So many answers are left out of each fetch.
    pub withholds: usize,
    /// How long each fetch takes.
    pub takes: Duration,
    /// Every attempt that was asked for, in order.
    pub asked: Arc<Mutex<Vec<AttemptId>>>,
    /// How often it was scanned.
    pub scans: Arc<AtomicUsize>,
}

impl InMemoryWarehouse {
    /// One whose look-ups are cheap, so that a plan makes no facts files.
    pub fn cheap() -> Self {
        let shape = WarehouseShape {
            description: "memory".into(),
            rows: None,
            extent: Vec::new(),
            lookups_are_cheap: true,
            max_connections: None,
            connections_per_process: None,
            scan_bytes: None,
        };
        Self {
            shape,
            fault: None,
            facts: Facts { reports: vec![report("Pass")], scores: Vec::new() },
            scanned: Vec::new(),
            marks: Vec::new(),
            withholds: 0,
            takes: Duration::ZERO,
            asked: Arc::default(),
            scans: Arc::default(),
        }
    }
}

#[async_trait]
impl Warehouse for InMemoryWarehouse {
    async fn description(&self) -> Result<String, Fault> {
        self.shape().await.map(|shape| shape.description)
    }

    fn address(&self) -> String {
        self.shape.description.clone()
    }

    async fn shape(&self) -> Result<WarehouseShape, Fault> {
        self.fault.clone().map_or(Ok(self.shape.clone()), |kind| Err(no(Service::Warehouse, kind)))
    }

    async fn extent(&self) -> Result<Vec<TableExtent>, Fault> {
        Ok(self.shape.extent.clone())
    }

    async fn fetch_some(&self, attempts: &[AttemptId], _: usize) -> Result<Vec<AttemptFacts>, Fault> {
        if let Some(kind) = self.fault.clone() {
            return Err(no(Service::Warehouse, kind));
        }
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        self.asked.lock().unwrap().extend(attempts);
        let of = |attempt: &AttemptId| AttemptFacts { attempt: *attempt, facts: self.facts.clone() };
        Ok(attempts.iter().skip(self.withholds).map(of).collect())
    }

    async fn scan(
        &self,
        each: &mut (dyn FnMut(Vec<FactRow>) -> Result<(), Fault> + Send),
    ) -> Result<(), Fault> {
        self.scans.fetch_add(1, Ordering::SeqCst);
        for (number, grade) in &self.scanned {
            each(vec![FactRow::Report(attempt(*number), report(grade))])?;
            each(vec![FactRow::Score(attempt(*number), Score::default())])?;
        }
        for (number, mark) in &self.marks {
            let (attempt, mark) = (attempt(*number), Value::Number(*mark));
            let report = Report { marks_achieved: mark.clone(), ..report("Pass") };
            each(vec![FactRow::Report(attempt, report)])?;
            each(vec![FactRow::Score(attempt, Score { score: mark, ..Score::default() })])?;
        }
        Ok(())
    }
}

/// A report whose grade is the given text.
fn report(grade: &str) -> Report {
    Report { grade: Value::Text(grade.into()), ..Report::default() }
}
