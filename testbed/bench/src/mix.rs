//! A mix of plain messages with replies, mentions, reactions and edits, beside plain messages alone.

use std::time::Duration;

use anyhow::Context as _;

use super::{
    Measured, Options,
    edits::first_messages,
    env::Env,
    generator::{Load, Plan, Traffic},
    load_run::{LoadRun, run_load},
    report::{Bound, Figure, ms},
};

const NAME: &str = "mix";

const PAIRS: usize = 200;

const LOAD: Load = Load::Closed { in_flight: 8 };

/// What is measured, in this order: a statement costs more when its tables have grown, so each kind is as often early as late. The first
/// run is not counted: it fills the tables, and in empty ones everything is cheap.
const RUNS: [Kind; 5] = [Kind::WarmUp, Kind::Plain, Kind::Mixed, Kind::Mixed, Kind::Plain];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    WarmUp,
    Plain,
    Mixed,
}

/// Measures the scenario.
///
/// # Errors
/// A process does not start, or ends.
pub(crate) async fn measure(options: &Options) -> Measured {
    let mut env = Env::start(1, options.logs.as_deref()).await?;
    println!("{NAME}: {LOAD:?}, {PAIRS} pairs, plain messages and a mix, twice each");
    let population = env.pairs(PAIRS).await?;
    // By each member in turn.
    env.history(&population.chat_ids(), 2).await?;
    let targets = first_messages(&env, &population).await?;
    let users: Vec<_> = population.users.iter().map(|user| user.id).collect();
    let (mut alone, mut mixed, mut failure) = (Total::default(), Total::default(), None);
    for kind in RUNS {
        let mut plan = Plan::new(env.websockets(), &population, LOAD);
        if kind == Kind::Mixed {
            plan.traffic = Traffic::Mix { targets: targets.clone(), users: users.clone() };
        }
        let before = env.stored().await?;
        let (run, ()) = run_load(&env, plan, options.duration(), async |_| Ok(())).await.context(NAME)?;
        // Edits and reactions are no messages.
        let stored = env.stored().await? - before + run.journal.changes();
        failure = failure.or(run.failure(NAME, stored));
        match kind {
            Kind::WarmUp => {}
            Kind::Plain => alone.add(&run),
            Kind::Mixed => mixed.add(&run),
        }
    }
    env.stop().await?;
    let mut figures = alone.figures("plain");
    figures.extend(mixed.figures("mixed"));
    figures.extend([
        Figure::new(NAME, "rate of mixed, of that of plain", mixed.rate() / alone.rate() * 100.0, "%")
            .target(Some(Bound::AtLeast(80.0))),
        Figure::new(NAME, "server CPU of mixed, of that of plain", mixed.cpu() / alone.cpu(), "×")
            .target(Some(Bound::AtMost(1.25))),
    ]);
    Ok((figures, failure))
}

/// What several runs measured.
#[derive(Default)]
struct Total {
    done: usize,
    seconds: f64,
    servers: Duration,
    chat: Duration,
    notification: Duration,
    postgres: Duration,
    /// Of the last run.
    p95: Duration,
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
impl Total {
    fn add(&mut self, run: &LoadRun) {
        self.done += run.done();
        self.seconds += run.seconds();
        self.servers += run.cpu.servers();
        self.chat += run.cpu.chat;
        self.notification += run.cpu.notification;
        self.postgres += run.cpu.postgres;
        self.p95 = run.delivery().p95;
    }

    fn rate(&self) -> f64 {
        self.done as f64 / self.seconds
    }

    /// Returns the CPU time of all servers for each, in microseconds.
    fn cpu(&self) -> f64 {
        self.each(self.servers)
    }

    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.done as f64
    }

    fn figures(&self, what: &str) -> Vec<Figure> {
        let figure =
            |name: &str, value: f64, unit: &'static str| Figure::new(NAME, format!("{what}, {name}"), value, unit);
        vec![
            figure("stored and delivered", self.rate(), "1/s"),
            figure("delivery p95", ms(self.p95), "ms"),
            figure("server CPU each", self.cpu(), "µs"),
            figure("  chat-service", self.each(self.chat), "µs"),
            figure("  notification-service", self.each(self.notification), "µs"),
            figure("  Postgres", self.each(self.postgres), "µs"),
        ]
    }
}
