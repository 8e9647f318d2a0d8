//! A load on the system, played and measured.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::unistd::gettid;
use tokio::{sync::oneshot, time::sleep_until};

use super::{
    generator::{
        self, Plan,
        journal::{Faults, Journal},
    },
    percentiles::Percentiles,
    stage::Stage,
    usage::{Cpu, Memory},
};

/// Between the last socket that opened and the load: people are told who came, channels are subscribed to.
const SETTLE: Duration = Duration::from_secs(2);

/// Load that is not measured: plans are made, pools fill.
const WARM_UP: Duration = Duration::from_secs(2);

/// What a load was, and what it took.
pub(crate) struct Played {
    /// What became of the messages.
    pub(crate) journal: Journal,
    /// The time that was measured, since the load began.
    pub(crate) measured: Range<Duration>,
    /// What was taken meanwhile.
    pub(crate) cpu: Cpu,
    /// What was held at the end.
    pub(crate) memory: Memory,
}

impl Played {
    /// How long the measured messages took to the partner.
    pub(crate) fn delivery(&self) -> Percentiles {
        self.journal.delivery(self.measured.start, self.measured.end)
    }

    /// How many messages were done in the time measured.
    pub(crate) fn done(&self) -> usize {
        self.journal.done_within(self.measured.start, self.measured.end)
    }

    /// The length of the time measured, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.measured.end.saturating_sub(self.measured.start).as_secs_f64()
    }

    /// What must not happen: a message that is not stored, acked and delivered, once.
    pub(crate) fn failure(&self, name: &str, stored: usize) -> Option<String> {
        let (faults, sent) = (self.journal.faults(), self.journal.sent());
        let good = faults == Faults::default() && stored == sent;
        (!good).then(|| format!("{name}: of {sent} messages {stored} are stored; {faults:?}"))
    }
}

/// Plays a load, and measures it for as long as `lasts` once it is warm; meanwhile `beside`, which is told when that is.
///
/// # Errors
/// A socket is refused or closed, a process has ended, or `beside` fails.
pub(crate) async fn play<T>(
    stage: &Stage,
    mut plan: Plan,
    lasts: Duration,
    beside: impl AsyncFnOnce(Range<Instant>) -> anyhow::Result<T>,
) -> anyhow::Result<(Played, T)> {
    let processes = stage.processes()?;
    let (from, to) = (WARM_UP, WARM_UP + lasts);
    plan.lasts = to;
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
        anyhow::Ok((epoch.elapsed(), Cpu::of(&processes, Some(thread))?))
    };
    let looks = async {
        let ((began, before), (ended, after)) = (look(from).await?, look(to).await?);
        Ok((began..ended, after.since(before), Memory::of(&processes)?))
    };
    let ((measured, cpu, memory), beside) = tokio::try_join!(looks, beside(epoch + from..epoch + to))?;
    let journal = generator.await?.context("the generator")?;
    Ok((Played { journal, measured, cpu, memory }, beside))
}
