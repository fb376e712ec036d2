//! What goes wrong, and when; switched while the server runs. And what was asked so far.

use std::{
    collections::{HashSet, VecDeque},
    ops::Range,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::login::Login;

/// A fault of one login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginFault {
    /// This number instead of success.
    Error(u32),
    /// Sends the client to another host, or `host\\instance`, and port.
    Route(String, u16),
    /// No answer until the client goes away.
    Stall,
    /// The connection ends.
    Drop,
}

/// A fault of one batch. Rows are counted over all its results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchFault {
    /// An error of this number after so many rows.
    Error { number: u32, after_rows: usize },
    /// The statement at this place of the batch fails with this number before its columns are known; the rest of
    /// the batch is answered.
    Statement { number: u32, place: usize },
    /// As that, of the first statement, and the rows of the next one stop for a while after its first.
    StatementThenPause { number: u32, pause: Duration },
    /// The connection ends in order, between packets.
    Drop { after_rows: usize },
    /// It ends within a packet.
    Cut { after_rows: usize },
    /// It is reset.
    Reset { after_rows: usize },
    /// Nothing more comes, until the client goes away.
    Stall { after_rows: usize },
    /// The message ends as if complete, without DONE.
    EndWithoutDone { after_rows: usize },
    /// The statement at this place of the batch answers one row more: its first one, of this attempt.
    Foreign { id: i64, place: usize },
    /// The answer begins later.
    Slow(Duration),
}

/// The script of a server and its counters.
#[derive(Debug, Default)]
pub struct Script {
    plan: Mutex<Plan>,
    logins: AtomicUsize,
    batches: AtomicUsize,
    refused_logins: AtomicUsize,
    sessions: AtomicUsize,
}

#[derive(Debug, Default)]
struct Plan {
    logins: VecDeque<LoginFault>,
    batches: VecDeque<BatchFault>,
    passwords: Vec<String>,
    tokens: Vec<String>,
    refused_ids: HashSet<i64>,
    refused_with: u32,
    denied: Option<(u32, String)>,
    server_names: Vec<String>,
    read_only: Vec<bool>,
    statements: Vec<String>,
    emptied: Option<Emptied>,
}

/// Tables that are being loaded.
#[derive(Debug)]
struct Emptied {
    /// Its name; `None`: both.
    table: Option<String>,
    /// Batches that find it empty, the first one being 0.
    batches: Range<usize>,
}

impl Script {
    pub fn new(password: &str) -> Self {
        let script = Self::default();
        script.accept_passwords(&[password]);
        script
    }

    /// The next login (after those already scripted) fails so.
    pub fn fail_login(&self, fault: LoginFault) {
        self.plan().logins.push_back(fault);
    }

    /// The next batch (after those already scripted) fails so.
    pub fn fail_batch(&self, fault: BatchFault) {
        self.plan().batches.push_back(fault);
    }

    /// From now on these passwords, and no others, are accepted.
    pub fn accept_passwords(&self, passwords: &[&str]) {
        self.plan().passwords = passwords.iter().map(|&password| password.to_owned()).collect();
    }

    /// From now on this Entra token is accepted.
    pub fn accept_token(&self, token: &str) {
        self.plan().tokens.push(token.to_owned());
    }

    /// From now on every batch that names one of these attempts fails with `number`.
    pub fn refuse_ids(&self, ids: impl IntoIterator<Item = i64>, number: u32) {
        let mut plan = self.plan();
        plan.refused_ids = ids.into_iter().collect();
        plan.refused_with = number;
    }

    /// From now on every batch that selects from this table fails with `number`.
    pub fn deny_table(&self, table: &str, number: u32) {
        self.plan().denied = Some((number, table.to_owned()));
    }

    /// Faults that no login and no batch has met yet.
    pub fn pending(&self) -> usize {
        let plan = self.plan();
        plan.logins.len() + plan.batches.len()
    }

    /// Logins that succeeded.
    pub fn logins(&self) -> usize {
        self.logins.load(Ordering::SeqCst)
    }

    /// Sessions that are open now.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::SeqCst)
    }

    pub(super) fn session_began(&self) {
        self.sessions.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn session_ended(&self) {
        self.sessions.fetch_sub(1, Ordering::SeqCst);
    }

    /// Logins that did not.
    pub fn refused_logins(&self) -> usize {
        self.refused_logins.load(Ordering::SeqCst)
    }

    /// From now on both tables are empty, or hold their rows again: they are being loaded.
    pub fn empty_tables(&self, empty: bool) {
        let batches = self.batches()..usize::MAX;
        self.plan().emptied = empty.then_some(Emptied { table: None, batches });
    }

    /// These of the next batches, the next one being 0, find this table alone empty.
    pub fn empty_table(&self, table: &str, batches: Range<usize>) {
        let asked = self.batches();
        let batches = asked + batches.start..batches.end.saturating_add(asked);
        self.plan().emptied = Some(Emptied { table: Some(table.to_owned()), batches });
    }

    /// Whether the table of this select is empty now.
    pub(super) fn is_emptied(&self, select: &str) -> bool {
        let batch = self.batches() - 1;
        self.plan().emptied.as_ref().is_some_and(|emptied| {
            let is_of = |table: &String| select.contains(&format!(" from dbo.[{table}]"));
            emptied.batches.contains(&batch) && emptied.table.as_ref().is_none_or(is_of)
        })
    }

    /// The first batches, as they came.
    pub fn statements(&self) -> Vec<String> {
        self.plan().statements.clone()
    }

    pub(super) fn asked(&self, batch: &str) {
        let statements = &mut self.plan().statements;
        if statements.len() < 100 {
            statements.push(batch.to_owned());
        }
    }

    /// The ServerName of each LOGIN7 so far.
    pub fn server_names(&self) -> Vec<String> {
        self.plan().server_names.clone()
    }

    /// Whether each LOGIN7 so far meant to read only.
    pub fn read_only(&self) -> Vec<bool> {
        self.plan().read_only.clone()
    }

    pub(super) fn came(&self, login: &Login) {
        let mut plan = self.plan();
        plan.server_names.push(login.server_name.clone());
        plan.read_only.push(login.reads_only);
    }

    /// Batches and procedure calls: round trips after login.
    pub fn batches(&self) -> usize {
        self.batches.load(Ordering::SeqCst)
    }

    pub fn next_login(&self) -> Option<LoginFault> {
        self.plan().logins.pop_front()
    }

    pub(super) fn next_batch(&self) -> Option<BatchFault> {
        self.batches.fetch_add(1, Ordering::SeqCst);
        self.plan().batches.pop_front()
    }

    pub(super) fn count_login(&self, succeeded: bool) {
        if succeeded { &self.logins } else { &self.refused_logins }.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn accepts(&self, password: &str, token: Option<&str>) -> bool {
        let plan = self.plan();
        match token {
            Some(token) => plan.tokens.iter().any(|known| known == token),
            None => plan.passwords.iter().any(|known| known == password),
        }
    }

    /// The number with which a statement on this table and these ids is refused.
    pub(super) fn refuses(&self, table: &str, ids: &[i64]) -> Option<u32> {
        let plan = self.plan();
        if let Some((number, denied)) = &plan.denied
            && denied.eq_ignore_ascii_case(table)
        {
            return Some(*number);
        }
        ids.iter().any(|id| plan.refused_ids.contains(id)).then_some(plan.refused_with)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap()
    }
}
