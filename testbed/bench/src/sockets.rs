//! Many idle sockets.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::time::sleep;

use super::{
    Measured, Options,
    env::Env,
    report::{Bound, Figure},
    usage::{Cpu, Memory},
    worker::Worker,
};

/// The pause before the measurement, in which presence is announced.
const SETTLE: Duration = Duration::from_secs(5);

/// A number of sockets and instances.
pub(crate) struct Case {
    name: &'static str,
    sockets: usize,
    instances: usize,
}

/// As many as the limit of 20,000 file descriptors of a process allows.
pub(crate) const ONE_INSTANCE: Case = Case { name: "sockets", sockets: 18_000, instances: 1 };

/// Over three instances, with one worker for each.
pub(crate) const THREE_INSTANCES: Case = Case { name: "sockets-3", sockets: 50_000, instances: 3 };

/// Measures the scenario. Each socket has its own user, and each pair of users has a chat.
///
/// # Errors
/// A process does not start or ends, or a socket is refused or closed.
pub(crate) async fn measure(case: &Case, options: &Options) -> Measured {
    let env = Env::start(case.instances, options.logs.as_deref()).await?;
    println!("{}: {} sockets over {} instances", case.name, case.sockets, case.instances);
    let tokens = env.pairs(case.sockets / 2).await?.tokens();
    let mut workers = Vec::new();
    for (address, tokens) in env.websockets().into_iter().zip(tokens.chunks(tokens.len().div_ceil(case.instances))) {
        workers.push(Worker::start(address, tokens).await?);
    }
    let mut processes = env.processes()?;
    processes.workers = workers.iter().map(Worker::id).collect::<Option<_>>().context("a worker has ended")?;

    let sample = || anyhow::Ok((Instant::now(), Cpu::of(&processes, None)?, Memory::of(&processes)?));
    let start = sample()?;
    for worker in &mut workers {
        worker.begin().await?;
    }
    let mut refused = 0;
    for worker in &mut workers {
        refused += worker.opened().await.context(case.name)?;
    }
    let open = sample()?;
    sleep(SETTLE).await;
    let settled = sample()?;
    sleep(options.duration()).await;
    let end = sample()?;
    for worker in workers {
        worker.end().await.context(case.name)?;
    }
    env.stop().await?;

    Ok((figures(case, refused, &[start, open, settled, end]), None))
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn figures(case: &Case, refused: usize, [start, open, settled, end]: &[(Instant, Cpu, Memory); 4]) -> Vec<Figure> {
    let (sockets, figure) = (case.sockets as f64, |name, value, unit| Figure::new(case.name, name, value, unit));
    let opening = open.1.since(start.1);
    let idle = end.1.since(settled.1).servers().as_secs_f64() / (end.0 - settled.0).as_secs_f64();
    let kib = |of: fn(&Memory) -> u64| (of(&end.2) as f64 - of(&start.2) as f64) / sockets / 1024.0;
    let each = |time: Duration| time.as_secs_f64() * 1e6 / sockets;
    vec![
        figure("open at once", sockets, "sockets"),
        figure("opened", sockets / (open.0 - start.0).as_secs_f64(), "sockets/s").target(Some(Bound::AtLeast(3000.0))),
        figure("refused at first, by 503", refused as f64, "times"),
        figure("server CPU to open one", each(opening.servers()), "µs"),
        figure("generator CPU to open one", each(opening.generator), "µs"),
        figure("PSS a socket", kib(Memory::sum), "KiB").target(Some(Bound::AtMost(16.0))),
        figure("  chat-service", kib(|memory| memory.chat), "KiB"),
        figure("  notification-service", kib(|memory| memory.notification), "KiB"),
        figure("  Postgres", kib(|memory| memory.postgres), "KiB"),
        figure("  Redis", kib(|memory| memory.redis), "KiB"),
        figure("server CPU while idle", idle * 100.0, "% of a core"),
    ]
}
