//! The scenarios with messages between pairs of users, or to groups.

use std::time::Duration;

use anyhow::Context as _;

use super::{
    Measured, Options,
    env::Env,
    generator::{Load, Plan},
    load_run::{LoadRun, run_load},
    population::disjoint,
    report::{Bound, Figure, ms},
};

/// The name of the figure with the message rate.
pub(crate) const RATE: &str = "stored and delivered";

/// A scenario with its targets.
pub(crate) struct Case {
    name: &'static str,
    chats: usize,
    /// The number of members of each chat. Each user is in one chat.
    members: usize,
    load: Load,
    rate: Wanted,
    p95: Wanted,
    p99: Wanted,
    cpu: Wanted,
}

/// The target, and the specification's.
type Wanted = (Option<Bound>, Option<Bound>);

const NOTHING: Wanted = (None, None);

/// 200 pairs of users with one message in flight each.
pub(crate) const PAIRS_1: Case = pairs("pairs-1", 1, 10_000.0);

/// 200 pairs of users with eight messages in flight each.
pub(crate) const PAIRS_8: Case = pairs("pairs-8", 8, 16_000.0);

/// 500 messages/s between 200 pairs.
pub(crate) const OPEN_500: Case = open("open-500", 500);

/// 1,000 messages/s between 200 pairs.
pub(crate) const OPEN_1000: Case = open("open-1000", 1000);

/// One direct chat with 128 messages in flight.
pub(crate) const HOT_CHAT: Case = Case {
    name: "hot-chat",
    chats: 1,
    members: 2,
    load: Load::Closed { in_flight: 128 },
    rate: (Some(Bound::AtLeast(5000.0)), None),
    p95: NOTHING,
    p99: NOTHING,
    cpu: NOTHING,
};

const fn pairs(name: &'static str, in_flight: usize, rate: f64) -> Case {
    Case {
        name,
        chats: 200,
        members: 2,
        load: Load::Closed { in_flight },
        rate: (Some(Bound::AtLeast(rate)), Some(Bound::AtLeast(1000.0))),
        p95: NOTHING,
        p99: NOTHING,
        cpu: (Some(Bound::AtMost(110.0)), None),
    }
}

const fn open(name: &'static str, per_second: u32) -> Case {
    Case {
        name,
        chats: 200,
        members: 2,
        load: Load::Open { per_second },
        rate: NOTHING,
        p95: (Some(Bound::AtMost(2.0)), Some(Bound::AtMost(50.0))),
        p99: (Some(Bound::AtMost(8.0)), None),
        cpu: NOTHING,
    }
}

/// Returns 200 messages/s to 100 groups of 100 members online.
pub(crate) fn groups(options: &Options) -> Case {
    Case {
        name: "groups",
        chats: 100,
        members: options.scaled(100),
        load: Load::Open { per_second: 200 },
        rate: NOTHING,
        p95: (Some(Bound::AtMost(25.0)), None),
        p99: NOTHING,
        cpu: NOTHING,
    }
}

/// Measures a scenario. Returns the figures and the failure, if any.
///
/// # Errors
/// A process does not start, or ends.
pub(crate) async fn measure(case: &Case, options: &Options) -> Measured {
    let env = Env::start(1, options.logs.as_deref()).await?;
    println!("{}: {:?}, {} chats of {}; {:?}", case.name, case.load, case.chats, case.members, env.processes()?);
    println!("postgres: {}", env.postgres_settings().await?);
    let population = env.chats(disjoint(case.chats, case.members)).await?;
    let plan = Plan::new(env.websockets(), &population, case.load);
    let (run, ()) = run_load(&env, plan, options.duration(), async |_| Ok(())).await.context(case.name)?;
    let stored = env.stored().await?;
    env.stop().await?;
    Ok((figures(case, &run), run.failure(case.name, stored)))
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn figures(case: &Case, run: &LoadRun) -> Vec<Figure> {
    let (cpu, memory, seconds, done) = (run.cpu, run.memory, run.seconds(), run.done() as f64);
    let delivery = run.delivery();
    let ack = run.journal.ack(run.measured.start, run.measured.end);
    let figure = |name: &str, value: f64, unit: &'static str, wanted: Wanted| {
        Figure::new(case.name, name, value, unit).target(wanted.0).specification(wanted.1)
    };
    let each = |time: Duration| time.as_secs_f64() * 1e6 / done;
    let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let share = |cpu: Duration| cpu.as_secs_f64() / seconds / cores * 100.0;
    vec![
        figure(RATE, done / seconds, "msg/s", case.rate),
        figure("deliveries", run.deliveries() as f64 / seconds, "1/s", NOTHING),
        figure("delivery p50", ms(delivery.p50), "ms", NOTHING),
        figure("delivery p95", ms(delivery.p95), "ms", case.p95),
        figure("delivery p99", ms(delivery.p99), "ms", case.p99),
        figure("delivery max", ms(delivery.max), "ms", NOTHING),
        figure("ack p50", ms(ack.p50), "ms", NOTHING),
        figure("ack p95", ms(ack.p95), "ms", NOTHING),
        figure("server CPU a message", each(cpu.servers()), "µs", case.cpu),
        figure("  chat-service", each(cpu.chat), "µs", NOTHING),
        figure("  notification-service", each(cpu.notification), "µs", NOTHING),
        figure("  Postgres", each(cpu.postgres), "µs", NOTHING),
        figure("  Redis", each(cpu.redis), "µs", NOTHING),
        figure("generator CPU a message", each(cpu.generator), "µs", NOTHING),
        figure("machine busy", share(cpu.machine), "%", NOTHING),
        figure("  with something else", share(cpu.others()), "%", NOTHING),
        figure("PSS chat-service", mib(memory.chat), "MiB", NOTHING),
        figure("PSS notification-service", mib(memory.notification), "MiB", NOTHING),
        figure("PSS Postgres", mib(memory.postgres), "MiB", NOTHING),
        figure("PSS Redis", mib(memory.redis), "MiB", NOTHING),
    ]
}
