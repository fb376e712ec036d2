//! The limit finds itself before a simulated service, in virtual time.

use std::sync::atomic::AtomicUsize;

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::*;

/// A service so far away that works on a few copies at once; the others wait in it.
#[derive(Clone)]
struct Service {
    /// Round trips of one copy, together.
    distance: Arc<std::sync::Mutex<Duration>>,
    workers: Arc<Semaphore>,
    each: Duration,
    /// The first copies, which wait for their connections.
    cold: Arc<AtomicUsize>,
    /// How many turns of its workers a copy takes, of each copy in a row.
    turns: &'static [u32],
    copies: Arc<AtomicUsize>,
}

impl Service {
    fn new(distance_ms: u64, workers: usize, each_ms: u64) -> Self {
        Self {
            distance: Arc::new(Duration::from_millis(distance_ms).into()),
            workers: Arc::new(Semaphore::new(workers)),
            each: Duration::from_millis(each_ms),
            cold: Arc::default(),
            turns: &[1],
            copies: Arc::default(),
        }
    }

    async fn copy(&self) {
        let distance = *self.distance.lock().unwrap();
        let is_cold = |cold: usize| cold.checked_sub(1);
        if self.cold.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_cold).is_ok() {
            sleep(Duration::from_millis(300)).await;
        }
        sleep(distance).await;
        let number = self.copies.fetch_add(1, Ordering::Relaxed);
        for _ in 0..self.turns[number % self.turns.len()] {
            let _working = self.workers.acquire().await.unwrap();
            sleep(self.each).await;
        }
    }
}

/// Copies that are always wanted, more at once than any limit.
struct Load {
    places: Arc<Places>,
    copied: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Load {
    fn on(service: &Service, places: Places, bytes: u64) -> Self {
        let (places, copied) = (Arc::new(places), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        for _ in 0..600 {
            let (service, places, copied) = (service.clone(), places.clone(), copied.clone());
            tasks.spawn(async move {
                loop {
                    let place = places.place().await;
                    service.copy().await;
                    places.copied(place, Some(bytes));
                    copied.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { places, copied, _tasks: tasks }
    }

    /// Copies in so many seconds, and the limits in them, ten a second.
    async fn pass(&self, seconds: u64) -> (usize, Vec<usize>) {
        let before = self.copied.load(Ordering::Relaxed);
        let mut limits = Vec::new();
        for _ in 0..seconds * 10 {
            sleep(Duration::from_millis(100)).await;
            limits.push(self.places.limit());
        }
        (self.copied.load(Ordering::Relaxed) - before, limits)
    }
}

fn adaptive() -> Places {
    Places::adaptive(512, None)
}

#[tokio::test(start_paused = true)]
async fn within_ten_seconds_it_is_as_good_as_the_best_fixed_limit_and_stays_there() {
    for (distance, workers, each) in [
        (0, 2, 1),
        (20, 2, 1),
        (100, 2, 1),
        (400, 2, 1),
        (100, 1_000, 1),
        (20, 40, 10),
        (400, 1_000, 50),
        (5, 1, 10),
    ] {
        let mut best = 0;
        for fixed in [4, 16, 32, 64, 128, 256, 512] {
            let load = Load::on(&Service::new(distance, workers, each), Places::fixed(fixed), 1);
            load.pass(10).await;
            best = best.max(load.pass(10).await.0);
        }
        let load = Load::on(&Service::new(distance, workers, each), adaptive(), 1);
        load.pass(10).await;
        let (copied, limits) = load.pass(10).await;
        let service = format!("{distance} ms, {workers} at once, each {each} ms");
        assert!(copied * 100 >= best * 95, "{service}: {copied} of {best}, {limits:?}");
        let (least, most) = (*limits.iter().min().unwrap(), *limits.iter().max().unwrap());
        let middle = usize::midpoint(least, most);
        assert!(most * 10 <= middle * 12 && least * 10 >= middle * 8, "{service}: {limits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_works_on_all_copies_in_turn_is_asked_for_no_more_than_it_gains_by() {
    // Short copies end before long ones that began earlier.
    let service = Service { turns: &[1, 2, 4, 8, 16, 29], ..Service::new(0, 4, 1) };
    let load = Load::on(&service, adaptive(), 1);
    let [(_, first), (_, then)] = [load.pass(10).await, load.pass(10).await];
    assert!(first.iter().all(|limit| *limit <= 128), "{first:?}");
    assert!(then.iter().all(|limit| *limit <= 40), "32, and small steps: {then:?}");
}

#[tokio::test(start_paused = true)]
async fn a_doubling_that_gained_only_because_the_first_copies_waited_for_connections_is_taken_back() {
    for (cold, reached, settled) in [(32, 128, 20), (600, 512, 60)] {
        let service = Service { cold: Arc::new(cold.into()), ..Service::new(0, 2, 1) };
        let (_, limits) = Load::on(&service, adaptive(), 1).pass(10).await;
        assert!(limits.contains(&reached), "512 is its cap: {limits:?}");
        assert!(limits[settled..].iter().all(|limit| *limit <= 80), "32, and small steps: {limits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn beside_a_near_service_the_climb_takes_half_a_second() {
    let load = Load::on(&Service::new(0, 1_000, 1), adaptive(), 1);
    let (_, limits) = load.pass(1).await;
    assert!(limits[..=5].contains(&512), "{limits:?}");
    assert_eq!(limits[9], 512, "half of it moves less: {limits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_overloaded_is_asked_for_less_at_once() {
    let service = Service::new(20, 20, 10);
    let load = Load::on(&service, adaptive(), 1);
    let (_, before) = load.pass(15).await;
    assert_eq!(service.workers.forget_permits(15), 0, "all of them work");
    let fewer = service.workers.clone().acquire_many_owned(15).await.unwrap();
    load.pass(30).await;
    let (copied, after) = load.pass(10).await;
    fewer.forget();
    let (before, after) = (*before.last().unwrap(), *after.last().unwrap());
    assert!(after * 10 <= before * 7, "{before} to {after}");
    assert!(copied >= 4_750, "five at once, each 10 ms: 500/s; {copied} in 10 s");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_moved_further_away_is_not_asked_for_less() {
    let service = Service::new(50, 1_000, 1);
    let load = Load::on(&service, Places::adaptive(128, None), 1);
    load.pass(10).await;
    *service.distance.lock().unwrap() = Duration::from_millis(150);
    load.pass(20).await;
    let (_, limits) = load.pass(10).await;
    assert!(limits.iter().all(|limit| *limit >= 102), "{limits:?}");
}

#[tokio::test(start_paused = true)]
async fn places_that_stay_empty_raise_no_limit() {
    let service = Service::new(100, 1_000, 1);
    let places = Arc::new(adaptive());
    let mut few = JoinSet::new();
    for _ in 0..20 {
        let (service, places) = (service.clone(), places.clone());
        few.spawn(async move {
            loop {
                let place = places.place().await;
                service.copy().await;
                places.copied(place, Some(1));
            }
        });
    }
    sleep(Duration::from_secs(20)).await;
    assert_eq!(places.limit(), 32);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_files_are_under_way_as_twice_the_budget_holds_with_what_their_connections_read_ahead() {
    for (bytes, most) in [(20_000_000, 16), (1_048_576, 58), (100_000, 272), (10_000, 512)] {
        let places = Places::adaptive(512, Some(Budget::PROCESS_BYTES));
        let load = Load::on(&Service::new(100, 1_000, 1), places, bytes);
        let (_, limits) = load.pass(20).await;
        assert_eq!(limits.last(), Some(&most), "{bytes}");
        assert_eq!(load.places.is_held_by_memory(), most < 512);
        assert_eq!(load.places.is_capped(), most == 512);
    }
}

#[tokio::test]
async fn throttling_halves_once_in_a_window_and_never_below_four() {
    let in_flight = InFlight::adaptive(5, u64::MAX);
    in_flight.throttled(Way::ServerSide);
    in_flight.throttled(Way::ServerSide);
    assert_eq!((in_flight.of(Way::ServerSide).limit(), in_flight.of(Way::Streamed).limit()), (16, 32));
    let mut climb = climb::Climb::new(32, 512);
    (0..20).for_each(|_| climb.throttled());
    assert_eq!(climb.limit(), 4);
    climb.judge(climb::Figures { per_second: 100.0, latency_s: 0.04 });
    assert_eq!(climb.limit(), 4, "it rests before the next raise");
}

#[tokio::test(start_paused = true)]
async fn rows_under_way_follow_the_larger_limit_and_a_fixed_one_counts_them_in_each_worker() {
    let in_flight = Arc::new(InFlight::adaptive(5, u64::MAX));
    let mut copies = JoinSet::new();
    for _ in 0..600 {
        let in_flight = in_flight.clone();
        copies.spawn(async move {
            loop {
                let place = in_flight.of(Way::ServerSide).place().await;
                sleep(Duration::from_millis(100)).await;
                in_flight.copied(Way::ServerSide, place, Some(1));
            }
        });
    }
    let begun = Instant::now();
    let mut rows = Vec::new();
    while begun.elapsed() < Duration::from_secs(10) {
        if let Ok(row) = timeout(Duration::from_millis(100), in_flight.row(3_000)).await {
            rows.push(row);
        }
    }
    assert_eq!((rows.len(), in_flight.of(Way::ServerSide).limit()), (512, 512));
    // Rows whose files are copied wait for their commit: for a database that is far more of them than for a near one.
    for (fastest_ms, commits) in [(400, 192), (100, 128), (0, 64)] {
        let event = Event::Committed {
            submissions: 1,
            took: Duration::from_millis(fastest_ms),
            in_transaction: false,
        };
        in_flight.take(std::time::Instant::now(), &event);
        rows.truncate(500);
        while let Ok(mut row) = timeout(Duration::from_millis(100), in_flight.row(3_000)).await {
            drop(row.copying.take());
            rows.push(row);
            for row in &mut rows {
                drop(row.copying.take());
            }
        }
        assert_eq!(rows.len(), 512 + 5 * commits, "{fastest_ms} ms");
    }
    assert_eq!(in_flight.rows_of_a_worker(), None);

    let fixed = InFlight::fixed(3, 5);
    let Turn { copying, under_way, texts } = fixed.row(3_000).await;
    assert!(copying.is_none() && under_way.is_none() && texts.is_some());
    assert_eq!((fixed.rows_of_a_worker(), fixed.of(Way::Streamed).limit()), (Some(3), 15));
    let _all = fixed.of(Way::Streamed).place().await;
    assert!(fixed.of(Way::ServerSide).is_capped());
}

#[tokio::test(start_paused = true)]
async fn rows_with_large_texts_wait_for_room_and_one_that_is_larger_than_all_of_it_goes_alone() {
    const MIB: usize = 1024 * 1024;
    for in_flight in [InFlight::adaptive(5, u64::MAX), InFlight::fixed(64, 5)] {
        let small = in_flight.row(3_000).await;
        let mut large = Vec::new();
        while let Ok(row) = timeout(Duration::from_millis(100), in_flight.row(5 * MIB)).await {
            large.push(row);
        }
        assert_eq!(large.len(), 3, "16 MiB in all");
        drop(large);
        let huge = in_flight.row(100 * MIB);
        tokio::pin!(huge);
        assert!(timeout(Duration::from_millis(100), &mut huge).await.is_err(), "others are under way");
        drop(small);
        let huge = huge.await;
        assert!(timeout(Duration::from_millis(100), in_flight.row(3_000)).await.is_err(), "it goes alone");
        drop(huge);
        in_flight.row(3_000).await;
    }
}

#[test]
fn copies_leave_open_files_to_the_rest_of_the_process() {
    for (open_files, copies) in [(u64::MAX, 512), (1_280, 512), (1_024, 384), (256, 16), (0, 16)] {
        assert_eq!(most(512, open_files), copies, "{open_files}");
    }
    assert_eq!(InFlight::adaptive(5, 0).limit(), 32, "16 of each way");
}
