//! The limits of this machine, measured in the same run. They show how much room for improvement is left.

mod relay;
mod servers;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use uuid::Uuid;

use self::servers::{PubSub, ROWS};
use super::{
    Measured, Options,
    env::Env,
    generator::{self, Load, Plan, Traffic, journal::Violations},
    population::Chat,
    report::{Figure, ms},
    usage::Cpu,
};

const NAME: &str = "limits";

/// The number of pairs of the relay, as in the scenarios.
const PAIRS: usize = 200;

/// The number of publications in a batch.
const BATCH: usize = 64;

const INSERTS: &str = "rows inserted into Postgres, 100 a statement";
const PUBLISHED: &str = "published and received by Redis, 64 at once";
const RELAYED: &str = "relayed, 8 in flight";

/// Measures the limits. Both services are running idle.
///
/// # Errors
/// A process does not start, or ends.
pub(crate) async fn measure(options: &Options) -> Measured {
    let (env, duration) = (Env::start(1, options.logs.as_deref()).await?, options.duration());
    println!("{NAME}: statements of {ROWS} rows; a relay between {PAIRS} pairs");
    let processes = env.processes()?;
    let figure = |name: &str, value: f64, unit| Figure::new(NAME, name, value, unit);

    let before = Cpu::of(&processes, None)?;
    let inserts = servers::inserts(&env.database_url(), duration).await.context("inserts")?;
    let postgres = Cpu::of(&processes, None)?.since(before).postgres;
    let mut redis = PubSub::connect(env.redis_port()).await?;
    let (_, one) = redis.publish(1, duration).await.context("publish")?;
    let (published, _) = redis.publish(BATCH, duration).await.context("publish")?;
    env.stop().await?;
    let mut figures = vec![
        figure(INSERTS, inserts, "rows/s"),
        figure("Postgres CPU a row", postgres.as_secs_f64() * 1e6 / inserts / duration.as_secs_f64(), "µs"),
        figure(PUBLISHED, published, "msg/s"),
        figure("publish to receive, one at a time, p50", ms(one.p50), "ms"),
        figure("publish to receive, one at a time, p95", ms(one.p95), "ms"),
    ];
    for (name, in_flight) in [("relayed, 1 in flight", 1), (RELAYED, 8)] {
        let (rate, p50) = tokio::task::spawn_blocking(move || relay(in_flight, duration)).await?.context("relay")?;
        figures.push(figure(name, rate, "msg/s"));
        figures.push(figure("  delivery p50", ms(p50), "ms"));
    }
    Ok((figures, None))
}

/// Runs the load of the scenarios on a relay. Returns the rate in messages/s and the median delivery time.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn relay(in_flight: usize, duration: Duration) -> anyhow::Result<(f64, Duration)> {
    let address = relay::start(2 * PAIRS)?;
    let plan = Plan {
        addresses: vec![address],
        tokens: (0..2 * PAIRS).map(|user| user.to_string()).collect(),
        chats: (0..PAIRS).map(|pair| Chat { id: Uuid::now_v7(), members: vec![2 * pair, 2 * pair + 1] }).collect(),
        load: Load::Closed { in_flight },
        traffic: Traffic::Messages,
        duration,
    };
    let journal = generator::run(&plan, Instant::now)?;
    ensure!(journal.violations() == Violations::default(), "{:?}", journal.violations());
    let done = journal.done_within(Duration::ZERO, duration) as f64;
    Ok((done / duration.as_secs_f64(), journal.delivery(Duration::ZERO, duration).p50))
}

/// Returns the ratios of the system to the limits of the machine, as far as both were measured.
pub(crate) fn ratios(figures: &[Figure]) -> Vec<Figure> {
    let value = |scenario, name| figures.iter().find(|figure| figure.is(scenario, name)).map(Figure::value);
    let Some(system) = value("pairs-8", super::messages::RATE) else { return Vec::new() };
    let limits = [INSERTS, PUBLISHED, RELAYED].into_iter().filter_map(|name| Some((name, value(NAME, name)?)));
    limits
        .map(|(name, limit)| Figure::new("ratios", format!("pairs-8 to {name}"), system / limit * 100.0, "%"))
        .collect()
}
