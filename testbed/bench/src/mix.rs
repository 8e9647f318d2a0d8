//! A mix of plain messages with replies, mentions, reactions and edits, beside plain messages alone.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::time::sleep_until;

use super::{
    Measured, Options,
    edits::first_messages,
    env::Env,
    generator::{Load, Plan, Traffic, journal::Journal, phases::Phases},
    load_run::{WARM_UP, run_load},
    report::{Bound, Figure, ms},
    usage::Cpu,
};

const NAME: &str = "mix";

const PAIRS: usize = 200;

const LOAD: Load = Load::Closed { in_flight: 8 };

/// The phases that are measured.
const PHASES: u32 = 20;

/// Measures the scenario.
///
/// # Errors
/// A process does not start, or ends.
pub(crate) async fn measure(options: &Options) -> Measured {
    let mut env = Env::start(1, options.logs.as_deref()).await?;
    println!("{NAME}: {LOAD:?}, {PAIRS} pairs, plain messages and a mix in turn");
    let population = env.pairs(PAIRS).await?;
    // By each member in turn.
    env.history(&population.chat_ids(), 2).await?;
    let targets = first_messages(&env, &population).await?;
    let users = population.users.iter().map(|user| user.id).collect();
    // Each kind is measured twice as long as other loads. What comes before fills the tables: in empty ones everything is cheap.
    let filling = options.duration();
    let phases = Phases { from: WARM_UP + filling, length: options.duration() * 4 / PHASES };
    let mut plan = Plan::new(env.websockets(), &population, LOAD);
    plan.traffic = Traffic::Mix { phases, targets, users };
    let (before, processes) = (env.stored().await?, env.processes()?);
    let sample_phases = async |load: Range<Instant>| {
        let sample = async |at: Duration| {
            sleep_until((load.start + at.saturating_sub(WARM_UP)).into()).await;
            Cpu::of(&processes, None)
        };
        let mut of_phases = Vec::new();
        for phase in 0..PHASES {
            let Range { start, end } = phases.measured(phase);
            let before = sample(start).await?;
            of_phases.push(sample(end).await?.since(before));
        }
        Ok(of_phases)
    };
    let (run, cpu) = run_load(&env, plan, filling + phases.length * PHASES, sample_phases).await.context(NAME)?;
    // Edits and reactions are no messages.
    let stored = env.stored().await? - before + run.journal.changes();
    env.stop().await?;
    let (mut alone, mut mixed) = (Total::default(), Total::default());
    for (phase, cpu) in (0..).zip(cpu) {
        let measured = phases.measured(phase);
        let total = if phases.is_mixed(measured.start) { &mut mixed } else { &mut alone };
        total.add(&run.journal, measured, cpu);
    }
    Ok((figures(&alone, &mixed, &run.journal), run.failure(NAME, stored)))
}

fn figures(alone: &Total, mixed: &Total, journal: &Journal) -> Vec<Figure> {
    let cpu = |total: &Total| total.each(total.cpu.servers());
    let mut figures = alone.figures("plain", journal);
    figures.extend(mixed.figures("mixed", journal));
    figures.extend([
        Figure::new(NAME, "rate of mixed, of that of plain", mixed.rate() / alone.rate() * 100.0, "%")
            .target(Some(Bound::AtLeast(80.0))),
        Figure::new(NAME, "server CPU of mixed, of that of plain", cpu(mixed) / cpu(alone), "×")
            .target(Some(Bound::AtMost(1.25))),
    ]);
    figures
}

/// What was measured in the phases of a kind.
#[derive(Default)]
struct Total {
    measured: Vec<Range<Duration>>,
    done: usize,
    cpu: Cpu,
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
impl Total {
    fn add(&mut self, journal: &Journal, measured: Range<Duration>, cpu: Cpu) {
        self.done += journal.done_within(measured.start, measured.end);
        self.cpu = self.cpu.plus(cpu);
        self.measured.push(measured);
    }

    fn rate(&self) -> f64 {
        let length = self.measured.iter().map(|measured| measured.end.saturating_sub(measured.start)).sum::<Duration>();
        self.done as f64 / length.as_secs_f64()
    }

    /// Returns the part of a CPU time for each that was done, in microseconds.
    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.done as f64
    }

    fn figures(&self, what: &str, journal: &Journal) -> Vec<Figure> {
        let figure =
            |name: &str, value: f64, unit: &'static str| Figure::new(NAME, format!("{what}, {name}"), value, unit);
        vec![
            figure("stored and delivered", self.rate(), "1/s"),
            figure("delivery p95", ms(journal.delivery_during(&self.measured).p95), "ms"),
            figure("server CPU each", self.each(self.cpu.servers()), "µs"),
            figure("  chat-service", self.each(self.cpu.chat), "µs"),
            figure("  notification-service", self.each(self.cpu.notification), "µs"),
            figure("  Postgres", self.each(self.cpu.postgres), "µs"),
        ]
    }
}
