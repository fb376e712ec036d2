//! The share of full speed: halved while a sign of load is there, raised step by step when none is.
//!
//! It is a function of what the database shows. Every process of a run halves and raises its own share by the same factor,
//! so that together they move as one process would: more of them make no swing larger.

use crate::ports::LoadSign;

/// A run begins with this share. It doubles with each calm look, so that full speed is reached in 80 s.
const START: f64 = 1.0 / 256.0;
/// Never less: a run that stands still does not end.
const LEAST: f64 = 1.0 / 64.0;
/// Never less for the response time alone: on a small server one statement at a time, with rests, may be too much.
const LEAST_FOR_RESPONSE_TIME: f64 = 1.0 / 1_024.0;
/// Never less for a transaction that is merely long: a backup takes hours.
const LEAST_FOR_TRANSACTION: f64 = 1.0 / 4.0;
/// The factor of a step up where commits took too long, or wake-ups were late, at twice the speed before.
const SMALL_STEP: f64 = 1.2;
/// Calm looks before a small step.
const REST: u32 = 3;
/// A sign that has fallen to this part of its threshold is gone; between the two the share stays.
const CALM: f64 = 2.0 / 3.0;

/// A sign, and how many times its threshold was measured.
pub(super) type Pressure = (LoadSign, f64);

/// The share, and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Speed {
    share: f64,
    because: Option<LoadSign>,
    /// The share at which commits took too long, or wake-ups were late, last.
    too_fast: Option<f64>,
    calm: u32,
}

impl Speed {
    pub(super) fn new() -> Self {
        Self::of(START)
    }

    /// Such a share, as after a begin.
    pub(super) fn of(share: f64) -> Self {
        Self { share, because: Some(LoadSign::Start), too_fast: None, calm: 0 }
    }

    /// The share of full speed, at most 1.
    pub(super) fn share(&self) -> f64 {
        self.share
    }

    /// Whether the process does next to nothing: what the target shows is not its doing.
    pub(super) fn is_idle(&self) -> bool {
        self.share <= START
    }

    /// Why it is less than 1; the sign may be gone while the share still rises.
    pub(super) fn because(&self) -> Option<LoadSign> {
        self.because
    }

    /// Moves the share after a look. Without `may_rise` the share does not rise.
    pub(super) fn judge(&mut self, pressures: &[Pressure], may_rise: bool) {
        let strongest = pressures.iter().max_by(|one, other| one.1.total_cmp(&other.1));
        match strongest {
            Some((_, pressure)) if *pressure >= 1.0 => self.slow_down(pressures),
            Some((_, pressure)) if *pressure > CALM => self.calm = 0,
            _ if may_rise => self.rise(),
            _ => self.calm = 0,
        }
    }

    fn slow_down(&mut self, pressures: &[Pressure]) {
        self.calm = 0;
        let there = || pressures.iter().filter(|(_, pressure)| *pressure >= 1.0);
        let least = there().map(|(sign, _)| least(*sign)).fold(1.0, f64::min);
        if there().any(|(sign, _)| matches!(sign, LoadSign::CommitLatency | LoadSign::ResponseTime)) {
            self.too_fast = Some(self.share);
        }
        // A sign that cannot lower the share further does not raise it either.
        self.share = self.share.min((self.share / 2.0).max(least));
        self.because = there().max_by(|one, other| one.1.total_cmp(&other.1)).map(|(sign, _)| *sign);
    }

    fn rise(&mut self) {
        self.calm += 1;
        if self.share >= 1.0 {
            return;
        }
        match self.too_fast {
            Some(too_fast) if self.share * 2.0 >= too_fast => {
                if self.calm < REST {
                    return;
                }
                self.share *= SMALL_STEP;
                self.too_fast = Some(too_fast.max(self.share));
            }
            _ => self.share *= 2.0,
        }
        self.calm = 0;
        if self.share >= 1.0 {
            (self.share, self.because, self.too_fast) = (1.0, None, None);
        }
    }
}

fn least(sign: LoadSign) -> f64 {
    match sign {
        LoadSign::LongTransaction => LEAST_FOR_TRANSACTION,
        LoadSign::ResponseTime => LEAST_FOR_RESPONSE_TIME,
        LoadSign::LockWaits | LoadSign::ReplicationLag | LoadSign::CommitLatency | LoadSign::Start => LEAST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(speed: &mut Speed, pressures: &[Pressure], looks: usize) -> Vec<f64> {
        let look = |_| {
            speed.judge(pressures, true);
            speed.share()
        };
        (0..looks).map(look).collect()
    }

    fn at_full_speed() -> Speed {
        let mut speed = Speed::new();
        looks(&mut speed, &[], 9);
        speed
    }

    #[test]
    fn a_run_begins_slowly_and_is_at_full_speed_after_eight_calm_looks() {
        let mut speed = Speed::new();
        assert_eq!((speed.share(), speed.because()), (1.0 / 256.0, Some(LoadSign::Start)));
        assert_eq!(looks(&mut speed, &[(LoadSign::LockWaits, 0.1)], 9)[5..], [0.25, 0.5, 1.0, 1.0]);
        assert_eq!(speed.because(), None);
    }

    #[test]
    fn it_is_halved_while_a_sign_is_there_and_doubled_when_it_is_gone() {
        let mut speed = at_full_speed();
        assert_eq!(looks(&mut speed, &[(LoadSign::LockWaits, 1.0)], 3), [0.5, 0.25, 0.125]);
        assert_eq!(speed.because(), Some(LoadSign::LockWaits));
        assert_eq!(
            looks(&mut speed, &[(LoadSign::LockWaits, 0.9)], 3),
            [0.125; 3],
            "between the two it stays"
        );
        assert_eq!(looks(&mut speed, &[(LoadSign::LockWaits, 0.2)], 3), [0.25, 0.5, 1.0]);
        let last = looks(&mut speed, &[(LoadSign::ReplicationLag, 30.0)], 20).pop();
        assert_eq!(last, Some(1.0 / 64.0), "it never stands still");
        let last = looks(&mut speed, &[(LoadSign::ResponseTime, 30.0)], 20).pop();
        assert_eq!(last, Some(1.0 / 1_024.0), "nor for busy processors");
    }

    #[test]
    fn below_a_speed_at_which_commits_took_longer_it_rises_by_small_steps_after_three_calm_looks() {
        let mut speed = at_full_speed();
        assert_eq!(looks(&mut speed, &[(LoadSign::CommitLatency, 1.0)], 1), [0.5]);
        assert_eq!(looks(&mut speed, &[], 5), [0.5, 0.5, 0.6, 0.6, 0.6]);
    }

    #[test]
    fn a_long_transaction_takes_no_more_than_three_quarters_and_gives_nothing_back() {
        let long = (LoadSign::LongTransaction, 500.0);
        assert_eq!(looks(&mut at_full_speed(), &[long], 4), [0.5, 0.25, 0.25, 0.25]);
        let mut speed = at_full_speed();
        looks(&mut speed, &[(LoadSign::LockWaits, 2.0)], 9);
        assert_eq!(looks(&mut speed, &[long], 2), [1.0 / 64.0; 2]);
    }

    #[test]
    fn what_cannot_be_seen_raises_nothing() {
        let mut speed = Speed::new();
        speed.judge(&[], false);
        assert!((speed.share() - START).abs() < 1e-9);
    }

    fn mean(fleet: &[Speed]) -> f64 {
        fleet.iter().map(Speed::share).sum::<f64>() / f64::from(u32::try_from(fleet.len()).unwrap())
    }

    /// The share of all processes of one run together, look after look. They look one after another at a database whose
    /// commits take longer the more is done, by any process, and too long above this share.
    fn settled(processes: usize, bears: f64) -> Vec<f64> {
        let mut fleet: Vec<Speed> = (0..processes).map(|_| Speed::new()).collect();
        let mut totals = Vec::new();
        for _ in 0..200 {
            for place in 0..processes {
                let pressure = mean(&fleet) / bears;
                fleet[place].judge(&[(LoadSign::CommitLatency, pressure)], true);
            }
            totals.push(mean(&fleet));
        }
        totals.split_off(50)
    }

    #[test]
    fn many_processes_swing_no_more_than_one() {
        for processes in [1, 2, 10, 100] {
            let totals = settled(processes, 0.3);
            let most = totals.iter().copied().fold(0.0, f64::max);
            let least = totals.iter().copied().fold(1.0, f64::min);
            assert!(most <= 0.3 * 1.25 && least >= 0.3 / 2.5, "{processes}: {least} to {most}");
        }
    }
}
