//! Runs a load on the system and measures it.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::unistd::gettid;
use tokio::{sync::oneshot, time::sleep_until};

use super::{
    env::Env,
    generator::{
        self, Plan,
        journal::{Journal, Violations},
    },
    percentiles::Percentiles,
    usage::{Cpu, Memory},
};

/// The pause after the last handshake, in which presence is announced and channels are subscribed to.
const SETTLE: Duration = Duration::from_secs(2);

/// The time under load before the measurement, in which query plans are made and pools fill.
pub(crate) const WARM_UP: Duration = Duration::from_secs(2);

/// The result of a load.
pub(crate) struct LoadRun {
    /// The start of the load.
    pub(crate) epoch: Instant,
    /// The outcome of each message.
    pub(crate) journal: Journal,
    /// The measured interval, since the start of the load.
    pub(crate) measured: Range<Duration>,
    /// The CPU time in the measured interval.
    pub(crate) cpu: Cpu,
    /// The memory at the end.
    pub(crate) memory: Memory,
}

impl LoadRun {
    /// Returns the delivery times of the measured messages.
    pub(crate) fn delivery(&self) -> Percentiles {
        self.journal.delivery(self.measured.start, self.measured.end)
    }

    /// Returns the number of messages that were acked and delivered in the measured interval.
    pub(crate) fn done(&self) -> usize {
        self.journal.done_within(self.measured.start, self.measured.end)
    }

    /// Returns the number of deliveries to members in the measured interval.
    pub(crate) fn deliveries(&self) -> usize {
        self.journal.deliveries_within(self.measured.start, self.measured.end)
    }

    /// Returns the length of the measured interval, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.measured.end.saturating_sub(self.measured.start).as_secs_f64()
    }

    /// Returns a description if not every message was stored, acked and delivered exactly once.
    pub(crate) fn failure(&self, name: &str, stored: usize) -> Option<String> {
        let (violations, sent) = (self.journal.violations(), self.journal.sent());
        let passed = violations == Violations::default() && stored == sent;
        let violation = self.journal.first_violation();
        (!passed).then(|| format!("{name}: {stored} of {sent} messages are stored; {violations:?} {violation}"))
    }
}

/// Runs a load and measures it for `duration` after the warm-up. Runs `concurrent` meanwhile, which gets the measured interval.
///
/// # Errors
/// A socket is refused or closed, a process has ended, or `concurrent` fails.
pub(crate) async fn run_load<T>(
    env: &Env,
    mut plan: Plan,
    duration: Duration,
    concurrent: impl AsyncFnOnce(Range<Instant>) -> anyhow::Result<T>,
) -> anyhow::Result<(LoadRun, T)> {
    let processes = env.processes()?;
    let (from, to) = (WARM_UP, WARM_UP + duration);
    plan.duration = to;
    let (tell, opened) = oneshot::channel();
    let generator = tokio::task::spawn_blocking(move || {
        generator::run(&plan, || {
            let epoch = Instant::now() + SETTLE;
            // The receiver is gone if the measurement has failed.
            let _ = tell.send((epoch, gettid().as_raw()));
            epoch
        })
    });
    let Ok((epoch, thread)) = opened.await else {
        generator.await??;
        anyhow::bail!("the generator ended before it began");
    };
    let sample = async |at: Duration| {
        sleep_until((epoch + at).into()).await;
        anyhow::Ok((epoch.elapsed(), Cpu::of(&processes, Some(thread))?))
    };
    let samples = async {
        let ((began, before), (ended, after)) = (sample(from).await?, sample(to).await?);
        Ok((began..ended, after.since(before), Memory::of(&processes)?))
    };
    let ((measured, cpu, memory), concurrent) = tokio::try_join!(samples, concurrent(epoch + from..epoch + to))?;
    let journal = generator.await?.context("the generator")?;
    Ok((LoadRun { epoch, journal, measured, cpu, memory }, concurrent))
}
