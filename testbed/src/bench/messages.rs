//! The scenarios in which messages flow between pairs.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::unistd::gettid;
use tokio::{sync::oneshot, time::sleep_until};

use super::{
    Options, Scenario,
    generator::{
        self, Load, Plan,
        journal::{Faults, Journal},
    },
    report::{Bound, Figure},
    stage::Stage,
    usage::{Cpu, Memory},
};

/// Between the last socket that opened and the load: people are told who came, channels are subscribed to.
const SETTLE: Duration = Duration::from_secs(2);

/// Load that is not measured: plans are made, pools fill.
const WARM_UP: Duration = Duration::from_secs(2);

/// What a scenario is, and what is wanted of it.
struct Case {
    name: &'static str,
    pairs: usize,
    load: Load,
    rate: Wanted,
    p95: Wanted,
    p99: Wanted,
    cpu: Wanted,
}

/// The target, and the specification's.
type Wanted = (Option<Bound>, Option<Bound>);

const NOTHING: Wanted = (None, None);

const fn case(scenario: Scenario) -> Case {
    use Bound::{AtLeast, AtMost};
    match scenario {
        Scenario::Pairs1 => Case {
            name: "pairs-1",
            pairs: 200,
            load: Load::Closed { in_flight: 1 },
            rate: (Some(AtLeast(10_000.0)), Some(AtLeast(1000.0))),
            p95: NOTHING,
            p99: NOTHING,
            cpu: (Some(AtMost(110.0)), None),
        },
        Scenario::Pairs8 => Case {
            name: "pairs-8",
            pairs: 200,
            load: Load::Closed { in_flight: 8 },
            rate: (Some(AtLeast(16_000.0)), Some(AtLeast(1000.0))),
            p95: NOTHING,
            p99: NOTHING,
            cpu: (Some(AtMost(110.0)), None),
        },
        Scenario::Open500 => open("open-500", 500),
        Scenario::Open1000 => open("open-1000", 1000),
        Scenario::HotChat => Case {
            name: "hot-chat",
            pairs: 1,
            load: Load::Closed { in_flight: 128 },
            rate: (Some(AtLeast(5000.0)), None),
            p95: NOTHING,
            p99: NOTHING,
            cpu: NOTHING,
        },
    }
}

const fn open(name: &'static str, per_second: u32) -> Case {
    Case {
        name,
        pairs: 200,
        load: Load::Open { per_second },
        rate: NOTHING,
        p95: (Some(Bound::AtMost(2.0)), Some(Bound::AtMost(50.0))),
        p99: (Some(Bound::AtMost(8.0)), None),
        cpu: NOTHING,
    }
}

/// Measures one. Returns the figures, and what failed.
///
/// # Errors
/// Something does not start, or ends.
pub(crate) async fn measure(scenario: Scenario, options: &Options) -> anyhow::Result<(Vec<Figure>, Option<String>)> {
    let case = case(scenario);
    let stage = Stage::start(case.pairs, options.logs.as_deref()).await?;
    let processes = stage.processes()?;
    println!("{}: {:?}, {} pairs; {processes:?}", case.name, case.load, case.pairs);
    println!("postgres: {}", stage.postgres_settings().await?);

    let (from, to) = (WARM_UP, WARM_UP + options.lasts());
    let plan = Plan {
        address: stage.websocket(),
        tokens: stage.population.people.iter().map(|person| person.token.clone()).collect(),
        chats: stage.population.pairs.iter().map(|pair| (pair.chat, pair.members)).collect(),
        load: case.load,
        lasts: to,
    };
    let (tell, opened) = oneshot::channel();
    let generator = tokio::task::spawn_blocking(move || {
        generator::run(&plan, || {
            let epoch = Instant::now() + SETTLE;
            // Nobody listens where the measurement was given up.
            let _ = tell.send((epoch, gettid().as_raw()));
            epoch
        })
    });
    let Ok((epoch, thread)) = opened.await else {
        generator.await??;
        anyhow::bail!("the generator ended before it began");
    };
    let look = async |at: Duration| {
        sleep_until((epoch + at).into()).await;
        anyhow::Ok((epoch.elapsed(), Cpu::of(&processes, thread)?))
    };
    let (began, before) = look(from).await?;
    let (ended, after) = look(to).await?;
    let memory = Memory::of(&processes)?;
    let journal = generator.await?.with_context(|| format!("{}: the generator", case.name))?;
    let stored = stage.stored().await?;
    stage.stop().await?;

    let window = Window { from: began, to: ended, cpu: after.since(before) };
    Ok((figures(&case, &journal, &window, memory), failure(&case, &journal, stored)))
}

/// The time that is measured.
struct Window {
    from: Duration,
    to: Duration,
    cpu: Cpu,
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn figures(case: &Case, journal: &Journal, window: &Window, memory: Memory) -> Vec<Figure> {
    let Window { from, to, cpu } = *window;
    let seconds = to.saturating_sub(from).as_secs_f64();
    let done = journal.done_within(from, to) as f64;
    let (delivery, ack) = (journal.delivery(from, to), journal.ack(from, to));
    let figure = |name: &str, value: f64, unit: &'static str, wanted: Wanted| {
        Figure::new(case.name, name, value, unit).target(wanted.0).specification(wanted.1)
    };
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let each = |time: Duration| time.as_secs_f64() * 1e6 / done;
    let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let share = |cpu: Duration| cpu.as_secs_f64() / seconds / cores * 100.0;
    vec![
        figure("stored and delivered", done / seconds, "msg/s", case.rate),
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

/// What must not happen: a message that is not stored, acked and delivered, once.
fn failure(case: &Case, journal: &Journal, stored: usize) -> Option<String> {
    let (faults, sent) = (journal.faults(), journal.sent());
    let good = faults == Faults::default() && stored == sent;
    (!good).then(|| format!("{}: of {sent} messages {stored} are stored; {faults:?}", case.name))
}
