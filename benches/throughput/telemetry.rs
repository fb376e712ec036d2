//! What telemetry costs: CPU of a shard that sends metrics and traces to a receiver that takes everything and keeps nothing, as
//! a ratio to that of a shard that sends none. Both run at the same time, so that what else the machine does reaches both; they take
//! turns at being started first.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{
    cost::Cost,
    goals::{Goal, Goals},
    latency::{Bench, Distance},
    median, stub,
};

/// Runs shards with and without a receiver, so many of each.
pub async fn telemetry(goals: &mut Goals, rows: u64, rounds: usize) {
    println!("{rows} submissions, blobs answered by a stub, with and without a receiver of telemetry");
    // A folder costs the kernel more than the program, and not the same twice.
    let bench = Bench::start(rows, 100).await;
    let receiver = Receiver::start().await;
    let to = format!("http://{}", receiver.address);
    // What is read for the first time costs more.
    shard(&bench, None).await;
    let (mut ratios, mut cpu) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let (on, off) = if round % 2 == 0 {
            tokio::join!(shard(&bench, Some(&to)), shard(&bench, None))
        } else {
            let (off, on) = tokio::join!(shard(&bench, None), shard(&bench, Some(&to)));
            (on, off)
        };
        let [with, without] = [&on, &off].map(|cost| cost.cpu.as_secs_f64());
        println!("  CPU with {with:7.2} s, without {without:7.2} s: {:.3}", with / without);
        ratios.push(with / without);
        cpu.push(without * 1e3 / rows as f64);
    }
    let [requests, bytes] = [&receiver.counted.requests, &receiver.counted.bytes];
    let each = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / rounds as f64;
    assert!(each(requests) >= 2.0, "metrics and traces were sent");
    Goals::figure("requests to the receiver, each run", each(requests), "");
    Goals::figure("sent to it, each run", each(bytes) / 1e3, "kB");
    Goals::figure("CPU per submission without", median(cpu), "ms");
    goals.demand("CPU with to without", median(ratios), "", Goal::AtMost(1.01));
}

/// One shard into a new target.
async fn shard(bench: &Bench, receiver: Option<&str>) -> Cost {
    let mut app = bench.app().await;
    if let Some(receiver) = receiver {
        app.set("OTEL_EXPORTER_OTLP_ENDPOINT", receiver);
    }
    bench.run(&app, Distance::default()).await.cost
}

/// Takes every request and answers 200; it ends when dropped.
struct Receiver {
    address: SocketAddr,
    counted: Arc<Counted>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Counted {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counted = Arc::new(Counted::default());
        let counting = counted.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                // Ends with its connection, which the program closes.
                tokio::spawn(take(connection, counting.clone()));
            }
        });
        Self { address, counted, accepting }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn take(connection: TcpStream, counted: Arc<Counted>) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    while let Some(request) = stub::read(&mut connection).await? {
        counted.requests.fetch_add(1, Ordering::Relaxed);
        counted.bytes.fetch_add(request.length, Ordering::Relaxed);
        connection
            .write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
            )
            .await?;
    }
    Ok(())
}
